"""Moving pixels: padding, pasting, turning."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor

from nodeflow_nodes.image.ops.shape import color_tensor


def pad_to(image: Tensor, height: int, width: int, color: str) -> Tensor:
    """The picture in the middle of a larger one."""
    top, left = (height - image.shape[2]) // 2, (width - image.shape[3]) // 2
    result = color_tensor(color, image).expand(image.shape[0], -1, height, width).clone()
    result[..., top : top + image.shape[2], left : left + image.shape[3]] = image
    return result


def pad_edges(image: Tensor, left: int, top: int, right: int, bottom: int, mode: str, color: str) -> Tensor:
    """Borders around a picture: of a colour, of its edge pixels repeated, or mirrored (as often as needed)."""
    height, width = image.shape[2:]
    if mode == "color":
        full = (
            color_tensor(color, image).expand(image.shape[0], -1, height + top + bottom, width + left + right).clone()
        )
        full[..., top : top + height, left : left + width] = image
        return full
    rows = _border_index(height, top, bottom, mode).to(image.device)
    columns = _border_index(width, left, right, mode).to(image.device)
    return image.index_select(2, rows).index_select(3, columns)


def _border_index(length: int, before: int, after: int, mode: str) -> Tensor:
    index = torch.arange(-before, length + after)
    if mode == "edge" or length == 1:
        return index.clamp(0, length - 1)
    folded = index.remainder(2 * length - 2)  # reflected without repeating the edge
    return torch.where(folded < length, folded, 2 * length - 2 - folded)


def feather_ramp(
    height: int, width: int, hole: tuple[int, int, int, int], feather: int, open_sides: tuple[bool, bool, bool, bool]
) -> Tensor:
    """1 outside of the hole (top, left, bottom, right), falling inside of it to 0 at `feather` pixels from those of its
    sides (top, left, bottom, right) that have something new beyond. [1, 1, H, W]; ((f - d) / f)², as in ComfyUI."""
    top, left, bottom, right = hole
    rows = torch.arange(height, dtype=torch.float32)[:, None]
    columns = torch.arange(width, dtype=torch.float32)[None, :]
    far = torch.full((height, width), math.inf)
    distances = (rows - top, columns - left, bottom - rows, right - columns)
    for distance, is_open in zip(distances, open_sides, strict=True):
        far = torch.minimum(far, distance.expand(height, width)) if is_open else far
    ramp = ((feather - far) / max(feather, 1)).clamp(0, 1).square()
    mask = torch.ones(height, width)
    inside = (slice(top, bottom), slice(left, right))
    mask[inside] = ramp[inside] if feather else 0.0
    return mask[None, None]


def paste_region(
    height: int, width: int, top: int, left: int, part: tuple[int, int]
) -> tuple[slice, slice, slice, slice]:
    """Where a part of size (h, w) lands on a ground of `height` × `width`, and which of its own pixels do."""
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + part[0], height), min(left + part[1], width)
    y1, x1 = max(y0, y1), max(x0, x1)
    return slice(y0, y1), slice(x0, x1), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)


def rotate_free(image: Tensor, degrees: float, expand: bool, mode: str, color: str) -> Tensor:
    """Turned counter-clockwise about the middle, sampled bilinearly or by nearest; outside is `color`."""
    height, width = image.shape[2:]
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    if expand:
        new_width = max(1, math.ceil(abs(width * cos) + abs(height * sin) - 1e-6))
        new_height = max(1, math.ceil(abs(width * sin) + abs(height * cos) - 1e-6))
    else:
        new_width, new_height = width, height
    y = (torch.arange(new_height, dtype=torch.float64, device="cpu") + 0.5 - new_height / 2)[:, None]
    x = (torch.arange(new_width, dtype=torch.float64, device="cpu") + 0.5 - new_width / 2)[None, :]
    source_x = (x * cos - y * sin) * 2 / width
    source_y = (x * sin + y * cos) * 2 / height
    grid = torch.stack([source_x, source_y], dim=-1).to(image.device, image.dtype)
    grid = grid.expand(image.shape[0], -1, -1, -1)
    ground = color_tensor(color, image)
    solid = torch.cat([image - ground, torch.ones_like(image[:, :1])], dim=1)  # so that `color` fills what is outside
    turned = functional.grid_sample(solid, grid, mode=mode, padding_mode="zeros", align_corners=False)
    return (turned[:, :-1] + ground).clamp(0, 1)


def quarter_turns(image: Tensor, degrees: int) -> Tensor:
    """Turned counter-clockwise by 0, 90, 180 or 270 degrees, exactly."""
    return torch.rot90(image, degrees // 90 % 4, dims=(-2, -1)).contiguous()


def flip(image: Tensor, direction: str) -> Tensor:
    dims = {"horizontal": (-1,), "vertical": (-2,), "both": (-2, -1)}[direction]
    return image.flip(dims)
