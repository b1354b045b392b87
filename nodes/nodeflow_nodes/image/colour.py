"""Nodes that change colours, pixel by pixel. Transparency stays as it is."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from nodeflow import Image, Mask, NodeError, Range, node

Share = Annotated[float, Range(0, 1, 0.01)]
Factor = Annotated[float, Range(0, 10, 0.05)]


class Channels(NamedTuple):
    red: Image
    green: Image
    blue: Image
    alpha: Mask


@node("image/adjust")
def adjust(
    image: Image,
    brightness: Factor = 1.0,
    contrast: Factor = 1.0,
    saturation: Factor = 1.0,
    hue: Annotated[float, Range(-180, 180, 1, unit="degrees")] = 0.0,
    gamma: Annotated[float, Range(0.05, 20, 0.05)] = 1.0,
    exposure: Annotated[float, Range(-10, 10, 0.1, unit="stops")] = 0.0,
) -> Image:
    """Change brightness, contrast, colour and exposure.

    They are applied in this order: exposure, brightness, contrast, saturation, hue, gamma. The defaults change nothing.

    Args:
        image: the pictures.
        brightness: factor on all values; 1 changes nothing.
        contrast: factor on the distance from middle grey; 1 changes nothing, 0 makes everything grey.
        saturation: factor on the distance from the grey of the same luminance; 0 takes the colours out.
        hue: turns the colours on the wheel, in degrees: 120 makes red green.
        gamma: above 1 brightens the middle tones and keeps black and white.
        exposure: in photographic stops: 1 doubles the light (computed in linear light).
    """
    from nodeflow_nodes.image.ops import colour, shape

    plain, alpha = shape.split_alpha(image)
    changed = colour.adjust(plain, brightness, contrast, saturation, hue, gamma, exposure)
    return shape.join_alpha(changed, alpha)


@node("image/levels")
def levels(
    image: Image,
    black: Share = 0.0,
    white: Share = 1.0,
    gamma: Annotated[float, Range(0.05, 20, 0.05)] = 1.0,
    out_black: Share = 0.0,
    out_white: Share = 1.0,
) -> Image:
    """Stretch a range of tones to the full range.

    Args:
        image: the pictures.
        black: the value that becomes black, 0..1; below `white`.
        white: the value that becomes white, 0..1.
        gamma: above 1 brightens the middle tones.
        out_black: what black is raised to.
        out_white: what white is lowered to.
    """
    from nodeflow_nodes.image.ops import colour, shape

    if white <= black:
        raise NodeError(f"expected black below white, got black = {black}, white = {white}")
    plain, alpha = shape.split_alpha(image)
    return shape.join_alpha(colour.levels(plain, black, white, gamma, out_black, out_white), alpha)


@node("image/curves")
def curves(
    image: Image,
    points: str = "0 0, 0.25 0.2, 0.75 0.8, 1 1",
    channel: Literal["rgb", "red", "green", "blue"] = "rgb",
) -> Image:
    """Change tones by a curve.

    Args:
        image: the pictures.
        points: points of the curve, "old new" with commas between, each 0..1: `0 0, 0.5 0.6, 1 1` brightens the middle.
            The curve is smooth and does not overshoot.
        channel: which colours the curve applies to.
    """
    from nodeflow_nodes.image.ops import colour, shape

    parsed = colour.parse_points(points)
    plain, alpha = shape.split_alpha(image)
    if channel == "rgb":
        return shape.join_alpha(colour.curve(plain, parsed), alpha)
    result = shape.to_rgb(plain).clone()
    index = ("red", "green", "blue").index(channel)
    result[:, index] = colour.curve(result[:, index], parsed)
    return shape.join_alpha(result, alpha)


@node("image/invert")
def invert(image: Image) -> Image:
    """Make a negative: light becomes dark, each colour its opposite.

    Args:
        image: the pictures.
    """
    from nodeflow_nodes.image.ops import shape

    plain, alpha = shape.split_alpha(image)
    return shape.join_alpha(1 - plain, alpha)


@node("image/to_grey")
def to_grey(image: Image, channels: Literal["1", "3"] = "3") -> Image:
    """Take the colour out of pictures.

    Args:
        image: the pictures.
        channels: `1` gives one channel, `3` three equal ones, which models expect. Transparency is dropped.

    Returns:
        The luminance, .2126 red + .7152 green + .0722 blue.
    """
    from nodeflow_nodes.image.ops import shape

    grey = shape.luminance(image).clone()
    return grey if channels == "1" else grey.repeat(1, 3, 1, 1)


@node("image/split_channels")
def split_channels(image: Image) -> Channels:
    """Take pictures apart into red, green, blue and transparency.

    Args:
        image: the pictures.

    Returns:
        red: one channel.
        green: one channel.
        blue: one channel.
        alpha: 1 where the picture is solid, 0 where it is transparent.
    """
    from nodeflow_nodes.image.ops import shape

    red, green, blue, alpha = shape.to_channels(image, 4).clone().split(1, dim=1)
    return Channels(red, green, blue, alpha)


@node("image/merge_channels")
def merge_channels(red: Image, green: Image, blue: Image, alpha: Mask | None = None) -> Image:
    """Put a picture together from single channels.

    Args:
        red: its luminance becomes the red channel.
        green: its luminance becomes the green channel.
        blue: its luminance becomes the blue channel.
        alpha: 1 where the picture is solid; without it the picture has no transparency.
    """
    import torch

    from nodeflow_nodes.image.ops import shape

    parts = [shape.luminance(part) for part in (red, green, blue)] + ([] if alpha is None else [alpha])
    if len({part.shape[2:] for part in parts}) > 1:
        sizes = ", ".join(f"{part.shape[3]} × {part.shape[2]}" for part in parts)
        raise NodeError(f"the channels differ in size ({sizes}); resize them first")
    return torch.cat(shape.same_batch(*parts), dim=1)


@node("image/set_alpha")
def set_alpha(image: Image, mask: Mask) -> Image:
    """Make a part of pictures transparent.

    Args:
        image: the pictures; transparency that they have is replaced.
        mask: 1 where they become transparent. Resized if its size differs.
    """
    from nodeflow_nodes.image.ops import resample, shape

    alpha = 1 - resample.resize_image(mask, image.shape[2], image.shape[3], "bilinear")
    plain, alpha = shape.same_batch(shape.to_rgb(image), alpha)
    return shape.join_alpha(plain, alpha)


@node("image/empty")
def empty(
    width: Annotated[int, Range(1, 16384, step=8, unit="px")] = 512,
    height: Annotated[int, Range(1, 16384, step=8, unit="px")] = 512,
    color: str = "black",
    batch_size: Annotated[int, Range(1, 4096)] = 1,
) -> Image:
    """Make pictures of one colour.

    Args:
        width: in pixels.
        height: in pixels.
        color: such as `#ff8800`, `orange` or, half transparent, `#ff880080`.
        batch_size: how many.
    """
    import torch

    from nodeflow_nodes.image.ops import shape
    from nodeflow_nodes.image.size import check_size

    check_size(height, width * batch_size)
    values = shape.parse_color(color)
    used = values[:3] if values[3] == 1 else values
    return torch.tensor(used, dtype=torch.float32).view(1, -1, 1, 1).repeat(batch_size, 1, height, width)
