"""The transformer of Stable Diffusion 3 and 3.5 (MMDiT; Esser et al. 2024, arXiv 2403.03206), in plain torch.

Parameter names and configuration are those of diffusers' `SD3Transformer2DModel`, so its folders, converted
single files and LoRA files fit unchanged, and so do ControlNet residuals (`control`).
Shapes: B batch, N picture tokens, T text tokens, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nodeflow import NodeError

from .mmdit_parts import Block, Modulated, Patches, TimeText, modulate, norm, whole_patches


class MMDiT(nn.Module):
    """The whole transformer; the keyword arguments are diffusers' configuration."""

    def __init__(
        self,
        *,
        patch_size: int = 2,
        in_channels: int = 16,
        out_channels: int | None = None,
        num_layers: int = 18,
        attention_head_dim: int = 64,
        num_attention_heads: int = 18,
        joint_attention_dim: int = 4096,
        caption_projection_dim: int = 1152,
        pooled_projection_dim: int = 2048,
        pos_embed_max_size: int = 96,
        dual_attention_layers: tuple[int, ...] = (),
        qk_norm: str | None = None,
        **unused: Any,
    ) -> None:
        super().__init__()
        if qk_norm not in (None, "rms_norm"):
            raise NodeError(f"qk_norm {qk_norm!r}: expected None or 'rms_norm'")
        width = num_attention_heads * attention_head_dim
        if caption_projection_dim != width:
            raise NodeError(f"caption_projection_dim {caption_projection_dim} differs from the width {width}")
        self.patch, self.out_channels = patch_size, out_channels or in_channels
        self.pos_embed = Patches(in_channels, width, patch_size, pos_embed_max_size)
        self.time_text_embed = TimeText(width, pooled_projection_dim)
        self.context_embedder = nn.Linear(joint_attention_dim, width)
        self.transformer_blocks = nn.ModuleList(
            Block(
                width, num_attention_heads,
                last=i == num_layers - 1, rms=qk_norm is not None, dual=i in dual_attention_layers,
            )
            for i in range(num_layers)
        )  # fmt: skip
        self.norm_out = Modulated(width, 2)
        self.proj_out = nn.Linear(width, patch_size * patch_size * self.out_channels)

    def forward(
        self, x: Tensor, timestep: Tensor, tokens: Tensor, pooled: Tensor, control: list[Tensor] | None = None
    ) -> Tensor:
        """Velocity for the latent `x`.

        Args:
            x: [B, C, h, w]; a side that is no multiple of the patch size goes on at its start.
            timestep: float [B], 0..1000.
            tokens: [B, T, joint_attention_dim]; pooled: [B, pooled_projection_dim].
            control: residuals [B, N, D] of a ControlNet, spread evenly over the blocks.
        """
        height, width = x.shape[-2:]
        x = whole_patches(x, self.patch)
        rows, columns = x.shape[-2] // self.patch, x.shape[-1] // self.patch
        hidden = self.pos_embed(x)
        vector = self.time_text_embed(timestep, pooled)
        text: Tensor | None = self.context_embedder(tokens)
        stride = len(self.transformer_blocks) / len(control) if control else 1.0
        for index, block in enumerate(self.transformer_blocks):
            hidden, text = block(hidden, text, vector)
            if control and not block.last:
                hidden = hidden + control[int(index / stride)]
        scale, shift = self.norm_out.vectors(vector)
        out = self.proj_out(modulate(norm(hidden), shift, scale))
        out = out.reshape(x.shape[0], rows, columns, self.patch, self.patch, self.out_channels)
        out = torch.einsum("nhwpqc->nchpwq", out)
        out = out.reshape(x.shape[0], self.out_channels, rows * self.patch, columns * self.patch)
        return out[..., :height, :width]


class InputPatches(nn.Module):
    """Latent of the hint -> tokens, without positions."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, latent: Tensor) -> Tensor:
        return self.proj(latent).flatten(2).transpose(1, 2)


class MMDiTControlNet(nn.Module):
    """A ControlNet for `MMDiT`; the keyword arguments are those of diffusers' `SD3ControlNetModel`."""

    def __init__(
        self,
        *,
        patch_size: int = 2,
        in_channels: int = 16,
        num_layers: int = 18,
        attention_head_dim: int = 64,
        num_attention_heads: int = 18,
        joint_attention_dim: int = 4096,
        pooled_projection_dim: int = 2048,
        pos_embed_max_size: int = 96,
        extra_conditioning_channels: int = 0,
        dual_attention_layers: tuple[int, ...] = (),
        qk_norm: str | None = None,
        **unused: Any,
    ) -> None:
        super().__init__()
        width = num_attention_heads * attention_head_dim
        self.patch = patch_size
        self.pos_embed = Patches(in_channels, width, patch_size, pos_embed_max_size)
        self.time_text_embed = TimeText(width, pooled_projection_dim)
        self.context_embedder = nn.Linear(joint_attention_dim, width)
        self.transformer_blocks = nn.ModuleList(
            Block(width, num_attention_heads, last=False, rms=qk_norm is not None, dual=i in dual_attention_layers)
            for i in range(num_layers)
        )
        self.controlnet_blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(num_layers))
        self.pos_embed_input = InputPatches(in_channels + extra_conditioning_channels, width, patch_size)

    def forward(self, x: Tensor, timestep: Tensor, tokens: Tensor, pooled: Tensor, hint: Tensor) -> list[Tensor]:
        """A residual [B, N, D] for each block; `hint` is the control picture's latent, of the shape of `x`."""
        x, hint = whole_patches(x, self.patch), whole_patches(hint, self.patch)
        hidden = self.pos_embed(x) + self.pos_embed_input(hint)
        vector = self.time_text_embed(timestep, pooled)
        text: Tensor | None = self.context_embedder(tokens)
        residuals = []
        for block, out in zip(self.transformer_blocks, self.controlnet_blocks, strict=True):
            hidden, text = block(hidden, text, vector)
            residuals.append(out(hidden))
        return residuals
