"""What all samplers share: their one signature, and the arithmetic of a step (NUMERICS §5).

A sampler is a function

    sampler(model, x, sigmas, noise, step, **options) -> x

`model(x, sigma)` gives the denoised estimate D; `x` is the state at `sigmas[0]`, [B, ...]; `sigmas` is float32 on the
CPU, falling; `noise(sigma, sigma_next)` gives unit noise like `x`; `step(i, x, sigma, denoised)` is called once a step
and may raise to stop. Notation in the samplers: a = σ_i, b = σ_{i+1}, d = (x − D)/a, h = λ_{i+1} − λ_i.

σ arithmetic is done on 0-dimensional CPU tensors in float32: no transfer waits for an accelerator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from nodeflow_nodes.diffusion.sampling.parametrisation import Eps
from nodeflow_nodes.diffusion.sampling.tables import SigmaTable

Noise = Callable[[Tensor, Tensor], Tensor]
Step = Callable[[int, Tensor, Tensor, Tensor], None]


class Model(Protocol):
    """The guided estimate. `uncond`: the negative side's estimate of the last call (for CFG++)."""

    parametrisation: Eps
    table: SigmaTable
    uncond: Tensor | None

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor: ...


def intervals(sigmas: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Each step's number with its a and b."""
    for i in range(len(sigmas) - 1):
        yield i, sigmas[i], sigmas[i + 1]


def estimated(model: Model, x: Tensor, sigma: Tensor, step: Step, i: int) -> Tensor:
    """D at the beginning of step i, shown to `step`."""
    denoised = model(x, sigma)
    step(i, x, sigma, denoised)
    return denoised


def derivative(x: Tensor, denoised: Tensor, sigma: Tensor) -> Tensor:
    """d = (x − D)/σ, the slope of the probability flow (Karras et al. 2022, equation 3)."""
    return (x - denoised) / sigma


def ancestral(a: Tensor, b: Tensor, eta: float = 1.0) -> tuple[Tensor, Tensor]:
    """A step a → b split into a step down to `dn` and noise `up` with dn² + up² = b² (Song et al. 2020; η = 1: as much
    noise as the reverse process adds; η = 0: none)."""
    if not eta:
        return b, torch.zeros(())
    up = torch.minimum(b, eta * (b**2 * (a**2 - b**2) / a**2) ** 0.5)
    return (b**2 - up**2) ** 0.5, up


def flow_ancestral(a: Tensor, b: Tensor, eta: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """The same for flow states: σ to step down to, then the factor of the state and that of the noise."""
    down = b * (1 + (b / a - 1) * eta)
    alpha, alpha_down = 1 - b, 1 - down
    renoise = (b**2 - down**2 * alpha**2 / alpha_down**2) ** 0.5
    return down, alpha / alpha_down, renoise


def below_one(model: Model, sigmas: Tensor, share: float = 1e-4) -> Tensor:
    """Sigmas whose first is a little under 1 for flow models, where λ is not defined at 1."""
    if model.parametrisation.flow and sigmas[0] >= 1:
        sigmas = sigmas.clone()
        sigmas[0] = model.table.percent(share)
    return sigmas


def unconditional(model: Model) -> Tensor:
    """The negative side's estimate, for CFG++.

    Raises:
        ValueError: if the guidance has no negative side.
    """
    if model.uncond is None:
        raise ValueError("CFG++ samplers need a negative conditioning: use a cfg guider")
    return model.uncond
