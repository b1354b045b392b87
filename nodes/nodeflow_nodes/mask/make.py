"""Nodes that make masks, and pictures of masks."""

from __future__ import annotations

from typing import Annotated, Literal

from nodeflow import Context, Image, Mask, NodeError, Range, node

Share = Annotated[float, Range(0, 1, 0.01)]
Side = Annotated[int, Range(1, 16384, step=8, unit="px")]
Batch = Annotated[int, Range(1, 4096)]


def _check(width: int, height: int) -> None:
    if width * height > 1 << 28:
        raise NodeError(f"a mask of {width} × {height} pixels is too large; at most {1 << 28:,} pixels")


@node("mask/solid")
def solid(value: Share = 1.0, width: Side = 512, height: Side = 512) -> Mask:
    """Make a mask that is the same everywhere.

    Args:
        value: 1 changes everything, 0 nothing.
        width: in pixels.
        height: in pixels.
    """
    import torch

    _check(width, height)
    return torch.full((1, 1, height, width), value)


@node("mask/from_color")
def from_color(image: Image, color: str = "white", tolerance: Share = 0.1, softness: Share = 0.0) -> Mask:
    """Mark what has a colour.

    Args:
        image: the pictures.
        color: such as `#ff8800` or `orange`.
        tolerance: how far each of red, green and blue may be from it, 0..1.
        softness: over how much more difference the mask falls to 0.
    """
    from nodeflow_nodes.image.ops import shape

    colour, _ = shape.split_alpha(image)
    wanted = shape.color_tensor(color, colour)
    away = (colour - wanted).abs().amax(1, keepdim=True)
    if softness == 0:
        return (away <= tolerance + 1e-6).to(image.dtype)  # 8-bit steps at exactly the tolerance count
    return (1 - (away - tolerance) / softness).clamp(0, 1)


@node("mask/from_alpha")
def from_alpha(image: Image, mark: Literal["transparent", "solid"] = "transparent") -> Mask:
    """Mark what is transparent in pictures.

    Args:
        image: the pictures; without transparency everything is solid.
        mark: `transparent` gives 1 where the picture is transparent; `solid` gives 1 where it is not.
    """
    from nodeflow_nodes.image.ops import shape

    alpha = shape.to_channels(image, 4)[:, 3:]
    return alpha.clone() if mark == "solid" else 1 - alpha


@node("mask/from_channel")
def from_channel(
    image: Image, channel: Literal["red", "green", "blue", "alpha", "luminance", "hue", "saturation"] = "red"
) -> Mask:
    """Use one channel of pictures as a mask.

    Args:
        image: the pictures.
        channel: which one. `luminance` is the brightness; pictures without transparency have alpha 1; hue is 0..1
            around the colour wheel, from red.
    """
    from nodeflow_nodes.image.ops import colour, shape

    if channel == "luminance":
        return shape.luminance(image).clone()
    if channel in ("hue", "saturation"):
        hue, saturation, _ = colour.rgb_to_hsv(shape.to_rgb(image))
        return hue if channel == "hue" else saturation
    index = ("red", "green", "blue", "alpha").index(channel)
    return shape.to_channels(image, 4)[:, index : index + 1].clone()


@node("mask/from_shape")
def from_shape(
    shape: Literal["rectangle", "ellipse"] = "rectangle",
    width: Side = 512,
    height: Side = 512,
    x: Annotated[float, Range(-1, 2, 0.01)] = 0.25,
    y: Annotated[float, Range(-1, 2, 0.01)] = 0.25,
    shape_width: Annotated[float, Range(0, 2, 0.01)] = 0.5,
    shape_height: Annotated[float, Range(0, 2, 0.01)] = 0.5,
    feather: Annotated[float, Range(0, 4096, 1, unit="px")] = 0.0,
) -> Mask:
    """Mark a rectangle or an ellipse.

    Args:
        shape: which one.
        width: of the mask, in pixels.
        height: of the mask, in pixels.
        x: left edge of the shape, as a share of the width.
        y: top edge of the shape, as a share of the height.
        shape_width: width of the shape, as a share of the width.
        shape_height: height of the shape, as a share of the height.
        feather: width of the soft edge, in pixels, half of it inside the shape; 0 makes it hard.
    """
    from nodeflow_nodes.mask import ops

    _check(width, height)
    box = (x * width, y * height, shape_width * width, shape_height * height)
    return ops.shape_mask(shape, height, width, box, feather)


@node("mask/from_threshold")
def from_threshold(image: Image | Mask, threshold: Share = 0.5, mark: Literal["above", "below"] = "above") -> Mask:
    """Mark what is bright, or dark.

    Args:
        image: pictures (by their luminance) or masks.
        threshold: 0..1.
        mark: `above` gives 1 where it is brighter than the threshold; `below` where it is not.
    """
    from nodeflow_nodes.image.ops import shape

    bright = shape.luminance(image) > threshold
    return (bright if mark == "above" else ~bright).to(image.dtype)


@node("mask/to_image")
def to_image(mask: Mask) -> Image:
    """Make a picture of a mask: white where it is 1, black where it is 0.

    Args:
        mask: the masks.
    """
    return mask.repeat(1, 3, 1, 1)


@node("mask/preview", effects=True)
def preview(mask: Mask, image: Image | None = None, color: str = "red", *, ctx: Context) -> Image:
    """Show a mask, laid over a picture if there is one.

    Args:
        mask: the mask.
        image: what to lay it over, half transparent.
        color: of the marked part on the picture.

    Returns:
        What is shown.
    """
    from nodeflow_nodes.image.ops import blending, resample, shape

    if image is None:
        shown = mask.repeat(1, 3, 1, 1)
    else:
        base = shape.to_rgb(image)
        cover = resample.resize_image(mask, image.shape[2], image.shape[3], "bilinear") * 0.5
        paint = shape.color_tensor(color, base).expand(1, -1, *base.shape[2:])
        shown = blending.blend(base, paint, "normal", cover)
    ctx.preview(shown)
    return shown
