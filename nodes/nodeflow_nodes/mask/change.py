"""Nodes that change one mask: inverted, grown, softened, resized, cut."""

from __future__ import annotations

from typing import Annotated, Literal

from nodeflow import Mask, NodeError, Range, node
from nodeflow_nodes.image.size import Filter, check_size

Distance = Annotated[int, Range(0, 1024, unit="px")]
Form = Literal["round", "square"]


@node("mask/invert")
def invert(mask: Mask) -> Mask:
    """Swap what is marked and what is not.

    Args:
        mask: the masks.
    """
    return 1 - mask


@node("mask/grow")
def grow(mask: Mask, pixels: Distance = 8, form: Form = "round") -> Mask:
    """Make the marked part larger.

    Args:
        mask: the masks.
        pixels: how far it grows.
        form: `round` keeps distances, `square` makes corners.
    """
    from nodeflow_nodes.mask import ops

    return ops.grow(mask, pixels, form)


@node("mask/shrink")
def shrink(mask: Mask, pixels: Distance = 8, form: Form = "round", from_border: bool = False) -> Mask:
    """Make the marked part smaller.

    Args:
        mask: the masks.
        pixels: how far it shrinks.
        form: `round` keeps distances, `square` makes corners.
        from_border: let it shrink away from the border of the picture too.
    """
    from nodeflow_nodes.mask import ops

    return ops.shrink(mask, pixels, form, from_border)


@node("mask/feather")
def feather(
    mask: Mask,
    radius: Annotated[float, Range(0, 1024, 1, unit="px")] = 8.0,
    side: Literal["both", "inside", "outside"] = "both",
) -> Mask:
    """Make the edges of the marked part soft.

    Args:
        mask: the masks.
        radius: how far the softness reaches from the edge, in pixels (two standard deviations of the blur).
        side: `both` softens around the edge; `outside` keeps all that was marked and fades beyond it; `inside` marks
            nothing new and fades towards the edge.
    """
    from nodeflow_nodes.image.ops import kernels
    from nodeflow_nodes.mask import ops

    if side == "both":
        return kernels.separable(mask, kernels.gaussian(radius / 2)).clamp(0, 1)
    reach = round(radius / 2)
    kernel = kernels.gaussian(radius / 4)
    base = ops.grow(mask, reach, "round") if side == "outside" else ops.shrink(mask, reach, "round", False)
    soft = kernels.separable(base, kernel).clamp(0, 1)
    return soft.maximum(mask) if side == "outside" else soft.minimum(mask)


@node("mask/feather_sides")
def feather_sides(mask: Mask, left: Distance = 0, top: Distance = 0, right: Distance = 0, bottom: Distance = 0) -> Mask:
    """Let a mask fade out towards the sides of the picture.

    Args:
        mask: the masks.
        left: over how many pixels it fades at the left.
        top: at the top.
        right: at the right.
        bottom: at the bottom.
    """
    import torch

    height, width = mask.shape[2:]
    columns = torch.arange(width, dtype=mask.dtype, device=mask.device)
    rows = torch.arange(height, dtype=mask.dtype, device=mask.device)
    weight = torch.ones(height, width, dtype=mask.dtype, device=mask.device)
    for line, reach in ((columns, left), (columns.flip(0), right)):
        weight = weight * ((line + 1) / max(reach, 1)).clamp(max=1)[None, :]
    for line, reach in ((rows, top), (rows.flip(0), bottom)):
        weight = weight * ((line + 1) / max(reach, 1)).clamp(max=1)[:, None]
    return mask * weight


@node("mask/fill_holes")
def fill_holes(mask: Mask) -> Mask:
    """Mark what is enclosed by the marked part.

    Args:
        mask: the masks.
    """
    from nodeflow_nodes.mask import ops

    return ops.fill_holes(mask)


@node("mask/resize")
def resize(
    mask: Mask,
    width: Annotated[int, Range(1, 16384, step=8, unit="px")] = 512,
    height: Annotated[int, Range(1, 16384, step=8, unit="px")] = 512,
    filter: Filter = "bilinear",
) -> Mask:
    """Give masks another size.

    Args:
        mask: the masks.
        width: new width in pixels.
        height: new height in pixels.
        filter: `nearest` keeps hard edges hard; see `image/resize`.
    """
    from nodeflow_nodes.image.ops import resample

    check_size(height, width)
    return resample.resize_image(mask, height, width, filter)


@node("mask/crop")
def crop(
    mask: Mask,
    x: Annotated[int, Range(0, 16384, unit="px")] = 0,
    y: Annotated[int, Range(0, 16384, unit="px")] = 0,
    width: Annotated[int, Range(0, 16384, unit="px")] = 0,
    height: Annotated[int, Range(0, 16384, unit="px")] = 0,
) -> Mask:
    """Cut a rectangle out of masks.

    Args:
        mask: the masks.
        x: distance of the rectangle from the left, in pixels.
        y: distance from the top, in pixels.
        width: of the rectangle; 0 means to the right edge. What stands out is left off.
        height: of the rectangle; 0 means to the bottom edge.
    """
    old_height, old_width = mask.shape[2:]
    if x >= old_width or y >= old_height:
        raise NodeError(f"crop at x = {x}, y = {y}: the mask is only {old_width} × {old_height} pixels large")
    return mask[..., y : y + height if height else old_height, x : x + width if width else old_width].clone()


@node("mask/flip")
def flip(mask: Mask, direction: Literal["horizontal", "vertical", "both"] = "horizontal") -> Mask:
    """Mirror masks.

    Args:
        mask: the masks.
        direction: `horizontal` swaps left and right, `vertical` top and bottom.
    """
    from nodeflow_nodes.image.ops import geometry

    return geometry.flip(mask, direction)
