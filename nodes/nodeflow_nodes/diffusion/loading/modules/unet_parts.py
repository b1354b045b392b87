"""The parts of the latent-diffusion U-Net: residual blocks, attention over cells and text, levels, the middle.

Parameter names are those of diffusers. Shapes: B batch, T text tokens, E width of the time embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Norms:
    """How a U-Net's residual blocks normalise: groups of channels, and whether the time embedding scales as well."""

    groups: int = 32
    scaled: bool = False


class ResBlock(nn.Module):
    """Two convolutions; the time embedding is added between them, or scales and shifts what is normalised there."""

    def __init__(self, inputs: int, outputs: int, embedding: int, norms: Norms) -> None:
        super().__init__()
        self.scaled = norms.scaled
        self.norm1 = nn.GroupNorm(norms.groups, inputs, eps=1e-5)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(embedding, 2 * outputs if norms.scaled else outputs)
        self.norm2 = nn.GroupNorm(norms.groups, outputs, eps=1e-5)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x)))
        told = self.time_emb_proj(F.silu(time))[:, :, None, None]
        if self.scaled:
            scale, shift = told.chunk(2, dim=1)
            hidden = self.norm2(hidden) * (1 + scale) + shift
        else:
            hidden = self.norm2(hidden + told)
        hidden = self.conv2(F.silu(hidden))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + hidden


class Attention(nn.Module):
    """Attention of picture tokens to themselves or to the text."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        query, key, value = (
            y.view(y.shape[0], y.shape[1], self.heads, -1).transpose(1, 2)
            for y in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        out = F.scaled_dot_product_attention(query, key, value)
        return self.to_out[0](out.transpose(1, 2).reshape(x.shape))


class Gated(nn.Module):
    """A linear layer to twice the width, one half gating the other (GEGLU, Shazeer 2020)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * hidden)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([Gated(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[0](x))


class TextBlock(nn.Module):
    """Self-attention, attention to the text, feed-forward."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = Attention(width, context, heads)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = self.attn1(normed, normed) + x
        x = self.attn2(self.norm2(x), context) + x
        return self.ff(self.norm3(x)) + x


class Transformer(nn.Module):
    """Text blocks over the picture's cells."""

    def __init__(self, width: int, context: int, heads: int, depth: int, linear: bool, groups: int) -> None:
        super().__init__()
        self.linear = linear
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in = nn.Linear(width, width) if linear else nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList(TextBlock(width, context, heads) for _ in range(depth))
        self.proj_out = nn.Linear(width, width) if linear else nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        batch, width, height, columns = x.shape
        hidden = self.norm(x)
        if not self.linear:
            hidden = self.proj_in(hidden)
        hidden = hidden.permute(0, 2, 3, 1).reshape(batch, height * columns, width)
        if self.linear:
            hidden = self.proj_in(hidden)
        for block in self.transformer_blocks:
            hidden = block(hidden, context)
        if self.linear:
            hidden = self.proj_out(hidden)
        hidden = hidden.reshape(batch, height, columns, width).permute(0, 3, 1, 2).contiguous()
        return (hidden if self.linear else self.proj_out(hidden)) + x


class Resample(nn.Module):
    """A convolution that halves the sides, or one after doubling them."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Level(nn.Module):
    """The residual blocks of one resolution, with attention if `depths` are given, and the change to the next."""

    def __init__(
        self,
        blocks: Sequence[tuple[int, int]],
        embedding: int,
        depths: Sequence[int] | None,
        attention: tuple[int, int, bool],
        norms: Norms,
        down: bool = False,
        up: bool = False,
    ) -> None:
        super().__init__()
        context, heads, linear = attention
        self.resnets = nn.ModuleList(ResBlock(inputs, outputs, embedding, norms) for inputs, outputs in blocks)
        self.attentions = None
        width = blocks[-1][1]
        if depths is not None:
            self.attentions = nn.ModuleList(
                Transformer(width, context, heads, depth, linear, norms.groups) for depth in depths
            )
        self.downsamplers = nn.ModuleList([Resample(width, 2)]) if down else None
        self.upsamplers = nn.ModuleList([Resample(width, 1)]) if up else None

    def block(self, index: int, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        x = self.resnets[index](x, time)
        return x if self.attentions is None else self.attentions[index](x, context)


class Middle(nn.Module):
    """The lowest resolution: two residual blocks with attention between them, or one block (smaller SDXL models)."""

    def __init__(self, width: int, embedding: int, depth: int, attention: tuple[int, int, bool], norms: Norms) -> None:
        super().__init__()
        context, heads, linear = attention
        count = 2 if depth else 1
        self.resnets = nn.ModuleList(ResBlock(width, width, embedding, norms) for _ in range(count))
        self.attentions = None
        if depth:
            self.attentions = nn.ModuleList([Transformer(width, context, heads, depth, linear, norms.groups)])

    def forward(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        x = self.resnets[0](x, time)
        if self.attentions is not None:
            x = self.resnets[1](self.attentions[0](x, context), time)
        return x


class TextPool(nn.Module):
    """The text's tokens as one token: attention from their mean to all of them (DeepFloyd IF)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.empty(1, width))
        self.k_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        first = tokens.mean(dim=1, keepdim=True) + self.positional_embedding
        tokens = torch.cat([first, tokens], dim=1)
        query, key, value = (
            y.view(y.shape[0], y.shape[1], self.heads, -1).transpose(1, 2)
            for y in (self.q_proj(first), self.k_proj(tokens), self.v_proj(tokens))
        )
        return F.scaled_dot_product_attention(query, key, value).flatten(1)


class TextEmbedding(nn.Module):
    """The text [B, T, C] as a vector [B, E] to be added to the time embedding."""

    def __init__(self, width: int, embedding: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.pool = TextPool(width, heads)
        self.proj = nn.Linear(width, embedding)
        self.norm2 = nn.LayerNorm(embedding)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.norm2(self.proj(self.pool(self.norm1(tokens))))
