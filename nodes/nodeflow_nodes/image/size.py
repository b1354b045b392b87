"""Nodes that change how many pixels a picture has."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

from nodeflow import Image, NodeError, Range, node

Filter = Literal["lanczos", "bicubic", "bilinear", "area", "nearest"]
Pixels = Annotated[int, Range(0, 16384, step=8, unit="px")]
Multiple = Annotated[int, Range(1, 256, unit="px")]

LARGEST = 1 << 28
"""Most pixels of one resized picture: a typing error must not fill the memory."""


class Size(NamedTuple):
    width: int
    height: int
    batch_size: int
    channels: int


def round_to(length: float, multiple: int) -> int:
    """The nearest multiple, at least one."""
    return max(multiple, math.floor(length / multiple + 0.5) * multiple)


def target_size(
    old: tuple[int, int], width: int, height: int, fit: str, multiple: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(height, width) that the picture is resized to, and (height, width) of the result after cutting or padding."""
    old_height, old_width = old
    if not width and not height:
        width, height = old_width, old_height
    width = width or max(1, round(old_width * height / old_height))
    height = height or max(1, round(old_height * width / old_width))
    if fit == "fit":
        ratio = min(width / old_width, height / old_height)
        width, height = max(1, round(old_width * ratio)), max(1, round(old_height * ratio))
    box = (round_to(height, multiple), round_to(width, multiple))
    if fit in ("fill", "pad"):
        choose = max if fit == "fill" else min
        ratio = choose(box[1] / old_width, box[0] / old_height)
        limit = max if fit == "fill" else min
        inner = tuple(limit(side, max(1, round(o * ratio))) for o, side in zip(old, box, strict=True))
        return (inner[0], inner[1]), box
    return box, box


def check_size(height: int, width: int) -> None:
    if height * width > LARGEST:
        raise NodeError(f"{width} × {height} is {height * width / 1e6:.0f} megapixels; at most {LARGEST / 1e6:.0f}")


@node("image/resize")
def resize(
    image: Image,
    width: Pixels = 512,
    height: Pixels = 512,
    fit: Literal["stretch", "fit", "fill", "pad"] = "stretch",
    filter: Filter = "lanczos",
    multiple: Multiple = 1,
    color: str = "black",
) -> Image:
    """Give pictures another size.

    Args:
        image: the pictures.
        width: new width in pixels; 0 follows from the height.
        height: new height in pixels; 0 follows from the width.
        fit: what happens if the proportions differ. `stretch` changes them; `fit` keeps them and makes the picture as
            large as fits into the size; `fill` keeps them, covers the size and cuts off what stands out, evenly on both
            sides; `pad` keeps them and adds bars of `color`.
        filter: `lanczos` is the sharpest, `bicubic` and `bilinear` are softer, `area` is the exact mean (good for
            making smaller), `nearest` copies pixels (pixel art, masks as pictures). All but `nearest` are antialiased.
        multiple: the new size is rounded to multiples of this; most models want multiples of 8 or 64.
        color: of the bars, such as `#ff8800` or `black`.
    """
    from nodeflow_nodes.image.ops import geometry, resample

    inner, box = target_size((image.shape[2], image.shape[3]), width, height, fit, multiple)
    check_size(*inner)
    resized = resample.resize_image(image, *inner, filter)
    if fit == "fill":
        top, left = (inner[0] - box[0]) // 2, (inner[1] - box[1]) // 2
        return resized[..., top : top + box[0], left : left + box[1]].contiguous()
    return geometry.pad_to(resized, *box, color) if fit == "pad" else resized


@node("image/resize_by")
def resize_by(
    image: Image,
    factor: Annotated[float, Range(0.01, 16, 0.05)] = 2.0,
    filter: Filter = "lanczos",
    multiple: Multiple = 1,
) -> Image:
    """Make pictures larger or smaller by a factor.

    Args:
        image: the pictures.
        factor: 2 doubles both sides, 0.5 halves them.
        filter: see `image/resize`.
        multiple: the new size is rounded to multiples of this.
    """
    from nodeflow_nodes.image.ops import resample

    height, width = (round_to(side * factor, multiple) for side in image.shape[2:])
    check_size(height, width)
    return resample.resize_image(image, height, width, filter)


@node("image/resize_to_pixels", title="Resize to pixel count")
def resize_to_pixels(
    image: Image,
    megapixels: Annotated[float, Range(0.01, 40, 0.01, unit="megapixels")] = 1.0,
    filter: Filter = "lanczos",
    multiple: Multiple = 8,
) -> Image:
    """Give pictures a number of pixels, keeping their proportions.

    Args:
        image: the pictures.
        megapixels: of each new picture; 1 is 1024 × 1024 pixels (1 048 576).
        filter: see `image/resize`.
        multiple: the new size is rounded to multiples of this.
    """
    from nodeflow_nodes.image.ops import resample

    factor = math.sqrt(megapixels * 1024 * 1024 / (image.shape[2] * image.shape[3]))
    height, width = (round_to(side * factor, multiple) for side in image.shape[2:])
    check_size(height, width)
    return resample.resize_image(image, height, width, filter)


@node("image/size")
def size(image: Image) -> Size:
    """Tell how large pictures are.

    Args:
        image: the pictures.

    Returns:
        width: in pixels.
        height: in pixels.
        batch_size: how many pictures there are.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
    """
    batch, channels, height, width = image.shape
    return Size(width, height, batch, channels)
