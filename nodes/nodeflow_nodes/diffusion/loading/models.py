"""What a model file or folder holds: the one question that the loader nodes and the weights loaders ask. No torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from nodeflow import NodeError

from . import folder
from .families.text import NAMES, join
from .spec import DenoiserSpec, EncoderSpec, ModelSpec, TextSpec, VaeSpec


def read_model(path: str | Path) -> ModelSpec:
    """Describe a checkpoint: a diffusers folder or a single safetensors file.

    Raises:
        NodeError: if it is neither, is damaged, or is of a kind that cannot be loaded; says what it looks like.
    """
    path = Path(path)
    if path.is_dir():
        if folder.is_folder(path):
            return folder.read_folder(path)
        if (path / "config.json").is_file():
            return folder.read_single_component(path)
        inside = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
        raise NodeError(f"{path}: no model: expected model_index.json or config.json in the folder, found {inside}")
    from .detect import describe

    return describe(path)


def denoiser_of(path: str | Path) -> DenoiserSpec:
    spec = read_model(path)
    if spec.denoiser is None:
        raise NodeError(f"{path}: {spec.looks_like}, without a denoiser; expected a checkpoint or a diffusion model")
    return spec.denoiser


def vae_of(path: str | Path) -> VaeSpec:
    spec = read_model(path)
    if spec.vae is None:
        raise NodeError(f"{path}: {spec.looks_like}, without a VAE: load one with diffusion/load_vae")
    return spec.vae


def texts_of(path: str | Path, options: dict[str, Any] | None = None) -> TextSpec:
    """The text encoders of a checkpoint, or of the files that `options` names (see `load_text_encoder`)."""
    options = options or {}
    if "files" not in options:
        return _texts(path)
    encoders: list[EncoderSpec] = []
    for name, _ in options["files"]:
        encoders += _texts(name).encoders
    vocabulary = options.get("t5_vocabulary")
    encoders = [
        replace(e, tokenizer=Path(vocabulary)) if vocabulary and e.architecture == "t5" and e.tokenizer is None else e
        for e in encoders
    ]
    if not options.get("use_t5", True):
        encoders = [e for e in encoders if e.role != "t5"]
    if not encoders:
        raise NodeError(f"{path}: no text encoder is left without T5")
    roles = [e.role for e in encoders]
    if len(set(roles)) < len(roles):
        raise NodeError(f"two text encoders of the same kind: {', '.join(NAMES[r] for r in roles)}")
    family = options.get("family", "auto")
    return join(_family(set(roles)) if family == "auto" else family, encoders)


def _family(roles: set[str]) -> str:
    if "t5" in roles:
        return "sd3" if "g" in roles or roles == {"t5"} else "flux"
    if "g" in roles:
        return "sdxl" if "l" in roles else "sdxl_refiner"
    return "sd2" if "h" in roles else "sd1"


def _texts(path: str | Path) -> TextSpec:
    spec = read_model(path)
    if spec.text is None:
        raise NodeError(f"{path}: {spec.looks_like}, without text encoders: load them with diffusion/load_text_encoder")
    return spec.text
