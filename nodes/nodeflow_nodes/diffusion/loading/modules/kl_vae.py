"""Stable Diffusion's autoencoder (Rombach et al. 2022; also SD3's and Flux's, with 16 channels), in plain torch.

Parameter names and configuration are those of diffusers' `AutoencoderKL`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


def supports(config: dict[str, Any]) -> bool:
    """Whether this module is the network that `config` describes."""
    return (
        set(config.get("down_block_types", ())) <= {"DownEncoderBlock2D"}
        and set(config.get("up_block_types", ())) <= {"UpDecoderBlock2D"}
        and config.get("act_fn", "silu") == "silu"
    )


class ResBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, eps=1e-6)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, outputs, eps=1e-6)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x)))
        hidden = self.conv2(F.silu(self.norm2(hidden)))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + hidden


class CellAttention(nn.Module):
    """Attention of all cells to each other, one head."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor) -> Tensor:
        batch, width, height, columns = x.shape
        cells = self.group_norm(x.view(batch, width, height * columns)).transpose(1, 2)
        query, key, value = (layer(cells)[:, None] for layer in (self.to_q, self.to_k, self.to_v))
        out = self.to_out[0](F.scaled_dot_product_attention(query, key, value)[:, 0])
        return out.transpose(-1, -2).reshape(x.shape) + x


class Middle(nn.Module):
    def __init__(self, width: int, groups: int, attention: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResBlock(width, width, groups) for _ in range(2))
        self.attentions = nn.ModuleList([CellAttention(width, groups)] if attention else [])

    def forward(self, x: Tensor) -> Tensor:
        x = self.resnets[0](x)
        for attention in self.attentions:
            x = attention(x)
        return self.resnets[1](x)


class Resample(nn.Module):
    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=stride, padding=2 - stride)


class Level(nn.Module):
    """The residual blocks of one resolution, and the change to the next: `step` is "down", "up" or ""."""

    def __init__(self, inputs: int, outputs: int, count: int, groups: int, step: str) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResBlock(inputs if i == 0 else outputs, outputs, groups) for i in range(count))
        if step == "down":
            self.downsamplers = nn.ModuleList([Resample(outputs, 2)])
        if step == "up":
            self.upsamplers = nn.ModuleList([Resample(outputs, 1)])
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        for block in self.resnets:
            x = block(x)
        if self.step == "down":
            x = self.downsamplers[0].conv(F.pad(x, (0, 1, 0, 1)))
        if self.step == "up":
            x = self.upsamplers[0].conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return x


class Encoder(nn.Module):
    def __init__(self, inputs: int, out: int, widths: Sequence[int], layers: int, groups: int, attention: bool) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(inputs, widths[0], 3, padding=1)
        pairs = zip((widths[0], *widths), widths, strict=False)
        self.down_blocks = nn.ModuleList(
            Level(a, b, layers, groups, "down" if i < len(widths) - 1 else "") for i, (a, b) in enumerate(pairs)
        )
        self.mid_block = Middle(widths[-1], groups, attention)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[-1], out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    def __init__(self, inputs: int, out: int, widths: Sequence[int], layers: int, groups: int, attention: bool) -> None:
        super().__init__()
        widths = tuple(reversed(widths))
        self.conv_in = nn.Conv2d(inputs, widths[0], 3, padding=1)
        self.mid_block = Middle(widths[0], groups, attention)
        pairs = zip((widths[0], *widths), widths, strict=False)
        self.up_blocks = nn.ModuleList(
            Level(a, b, layers + 1, groups, "up" if i < len(widths) - 1 else "") for i, (a, b) in enumerate(pairs)
        )
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[-1], out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for level in self.up_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class KlVae(nn.Module):
    """Pictures [B, 3, H, W] in -1..1 to latent means [B, C, h, w] and back."""

    def __init__(
        self,
        *,
        in_channels: int = 3,
        out_channels: int = 3,
        block_out_channels: Sequence[int] = (128, 256, 512, 512),
        layers_per_block: int = 2,
        latent_channels: int = 4,
        norm_num_groups: int = 32,
        use_quant_conv: bool = True,
        use_post_quant_conv: bool = True,
        mid_block_add_attention: bool = True,
        **unused: Any,
    ) -> None:
        super().__init__()
        shape = (block_out_channels, layers_per_block, norm_num_groups, mid_block_add_attention)
        self.encoder = Encoder(in_channels, 2 * latent_channels, *shape)
        self.decoder = Decoder(latent_channels, out_channels, *shape)
        self.quant_conv = nn.Conv2d(2 * latent_channels, 2 * latent_channels, 1) if use_quant_conv else None
        self.post_quant_conv = nn.Conv2d(latent_channels, latent_channels, 1) if use_post_quant_conv else None

    def encode(self, pixels: Tensor) -> Tensor:
        """The means; what the encoder says of the spread is left out."""
        moments = self.encoder(pixels)
        if self.quant_conv is not None:
            moments = self.quant_conv(moments)
        return moments.chunk(2, dim=1)[0]

    def decode(self, latent: Tensor) -> Tensor:
        if self.post_quant_conv is not None:
            latent = self.post_quant_conv(latent)
        return self.decoder(latent)
