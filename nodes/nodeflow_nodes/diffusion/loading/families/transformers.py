"""SD3, SD3.5, Flux and PixArt: diffusion transformers in their original layouts."""

from __future__ import annotations

import re

from nodeflow_nodes.diffusion.loading.header import Header
from nodeflow_nodes.diffusion.loading.spec import DenoiserSpec, Source

SD3_SHIFT = 3.0
FLUX_SHIFT = 1.15
FLUX_HEAD = 128
PIXART_TABLE = {"kind": "discrete", "beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02}
SIGMA_TOKENS = 300
"""Tokens of PixArt-Σ's empty prompt; PixArt-α's has 120."""


def count(header: Header, prefix: str, name: str) -> int:
    """How many blocks `name.0`, `name.1`, ... there are below `prefix`."""
    pattern = re.compile(re.escape(prefix + name) + r"\.(\d+)\.")
    return max((int(m[1]) + 1 for key in header.tensors if (m := pattern.match(key))), default=0)


def describe_sd3(header: Header, prefix: str) -> DenoiserSpec | None:
    """SD3's transformer: its width is 64 times its depth; `ln_q` means normed queries, `attn2` dual layers (3.5)."""
    layers = count(header, prefix, "joint_blocks")
    patches = header.shape(f"{prefix}x_embedder.proj.weight")
    positions = header.shape(f"{prefix}pos_embed")
    context = header.shape(f"{prefix}context_embedder.weight")
    pooled = header.shape(f"{prefix}y_embedder.mlp.0.weight")
    out = header.shape(f"{prefix}final_layer.linear.weight")
    if not layers or not patches or not positions or not context or not pooled or not out:
        return None
    width, channels, patch = patches[0], patches[1], patches[2]
    heads = layers if width == 64 * layers else width // 64
    dual = [i for i in range(layers) if f"{prefix}joint_blocks.{i}.x_block.attn2.qkv.weight" in header.tensors]
    config = {
        "sample_size": 128,
        "patch_size": patch,
        "in_channels": channels,
        "out_channels": out[0] // (patch * patch),
        "num_layers": layers,
        "attention_head_dim": width // heads,
        "num_attention_heads": heads,
        "joint_attention_dim": context[1],
        "caption_projection_dim": width,
        "pooled_projection_dim": pooled[1],
        "pos_embed_max_size": round(positions[-2] ** 0.5),
        "dual_attention_layers": dual,
        "qk_norm": "rms_norm" if f"{prefix}joint_blocks.0.x_block.attn.ln_q.weight" in header.tensors else None,
    }
    return DenoiserSpec(
        family="sd3",
        architecture="mmdit",
        config=config,
        source=Source((header.path,), prefix, "sd3"),
        parametrisation="flow",
        sigma_table={"kind": "flow", "shift": SD3_SHIFT},
        latent_channels=16,
        in_channels=channels,
        latent_scale=1.5305,
        latent_shift=0.0609,
    )


def describe_flux(header: Header, prefix: str) -> DenoiserSpec | None:
    """Flux's transformer: heads of 128; `guidance_in` means that guidance is an input (dev)."""
    double, single = count(header, prefix, "double_blocks"), count(header, prefix, "single_blocks")
    inputs = header.shape(f"{prefix}img_in.weight")
    context = header.shape(f"{prefix}txt_in.weight")
    pooled = header.shape(f"{prefix}vector_in.in_layer.weight")
    out = header.shape(f"{prefix}final_layer.linear.weight")
    if not double or not inputs or not context or not pooled or not out:
        return None
    guidance = f"{prefix}guidance_in.in_layer.weight" in header.tensors
    config = {
        "patch_size": 1,
        "in_channels": inputs[1],
        "out_channels": out[0],
        "num_layers": double,
        "num_single_layers": single,
        "attention_head_dim": FLUX_HEAD,
        "num_attention_heads": inputs[0] // FLUX_HEAD,
        "joint_attention_dim": context[1],
        "pooled_projection_dim": pooled[1],
        "guidance_embeds": guidance,
        "axes_dims_rope": [16, 56, 56],
    }
    return DenoiserSpec(
        family="flux",
        architecture="flux",
        config=config,
        source=Source((header.path,), prefix, "flux"),
        parametrisation="flow",
        sigma_table={"kind": "flux", "shift": FLUX_SHIFT if guidance else 0.0},
        latent_channels=16,
        in_channels=inputs[1] // 4,
        latent_scale=0.3611,
        latent_shift=0.1159,
    )


def describe_pixart(header: Header, prefix: str) -> DenoiserSpec | None:
    """PixArt's transformer: 16 heads; `csize_embedder` means that it reads the picture's size (α, 1024 pixels).

    The picture's size that it was trained on is that of `pos_embed`, which is stored but not read; if it is not there,
    512 pixels for α without `csize_embedder`, else 1024.
    """
    layers = count(header, prefix, "blocks")
    patches = header.shape(f"{prefix}x_embedder.proj.weight")
    text = header.shape(f"{prefix}y_embedder.y_proj.fc1.weight")
    out = header.shape(f"{prefix}final_layer.linear.weight")
    if not layers or f"{prefix}t_block.1.weight" not in header.tensors or not patches or not text or not out:
        return None
    width, channels, patch = patches[0], patches[1], patches[2]
    places = header.shape(f"{prefix}pos_embed")
    sized = f"{prefix}csize_embedder.mlp.0.weight" in header.tensors
    empty = header.shape(f"{prefix}y_embedder.y_embedding")
    newer = empty is not None and empty[0] == SIGMA_TOKENS
    side = round(places[-2] ** 0.5) * patch if places else 128 if sized or newer else 64
    scale = side / 64 if newer else max(side // 64, 1)
    config = {
        "num_attention_heads": 16,
        "attention_head_dim": width // 16,
        "in_channels": channels,
        "out_channels": out[0] // (patch * patch),
        "num_layers": layers,
        "cross_attention_dim": width,
        "sample_size": side,
        "patch_size": patch,
        "caption_channels": text[1],
        "interpolation_scale": scale,
        "use_additional_conditions": sized,
    }
    return DenoiserSpec(
        family="pixart",
        architecture="pixart",
        config=config,
        source=Source((header.path,), prefix, "pixart"),
        sigma_table=dict(PIXART_TABLE),
        latent_channels=channels,
        in_channels=channels,
        latent_scale=0.18215,
    )
