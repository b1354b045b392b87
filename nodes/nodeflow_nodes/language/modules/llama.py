"""Llama (Touvron et al. 2023) in plain torch: the same parameters, names and logits as transformers' class.

Covers `model_type: llama` with plain rotary positions (Su et al. 2021), grouped key heads, biases and tied
embeddings. `supports` says whether a configuration is covered. Shapes: T tokens, D width, H heads, K key heads, E head
width, V vocabulary. One sequence at a time: a batch would change the last bits of each item.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def supports(config: dict[str, Any]) -> bool:
    """Whether this module computes what transformers does for a `config.json`."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return (
        config.get("model_type") == "llama"
        and config.get("hidden_act", "silu") == "silu"
        and rope.get("rope_type", rope.get("type", "default")) == "default"
        and "quantization_config" not in config
    )


@dataclass
class Cache:
    """Keys and values of what was read: [layers, K, room, E] each, `used` of `room` filled."""

    keys: Tensor
    values: Tensor
    used: int = 0

    def copy(self) -> Cache:
        return replace(self, keys=self.keys.clone(), values=self.values.clone())


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, key_heads: int, size: int, bias: bool) -> None:
        super().__init__()
        self.heads, self.key_heads, self.size = heads, key_heads, size
        self.q_proj = nn.Linear(width, heads * size, bias=bias)
        self.k_proj = nn.Linear(width, key_heads * size, bias=bias)
        self.v_proj = nn.Linear(width, key_heads * size, bias=bias)
        self.o_proj = nn.Linear(heads * size, width, bias=bias)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache, layer: int, mask: Tensor | None) -> Tensor:
        """x: [T, D]; cos, sin: [T, E]; mask: None, or bool [T, used + T], True where a token may look."""
        count, used = len(x), cache.used
        query = rotate(self.q_proj(x).view(count, self.heads, self.size).transpose(0, 1), cos, sin)
        key = rotate(self.k_proj(x).view(count, self.key_heads, self.size).transpose(0, 1), cos, sin)
        cache.keys[layer, :, used : used + count] = key
        cache.values[layer, :, used : used + count] = self.v_proj(x).view(count, self.key_heads, -1).transpose(0, 1)
        key, value = cache.keys[layer, :, : used + count], cache.values[layer, :, : used + count]
        if self.heads != self.key_heads:
            key, value = (t.repeat_interleave(self.heads // self.key_heads, 0) for t in (key, value))
        out = F.scaled_dot_product_attention(query[None], key[None], value[None], attn_mask=mask)
        return self.o_proj(out[0].transpose(0, 1).reshape(count, -1))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions: [.., T, E], halves turned against each other."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


class MLP(nn.Module):
    def __init__(self, width: int, hidden: int, bias: bool) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=bias)
        self.up_proj = nn.Linear(width, hidden, bias=bias)
        self.down_proj = nn.Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, attention: Attention, mlp: MLP, width: int, eps: float) -> None:
        super().__init__()
        self.self_attn, self.mlp = attention, mlp
        self.input_layernorm = nn.RMSNorm(width, eps)
        self.post_attention_layernorm = nn.RMSNorm(width, eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache, layer: int, mask: Tensor | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, cache, layer, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    def __init__(self, config: dict[str, Any], size: int) -> None:
        super().__init__()
        width, heads = config["hidden_size"], config["num_attention_heads"]
        key_heads = config.get("num_key_value_heads") or heads
        eps = config.get("rms_norm_eps", 1e-6)
        bias, mlp_bias = config.get("attention_bias", False), config.get("mlp_bias", False)
        # Given its weight, it draws none: drawing on the meta device imports the compiler (1.5 s).
        self.embed_tokens = nn.Embedding(config["vocab_size"], width, _weight=torch.empty(config["vocab_size"], width))
        self.layers = nn.ModuleList(
            Layer(
                Attention(width, heads, key_heads, size, bias),
                MLP(width, config["intermediate_size"], mlp_bias),
                width,
                eps,
            )
            for _ in range(config["num_hidden_layers"])
        )
        self.norm = nn.RMSNorm(width, eps)


class Llama(nn.Module):
    """A causal language model that reads tokens into a cache and gives logits.

    Args:
        config: the content of a `config.json` that `supports` accepts.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.size: int = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        self.key_heads: int = config.get("num_key_value_heads") or config["num_attention_heads"]
        self.theta = float((config.get("rope_parameters") or config).get("rope_theta", 10000.0))
        self.tied: bool = config.get("tie_word_embeddings", False)
        self.model = Body(config, self.size)
        self.lm_head = nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over `tensors` without copying them; every one must be there, and none besides."""
        names = {k: v for k, v in tensors.items() if not k.endswith("rotary_emb.inv_freq")}
        if self.tied and "lm_head.weight" not in names:
            names["lm_head.weight"] = names["model.embed_tokens.weight"]
        self.load_state_dict(names, strict=True, assign=True)
        if self.tied:
            self.lm_head.weight = self.model.embed_tokens.weight

    def cache(self, room: int) -> Cache:
        """An empty cache for `room` tokens."""
        weight = self.model.embed_tokens.weight
        shape = (len(self.model.layers), self.key_heads, room, self.size)
        return Cache(weight.new_empty(shape), weight.new_empty(shape))

    def forward(self, ids: Tensor, cache: Cache) -> Tensor:
        """ids: [T] int64, read after what is in `cache`. Returns the last layer's states [T, D], normed."""
        used, count = cache.used, len(ids)
        x = self.model.embed_tokens(ids)
        place = torch.arange(used, used + count, device=x.device, dtype=torch.float32)
        steps = torch.arange(0, self.size, 2, device=x.device, dtype=torch.float32) / self.size
        angle = torch.outer(place, 1.0 / self.theta**steps).repeat(1, 2)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        mask = None
        if count > 1:
            mask = torch.ones(count, used + count, dtype=torch.bool, device=x.device).tril(used)
        for number, layer in enumerate(self.model.layers):
            x = layer(x, cos, sin, cache, number, mask)
        cache.used += count
        return self.model.norm(x)
