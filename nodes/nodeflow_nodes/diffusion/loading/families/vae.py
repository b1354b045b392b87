"""Stable Diffusion's autoencoder (and Flux's, and SD3's) in the original and in diffusers' layout; the tiny one."""

from __future__ import annotations

from typing import Any

from nodeflow_nodes.diffusion.loading.header import Header
from nodeflow_nodes.diffusion.loading.spec import Source, VaeSpec


def describe(header: Header, prefix: str) -> VaeSpec | None:
    """An autoencoder below `prefix`, or None."""
    first = header.shape(f"{prefix}encoder.conv_in.weight")
    latent = header.shape(f"{prefix}decoder.conv_in.weight")
    if first is None or latent is None:
        return None
    original = f"{prefix}encoder.down.0.block.0.conv1.weight" in header.tensors
    level = "encoder.down.{}.block.{}" if original else "encoder.down_blocks.{}.resnets.{}"
    widths: list[int] = []
    while shape := header.shape(prefix + level.format(len(widths), 0) + ".conv1.weight"):
        widths.append(shape[0])
    layers = 0
    while header.shape(prefix + level.format(0, layers) + ".conv1.weight"):
        layers += 1
    attention = "encoder.mid.attn_1.norm.weight" if original else "encoder.mid_block.attentions.0.group_norm.weight"
    config: dict[str, Any] = {
        "in_channels": first[1],
        "out_channels": (header.shape(f"{prefix}decoder.conv_out.weight") or (3,))[0],
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "block_out_channels": widths,
        "layers_per_block": layers,
        "latent_channels": latent[1],
        "norm_num_groups": 32,
        "use_quant_conv": f"{prefix}quant_conv.weight" in header.tensors,
        "use_post_quant_conv": f"{prefix}post_quant_conv.weight" in header.tensors,
        "mid_block_add_attention": prefix + attention in header.tensors,
    }
    source = Source((header.path,), prefix, "ldm_vae" if original else "")
    return VaeSpec("kl", config, source, latent[1], 2 ** (len(widths) - 1))
