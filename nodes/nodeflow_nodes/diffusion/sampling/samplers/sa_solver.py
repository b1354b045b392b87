"""SA-Solver: stochastic Adams predictor and corrector (Xue et al. 2023, arXiv 2309.05019)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nodeflow_nodes.diffusion.sampling.samplers.common import Model, Noise, Step, below_one


def sa_solver(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    *,
    s_noise: float = 1.0,
    predictor: int = 3,
    corrector: int = 4,
    start: float = 0.2,
    end: float = 0.8,
) -> Tensor:
    """Predict, evaluate, correct: order 3 and 4, one evaluation a step. Stochastic (τ = 1) between the shares `start`
    and `end` of the sampling time, deterministic elsewhere."""
    return _sa(model, x, sigmas, noise, step, s_noise, predictor, corrector, start, end, again=False)


def sa_solver_pece(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    *,
    s_noise: float = 1.0,
    predictor: int = 3,
    corrector: int = 4,
    start: float = 0.2,
    end: float = 0.8,
) -> Tensor:
    """Predict, evaluate, correct, evaluate: two evaluations a step."""
    return _sa(model, x, sigmas, noise, step, s_noise, predictor, corrector, start, end, again=True)


def _sa(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    step: Step,
    s_noise: float,
    predictor: int,
    corrector: int,
    start: float,
    end: float,
    again: bool,
) -> Tensor:
    sigmas = below_one(model, sigmas)
    log_snr = model.parametrisation.log_snr(sigmas)
    first, last = model.table.percent(start), model.table.percent(end)
    n = len(sigmas) - 1
    open_end = 0 if sigmas[-1] == 0 else n  # at the very end lower orders are used
    estimates: list[Tensor] = []
    predicted = x
    h, tau, added = torch.zeros(()), 0.0, torch.zeros(())
    for i in range(n):
        a, b = sigmas[i], sigmas[i + 1]
        denoised = model(predicted, a)
        step(i, predicted, a, denoised)
        estimates = [*estimates, denoised][-max(predictor, corrector) :]
        if i == 0 or (b == 0 and not again):
            x = predicted
        else:
            order = min(corrector, len(estimates), n - i + open_end)
            decay = a / sigmas[i - 1] * (-(tau**2) * h).exp()
            x = decay * x + _weighted(estimates, log_snr, sigmas, i, i - 1, i, order, tau)
            if tau:
                x = x + added
            if again:
                denoised = model(x, a)
                estimates[-1] = denoised
        if b == 0:
            return denoised
        tau = 1.0 if first >= float(b) >= last else 0.0
        h = log_snr[i + 1] - log_snr[i]
        order = min(predictor, len(estimates), n - 1 - i + open_end)
        predicted = b / a * (-(tau**2) * h).exp() * x
        predicted = predicted + _weighted(estimates, log_snr, sigmas, i, i, i + 1, order, tau)
        if tau and s_noise:
            added = noise(a, b) * b * (-2 * tau**2 * h).expm1().neg().sqrt() * s_noise
            predicted = predicted + added
        else:
            added = torch.zeros(())
    return predicted


def _weighted(
    estimates: Sequence[Tensor],
    log_snr: Tensor,
    sigmas: Tensor,
    newest: int,
    begin: int,
    end: int,
    order: int,
    tau: float,
) -> Tensor:
    """The integral over λ from place `begin` to `end` of the polynomial through the last `order` estimates, the newest
    of them at place `newest`."""
    nodes = log_snr[newest - order + 1 : newest + 1].double()
    moments = _moments(float(log_snr[begin]), float(log_snr[end]), order, tau)
    powers = torch.stack([nodes**p for p in range(order)])
    alpha = float(sigmas[end].double() * log_snr[end].double().exp())
    weights = (alpha * torch.linalg.solve(powers, moments)).tolist()
    terms = [w * d for w, d in zip(weights, estimates[len(estimates) - order :], strict=True)]
    return sum(terms[1:], start=terms[0])


def _moments(low: float, high: float, order: int, tau: float) -> Tensor:
    """∫ (1 + τ²) e^{(1+τ²)(λ − high)} λ^p dλ from `low` to `high`, for p < order, by parts."""
    rate = 1 + tau**2
    faded = math.exp(-rate * (high - low))
    moments: list[float] = []
    for p in range(order):
        value = high**p - low**p * faded
        if p:
            value -= p / rate * moments[-1]
        moments.append(value)
    return torch.tensor(moments, dtype=torch.float64)
