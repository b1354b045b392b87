"""Multistep samplers: higher order from the slopes or estimates of earlier steps, one evaluation a step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nodeflow_nodes.diffusion.sampling.samplers.common import (
    Model,
    Noise,
    Step,
    ancestral,
    derivative,
    estimated,
    flow_ancestral,
    intervals,
    unconditional,
)


def lms(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, order: int = 4) -> Tensor:
    """Linear multistep (Adams-Bashforth on uneven steps): x + Σ c_j d_{i−j}, order ≤ 4 (k-diffusion).

    c_j is the integral over the step of the Lagrange polynomial that is 1 at σ_{i−j} and 0 at the other nodes, exact,
    in float64. Diverges on schedules that jump.
    """
    slopes: list[Tensor] = []
    levels = sigmas.double().tolist()
    for i in range(len(sigmas) - 1):
        denoised = estimated(model, x, sigmas[i], step, i)
        slopes = [derivative(x, denoised, sigmas[i]), *slopes[: order - 1]]
        if sigmas[i + 1] == 0:
            x = denoised
        else:
            nodes = [levels[i - j] for j in range(len(slopes))]
            weights = [_lagrange_integral(nodes, j, levels[i], levels[i + 1]) for j in range(len(nodes))]
            x = x + sum(weight * d for weight, d in zip(weights, slopes, strict=True))
    return x


def _lagrange_integral(nodes: Sequence[float], j: int, low: float, high: float) -> float:
    """∫ from `low` to `high` of the Lagrange polynomial of node j."""
    coefficients = [1.0]  # rising powers
    for k, node in enumerate(nodes):
        if k != j:
            scale = 1 / (nodes[j] - node)
            shifted = [0.0, *coefficients]
            coefficients = [scale * (up - node * at) for up, at in zip(shifted, [*coefficients, 0.0], strict=True)]
    return sum(c * (high ** (p + 1) - low ** (p + 1)) / (p + 1) for p, c in enumerate(coefficients))


ADAMS = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


def ipndm(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, order: int = 4) -> Tensor:
    """Adams-Bashforth on d as if steps were even, order ≤ 4 (improved PNDM, Zhang and Chen 2022)."""
    slopes: list[Tensor] = []
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        slopes = [derivative(x, denoised, a), *slopes[: order - 1]]
        if b == 0:
            x = denoised
        else:
            weights = ADAMS[len(slopes) - 1]
            x = x + (b - a) * sum(w * d for w, d in zip(weights, slopes, strict=True))
    return x


def ipndm_v(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, order: int = 4) -> Tensor:
    """`ipndm` with the ratios of the steps, order ≤ 4 (diff-sampler).

    Not quite Adams-Bashforth on uneven steps: two of the published factors are off (NUMERICS §5), and what goes by
    this name keeps them.
    """
    slopes: list[Tensor] = []
    for i in range(len(sigmas) - 1):
        denoised = estimated(model, x, sigmas[i], step, i)
        slopes = [derivative(x, denoised, sigmas[i]), *slopes[: order - 1]]
        if sigmas[i + 1] == 0:
            x = denoised
        else:
            steps = [sigmas[i + 1 - j] - sigmas[i - j] for j in range(len(slopes))]
            weights = _ipndm_v_weights(steps)
            x = x + steps[0] * sum(w * d for w, d in zip(weights, slopes, strict=True))
    return x


def _ipndm_v_weights(steps: Sequence[Tensor]) -> list[Tensor]:
    """Weights of the slopes, newest first; `steps`: this difference of σ and the earlier ones."""
    h, one = steps[0], torch.ones(())
    if len(steps) == 1:
        return [one]
    a = steps[1]
    g = h / a / 2
    if len(steps) == 2:
        return [1 + g, -g]
    b = steps[2]
    t1 = (1 - h / (3 * (h + a)) * (h * (h + a)) / (a * (a + b))) / 2
    if len(steps) == 3:
        return [1 + g + t1, -g - (1 + a / b) * t1, t1 * a / b]
    c = steps[3]
    t2 = (1 - h / (3 * (h + a))) / 2 + (1 - h / (2 * (h + a))) * h / (6 * (h + a + b))
    t2 = t2 * (h * (h + a) * (h + a + b)) / (a * (a + b) * (a + b + c))
    k = a * (a + b) / (b * (b + c))
    return [
        1 + g + t1 + t2,
        -g - (1 + a / b) * t1 - (1 + a / b + k) * t2,
        t1 * a / b + (a / b + k * (1 + b / c)) * t2,
        -t2 * k * a / b,
    ]


def deis(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, order: int = 3) -> Tensor:
    """Exponential integrator with polynomials in the time of the variance-preserving process, "tAB", order ≤ 3 (Zhang
    and Chen 2022). Weights by numerical integration over 10,000 points."""
    slopes: list[Tensor] = []
    times = _vp_time(sigmas.double())
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        slopes = [derivative(x, denoised, a), *slopes[: order - 1]]
        if b == 0 or len(slopes) == 1:
            x = x + (b - a) * slopes[0]
        else:
            nodes = [times[i - j] for j in range(len(slopes))]
            weights = [_tab_weight(nodes, j, times[i], times[i + 1]) for j in range(len(slopes))]
            x = x + sum(w * d for w, d in zip(weights, slopes, strict=True))
    return x


_VP_EPSILON = 1e-3
_VP_LOW, _VP_HIGH = math.log(0.002**2 + 1), math.log(80.0**2 + 1)
_VP_SLOPE = 2 * (_VP_LOW / _VP_EPSILON - _VP_HIGH) / (_VP_EPSILON - 1)
_VP_START = _VP_HIGH - _VP_SLOPE / 2


def _vp_time(sigmas: Tensor) -> Tensor:
    """The time τ of the variance-preserving process at σ, for σ = .002 at τ = .001 and 80 at 1."""
    return ((_VP_START**2 + 2 * _VP_SLOPE * (sigmas**2 + 1).log()).sqrt() - _VP_START) / _VP_SLOPE


def _tab_weight(nodes: Sequence[Tensor], j: int, start: Tensor, end: Tensor) -> float:
    points = 10_000
    tau = torch.linspace(float(start), float(end), points, dtype=torch.float64)
    kept = (-0.5 * _VP_SLOPE * tau**2 - _VP_START * tau).exp()
    integrand = 0.5 * (_VP_SLOPE * tau + _VP_START) / (kept * (1 - kept)).sqrt()
    for k, node in enumerate(nodes):
        if k != j:
            integrand = integrand * (tau - node) / (nodes[j] - node)
    return float(integrand.sum() * (end - start) / points)


def res_multistep(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step) -> Tensor:
    """Refined exponential solver, multistep: second order (Zhang et al. 2023, arXiv 2308.02157)."""
    return _res(model, x, sigmas, noise, step, eta=0.0, s_noise=1.0, pp=False, compat=False)


def res_multistep_ancestral(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    compat: bool = False,
) -> Tensor:
    """`res_multistep` down to `dn`, then noise up to b: stochastic. `compat`: splits steps of flow models as those of
    eps models, as published, which leaves too much noise."""
    return _res(model, x, sigmas, noise, step, eta=eta, s_noise=s_noise, pp=False, compat=compat)


def res_multistep_cfg_pp(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step) -> Tensor:
    """`res_multistep` as CFG++ (Chung et al. 2024): the state moves by the guided estimate, the slope is the
    unconditional one's."""
    return _res(model, x, sigmas, noise, step, eta=0.0, s_noise=1.0, pp=True, compat=False)


def res_multistep_ancestral_cfg_pp(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    compat: bool = False,
) -> Tensor:
    """`res_multistep_cfg_pp` down to `dn`, then noise up to b: stochastic. `compat`: as above."""
    return _res(model, x, sigmas, noise, step, eta=eta, s_noise=s_noise, pp=True, compat=compat)


def _res(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    *,
    eta: float,
    s_noise: float,
    pp: bool,
    compat: bool,
) -> Tensor:
    flow = model.parametrisation.flow and bool(eta) and not compat
    earlier: Tensor | None = None
    earlier_down = sigmas[0]
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        base = unconditional(model) if pp else denoised
        keep = torch.ones(())
        if flow:
            down, keep, up = flow_ancestral(a, b, eta)
        else:
            down, up = ancestral(a, b, eta)
        if down == 0 or earlier is None:
            d = derivative(x, base, a)
            x = denoised + d * down if pp else x + d * (down - a)
        else:
            h = a.log() - down.log()
            c = (earlier_down.log() - sigmas[i - 1].log()) / h
            p = torch.expm1(-h) / -h
            q = (p - 1.0) / -h
            first = torch.nan_to_num(p - q / c, nan=0.0)
            second = torch.nan_to_num(q / c, nan=0.0)
            if pp:
                x = x + (denoised - base)
            x = h.neg().exp() * x + h * (first * base + second * earlier)
        if b > 0 and eta:
            x = (keep * x if flow else x) + noise(a, b) * s_noise * up
        earlier, earlier_down = base, down
    return x


def gradient_estimation(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, gamma: float = 2.0
) -> Tensor:
    """Euler with the slope extrapolated from the last two, by γ: first order with a smaller constant (Permenter and
    Yuan 2023)."""
    return _gradient_estimation(model, x, sigmas, step, gamma, pp=False)


def gradient_estimation_cfg_pp(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, gamma: float = 2.0
) -> Tensor:
    """`gradient_estimation` as CFG++ (Chung et al. 2024)."""
    return _gradient_estimation(model, x, sigmas, step, gamma, pp=True)


def _gradient_estimation(model: Model, x: Tensor, sigmas: Tensor, step: Step, gamma: float, pp: bool) -> Tensor:
    earlier: Tensor | None = None
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        d = derivative(x, unconditional(model) if pp else denoised, a)
        if b == 0:
            x = denoised
        else:
            x = denoised + d * b if pp else x + d * (b - a)
            if earlier is not None:
                x = x + (gamma - 1) * (d - earlier) * (b - a)
        earlier = d
    return x
