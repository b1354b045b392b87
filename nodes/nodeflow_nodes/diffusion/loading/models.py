"""What a model file or folder holds: the one question that the loader nodes and the weights loaders ask. No torch."""

from __future__ import annotations

from pathlib import Path

from nodeflow import NodeError

from . import folder
from .spec import DenoiserSpec, ModelSpec, TextSpec, VaeSpec


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


def text_of(path: str | Path) -> TextSpec:
    spec = read_model(path)
    if spec.text is None:
        raise NodeError(f"{path}: {spec.looks_like}, without text encoders: load them with diffusion/load_text_encoder")
    return spec.text
