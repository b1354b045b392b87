"""A histogram of colours as a small SVG."""

from __future__ import annotations

import torch
from torch import Tensor

from nodeflow import Figure

WIDTH, HEIGHT = 512, 240
_INKS = {1: ("#606060",), 3: ("#d33c3c", "#2f9e44", "#3b6fd4")}
_NAMES = {1: ("grey",), 3: ("red", "green", "blue")}


def count(image: Tensor, bins: int) -> Tensor:
    """[C, bins]: how many values of each channel lie in each of `bins` equal steps of 0..1."""
    index = (image.detach().cpu() * bins).floor().clamp(0, bins - 1).long()
    return torch.stack([torch.bincount(index[:, c].flatten(), minlength=bins) for c in range(image.shape[1])])


def draw(image: Tensor, bins: int) -> Figure:
    """The histogram of pictures without alpha."""
    counts = count(image, bins)
    channels = counts.shape[0]
    top = max(1, int(counts.max()))
    shapes = []
    for row, ink in zip(counts.tolist(), _INKS[channels], strict=True):
        corners = [f"0,{HEIGHT}"]
        for place, value in enumerate(row):
            y = HEIGHT * (1 - value / top)
            corners += [f"{WIDTH * place / bins:.2f},{y:.2f}", f"{WIDTH * (place + 1) / bins:.2f},{y:.2f}"]
        corners.append(f"{WIDTH},{HEIGHT}")
        shapes.append(f'<polygon points="{" ".join(corners)}" fill="{ink}" fill-opacity="0.5"/>')
    means = image.mean(dim=(0, 2, 3)).tolist()
    described = ", ".join(f"{name} mean {mean:.2f}" for name, mean in zip(_NAMES[channels], means, strict=True))
    alt = f"Histogram of brightness 0 to 1 in {bins} steps: {described}"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{alt}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>{"".join(shapes)}</svg>'
    )
    return Figure(svg.encode(), "image/svg+xml", alt)
