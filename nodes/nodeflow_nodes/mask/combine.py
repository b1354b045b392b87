"""Nodes that bring masks together, or tell where they are."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from nodeflow import Mask, NodeError, Range, node


class Box(NamedTuple):
    x: int
    y: int
    width: int
    height: int


@node("mask/combine")
def combine(
    a: Mask,
    b: Mask,
    mode: Literal["add", "subtract", "multiply", "intersect", "union", "difference"] = "union",
    x: Annotated[int, Range(-16384, 16384, unit="px")] = 0,
    y: Annotated[int, Range(-16384, 16384, unit="px")] = 0,
) -> Mask:
    """Combine two masks.

    Args:
        a: first mask; the result has its size.
        b: second mask. What of `a` it does not cover stays as it is.
        mode: `union` (the larger value), `intersect` (the smaller), `add` (at most 1), `subtract` (`a` without `b`),
            `multiply`, or `difference` (what is in one of them only).
        x: where the left edge of `b` lands on `a`, in pixels.
        y: where its top edge lands.
    """
    from nodeflow_nodes.image.ops import geometry, shape

    first, second = shape.same_batch(a, b)
    height, width = first.shape[2:]
    y_to, x_to, y_from, x_from = geometry.paste_region(height, width, y, x, tuple(second.shape[2:]))
    result = first.clone()
    below, above = first[..., y_to, x_to], second[..., y_from, x_from]
    result[..., y_to, x_to] = {
        "add": lambda: (below + above).clamp(max=1),
        "subtract": lambda: (below - above).clamp(min=0),
        "multiply": lambda: below * above,
        "intersect": lambda: below.minimum(above),
        "union": lambda: below.maximum(above),
        "difference": lambda: (below - above).abs(),
    }[mode]()
    return result


@node("mask/batch")
def batch(masks: list[Mask]) -> Mask:
    """Put masks into one batch.

    Args:
        masks: masks of one size, in order.
    """
    import torch

    if not masks:
        raise NodeError("expected at least one mask, got an empty list")
    if len({m.shape[2:] for m in masks}) > 1:
        sizes = ", ".join(sorted({f"{m.shape[3]} × {m.shape[2]}" for m in masks}))
        raise NodeError(f"the masks differ in size ({sizes}); resize them first")
    return torch.cat(masks)


@node("mask/pick")
def pick(mask: Mask, index: Annotated[int, Range(-4096, 4095)] = 0, count: Annotated[int, Range(1, 4096)] = 1) -> Mask:
    """Take masks out of a batch.

    Args:
        mask: the batch.
        index: the first one taken, counted from 0; -1 is the last.
        count: how many are taken; fewer if the batch ends before.
    """
    from nodeflow_nodes.image.ops import shape

    start = shape.place(index, mask.shape[0], "masks")
    return mask[start : start + count].clone()


@node("mask/bounding_box")
def bounding_box(
    mask: Mask,
    margin: Annotated[int, Range(0, 4096, unit="px")] = 0,
    multiple: Annotated[int, Range(1, 256, unit="px")] = 1,
    threshold: Annotated[float, Range(0, 1, 0.01)] = 0.0,
) -> Box:
    """Find the smallest rectangle around the marked part, to cut it out and paste it back.

    Args:
        mask: the masks; of a batch, all are enclosed.
        margin: pixels added around, as far as the picture reaches.
        multiple: width and height are made multiples of this, as far as the picture is large enough.
        threshold: values above it are marked.

    Returns:
        x: left edge in pixels.
        y: top edge.
        width: in pixels.
        height: in pixels.

    Raises:
        NodeError: if nothing is marked.
    """
    from nodeflow_nodes.mask import ops

    found = ops.bounds(mask, threshold)
    if found is None:
        raise NodeError("nothing is marked: the mask is nowhere above the threshold")
    x, y, width, height = found
    full_height, full_width = mask.shape[2:]
    left, wide = _side(x - margin, x + width + margin, full_width, multiple)
    top, tall = _side(y - margin, y + height + margin, full_height, multiple)
    return Box(left, top, wide, tall)


def _side(start: int, stop: int, full: int, multiple: int) -> tuple[int, int]:
    start, stop = max(0, start), min(full, stop)
    length = min(-(-(stop - start) // multiple) * multiple, full)
    start = max(0, start - (length - (stop - start)) // 2)
    return min(start, full - length), length
