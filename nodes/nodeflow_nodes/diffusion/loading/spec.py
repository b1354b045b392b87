"""Descriptions of loadable components: what to build, from which files, with which conventions. Plain data, no torch.

`folder` (diffusers folders) and `detect` (single files) write them; `build` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """Where the tensors of a component are.

    files: safetensors files; a tensor is in exactly one of them. prefix: what its keys start with; it is taken off.
    convert: name of the key conversion to apply then (`loading.convert`), or empty.
    """

    files: tuple[Path, ...]
    prefix: str = ""
    convert: str = ""


@dataclass(frozen=True)
class DenoiserSpec:
    """A denoiser; the fields from `family` to `downscale` are those of the protocol `diffusion.denoiser.Denoiser`.

    architecture: "mmdit", "unet", "flux" or "pixart". config: diffusers' configuration of that class.
    """

    family: str
    architecture: str
    config: dict[str, Any]
    source: Source
    parametrisation: str = "eps"
    sigma_table: dict[str, Any] = field(default_factory=lambda: {"kind": "discrete"})
    latent_channels: int = 4
    in_channels: int = 4
    latent_scale: float = 1.0
    latent_shift: float = 0.0
    downscale: int = 8


@dataclass(frozen=True)
class VaeSpec:
    """An image autoencoder. architecture: "tiny" or "kl"."""

    architecture: str
    config: dict[str, Any]
    source: Source
    latent_channels: int = 4
    downscale: int = 8


@dataclass(frozen=True)
class EncoderSpec:
    """One text encoder.

    architecture: "clip" or "t5". role: "l", "g", "h" (CLIP sizes), "t5", or "own" (its own tokenizer, no known role).
    tokenizer: a folder or file to read the vocabulary from; None: CLIP's published one, which nodeflow ships.
    length: tokens in a chunk, with start and end (T5: the least number). pad: id that fills a chunk (None: the end
    token).
    skip, normed: which hidden state counts by default, and whether the final layer norm is applied to it.
    """

    architecture: str
    role: str
    config: dict[str, Any]
    source: Source
    tokenizer: Path | None = None
    length: int = 77
    pad: int | None = None
    skip: int = 1
    normed: bool = True


@dataclass(frozen=True)
class TextSpec:
    """The text encoders of a family and how their outputs are joined: "single", "sdxl", "sd3" or "flux"."""

    family: str
    joining: str
    encoders: tuple[EncoderSpec, ...]


@dataclass(frozen=True)
class ModelSpec:
    """What a file or folder holds; a part that is not there is None. `looks_like` says it in words, for messages."""

    looks_like: str
    denoiser: DenoiserSpec | None = None
    text: TextSpec | None = None
    vae: VaeSpec | None = None

    def but(self, **changes: Any) -> ModelSpec:
        return replace(self, **changes)
