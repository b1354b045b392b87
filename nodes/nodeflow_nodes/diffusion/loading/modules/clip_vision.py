"""CLIP's image encoder (Radford et al. 2021), in plain torch: ViT-L, OpenCLIP's ViT-H and ViT-bigG.

Parameter names, `pre_layrnorm` too, are those of transformers' `CLIPVisionModelWithProjection`, without the prefix
`vision_model.`. Shapes: B batch, S side of the picture in pixels, N patches, D width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nodeflow import NodeError

from .clip import ACTIVATIONS, Layers


class Seen(NamedTuple):
    """embedded: [B, P], the picture as one vector. penultimate: [B, 1 + N, D], the last layer but one's states."""

    embedded: Tensor
    penultimate: Tensor


class PatchEmbeddings(nn.Module):
    """A picture's patches as vectors, one more before them, each with its place."""

    def __init__(self, width: int, patch: int, side: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.patch_embedding = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.position_embedding = nn.Embedding((side // patch) ** 2 + 1, width)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(pixels.shape[0], 1, -1).to(patches)
        return torch.cat([first, patches], dim=1) + self.position_embedding.weight.to(patches)


class ClipVision(nn.Module):
    """The encoder; the keyword arguments are transformers' configuration."""

    def __init__(
        self,
        *,
        hidden_size: int = 1280,
        intermediate_size: int = 5120,
        num_hidden_layers: int = 32,
        num_attention_heads: int = 16,
        image_size: int = 224,
        patch_size: int = 14,
        hidden_act: str = "gelu",
        layer_norm_eps: float = 1e-5,
        projection_dim: int = 1024,
        **unused: Any,
    ) -> None:
        super().__init__()
        if hidden_act not in ACTIVATIONS:
            raise NodeError(f"hidden_act {hidden_act!r}: expected one of {sorted(ACTIVATIONS)}")
        layer = (hidden_size, num_attention_heads, intermediate_size, hidden_act, layer_norm_eps, False)
        self.embeddings = PatchEmbeddings(hidden_size, patch_size, image_size)
        self.pre_layrnorm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.encoder = Layers(num_hidden_layers, *layer)
        self.post_layernorm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.visual_projection = nn.Linear(hidden_size, projection_dim, bias=False)

    def forward(self, pixels: Tensor) -> Seen:
        """Pictures [B, 3, S, S], normalised as CLIP was trained (`loading.vision.prepare`)."""
        x = penultimate = self.pre_layrnorm(self.embeddings(pixels))
        for layer in self.encoder.layers:
            penultimate, x = x, layer(x)
        return Seen(self.visual_projection(self.post_layernorm(x[:, 0])), penultimate)
