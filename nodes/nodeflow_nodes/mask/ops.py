"""What the mask nodes compute with. Imported by their bodies only (needs torch)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor


def shape_distance(kind: str, height: int, width: int, box: tuple[float, float, float, float]) -> Tensor:
    """Signed distance of every pixel's centre from the edge of a shape, in pixels, negative inside: [1, 1, H, W].

    The shape fills the box (x, y, width, height). Exact for rectangles; for ellipses the distance is that of
    I. Quilez' first-order estimate f·|∇f|⁻¹, whose zero is exact.
    """
    x, y, w, h = box
    dx = (torch.arange(width, dtype=torch.float64) + 0.5 - (x + w / 2))[None, :]
    dy = (torch.arange(height, dtype=torch.float64) + 0.5 - (y + h / 2))[:, None]
    if kind == "rectangle":
        qx, qy = dx.abs() - w / 2, dy.abs() - h / 2
        outside = (qx.clamp(min=0).square() + qy.clamp(min=0).square()).sqrt()
        distance = outside + torch.maximum(qx, qy).clamp(max=0)
    else:
        a, b = max(w / 2, 1e-6), max(h / 2, 1e-6)
        near = ((dx / a).square() + (dy / b).square()).sqrt()
        slope = ((dx / a**2).square() + (dy / b**2).square()).sqrt()
        flat = torch.full_like(near, -min(a, b))
        distance = torch.where(slope > 1e-9, near * (near - 1) / slope.clamp(min=1e-9), flat)
    return distance[None, None]


def shape_mask(kind: str, height: int, width: int, box: tuple[float, float, float, float], feather: float) -> Tensor:
    """1 inside, 0 outside; the edge is a straight slope `feather` pixels wide, half of it inside. 0: hard, by pixel
    centres."""
    distance = shape_distance(kind, height, width, box)
    if feather > 0:
        return (0.5 - distance / feather).clamp(0, 1).float()
    return (distance < 0).float()


def grow(mask: Tensor, pixels: int, kind: str) -> Tensor:
    """The largest value within `pixels` of each pixel: in a square, or in a disc (a disc of 1 is a plus)."""
    if pixels == 0:
        return mask.clone()
    if kind == "square":
        return _grow_row(_grow_row(mask, pixels).mT, pixels).mT.contiguous()
    return _grow_disc(mask, pixels)


def _grow_row(mask: Tensor, pixels: int) -> Tensor:
    """The largest value within `pixels` to the left and right."""
    width = mask.shape[3]
    wide = min(pixels, width - 1)  # beyond it there is nothing to reach
    windows, length = functional.pad(mask, (wide, wide)), 1
    while 2 * length <= 2 * wide + 1:
        windows, length = _doubled(windows, length), 2 * length
    return torch.maximum(windows[..., :width], windows[..., -width:])


def _doubled(windows: Tensor, length: int) -> Tensor:
    """Maxima of twice as many values in a row as `windows` has them of (`length`)."""
    return torch.maximum(windows[..., :-length], windows[..., length:])


def _grow_disc(mask: Tensor, pixels: int) -> Tensor:
    """A disc is a row of some length for each distance dy. The maximum over such a row is that of two windows whose
    length is a power of two; windows of one length are made of those of half the length, from short to long."""
    height, width = mask.shape[2:]
    high, wide = min(pixels, height - 1), min(pixels, width - 1)  # beyond it there is nothing to reach
    windows, length = functional.pad(mask, (wide, wide, high, high)), 1
    result = torch.zeros_like(mask)
    for dy in range(high, -1, -1):
        reach = min(math.isqrt(pixels * pixels - dy * dy), wide)
        while 2 * length <= 2 * reach + 1:
            windows, length = _doubled(windows, length), 2 * length
        for top in {high - dy, high + dy}:
            for left in {wide - reach, wide + reach + 1 - length}:
                part = windows[..., top : top + height, left : left + width]
                torch.maximum(result, part, out=result)
    return result


def shrink(mask: Tensor, pixels: int, kind: str, border: bool) -> Tensor:
    """The smallest value within `pixels`; beyond the picture counts as 0 if `border`, otherwise as nothing."""
    if border:
        framed = functional.pad(1 - mask, (pixels,) * 4, value=1.0)
        grown = grow(framed, pixels, kind)
        return 1 - grown[..., pixels : pixels + mask.shape[2], pixels : pixels + mask.shape[3]]
    return 1 - grow(1 - mask, pixels, kind)


def fill_holes(mask: Tensor) -> Tensor:
    """Areas below 1/2 that are closed in by the mask become 1."""
    import numpy
    from scipy import ndimage

    solid = (mask >= 0.5).cpu().numpy()
    filled = numpy.stack([ndimage.binary_fill_holes(item[0]) for item in solid])[:, None]
    inside = torch.from_numpy(filled & ~solid).to(mask.device)
    return torch.where(inside, torch.ones_like(mask), mask)


def bounds(mask: Tensor, threshold: float) -> tuple[int, int, int, int] | None:
    """(x, y, width, height) of what is above the threshold in any item; None if nothing is."""
    found = (mask > threshold).any(dim=0)[0]
    rows, columns = found.any(dim=1).nonzero(), found.any(dim=0).nonzero()
    if not len(rows):
        return None
    y, x = int(rows[0]), int(columns[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1
