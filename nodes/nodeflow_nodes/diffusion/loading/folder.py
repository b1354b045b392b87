"""Diffusers folders: `model_index.json` and the components' configurations, read without torch or diffusers.

A folder says itself what it holds; the families' constants are needed only where a configuration leaves something out.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from nodeflow import NodeError

from .spec import DenoiserSpec, EncoderSpec, ModelSpec, Source, TextSpec, VaeSpec

TRANSFORMERS = {
    "SD3Transformer2DModel": "mmdit",
    "FluxTransformer2DModel": "flux",
    "PixArtTransformer2DModel": "pixart",
}
JOINING = {"sdxl": "sdxl", "sdxl_refiner": "sdxl", "sd3": "sd3", "flux": "flux"}
LATENTS = {
    "sd1": (0.18215, 0.0), "sd2": (0.18215, 0.0), "sdxl": (0.13025, 0.0), "sdxl_refiner": (0.13025, 0.0),
    "sd3": (1.5305, 0.0609), "flux": (0.3611, 0.1159), "pixart": (0.18215, 0.0),
}  # fmt: skip
"""Scale and shift of a family's latents, for a denoiser's folder without its VAE."""
CLIP_ROLES = {(768, 12): "l", (1280, 32): "g", (1024, 23): "h", (1024, 24): "h"}


def is_folder(path: Path) -> bool:
    """Whether `path` is a diffusers pipeline folder."""
    return (path / "model_index.json").is_file()


def read_folder(path: Path) -> ModelSpec:
    """Describe a pipeline folder.

    Raises:
        NodeError: if it is none, or a component is of a class that cannot be loaded.
    """
    index = read_json(path / "model_index.json")
    vae = _vae(path)
    denoiser = _denoiser(path, index, vae)
    name = str(index.get("_class_name", "a pipeline"))
    text = _text(path, denoiser.family if denoiser else "sd1")
    return ModelSpec(f"a diffusers folder ({name})", denoiser, text, vae)


def _index(path: Path) -> dict[str, Any]:
    return read_json(path / "model_index.json") if is_folder(path) else {}


def read_component(path: Path) -> dict[str, Any]:
    """The configuration of a single component's folder (with `config.json` in it)."""
    return read_json(path / "config.json")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of at most 16 MB.

    Raises:
        NodeError: if the file is missing, too large, no JSON, or no object.
    """
    try:
        if path.stat().st_size > 16 << 20:
            raise NodeError(f"{path}: {path.stat().st_size} bytes is too large for a configuration")
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NodeError(f"{path}: cannot be read ({error.strerror or error}); is the folder complete?") from error
    except ValueError as error:
        raise NodeError(f"{path}: is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise NodeError(f"{path}: expected a JSON object, got a {type(value).__name__}")
    return value


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a component: one, or the parts that an index names; full precision before fp16.

    Raises:
        NodeError: if there are none; says what is there instead.
    """
    for stem in ("diffusion_pytorch_model", "model"):
        for variant in ("", ".fp16", ".bf16"):
            if (single := folder / f"{stem}{variant}.safetensors").is_file():
                return (single,)
            if (index := folder / f"{stem}.safetensors.index{variant}.json").is_file():
                names = sorted(set(read_json(index).get("weight_map", {}).values()))
                if any("/" in name or "\\" in name for name in names):
                    raise NodeError(f"{index}: names a part outside of its folder")
                return tuple(folder / name for name in names)
    here = ", ".join(sorted(p.name for p in folder.iterdir())) if folder.is_dir() else "no folder"
    raise NodeError(f"{folder}: no .safetensors weights (found: {here}); pickled .bin files are not read")


def _denoiser(path: Path, index: dict[str, Any], vae: VaeSpec | None, name: str = "") -> DenoiserSpec | None:
    found = (n for n in ("transformer", "unet") if (path / n / "config.json").is_file())
    name = name or next(found, "")
    if not name:
        return None
    config = read_component(path / name)
    kind = str(config.get("_class_name", ""))
    architecture = "unet" if kind == "UNet2DConditionModel" else TRANSFORMERS.get(kind)
    if architecture is None:
        known = ", ".join(["UNet2DConditionModel", *TRANSFORMERS])
        raise NodeError(f"{path / name}: a {kind or 'component without _class_name'}; expected one of {known}")
    scheduler_file = path / "scheduler" / "scheduler_config.json"
    scheduler = read_json(scheduler_file) if scheduler_file.is_file() else {}
    family = "nodeflow" if "nodeflow" in index else _family(architecture, config)
    parametrisation, table = _sampling(family, architecture, config, scheduler)
    in_channels = int(config.get("in_channels", 4))
    vae_config = vae.config if vae else {}
    usual = LATENTS.get(family, (1.0, 0.0))
    facts = index.get("nodeflow", {})
    return DenoiserSpec(
        family=family,
        architecture=architecture,
        config=config,
        source=Source(weight_files(path / name)),
        parametrisation=parametrisation,
        sigma_table=table,
        latent_channels=vae.latent_channels if vae else _channels(architecture, config),
        in_channels=in_channels // 4 if architecture == "flux" else in_channels,
        latent_scale=float(vae_config.get("scaling_factor") or (1.0 if vae else usual[0])),
        latent_shift=float(vae_config.get("shift_factor") or (0.0 if vae else usual[1])),
        downscale=vae.downscale if vae else int(facts.get("latent_factor", 8)),
    )


def _channels(architecture: str, config: dict[str, Any]) -> int:
    """Channels of the latents of a denoiser whose VAE is not known; Flux counts 2 x 2 cells as one, and PixArt's output
    has the variances too."""
    channels = int(config.get("in_channels", 4))
    if architecture == "flux":
        return channels // 4
    return channels if architecture == "pixart" else int(config.get("out_channels") or channels)


def _family(architecture: str, config: dict[str, Any]) -> str:
    if architecture != "unet":
        return {"mmdit": "sd3"}.get(architecture, architecture)
    width = config.get("cross_attention_dim")
    return {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl_refiner"}.get(width, "sd1")


def _sampling(
    family: str, architecture: str, config: dict[str, Any], scheduler: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Parametrisation and sigma table as the folder's scheduler states them."""
    if architecture == "mmdit":
        return "flow", {"kind": "flow", "shift": float(scheduler.get("shift", 3.0))}
    if architecture == "flux":
        return "flow", {"kind": "flux", "shift": 1.15 if config.get("guidance_embeds") else 0.0}
    prediction = {"epsilon": "eps", "v_prediction": "v"}.get(str(scheduler.get("prediction_type", "epsilon")))
    if prediction is None:
        raise NodeError(f"prediction_type {scheduler['prediction_type']!r}: expected 'epsilon' or 'v_prediction'")
    table: dict[str, Any] = {"kind": "ztsnr" if scheduler.get("rescale_betas_zero_snr") else "discrete"}
    if architecture == "pixart" and "beta_schedule" not in scheduler:
        table |= {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02}
    if "beta_schedule" in scheduler:
        table |= {
            "beta_schedule": scheduler["beta_schedule"],
            "beta_start": float(scheduler.get("beta_start", 0.0001)),
            "beta_end": float(scheduler.get("beta_end", 0.02)),
            "steps": int(scheduler.get("num_train_timesteps", 1000)),
        }
    return prediction, table


def _vae(path: Path) -> VaeSpec | None:
    if not (path / "vae" / "config.json").is_file():
        return None
    return vae_component(path / "vae")


def _vae_beside(path: Path) -> VaeSpec | None:
    """The autoencoder of the pipeline that a component belongs to, if it is all there."""
    try:
        return _vae(path.parent)
    except NodeError:
        return None


def vae_component(folder: Path) -> VaeSpec:
    """Describe an autoencoder's folder."""
    config = read_component(folder)
    kind = str(config.get("_class_name", ""))
    source = Source(weight_files(folder))
    if kind == "AutoencoderTiny":
        levels = len(config.get("encoder_block_out_channels", (64,) * 4))
        return VaeSpec("tiny", config, source, int(config.get("latent_channels", 4)), 2 ** (levels - 1))
    if kind == "AutoencoderKL":
        levels = len(config.get("block_out_channels", (64,)))
        return VaeSpec("kl", config, source, int(config.get("latent_channels", 4)), 2 ** (levels - 1))
    raise NodeError(f"{folder}: a {kind or 'component without _class_name'}; expected AutoencoderKL or AutoencoderTiny")


def _text(path: Path, family: str) -> TextSpec | None:
    encoders = []
    joining = JOINING.get(family, "single")
    for suffix in ("", "_2", "_3"):
        folder = path / f"text_encoder{suffix}"
        if (folder / "config.json").is_file():
            encoder = text_component(folder, path / f"tokenizer{suffix}")
            penultimate = joining in ("sdxl", "sd3") and encoder.architecture == "clip"
            encoders.append(replace(encoder, skip=2, normed=False) if penultimate else encoder)
    return TextSpec(family, joining, tuple(encoders)) if encoders else None


def text_component(folder: Path, tokenizer: Path | None) -> EncoderSpec:
    """Describe a text encoder's folder; `tokenizer` is the folder of its vocabulary."""
    config = read_component(folder)
    kind = str((config.get("architectures") or [""])[0])
    source = Source(weight_files(folder), convert="text_model")
    if tokenizer is not None and not tokenizer.is_dir():
        tokenizer = None
    if kind in ("CLIPTextModel", "CLIPTextModelWithProjection") or "clip" in str(config.get("model_type", "")):
        facts = read_json(tokenizer / "tokenizer_config.json") if _has(tokenizer, "tokenizer_config.json") else {}
        positions = int(config.get("max_position_embeddings", 77))
        length = int(facts.get("model_max_length") or positions)
        width, layers = int(config.get("hidden_size", 512)), int(config.get("num_hidden_layers", 12))
        role = CLIP_ROLES.get((width, layers), "own")
        if kind.endswith("WithProjection"):
            config = {**config, "projection": int(config.get("projection_dim", width))}
        return EncoderSpec("clip", role, config, source, tokenizer, min(length, positions), _pad(facts))
    if kind in ("T5EncoderModel", "T5ForConditionalGeneration") or config.get("model_type") == "t5":
        source = Source(source.files, convert="t5")
        return EncoderSpec("t5", "t5", config, source, tokenizer, length=77, pad=0)
    raise NodeError(f"{folder}: a {kind or 'text encoder of unknown class'}; expected CLIPTextModel or T5EncoderModel")


def _has(folder: Path | None, name: str) -> bool:
    return folder is not None and (folder / name).is_file()


def _pad(facts: dict[str, Any]) -> int | None:
    """CLIP-G and OpenCLIP-H fill chunks with id 0 (the token "!"), the others with the end token."""
    token = facts.get("pad_token")
    text = token.get("content") if isinstance(token, dict) else token
    return 0 if text == "!" else None


def read_single_component(path: Path) -> ModelSpec:
    """Describe the folder of one component (`transformer/`, `vae/`, `text_encoder/`), its `config.json` in it."""
    config = read_component(path)
    kind = str(config.get("_class_name") or (config.get("architectures") or ["a component"])[0])
    looks = f"the folder of one component ({kind})"
    if kind.startswith("Autoencoder"):
        return ModelSpec(looks, vae=vae_component(path))
    if kind in TRANSFORMERS or kind == "UNet2DConditionModel":
        return ModelSpec(looks, denoiser=_denoiser(path.parent, _index(path.parent), _vae_beside(path), path.name))
    tokenizer = path.parent / path.name.replace("text_encoder", "tokenizer")
    encoder = text_component(path, tokenizer if tokenizer.is_dir() and tokenizer != path else path)
    return ModelSpec(looks, text=TextSpec("sd1", "single", (encoder,)))
