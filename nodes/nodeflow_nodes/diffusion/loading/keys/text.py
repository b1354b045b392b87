"""Text and image encoders: transformers' CLIP and T5, OpenCLIP."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .target import Rename, Target


def text_model(config: dict[str, Any]) -> Rename:
    """transformers' CLIP text encoders, with or without the prefix `text_model.`."""

    def rename(key: str) -> Iterable[Target]:
        if not key.endswith("position_ids"):
            yield Target(key.removeprefix("text_model."))

    return rename


def clip_vision(config: dict[str, Any]) -> Rename:
    """transformers' CLIP image encoders, with or without the prefix `vision_model.`; a text encoder beside is left."""

    def rename(key: str) -> Iterable[Target]:
        if not key.endswith("position_ids") and not key.startswith(("text_", "logit_scale")):
            yield Target(key.removeprefix("vision_model."))

    return rename


T5_TABLES = ("shared.weight", "encoder.embed_tokens.weight")


def t5(config: dict[str, Any]) -> Rename:
    """T5's encoder: its table of tokens has two names, of which files have one or both."""

    def rename(key: str) -> Iterable[Target]:
        if key in T5_TABLES:
            yield from map(Target, T5_TABLES)
        elif not key.startswith(("decoder.", "lm_head.")):
            yield Target(key)

    return rename


OPEN_CLIP = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
OPEN_CLIP_LAYER = {
    "ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}  # fmt: skip


def open_clip(config: dict[str, Any]) -> Rename:
    """OpenCLIP's text encoder (`transformer.resblocks`)."""

    def rename(key: str) -> Iterable[Target]:
        if key in OPEN_CLIP:
            yield Target(OPEN_CLIP[key])
        elif key == "text_projection":
            yield Target("text_projection.weight", "transposed")
        elif match := re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+)", key):
            layer, rest = f"encoder.layers.{match[1]}", match[2]
            if rest.startswith("attn.in_proj_"):
                for index, name in enumerate(("q_proj", "k_proj", "v_proj")):
                    yield Target(f"{layer}.self_attn.{name}.{rest.removeprefix('attn.in_proj_')}", f"{index}/3")
            else:
                stem, _, kind = rest.rpartition(".")
                yield Target(f"{layer}.{OPEN_CLIP_LAYER.get(stem, stem)}.{kind}")
        elif key not in ("logit_scale", "attn_mask"):
            yield Target(key)

    return rename
