"""Which ControlNet a file or folder holds, from its header or configuration. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeflow import NodeError

from . import folder
from .detect import kind, looks_like
from .families import unet
from .header import Header, read_header
from .spec import Source

PUBLISHED_POOLED = 2048


@dataclass(frozen=True)
class ControlSpec:
    """A ControlNet. architecture: "unet" or "mmdit". latent_scale, latent_shift: of the hint's latent (mmdit).
    zero_pooled: it was trained without pooled text."""

    looks_like: str
    architecture: str
    config: dict[str, Any]
    source: Source
    latent_scale: float = 1.0
    latent_shift: float = 0.0
    zero_pooled: bool = False


def read_control(path: str | Path) -> ControlSpec:
    """Describe a ControlNet.

    Raises:
        NodeError: if the file or folder is none; says what it is.
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    header = read_header(path)
    if kind(header) != "controlnet":
        raise NodeError(f"{path}: expected a ControlNet, this is {looks_like(header)}")
    if (path.parent / "config.json").is_file() and "controlnet_cond_embedding.conv_in.weight" in header.tensors:
        return _folder(path.parent)
    for prefix in ("control_model.", ""):
        if (shape := unet.measure(header, prefix)) is not None:
            return _original(header, prefix, shape)
    if "controlnet_cond_embedding.conv_in.weight" in header.tensors:
        return _diffusers_file(header)
    raise NodeError(
        f"{path}: a ControlNet of a kind that cannot be loaded from a single file: use its diffusers folder "
        "(with config.json in it)"
    )


def _original(header: Header, prefix: str, shape: unet.Shape) -> ControlSpec:
    family = unet.FAMILIES.get(shape.context)
    if family is None:
        raise NodeError(f"{header.path}: a ControlNet whose text is {shape.context} wide: no published model")
    config = unet.configuration(shape, family) | {"conditioning_channels": _hint_channels(header, prefix)}
    looks = f"a ControlNet for {unet.NAMES[family]}"
    return ControlSpec(looks, "unet", config, Source((header.path,), prefix, "ldm_unet"))


def _hint_channels(header: Header, prefix: str) -> int:
    shape = header.shape(f"{prefix}input_hint_block.0.weight")
    return shape[1] if shape else 3


def _diffusers_file(header: Header) -> ControlSpec:
    """A single file in diffusers' layout: its shape, told from its keys as the original's is."""
    translated = unet.as_original(header)
    shape = unet.measure(translated, "")
    if shape is None:
        raise NodeError(f"{header.path}: a ControlNet in diffusers' layout whose shape cannot be told from its keys")
    spec = _original(translated, "", shape)
    return ControlSpec(spec.looks_like, "unet", spec.config, Source((header.path,)))


def _folder(path: Path) -> ControlSpec:
    if folder.is_folder(path):
        raise NodeError(f"{path}: expected a ControlNet's folder, this is a whole model's; name the ControlNet's own")
    config = folder.read_component(path)
    name = str(config.get("_class_name", ""))
    source = Source(folder.weight_files(path))
    if name == "ControlNetModel":
        return ControlSpec("a ControlNet folder", "unet", config, source)
    if name == "SD3ControlNetModel":
        published = int(config.get("pooled_projection_dim", PUBLISHED_POOLED)) == PUBLISHED_POOLED
        scale = (1.5305, 0.0609) if published else (1.0, 0.0)
        zero = published and bool(config.get("force_zeros_for_pooled_projection", True))
        return ControlSpec("a ControlNet folder of SD3's kind", "mmdit", config, source, *scale, zero)
    raise NodeError(f"{path}: a {name or 'folder without _class_name'}; expected ControlNetModel or SD3ControlNetModel")
