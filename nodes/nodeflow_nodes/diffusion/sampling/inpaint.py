"""Sampling a part of a picture: masks, and masks that open with time (NUMERICS §8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from nodeflow_nodes.diffusion.sampling.parametrisation import Eps
from nodeflow_nodes.diffusion.sampling.tables import SigmaTable


class Masked:
    """An estimator that keeps the picture where the mask is 0.

    Before each estimate the kept part of the state is set to the picture at noise level σ; after it, the kept part of
    the estimate is set to the picture: x ← x·m + noised(z, σ)·(1 − m), D ← D·m + z·(1 − m). The same noise each step.
    """

    def __init__(self, model: Any, latent: Tensor, noise: Tensor, mask: Tensor | Callable[[Tensor], Tensor]) -> None:
        """`latent`: in the model's space. `mask`: [1 or B, 1, h, w], 1 = may change, or a function of σ giving one."""
        self._model = model
        self._latent = latent
        self._noise = noise
        self._mask = mask

    parametrisation: Eps = property(lambda self: self._model.parametrisation)  # type: ignore[assignment]
    table: SigmaTable = property(lambda self: self._model.table)  # type: ignore[assignment]
    uncond: Tensor | None = property(lambda self: self._model.uncond)  # type: ignore[assignment]

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        mask = self._mask if isinstance(self._mask, Tensor) else self._mask(sigma)
        kept = self._model.parametrisation.renoised(self._noise, self._latent, sigma)
        rest = 1.0 - mask
        denoised = self._model(x * mask + kept * rest, sigma)
        return denoised * mask + self._latent * rest


class Differential:
    """Differential diffusion (Levin and Fried 2023): a grey mask says *when* a place may begin to change.

    At σ, those places may change whose mask is at least the share of the sampling time that is left: 1 from the first
    step, 0.3 in the last 30%, 0 never.
    """

    def __init__(self, mask: Tensor, sigmas: Tensor, table: SigmaTable) -> None:
        self._mask = mask
        self._table = table
        last = sigmas[-1] if sigmas[-1] > table.sigma_min else table.sigma_min
        self._from = float(table.timestep(sigmas[0]))
        self._to = float(table.timestep(last))

    def __call__(self, sigma: Tensor) -> Tensor:
        now = float(self._table.timestep(sigma))
        left = (now - self._to) / max(self._from - self._to, 1e-12)
        return (self._mask >= min(left, 1.0)).to(self._mask.dtype) * (self._mask > 0)
