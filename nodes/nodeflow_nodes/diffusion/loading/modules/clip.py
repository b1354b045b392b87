"""CLIP's text encoder (Radford et al. 2021), in plain torch: CLIP-L, OpenCLIP-H and -G, and the built-in small one.

Parameter names are those of transformers' `CLIPTextModel` (5.6 and later: without the prefix `text_model.`), plus
`text_projection.weight` if the encoder has one. A decoder-shaped transformer: each token sees itself and what is
before it. Shapes: B batch, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodeflow import NodeError


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"quick_gelu": quick_gelu, "gelu": F.gelu}


class Encoded(NamedTuple):
    """hidden: [B, T, D], the layer asked for. pooled: [B, D], the last layer's state at the end token, after the final
    layer norm. projected: [B, P], `pooled` through the projection, if there is one."""

    hidden: Tensor
    pooled: Tensor
    projected: Tensor | None


class Embeddings(nn.Module):
    def __init__(self, vocabulary: int, positions: int, width: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.position_embedding = nn.Embedding(positions, width)


class SelfAttention(nn.Module):
    """causal: each token sees itself and what is before it (text); otherwise all see all (pictures)."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.k_proj, self.v_proj, self.q_proj = (nn.Linear(width, width) for _ in range(3))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, width = x.shape
        query, key, value = (
            layer(x).view(batch, count, self.heads, -1).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        out = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        return self.out_proj(out.transpose(1, 2).reshape(batch, count, width))


class MLP(nn.Module):
    def __init__(self, width: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, activation: str, eps: float, causal: bool) -> None:
        super().__init__()
        self.self_attn = SelfAttention(width, heads, causal)
        self.layer_norm1 = nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width, hidden, activation)
        self.layer_norm2 = nn.LayerNorm(width, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Layers(nn.Module):
    def __init__(self, count: int, *layer: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(*layer) for _ in range(count))


class ClipText(nn.Module):
    """The encoder; the keyword arguments are transformers' configuration."""

    def __init__(
        self,
        *,
        vocab_size: int = 49408,
        hidden_size: int = 768,
        intermediate_size: int = 3072,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 12,
        max_position_embeddings: int = 77,
        hidden_act: str = "quick_gelu",
        layer_norm_eps: float = 1e-5,
        eos_token_id: int = 49407,
        projection: int | None = None,
        **unused: Any,
    ) -> None:
        super().__init__()
        if hidden_act not in ACTIVATIONS:
            raise NodeError(f"hidden_act {hidden_act!r}: expected one of {sorted(ACTIVATIONS)}")
        self.end = 49407 if eos_token_id == 2 and vocab_size == 49408 else eos_token_id  # 2: an error of old configs
        self.embeddings = Embeddings(vocab_size, max_position_embeddings, hidden_size)
        self.encoder = Layers(
            num_hidden_layers, hidden_size, num_attention_heads, intermediate_size, hidden_act, layer_norm_eps, True
        )
        self.final_layer_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        if projection:
            self.text_projection = nn.Linear(hidden_size, projection, bias=False)

    def embed(self, ids: Tensor) -> Tensor:
        """Token vectors [B, T, D] of ids [B, T], before positions: where textual inversion puts its own vectors."""
        return self.embeddings.token_embedding(ids)

    def forward(self, ids: Tensor, *, skip: int = 1, normed: bool = True, vectors: Tensor | None = None) -> Encoded:
        """Encode token ids [B, T].

        Args:
            skip: 1 is the last layer's state, 2 the last but one (CLIP skip), ...
            normed: apply the final layer norm to that state.
            vectors: token vectors [B, T, D] to use in place of the ids' own; the ids still say where the end is.
        """
        layers = self.encoder.layers
        if not 1 <= skip <= len(layers):
            raise NodeError(f"CLIP skip {skip}: this encoder has {len(layers)} layers")
        x = self.embed(ids) if vectors is None else vectors
        x = x + self.embeddings.position_embedding.weight[: ids.shape[1]]
        kept = x
        for index, layer in enumerate(layers):
            x = layer(x)
            if index == len(layers) - skip:
                kept = x
        final = self.final_layer_norm(x)
        end = (ids == self.end).to(torch.int).argmax(dim=-1)
        pooled = final[torch.arange(ids.shape[0], device=ids.device), end]
        if skip == 1 and normed:
            hidden = final
        else:
            hidden = self.final_layer_norm(kept) if normed else kept
        projected = self.text_projection(pooled) if hasattr(self, "text_projection") else None
        return Encoded(hidden, pooled, projected)
