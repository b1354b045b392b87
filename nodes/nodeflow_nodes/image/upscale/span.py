"""SPAN (Wan et al. 2024, arXiv 2311.12770): a small network whose attention has no parameters, in plain torch.

Files hold each convolution as it was trained: three in a row (1x1, 3x3, 1x1) beside a short cut (1x1), which together
are one 3x3 convolution (`merged`). Parameter names are otherwise those of the published files.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .networks import conv

MEAN = (0.4488, 0.4371, 0.4040)
RANGE = 255.0
"""Of the colours of the training pictures; what is not in the file is the same for all published models."""


class Block(nn.Module):
    """Three convolutions; the last one's answer, added to the input, is weighted by how far it is from 0."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.c1_r, self.c2_r, self.c3_r = (conv(features, features) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The result, and what the first convolution gave, after its activation (as published models were trained)."""
        first = F.silu(self.c1_r(x))
        last = self.c3_r(F.silu(self.c2_r(first)))
        return (last + x) * (torch.sigmoid(last) - 0.5), first


class Span(nn.Module):
    """[B, channels, H, W] → [B, channels, H·scale, W·scale].

    normed: whether the colours are brought to the training pictures' mean and range first.
    """

    def __init__(self, channels: int, features: int, scale: int, normed: bool) -> None:
        super().__init__()
        self.scale, self.normed = scale, normed
        self.conv_1 = conv(channels, features)
        for number in range(1, 7):
            self.add_module(f"block_{number}", Block(features))
        self.conv_2 = conv(features, features)
        self.conv_cat = nn.Conv2d(4 * features, features, 1)
        self.upsampler = nn.Sequential(conv(features, channels * scale**2))

    def forward(self, x: Tensor) -> Tensor:
        if self.normed:
            x = (x - torch.tensor(MEAN, dtype=x.dtype, device=x.device).view(1, 3, 1, 1)) * RANGE
        start = self.conv_1(x)
        first, _ = self.block_1(start)
        h = first
        for number in range(2, 7):
            h, inner = getattr(self, f"block_{number}")(h)
        h = self.conv_cat(torch.cat((start, self.conv_2(h), first, inner), 1))
        return F.pixel_shuffle(self.upsampler(h), self.scale)


def merged(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The file's tensors with each `X.conv.0`, `.1`, `.2` and `X.sk` as one convolution `X`, in float32.

    W = w₂ w₁ w₀ at each place of the kernel, plus the short cut's matrix in its middle; bias accordingly.
    """
    made = {}
    for name in tensors:
        stem, found, kind = name.partition(".sk.")
        if not found:
            if ".conv." not in name and ".eval_conv." not in name:
                made[name] = tensors[name]
            continue
        if kind == "weight":
            made |= _one(tensors, stem)
    return made


def _one(tensors: dict[str, Tensor], stem: str) -> dict[str, Tensor]:
    def part(name: str) -> Tensor:
        return tensors[f"{stem}.{name}"].float()

    first, middle, last = (part(f"conv.{n}.weight") for n in range(3))
    kernel = torch.einsum("on,nmhw,mi->oihw", last[..., 0, 0], middle, first[..., 0, 0])
    kernel[..., 1, 1] += part("sk.weight")[..., 0, 0]
    bias = torch.einsum("nmhw,m->n", middle, part("conv.0.bias")) + part("conv.1.bias")
    bias = last[..., 0, 0] @ bias + part("conv.2.bias") + part("sk.bias")
    return {f"{stem}.weight": kernel, f"{stem}.bias": bias}
