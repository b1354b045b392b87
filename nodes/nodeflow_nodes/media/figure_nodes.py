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
        figure: a figure of pixels (not SVG).
    """
    import numpy as np
    import torch
    from PIL import Image as Pictures

    if figure.media == "image/svg+xml":
        raise NodeError("an SVG figure has no pixels: save it as a file instead")
    with Pictures.open(io.BytesIO(figure.data), formats=["PNG", "JPEG", "WEBP"]) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
