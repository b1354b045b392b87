"""How much two pictures differ: MSE, MAE, PSNR, SSIM."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from nodeflow_nodes.image.ops.kernels import gaussian


class Difference(NamedTuple):
    """mse, mae: means of squared and absolute differences. psnr: dB, for a peak of 1; infinite for equal pictures.
    ssim: -1..1, 1 for equal pictures."""

    mse: float
    mae: float
    psnr: float
    ssim: float


def psnr(mse: float) -> float:
    """10·log10(1 / MSE), in dB."""
    return math.inf if mse == 0 else -10 * math.log10(mse)


def ssim(a: Tensor, b: Tensor, window: int = 11, sigma: float = 1.5) -> float:
    """Structural similarity of two pictures [C, H, W], mean over pixels and channels.

    Z. Wang et al., Image quality assessment: from error visibility to structural similarity, 2004: Gaussian window of
    11 × 11, σ = 1.5, K1 = .01, K2 = .03, without the border where the window stands out. Computed in float64. The
    window is made smaller for pictures that are smaller than it.
    """
    radius = min(window // 2, (min(a.shape[1:]) - 1) // 2)
    kernel = gaussian(sigma, radius).to(torch.float64) if radius else torch.ones(1, dtype=torch.float64)

    def mean(x: Tensor) -> Tensor:
        x = torch.nn.functional.conv2d(x[:, None], kernel.view(1, 1, 1, -1))
        return torch.nn.functional.conv2d(x, kernel.view(1, 1, -1, 1))

    a, b = a.cpu().to(torch.float64), b.cpu().to(torch.float64)
    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def difference(a: Tensor, b: Tensor) -> Difference:
    """All measures of two pictures [C, H, W] of one shape."""
    delta = a.cpu().to(torch.float64) - b.cpu().to(torch.float64)
    mse = float(delta.square().mean())
    return Difference(mse, float(delta.abs().mean()), psnr(mse), ssim(a, b))
