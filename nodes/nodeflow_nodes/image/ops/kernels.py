"""Blurring and what is made of it. Edges are extended by repeating the outermost pixels."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as functional
from torch import Tensor

from nodeflow_nodes.image.ops.shape import luminance, split_alpha


def gaussian(sigma: float, radius: int = 0) -> Tensor:
    """Weights of a Gaussian at -radius .. radius, summing to 1; radius 0: three standard deviations."""
    if sigma <= 0:
        return torch.ones(1)
    radius = radius or max(1, math.ceil(3 * sigma))
    x = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-x.square() / (2 * sigma * sigma))
    return (weights / weights.sum()).to(torch.float32)


def box(sigma: float, radius: int = 0) -> Tensor:
    """Equal weights at -radius .. radius; radius 0: the box whose standard deviation is nearest to sigma."""
    radius = radius or round((math.sqrt(12 * sigma * sigma + 1) - 1) / 2)
    return torch.full((2 * radius + 1,), 1 / (2 * radius + 1))


def separable(x: Tensor, kernel: Tensor) -> Tensor:
    """[B, C, H, W] filtered along both axes with one symmetric kernel of odd length."""
    radius = len(kernel) // 2
    if radius == 0:
        return x.clone()
    rows, columns = x.shape[2:]
    flat = functional.pad(x, (radius, radius, radius, radius), mode="replicate").flatten(0, 1)
    kernel = kernel.to(x.device, x.dtype)
    return _along(_along(flat, 2, columns, kernel), 1, rows, kernel).view(x.shape)


def _along(x: Tensor, dim: int, length: int, kernel: Tensor) -> Tensor:
    """[N, h, w] filtered along dimension 1 or 2, which has `length` cells without its frame: by products with the band
    matrix of the kernel, in blocks, which is several times faster than a convolution of single channels."""
    radius = len(kernel) // 2
    block = min(length, max(32, radius))
    matrix = torch.zeros(block, block + 2 * radius, dtype=x.dtype, device=x.device)
    for row in range(block):
        matrix[row, row : row + 2 * radius + 1] = kernel
    parts = []
    for start in range(0, length, block):
        count = min(block, length - start)
        band = matrix[:count, : count + 2 * radius].expand(x.shape[0], -1, -1)
        window = x.narrow(dim, start, count + 2 * radius)
        parts.append(torch.bmm(band, window) if dim == 1 else torch.bmm(window, band.transpose(1, 2)))
    return torch.cat(parts, dim)


def solid(image: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """A linear filter on pictures: colours are weighted by alpha, so that transparent pixels count as nothing."""
    colour, alpha = split_alpha(image)
    if alpha is None:
        return change(colour).clamp_(0, 1)
    filtered = change(torch.cat([colour * alpha, alpha], dim=1))
    alpha = filtered[:, 3:]
    plain = torch.where(alpha > 1e-4, filtered[:, :3] / alpha.clamp(min=1e-4), colour)
    return torch.cat([plain, alpha], dim=1).clamp_(0, 1)


def unsharp(colour: Tensor, sigma: float, amount: float, threshold: float) -> Tensor:
    """x + amount · (x - blurred x), where they differ by more than the threshold."""
    detail = colour - separable(colour, gaussian(sigma))
    detail = torch.where(detail.abs() > threshold, detail, torch.zeros_like(detail)) if threshold else detail
    return (colour + amount * detail).clamp(0, 1)


def line_art(image: Tensor, sigma: float, strength: float, threshold: float, ratio: float = 1.6) -> Tensor:
    """[B, 1, H, W], 1 = line, on the darker side of edges: tanh(strength · max(0, G(kσ) - G(σ) - threshold)).

    Difference of Gaussians (D. Marr, E. Hildreth, Theory of edge detection, 1980; k = 1.6), softly thresholded as in
    H. Winnemöller, J. Kyprianidis, S. Olsen, XDoG, 2012. Flat areas give 0, however dark.
    """
    grey = luminance(image)
    difference = separable(grey, gaussian(sigma * ratio)) - separable(grey, gaussian(sigma))
    return torch.tanh(strength * (difference - threshold).clamp(min=0))
