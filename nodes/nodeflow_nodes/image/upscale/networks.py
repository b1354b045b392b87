"""ESRGAN and the compact networks, written from their papers; parameter names are BasicSR's, as in Real-ESRGAN."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
"""Of the leaky rectifier."""


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Dense(nn.Module):
    """Five convolutions, each of which sees all before it; the last is added to the input, scaled by 0.2."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for number in range(4):
            self.add_module(f"conv{number + 1}", conv(features + number * growth, growth))
        self.conv5 = conv(features + 4 * growth, features)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat((seen, F.leaky_relu(layer(seen), SLOPE, inplace=True)), 1)
        return self.conv5(seen).mul_(0.2).add_(x)


class Block(nn.Module):
    """Residual in residual dense block: three `Dense`, added to the input, scaled by 0.2."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (Dense(features, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.rdb3(self.rdb2(self.rdb1(x))).mul_(0.2).add_(x)


class RrdbNet(nn.Module):
    """ESRGAN's generator (Wang et al. 2018, arXiv 1809.00219; Real-ESRGAN: Wang et al. 2021, arXiv 2107.10833).

    [B, channels, H, W] → [B, channels, H·s, W·s] with s = 2**ups / unshuffle; H and W are multiples of `unshuffle`.
    Each of `ups` steps repeats pixels 2x2 and convolves.
    """

    def __init__(self, channels: int, features: int, growth: int, blocks: int, ups: int, unshuffle: int) -> None:
        super().__init__()
        self.ups, self.unshuffle = ups, unshuffle
        self.conv_first = conv(channels * unshuffle**2, features)
        self.body = nn.Sequential(*(Block(features, growth) for _ in range(blocks)))
        self.conv_body = conv(features, features)
        for number in range(ups):
            self.add_module(f"conv_up{number + 1}", conv(features, features))
        self.conv_hr = conv(features, features)
        self.conv_last = conv(features, channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.unshuffle > 1:
            x = F.pixel_unshuffle(x, self.unshuffle)
        x = self.conv_first(x)
        x = x + self.conv_body(self.body(x))
        for number in range(self.ups):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = F.leaky_relu(getattr(self, f"conv_up{number + 1}")(x), SLOPE, inplace=True)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), SLOPE, inplace=True))


class Compact(nn.Module):
    """SRVGGNetCompact of Real-ESRGAN: a stack of convolutions whose result is added to the picture with its pixels
    repeated. [B, channels, H, W] → [B, channels, H·scale, W·scale].

    learned: rectifiers with a learned slope for each channel (PReLU); otherwise plain ones.
    """

    def __init__(self, channels: int, features: int, layers: int, scale: int, learned: bool) -> None:
        super().__init__()
        self.scale = scale
        parts: list[nn.Module] = []
        for number in range(layers + 1):
            parts.append(conv(features if number else channels, features))
            parts.append(nn.PReLU(features) if learned else nn.ReLU())
        self.body = nn.Sequential(*parts, conv(features, channels * scale**2))

    def forward(self, x: Tensor) -> Tensor:
        base = F.interpolate(x, scale_factor=self.scale, mode="nearest") if self.scale > 1 else x
        return F.pixel_shuffle(self.body(x), self.scale) + base
