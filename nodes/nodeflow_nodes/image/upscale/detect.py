"""Which upscale network a safetensors file holds, told from its keys and shapes. No torch; a few milliseconds.

Known layouts:

- ESRGAN (Wang et al. 2018): three namings of one network. The first release's (`model.1.sub.0.RDB1.conv1.0`), the
  second's (`RRDB_trunk.0.RDB1.conv1`), and BasicSR's, which Real-ESRGAN uses (`body.0.rdb1.conv1`). Real-ESRGAN's
  networks for 2x and 1x see the picture with its pixels unshuffled into channels: 12 or 48 instead of 3.
- SRVGGNetCompact (Real-ESRGAN's small networks: realesr-general-x4v3, realesr-animevideov3): a plain stack.
- SPAN (`block_1.c1_r.sk`), and SwinIR (`layers.0.residual_group`) in its four forms.

Files that were converted from `.pth` may keep the wrapper's name in front (`params_ema.`, `params.`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodeflow import NodeError
from nodeflow_nodes.diffusion.loading.detect import KIND_NAMES, kind
from nodeflow_nodes.diffusion.loading.header import Header, read_header

WRAPPERS = ("", "params_ema.", "params.", "module.", "model_state_dict.")
KNOWN = "ESRGAN, Real-ESRGAN, SRVGGNetCompact, SPAN, SwinIR"


@dataclass(frozen=True)
class UpscaleSpec:
    """An upscale network.

    architecture: "rrdb", "compact", "span" or "swinir". config: arguments of its class. prefix: what the file's keys
    start with. names: the file's keys, without the prefix, by the network's own. scale: result pixels a source pixel.
    channels: of the pictures that it reads and makes, 1 (grey) or 3 (RGB).
    """

    path: Path
    architecture: str
    config: dict[str, Any]
    prefix: str
    scale: int
    channels: int
    names: dict[str, str] = field(default_factory=dict)


def read_upscaler(path: str | Path) -> UpscaleSpec:
    """Describe an upscale model.

    Raises:
        NodeError: if the file is damaged, pickled (`.pth`), something else, or an upscaler of a kind that is not known.
    """
    header = read_header(Path(path))
    for wrapper in WRAPPERS:
        keys = {key.removeprefix(wrapper): entry.shape for key, entry in header.tensors.items()}
        if wrapper and not all(key.startswith(wrapper) for key in header.tensors):
            continue
        for describe in (_rrdb, _compact, _span, _swinir):
            if (found := describe(header, keys, wrapper)) is not None:
                return found
    raise NodeError(f"{path}: {_looks(header)}")


def _looks(header: Header) -> str:
    found = kind(header)
    if found not in ("upscale", "unknown"):
        return f"expected an upscale model, this is {KIND_NAMES[found]}"
    names = list(header.tensors)
    shown = ", ".join(f"{n} {list(header.tensors[n].shape)}" for n in names[:3])
    return (
        f"no upscale model that is known ({KNOWN}). It has {len(names)} tensors, such as {shown or 'none'}; expected "
        "keys like model.1.sub.0.RDB1.conv1.0.weight, body.0.rdb1.conv1.weight or body.0.weight with body.1.weight"
    )


# --- ESRGAN -------------------------------------------------------------------------------------------------------

BLOCK = re.compile(r"(?:model\.1\.sub|RRDB_trunk|body)\.(\d+)\.(?:RDB|rdb)([123])\.conv([1-5])(?:\.0)?\.(weight|bias)")
SECOND = {"trunk_conv": "conv_body", "HRconv": "conv_hr", "conv_first": "conv_first", "conv_last": "conv_last"}


def _rrdb(header: Header, keys: dict[str, tuple[int, ...]], prefix: str) -> UpscaleSpec | None:
    names: dict[str, str] = {}
    blocks = 0
    rest = []
    for key in keys:
        if match := BLOCK.fullmatch(key):
            number, dense, conv, what = match.groups()
            names[f"body.{number}.rdb{dense}.conv{conv}.{what}"] = key
            blocks = max(blocks, int(number) + 1)
        else:
            rest.append(key)
    if not blocks:
        return None
    outer = _first_release(rest, blocks) if any(key.startswith("model.0.") for key in rest) else _later(rest)
    names |= outer
    shapes = {name: keys[key] for name, key in names.items()}
    first, last = shapes.get("conv_first.weight"), shapes.get("conv_last.weight")
    growth = shapes.get("body.0.rdb1.conv1.weight")
    unknown = sorted(keys.keys() - set(names.values()))
    if first is None or last is None or growth is None or unknown:
        raise NodeError(
            f"{header.path}: looks like ESRGAN, but "
            + (f"has unknown tensors such as {unknown[0]}" if unknown else "its first or last layer is missing")
        )
    ups = sum(name.startswith("conv_up") and name.endswith(".weight") for name in names)
    unshuffle = math.isqrt(first[1] // last[0])
    if unshuffle not in (1, 2, 4) or first[1] != last[0] * unshuffle**2 or 2**ups % unshuffle:
        raise NodeError(f"{header.path}: an ESRGAN that reads {first[1]} channels and makes {last[0]}: not understood")
    config = {
        "channels": last[0],
        "features": first[0],
        "growth": growth[0],
        "blocks": blocks,
        "ups": ups,
        "unshuffle": unshuffle,
    }
    return _spec(header, "rrdb", config, prefix, 2**ups // unshuffle, last[0], names)


def _first_release(keys: list[str], blocks: int) -> dict[str, str]:
    """Layers in one list with activations between: `model.0`, the trunk's end, upsampling ones, then the last two."""
    numbers = sorted({int(m[1]) for key in keys if (m := re.fullmatch(r"model\.(\d+)\.weight", key))} - {0})
    places = {"model.0": "conv_first", f"model.1.sub.{blocks}": "conv_body"}
    for place, number in enumerate(numbers):
        left = len(numbers) - place
        name = {1: "conv_last", 2: "conv_hr"}.get(left, f"conv_up{place + 1}")
        places[f"model.{number}"] = name
    return {f"{name}.{what}": f"{key}.{what}" for key, name in places.items() for what in ("weight", "bias")
            if f"{key}.{what}" in keys}  # fmt: skip


def _later(keys: list[str]) -> dict[str, str]:
    names = {}
    for key in keys:
        layer, _, what = key.rpartition(".")
        layer = SECOND.get(layer, layer)
        if match := re.fullmatch(r"(?:upconv|conv_up)(\d)", layer):
            layer = f"conv_up{match[1]}"
        if layer in ("conv_first", "conv_body", "conv_hr", "conv_last") or layer.startswith("conv_up"):
            names[f"{layer}.{what}"] = key
    return names


# --- Compact ------------------------------------------------------------------------------------------------------


def _compact(header: Header, keys: dict[str, tuple[int, ...]], prefix: str) -> UpscaleSpec | None:
    first = keys.get("body.0.weight")
    numbers = sorted({int(m[1]) for key in keys if (m := re.fullmatch(r"body\.(\d+)\.(?:weight|bias)", key))})
    if first is None or len(first) != 4 or len(numbers) < 3:
        return None
    last = keys.get(f"body.{numbers[-1]}.weight")
    if last is None or len(last) != 4 or numbers[-1] % 2:
        return None
    channels = first[1]
    scale = math.isqrt(last[0] // channels)
    learned = "body.1.weight" in keys
    if channels not in (1, 3) or last[0] != channels * scale**2:
        raise NodeError(
            f"{header.path}: a compact upscaler from {channels} to {last[0]} channels: expected 3 to 3, 12, 27 or 48"
        )
    config = {
        "channels": channels,
        "features": first[0],
        "layers": (numbers[-1] - 2) // 2,
        "scale": scale,
        "learned": learned,
    }
    return _spec(header, "compact", config, prefix, scale, channels, {key: key for key in keys})


# --- SPAN, SwinIR -------------------------------------------------------------------------------------------------


def _span(header: Header, keys: dict[str, tuple[int, ...]], prefix: str) -> UpscaleSpec | None:
    first, last = keys.get("conv_1.sk.weight"), keys.get("upsampler.0.weight")
    if first is None or last is None or "block_6.c3_r.sk.weight" not in keys:
        return None
    features, channels = first[:2]
    scale = math.isqrt(last[0] // channels)
    config = {"channels": channels, "features": features, "scale": scale, "normed": "no_norm" not in keys}
    return _spec(header, "span", config, prefix, scale, channels, {key: key for key in keys if key != "no_norm"})


COMPUTED = ("relative_position_index", "attn_mask")


def _swinir(header: Header, keys: dict[str, tuple[int, ...]], prefix: str) -> UpscaleSpec | None:
    table = keys.get("layers.0.residual_group.blocks.0.attn.relative_position_bias_table")
    first, hidden = keys.get("conv_first.weight"), keys.get("layers.0.residual_group.blocks.0.mlp.fc1.weight")
    if table is None or first is None or hidden is None:
        return None
    channels, window = first[1], (math.isqrt(table[0]) + 1) // 2
    groups = sum(key.endswith("blocks.0.norm1.weight") for key in keys)
    blocks = [f"layers.{group}.residual_group.blocks" for group in range(groups)]
    upsampler, factors, features = _swinir_end(keys, channels)
    config = {
        "channels": channels,
        "width": first[0],
        "depths": [
            sum(re.fullmatch(rf"{re.escape(b)}\.\d+\.norm1\.weight", key) is not None for key in keys) for b in blocks
        ],
        "heads": [keys[f"{b}.0.attn.relative_position_bias_table"][1] for b in blocks],
        "window": window,
        "hidden": hidden[0],
        "upsampler": upsampler,
        "factors": factors,
        "features": features,
        "three": "conv_after_body.0.weight" in keys,
        "span": 255.0 if window == 7 else 1.0,  # the models against JPEG's blocks
    }
    names = {key: key for key in keys if not key.endswith(COMPUTED)}
    return _spec(header, "swinir", config, prefix, math.prod(factors), channels, names)


def _swinir_end(keys: dict[str, tuple[int, ...]], channels: int) -> tuple[str, list[int], int]:
    """How a SwinIR enlarges: the form, the factors, and the features before."""
    before = keys.get("conv_before_upsample.0.weight")
    if before is None:
        if (direct := keys.get("upsample.0.weight")) is None:
            return "none", [], 0
        return "direct", [math.isqrt(direct[0] // channels)], 0
    if "conv_up1.weight" in keys:
        return "nearest", [2] * sum(re.fullmatch(r"conv_up\d\.weight", key) is not None for key in keys), before[0]
    shapes = [shape for key, shape in keys.items() if re.fullmatch(r"upsample\.\d+\.weight", key)]
    return "shuffle", [math.isqrt(shape[0] // shape[1]) for shape in shapes], before[0]


def _spec(
    header: Header,
    architecture: str,
    config: dict[str, Any],
    prefix: str,
    scale: int,
    channels: int,
    names: dict[str, str],
) -> UpscaleSpec:
    if channels not in (1, 3):
        raise NodeError(f"{header.path}: makes pictures of {channels} channels; expected 1 (grey) or 3 (RGB)")
    return UpscaleSpec(header.path, architecture, config, prefix, scale, channels, names)
