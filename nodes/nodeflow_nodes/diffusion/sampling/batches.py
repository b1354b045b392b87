"""Conditions that run together: the network is called once for a group of equal shape (NUMERICS §6).

The grouping depends on the recipe alone, never on free memory, so that the low bits of results do not either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nodeflow_nodes.diffusion.denoiser import Conditions, Residuals
from nodeflow_nodes.diffusion.sampling.conditions import Area, Control, Prepared, crop

UNET_FAMILIES = ("sd1", "sd2", "sdxl", "sdxl_refiner")
"""Families with cross-attention, in which repeated tokens change nothing."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Conditions that run together: `members` are (side, condition) in the order in which they are stacked."""

    members: tuple[tuple[int, Prepared], ...]
    area: Area | None
    conditions: Conditions
    joined: Tensor | None
    control: tuple[Control, ...]
    hints: tuple[Tensor, ...]


def batches(sides: Sequence[list[Prepared]], repeat_tokens: bool) -> list[Batch]:
    """Group the conditions of all sides into batches of equal shape, in order of first appearance.

    Args:
        sides: the active conditions of each side.
        repeat_tokens: whether token sequences may be repeated to a common length (up to 4 ×).
    """
    groups: list[list[tuple[int, Prepared]]] = []
    for number, side in enumerate(sides):
        for condition in side:
            group = next((g for g in groups if _fits(g, condition, repeat_tokens)), None)
            if group is None:
                groups.append([(number, condition)])
            else:
                group.append((number, condition))
    return [_stack(group) for group in groups]


def _fits(group: list[tuple[int, Prepared]], condition: Prepared, repeat_tokens: bool) -> bool:
    return all(_same_shape(member, condition) for _, member in group) and _lengths_fit(
        {*(m.tokens.shape[1] for _, m in group), condition.tokens.shape[1]}, repeat_tokens
    )


def _same_shape(a: Prepared, b: Prepared) -> bool:
    return (
        (a.area is None) == (b.area is None)
        and (a.area or ())[:2] == (b.area or ())[:2]
        and a.tokens.shape[2] == b.tokens.shape[2]
        and (a.pooled is None) == (b.pooled is None)
        and (a.pooled is None or b.pooled is None or a.pooled.shape == b.pooled.shape)
        and {k: v.shape for k, v in a.extra.items()} == {k: v.shape for k, v in b.extra.items()}
        and (a.joined is None) == (b.joined is None)
        and len(a.control) == len(b.control)
        and all(_same_control(c, d) for c, d in zip(a.control, b.control, strict=True))
    )


def _same_control(a: Control, b: Control) -> bool:
    same = (a.strength, a.first, a.last) == (b.strength, b.first, b.last)
    return a.network is b.network and same and a.hint.shape == b.hint.shape


def _lengths_fit(lengths: set[int], repeat_tokens: bool) -> bool:
    if len(lengths) == 1:
        return True
    return repeat_tokens and math.lcm(*lengths) // min(lengths) <= 4


def _stack(group: list[tuple[int, Prepared]]) -> Batch:
    members = [condition for _, condition in group]
    length = math.lcm(*(m.tokens.shape[1] for m in members))
    first = members[0]
    areas = {m.area for m in members}
    conditions = Conditions(
        tokens=_cat([m.tokens.repeat(1, length // m.tokens.shape[1], 1) for m in members]),
        pooled=None if first.pooled is None else _cat([m.pooled for m in members if m.pooled is not None]),
        extra={name: _cat([m.extra[name] for m in members]) for name in first.extra},
    )
    joined = None
    if first.joined is not None:
        joined = _cat([crop(m.joined, m.area) for m in members if m.joined is not None])
    hints = tuple(
        _cat([crop(m.control[k].hint, m.area, first.control[k].network.downscale) for m in members])
        for k in range(len(first.control))
    )
    area = first.area if len(areas) == 1 else None
    return Batch(tuple(group), area, conditions, joined, first.control, hints)


def _cat(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def add_residuals(parts: Sequence[tuple[float, Residuals]]) -> Residuals | None:
    """The sum of ControlNets' residuals, each times its strength; entries that only one has are kept as they are."""
    total: Residuals = {}
    for strength, residuals in parts:
        for name, tensors in residuals.items():
            scaled = [t if strength == 1.0 else t * strength for t in tensors]
            if name not in total:
                total[name] = scaled
            else:
                total[name] = [a + b for a, b in zip(total[name], scaled, strict=True)]
    return total or None
