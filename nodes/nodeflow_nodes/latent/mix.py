"""Nodes that compute with the values of latents: interpolation, sums, scale."""

from __future__ import annotations

from typing import Annotated

from nodeflow import Latent, NodeError, Range, node

Factor = Annotated[float, Range(-100, 100, 0.05)]


@node("latent/slerp")
def slerp(a: Latent, b: Latent, t: float | list[float] = 0.5) -> Latent:
    """Go from one latent to another on the sphere, so that what lies between is as likely as the ends: a latent walk.

    Args:
        a: where the way begins.
        b: where it ends.
        t: how far to go: 0 gives `a`, 1 gives `b`. A list of numbers (see `value/linspace`) gives a batch, one item a
            number: first all items for the first number, then those for the next.

    Returns:
        The latents between; as noise, they have the spread that noise must have.
    """
    return _between(a, b, t, spherical=True)


@node("latent/lerp")
def lerp(a: Latent, b: Latent, t: float | list[float] = 0.5) -> Latent:
    """Mix two latents: go from one to the other in a straight line.

    Args:
        a: where the way begins.
        b: where it ends.
        t: how far to go: 0 gives `a`, 1 gives `b`. A list of numbers gives a batch, one item a number.
    """
    return _between(a, b, t, spherical=False)


def _between(a: Latent, b: Latent, t: float | list[float], *, spherical: bool) -> Latent:
    import torch

    from nodeflow_nodes.latent import ops

    places = t if isinstance(t, list) else [t]
    if not places or len(places) > 4096:
        raise NodeError(f"t: expected one number or a list of 1 to 4096, got a list of {len(places)}")
    first, second = ops.same_shape(a.samples, b.samples)
    way = ops.slerp if spherical else ops.lerp
    samples = torch.cat([way(first, second, float(place)) for place in places])
    mask = a.noise_mask
    if mask is not None and mask.shape[0] > 1:
        mask = mask.repeat(samples.shape[0] // mask.shape[0], *[1] * (mask.dim() - 1))
    return Latent(samples, mask, a.batch_index if samples.shape[0] == a.samples.shape[0] else None)


@node("latent/add")
def add(a: Latent, b: Latent, scale: Factor = 1.0) -> Latent:
    """Add one latent to another: a + scale · b.

    Args:
        a: first latent; the result has its noise mask.
        b: second latent of the same size.
        scale: factor on `b`; -1 subtracts.
    """
    from nodeflow_nodes.latent import ops

    first, second = ops.same_shape(a.samples, b.samples)
    return ops.with_samples(a, first + scale * second)


@node("latent/scale")
def scale(latent: Latent, factor: Factor = 1.0, offset: Factor = 0.0) -> Latent:
    """Multiply a latent's values: factor · latent + offset.

    Args:
        latent: the latents.
        factor: 1 changes nothing.
        offset: added afterwards.
    """
    from nodeflow_nodes.latent import ops

    return ops.with_samples(latent, latent.samples * factor + offset)
