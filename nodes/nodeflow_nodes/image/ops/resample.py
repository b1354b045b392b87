"""Resizing: separable filters with antialiasing, for pictures, masks and latents alike.

Each output cell is a weighted mean of the input cells under the filter, whose support grows with the reduction (so
that nothing aliases). Pixel centres are at i + 1/2. Kernels: `bilinear` the triangle, `bicubic` Keys' cubic with
a = -1/2, `lanczos` the sinc windowed to three lobes, `area` the exact mean of the covered area, `nearest` the nearest
centre. Bilinear, bicubic and lanczos agree with Pillow's `Image.resize`, area with `adaptive_avg_pool2d`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

BLOCK = 32


def _triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _keys(x: Tensor, a: float = -0.5) -> Tensor:
    """R. Keys, Cubic convolution interpolation for digital image processing, 1981."""
    x = x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def _lanczos(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), torch.zeros_like(x))


_KERNELS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "bilinear": (_triangle, 1.0),
    "bicubic": (_keys, 2.0),
    "lanczos": (_lanczos, 3.0),
}


@lru_cache(maxsize=64)
def taps(source: int, target: int, name: str) -> tuple[Tensor, Tensor]:
    """Which input cells make each output cell, and their weights: int64 and float32, both [target, K]."""
    scale = source / target
    place = torch.arange(target, dtype=torch.float64)
    if name == "nearest":
        index = ((place + 0.5) * scale).floor().clamp(max=source - 1).long()[:, None]
        return index, torch.ones(target, 1)
    if name == "area":
        low, high = place * scale, (place + 1) * scale
        count = math.ceil(scale) + 1
        index = low.floor()[:, None] + torch.arange(count)
        weight = torch.minimum(high[:, None], index + 1) - torch.maximum(low[:, None], index)
        weight = torch.where(weight > 1e-9, weight, torch.zeros_like(weight))
    else:
        kernel, support = _KERNELS[name]
        stretch = max(scale, 1.0)
        centre = (place + 0.5) * scale
        low = (centre - support * stretch + 0.5).floor()
        high = (centre + support * stretch + 0.5).floor()
        count = int((high - low).max()) + 1
        index = low[:, None] + torch.arange(count)
        weight = kernel((index + 0.5 - centre[:, None]) / stretch)
        weight = torch.where(index < high[:, None], weight, torch.zeros_like(weight))
    weight = torch.where((index >= 0) & (index < source), weight, torch.zeros_like(weight))
    weight = weight / weight.sum(1, keepdim=True)
    return index.clamp(0, source - 1).long(), weight.to(torch.float32)


@lru_cache(maxsize=64)
def _bands(source: int, target: int, name: str) -> list[tuple[int, int, Tensor]]:
    """The weights as blocks on the diagonal: (first input cell, last + 1, float32 [outputs, inputs]) for each run of
    `BLOCK` outputs. Multiplying them is as fast as matrices are, and little more work than the taps alone."""
    index, weight = taps(source, target, name)
    bands = []
    for start in range(0, target, BLOCK):
        rows, values = index[start : start + BLOCK], weight[start : start + BLOCK]
        used = values != 0
        low, high = int(rows[used].min()), int(rows[used].max()) + 1
        band = torch.zeros(len(rows), high - low)
        band.scatter_add_(1, (rows - low).clamp(0, high - low - 1), values * used)
        bands.append((low, high, band))
    return bands


def _along(x: Tensor, dim: int, target: int, name: str) -> Tensor:
    """[N, h, w] resized along dimension 1 or 2. Each of the N is computed alike, whatever N is."""
    if x.shape[dim] == target:
        return x
    if name == "nearest":
        return x.index_select(dim, taps(x.shape[dim], target, name)[0][:, 0].to(x.device))
    parts = []
    for low, high, band in _bands(x.shape[dim], target, name):
        matrix = band.to(x.device, x.dtype).expand(x.shape[0], -1, -1)
        if dim == 1:
            parts.append(torch.bmm(matrix, x[:, low:high]))
        else:
            parts.append(torch.bmm(x[:, :, low:high], matrix.transpose(1, 2)))
    return torch.cat(parts, dim)


def resample(x: Tensor, height: int, width: int, name: str = "lanczos") -> Tensor:
    """The last two dimensions resized to `height` and `width`. Values may overshoot with bicubic and lanczos."""
    rows, columns = x.shape[-2:]
    flat = x.reshape(-1, rows, columns)
    if rows * width <= columns * height:  # the cheaper order first
        flat = _along(_along(flat, 2, width, name), 1, height, name)
    else:
        flat = _along(_along(flat, 1, height, name), 2, width, name)
    return flat.view(*x.shape[:-2], height, width)


def resize_image(image: Tensor, height: int, width: int, name: str = "lanczos") -> Tensor:
    """Pictures resized and kept within 0..1. Colours are weighted by alpha, so that the colour of transparent pixels
    does not bleed."""
    if image.shape[-2:] == (height, width):
        return image
    if image.shape[1] != 4 or name == "nearest":
        return resample(image, height, width, name).clamp_(0, 1)
    alpha = image[:, 3:]
    solid = resample(torch.cat([image[:, :3] * alpha, alpha], dim=1), height, width, name)
    alpha = solid[:, 3:]
    colour = torch.where(
        alpha > 1e-4, solid[:, :3] / alpha.clamp(min=1e-4), resample(image[:, :3], height, width, name)
    )
    return torch.cat([colour, alpha], dim=1).clamp_(0, 1)
