"""Figures as files and as pictures."""

from __future__ import annotations

import io

from nodeflow import Artefact, Context, Figure, Image, NodeError, node

from .names import file_names

SUFFIXES = {"image/png": ".png", "image/svg+xml": ".svg", "image/jpeg": ".jpg", "image/webp": ".webp"}


@node("media/save_figure", effects=True)
def save_figure(figure: Figure, name: str = "figure", *, ctx: Context) -> Artefact:
    """Save a drawn figure as a file.

    Args:
        figure: the figure; what kind of file it becomes depends on how it was drawn (PNG or SVG).
        name: readable name in the output folder, without the suffix; `/` makes folders.
    """
    suffix = SUFFIXES.get(figure.media)
    if suffix is None:
        raise NodeError(f"the figure is {figure.media!r}: expected one of {', '.join(SUFFIXES)}")
    return ctx.save(figure.data, file_names(name, 1, suffix)[0], figure.media)


@node("media/figure_to_image", title="Figure to image")
def figure_to_image(figure: Figure) -> Image:
    """Turn a drawn figure into a picture, to put it beside others.

    Args:
        figure: a figure of pixels, or an SVG of rectangles and polygons such as a histogram; charts with curves or
            writing are not read.

    Returns:
        image: [1, 3, H, W], 0..1; one pixel a unit of an SVG figure's size.

    Raises:
        NodeError: if the figure is an SVG with other shapes; save it as a file instead.
    """
    import numpy as np
    import torch
    from PIL import Image as Pictures

    if figure.media == "image/svg+xml":
        from .svg import rasterise

        return torch.from_numpy(np.array(rasterise(figure.data))).permute(2, 0, 1)[None].float() / 255
    with Pictures.open(io.BytesIO(figure.data), formats=["PNG", "JPEG", "WEBP"]) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
