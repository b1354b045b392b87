import pytest
import torch

from nodeflow import Latent, NodeError
from nodeflow_nodes.latent.batches import batch, pick, repeat


def latent(b: int, seed: int = 1) -> Latent:
    return Latent(torch.randn(b, 4, 4, 4, generator=torch.Generator().manual_seed(seed)))


def test_pick_keeps_the_place() -> None:
    x = latent(4)
    one = pick(x, 2)
    assert torch.equal(one.samples, x.samples[2:3])
    assert one.batch_index == (2,)
    assert pick(pick(x, 1, 3), -1).batch_index == (3,)
    assert pick(x, 2, 9).batch_index == (2, 3)
    with pytest.raises(NodeError, match="there are 4 latents"):
        pick(x, 4)


def test_picked_latents_draw_the_noise_of_their_batch() -> None:
    from nodeflow_nodes.diffusion.sampling.noise import first_noise

    one = pick(latent(4), 2)
    for layout in ("per_item", "batch"):
        whole = first_noise((4, 4, 4, 4), 7, layout)
        assert torch.equal(first_noise((1, 4, 4, 4), 7, layout, one.batch_index)[0], whole[2])


def test_batch() -> None:
    a, b = latent(2), latent(1, 2)
    made = batch([a, b])
    assert torch.equal(made.samples, torch.cat([a.samples, b.samples]))
    assert made.batch_index is None
    assert batch([pick(a, 1), b]).batch_index == (1, 0)
    with pytest.raises(NodeError, match="latent 1 has shape"):
        batch([a, Latent(torch.zeros(1, 4, 4, 5))])
    with pytest.raises(NodeError, match="empty list"):
        batch([])


def test_batch_fills_missing_masks_with_ones() -> None:
    masked = Latent(torch.zeros(2, 4, 4, 4), torch.zeros(1, 1, 6, 6))
    made = batch([masked, latent(1)])
    assert made.noise_mask is not None
    assert made.noise_mask.amax((1, 2, 3)).tolist() == [0, 0, 1]
    with pytest.raises(NodeError, match="masks differ"):
        batch([masked, Latent(torch.zeros(1, 4, 4, 4), torch.zeros(1, 1, 3, 3))])


def test_repeat() -> None:
    x = latent(2)
    made = repeat(x, 3)
    assert torch.equal(made.samples, torch.cat([x.samples] * 3))
    assert made.batch_index is None  # 0 .. 5
    assert repeat(pick(x, 1), 3).batch_index == (1, 2, 3)
    with pytest.raises(NodeError, match="more than 4 GB"):
        repeat(Latent(torch.zeros(1, 1, 1, 1).expand(1, 4, 1024, 1024)), 4096)
