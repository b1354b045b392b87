"""Blend modes against the W3C's formulas, written out for single numbers; compositing; batches."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodeflow import NodeError
from nodeflow_nodes.image.combine import batch, blend, composite, pick, repeat, split_batch, stitch
from nodeflow_nodes.image.ops.blending import MODES


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def hard_light(b: float, s: float) -> float:
    return b * 2 * s if s <= 0.5 else b + (2 * s - 1) - b * (2 * s - 1)


def soft_light(b: float, s: float) -> float:
    d = ((16 * b - 12) * b + 4) * b if b <= 0.25 else math.sqrt(b)
    return b - (1 - 2 * s) * b * (1 - b) if s <= 0.5 else b + (2 * s - 1) * (d - b)


def dodge(b: float, s: float) -> float:
    return 0.0 if b == 0 else 1.0 if s == 1 else min(1, b / (1 - s))


def burn(b: float, s: float) -> float:
    return 1.0 if b == 1 else 0.0 if s == 0 else 1 - min(1, (1 - b) / s)


W3C: dict[str, Callable[[float, float], float]] = {
    "normal": lambda b, s: s,
    "multiply": lambda b, s: b * s,
    "screen": lambda b, s: b + s - b * s,
    "overlay": lambda b, s: hard_light(s, b),
    "soft_light": soft_light,
    "hard_light": hard_light,
    "difference": lambda b, s: abs(b - s),
    "exclusion": lambda b, s: b + s - 2 * b * s,
    "add": lambda b, s: min(1, b + s),
    "subtract": lambda b, s: max(0, b - s),
    "darken": min,
    "lighten": max,
    "dodge": dodge,
    "burn": burn,
}
STEPS = (0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.9, 1.0)


@pytest.mark.parametrize("mode", MODES)
def test_modes_match_the_specification(mode: str) -> None:
    below = torch.tensor(STEPS).view(1, 1, -1, 1).expand(1, 1, 8, 8)
    above = torch.tensor(STEPS).view(1, 1, 1, -1).expand(1, 1, 8, 8)
    expected = torch.tensor([[W3C[mode](b, s) for s in STEPS] for b in STEPS])
    assert torch.allclose(blend(below, above, 1.0, mode)[0, 0], expected, atol=2e-6)
    half = blend(below, above, 0.5, mode)[0, 0]
    assert torch.allclose(half, (below[0, 0] + expected) / 2, atol=2e-6)


@pytest.mark.parametrize("mode", MODES)
def test_no_amount_changes_nothing(mode: str) -> None:
    a, b = noise(2, 3, 4, 4), noise(1, 3, 4, 4, seed=2)
    assert torch.equal(blend(a, b, 0.0, mode), a)


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.sampled_from(sorted(MODES)), st.floats(0, 1))
def test_results_stay_in_range(b: float, s: float, mode: str, amount: float) -> None:
    result = blend(torch.full((1, 1, 1, 1), b), torch.full((1, 1, 1, 1), s), amount, mode).item()
    assert 0 <= result <= 1


def test_alpha_is_composited_as_source_over() -> None:
    """W3C: Co = αs·(1-αb)·Cs + αs·αb·B(Cb, Cs) + (1-αs)·αb·Cb, divided by αo = αs + αb·(1-αs)."""
    below = torch.tensor([0.2, 0.4, 0.6, 0.5]).view(1, 4, 1, 1)
    above = torch.tensor([0.8, 0.1, 0.3, 0.25]).view(1, 4, 1, 1)
    result = blend(below, above, 1.0, "multiply").flatten().tolist()
    alpha = 0.25 + 0.5 * 0.75
    colours = [
        (0.25 * 0.5 * s + 0.25 * 0.5 * b * s + 0.75 * 0.5 * b) / alpha
        for b, s in zip((0.2, 0.4, 0.6), (0.8, 0.1, 0.3), strict=True)
    ]
    assert result == pytest.approx([*colours, alpha], abs=1e-6)


def test_mask_size_and_channels() -> None:
    a, b = noise(1, 1, 8, 8), noise(3, 3, 4, 4)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 4:] = 1
    mixed = blend(a, b, 1.0, mask=mask)
    assert mixed.shape == (3, 3, 8, 8)
    assert torch.equal(mixed[..., :4], a.expand(3, 3, 8, 8)[..., :4])
    assert not torch.equal(mixed[..., 4:], a.expand(3, 3, 8, 8)[..., 4:])


def test_unequal_batches_are_refused() -> None:
    with pytest.raises(NodeError, match="got 2 and 3 and 1 items"):
        blend(noise(2, 3, 4, 4), noise(3, 3, 4, 4))


@pytest.mark.parametrize("at", [(0, 0), (2, 1), (-1, -2), (5, 4), (6, 0), (-9, 0)])
def test_composite(at: tuple[int, int]) -> None:
    ground, part = noise(1, 3, 6, 6), noise(2, 3, 3, 3, seed=2)
    expected = ground.expand(2, -1, -1, -1).clone()
    for y in range(3):
        for x in range(3):
            if 0 <= y + at[1] < 6 and 0 <= x + at[0] < 6:
                expected[..., y + at[1], x + at[0]] = part[..., y, x]
    before = ground.clone()
    assert torch.allclose(composite(ground, part, *at), expected, atol=1e-7)
    assert torch.equal(ground, before)


def test_composite_by_mask_and_alpha() -> None:
    ground, part = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 2, 2)
    mask = torch.tensor([[1.0, 0.5], [0, 0.25]]).view(1, 1, 2, 2)
    assert torch.allclose(composite(ground, part, 1, 1, mask)[0, 0, 1:3, 1:3], mask[0, 0])
    clear = torch.cat([part, mask], 1)
    assert torch.allclose(composite(ground, clear, 1, 1)[0, 0, 1:3, 1:3], mask[0, 0])
    assert composite(ground, part, resize_source=True).min() == 1
    assert composite(torch.zeros(1, 1, 4, 4), part, 0, 0).shape == (1, 3, 4, 4)
    assert composite(torch.zeros(1, 4, 4, 4), part, 0, 0)[0, 3].sum() == 4


def test_batch_and_pick() -> None:
    a, b = noise(2, 3, 4, 4), noise(1, 1, 4, 4)
    both = batch([a, b])
    assert both.shape == (3, 3, 4, 4)
    assert torch.equal(pick(both, -1), b.expand(1, 3, 4, 4))
    assert torch.equal(pick(both, 0, 2), a)
    assert pick(both, 2, 9).shape[0] == 1
    assert torch.equal(torch.cat(split_batch(both)), both)
    assert torch.equal(repeat(a, 2), torch.cat([a, a]))
    with pytest.raises(NodeError, match="there are 3 pictures"):
        pick(both, 3)
    with pytest.raises(NodeError, match="empty list"):
        batch([])
    with pytest.raises(NodeError, match="4 × 4, 8 × 8"):
        batch([a, noise(1, 3, 8, 8)])
    assert batch([a, noise(1, 3, 8, 8)], "first").shape == (3, 3, 4, 4)


def test_stitch() -> None:
    a, b = noise(1, 3, 4, 6), noise(2, 3, 8, 4, seed=2)
    right = stitch(a, b, gap=1)
    assert right.shape == (2, 3, 4, 6 + 1 + 2)
    assert torch.equal(right[:1, ..., :6], a)
    assert right[..., 6].min() == 1
    assert torch.equal(stitch(a, b, "left")[1:, ..., 2:], a)
    assert stitch(a, b, "down").shape == (2, 3, 4 + 12, 6)
    loose = stitch(a, b, "up", match_size=False, color="black")
    assert loose.shape == (2, 3, 12, 6)
    assert torch.equal(loose[..., :8, 1:5], b)
    assert loose[..., :8, 0].max() == 0
