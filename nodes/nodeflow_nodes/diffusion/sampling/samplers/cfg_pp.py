"""CFG++ (Chung et al. 2024): the guided estimate moves the picture, the unconditional one says what noise is left.

u = (x − U)/a, where U is the unconditional estimate. Guidance scales are low here: 0.5 .. 2.
"""

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
    intervals,
    unconditional,
)


def euler_cfg_pp(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step) -> Tensor:
    """Euler's rule as CFG++: D + b·u. First order."""
    return euler_ancestral_cfg_pp(model, x, sigmas, noise, step, eta=0.0)


def euler_ancestral_cfg_pp(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """D + dn·u + up·ξ. First order, stochastic. Flow: the same in the state's α and σ."""
    log_snr = model.parametrisation.log_snr
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        if b == 0:
            x = denoised
            continue
        alpha_a, alpha_b = _alpha(a, log_snr(a)), _alpha(b, log_snr(b))
        u = derivative(x, alpha_a * unconditional(model), a)
        if alpha_a > 0:
            down, up = ancestral(a / alpha_a, b / alpha_b, eta)
        else:  # a flow's pure noise: the split in its limit
            down, up = ancestral(torch.tensor(1e6), b / alpha_b, eta)
        x = alpha_b * denoised + alpha_b * down * u
        if eta and s_noise:
            x = x + alpha_b * noise(a, b) * s_noise * up
    return x


def _alpha(sigma: Tensor, log_snr: Tensor) -> Tensor:
    return sigma * log_snr.exp()


def dpmpp_2m_cfg_pp(model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step) -> Tensor:
    """DPM-Solver++(2M) as CFG++: second order but for the first and last step."""
    earlier: Tensor | None = None
    times = sigmas.log().neg()
    for i in range(len(sigmas) - 1):
        denoised = estimated(model, x, sigmas[i], step, i)
        base = unconditional(model)
        h = times[i + 1] - times[i]
        mixed = -torch.exp(-h) * base
        if earlier is not None and sigmas[i + 1] > 0:
            r = (times[i] - times[i - 1]) / h
            mixed = mixed - torch.expm1(-h) * (1 / (2 * r)) * (denoised - earlier)
        x = denoised + mixed + torch.exp(-h) * x
        earlier = base
    return x


def dpmpp_2s_ancestral_cfg_pp(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """DPM-Solver++(2S) ancestral as CFG++. The second half uses the unconditional estimate of the midpoint, as the
    published numbers of this name do by accident: it does not converge to the exact path, however many the steps."""
    for i, a, b in intervals(sigmas):
        denoised = estimated(model, x, a, step, i)
        base = unconditional(model)
        down, up = ancestral(a, b, eta)
        if down == 0:
            x = denoised + derivative(x, base, a) * down
        else:
            t, t_next = -a.log(), -down.log()
            h = t_next - t
            s = t + 0.5 * h
            y = (s.neg().exp() / t.neg().exp()) * (x + (denoised - base)) - (-h * 0.5).expm1() * denoised
            denoised_s = model(y, s.neg().exp())
            moved = x + (denoised - unconditional(model))
            x = (t_next.neg().exp() / t.neg().exp()) * moved - (-h).expm1() * denoised_s
        if b > 0 and eta:
            x = x + noise(a, b) * s_noise * up
    return x
