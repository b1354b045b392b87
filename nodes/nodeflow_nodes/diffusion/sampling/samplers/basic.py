"""Euler and Heun, with and without added noise; midpoint rule; LCM and DDPM."""

from __future__ import annotations

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
)


def _churned(
    x: Tensor, sigma: Tensor, steps: int, noise: Noise, churn: float, low: float, high: float, s_noise: float
) -> tuple[Tensor, Tensor]:
    """Noise added before a step (Karras et al. 2022, Algorithm 2): x and σ, raised by up to `churn`/steps."""
    gamma = min(churn / steps, 2**0.5 - 1) if low <= float(sigma) <= high else 0.0
    if gamma == 0:
        return x, sigma
    raised = sigma * (gamma + 1)
    return x + noise(sigma, raised) * s_noise * (raised**2 - sigma**2) ** 0.5, raised


def euler(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    *,
    churn: float = 0.0,
    churn_low: float = 0.0,
    churn_high: float = float("inf"),
    s_noise: float = 1.0,
) -> Tensor:
    """Euler's rule x + d(b − a): first order (Karras et al. 2022, Algorithm 2). `ddim` is the same rule."""
    for i in range(len(sigmas) - 1):
        x, a = _churned(x, sigmas[i], len(sigmas) - 1, noise, churn, churn_low, churn_high, s_noise)
        denoised = estimated(model, x, a, step, i)
        x = x + derivative(x, denoised, a) * (sigmas[i + 1] - a)
    return x


def euler_ancestral(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Euler down to `dn`, then noise up to b: first order, stochastic (k-diffusion)."""
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        if b == 0:
            x = denoised
        elif model.parametrisation.flow:
            down, keep, renoise = flow_ancestral(a, b, eta)
            ratio = down / a
            x = ratio * x + (1 - ratio) * denoised
            if eta:
                x = keep * x + noise(a, b) * s_noise * renoise
        else:
            down, up = ancestral(a, b, eta)
            x = x + derivative(x, denoised, a) * (down - a)
            if eta:
                x = x + noise(a, b) * s_noise * up
    return x


def heun(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    *,
    churn: float = 0.0,
    churn_low: float = 0.0,
    churn_high: float = float("inf"),
    s_noise: float = 1.0,
) -> Tensor:
    """Heun's rule, the mean of the slopes at both ends: second order, two evaluations (Karras et al. 2022, Alg. 1)."""
    for i in range(len(sigmas) - 1):
        x, a = _churned(x, sigmas[i], len(sigmas) - 1, noise, churn, churn_low, churn_high, s_noise)
        b = sigmas[i + 1]
        denoised = estimated(model, x, a, step, i)
        d = derivative(x, denoised, a)
        if b != 0:
            y = x + d * (b - a)
            d = (d + derivative(y, model(y, b), b)) / 2
        x = x + d * (b - a)
    return x


def heunpp2(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step) -> Tensor:
    """Heun++: a weighted mean of up to three slopes, the later the less the lower σ: second order (Carzit, MIT)."""
    last = len(sigmas) - 2
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        d = derivative(x, denoised, a)
        if i < last:
            y = x + d * (b - a)
            d2 = derivative(y, model(y, b), b)
            if i == last - 1:
                w2 = b / (2 * sigmas[0])
                d = d * (1 - w2) + d2 * w2
            else:
                c = sigmas[i + 2]
                z = y + d2 * (c - b)
                d3 = derivative(z, model(z, c), c)
                w2, w3 = b / (3 * sigmas[0]), c / (3 * sigmas[0])
                d = (1 - w2 - w3) * d + w2 * d2 + w3 * d3
        x = x + d * (b - a)
    return x


def dpm_2(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step) -> Tensor:
    """The midpoint rule with the middle taken in ln σ: second order, two evaluations (DPM-Solver-2's midpoint in
    Karras et al. 2022)."""
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        x = _midpoint(model, x, denoised, a, b)
    return x


def dpm_2_ancestral(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """`dpm_2` down to `dn`, then noise up to b: stochastic (k-diffusion)."""
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        if model.parametrisation.flow:
            down, keep, renoise = flow_ancestral(a, b, eta)
        else:
            down, renoise = ancestral(a, b, eta)
            keep = torch.ones(())
        x = _midpoint(model, x, denoised, a, down)
        if b > 0 and eta:
            x = keep * x + noise(a, b) * s_noise * renoise
    return x


def _midpoint(model: Model, x: Tensor, denoised: Tensor, a: Tensor, b: Tensor) -> Tensor:
    d = derivative(x, denoised, a)
    if b == 0:
        return x + d * (b - a)
    middle = a.log().lerp(b.log(), 0.5).exp()
    y = x + d * (middle - a)
    return x + derivative(y, model(y, middle), middle) * (b - a)


def lcm(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step) -> Tensor:
    """The estimate itself, noised again to b: for latent consistency models (Luo et al. 2023)."""
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        x = denoised
        if b > 0:
            x = model.parametrisation.renoised(noise(a, b), x, b)
    return x


def ddpm(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step) -> Tensor:
    """The ancestral step of DDPM in its own variance-preserving space: first order, stochastic (Ho et al. 2020)."""
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        kept, kept_next = 1 / (a * a + 1), 1 / (b * b + 1)
        ratio = kept / kept_next
        z = x / (1.0 + a**2.0).sqrt()
        mean = (1.0 / ratio).sqrt() * (z - (1 - ratio) * derivative(x, denoised, a) / (1 - kept).sqrt())
        if b > 0:
            mean = mean + ((1 - ratio) * (1 - kept_next) / (1 - kept)).sqrt() * noise(a, b)
            mean = mean * (1.0 + b**2.0).sqrt()
        x = mean
    return x
