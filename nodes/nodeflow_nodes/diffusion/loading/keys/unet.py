"""The latent-diffusion U-Net, its ControlNet and its autoencoder in the original layout."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .target import Rename, Target

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
