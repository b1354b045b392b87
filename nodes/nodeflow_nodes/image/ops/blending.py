"""Blend modes and compositing, by the formulas of W3C Compositing and Blending Level 1 (§5, §10)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nodeflow_nodes.image.ops.shape import join_alpha, same_batch, split_alpha, to_rgb


def _hard_light(b: Tensor, s: Tensor) -> Tensor:
    return torch.where(s <= 0.5, b * (2 * s), b + (2 * s - 1) - b * (2 * s - 1))


def _soft_light(b: Tensor, s: Tensor) -> Tensor:
    d = torch.where(b <= 0.25, ((16 * b - 12) * b + 4) * b, b.clamp(min=0).sqrt())
    return torch.where(s <= 0.5, b - (1 - 2 * s) * b * (1 - b), b + (2 * s - 1) * (d - b))


def _dodge(b: Tensor, s: Tensor) -> Tensor:
    value = (b / (1 - s).clamp(min=1e-12)).clamp(max=1)
    return torch.where(b <= 0, torch.zeros_like(value), torch.where(s >= 1, torch.ones_like(value), value))


def _burn(b: Tensor, s: Tensor) -> Tensor:
    value = 1 - ((1 - b) / s.clamp(min=1e-12)).clamp(max=1)
    return torch.where(b >= 1, torch.ones_like(value), torch.where(s <= 0, torch.zeros_like(value), value))


MODES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "normal": lambda b, s: s,
    "multiply": lambda b, s: b * s,
    "screen": lambda b, s: b + s - b * s,
    "overlay": lambda b, s: _hard_light(s, b),
    "soft_light": _soft_light,
    "hard_light": _hard_light,
    "difference": lambda b, s: (b - s).abs(),
    "exclusion": lambda b, s: b + s - 2 * b * s,
    "add": lambda b, s: (b + s).clamp(max=1),
    "subtract": lambda b, s: (b - s).clamp(min=0),
    "darken": torch.minimum,
    "lighten": torch.maximum,
    "dodge": _dodge,
    "burn": _burn,
}
"""B(Cb, Cs): the backdrop's and the source's colour to the blended colour, all 0..1."""


def blend(backdrop: Tensor, source: Tensor, mode: str, amount: float | Tensor) -> Tensor:
    """Source over backdrop with a blend mode. Same height and width; batches of one size or single.

    Args:
        backdrop: [B, C, H, W]. Without alpha it is solid, and so is the result.
        source: [B, C, H, W]; its alpha is its coverage.
        mode: one of `MODES`.
        amount: the source's coverage besides, 0..1: a number, or [B, 1, H, W].
    """
    below, below_alpha = split_alpha(backdrop)
    above, above_alpha = split_alpha(source)
    if below.shape[1] != above.shape[1]:
        below, above = to_rgb(below), to_rgb(above)
    coverage = amount if isinstance(amount, Tensor) else below.new_full((1, 1, 1, 1), amount)
    if above_alpha is not None:
        coverage, above_alpha = same_batch(coverage, above_alpha)
        coverage = coverage * above_alpha
    below, above, coverage = same_batch(below, above, coverage)
    mixed = MODES[mode](below, above)
    if below_alpha is None:
        return (below + coverage * (mixed - below)).clamp(0, 1)
    (below_alpha, _) = same_batch(below_alpha, below)
    alpha = coverage + below_alpha * (1 - coverage)
    colour = (
        (1 - coverage) * below_alpha * below + (1 - below_alpha) * coverage * above + coverage * below_alpha * mixed
    )
    colour = torch.where(alpha > 1e-6, colour / alpha.clamp(min=1e-6), below)
    return join_alpha(colour.clamp(0, 1), alpha)
