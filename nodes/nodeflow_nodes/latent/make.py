"""Nodes that make latents, or tell about them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, NamedTuple

from nodeflow import Latent, Mask, NodeError, Range, Seed, Table, node

Side = Annotated[int, Range(8, 16384, step=8, unit="px")]
Batch = Annotated[int, Range(1, 4096)]
Channels = Annotated[int, Range(1, 4096)]
Downscale = Annotated[int, Range(1, 64)]

LARGEST = 1 << 30
"""Most values of one new latent (4 GB): a typing error must not fill the memory."""


class Info(NamedTuple):
    table: Table
    width: int
    height: int
    channels: int
    batch_size: int


def _check(*shape: int) -> None:
    count = 1
    for side in shape:
        count *= side
    if count > LARGEST:
        raise NodeError(f"a latent of shape {list(shape)} has {count:,} values; at most {LARGEST:,}")


@node("latent/empty")
def empty(
    width: Side = 512,
    height: Side = 512,
    batch_size: Batch = 1,
    channels: Channels = 4,
    downscale: Downscale = 8,
) -> Latent:
    """Make an empty latent, the size of the picture to be painted.

    A latent is a small picture in the model's own language: fewer cells than pixels, with more channels than three. How
    many depends on the model; `diffusion/empty_latent` takes both numbers from it.

    Args:
        width: of the picture, in pixels; rounded down to whole latent cells.
        height: of the picture, in pixels.
        batch_size: how many pictures are made at once.
        channels: of the model's latents: 4 for Stable Diffusion 1, 2 and XL, PixArt and the built-in model, 16 for SD3
            and Flux. Samplers give an empty latent the model's number in any case.
        downscale: pixels a latent cell, along each side: 8 for all of those but the built-in model, which has 4. A
            wrong number gives a picture of another size.

    Returns:
        latent: zeros, [batch_size, channels, height / downscale, width / downscale].

    Raises:
        NodeError: if the size is less than one latent cell, or the latent would have more than 1,073,741,824 values.
    """
    import torch

    rows, columns = height // downscale, width // downscale
    if not rows or not columns:
        raise NodeError(f"{width} × {height} pixels are less than one latent cell of {downscale} × {downscale} pixels")
    _check(batch_size, channels, rows, columns)
    return Latent(torch.zeros(batch_size, channels, rows, columns))


@node("latent/random")
def random(
    seed: Seed = 0,
    batch_size: Batch = 1,
    channels: Channels = 64,
    height: Annotated[int, Range(1, 4096, unit="latent cells")] = 1,
    width: Annotated[int, Range(1, 4096, unit="latent cells")] = 1,
    scale: Annotated[float, Range(0, 100, 0.05)] = 1.0,
    truncation: Annotated[float, Range(0, 10, 0.1)] = 0.0,
) -> Latent:
    """Draw a random latent, such as the vector that a GAN's generator turns into a picture.

    Args:
        seed: item i of the batch is drawn from seed + i, so it is the same one made alone.
        batch_size: how many.
        channels: length of a vector, or channels of a latent.
        height: 1 for a vector.
        width: 1 for a vector.
        scale: standard deviation.
        truncation: values further from 0 than this many standard deviations are drawn anew, which gives more usual
            pictures (0.5-1 for GANs); 0 draws all.
    """
    from nodeflow_nodes.latent import ops

    shape = (batch_size, channels, height, width)
    _check(*shape)
    if not truncation:
        return Latent(ops.gaussian(shape, seed) * scale)
    return Latent(ops.truncated(shape, seed, truncation) * scale)


@node("latent/set_noise_mask")
def set_noise_mask(latent: Latent, mask: Mask | None = None) -> Latent:
    """Say which part of a latent the sampler may change: inpainting.

    Args:
        latent: an encoded picture.
        mask: 1 where it is painted anew, 0 where it stays; any size. Without it, a mask that is set is taken away.
    """
    from nodeflow_nodes.latent import ops

    if mask is not None and mask.shape[0] != 1:
        ops.batch_size(latent.samples, mask)
    return replace(latent, noise_mask=mask)


@node("latent/info")
def info(latent: Latent) -> Info:
    """Tell the size of a latent and how its values are spread.

    Args:
        latent: any latent.

    Returns:
        table: for each item: mean, standard deviation, smallest and largest value.
        width: in latent cells.
        height: in latent cells.
        channels: how many.
        batch_size: how many items.
    """
    samples = latent.samples
    rows = []
    for number, item in enumerate(samples.double()):
        spread = float(item.std(correction=0))
        rows.append((number, float(item.mean()), spread, float(item.min()), float(item.max())))
    table = Table(("item", "mean", "std", "min", "max"), tuple(rows))
    return Info(table, samples.shape[-1], samples.shape[-2], samples.shape[1], samples.shape[0])
