"""Stable Diffusion 1, 2, XL and XL's refiner: the latent-diffusion U-Net, whatever its width and depth.

Signs (NUMERICS §9): the text's width tells the family, `input_blocks.i.0.op` the levels, `out_layers.3` the widths,
`transformer_blocks` the depths. diffusers calls the *number* of heads `attention_head_dim`.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import Any

from nodeflow import NodeError
from nodeflow_nodes.diffusion.loading.header import Header
from nodeflow_nodes.diffusion.loading.keys.unet import original_module
from nodeflow_nodes.diffusion.loading.spec import DenoiserSpec, Source

FAMILIES = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl_refiner"}
NAMES = {"sd1": "Stable Diffusion 1", "sd2": "Stable Diffusion 2", "sdxl": "SDXL", "sdxl_refiner": "SDXL refiner"}
SCALES = {"sd1": 0.18215, "sd2": 0.18215, "sdxl": 0.13025, "sdxl_refiner": 0.13025}
HEAD = 64


@dataclass(frozen=True)
class Shape:
    """A U-Net's shape as its keys tell it. depths: transformer blocks by input block; mid: those in the middle."""

    res_blocks: int
    widths: tuple[int, ...]
    down: tuple[tuple[int, ...], ...]
    up: tuple[tuple[int, ...], ...]
    mid: int | None
    context: int
    in_channels: int
    out_channels: int
    linear: bool
    added: int | None


def measure(header: Header, prefix: str) -> Shape | None:
    """Measure a U-Net (or a ControlNet, which is the first half of one) below `prefix`."""
    first = header.shape(f"{prefix}input_blocks.0.0.weight")
    if first is None or len(first) != 4:
        return None
    numbers: set[int] = set()
    downs: set[int] = set()
    depths: dict[tuple[str, int], int] = {}
    mid: int | None = None
    pattern = re.compile(re.escape(prefix) + r"(input|middle|output)_blocks?\.(\d+)\.(.*)")
    for key in header.tensors:
        match = pattern.match(key)
        if not match:
            continue
        side, number, rest = match[1], int(match[2]), match[3]
        if side == "input":
            numbers.add(number)
            if rest == "0.op.weight":
                downs.add(number)
        if side == "middle":
            mid = mid or 0
            if number == 1 and (block := re.match(r"transformer_blocks\.(\d+)\.", rest)):
                mid = max(mid, int(block[1]) + 1)
        elif block := re.match(r"1\.transformer_blocks\.(\d+)\.", rest):
            depths[side, number] = max(depths.get((side, number), 0), int(block[1]) + 1)
    levels = len(downs) + 1
    per_level = (min(downs) if downs else max(numbers) + 1) - 1
    widths, down = [], []
    for level in range(levels):
        start = 1 + level * (per_level + 1)
        shape = header.shape(f"{prefix}input_blocks.{start}.0.out_layers.3.weight")
        if shape is None:
            return None
        widths.append(shape[0])
        down.append(tuple(depths.get(("input", start + i), 0) for i in range(per_level)))
    up = [
        tuple(depths.get(("output", level * (per_level + 1) + i), 0) for i in range(per_level + 1))
        for level in range(levels)
    ]
    context = _first(header, prefix, ".attn2.to_k.weight")
    linear = _first(header, prefix, ".proj_in.weight")
    added = header.shape(f"{prefix}label_emb.0.0.weight")
    out = header.shape(f"{prefix}out.2.weight")
    return Shape(
        res_blocks=per_level,
        widths=tuple(widths),
        down=tuple(down),
        up=tuple(up),
        mid=mid,
        context=context[1] if context else 0,
        in_channels=first[1],
        out_channels=out[0] if out else 4,
        linear=linear is not None and len(linear) == 2,
        added=added[1] if added else None,
    )


def _first(header: Header, prefix: str, ending: str) -> tuple[int, ...] | None:
    return next((e.shape for key, e in header.tensors.items() if key.endswith(ending) and key.startswith(prefix)), None)


def configuration(shape: Shape, family: str) -> dict[str, Any]:
    """diffusers' `UNet2DConditionModel` configuration."""
    heads: Any = 8 if family == "sd1" else [width // HEAD for width in shape.widths]
    mid = shape.mid or 0
    down = [_depth(blocks) for blocks in shape.down]
    if down[-1] == 0 and mid:
        down[-1] = mid
    config: dict[str, Any] = {
        "sample_size": 128 if family.startswith("sdxl") else 64,
        "in_channels": shape.in_channels,
        "out_channels": shape.out_channels,
        "block_out_channels": list(shape.widths),
        "layers_per_block": shape.res_blocks,
        "cross_attention_dim": shape.context,
        "down_block_types": ["CrossAttnDownBlock2D" if any(b) else "DownBlock2D" for b in shape.down],
        "up_block_types": ["CrossAttnUpBlock2D" if any(b) else "UpBlock2D" for b in shape.up],
        "mid_block_type": "UNetMidBlock2DCrossAttn" if mid else "UNetMidBlock2D",
        "transformer_layers_per_block": [d or 1 for d in down],
        "attention_head_dim": heads,
        "use_linear_projection": shape.linear,
    }
    up = [_depth(blocks) for blocks in shape.up]
    if up and any(up) and [d or 1 for d in up] != [d or 1 for d in (_depth(b) for b in reversed(shape.down))]:
        config["reverse_transformer_layers_per_block"] = [d or 1 for d in up]
    if shape.added:
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": shape.added,
        }
    return config


def _depth(blocks: tuple[int, ...]) -> Any:
    """Transformer blocks of a level: a number, or a list where they differ."""
    return blocks[0] if len(set(blocks)) == 1 else [b or 1 for b in blocks]


def describe(header: Header, prefix: str) -> DenoiserSpec | None:
    """A U-Net below `prefix`, or None."""
    shape = measure(header, prefix)
    if shape is None or not any(f"{prefix}output_blocks.0.0.{n}" in header.tensors for n in ("in_layers.0.weight",)):
        return None
    family = FAMILIES.get(shape.context)
    if family is None or (shape.added is not None) != family.startswith("sdxl"):
        raise NodeError(
            f"{header.path}: a latent-diffusion U-Net whose text is {shape.context} wide"
            f"{'' if shape.added is None else f', with {shape.added} added numbers'}: no published model; "
            "expected 768 (SD1), 1024 (SD2), 2048 (SDXL) or 1280 (refiner)"
        )
    config = configuration(shape, family)
    parametrisation, table = _prediction(header, prefix, family)
    return DenoiserSpec(
        family=family,
        architecture="unet",
        config=config,
        source=Source((header.path,), prefix, "ldm_unet"),
        parametrisation=parametrisation,
        sigma_table=table,
        latent_channels=4,
        in_channels=shape.in_channels,
        latent_scale=SCALES[family],
    )


def _prediction(header: Header, prefix: str, family: str) -> tuple[str, dict[str, Any]]:
    """Whether the model predicts noise or velocity. SDXL files say so by a key; SD2 files by how far a bias spreads."""
    table = {"kind": "ztsnr" if "ztsnr" in header.tensors else "discrete"}
    if "v_pred" in header.tensors:
        return "v", table
    if family == "sd2":
        values = small_tensor(header, f"{prefix}output_blocks.11.1.transformer_blocks.0.norm1.bias")
        if values and deviation(values) > 0.09:
            return "v", table
    return "eps", table


def small_tensor(header: Header, key: str) -> list[float]:
    """The values of a small tensor, read without torch; empty if there is no such key."""
    entry = header.tensors.get(key)
    if entry is None or entry.stop - entry.start > 1 << 20:
        return []
    with header.path.open("rb") as file:
        file.seek(entry.start)
        raw = file.read(entry.stop - entry.start)
    if entry.dtype == "BF16":
        raw = b"".join(b"\0\0" + raw[i : i + 2] for i in range(0, len(raw), 2))
    code = {"F16": "e", "F32": "f", "BF16": "f", "F64": "d"}.get(entry.dtype)
    return list(struct.unpack(f"<{math.prod(entry.shape)}{code}", raw)) if code else []


def deviation(values: list[float]) -> float:
    """Standard deviation (with n - 1)."""
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1))


def as_original(header: Header) -> Header:
    """A header in diffusers' layout with the original's names, so that `measure` can read it.

    The blocks before the first downsampler tell how many a level has.
    """
    layers = sum(1 for key in header.tensors if re.fullmatch(r"down_blocks\.0\.resnets\.\d+\.conv1\.weight", key))
    renamed = {}
    for key, entry in header.tensors.items():
        module, _, ending = key.rpartition(".")
        renamed[f"{original_module(module, layers)}.{ending}"] = entry
    return Header(header.path, renamed, header.metadata, header.size)
