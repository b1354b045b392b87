"""Diffusion transformers in their original layouts: SD3, Flux, PixArt.

Each is a `Layout`: blocks whose modules have other names here, some of them fused (their rows are several modules), and
modules outside of the blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .target import Rename, Target


@dataclass(frozen=True)
class Blocks:
    """Blocks of one kind: their name here, their modules' names here, and of fused modules which rows are whose."""

    here: str
    names: Mapping[str, str]
    fused: Mapping[str, tuple[Target, ...]] = field(default_factory=dict)

    def originals(self, there: str, count: int) -> list[str]:
        """The modules of all blocks, by their original names."""
        return [f"{there}.{i}.{name}" for i in range(count) for name in (*self.names, *self.fused)]


def thirds(*names: str) -> tuple[Target, ...]:
    """A fused matrix whose rows are as many equal groups as there are names."""
    return tuple(Target(name, f"{index}/{len(names)}") for index, name in enumerate(names))


def renamed(key: str, outer: Mapping[str, str], blocks: Mapping[str, Blocks]) -> Iterable[Target]:
    """A parameter's new names: `outer` outside of blocks; a name that neither knows stays."""
    module, _, kind = key.rpartition(".")
    match = re.fullmatch(r"(\w+)\.(\d+)\.(.+)", module)
    if match and (layout := blocks.get(match[1])):
        for name, part in layout.fused.get(match[3], (Target(layout.names.get(match[3], match[3])),)):
            yield Target(f"{layout.here}.{match[2]}.{name}.{kind}", part)
        return
    yield Target(f"{outer.get(module, module)}.{kind}")


FINAL = "final_layer.adaLN_modulation.1"
"""The last modulation comes as (shift, scale), here (scale, shift)."""

SD3 = {
    "x_embedder.proj": "pos_embed.proj",
    "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
    "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
    "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
    "context_embedder": "context_embedder", "final_layer.linear": "proj_out",
}  # fmt: skip
SD3_BLOCKS = Blocks(
    "transformer_blocks",
    {
        "x_block.attn.proj": "attn.to_out.0", "context_block.attn.proj": "attn.to_add_out",
        "x_block.attn2.proj": "attn2.to_out.0",
        "x_block.attn.ln_q": "attn.norm_q", "x_block.attn.ln_k": "attn.norm_k",
        "context_block.attn.ln_q": "attn.norm_added_q", "context_block.attn.ln_k": "attn.norm_added_k",
        "x_block.attn2.ln_q": "attn2.norm_q", "x_block.attn2.ln_k": "attn2.norm_k",
        "x_block.adaLN_modulation.1": "norm1.linear", "context_block.adaLN_modulation.1": "norm1_context.linear",
        "x_block.mlp.fc1": "ff.net.0.proj", "x_block.mlp.fc2": "ff.net.2",
        "context_block.mlp.fc1": "ff_context.net.0.proj", "context_block.mlp.fc2": "ff_context.net.2",
    },
    {
        "x_block.attn.qkv": thirds("attn.to_q", "attn.to_k", "attn.to_v"),
        "context_block.attn.qkv": thirds("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
        "x_block.attn2.qkv": thirds("attn2.to_q", "attn2.to_k", "attn2.to_v"),
    },
)  # fmt: skip


def sd3(config: dict[str, Any]) -> Rename:
    """SD3's transformer. The text's last modulation, too, comes as (shift, scale)."""
    last = f"joint_blocks.{int(config['num_layers']) - 1}.context_block.adaLN_modulation.1"

    def rename(key: str) -> Iterable[Target]:
        module, _, kind = key.rpartition(".")
        if key == "pos_embed":
            yield Target("pos_embed.pos_embed")
        elif module == FINAL:
            yield Target(f"norm_out.linear.{kind}", "swap")
        else:
            for name, part in renamed(key, SD3, {"joint_blocks": SD3_BLOCKS}):
                yield Target(name, "swap" if module == last else part)

    return rename


FLUX = {
    "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    "txt_in": "context_embedder", "img_in": "x_embedder", "final_layer.linear": "proj_out",
}  # fmt: skip
FLUX_DOUBLE = Blocks(
    "transformer_blocks",
    {
        "img_mod.lin": "norm1.linear", "txt_mod.lin": "norm1_context.linear",
        "img_attn.proj": "attn.to_out.0", "txt_attn.proj": "attn.to_add_out",
        "img_attn.norm.query_norm": "attn.norm_q", "img_attn.norm.key_norm": "attn.norm_k",
        "txt_attn.norm.query_norm": "attn.norm_added_q", "txt_attn.norm.key_norm": "attn.norm_added_k",
        "img_mlp.0": "ff.net.0.proj", "img_mlp.2": "ff.net.2",
        "txt_mlp.0": "ff_context.net.0.proj", "txt_mlp.2": "ff_context.net.2",
    },
    {
        "img_attn.qkv": thirds("attn.to_q", "attn.to_k", "attn.to_v"),
        "txt_attn.qkv": thirds("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    },
)  # fmt: skip
FLUX_SINGLE = {
    "modulation.lin": "norm.linear", "linear2": "proj_out",
    "norm.query_norm": "attn.norm_q", "norm.key_norm": "attn.norm_k",
}  # fmt: skip


def flux_blocks(config: dict[str, Any]) -> dict[str, Blocks]:
    """Flux's two kinds of blocks, by their original names."""
    width = int(config["num_attention_heads"]) * int(config["attention_head_dim"])
    rows = [Target(f"attn.to_{name}", f"{i * width}:{(i + 1) * width}") for i, name in enumerate("qkv")]
    fused = (*rows, Target("proj_mlp", f"{3 * width}:{7 * width}"))
    single = Blocks("single_transformer_blocks", FLUX_SINGLE, {"linear1": fused})
    return {"double_blocks": FLUX_DOUBLE, "single_blocks": single}


def flux(config: dict[str, Any]) -> Rename:
    """Flux's transformer; its norms' `scale` is `weight` here."""
    blocks = flux_blocks(config)

    def rename(key: str) -> Iterable[Target]:
        module, _, kind = key.rpartition(".")
        kind = "weight" if kind == "scale" else kind
        if module == FINAL:
            yield Target(f"norm_out.linear.{kind}", "swap")
        else:
            yield from renamed(f"{module}.{kind}", FLUX, blocks)

    return rename


PIXART = {
    "x_embedder.proj": "pos_embed.proj", "t_block.1": "adaln_single.linear", "final_layer.linear": "proj_out",
    "t_embedder.mlp.0": "adaln_single.emb.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "adaln_single.emb.timestep_embedder.linear_2",
    "csize_embedder.mlp.0": "adaln_single.emb.resolution_embedder.linear_1",
    "csize_embedder.mlp.2": "adaln_single.emb.resolution_embedder.linear_2",
    "ar_embedder.mlp.0": "adaln_single.emb.aspect_ratio_embedder.linear_1",
    "ar_embedder.mlp.2": "adaln_single.emb.aspect_ratio_embedder.linear_2",
    "y_embedder.y_proj.fc1": "caption_projection.linear_1", "y_embedder.y_proj.fc2": "caption_projection.linear_2",
}  # fmt: skip
PIXART_BLOCKS = Blocks(
    "transformer_blocks",
    {
        "attn.proj": "attn1.to_out.0", "cross_attn.q_linear": "attn2.to_q", "cross_attn.proj": "attn2.to_out.0",
        "mlp.fc1": "ff.net.0.proj", "mlp.fc2": "ff.net.2",
    },
    {
        "attn.qkv": thirds("attn1.to_q", "attn1.to_k", "attn1.to_v"),
        "cross_attn.kv_linear": thirds("attn2.to_k", "attn2.to_v"),
    },
)  # fmt: skip


def pixart(config: dict[str, Any]) -> Rename:
    """PixArt's transformer. Places are computed, not stored; the vectors of an empty prompt (`y_embedding`), which only
    training uses, are left out."""

    def rename(key: str) -> Iterable[Target]:
        if key == "final_layer.scale_shift_table":
            yield Target("scale_shift_table")
        elif match := re.fullmatch(r"blocks\.(\d+)\.scale_shift_table", key):
            yield Target(f"transformer_blocks.{match[1]}.scale_shift_table")
        elif key not in ("pos_embed", "y_embedder.y_embedding"):
            yield from renamed(key, PIXART, {"blocks": PIXART_BLOCKS})

    return rename
