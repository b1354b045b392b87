"""The samplers' model: from a state and σ to the guided denoised estimate D(x, σ).

`Estimator` ties a bare denoiser to its table, its parametrisation, the prepared conditions and the guidance. What is
the same at each step (batched text, weights of areas) is computed once for each set of active conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nodeflow_nodes.diffusion.sampling.batches import UNET_FAMILIES, Batch, add_residuals, batches
from nodeflow_nodes.diffusion.sampling.conditions import Prepared, crop, match_areas
from nodeflow_nodes.diffusion.sampling.guidance import SIDES, Guidance
from nodeflow_nodes.diffusion.sampling.parametrisation import Eps
from nodeflow_nodes.diffusion.sampling.tables import SigmaTable


class Estimator:
    """D(x, σ) after guidance.

    `uncond` is the negative side's estimate of the last call, if it was evaluated (`need_uncond` makes sure it is).
    `evaluations` counts the network's runs. `check` is called before each estimate, and raises to stop.
    """

    def __init__(
        self,
        denoiser: Any,
        parametrisation: Eps,
        table: SigmaTable,
        guidance: Guidance,
        sides: dict[str, list[Prepared]],
        *,
        need_uncond: bool = False,
        check: Callable[[], None] = lambda: None,
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.denoiser = denoiser
        self.parametrisation = parametrisation
        self.table = table
        self.guidance = guidance
        self.need_uncond = need_uncond
        self.uncond: Tensor | None = None
        self.evaluations = 0
        names = [name for name in SIDES if name in sides]
        self._sides = dict(zip(names, match_areas([sides[name] for name in names]), strict=True))
        self._check = check
        self._warn = warn
        self._batches: dict[tuple[Any, ...], list[Batch]] = {}
        self._warned = False

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self._check()
        level = float(sigma)
        names = self.guidance.sides(level, self.need_uncond)
        missing = [name for name in names if name not in self._sides]
        if missing:
            raise ValueError(f"guidance {self.guidance.kind}: the {missing[0]} conditioning is missing")
        estimates = dict(zip(names, self._evaluate(names, x, sigma, level), strict=True))
        self.uncond = estimates.get("negative")
        return self.guidance.combine(x, sigma, estimates, self.parametrisation.flow)

    def _evaluate(self, names: Sequence[str], x: Tensor, sigma: Tensor, level: float) -> list[Tensor]:
        groups = self._groups(names, level)
        totals: list[Tensor | None] = [None] * len(names)
        weights: list[Tensor | float] = [1e-37] * len(names)
        alone = {id(c) for batch in groups for _, c in batch.members if c.area is None and _plain(c)}
        counts = [sum(side == k for batch in groups for side, _ in batch.members) for k in range(len(names))]
        scaled = self.parametrisation.model_input(x, sigma)
        for batch in groups:
            for (side, condition), denoised in zip(
                batch.members, self._run(batch, x, scaled, sigma, level), strict=True
            ):
                if counts[side] == 1 and id(condition) in alone:
                    totals[side] = denoised
                    continue
                total = totals[side]
                if total is None:
                    total, weights[side] = torch.zeros_like(x), torch.full_like(x, 1e-37)
                    totals[side] = total
                crop(total, condition.area).add_(denoised * condition.weight)
                crop(weights[side], condition.area).add_(condition.weight)  # type: ignore[arg-type]
        return [
            torch.zeros_like(x) if total is None else total / weight if isinstance(weight, Tensor) else total
            for total, weight in zip(totals, weights, strict=True)
        ]

    def _run(self, batch: Batch, x: Tensor, scaled: Tensor, sigma: Tensor, level: float) -> Sequence[Tensor]:
        """Denoised estimates of a batch's members, each of its area's size."""
        count = len(batch.members)
        areas = [condition.area for _, condition in batch.members]
        inputs = _stacked(scaled, areas)
        timestep = self.table.timestep(sigma).to(inputs.device).expand(inputs.shape[0])
        conditions = batch.conditions
        parts = [
            (c.strength, c.network(inputs, timestep, conditions, hint))
            for c, hint in zip(batch.control, batch.hints, strict=True)
            if c.first >= level >= c.last
        ]
        if parts:
            conditions = replace(conditions, control=add_residuals(parts))
        if batch.joined is not None:
            inputs = torch.cat([inputs, batch.joined], dim=1)
        output = self.denoiser(inputs, timestep, conditions)
        self.evaluations += 1
        return self.parametrisation.denoised(_stacked(x, areas), output, sigma).chunk(count)

    def _groups(self, names: Sequence[str], level: float) -> list[Batch]:
        active = [[c for c in self._sides[name] if c.active(level)] for name in names]
        key = (*names, *(id(c) for side in active for c in side))
        if key not in self._batches:
            self._batches[key] = batches(active, self.denoiser.family in UNET_FAMILIES)
            empty = [name for name, side in zip(names, active, strict=True) if not side]
            if empty and not self._warned:
                self._warned = True
                self._warn(f"no {' or '.join(empty)} condition is active at sigma {level:.4g}: its estimate is 0 there")
        return self._batches[key]


def _stacked(x: Tensor, areas: Sequence[Any]) -> Tensor:
    if len(areas) == 1:
        return crop(x, areas[0])
    return torch.cat([crop(x, area) for area in areas])


def _plain(condition: Prepared) -> bool:
    return not isinstance(condition.weight, Tensor) and condition.weight > 0
