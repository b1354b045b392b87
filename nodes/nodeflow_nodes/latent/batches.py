"""Nodes that put latents into batches and take them out. Each item keeps its place in the batch it came from, so that
it draws the same noise there."""

from __future__ import annotations

from typing import Annotated

from nodeflow import Latent, NodeError, Range, Tensor, node


def _index(latent: Latent) -> tuple[int, ...]:
    return latent.batch_index or tuple(range(latent.samples.shape[0]))


def _mask_items(latent: Latent) -> Tensor | None:
    """The noise mask, one an item."""
    mask, count = latent.noise_mask, latent.samples.shape[0]
    return mask if mask is None or mask.shape[0] == count else mask.expand(count, *mask.shape[1:])


@node("latent/batch")
def batch(latents: list[Latent]) -> Latent:
    """Put latents into one batch.

    Args:
        latents: latents of one size, in order. A noise mask is kept if any has one (the others may be changed
            everywhere). If any was picked out of a batch, all keep the noise of their old places.
    """
    import torch

    if not latents:
        raise NodeError("expected at least one latent, got an empty list")
    first = latents[0].samples
    for number, latent in enumerate(latents):
        if latent.samples.shape[1:] != first.shape[1:]:
            raise NodeError(
                f"latent {number} has shape {list(latent.samples.shape)}, the first one {list(first.shape)}; only the "
                "first number may differ"
            )
    samples = torch.cat([latent.samples for latent in latents])
    masks = [_mask_items(latent) for latent in latents]
    known = [m for m in masks if m is not None]
    named = any(latent.batch_index for latent in latents)
    index = tuple(place for latent in latents for place in _index(latent)) if named else None
    if not known:
        return Latent(samples, None, index)
    if len({m.shape[1:] for m in known}) > 1:
        raise NodeError(f"the noise masks differ in size: {', '.join(str(list(m.shape)) for m in known)}")
    like = known[0]
    filled = [
        like.new_ones(latent.samples.shape[0], *like.shape[1:]) if mask is None else mask
        for mask, latent in zip(masks, latents, strict=True)
    ]
    return Latent(samples, torch.cat(filled), index)


@node("latent/pick")
def pick(
    latent: Latent,
    index: Annotated[int, Range(-4096, 4095)] = 0,
    count: Annotated[int, Range(1, 4096)] = 1,
) -> Latent:
    """Take one or more latents out of a batch.

    Each item of a batch is made with noise of its own. An item that is taken out remembers its place, so sampling it
    alone gives the picture that it would have given in the batch: find one you like among many, pick it, and go on
    with that one.

    Args:
        latent: the batch, [B, C, h, w].
        index: the first one taken, counted from 0; -1 is the last.
        count: how many are taken; fewer if the batch ends before.

    Returns:
        latent: [count, C, h, w], with its noise mask and its places in the old batch.

    Raises:
        NodeError: if there is no item of that number.
    """
    from nodeflow_nodes.image.ops.shape import place

    start = place(index, latent.samples.shape[0], "latents")
    chosen = slice(start, start + count)
    mask = _mask_items(latent)
    return Latent(
        latent.samples[chosen].clone(), None if mask is None else mask[chosen].clone(), _index(latent)[chosen]
    )


@node("latent/repeat")
def repeat(latent: Latent, count: Annotated[int, Range(1, 4096)] = 2) -> Latent:
    """Repeat a latent, to make several pictures from one beginning.

    The copies are equal, but they have different places in the batch, and the sampler draws other noise for each place:
    so the pictures differ.

    Args:
        latent: the batch, [B, C, h, w]; its items come in order, then again: 0 1 2 0 1 2.
        count: how often it appears in the result; 1 changes nothing.

    Returns:
        latent: [B · count, C, h, w].

    Raises:
        NodeError: if the result would need more than 4 GB.
    """
    samples, mask = latent.samples, latent.noise_mask
    if count * samples.numel() > 1 << 30:
        raise NodeError(f"{count} times shape {list(samples.shape)} would need more than 4 GB")
    old = _index(latent)
    step = max(old) - min(old) + 1
    index = tuple(i + step * turn for turn in range(count) for i in old) if latent.batch_index else None
    if mask is not None and mask.shape[0] > 1:
        mask = mask.repeat(count, *[1] * (mask.dim() - 1))
    return Latent(samples.repeat(count, *[1] * (samples.dim() - 1)), mask, index)
