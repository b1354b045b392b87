"""Nodes that compute with the values of latents: interpolation, sums, scale."""

from __future__ import annotations

from typing import Annotated

from nodeflow import Latent, NodeError, Range, node

Factor = Annotated[float, Range(-100, 100, 0.05)]


@node("latent/slerp")
def slerp(a: Latent, b: Latent, t: float | list[float] = 0.5) -> Latent:
    """Go from one random latent to another, so that every latent on the way is as likely as the ends: a latent walk.

    Spherical linear interpolation (Shoemake 1985): along a great circle instead of a straight line. The middle of a
    straight line between two noises has less spread than noise (0.7 times), and models make dull pictures of it; on the
    circle the spread stays. For encoded pictures use `latent/lerp`.

    Args:
        a: where the way begins.
        b: where it ends, of the same shape.
        t: how far to go: 0 gives `a`, 1 gives `b`. A list of numbers (see `value/linspace`) gives a batch, one item a
            number: first all items for the first number, then those for the next.

    Returns:
        latent: the latents between: sin((1 - t)·w)/sin(w) · a + sin(t·w)/sin(w) · b, w the angle between the two, for
            each item.

    Raises:
        NodeError: if `a` and `b` differ in shape, or the list is empty or longer than 4096.
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

    For a random latent the factor sets its spread: below 1 gives a generator (`gan/generate`) more usual pictures,
    above 1 more unusual ones. For an encoded picture it changes contrast and colour in the model's own, uneven way.

    Args:
        latent: the latents, [B, C, h, w].
        factor: 1 changes nothing, 0 leaves only the offset, -1 turns the signs round.
        offset: added to all values afterwards; 0 adds nothing.

    Returns:
        latent: of the same shape, with the same noise mask.
    """
    from nodeflow_nodes.latent import ops

    return ops.with_samples(latent, latent.samples * factor + offset)
