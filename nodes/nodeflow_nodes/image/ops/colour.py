"""Colour: adjustments, curves, hue. All on pictures without alpha (1 or 3 channels), values as stored (sRGB)."""

from __future__ import annotations

import re
from itertools import pairwise

import torch
from torch import Tensor

from nodeflow import NodeError
from nodeflow_nodes.image.ops.shape import luminance


def to_linear(x: Tensor) -> Tensor:
    """sRGB to linear light (IEC 61966-2-1)."""
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def to_srgb(x: Tensor) -> Tensor:
    """Linear light to sRGB."""
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def rgb_to_hsv(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue 0..1, saturation 0..1, value 0..1, each [B, 1, H, W]."""
    red, green, blue = image.split(1, dim=1)
    top, low = image.amax(1, keepdim=True), image.amin(1, keepdim=True)
    span = top - low
    safe = span.clamp(min=1e-12)
    hue = torch.where(
        top == red, ((green - blue) / safe) % 6,
        torch.where(top == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )  # fmt: skip
    hue = torch.where(span > 0, hue / 6, torch.zeros_like(hue))
    return hue, torch.where(top > 0, span / top.clamp(min=1e-12), torch.zeros_like(top)), top


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """f(n) = V - V·S·max(0, min(k, 4 - k, 1)), k = (n + 6·H) mod 6, for n = 5, 3, 1."""
    channels = []
    for n in (5, 3, 1):
        k = (n + hue * 6) % 6
        channels.append(value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.cat(channels, dim=1)


def adjust(
    x: Tensor, brightness: float, contrast: float, saturation: float, hue: float, gamma: float, exposure: float
) -> Tensor:
    """In this order: exposure (in linear light), brightness, contrast about 1/2, saturation, hue, gamma."""
    if exposure:
        x = to_srgb((to_linear(x) * 2.0**exposure).clamp(0, 1))
    if brightness != 1:
        x = (x * brightness).clamp(0, 1)
    if contrast != 1:
        x = ((x - 0.5) * contrast + 0.5).clamp(0, 1)
    if saturation != 1 and x.shape[1] == 3:
        grey = luminance(x)
        x = (grey + (x - grey) * saturation).clamp(0, 1)
    if hue and x.shape[1] == 3:
        angle, s, v = rgb_to_hsv(x)
        x = hsv_to_rgb((angle + hue / 360) % 1, s, v)
    if gamma != 1:
        x = x.clamp(min=0) ** (1 / gamma)
    return x.clamp(0, 1)


def levels(x: Tensor, black: float, white: float, gamma: float, out_black: float, out_white: float) -> Tensor:
    """`black`..`white` stretched to 0..1, bent by gamma, brought into `out_black`..`out_white`."""
    return ((x - black) / (white - black)).clamp(0, 1) ** (1 / gamma) * (out_white - out_black) + out_black


def parse_points(text: str) -> list[tuple[float, float]]:
    """`0 0, 0.5 0.6, 1 1` as points in rising order of x.

    Raises:
        NodeError: if there are fewer than two, or they are not numbers 0..1, or an x occurs twice.
    """
    points = []
    for pair in re.split(r"[,;\n]+", text.strip()):
        numbers = pair.split()
        if not numbers:
            continue
        try:
            x, y = (float(n) for n in numbers)
        except ValueError:
            raise NodeError(f'curve point {pair!r}: expected two numbers, such as "0.5 0.6"') from None
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise NodeError(f"curve point {pair.strip()!r}: expected numbers between 0 and 1")
        points.append((x, y))
    points.sort()
    if len(points) < 2 or any(a[0] == b[0] for a, b in pairwise(points)):
        raise NodeError(f"curve {text[:80]!r}: expected at least two points with different first numbers")
    return points


def curve(x: Tensor, points: list[tuple[float, float]]) -> Tensor:
    """The values sent through a smooth curve through the points that does not overshoot; flat outside of them.

    Monotone cubic interpolation: F. Fritsch, R. Carlson, SIAM J. Numer. Anal. 17 (1980); slopes as the harmonic mean
    of F. Fritsch, J. Butland (1984).
    """
    px = torch.tensor([p[0] for p in points], dtype=torch.float64)
    py = torch.tensor([p[1] for p in points], dtype=torch.float64)
    width = px[1:] - px[:-1]
    slope = (py[1:] - py[:-1]) / width
    tangent = torch.empty_like(px)
    tangent[0], tangent[-1] = slope[0], slope[-1]
    if len(points) > 2:
        w1, w2 = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
        product = slope[:-1] * slope[1:]
        mean = (w1 + w2) * product / (w1 * slope[1:] + w2 * slope[:-1])
        tangent[1:-1] = torch.where(product > 0, mean, torch.zeros_like(product))
    value = x.to(torch.float64).clamp(px[0].item(), px[-1].item())
    at = (torch.bucketize(value, px.to(x.device)) - 1).clamp(0, len(points) - 2)
    px, py, width, tangent = (t.to(x.device) for t in (px, py, width, tangent))
    h = width[at]
    t = (value - px[at]) / h
    result = (
        (1 + 2 * t) * (1 - t) ** 2 * py[at]
        + t * (1 - t) ** 2 * h * tangent[at]
        + t**2 * (3 - 2 * t) * py[at + 1]
        + t**2 * (t - 1) * h * tangent[at + 1]
    )
    return result.clamp(0, 1).to(x.dtype)
