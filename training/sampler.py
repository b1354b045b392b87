"""Sampling for evaluation, in plain torch: the flow-matching Euler loop, image to image, inpainting; and DDIM.

Kept apart from nodeflow's own samplers on purpose: the scores say what the models can do, whoever samples.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

STEPS, GUIDANCE, SHIFT = 20, 3.0, 3.0
Model = Callable[[Tensor, float], Tensor]
"""(noisy latents, sigma) -> velocity, guidance included."""


def sigmas(steps: int = STEPS, shift: float = SHIFT) -> Tensor:
    """`steps + 1` noise levels from 1 to 0, moved towards noise by `shift` (as SD3 does)."""
    t = torch.linspace(1, 1 / steps, steps)
    return torch.cat([shift * t / (1 + (shift - 1) * t), torch.zeros(1)])


def guided(
    transformer: torch.nn.Module,
    text: tuple[Tensor, Tensor],
    empty: tuple[Tensor, Tensor],
    guidance: float = GUIDANCE,
    control: Callable[[dict[str, Tensor]], list[Tensor]] | None = None,
) -> Model:
    """A velocity with classifier-free guidance. `text` and `empty` are (sequence, pooled); `empty` has batch 1."""
    sequence, pooled = text
    count = len(sequence)
    both = (
        torch.cat([empty[0].expand(count, -1, -1), sequence]),
        torch.cat([empty[1].expand(count, -1), pooled]),
    )

    def velocity(x: Tensor, sigma: float) -> Tensor:
        doubled = guidance != 1
        inputs = {
            "hidden_states": torch.cat([x, x]) if doubled else x,
            "timestep": torch.full((count * (2 if doubled else 1),), 1000.0 * sigma),
            "encoder_hidden_states": both[0] if doubled else sequence,
            "pooled_projections": both[1] if doubled else pooled,
        }
        extra = {"block_controlnet_hidden_states": control(inputs)} if control else {}
        out = transformer(**inputs, **extra, return_dict=False)[0]
        if not doubled:
            return out
        unconditional, conditional = out.chunk(2)
        return unconditional + guidance * (conditional - unconditional)

    return velocity


@torch.no_grad()
def euler(
    model: Model,
    noise: Tensor,
    levels: Tensor,
    *,
    start: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Follow the flow from the first level to 0.

    With `start` (clean latents) the walk begins at `start` blended with noise at the first level; with `mask` (1 where
    to draw) what is outside the mask is put back at each level.
    """
    x = noise if start is None else torch.lerp(start, noise, float(levels[0]))
    for now, then in zip(levels[:-1].tolist(), levels[1:].tolist(), strict=True):
        x = x + (then - now) * model(x, now)
        if mask is not None and start is not None:
            x = mask * x + (1 - mask) * torch.lerp(start, noise, then)
    return x


def tail(steps: int, strength: float) -> Tensor:
    """The last `strength` of a schedule, for image to image."""
    return sigmas(steps)[steps - max(1, round(steps * strength)) :]


@torch.no_grad()
def ddim(predict: Callable[[Tensor, int], Tensor], noise: Tensor, alphas: Tensor, steps: int = STEPS) -> Tensor:
    """DDIM (Song et al. 2021) for v-prediction, noise-free, trailing timesteps; `alphas` is the cumulative product."""
    times = torch.linspace(len(alphas), 0, steps + 1).round().long() - 1
    x = noise
    for now, then in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        a = alphas[now]
        b = alphas[then] if then >= 0 else torch.tensor(1.0)
        v = predict(x, now)
        clean = a.sqrt() * x - (1 - a).sqrt() * v
        eps = a.sqrt() * v + (1 - a).sqrt() * x
        x = b.sqrt() * clean + (1 - b).sqrt() * eps
    return x
