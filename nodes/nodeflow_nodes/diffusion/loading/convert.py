"""Key conversions: from the names in a file to the names of the modules here.

A conversion is a pure function from one key to the parameters it becomes: usually one under another name; three for
a fused query-key-value matrix (its rows are split, nothing is copied). So it works on names alone as well, and each is
tested against diffusers' own maps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

Tensor: TypeAlias = Any
"""A `torch.Tensor`: names are converted without torch, too."""
Tensors: TypeAlias = dict[str, Tensor]


class Target(NamedTuple):
    """A parameter's name here, and which part of the file's tensor it is.

    part: "" all of it; "i/n" the i-th of n equal groups of rows; "a:b" rows a to b; "swap" with the two halves of its
    rows exchanged; "matrix" a 1x1 convolution as a matrix; "transposed".
    """

    name: str
    part: str = ""


Rename: TypeAlias = Callable[[str], Iterable[Target]]


def take(tensor: Tensor, part: str) -> Tensor:
    """The part of `tensor` that a `Target` names."""
    if not part:
        return tensor
    if part == "swap":
        first, second = tensor.chunk(2)
        return _cat(second, first)
    if part == "matrix":
        return tensor.reshape(tensor.shape[:2]) if tensor.ndim > 2 else tensor
    if part == "transposed":
        return tensor.T.contiguous()
    if ":" in part:
        start, stop = map(int, part.split(":"))
        return tensor[start:stop]
    index, count = map(int, part.split("/"))
    return tensor.chunk(count)[index]


def _cat(*parts: Tensor) -> Tensor:
    import torch

    return torch.cat(parts)


def convert(name: str, tensors: Tensors, config: dict[str, Any]) -> Tensors:
    """Apply the conversion `name`; an empty name leaves the keys as they are."""
    if not name:
        return tensors
    rename = CONVERSIONS[name](config)
    return {
        target.name: take(tensor, target.part) for key, tensor in tensors.items() for target in rename(key)
    }  # fmt: skip


# --- text encoders ------------------------------------------------------------------------------------------------


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


# --- the latent-diffusion U-Net and its ControlNet ----------------------------------------------------------------

UNET = {
    "time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2",
    "input_blocks.0.0": "conv_in", "out.0": "conv_norm_out", "out.2": "conv_out",
    "input_hint_block.0": "controlnet_cond_embedding.conv_in",
    "input_hint_block.14": "controlnet_cond_embedding.conv_out",
    "middle_block_out.0": "controlnet_mid_block",
}  # fmt: skip
RES_BLOCK = {
    "in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj", "out_layers.0": "norm2",
    "out_layers.3": "conv2", "skip_connection": "conv_shortcut",
}  # fmt: skip


def unet_module(name: str, res_blocks: int) -> str:
    """The module of diffusers' U-Net for a module of the latent-diffusion one.

    >>> unet_module("input_blocks.4.1.proj_in", 2)
    'down_blocks.1.attentions.0.proj_in'
    """
    if name in UNET:
        return UNET[name]
    if match := re.fullmatch(r"(?:zero_convs)\.(\d+)\.0", name):
        return f"controlnet_down_blocks.{match[1]}"
    if match := re.fullmatch(r"input_hint_block\.(\d+)", name):
        return f"controlnet_cond_embedding.blocks.{int(match[1]) // 2 - 1}"
    if match := re.fullmatch(r"middle_block\.(\d+)\.(.+)", name):
        index, rest = int(match[1]), match[2]
        if index == 1:
            return f"mid_block.attentions.0.{rest}"
        return f"mid_block.resnets.{index // 2}.{RES_BLOCK.get(rest, rest)}"
    match = re.fullmatch(r"(input|output)_blocks\.(\d+)\.(\d+)\.(.+)", name)
    if match is None:
        return name
    side, index, part, rest = match[1], int(match[2]), int(match[3]), match[4]
    if side == "input":
        level, place = divmod(index - 1, res_blocks + 1)
        if rest == "op":
            return f"down_blocks.{level}.downsamplers.0.conv"
        block = f"down_blocks.{level}"
    else:
        level, place = divmod(index, res_blocks + 1)
        if rest == "conv":
            return f"up_blocks.{level}.upsamplers.0.conv"
        block = f"up_blocks.{level}"
    if part == 0:
        return f"{block}.resnets.{place}.{RES_BLOCK.get(rest, rest)}"
    return f"{block}.attentions.{place}.{rest}"


def ldm_unet(config: dict[str, Any]) -> Rename:
    """Stable Diffusion's U-Net and ControlNets in the original layout."""
    res_blocks = int(config["layers_per_block"])

    def rename(key: str) -> Iterable[Target]:
        module, _, kind = key.rpartition(".")
        yield Target(f"{unet_module(module, res_blocks)}.{kind}")

    return rename


RES_BLOCK_BACK = {here: there for there, here in RES_BLOCK.items()}
UNET_BACK = {here: there for there, here in UNET.items()}


def original_module(module: str, layers: int) -> str:
    """The latent-diffusion name of a module of diffusers' U-Net: the inverse of `unet_module`."""
    if module in UNET_BACK:
        return UNET_BACK[module]
    if match := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", module):
        if match[1] == "attentions":
            return f"middle_block.1.{match[3]}"
        return f"middle_block.{2 * int(match[2])}.{RES_BLOCK_BACK.get(match[3], match[3])}"
    match = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)", module)
    if match is None:
        return module
    side, level, kind, place, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    if side == "down":
        if kind == "downsamplers":
            return f"input_blocks.{(level + 1) * (layers + 1)}.0.op"
        block = f"input_blocks.{1 + level * (layers + 1) + place}"
    else:
        if kind == "upsamplers":
            return f"output_blocks.{level * (layers + 1) + layers}.2.conv"
        block = f"output_blocks.{level * (layers + 1) + place}"
    return f"{block}.0.{RES_BLOCK_BACK.get(rest, rest)}" if kind == "resnets" else f"{block}.1.{rest}"


# --- the autoencoder ----------------------------------------------------------------------------------------------

VAE_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}


def ldm_vae(config: dict[str, Any]) -> Rename:
    """Stable Diffusion's autoencoder in the original layout."""
    levels = len(config["block_out_channels"])

    def rename(key: str) -> Iterable[Target]:
        if match := re.fullmatch(r"(encoder|decoder)\.mid\.attn_1\.(\w+)\.(weight|bias)", key):
            name = f"{match[1]}.mid_block.attentions.0.{VAE_ATTENTION[match[2]]}.{match[3]}"
            yield Target(name, "matrix" if match[3] == "weight" and match[2] != "norm" else "")
            return
        key = re.sub(r"\.mid\.block_(\d)", lambda m: f".mid_block.resnets.{int(m[1]) - 1}", key)
        key = re.sub(r"encoder\.down\.(\d+)\.block\.", r"encoder.down_blocks.\1.resnets.", key)
        key = re.sub(r"encoder\.down\.(\d+)\.downsample\.", r"encoder.down_blocks.\1.downsamplers.0.", key)
        for old, new in (("block", "resnets"), ("upsample", "upsamplers.0")):
            key = re.sub(
                rf"decoder\.up\.(\d+)\.{old}\.",
                lambda m, new=new: f"decoder.up_blocks.{levels - 1 - int(m[1])}.{new}.",
                key,
            )
        yield Target(key.replace("nin_shortcut", "conv_shortcut").replace(".norm_out.", ".conv_norm_out."))

    return rename


# --- transformers -------------------------------------------------------------------------------------------------

SD3 = {
    "pos_embed": "pos_embed.pos_embed", "x_embedder.proj": "pos_embed.proj",
    "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
    "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
    "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
    "context_embedder": "context_embedder", "final_layer.linear": "proj_out",
}  # fmt: skip
SD3_BLOCK = {
    "x_block.attn.proj": "attn.to_out.0", "context_block.attn.proj": "attn.to_add_out",
    "x_block.attn2.proj": "attn2.to_out.0",
    "x_block.attn.ln_q": "attn.norm_q", "x_block.attn.ln_k": "attn.norm_k",
    "context_block.attn.ln_q": "attn.norm_added_q", "context_block.attn.ln_k": "attn.norm_added_k",
    "x_block.attn2.ln_q": "attn2.norm_q", "x_block.attn2.ln_k": "attn2.norm_k",
    "x_block.adaLN_modulation.1": "norm1.linear", "context_block.adaLN_modulation.1": "norm1_context.linear",
    "x_block.mlp.fc1": "ff.net.0.proj", "x_block.mlp.fc2": "ff.net.2",
    "context_block.mlp.fc1": "ff_context.net.0.proj", "context_block.mlp.fc2": "ff_context.net.2",
}  # fmt: skip
SD3_QKV = {
    "x_block.attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "context_block.attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
}


def sd3(config: dict[str, Any]) -> Rename:
    """SD3's transformer in the original layout. Its last modulations come as (shift, scale), here (scale, shift)."""
    last = int(config["num_layers"]) - 1

    def rename(key: str) -> Iterable[Target]:
        if key == "pos_embed":
            yield Target("pos_embed.pos_embed")
            return
        module, _, kind = key.rpartition(".")
        if module == "final_layer.adaLN_modulation.1":
            yield Target(f"norm_out.linear.{kind}", "swap")
        elif match := re.fullmatch(r"joint_blocks\.(\d+)\.(.+)", module):
            block, rest = f"transformer_blocks.{match[1]}", match[2]
            if rest in SD3_QKV:
                for index, name in enumerate(SD3_QKV[rest]):
                    yield Target(f"{block}.{name}.{kind}", f"{index}/3")
            else:
                swap = rest == "context_block.adaLN_modulation.1" and int(match[1]) == last
                yield Target(f"{block}.{SD3_BLOCK.get(rest, rest)}.{kind}", "swap" if swap else "")
        else:
            yield Target(f"{SD3.get(module, module)}.{kind}")

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
FLUX_DOUBLE = {
    "img_mod.lin": "norm1.linear", "txt_mod.lin": "norm1_context.linear",
    "img_attn.proj": "attn.to_out.0", "txt_attn.proj": "attn.to_add_out",
    "img_attn.norm.query_norm": "attn.norm_q", "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q", "txt_attn.norm.key_norm": "attn.norm_added_k",
    "img_mlp.0": "ff.net.0.proj", "img_mlp.2": "ff.net.2",
    "txt_mlp.0": "ff_context.net.0.proj", "txt_mlp.2": "ff_context.net.2",
}  # fmt: skip
FLUX_QKV = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
}
FLUX_SINGLE = {
    "modulation.lin": "norm.linear", "linear2": "proj_out",
    "norm.query_norm": "attn.norm_q", "norm.key_norm": "attn.norm_k",
}  # fmt: skip


def flux(config: dict[str, Any]) -> Rename:
    """Flux's transformer in the original layout."""
    width = int(config["num_attention_heads"]) * int(config["attention_head_dim"])

    def rename(key: str) -> Iterable[Target]:
        module, _, kind = key.rpartition(".")
        kind = "weight" if kind == "scale" else kind
        if module == "final_layer.adaLN_modulation.1":
            yield Target(f"norm_out.linear.{kind}", "swap")
        elif match := re.fullmatch(r"double_blocks\.(\d+)\.(.+)", module):
            block, rest = f"transformer_blocks.{match[1]}", match[2]
            if rest in FLUX_QKV:
                for index, name in enumerate(FLUX_QKV[rest]):
                    yield Target(f"{block}.{name}.{kind}", f"{index}/3")
            else:
                yield Target(f"{block}.{FLUX_DOUBLE.get(rest, rest)}.{kind}")
        elif match := re.fullmatch(r"single_blocks\.(\d+)\.(.+)", module):
            block, rest = f"single_transformer_blocks.{match[1]}", match[2]
            if rest == "linear1":
                for index, name in enumerate(("attn.to_q", "attn.to_k", "attn.to_v")):
                    yield Target(f"{block}.{name}.{kind}", f"{index * width}:{(index + 1) * width}")
                yield Target(f"{block}.proj_mlp.{kind}", f"{3 * width}:{7 * width}")
            else:
                yield Target(f"{block}.{FLUX_SINGLE.get(rest, rest)}.{kind}")
        else:
            yield Target(f"{FLUX.get(module, module)}.{kind}")

    return rename


CONVERSIONS: dict[str, Callable[[dict[str, Any]], Rename]] = {
    "text_model": text_model, "open_clip": open_clip, "t5": t5, "ldm_unet": ldm_unet, "ldm_vae": ldm_vae, "sd3": sd3,
    "flux": flux, "clip_vision": clip_vision,
}  # fmt: skip
