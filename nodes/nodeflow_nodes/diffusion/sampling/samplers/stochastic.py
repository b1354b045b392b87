"""Stochastic exponential integrators: ER-SDE and SEEDS."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nodeflow_nodes.diffusion.sampling.samplers.common import Model, Noise, Step, below_one, estimated, intervals


def er_sde(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    *,
    s_noise: float = 1.0,
    order: int = 3,
    points: int = 200,
) -> Tensor:
    """Extended reverse-time SDE solver, order ≤ 3 (Cui et al. 2023, arXiv 2309.06169, with its noise scale
    f(v) = v(exp(v^0.3) + 10)); integrals by `points` points."""

    def scale(v: Tensor) -> Tensor:
        return v * ((v**0.3).exp() + 10.0)

    sigmas = below_one(model, sigmas)
    ratios = model.parametrisation.log_snr(sigmas).neg().exp()  # σ/α
    places = torch.arange(points, dtype=torch.float32)
    earlier: Tensor | None = None
    earlier_slope: Tensor | None = None
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        if b == 0:
            x = denoised
            continue
        v_a, v_b = ratios[i], ratios[i + 1]
        alpha_a, alpha_b = a / v_a, b / v_b
        r = scale(v_b) / scale(v_a)
        x = (alpha_b / alpha_a) * r * x + alpha_b * (1 - r) * denoised
        if order >= 2 and earlier is not None:
            change = v_b - v_a
            width = -change / points
            v = v_b + places * width
            weight = (1 / scale(v)).sum() * width
            slope = (denoised - earlier) / (v_a - ratios[i - 1])
            x = x + alpha_b * (change + weight * scale(v_b)) * slope
            if order >= 3 and earlier_slope is not None:
                weight = ((v - v_a) / scale(v)).sum() * width
                curve = (slope - earlier_slope) / ((v_a - ratios[i - 2]) / 2)
                x = x + alpha_b * (change**2 / 2 + weight * scale(v_b)) * curve
            earlier_slope = slope
        if s_noise:
            x = x + alpha_b * noise(a, b) * s_noise * (v_b**2 - v_a**2 * r**2).sqrt().nan_to_num(nan=0.0)
        earlier = denoised
    return x


def seeds_2(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
) -> Tensor:
    """SEEDS-2: stochastic exponential integrator with one stage between (Gonzalez et al. 2023, arXiv 2305.14267)."""
    return _seeds(model, x, sigmas, noise, step, eta, s_noise, (r,))


def seeds_3(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r1: float = 1 / 3,
    r2: float = 2 / 3,
) -> Tensor:
    """SEEDS-3: the same with two stages between."""
    return _seeds(model, x, sigmas, noise, step, eta, s_noise, (r1, r2))


def _seeds(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    eta: float,
    s_noise: float,
    shares: Sequence[float],
) -> Tensor:
    """Stages at shares of the step in λ, the noise carried along from stage to stage."""
    log_snr, sigma_of = model.parametrisation.log_snr, model.parametrisation.sigma_of
    sigmas = below_one(model, sigmas)
    noisy = bool(eta and s_noise)
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        if b == 0:
            x = denoised
            continue
        start = log_snr(a)
        h = log_snr(b) - start
        span = h * (eta + 1)
        carried = torch.zeros(())
        estimate, earlier_sigma, earlier_share = denoised, a, 0.0
        for k, share in enumerate((*shares, 1.0)):
            last = k == len(shares)
            lam = log_snr(b) if last else start + share * h
            sigma = b if last else sigma_of(lam)
            alpha = sigma * lam.exp()
            whole = (-share * span).expm1()
            drift: Tensor = alpha * whole * denoised
            if k == 1 and not last:
                q = share / shares[0] * (whole + share * span) / (-share * span)
                drift = alpha * ((whole - q) * denoised + q * estimate)
            elif last and len(shares) == 1:
                drift = alpha * ((whole - whole / (2 * shares[0])) * denoised + whole / (2 * shares[0]) * estimate)
            elif last:
                q = (whole + span) / (-span) / shares[1]
                drift = alpha * ((whole - q) * denoised + q * estimate)
            y = sigma / a * (-share * h * eta).exp() * x - drift
            if noisy:
                w = (share - earlier_share) * h * eta
                fresh = (-2 * w).expm1().neg().sqrt() * noise(earlier_sigma, sigma)
                carried = (-w).exp() * carried + fresh
                y = y + carried * sigma * s_noise
            if last:
                x = y
            else:
                estimate = model(y, sigma)
                earlier_sigma, earlier_share = sigma, share
    return x
