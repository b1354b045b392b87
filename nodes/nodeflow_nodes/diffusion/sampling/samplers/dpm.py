"""DPM-Solver with steps of its own choice: `dpm_fast` and `dpm_adaptive` (Lu et al. 2022).

Time is t = −ln σ; ε = (x − D)/σ. Both end at the last σ above 0, so that a little noise stays.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nodeflow_nodes.diffusion.sampling.samplers.common import Model, Noise, Step


class _Slopes:
    """ε at states of one step, each evaluated once: a step of order 3 shares those of order 2."""

    def __init__(self, model: Model, x: Tensor, t: Tensor) -> None:
        self._model = model
        self.x, self.t = x, t
        self.denoised = model(x, t.neg().exp())
        self.first = (x - self.denoised) / t.neg().exp()
        self._second: dict[float, Tensor] = {}

    def at(self, x: Tensor, t: Tensor) -> Tensor:
        sigma = t.neg().exp()
        return (x - self._model(x, sigma)) / sigma

    def second(self, h: Tensor, r: float) -> Tensor:
        """ε at share r of the step, reached with order 1."""
        if r not in self._second:
            s = self.t + r * h
            self._second[r] = self.at(self.x - s.neg().exp() * (r * h).expm1() * self.first, s)
        return self._second[r]


def _order_1(slopes: _Slopes, t_next: Tensor) -> Tensor:
    h = t_next - slopes.t
    return slopes.x - t_next.neg().exp() * h.expm1() * slopes.first


def _order_2(slopes: _Slopes, t_next: Tensor, r: float = 0.5) -> Tensor:
    h = t_next - slopes.t
    sigma = t_next.neg().exp()
    change = slopes.second(h, r) - slopes.first
    return slopes.x - sigma * h.expm1() * slopes.first - sigma / (2 * r) * h.expm1() * change


def _order_3(slopes: _Slopes, t_next: Tensor, r1: float = 1 / 3, r2: float = 2 / 3) -> Tensor:
    h = t_next - slopes.t
    s2 = slopes.t + r2 * h
    sigma2, sigma = s2.neg().exp(), t_next.neg().exp()
    u = slopes.x - sigma2 * (r2 * h).expm1() * slopes.first
    u = u - sigma2 * (r2 / r1) * ((r2 * h).expm1() / (r2 * h) - 1) * (slopes.second(h, r1) - slopes.first)
    change = slopes.at(u, s2) - slopes.first
    return slopes.x - sigma * h.expm1() * slopes.first - sigma / r2 * (h.expm1() / h - 1) * change


def _ends(sigmas: Tensor) -> tuple[Tensor, Tensor]:
    last = sigmas[-1] if sigmas[-1] > 0 else sigmas[-2]
    return -sigmas[0].log(), -last.log()


def dpm_fast(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step) -> Tensor:
    """DPM-Solver-fast: as many evaluations as there are steps, in equal parts of −ln σ, of order 3 as long as they
    last (Lu et al. 2022, §3.4). Takes only the ends from the schedule."""
    budget = len(sigmas) - 1
    parts = budget // 3 + 1
    orders = [3] * (parts - 2) + [2, 1] if budget % 3 == 0 else [3] * (parts - 1) + [budget % 3]
    start, end = _ends(sigmas)
    times = torch.linspace(float(start), float(end), parts + 1, dtype=start.dtype)
    done = 0
    for i, order in enumerate(orders):
        slopes = _Slopes(model, x, times[i])
        step(done, x, times[i].neg().exp(), slopes.denoised)
        x = (_order_1, _order_2, _order_3)[order - 1](slopes, times[i + 1])
        done += order
    return x


def dpm_adaptive(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    *,
    relative: float = 0.05,
    absolute: float = 0.0078,
    first: float = 0.05,
    safety: float = 0.81,
) -> Tensor:
    """DPM-Solver-12's adaptive kin of orders 2 and 3: steps as long as their difference allows (Lu et al. 2022, §3.4;
    the step control of k-diffusion). Ignores the schedule but for its ends.

    Args:
        relative: allowed error of a step, as a share of the state. absolute: the same in units of the state.
        first: the first step, in −ln σ. safety: a step is taken if the proposed change of its length is at least this.
    """
    s, end = _ends(sigmas)
    h, previous = first, x
    done = 0
    while s < end - 1e-5:
        t = torch.minimum(end, s + h)
        slopes = _Slopes(model, x, s)
        low, high = _order_2(slopes, t, 1 / 3), _order_3(slopes, t)
        scale = torch.maximum(torch.tensor(absolute), relative * torch.maximum(low.abs(), previous.abs()))
        error = float(torch.linalg.vector_norm((low - high) / scale)) / x.numel() ** 0.5
        if not math.isfinite(error):
            raise ValueError(f"dpm_adaptive: the model's estimate at sigma {float(s.neg().exp()):.4g} is not a number")
        factor = 1 + math.atan((1 / (error + 1e-8)) ** (1 / 3) - 1)
        h *= factor
        if factor >= safety:
            step(done, x, s.neg().exp(), slopes.denoised)
            done += 1
            previous, x, s = low, high, t
    return x
