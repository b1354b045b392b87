"""Schedules: how many steps, at which σ (NUMERICS §3).

Each schedule is a function `(table, n) -> float32 [n + 1]` on the CPU, falling, ending in 0, from the table's largest
σ; some give another count, which their docstring says. `make_sigmas` adds what a user asks for besides: denoise, and
samplers that drop the last value but one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nodeflow_nodes.diffusion.sampling.tables import Flow, Flux, SigmaTable

Schedule = Callable[[SigmaTable, int], Tensor]


def _with_zero(values: list[float] | Tensor) -> Tensor:
    sigmas = torch.as_tensor(values, dtype=torch.float32)
    return torch.cat([sigmas, sigmas.new_zeros(1)])


def simple(table: SigmaTable, n: int) -> Tensor:
    """Every (T/n)-th entry of the table, from its end."""
    stride = len(table.sigmas) / n
    return _with_zero([float(table.sigmas[-(1 + int(i * stride))]) for i in range(n)])


def normal(table: SigmaTable, n: int) -> Tensor:
    """Evenly in time, both ends of the table included. Where the table ends below 1e-5, its end takes the place of
    the 0. Flow tables are read at t(σ), which is not the inverse of σ(t): the low end is shifted twice, as ever."""
    start, end = table.timestep(table.sigma_max), table.timestep(table.sigma_min)
    if float(table.sigma(end)) < 1e-5:
        return _at_times(table, start, end, n + 1)
    return _with_zero(_at_times(table, start, end, n))


def sgm_uniform(table: SigmaTable, n: int) -> Tensor:
    """`normal` with n + 1 points, the last one left out: evenly in time, stopping one step before the end."""
    times = table.timestep(table.sigma_max), table.timestep(table.sigma_min)
    return _with_zero(_at_times(table, *times, n + 1)[:-1])


def _at_times(table: SigmaTable, start: Tensor, end: Tensor, count: int) -> Tensor:
    times = torch.linspace(float(start), float(end), count)
    return torch.stack([table.sigma(t) for t in times])


def karras(table: SigmaTable, n: int, rho: float = 7.0) -> Tensor:
    """Evenly in σ^(1/ρ) (Karras et al. 2022, equation 5)."""
    low, high = float(table.sigma_min) ** (1 / rho), float(table.sigma_max) ** (1 / rho)
    return _with_zero((high + torch.linspace(0, 1, n) * (low - high)) ** rho)


def exponential(table: SigmaTable, n: int) -> Tensor:
    """Evenly in ln σ."""
    return _with_zero(torch.linspace(math.log(float(table.sigma_max)), math.log(float(table.sigma_min)), n).exp())


def ddim_uniform(table: SigmaTable, n: int) -> Tensor:
    """Every (T div n)-th entry from the table's low end, as DDIM was published. More than n steps where n does not
    divide T; `make_sigmas` keeps the last n."""
    first = 1
    if float(table.sigmas[first]) < 1e-5:
        n, sigmas = n + 1, []
    else:
        sigmas = [0.0]
    stride = max(len(table.sigmas) // n, 1)
    sigmas += table.sigmas[first::stride].tolist()
    return torch.tensor(sigmas[::-1], dtype=torch.float32)


def beta(table: SigmaTable, n: int, alpha: float = 0.6, beta: float = 0.6) -> Tensor:
    """Entries at the quantiles of a beta distribution: dense at both ends (arXiv 2407.12173). Entries that would repeat
    are left out, so there may be fewer than n steps."""
    import numpy as np
    from scipy.special import betaincinv

    shares = 1 - np.linspace(0, 1, n, endpoint=False)
    indices = np.rint(betaincinv(alpha, beta, shares) * (len(table.sigmas) - 1)).astype(int)
    kept = [int(t) for k, t in enumerate(indices) if k == 0 or t != indices[k - 1]]
    return _with_zero([float(table.sigmas[t]) for t in kept])


def linear_quadratic(table: SigmaTable, n: int, threshold: float = 0.025) -> Tensor:
    """Half of the steps linearly down to 1 − `threshold` of the largest σ, the rest quadratically (Mochi)."""
    if n == 1:
        return _with_zero([float(table.sigma_max)])
    linear = n // 2
    quadratic = n - linear
    excess = linear - threshold * n
    c2 = excess / (linear * quadratic**2)
    c1 = threshold / linear - 2 * excess / quadratic**2
    c0 = c2 * linear**2
    values = [i * threshold / linear for i in range(linear)]
    values += [c2 * i**2 + c1 * i + c0 for i in range(linear, n)]
    return _with_zero(torch.tensor([1.0 - v for v in values]) * float(table.sigma_max))


def kl_optimal(table: SigmaTable, n: int) -> Tensor:
    """Evenly in atan σ (Sabour et al. 2024, "Align Your Steps", equation 10)."""
    share = torch.arange(n, dtype=torch.float32) / max(n - 1, 1)
    low, high = math.atan(float(table.sigma_min)), math.atan(float(table.sigma_max))
    return _with_zero((share * low + (1 - share) * high).tan())


SCHEDULES: dict[str, Schedule] = {
    "simple": simple,
    "normal": normal,
    "sgm_uniform": sgm_uniform,
    "karras": karras,
    "exponential": exponential,
    "ddim_uniform": ddim_uniform,
    "beta": beta,
    "linear_quadratic": linear_quadratic,
    "kl_optimal": kl_optimal,
}


LONGEST = 100_000
"""Steps of a schedule of which a part is run."""


def make_sigmas(
    table: SigmaTable,
    schedule: str,
    steps: int,
    denoise: float = 1.0,
    *,
    drop_penultimate: bool = False,
    compat: bool = False,
) -> Tensor:
    """The sigmas of a run.

    Args:
        table: the model's table.
        schedule: a name of `SCHEDULES`.
        steps: number of steps, 1 or more.
        denoise: share of the schedule that is run, its noisy beginning left out; 0 gives no steps ([0 values]).
        drop_penultimate: compute one step more and leave out the last σ above 0 (what DPM-2 and UniPC want).
        compat: run all steps of `ddim_uniform` where it gives more than asked for.

    Returns:
        float32 [N + 1] on the CPU, each less than the one before. N may be less than `steps`: for `beta`, and where a
        schedule finer than the table (a small `denoise`) would stand still.

    Raises:
        ValueError: for an unknown schedule, fewer than 1 step, or a `denoise` that would need a schedule of more than
            `LONGEST` steps.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule: expected one of {', '.join(SCHEDULES)}, got {schedule!r}")
    if steps < 1:
        raise ValueError(f"steps: expected 1 or more, got {steps}")
    if denoise <= 0:
        return torch.zeros(0)
    partial = denoise <= 0.9999
    total = int(steps / denoise) if partial else steps
    if total > LONGEST:
        raise ValueError(
            f"denoise {denoise:g}: {steps} steps of it are the end of a schedule of {total}, more than {LONGEST}: "
            f"use at least {steps / LONGEST:g}, fewer steps, or 0 to leave the latent as it is"
        )
    sigmas = SCHEDULES[schedule](table, total + 1 if drop_penultimate else total)
    if schedule == "ddim_uniform" and not compat:
        sigmas = sigmas[-(total + 2 if drop_penultimate else total + 1) :]
    if drop_penultimate:
        sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
    if partial:
        sigmas = sigmas[-(steps + 1) :]
    return sigmas[torch.cat([sigmas.new_ones(1), sigmas.diff()]) != 0]


def is_flow(table: SigmaTable) -> bool:
    """Whether σ is a share of noise 0..1 rather than a standard deviation."""
    return isinstance(table, (Flow, Flux))


def step_range(sigmas: Tensor, start: int, end: int, leave_noise: bool) -> Tensor:
    """The sigmas of steps `start` .. `end` − 1 of a run: fewer than 2 values if there are none. Unless `leave_noise`,
    the last step goes all the way to 0."""
    part = sigmas[: end + 1]
    if end < len(sigmas) - 1 and not leave_noise:
        part = torch.cat([part[:-1], part.new_zeros(1)])
    return part[start:] if start < len(part) - 1 else part[:0]
