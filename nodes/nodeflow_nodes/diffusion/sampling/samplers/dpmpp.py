"""DPM-Solver++: exponential integrators on the denoised estimate, deterministic and stochastic (Lu et al. 2022b).

λ is half the logarithm of the signal-to-noise ratio, α/σ; for eps models λ = −ln σ and α = 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from nodeflow_nodes.diffusion.sampling.samplers.common import (
    Model,
    Noise,
    Step,
    ancestral,
    below_one,
    derivative,
    estimated,
    flow_ancestral,
    intervals,
)


def dpmpp_2m(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step) -> Tensor:
    """DPM-Solver++(2M): second order from the last two estimates. In −ln σ for flow models too."""
    earlier: Tensor | None = None
    times = sigmas.log().neg()
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        h = times[i + 1] - times[i]
        ratio = times[i + 1].neg().exp() / times[i].neg().exp()
        if earlier is None or b == 0:
            x = ratio * x - (-h).expm1() * denoised
        else:
            r = (times[i] - times[i - 1]) / h
            mixed = (1 + 1 / (2 * r)) * denoised - (1 / (2 * r)) * earlier
            x = ratio * x - (-h).expm1() * mixed
        earlier = denoised
    return x


def dpmpp_2s_ancestral(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """DPM-Solver++(2S) down to `dn`, then noise up to b: second order, two evaluations, stochastic (k-diffusion)."""
    if model.parametrisation.flow:
        return _flow_2s_ancestral(model, x, sigmas, noise, step, eta, s_noise)
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        down, up = ancestral(a, b, eta)
        if down == 0:
            x = x + derivative(x, denoised, a) * (down - a)
        else:
            t, t_next = -a.log(), -down.log()
            h = t_next - t
            s = t + 0.5 * h
            y = (s.neg().exp() / t.neg().exp()) * x - (-h * 0.5).expm1() * denoised
            x = (t_next.neg().exp() / t.neg().exp()) * x - (-h).expm1() * model(y, s.neg().exp())
        if b > 0 and eta:
            x = x + noise(a, b) * s_noise * up
    return x


def _flow_2s_ancestral(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, eta: float, s_noise: float
) -> Tensor:
    log_snr, sigma_of = model.parametrisation.log_snr, model.parametrisation.sigma_of
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        down, keep, renoise = flow_ancestral(a, b, eta)
        if b == 0:
            x = x + derivative(x, denoised, a) * (down - a)
            continue
        if a >= 1:
            middle = torch.tensor(0.9999)
        else:
            start = log_snr(a)
            middle = sigma_of(start + 0.5 * (log_snr(down) - start))
        ratio = middle / a
        y = ratio * x + (1 - ratio) * denoised
        ratio = down / a
        x = ratio * x + (1 - ratio) * model(y, middle)
        if eta:
            x = keep * x + noise(a, b) * s_noise * renoise
    return x


def dpmpp_sde(
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
    """DPM-Solver++ (SDE), single step: two evaluations, noise at each (k-diffusion). Strong order 1."""
    log_snr, sigma_of = model.parametrisation.log_snr, model.parametrisation.sigma_of
    sigmas = below_one(model, sigmas)
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        if b == 0:
            x = denoised
            continue
        start, end = log_snr(a), log_snr(b)
        middle = start + r * (end - start)
        s = sigma_of(middle)
        alpha_a, alpha_s, alpha_b = a * start.exp(), s * middle.exp(), b * end.exp()

        down, up = ancestral(start.neg().exp(), middle.neg().exp(), eta)
        h = down.log().neg() - start
        y = (alpha_s / alpha_a) * (-h).exp() * x - alpha_s * (-h).expm1() * denoised
        if eta and s_noise:
            y = y + alpha_s * noise(a, s) * s_noise * up
        denoised_s = model(y, s)

        down, up = ancestral(start.neg().exp(), end.neg().exp(), eta)
        h = down.log().neg() - start
        share = 1 / (2 * r)
        mixed = (1 - share) * denoised + share * denoised_s
        x = (alpha_b / alpha_a) * (-h).exp() * x - alpha_b * (-h).expm1() * mixed
        if eta and s_noise:
            x = x + alpha_b * noise(a, b) * s_noise * up
    return x


def dpmpp_2m_sde(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """SDE-DPM-Solver++(2M), midpoint form: second order in the drift, one evaluation, stochastic."""
    return _2m_sde(model, x, sigmas, noise, step, eta, s_noise, "midpoint")


def dpmpp_2m_sde_heun(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """SDE-DPM-Solver++(2M), Heun form."""
    return _2m_sde(model, x, sigmas, noise, step, eta, s_noise, "heun")


def _reverse_step(
    log_snr: Callable[[Tensor], Tensor], x: Tensor, denoised: Tensor, a: Tensor, b: Tensor, eta: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The reverse-time SDE from a to b with a constant estimate, without its noise: the state, h, (1 + η)h, and α_b."""
    end = log_snr(b)
    h = end - log_snr(a)
    span = h * (eta + 1)
    alpha = b * end.exp()
    return b / a * (-h * eta).exp() * x + alpha * (-span).expm1().neg() * denoised, h, span, alpha


def _reverse_noise(noise: Noise, a: Tensor, b: Tensor, h: Tensor, eta: float, s_noise: float) -> Tensor:
    """That SDE's noise over the step."""
    return noise(a, b) * b * (-2 * h * eta).expm1().neg().sqrt() * s_noise


def _2m_sde(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    eta: float,
    s_noise: float,
    kind: Literal["midpoint", "heun"],
) -> Tensor:
    log_snr = model.parametrisation.log_snr
    sigmas = below_one(model, sigmas)
    earlier: Tensor | None = None
    earlier_h = sigmas[0]
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        if b == 0:
            x = denoised
            continue
        x, h, span, alpha = _reverse_step(log_snr, x, denoised, a, b, eta)
        if earlier is not None:
            r = earlier_h / h
            if kind == "heun":
                x = x + alpha * ((-span).expm1().neg() / (-span) + 1) * (1 / r) * (denoised - earlier)
            else:
                x = x + 0.5 * alpha * (-span).expm1().neg() * (1 / r) * (denoised - earlier)
        if eta and s_noise:
            x = x + _reverse_noise(noise, a, b, h, eta, s_noise)
        earlier, earlier_h = denoised, h
    return x


def dpmpp_3m_sde(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """SDE-DPM-Solver++(3M): third order in the drift from the last three estimates, stochastic (k-diffusion)."""
    log_snr = model.parametrisation.log_snr
    sigmas = below_one(model, sigmas)
    estimates: list[Tensor] = []
    steps: list[Tensor] = []
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        if b == 0:
            x = denoised
            continue
        x, h, span, alpha = _reverse_step(log_snr, x, denoised, a, b, eta)
        if estimates:
            phi_2 = span.neg().expm1() / span + 1
            r0 = steps[0] / h
            e0 = (denoised - estimates[0]) / r0
            if len(estimates) == 1:
                x = x + (alpha * phi_2) * e0
            else:
                r1 = steps[1] / h
                e1 = (estimates[0] - estimates[1]) / r1
                slope = e0 + (e0 - e1) * r0 / (r0 + r1)
                curve = (e0 - e1) / (r0 + r1)
                phi_3 = phi_2 / span - 0.5
                x = x + (alpha * phi_2) * slope - (alpha * phi_3) * curve
        if eta and s_noise:
            x = x + _reverse_noise(noise, a, b, h, eta, s_noise)
        estimates, steps = [denoised, *estimates[:1]], [h, *steps[:1]]
    return x
