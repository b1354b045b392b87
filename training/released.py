"""The models as they ship, read back by the ordinary classes: what is scored and drawn for the docs."""

from __future__ import annotations

import json
from dataclasses import dataclass

from torch import nn

from training import generator
from training.shipped import GAN, ROOT, SHAPES, UNET, weights_of


@dataclass(frozen=True)
class Model:
    """What the scores of pictures need: the frozen parts, and something that turns prompts into latents."""

    encoder: nn.Module
    autoencoder: nn.Module
    denoiser: nn.Module


def read(cls: type, folder: str) -> nn.Module:
    """A model of diffusers in fp32, for inference."""
    import torch

    return cls.from_pretrained(ROOT / folder, torch_dtype=torch.float32).requires_grad_(False).eval()


def _with_shared_parts(denoiser: nn.Module) -> Model:
    import torch
    from diffusers import AutoencoderTiny
    from transformers import CLIPTextModel

    encoder = CLIPTextModel.from_pretrained(ROOT / SHAPES / "text_encoder", dtype=torch.float32).eval()
    return Model(encoder, read(AutoencoderTiny, f"{SHAPES}/vae"), denoiser)


def default_model() -> Model:
    from diffusers import SD3Transformer2DModel

    return _with_shared_parts(read(SD3Transformer2DModel, f"{SHAPES}/transformer"))


def second_model() -> Model:
    """The U-Net, with the text encoder and the VAE of the default model."""
    from diffusers import UNet2DConditionModel

    return _with_shared_parts(read(UNet2DConditionModel, f"{UNET}/unet"))


def drawer() -> nn.Module:
    """The GAN: vectors [B, 64] to pictures."""
    network = generator.stack(json.loads((ROOT / GAN / "generator.json").read_text())["layers"])
    network.load_state_dict(weights_of(ROOT / GAN))
    return network.requires_grad_(False).eval()
