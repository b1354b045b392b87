"""What the latent nodes compute with. Imported by their bodies only (needs torch).

Latents are [B, C, ..., h, w]; all that follows works on the last two dimensions, so on video latents too.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from nodeflow import Latent, NodeError


def generator(seed: int) -> torch.Generator:
    """A CPU generator at `seed` modulo 2**64."""
    return torch.Generator(device="cpu").manual_seed(seed % 2**64)


def gaussian(shape: tuple[int, ...], seed: int) -> Tensor:
    """Item i is standard normal from seed + i: the same alone and in a batch."""
    return torch.stack([torch.randn(shape[1:], generator=generator(seed + i)) for i in range(shape[0])])


def same_shape(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Expanded to one batch size.

    Raises:
        NodeError: if they differ in more than a batch size of 1.
    """
    if a.shape[1:] != b.shape[1:]:
        raise NodeError(
            f"the latents differ in shape: {list(a.shape)} and {list(b.shape)}; they must come from one kind of model "
            "and have one size (see latent/upscale, latent/crop)"
        )
    size = batch_size(a, b)
    return a.expand(size, *a.shape[1:]), b.expand(size, *b.shape[1:])


def batch_size(*tensors: Tensor) -> int:
    """The common batch size; single items go with any."""
    sizes = {t.shape[0] for t in tensors} - {1}
    if len(sizes) > 1:
        raise NodeError(
            f"expected batches of one size (or single items), got {' and '.join(str(t.shape[0]) for t in tensors)} "
            "items; pick or repeat items so that they match"
        )
    return sizes.pop() if sizes else 1


def with_samples(latent: Latent, samples: Tensor) -> Latent:
    """The latent with other samples; its batch index goes if the batch size has changed."""
    kept = latent.batch_index if samples.shape[0] == latent.samples.shape[0] else None
    return replace(latent, samples=samples, batch_index=kept)


def angle(a: Tensor, b: Tensor) -> Tensor:
    """The angle between the items of two batches as vectors, in radians: float64 [B]."""
    a, b = a.flatten(1).double(), b.flatten(1).double()
    norms = a.norm(dim=1) * b.norm(dim=1)
    cosine = (a * b).sum(1) / norms.clamp(min=1e-300)
    return torch.where(norms > 0, cosine.clamp(-1, 1).acos(), torch.zeros_like(norms))


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Spherical interpolation of each item, (sin((1-t)θ)·a + sin(tθ)·b) / sin θ, θ the angle between them.

    K. Shoemake, Animating rotation with quaternion curves, 1985. Vectors (nearly) on one line are mixed linearly.
    """
    theta = angle(a, b)
    sine = theta.sin()
    straight = sine < 1e-6
    safe = torch.where(straight, torch.ones_like(sine), sine)
    first = torch.where(straight, torch.full_like(sine, 1 - t), ((1 - t) * theta).sin() / safe)
    second = torch.where(straight, torch.full_like(sine, t), (t * theta).sin() / safe)
    shape = (-1, *[1] * (a.dim() - 1))
    first, second = (w.to(a.device, a.dtype).view(shape) for w in (first, second))
    return first * a + second * b


def lerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    return (1 - t) * a + t * b


def ramp(length: int, feather: int, before: bool, after: bool) -> Tensor:
    """Weights along one side of a pasted part: rising over `feather` cells at the ends that are open, 1 elsewhere."""
    weights = torch.ones(length)
    for i in range(min(feather, length)):
        rise = (i + 1) / (feather + 1)
        if before:
            weights[i] = min(float(weights[i]), rise)
        if after:
            weights[length - 1 - i] = min(float(weights[length - 1 - i]), rise)
    return weights


def truncated(shape: tuple[int, ...], seed: int, limit: float) -> Tensor:
    """Standard normal values within ±limit; item i from seed + i. By the inverse of the distribution function, so that
    one draw a value is enough."""
    edge = torch.special.ndtr(torch.tensor(limit, dtype=torch.float64))
    drawn = []
    for i in range(shape[0]):
        uniform = torch.rand(shape[1:], generator=generator(seed + i), dtype=torch.float64)
        drawn.append(torch.special.ndtri(1 - edge + uniform * (2 * edge - 1)).clamp(-limit, limit).float())
    return torch.stack(drawn)
