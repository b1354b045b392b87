"""Nodes that show pictures beside each other, and say how much they differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

from nodeflow import Context, Figure, File, Image, InputFile, NodeError, Range, Table, Tensor, node

Gap = Annotated[int, Range(0, 256, unit="px")]
FontSize = Annotated[int, Range(6, 128, unit="px")]
FontFile = Annotated[File, InputFile((".ttf", ".otf", ".ttc"))]


class Measured(NamedTuple):
    table: Table
    psnr: float
    ssim: float
    largest: float


@node("image/grid")
def grid(
    images: Image | list[Image],
    columns: Annotated[int, Range(0, 256)] = 0,
    captions: list[str] | None = None,
    title: str = "",
    column_titles: list[str] | None = None,
    row_titles: list[str] | None = None,
    gap: Gap = 8,
    font_size: FontSize = 16,
    color: str = "white",
    font: FontFile | None = None,
    *,
    ctx: Context,
) -> Image:
    """Put many pictures on one sheet, in rows and columns, with text.

    Args:
        images: a batch, or a list of pictures, filled in row by row. Smaller ones are put in the middle of their cell.
        columns: how many beside each other; 0 makes the sheet about square.
        captions: a text below each picture, in order.
        title: a text above all.
        column_titles: a text above each column.
        row_titles: a text left of each row.
        gap: space around the pictures, in pixels.
        font_size: height of the letters, in pixels; the title is half as large again.
        color: of the paper, such as `white` or `#202020`; the text is black or white, whichever can be read.
        font: a font file; needed for letters beyond A to Z, because the built-in font has no others (accents are left
            off, signs written out).
    """
    from nodeflow_nodes.image.ops import layout, shape

    sheet = layout.Sheet(columns, gap, color, font_size, font.path if font else "", title)
    sheet = replace(sheet, captions=captions or [], columns_text=column_titles or [], rows_text=row_titles or [])
    if not font and any("?" in layout.spelled(t) and "?" not in t for t in sheet.texts):
        ctx.warn("the built-in font lacks letters of these texts; give a font file that has them")
    return layout.grid(shape.items(images), sheet)


def _pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    from nodeflow_nodes.image.ops import shape

    if a.shape[2:] != b.shape[2:]:
        raise NodeError(
            f"the pictures differ in size: {a.shape[3]} × {a.shape[2]} and {b.shape[3]} × {b.shape[2]}; "
            "resize one first"
        )
    first, second = shape.same_batch(*shape.same_channels(a, b))
    return first, second


@node("image/compare")
def compare(
    a: Image,
    b: Image,
    mode: Literal["side_by_side", "difference", "both", "split"] = "side_by_side",
    gain: Annotated[float, Range(0.1, 1000, 1)] = 1.0,
    label_a: str = "A",
    label_b: str = "B",
    gap: Gap = 8,
    font_size: FontSize = 16,
) -> Image:
    """Show what two pictures have in common and where they differ.

    Args:
        a: first picture.
        b: second picture, of the same size.
        mode: `side_by_side`; `difference`: only how much each pixel differs (black is equal); `both`: first, second and
            difference; `split`: the left half of `a` and the right half of `b`.
        gain: factor on the difference, so that small ones can be seen.
        label_a: text below the first picture; empty for none.
        label_b: text below the second picture.
        gap: space between the pictures, in pixels.
        font_size: height of the letters, in pixels.
    """
    import torch

    from nodeflow_nodes.image.ops import layout, shape

    first, second = _pair(a, b)
    if mode == "split":
        half = first.shape[3] // 2
        return torch.cat([first[..., :half], second[..., half:]], dim=3)
    delta = ((shape.to_rgb(first) - shape.to_rgb(second)).abs() * gain).clamp(0, 1)
    if mode == "difference":
        return delta.contiguous()
    labels = [label_a, label_b, f"difference x {gain:g}"] if label_a or label_b else []
    sheets = []
    for one, two, changed in zip(first, second, delta, strict=True):
        shown = [one, two, changed] if mode == "both" else [one, two]
        sheet = layout.Sheet(len(shown), gap, font_size=font_size, captions=labels[: len(shown)])
        sheets.append(layout.grid(shown, sheet))
    return torch.cat(sheets)


@node("image/metrics")
def metrics(a: Image, b: Image) -> Measured:
    """Measure how much two pictures differ.

    Args:
        a: first picture, or a batch.
        b: second picture of the same size; single, or as many as `a` has.

    Returns:
        table: a row for each pair: MSE, MAE, PSNR in dB (infinite if equal), SSIM, and the largest difference.
        psnr: peak signal-to-noise ratio of all pairs together, in dB; above 40 is hard to see.
        ssim: structural similarity, the mean of all pairs; 1 is equal.
        largest: largest difference of a value, 0..1; one step of an 8-bit file is 0.0039.
    """
    from nodeflow_nodes.image.ops import metrics as measure

    rows = []
    largest = []
    found = []
    for number, (one, two) in enumerate(zip(*_pair(a, b), strict=True)):
        found.append(measure.difference(one, two))
        largest.append(float((one - two).abs().max()))
        rows.append((number, *found[-1], largest[-1]))
    columns = ("item", "MSE", "MAE", "PSNR", "SSIM", "largest")
    psnr = measure.psnr(sum(f.mse for f in found) / len(found))
    ssim = sum(f.ssim for f in found) / len(found)
    return Measured(Table(columns, tuple(rows)), psnr, ssim, max(largest))


@node("image/histogram")
def histogram(image: Image, bins: Annotated[int, Range(8, 256)] = 64) -> Figure:
    """Draw how often each brightness occurs, for each colour.

    Args:
        image: the pictures, counted together.
        bins: how many steps of brightness are told apart.
    """
    from nodeflow_nodes.image.ops import shape
    from nodeflow_nodes.image.ops.histogram import draw

    colour, _ = shape.split_alpha(image)
    return draw(colour, bins)
