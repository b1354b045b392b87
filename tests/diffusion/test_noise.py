import pytest
import torch

from nodeflow_nodes.diffusion.sampling.noise import BrownianNoise, FreshNoise, first_noise

SHAPE = (3, 4, 8, 8)


def test_batch_layout_is_one_draw():
    expected = torch.randn(SHAPE, generator=torch.Generator().manual_seed(42))
    assert torch.equal(first_noise(SHAPE, 42, "batch"), expected)


def test_per_item_layout_gives_each_picture_its_own_seed():
    noise = first_noise(SHAPE, 42)
    for i in range(3):
        assert torch.equal(noise[i : i + 1], first_noise((1, 4, 8, 8), 42 + i))


@pytest.mark.parametrize("layout", ["per_item", "batch"])
def test_a_picture_cut_from_a_batch_draws_the_same_noise(layout):
    whole = first_noise((5, 4, 6, 6), 7, layout)
    if layout == "batch":  # drawn item by item: the same numbers while an item's size is a multiple of 16
        whole = torch.cat(list(first_noise((5, 4, 6, 6), 7, layout, range(5)).split(1)))
    assert torch.equal(first_noise((2, 4, 6, 6), 7, layout, (3, 1)), whole[[3, 1]])


def test_seeds_wrap_around():
    assert torch.equal(first_noise((2, 4, 4, 4), 2**64 - 1)[1:], first_noise((1, 4, 4, 4), 0))


def test_no_noise():
    assert not first_noise(SHAPE, 1, "none").any()


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="layout"):
        first_noise(SHAPE, 1, "other")
    with pytest.raises(ValueError, match="batch index"):
        first_noise(SHAPE, 1, "batch", (0, 1))


def test_fresh_noise_follows_the_order_of_use():
    a, b = FreshNoise(torch.zeros(SHAPE), [5]), FreshNoise(torch.zeros(SHAPE), [5])
    sigma = torch.tensor(1.0)
    first = a(sigma, sigma)
    assert torch.equal(first, b(sigma, sigma))
    assert not torch.equal(first, a(sigma, sigma))


def test_fresh_noise_per_item_is_that_of_the_items_alone():
    sigma = torch.tensor(1.0)
    together = FreshNoise(torch.zeros(SHAPE), [5, 6, 7])
    alone = FreshNoise(torch.zeros(1, 4, 8, 8), [6])
    for _ in range(2):
        assert torch.equal(together(sigma, sigma)[1:2], alone(sigma, sigma))


def test_brownian_increments_add_up():
    sigmas = torch.tensor([10.0, 5.0, 2.0, 1.0, 0.0])
    noise = BrownianNoise(torch.zeros(1, 4, 8, 8), sigmas, [3])

    def increment(a, b):
        return noise(a, b) * (b - a).abs().sqrt()

    whole = increment(sigmas[0], sigmas[3])
    parts = sum(increment(sigmas[i], sigmas[i + 1]) for i in range(3))
    assert torch.allclose(whole, parts, atol=1e-5)


def test_brownian_noise_is_unit_and_repeatable():
    sigmas = torch.tensor([14.614641, 0.0291671, 0.0])
    x = torch.zeros(2, 4, 64, 64)
    noise = BrownianNoise(x, sigmas, [11])
    drawn = noise(sigmas[0], sigmas[1])
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.02)
    assert torch.equal(drawn, BrownianNoise(x, sigmas, [11])(sigmas[0], sigmas[1]))


def test_brownian_noise_per_item_is_that_of_the_items_alone():
    sigmas = torch.tensor([10.0, 3.0, 1.0, 0.0])
    together = BrownianNoise(torch.zeros(2, 4, 8, 8), sigmas, [5, 6])(sigmas[0], sigmas[1])
    alone = BrownianNoise(torch.zeros(1, 4, 8, 8), sigmas, [6])(sigmas[0], sigmas[1])
    assert torch.equal(together[1:], alone)
