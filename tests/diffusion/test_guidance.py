import pytest
import torch

from nodeflow_nodes.diffusion.sampling.guidance import Guidance, dual_cfg, perp_neg, rescaled_cfg, rescaled_flow_cfg

C, M, U = (torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(s)) for s in range(3))
X, SIGMA = torch.randn(2, 4, 8, 8), torch.tensor(2.0)


def combine(guidance, flow=False, **estimates):
    return guidance.combine(X, SIGMA, estimates, flow)


def test_cfg_is_linear_in_its_scale():
    assert torch.allclose(combine(Guidance("cfg", 3.0), positive=C, negative=U), U + 3 * (C - U))
    assert combine(Guidance("cfg", 1.0), positive=C, negative=U) is C


def test_sides_that_are_not_needed_are_left_out():
    assert Guidance("cfg", 7.0).sides(1.0) == ("positive", "negative")
    assert Guidance("cfg", 1.0).sides(1.0) == ("positive",)
    assert Guidance("cfg", 1.0).sides(1.0, need_uncond=True) == ("positive", "negative")
    assert Guidance("basic").sides(1.0) == ("positive",)
    assert Guidance("dual", 2.0).sides(1.0) == ("positive", "middle", "negative")


def test_guidance_in_an_interval():
    guidance = Guidance("cfg", 5.0, first=10.0, last=1.0)
    assert guidance.sides(12.0) == ("positive",)
    assert guidance.sides(10.0) == guidance.sides(1.0) == ("positive", "negative")
    assert guidance.sides(0.5) == ("positive",)
    assert combine(Guidance("cfg", 5.0, first=1.0), positive=C, negative=U) is C


@pytest.mark.parametrize("formula", [rescaled_cfg, rescaled_flow_cfg])
def test_rescale_without_share_is_plain_cfg(formula):
    assert torch.allclose(formula(X, SIGMA, C, U, 4.0, 0.0), U + 4 * (C - U), atol=1e-4)


def test_full_rescale_has_the_spread_of_the_conditional_velocity():
    result = rescaled_flow_cfg(X, SIGMA, C, U, 4.0, 1.0)
    velocity = (X - result) / SIGMA
    expected = ((X - C) / SIGMA).std(dim=(1, 2, 3))
    assert torch.allclose(velocity.std(dim=(1, 2, 3)), expected, rtol=1e-4)


def test_rescale_treats_items_alone():
    whole = rescaled_cfg(X, SIGMA, C, U, 4.0, 0.7)
    alone = rescaled_cfg(X[:1], SIGMA, C[:1], U[:1], 4.0, 0.7)
    assert torch.allclose(whole[:1], alone, atol=1e-6)


def test_dual_with_equal_scales_is_cfg():
    assert torch.allclose(dual_cfg(C, M, U, 3.0, 3.0, nested=False), U + 3 * (C - U), atol=1e-5)
    assert torch.allclose(dual_cfg(C, M, U, 1.0, 3.0, nested=True), U + 3 * (C - U), atol=1e-5)


def test_perp_neg_ignores_a_negative_along_the_positive():
    """E = 0, N = 2 C: nothing of it is perpendicular, so only the positive is left."""
    empty = torch.zeros_like(C)
    assert torch.allclose(perp_neg(C, 2 * C, empty, 5.0, 1.0, compat=False), 5 * C, atol=1e-4)


def test_perp_neg_takes_away_what_is_perpendicular():
    a, b = torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 2)
    a[..., 0], b[..., 1] = 1.0, 1.0
    result = perp_neg(a, b, torch.zeros_like(a), 2.0, 0.5, compat=False)
    assert result.flatten().tolist() == [2.0, -1.0]


def test_perp_neg_per_item_and_over_the_batch_differ():
    empty = torch.zeros_like(C)
    ours = perp_neg(C, U, empty, 5.0, 1.0, compat=False)
    assert torch.allclose(ours[:1], perp_neg(C[:1], U[:1], empty[:1], 5.0, 1.0, compat=False))
    assert not torch.allclose(ours, perp_neg(C, U, empty, 5.0, 1.0, compat=True))


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="basic, cfg, dual or perp_neg"):
        Guidance("other")
