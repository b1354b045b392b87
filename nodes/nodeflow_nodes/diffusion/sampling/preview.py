"""Latents as small pictures, cheaply: a linear map from channels to RGB, no VAE (for previews during a run)."""

from __future__ import annotations

import torch
from torch import Tensor

FACTORS: dict[str, tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]] = {
    # 512 pictures of training.world, 30% of them with extras: root mean square error .085
    "nodeflow": (
        ((0.141, 0.334, 0.083), (0.279, -0.088, -0.058), (-0.043, 0.091, -0.258), (-0.013, -0.021, -0.025)),
        (0.538, 0.441, 0.397),
    ),
}
"""By family: a row of RGB for each latent channel (in the model's space), then the RGB of a zero latent. Fitted by
least squares on latents of pictures and the pictures shrunk to the latents' size (`fit`)."""


def to_rgb(latent: Tensor, family: str) -> Tensor:
    """A preview.

    Args:
        latent: float32 [B, C, h, w] in the model's space.
        family: of the denoiser; one without fitted factors gets its three strongest channel mixtures.

    Returns:
        float32 [B, 3, h, w], 0..1, on the CPU.
    """
    latent = latent.detach().float().cpu().nan_to_num(0.0, 0.0, 0.0)
    if family not in FACTORS or len(FACTORS[family][0]) != latent.shape[1]:
        return principal_rgb(latent)
    weights, offset = (torch.tensor(values) for values in FACTORS[family])
    return (torch.einsum("bchw,cr->brhw", latent, weights) + offset[:, None, None]).clamp(0, 1)


def principal_rgb(latent: Tensor) -> Tensor:
    """The first three principal components of the channels as red, green and blue: shows forms, not true colours."""
    flat = latent.movedim(1, -1).reshape(-1, latent.shape[1])
    centred = flat - flat.mean(dim=0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    vectors = vectors * vectors.sum(dim=0).sign().where(vectors.sum(dim=0) != 0, torch.ones(()))
    mixed = centred @ vectors.flip(1)[:, :3]
    mixed = torch.nn.functional.pad(mixed, (0, 3 - mixed.shape[1]))
    scaled = mixed / (4 * mixed.std(dim=0, keepdim=True, unbiased=False).clamp_min(1e-6)) + 0.5
    return scaled.clamp(0, 1).reshape(latent.shape[0], *latent.shape[2:], 3).movedim(-1, 1)


def fit(latents: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Factors and offset for `FACTORS`, by least squares.

    Args:
        latents: [B, C, h, w] in the model's space.
        pictures: [B, 3, H, W], 0..1, of which they are the latents.
    """
    small = torch.nn.functional.interpolate(pictures, size=latents.shape[2:], mode="area")
    x = latents.movedim(1, -1).reshape(-1, latents.shape[1])
    y = small.movedim(1, -1).reshape(-1, 3)
    solution = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], dim=1), y).solution
    return solution[:-1], solution[-1]
