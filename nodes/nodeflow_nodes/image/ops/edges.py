"""Canny's edge detector (J. Canny, A computational approach to edge detection, 1986)."""

from __future__ import annotations

import numpy
import torch
from scipy import ndimage
from torch import Tensor

from nodeflow_nodes.image.ops.kernels import gaussian, separable


def sobel(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients to the right and downwards; a step from 0 to 1 gives 4."""
    framed = torch.nn.functional.pad(grey, (1, 1, 1, 1), mode="replicate")

    def shifted(y: int, x: int) -> Tensor:
        return framed[..., 1 + y : 1 + y + grey.shape[2], 1 + x : 1 + x + grey.shape[3]]

    right = sum(w * (shifted(y, 1) - shifted(y, -1)) for y, w in ((-1, 1), (0, 2), (1, 1)))
    down = sum(w * (shifted(1, x) - shifted(-1, x)) for x, w in ((-1, 1), (0, 2), (1, 1)))
    return right, down


def thin(right: Tensor, down: Tensor) -> Tensor:
    """Gradient magnitude where it is the largest across the edge, 0 elsewhere: lines one pixel wide."""
    magnitude = (right.square() + down.square()).sqrt()
    sector = (torch.atan2(down, right) * (4 / torch.pi)).round().long() % 4
    height, width = magnitude.shape[2:]
    framed = torch.nn.functional.pad(magnitude, (1, 1, 1, 1))
    keep = torch.zeros_like(magnitude, dtype=torch.bool)
    for number, (y, x) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = framed[..., 1 + y : 1 + y + height, 1 + x : 1 + x + width]
        behind = framed[..., 1 - y : 1 - y + height, 1 - x : 1 - x + width]
        # rounding must not decide between the two pixels of a symmetric edge: equal within 1e-5 counts as equal
        largest = (magnitude > behind + 1e-5) & (magnitude >= ahead - 1e-5)
        keep |= (sector == number) & largest
    return torch.where(keep, magnitude, torch.zeros_like(magnitude))


def hysteresis(magnitude: Tensor, low: float, high: float) -> Tensor:
    """1 for edges above `high`, and for those above `low` that touch them (diagonally too), through any distance."""
    weak = (magnitude >= low).cpu().numpy()
    strong = (magnitude >= high).cpu().numpy()
    result = numpy.zeros(weak.shape, dtype=numpy.float32)
    for item in range(weak.shape[0]):
        labels, count = ndimage.label(weak[item, 0], structure=numpy.ones((3, 3)))
        kept = numpy.zeros(count + 1, dtype=bool)
        kept[numpy.unique(labels[strong[item, 0]])] = True
        kept[0] = False
        result[item, 0] = kept[labels]
    return torch.from_numpy(result)


def canny(grey: Tensor, sigma: float, low: float, high: float) -> Tensor:
    """[B, 1, H, W], 1 = edge. Thresholds in the unit of `sobel`."""
    return hysteresis(thin(*sobel(separable(grey, gaussian(sigma)))), low, high)
