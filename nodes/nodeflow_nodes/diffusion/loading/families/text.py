"""Text encoders inside of checkpoints and in files of their own: CLIP-L, OpenCLIP-H and -G, T5."""

from __future__ import annotations

from dataclasses import replace

from nodeflow_nodes.diffusion.loading.header import Header
from nodeflow_nodes.diffusion.loading.spec import EncoderSpec, Source, TextSpec

from .transformers import count

ROLES = {768: "l", 1280: "g", 1024: "h"}
NAMES = {"l": "CLIP-L", "g": "OpenCLIP-G", "h": "OpenCLIP-H", "t5": "T5", "own": "CLIP"}
PLACES = {
    "sd1": ("cond_stage_model.transformer.",),
    "sd2": ("cond_stage_model.model.",),
    "sdxl": ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."),
    "sdxl_refiner": ("conditioner.embedders.0.model.",),
    "sd3": tuple(f"text_encoders.{name}.transformer." for name in ("clip_l", "clip_g", "t5xxl")),
    "flux": tuple(f"text_encoders.{name}.transformer." for name in ("clip_l", "t5xxl")),
}
JOINING = {"sdxl": "sdxl", "sdxl_refiner": "sdxl", "sd3": "sd3", "flux": "flux"}


def describe(header: Header, family: str) -> TextSpec | None:
    """The text encoders of a checkpoint of `family`, or None if it has none."""
    encoders = [e for place in PLACES.get(family, ()) if (e := encoder(header, place)) is not None]
    return join(family, encoders) if encoders else None


def join(family: str, encoders: list[EncoderSpec]) -> TextSpec:
    """Encoders with the conventions of `family`: which hidden state counts, normed or not (NUMERICS §7)."""
    joining = JOINING.get(family, "single")
    result = []
    for part in encoders:
        if part.architecture == "clip" and joining in ("sdxl", "sd3"):
            part = replace(part, skip=2, normed=False)
        elif family == "sd2":
            part = replace(part, skip=1 if part.config["num_hidden_layers"] == 23 else 2)
        result.append(part)
    return TextSpec(family, joining, tuple(result))


def encoder(header: Header, prefix: str) -> EncoderSpec | None:
    """One text encoder below `prefix`, or None."""
    return _transformers(header, prefix) or _open_clip(header, prefix) or _t5(header, prefix)


def _transformers(header: Header, prefix: str) -> EncoderSpec | None:
    inner = f"{prefix}text_model." if f"{prefix}text_model.final_layer_norm.weight" in header.tensors else prefix
    table = header.shape(f"{inner}embeddings.token_embedding.weight")
    positions = header.shape(f"{inner}embeddings.position_embedding.weight")
    hidden = header.shape(f"{inner}encoder.layers.0.mlp.fc1.weight")
    if table is None or positions is None or hidden is None:
        return None
    layers = count(header, inner, "encoder.layers")
    projection = header.shape(f"{prefix}text_projection.weight")
    return _clip(header, prefix, "text_model", table, positions[0], hidden[0], layers, projection)


def _open_clip(header: Header, prefix: str) -> EncoderSpec | None:
    table = header.shape(f"{prefix}token_embedding.weight")
    positions = header.shape(f"{prefix}positional_embedding")
    hidden = header.shape(f"{prefix}transformer.resblocks.0.mlp.c_fc.weight")
    if table is None or positions is None or hidden is None:
        return None
    layers = count(header, prefix, "transformer.resblocks")
    projection = header.shape(f"{prefix}text_projection") or header.shape(f"{prefix}text_projection.weight")
    return _clip(header, prefix, "open_clip", table, positions[0], hidden[0], layers, projection)


def _clip(
    header: Header,
    prefix: str,
    conversion: str,
    table: tuple[int, ...],
    positions: int,
    hidden: int,
    layers: int,
    projection: tuple[int, ...] | None,
) -> EncoderSpec:
    width = table[1]
    role = ROLES.get(width, "own")
    config = {
        "vocab_size": table[0],
        "hidden_size": width,
        "intermediate_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // 64),
        "max_position_embeddings": positions,
        "hidden_act": "quick_gelu" if role == "l" else "gelu",
        "eos_token_id": 49407,
    }
    if projection is not None and role != "l":
        config["projection"] = projection[0] if conversion == "text_model" else projection[1]
    pad = 0 if role in ("g", "h") else None
    return EncoderSpec("clip", role, config, Source((header.path,), prefix, conversion), None, positions, pad)


def _t5(header: Header, prefix: str) -> EncoderSpec | None:
    table = header.shape(f"{prefix}shared.weight") or header.shape(f"{prefix}encoder.embed_tokens.weight")
    gate = header.shape(f"{prefix}encoder.block.0.layer.1.DenseReluDense.wi_0.weight")
    plain = header.shape(f"{prefix}encoder.block.0.layer.1.DenseReluDense.wi.weight")
    query = header.shape(f"{prefix}encoder.block.0.layer.0.SelfAttention.q.weight")
    bias = header.shape(f"{prefix}encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight")
    hidden = gate or plain
    if table is None or hidden is None or query is None or bias is None:
        return None
    config = {
        "vocab_size": table[0],
        "d_model": table[1],
        "d_ff": hidden[0],
        "d_kv": query[0] // bias[1],
        "num_heads": bias[1],
        "num_layers": count(header, prefix, "encoder.block"),
        "feed_forward_proj": "gated-gelu" if gate else "relu",
        "relative_attention_num_buckets": bias[0],
    }
    return EncoderSpec("t5", "t5", config, Source((header.path,), prefix, "t5"), None, 77, 0)
