"""Nodes that cut, extend and turn pictures."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from nodeflow import Image, Mask, NodeError, Range, node

Place = Annotated[int, Range(-16384, 16384, step=8, unit="px")]
Length = Annotated[int, Range(0, 16384, step=8, unit="px")]


class Padded(NamedTuple):
    image: Image
    mask: Mask


@node("image/crop")
def crop(
    image: Image,
    x: Annotated[int, Range(0, 16384, unit="px")] = 0,
    y: Annotated[int, Range(0, 16384, unit="px")] = 0,
    width: Annotated[int, Range(0, 16384, unit="px")] = 512,
    height: Annotated[int, Range(0, 16384, unit="px")] = 512,
    anchor: Literal["top_left", "center"] = "top_left",
) -> Image:
    """Cut a rectangle out of pictures.

    Args:
        image: the pictures.
        x: distance of the rectangle from the left, in pixels.
        y: distance of the rectangle from the top, in pixels.
        width: of the rectangle; 0 means to the right edge. What stands out of the picture is left off.
        height: of the rectangle; 0 means to the bottom edge.
        anchor: `center` takes the middle of the picture and does not look at `x` and `y`.
    """
    old_height, old_width = image.shape[2:]
    if anchor == "center":
        x = max(0, (old_width - (width or old_width)) // 2)
        y = max(0, (old_height - (height or old_height)) // 2)
    if x >= old_width or y >= old_height:
        raise NodeError(f"crop at x = {x}, y = {y}: the picture is only {old_width} × {old_height} pixels large")
    right = x + width if width else old_width
    bottom = y + height if height else old_height
    return image[..., y:bottom, x:right].clone()


@node("image/pad_for_outpainting")
def pad_for_outpainting(
    image: Image,
    left: Length = 0,
    top: Length = 0,
    right: Length = 0,
    bottom: Length = 0,
    feather: Annotated[int, Range(0, 4096, unit="px")] = 40,
    fill: Literal["color", "edge", "mirror"] = "color",
    color: str = "#808080",
) -> Padded:
    """Make pictures larger at their sides, and a mask of what is new, so that a model can paint it.

    Args:
        image: the pictures.
        left: pixels added at the left.
        top: pixels added at the top.
        right: pixels added at the right.
        bottom: pixels added at the bottom.
        feather: width of the soft edge of the mask, inside the old picture, in pixels: there old and new are blended.
        fill: what the new part shows until it is painted: one colour, the outermost pixels drawn out, or the picture
            mirrored.
        color: of the new part, if `fill` is `color`.

    Returns:
        image: the larger picture.
        mask: 1 where it is new, 0 in the old picture, soft in between.
    """
    from nodeflow_nodes.image.ops import geometry

    height, width = image.shape[2:]
    padded = geometry.pad_edges(image, left, top, right, bottom, fill, color)
    hole = (top, left, top + height, left + width)
    sides = (top > 0, left > 0, bottom > 0, right > 0)
    mask = geometry.feather_ramp(padded.shape[2], padded.shape[3], hole, feather, sides).to(image.device)
    return Padded(padded, mask)


@node("image/pad")
def pad(
    image: Image,
    left: Length = 0,
    top: Length = 0,
    right: Length = 0,
    bottom: Length = 0,
    fill: Literal["color", "edge", "mirror"] = "color",
    color: str = "black",
) -> Image:
    """Put a border around pictures.

    Args:
        image: the pictures.
        left: width of the border at the left, in pixels.
        top: at the top.
        right: at the right.
        bottom: at the bottom.
        fill: one colour, the outermost pixels drawn out, or the picture mirrored.
        color: of the border, if `fill` is `color`.
    """
    from nodeflow_nodes.image.ops import geometry

    return geometry.pad_edges(image, left, top, right, bottom, fill, color)


@node("image/flip")
def flip(image: Image, direction: Literal["horizontal", "vertical", "both"] = "horizontal") -> Image:
    """Mirror pictures.

    Args:
        image: the pictures.
        direction: `horizontal` swaps left and right, `vertical` top and bottom.
    """
    from nodeflow_nodes.image.ops import geometry

    return geometry.flip(image, direction)


@node("image/rotate")
def rotate(
    image: Image,
    angle: Annotated[float, Range(-360, 360, 1, unit="degrees")] = 90.0,
    expand: bool = True,
    filter: Literal["bilinear", "nearest"] = "bilinear",
    color: str = "black",
) -> Image:
    """Turn pictures.

    Args:
        image: the pictures.
        angle: in degrees, counter-clockwise. Multiples of 90 are exact: no pixel is changed.
        expand: make the result large enough to hold the whole turned picture; otherwise it keeps its size and the
            corners are cut off.
        filter: how pixels are found between pixels, for other angles.
        color: of what is not covered.
    """
    from nodeflow_nodes.image.ops import geometry

    if angle % 90 == 0 and (expand or angle % 180 == 0):
        return geometry.quarter_turns(image, int(angle))
    return geometry.rotate_free(image, angle, expand, filter, color)
