"""Pictures in the model's own space: latents scaled and shifted, and those that are joined to x or shown beside it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def to_model_space(latent: Tensor, denoiser: Any) -> Tensor:
    """(z − shift) · scale."""
    return (latent - _channels(denoiser.latent_shift, latent)) * _channels(denoiser.latent_scale, latent)


def from_model_space(latent: Tensor, denoiser: Any) -> Tensor:
    """z / scale + shift."""
    return latent / _channels(denoiser.latent_scale, latent) + _channels(denoiser.latent_shift, latent)


def _channels(value: Any, like: Tensor) -> Any:
    if isinstance(value, (int, float)):
        return value
    vector = torch.as_tensor(value, dtype=torch.float32, device=like.device)
    return vector.reshape(-1, *[1] * (like.dim() - 2))


def joined_channels(extra: dict[str, Tensor], like: Tensor, denoiser: Any, blank: bool) -> Tensor | None:
    """The channels an inpainting or editing model reads beside x, from the condition's picture and mask."""
    latent, mask = extra.pop("concat_latent", None), extra.pop("concat_mask", None)
    missing = denoiser.in_channels - denoiser.latent_channels
    if missing <= 0:
        return None
    if latent is None and blank and missing == denoiser.latent_channels:
        return torch.zeros_like(like)
    if latent is None:
        raise ValueError(
            f"this model reads {denoiser.in_channels} channels: it repaints or edits a given picture; "
            "give its prompts the picture (inpaint_conditioning)"
        )
    size = like.shape[2:]
    latent = latent if latent.shape[2:] == size else interpolate(latent, size=size, mode="bilinear")
    if missing == latent.shape[1]:
        return latent
    if mask is None:
        mask = torch.ones(like.shape[0], 1, *size, device=like.device)
    mask = interpolate(mask, size=size, mode="bilinear").round()
    return torch.cat([mask, to_model_space(latent, denoiser)], dim=1)


def reference_latent(latent: Tensor, denoiser: Any) -> Tensor:
    """A reference picture's latent in the model's space."""
    if denoiser.family != "flux":
        raise ValueError(
            f"reference latents are read by Flux (Kontext); this model is of the family {denoiser.family}: "
            "leave reference_latent out"
        )
    if latent.shape[1] != denoiser.latent_channels:
        raise ValueError(
            f"reference latent: this model wants {denoiser.latent_channels} channels, got {latent.shape[1]}: "
            "it was encoded by another family's VAE"
        )
    return to_model_space(latent, denoiser)
