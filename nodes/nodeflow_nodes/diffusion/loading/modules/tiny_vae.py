"""The tiny autoencoder (TAESD's shape, Bohan 2023), in plain torch, with diffusers' `AutoencoderTiny` key names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nodeflow import NodeError


class TinyBlock(nn.Module):
    """Three convolutions and a skip."""

    def __init__(self, channels: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), activation(),
            nn.Conv2d(channels, channels, 3, padding=1), activation(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + x)


class Half(nn.Module):
    """Encoder or decoder: a sequence under the name `layers`."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)


ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "swish": nn.SiLU, "gelu": nn.GELU}


class TinyVae(nn.Module):
    """Pictures [B, 3, H, W] in -1..1 to latents [B, C, h, w] and back; the keyword arguments are diffusers' own."""

    def __init__(
        self,
        *,
        in_channels: int = 3,
        out_channels: int = 3,
        encoder_block_out_channels: Sequence[int] = (64, 64, 64, 64),
        decoder_block_out_channels: Sequence[int] = (64, 64, 64, 64),
        act_fn: str = "relu",
        upsample_fn: str = "nearest",
        latent_channels: int = 4,
        upsampling_scaling_factor: int = 2,
        num_encoder_blocks: Sequence[int] = (1, 3, 3, 3),
        num_decoder_blocks: Sequence[int] = (3, 3, 3, 1),
        **unused: Any,
    ) -> None:
        super().__init__()
        if act_fn not in ACTIVATIONS:
            raise NodeError(f"act_fn {act_fn!r}: expected one of {sorted(ACTIVATIONS)}")
        activation = ACTIVATIONS[act_fn]
        layers: list[nn.Module] = []
        for i, (count, width) in enumerate(zip(num_encoder_blocks, encoder_block_out_channels, strict=True)):
            down = nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False)
            layers.append(nn.Conv2d(in_channels, width, 3, padding=1) if i == 0 else down)
            layers += [TinyBlock(width, activation) for _ in range(count)]
        layers.append(nn.Conv2d(encoder_block_out_channels[-1], latent_channels, 3, padding=1))
        self.encoder = Half(layers)

        layers = [nn.Conv2d(latent_channels, decoder_block_out_channels[0], 3, padding=1), activation()]
        for i, (count, width) in enumerate(zip(num_decoder_blocks, decoder_block_out_channels, strict=True)):
            layers += [TinyBlock(width, activation) for _ in range(count)]
            if i == len(num_decoder_blocks) - 1:
                layers.append(nn.Conv2d(width, out_channels, 3, padding=1))
            else:
                layers.append(nn.Upsample(scale_factor=upsampling_scaling_factor, mode=upsample_fn))
                layers.append(nn.Conv2d(width, width, 3, padding=1, bias=False))
        self.decoder = Half(layers)

    def encode(self, pixels: Tensor) -> Tensor:
        return self.encoder.layers(pixels.add(1).div(2))

    def decode(self, latent: Tensor) -> Tensor:
        return self.decoder.layers(torch.tanh(latent / 3) * 3).mul(2).sub(1)
