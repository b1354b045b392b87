"""Nodes that move a latent's cells: resize, crop, flip, rotate, composite. A noise mask goes along."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from nodeflow import Latent, NodeError, Range, Tensor, node

Filter = Literal["bilinear", "bicubic", "lanczos", "area", "nearest"]
Cells = Annotated[int, Range(0, 4096, unit="latent cells")]


def _resized(latent: Latent, height: int, width: int, name: str) -> Latent:
    from nodeflow_nodes.image.ops import resample

    if height * width > 1 << 26:
        raise NodeError(f"a latent of {width} × {height} cells is too large; at most {1 << 26:,} cells")
    samples = latent.samples
    if samples.shape[-2:] == (height, width):
        return latent
    return replace(latent, samples=resample.resample(samples, height, width, name))  # the mask fits any size


@node("latent/upscale")
def upscale(
    latent: Latent,
    factor: Annotated[float, Range(0.01, 8, 0.05)] = 2.0,
    filter: Filter = "bicubic",
) -> Latent:
    """Make latents larger or smaller by a factor; follow it with a sampler at low denoise (hires fix).

    Args:
        latent: the latents.
        factor: 2 doubles both sides.
        filter: how cells between cells are found; see `image/resize`.
    """
    height, width = (max(1, round(side * factor)) for side in latent.samples.shape[-2:])
    return _resized(latent, height, width, filter)


@node("latent/resize")
def resize(
    latent: Latent,
    width: Annotated[int, Range(0, 16384, step=8, unit="px")] = 512,
    height: Annotated[int, Range(0, 16384, step=8, unit="px")] = 512,
    downscale: Annotated[int, Range(1, 64)] = 8,
    filter: Filter = "bicubic",
    crop: Literal["none", "center"] = "none",
) -> Latent:
    """Give latents the size for a picture of so many pixels.

    Args:
        latent: the latents.
        width: of the picture, in pixels; 0 follows from the height.
        height: of the picture, in pixels; 0 follows from the width.
        downscale: pixels a latent cell: 8 for Stable Diffusion and Flux.
        filter: how cells between cells are found.
        crop: `center` keeps the proportions and cuts off what stands out; `none` changes them.
    """
    rows, columns = latent.samples.shape[-2:]
    if not width and not height:
        return latent
    new_columns = width // downscale if width else round(columns * (height // downscale) / rows)
    new_rows = height // downscale if height else round(rows * (width // downscale) / columns)
    new_rows, new_columns = max(1, new_rows), max(1, new_columns)
    if crop == "center":
        if columns / rows > new_columns / new_rows:
            kept = max(1, round(rows * new_columns / new_rows))
            latent = _cut(latent, 0, (columns - kept) // 2, rows, kept)
        else:
            kept = max(1, round(columns * new_rows / new_columns))
            latent = _cut(latent, (rows - kept) // 2, 0, kept, columns)
    return _resized(latent, new_rows, new_columns, filter)


def _cut(latent: Latent, y: int, x: int, height: int, width: int) -> Latent:
    rows, columns = latent.samples.shape[-2:]

    def cut(part: Tensor) -> Tensor:
        tall, wide = part.shape[-2] / rows, part.shape[-1] / columns  # a mask may be finer than the cells
        top, bottom = round(y * tall), round(min(y + height, rows) * tall)
        left, right = round(x * wide), round(min(x + width, columns) * wide)
        return part[..., top : max(bottom, top + 1), left : max(right, left + 1)].clone()

    mask = None if latent.noise_mask is None else cut(latent.noise_mask)
    return replace(latent, samples=cut(latent.samples), noise_mask=mask)


@node("latent/crop")
def crop(latent: Latent, x: Cells = 0, y: Cells = 0, width: Cells = 0, height: Cells = 0) -> Latent:
    """Cut a rectangle out of latents.

    Args:
        latent: the latents.
        x: distance of the rectangle from the left, in latent cells (8 pixels with most models).
        y: distance from the top.
        width: of the rectangle; 0 means to the right edge. What stands out is left off.
        height: of the rectangle; 0 means to the bottom edge.
    """
    rows, columns = latent.samples.shape[-2:]
    if x >= columns or y >= rows:
        raise NodeError(f"crop at x = {x}, y = {y}: the latent is only {columns} × {rows} cells large")
    return _cut(latent, y, x, height or rows, width or columns)


@node("latent/flip")
def flip(latent: Latent, direction: Literal["horizontal", "vertical", "both"] = "horizontal") -> Latent:
    """Mirror latents.

    Args:
        latent: the latents.
        direction: `horizontal` swaps left and right, `vertical` top and bottom.
    """
    dims = {"horizontal": (-1,), "vertical": (-2,), "both": (-2, -1)}[direction]
    mask = None if latent.noise_mask is None else latent.noise_mask.flip(dims)
    return replace(latent, samples=latent.samples.flip(dims), noise_mask=mask)


@node("latent/rotate")
def rotate(latent: Latent, angle: Literal["0", "90", "180", "270"] = "90") -> Latent:
    """Turn latents by quarters.

    Args:
        latent: the latents.
        angle: in degrees, counter-clockwise.
    """
    import torch

    turns = int(angle) // 90

    def turn(part: Tensor) -> Tensor:
        return torch.rot90(part, turns, dims=(-2, -1)).contiguous()

    mask = None if latent.noise_mask is None else turn(latent.noise_mask)
    return replace(latent, samples=turn(latent.samples), noise_mask=mask)


@node("latent/composite")
def composite(
    destination: Latent,
    source: Latent,
    x: Annotated[int, Range(-4096, 4096, unit="latent cells")] = 0,
    y: Annotated[int, Range(-4096, 4096, unit="latent cells")] = 0,
    feather: Annotated[int, Range(0, 512, unit="latent cells")] = 0,
) -> Latent:
    """Paste one latent into another.

    Args:
        destination: the latent that is pasted into; the result has its size and noise mask.
        source: the latent that is pasted; what stands out is cut off.
        x: where the left edge of `source` lands, in latent cells (8 pixels with most models).
        y: where its top edge lands.
        feather: width of the soft edge inside the pasted part, in cells; none where it touches the border.
    """
    from nodeflow_nodes.image.ops.geometry import paste_region
    from nodeflow_nodes.latent import ops

    ground, part = destination.samples, source.samples
    if ground.shape[1:-2] != part.shape[1:-2]:
        raise NodeError(f"the latents differ in kind: {list(ground.shape)} and {list(part.shape)}")
    size = ops.batch_size(ground, part)
    rows, columns = ground.shape[-2:]
    y_to, x_to, y_from, x_from = paste_region(rows, columns, y, x, (part.shape[-2], part.shape[-1]))
    result = ground.expand(size, *ground.shape[1:]).clone()
    if y_to.start >= y_to.stop or x_to.start >= x_to.stop:
        return ops.with_samples(destination, result)
    part = part[..., y_from, x_from]
    tall = ops.ramp(part.shape[-2], feather, y > 0, y + source.samples.shape[-2] < rows)
    wide = ops.ramp(part.shape[-1], feather, x > 0, x + source.samples.shape[-1] < columns)
    weight = (tall[:, None] * wide[None, :]).to(part.device, part.dtype)
    result[..., y_to, x_to] = result[..., y_to, x_to] * (1 - weight) + part * weight
    return ops.with_samples(destination, result)
