"""UniPC: unified predictor and corrector (Zhao et al. 2023), order 3, data prediction, one evaluation a step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nodeflow_nodes.diffusion.sampling.samplers.common import Model, Noise, Step

SMALLEST = 0.001
"""What stands for a last σ of 0, where λ is not defined."""


def uni_pc(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, order: int = 3, compat: bool = False
) -> Tensor:
    """UniPC with B(h) = h. `compat`: also puts .001 for the caller's last σ, which scales flow results, and computes
    1 − α² with few digits."""
    return _uni_pc(model, x, sigmas, step, order, "bh1", compat)


def uni_pc_bh2(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: Step, *, order: int = 3, compat: bool = False
) -> Tensor:
    """UniPC with B(h) = e^h − 1."""
    return _uni_pc(model, x, sigmas, step, order, "bh2", compat)


def _uni_pc(model: Model, x: Tensor, sigmas: Tensor, step: Step, order: int, variant: str, compat: bool) -> Tensor:
    if sigmas[-1] == 0:
        if not compat:
            sigmas = sigmas.clone()
        sigmas[-1] = SMALLEST
    alphas = 1 / (sigmas**2 + 1.0).sqrt()
    spreads = sigmas * alphas
    log_snr = sigmas.log().neg()
    if compat:  # 1 − α² as float32 has it, with few digits where σ is small
        log_alphas = 0.5 * (1 / (sigmas * sigmas + 1)).log()
        variances = 1.0 - (2.0 * log_alphas).exp()
        alphas, spreads, log_snr = log_alphas.exp(), variances.sqrt(), log_alphas - 0.5 * variances.log()
    n = len(sigmas) - 1
    order = min(order, n - 1) if n > 1 else 1

    z = x * alphas[0]
    first = model(x, sigmas[0])
    step(0, x, sigmas[0], first)
    estimates = [first]
    for k in range(1, n + 1):
        current = min(k, order) if k < order else min(order, n + 1 - k)
        last = k == n
        z, estimate = _update(
            model, z, estimates, alphas, spreads, log_snr, sigmas, k, current, variant, correct=not last
        )
        if estimate is not None:
            step(k, z / alphas[k], sigmas[k], estimate)
            estimates = [*estimates, estimate][-order:]
    return z / alphas[n]


def _update(
    model: Model,
    z: Tensor,
    estimates: Sequence[Tensor],
    alphas: Tensor,
    spreads: Tensor,
    log_snr: Tensor,
    sigmas: Tensor,
    k: int,
    order: int,
    variant: str,
    correct: bool,
) -> tuple[Tensor, Tensor | None]:
    """One step to place k of variance-preserving z: predict, and, unless it is the last, evaluate and correct."""
    newest = estimates[-1]
    h = log_snr[k] - log_snr[k - 1]
    ratios = [(log_snr[k - 1 - j] - log_snr[k - 1]) / h for j in range(1, order)]
    changes = [(estimates[-1 - j] - newest) / r for j, r in enumerate(ratios, start=1)]
    ratios.append(torch.ones(()))

    negative = -h
    b_h = negative if variant == "bh1" else negative.expm1()
    q = negative.expm1() / negative - 1
    factorial = 1
    rows, targets = [], []
    r = torch.stack(ratios)
    for j in range(1, order + 1):
        rows.append(r ** (j - 1))
        targets.append(q * factorial / b_h)
        factorial *= j + 1
        q = q / negative - 1 / factorial
    matrix, target = torch.stack(rows), torch.stack(targets)

    base = spreads[k] / spreads[k - 1] * z - alphas[k] * negative.expm1() * newest
    predicted = base
    if changes:
        weights = torch.full((1,), 0.5) if order == 2 else torch.linalg.solve(matrix[:-1, :-1], target[:-1])
        predicted = base - alphas[k] * b_h * _combined(weights, changes)
    if not correct:
        return predicted, None
    estimate = model(predicted / alphas[k], sigmas[k])
    weights = torch.full((1,), 0.5) if order == 1 else torch.linalg.solve(matrix, target)
    corrected = base - alphas[k] * b_h * _combined(weights, [*changes, estimate - newest])
    return corrected, estimate


def _combined(weights: Tensor, terms: Sequence[Tensor]) -> Tensor:
    total = weights[0] * terms[0]
    for weight, term in zip(weights[1:], terms[1:], strict=True):
        total = total + weight * term
    return total
