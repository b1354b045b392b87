"""The parts of SD3's transformer (`mmdit`): embeddings, modulation, joint attention, blocks.

Parameter names are those of diffusers. Shapes: B batch, N picture tokens, T text tokens, D width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodeflow import NodeError


def timestep_features(timestep: Tensor, width: int = 256, period: float = 10_000.0) -> Tensor:
    """Sinusoidal features of `timestep` [B] -> float32 [B, width]: cosines, then sines, of falling frequencies."""
    half = width // 2
    exponent = -math.log(period) * torch.arange(0, half, dtype=torch.float32, device=timestep.device) / half
    angles = timestep[:, None].float() * torch.exp(exponent)[None]
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)


def whole_patches(x: Tensor, patch: int) -> Tensor:
    """A latent [B, C, h, w] whose sides are multiples of `patch`: one that is not goes on at its start."""
    down, right = -x.shape[-2] % patch, -x.shape[-1] % patch
    return F.pad(x, (0, right, 0, down), mode="circular") if down or right else x


class TwoLayers(nn.Module):
    """linear_1, SiLU, linear_2."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(inputs, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(x)))


class TimeText(nn.Module):
    """Timestep and pooled text as one vector [B, D]."""

    def __init__(self, width: int, pooled: int) -> None:
        super().__init__()
        self.timestep_embedder = TwoLayers(256, width)
        self.text_embedder = TwoLayers(pooled, width)

    def forward(self, timestep: Tensor, pooled: Tensor) -> Tensor:
        return self.timestep_embedder(timestep_features(timestep).to(pooled.dtype)) + self.text_embedder(pooled)


class Patches(nn.Module):
    """Latent [B, C, h, w] -> tokens [B, N, D] plus the centre crop of a fixed table of positions."""

    def __init__(self, channels: int, width: int, patch: int, table: int) -> None:
        super().__init__()
        self.patch, self.table = patch, table
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)
        self.register_buffer("pos_embed", torch.empty(1, table * table, width))

    def forward(self, latent: Tensor) -> Tensor:
        rows, columns = latent.shape[-2] // self.patch, latent.shape[-1] // self.patch
        if max(rows, columns) > self.table:
            raise NodeError(
                f"this transformer knows {self.table}x{self.table} patches, the latent has {rows}x{columns}: "
                "ask for a smaller picture"
            )
        top, left = (self.table - rows) // 2, (self.table - columns) // 2
        grid = self.pos_embed.reshape(1, self.table, self.table, -1)[:, top : top + rows, left : left + columns]
        tokens = self.proj(latent).flatten(2).transpose(1, 2)
        return (tokens + grid.reshape(1, rows * columns, -1)).to(latent.dtype).contiguous()


class Modulated(nn.Module):
    """Layer norm without own scale, whose shifts, scales and gates come from the conditioning vector.

    parts: how many vectors [B, D] `vectors` gives: 2, 6 or 9 (6 and three for the second attention of SD3.5).
    """

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)

    def vectors(self, vector: Tensor) -> tuple[Tensor, ...]:
        return self.linear(F.silu(vector)).chunk(self.parts, dim=1)


def norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale[:, None]) + shift[:, None]


class RootMeanSquare(nn.Module):
    """RMS norm with a learned scale, computed in float32 (Zhang & Sennrich 2019)."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        variance = x.to(torch.float32).pow(2).mean(-1, keepdim=True)
        x = x * torch.rsqrt(variance + self.eps)
        return x.to(self.weight.dtype) * self.weight


class Attention(nn.Module):
    """Attention over picture tokens, or over picture and text tokens together (`joint`)."""

    def __init__(self, width: int, heads: int, *, joint: bool, last: bool, rms: bool) -> None:
        super().__init__()
        self.heads, self.joint = heads, joint
        head = width // heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        if joint:
            self.add_k_proj, self.add_v_proj, self.add_q_proj = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])
        if joint and not last:
            self.to_add_out = nn.Linear(width, width)
        self.last = last
        self.rms = rms
        if rms:
            self.norm_q, self.norm_k = RootMeanSquare(head), RootMeanSquare(head)
            if joint:
                self.norm_added_q, self.norm_added_k = RootMeanSquare(head), RootMeanSquare(head)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, text: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        query, key, value = self._split(self.to_q(x)), self._split(self.to_k(x)), self._split(self.to_v(x))
        if self.rms:
            query, key = self.norm_q(query), self.norm_k(key)
        if text is not None:
            added_query = self._split(self.add_q_proj(text))
            added_key = self._split(self.add_k_proj(text))
            if self.rms:
                added_query, added_key = self.norm_added_q(added_query), self.norm_added_k(added_key)
            query = torch.cat([query, added_query], dim=2)
            key = torch.cat([key, added_key], dim=2)
            value = torch.cat([value, self._split(self.add_v_proj(text))], dim=2)
        out = F.scaled_dot_product_attention(query, key, value)
        out = out.transpose(1, 2).reshape(x.shape[0], -1, query.shape[1] * query.shape[3])
        if text is None:
            return self.to_out[0](out), None
        count = x.shape[1]
        text_out = None if self.last else self.to_add_out(out[:, count:])
        return self.to_out[0](out[:, :count]), text_out


class Projection(nn.Module):
    """A linear layer and tanh-approximated GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.proj(x), approximate="tanh")


class FeedForward(nn.Module):
    """Four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([Projection(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[0](x))


class Block(nn.Module):
    """One joint block: attention over both streams, then a feed-forward layer on each. `last` drops the text stream."""

    def __init__(self, width: int, heads: int, *, last: bool, rms: bool, dual: bool) -> None:
        super().__init__()
        self.last, self.dual = last, dual
        self.norm1 = Modulated(width, 9 if dual else 6)
        self.norm1_context = Modulated(width, 2 if last else 6)
        self.attn = Attention(width, heads, joint=True, last=last, rms=rms)
        if dual:
            self.attn2 = Attention(width, heads, joint=False, last=False, rms=rms)
        self.ff = FeedForward(width)
        if not last:
            self.ff_context = FeedForward(width)

    def forward(self, x: Tensor, text: Tensor, vector: Tensor) -> tuple[Tensor, Tensor | None]:
        shift, scale, gate, shift_ff, scale_ff, gate_ff, *second = self.norm1.vectors(vector)
        normed = norm(x)
        text_vectors = self.norm1_context.vectors(vector)
        if self.last:
            text_scale, text_shift = text_vectors
        else:
            text_shift, text_scale, text_gate, text_shift_ff, text_scale_ff, text_gate_ff = text_vectors
        out, text_out = self.attn(modulate(normed, shift, scale), modulate(norm(text), text_shift, text_scale))
        x = x + gate[:, None] * out
        if second:
            shift_2, scale_2, gate_2 = second
            x = x + gate_2[:, None] * self.attn2(modulate(normed, shift_2, scale_2))[0]
        x = x + gate_ff[:, None] * self.ff(modulate(norm(x), shift_ff, scale_ff))
        if self.last or text_out is None:
            return x, None
        text = text + text_gate[:, None] * text_out
        hidden = self.ff_context(modulate(norm(text), text_shift_ff, text_scale_ff))
        return x, text + text_gate_ff[:, None] * hidden
