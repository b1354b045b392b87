"""Nodes that bring several pictures together: blend, composite, batch, pick."""

from __future__ import annotations

from typing import Annotated, Literal

from nodeflow import Image, Mask, NodeError, Range, Tensor, node
from nodeflow_nodes.image.size import Filter

Mode = Literal[
    "normal", "multiply", "screen", "overlay", "soft_light", "hard_light", "difference", "exclusion", "add", "subtract",
    "darken", "lighten", "dodge", "burn",
]  # fmt: skip


def _fit(part: Tensor, like: Tensor, name: str = "bilinear") -> Tensor:
    from nodeflow_nodes.image.ops import resample

    return resample.resize_image(part, like.shape[2], like.shape[3], name)


@node("image/blend")
def blend(
    a: Image,
    b: Image,
    amount: Annotated[float, Range(0, 1, 0.01)] = 0.5,
    mode: Mode = "normal",
    mask: Mask | None = None,
) -> Image:
    """Mix two pictures.

    The formulas are those of the W3C's compositing specification, on the values as they are stored.

    Args:
        a: the picture below; the result has its size.
        b: the picture above, resized if its size differs. Where it is transparent, `a` shows.
        amount: how much of `b` is laid over `a`: 0 leaves `a` as it is, 1 lays `b` on fully.
        mode: how the colours are mixed. `normal` lays over, `multiply` and `burn` darken, `screen`, `add` and `dodge`
            lighten, `overlay`, `soft_light` and `hard_light` raise the contrast, `difference` shows what differs.
        mask: where to mix: 1 fully, 0 not at all. Everywhere, if not given.
    """
    from nodeflow_nodes.image.ops import blending

    coverage = amount if mask is None else _fit(mask, a) * amount
    return blending.blend(a, _fit(b, a, "lanczos"), mode, coverage)


@node("image/composite")
def composite(
    destination: Image,
    source: Image,
    x: Annotated[int, Range(-16384, 16384, unit="px")] = 0,
    y: Annotated[int, Range(-16384, 16384, unit="px")] = 0,
    mask: Mask | None = None,
    resize_source: bool = False,
) -> Image:
    """Paste one picture into another.

    Args:
        destination: the picture that is pasted into; the result has its size.
        source: the picture that is pasted. What stands out is cut off; where it is transparent, nothing is pasted.
        x: where the left edge of `source` lands, in pixels.
        y: where the top edge of `source` lands, in pixels.
        mask: which part of `source` is pasted: 1 fully, 0 not at all. Resized to `source` if its size differs.
        resize_source: make `source` as large as `destination` first.
    """
    from nodeflow_nodes.image.ops import blending, geometry, shape

    if resize_source:
        source = _fit(source, destination)
    destination, source = shape.same_batch(destination, source)
    if source.shape[1] == 3 and destination.shape[1] == 1:
        destination = shape.to_rgb(destination)
    height, width = destination.shape[2:]
    y_to, x_to, y_from, x_from = geometry.paste_region(height, width, y, x, tuple(source.shape[2:]))
    coverage = source.new_ones(1, 1, 1, 1) if mask is None else _fit(mask, source)[..., y_from, x_from]
    below, above = destination[..., y_to, x_to], source[..., y_from, x_from]
    if below.numel() == 0:
        return destination.clone()
    pasted = blending.blend(below, above, "normal", coverage)
    result = shape.to_channels(destination, pasted.shape[1]).expand(pasted.shape[0], -1, -1, -1).clone()
    result[..., y_to, x_to] = pasted
    return result


@node("image/batch")
def batch(images: list[Image], sizes: Literal["equal", "first"] = "equal", filter: Filter = "lanczos") -> Image:
    """Put pictures into one batch.

    Args:
        images: pictures or batches of them, in order.
        sizes: `equal`: all must have one size. `first`: the others are resized to the size of the first one.
        filter: for resizing, see `image/resize`.
    """
    import torch

    from nodeflow_nodes.image.ops import shape

    if not images:
        raise NodeError("expected at least one picture, got an empty list")
    first = images[0]
    found = {f"{i.shape[3]} × {i.shape[2]}" for i in images}
    if sizes == "equal" and len(found) > 1:
        raise NodeError(
            f"the pictures differ in size ({', '.join(sorted(found))}); resize them first or set sizes to `first`"
        )
    return torch.cat([_fit(i, first, filter) for i in shape.same_channels(*images)])


@node("image/pick")
def pick(
    image: Image,
    index: Annotated[int, Range(-4096, 4095)] = 0,
    count: Annotated[int, Range(1, 4096)] = 1,
) -> Image:
    """Take pictures out of a batch.

    Args:
        image: the batch.
        index: the first one taken, counted from 0; -1 is the last.
        count: how many are taken; fewer if the batch ends before.
    """
    from nodeflow_nodes.image.ops import shape

    start = shape.place(index, image.shape[0])
    return image[start : start + count].clone()


@node("image/split_batch")
def split_batch(image: Image) -> list[Image]:
    """Turn a batch into a list of single pictures, so that other nodes can be run on each of them.

    Args:
        image: the batch.
    """
    return [image[i : i + 1].clone() for i in range(image.shape[0])]


@node("image/repeat")
def repeat(image: Image, count: Annotated[int, Range(1, 4096)] = 2) -> Image:
    """Repeat a batch of pictures.

    Args:
        image: the pictures.
        count: how often the whole batch appears in the result.
    """
    return image.repeat(count, 1, 1, 1)


@node("image/stitch")
def stitch(
    a: Image,
    b: Image,
    direction: Literal["right", "down", "left", "up"] = "right",
    match_size: bool = True,
    gap: Annotated[int, Range(0, 1024, unit="px")] = 0,
    color: str = "white",
) -> Image:
    """Put one picture beside another.

    Args:
        a: the first picture; the result has its height (or width, for `down` and `up`) if sizes are matched.
        b: the second picture.
        direction: where `b` goes, seen from `a`.
        match_size: resize `b` so that both sides meet, keeping its proportions; otherwise the smaller one is put in the
            middle, on `color`.
        gap: space between them, in pixels.
        color: of the space.
    """
    import torch

    from nodeflow_nodes.image.ops import geometry, resample, shape
    from nodeflow_nodes.image.size import check_size

    a, b = shape.same_batch(*shape.same_channels(a, b))
    along, across = (3, 2) if direction in ("right", "left") else (2, 3)
    if match_size and a.shape[across] != b.shape[across]:
        length = max(1, round(b.shape[along] * a.shape[across] / b.shape[across]))
        height, width = (a.shape[2], length) if across == 2 else (length, a.shape[3])
        check_size(height, width)
        b = resample.resize_image(b, height, width, "lanczos")
    side = max(a.shape[across], b.shape[across])
    sizes = [(side, x.shape[3]) if across == 2 else (x.shape[2], side) for x in (a, b)]
    parts = [geometry.pad_to(x, *size, color) for x, size in zip((a, b), sizes, strict=True)]
    size = (side, gap) if across == 2 else (gap, side)
    space = shape.color_tensor(color, a).expand(a.shape[0], -1, *size)
    first, second = parts if direction in ("right", "down") else reversed(parts)
    return torch.cat([first, space, second], dim=along)
