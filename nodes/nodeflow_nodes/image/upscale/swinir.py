"""SwinIR (Liang et al. 2021, arXiv 2108.10257): attention in windows that are shifted in every other block.

In plain torch; parameter names are those of the published files. Shapes: B batch, N windows, w side of a window, D
width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .networks import SLOPE, conv
from .tiles import filled

MEAN = (0.4488, 0.4371, 0.4040)


class WindowAttention(nn.Module):
    """Attention among the w² places of a window, with a learned bias for each distance between two places."""

    def __init__(self, width: int, window: int, heads: int) -> None:
        super().__init__()
        self.window, self.heads = window, heads
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x: [B·N, w², D]. mask: None, or [N, w², w²], -100 where two places must not see each other."""
        count, places, width = x.shape
        query, key, value = self.qkv(x).view(count, places, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[distances(self.window).to(x.device)].permute(2, 0, 1)[None].to(x)
        if mask is not None:
            bias = bias + mask.to(x).repeat(count // len(mask), 1, 1)[:, None]
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.proj(out.transpose(1, 2).reshape(count, places, width))


def distances(window: int) -> Tensor:
    """For each two places of a window the row of the bias table: [w², w²], (dy + w - 1)(2w - 1) + dx + w - 1."""
    rows, columns = torch.arange(window).repeat_interleave(window), torch.arange(window).repeat(window)
    down, right = (p[:, None] - p[None] + window - 1 for p in (rows, columns))
    return down * (2 * window - 1) + right


class Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class SwinBlock(nn.Module):
    """Window attention and an MLP, each added to its input; `shift`: by how much the windows are moved."""

    def __init__(self, width: int, heads: int, window: int, hidden: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = WindowAttention(width, window, heads)
        self.mlp = Mlp(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, D], H and W multiples of the window."""
        batch, height, width, depth = x.shape
        w, shift = self.window, self.shift
        h = self.norm1(x)
        if shift:
            h = torch.roll(h, (-shift, -shift), (1, 2))
        h = h.view(batch, height // w, w, width // w, w, depth).permute(0, 1, 3, 2, 4, 5).reshape(-1, w * w, depth)
        h = self.attn(h, shifted_mask(height, width, w, shift).to(x.device) if shift else None)
        h = h.view(batch, height // w, width // w, w, w, depth).permute(0, 1, 3, 2, 4, 5).reshape(x.shape)
        if shift:
            h = torch.roll(h, (shift, shift), (1, 2))
        x = x + h
        return x + self.mlp(self.norm2(x))


def shifted_mask(height: int, width: int, window: int, shift: int) -> Tensor:
    """[N, w², w²]: -100 between places that the roll brought together from opposite edges of the picture."""

    def regions(side: int) -> Tensor:
        places = torch.arange(side)
        return (places >= side - window).long() + (places >= side - shift)

    region = regions(height)[:, None] * 3 + regions(width)
    region = region.view(height // window, window, width // window, window).transpose(1, 2).reshape(-1, window**2)
    return (region[:, None] != region[:, :, None]).float() * -100


class Group(nn.Module):
    """Swin blocks and a convolution, added to the input."""

    def __init__(self, width: int, heads: int, window: int, hidden: int, depth: int, three: bool) -> None:
        super().__init__()
        self.residual_group = nn.ModuleDict()
        self.residual_group["blocks"] = nn.ModuleList(
            SwinBlock(width, heads, window, hidden, window // 2 if number % 2 else 0) for number in range(depth)
        )
        self.conv = closing(width, three)

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for block in self.residual_group["blocks"]:
            h = block(h)
        return x + self.conv(h.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def closing(width: int, three: bool) -> nn.Module:
    """The convolution that ends a group, or three with a narrow middle (large models)."""
    if not three:
        return conv(width, width)
    narrow, slope = width // 4, nn.LeakyReLU(SLOPE)
    return nn.Sequential(conv(width, narrow), slope, nn.Conv2d(narrow, narrow, 1), slope, conv(narrow, width))


class SwinIR(nn.Module):
    """[B, channels, H, W] → [B, channels, H·s, W·s].

    upsampler: "shuffle" (pixels shuffled by each of `factors`), "direct" (one shuffle by factors[0], light models),
    "nearest" (pixels repeated 2x2 for each of `factors`; models for photographs) or "none" (s = 1: noise, JPEG).
    span: of the colours that the network computes with, 1 or 255. three: see `closing`. features: before enlarging.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int,
        hidden: int,
        upsampler: str,
        factors: Sequence[int],
        features: int,
        three: bool,
        span: float,
    ) -> None:
        super().__init__()
        self.window, self.upsampler, self.factors, self.span = window, upsampler, tuple(factors), span
        self.conv_first = conv(channels, width)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(width)})
        self.layers = nn.ModuleList(
            Group(width, count, window, hidden, depth, three) for depth, count in zip(depths, heads, strict=True)
        )
        self.norm = nn.LayerNorm(width)
        self.conv_after_body = closing(width, three)
        if upsampler in ("shuffle", "nearest"):
            self.conv_before_upsample = nn.Sequential(conv(width, features), nn.LeakyReLU())
        if upsampler == "shuffle":
            parts = [(conv(features, features * factor**2), nn.PixelShuffle(factor)) for factor in self.factors]
            self.upsample = nn.Sequential(*(layer for pair in parts for layer in pair))
        elif upsampler == "direct":
            self.upsample = nn.Sequential(conv(width, channels * self.factors[0] ** 2))
        elif upsampler == "nearest":
            for number in range(len(self.factors)):
                self.add_module(f"conv_up{number + 1}", conv(features, features))
            self.conv_hr = conv(features, features)
        if upsampler != "direct":
            self.conv_last = conv(width if upsampler == "none" else features, channels)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        x = filled(x, self.window)
        mean = torch.tensor(MEAN if x.shape[1] == 3 else (0.0,), dtype=x.dtype, device=x.device).view(1, -1, 1, 1)
        x = (x - mean) * self.span
        out = self.enlarge(x) / self.span + mean
        scale = out.shape[2] // x.shape[2]
        return out[..., : height * scale, : width * scale]

    def body(self, x: Tensor) -> Tensor:
        """The groups over [B, D, H, W], added to it."""
        h = self.patch_embed["norm"](x.permute(0, 2, 3, 1))
        for layer in self.layers:
            h = layer(h)
        return self.conv_after_body(self.norm(h).permute(0, 3, 1, 2)) + x

    def enlarge(self, x: Tensor) -> Tensor:
        """The whole network over a picture whose sides are multiples of the window."""
        h = self.body(self.conv_first(x))
        if self.upsampler == "none":
            return x + self.conv_last(h)
        if self.upsampler == "direct":
            return F.pixel_shuffle(self.upsample(h), self.factors[0])
        h = self.conv_before_upsample(h)
        if self.upsampler == "shuffle":
            return self.conv_last(self.upsample(h))
        for number in range(len(self.factors)):
            h = F.interpolate(h, scale_factor=2, mode="nearest")
            h = F.leaky_relu(getattr(self, f"conv_up{number + 1}")(h), SLOPE)
        return self.conv_last(F.leaky_relu(self.conv_hr(h), SLOPE))
