"""IP-Adapter (Ye et al. 2023, arXiv 2308.06721): a picture as a prompt, in plain torch.

A projection turns what CLIP's image encoder sees into a few tokens. Where the U-Net attends to the text it attends to
these as well, with keys and values of their own, and the two results are added. Parameter names are those of the
published files. Shapes: B batch, T tokens, W the text's width, D the image encoder's.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .unet_parts import Attention


class Told(NamedTuple):
    """What a U-Net with IP-Adapters attends to.

    text: [B, T, W]. pictures: by adapter, its tokens [B, T', W] and strength [B].
    """

    text: Tensor
    pictures: dict[str, tuple[Tensor, Tensor]]


class ImageAttention(Attention):
    """Attention to the text and to reference pictures; `adapters`: keys and values by adapter (`KeysAndValues`)."""

    adapters: nn.ModuleDict

    def forward(self, x: Tensor, context: Tensor | Told) -> Tensor:
        if not isinstance(context, Told):
            return super().forward(x, context)
        query = self._heads(self.to_q(x))
        out = F.scaled_dot_product_attention(
            query, self._heads(self.to_k(context.text)), self._heads(self.to_v(context.text))
        )
        for name, (tokens, strength) in context.pictures.items():
            layer: Any = self.adapters[name]
            seen = F.scaled_dot_product_attention(
                query, self._heads(layer.to_k_ip(tokens)), self._heads(layer.to_v_ip(tokens))
            )
            out = out + seen * strength.view(-1, 1, 1, 1).to(seen)
        return self.to_out[0](out.transpose(1, 2).reshape(x.shape))

    def _heads(self, y: Tensor) -> Tensor:
        return y.view(y.shape[0], y.shape[1], self.heads, -1).transpose(1, 2)


class KeysAndValues(nn.Module):
    """An adapter's part of one attention layer."""

    def __init__(self, context: int, width: int) -> None:
        super().__init__()
        self.to_k_ip = nn.Linear(context, width, bias=False)
        self.to_v_ip = nn.Linear(context, width, bias=False)


class Projection(nn.Module):
    """The plain adapter's: the picture's one vector [B, P] as `tokens` tokens [B, tokens, W]."""

    def __init__(self, seen: int, width: int, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.proj = nn.Linear(seen, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, seen: Tensor) -> Tensor:
        return self.norm(self.proj(seen).unflatten(-1, (self.tokens, -1)))


class FullProjection(nn.Module):
    """The "full" adapter's: each of the encoder's states [B, 1 + N, D] as a token."""

    def __init__(self, seen: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.Linear(seen, seen), nn.GELU(), nn.Linear(seen, width), nn.LayerNorm(width))

    def forward(self, seen: Tensor) -> Tensor:
        return self.proj(seen)


class Latecomers(nn.Module):
    """Attention from the resampler's tokens to the picture's states and to themselves."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.heads = inner // 64
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, inner * 2, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, seen: Tensor, tokens: Tensor) -> Tensor:
        seen, tokens = self.norm1(seen), self.norm2(tokens)
        key, value = self.to_kv(torch.cat([seen, tokens], dim=1)).chunk(2, dim=-1)
        query, key, value = (y.unflatten(-1, (self.heads, 64)).transpose(1, 2) for y in (self.to_q(tokens), key, value))
        out = F.scaled_dot_product_attention(query, key, value, scale=1 / math.sqrt(64))
        return self.to_out(out.transpose(1, 2).flatten(2))


class Resampler(nn.Module):
    """The "plus" adapter's (as in Flamingo, Alayrac et al. 2022): learned tokens look at the encoder's states
    [B, 1 + N, D] in several rounds, and come out as [B, tokens, W]."""

    def __init__(
        self, seen: int, width: int, tokens: int, inner: int, hidden: int, rounds: int, attention: int
    ) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.empty(1, tokens, inner))
        self.proj_in = nn.Linear(seen, inner)
        self.proj_out = nn.Linear(inner, width)
        self.norm_out = nn.LayerNorm(width)
        self.layers = nn.ModuleList()
        for _ in range(rounds):
            wider = (nn.LayerNorm(inner), nn.Linear(inner, hidden, bias=False), nn.GELU())
            forward = nn.Sequential(*wider, nn.Linear(hidden, inner, bias=False))
            self.layers.append(nn.ModuleList([Latecomers(inner, attention), forward]))

    def forward(self, seen: Tensor) -> Tensor:
        tokens = self.latents.expand(seen.shape[0], -1, -1)
        seen = self.proj_in(seen)
        for layer in self.layers:
            attend, forward = layer.children()
            tokens = attend(seen, tokens) + tokens
            tokens = forward(tokens) + tokens
        return self.norm_out(self.proj_out(tokens))


PROJECTIONS: dict[str, type[nn.Module]] = {"plain": Projection, "plus": Resampler, "full": FullProjection}
