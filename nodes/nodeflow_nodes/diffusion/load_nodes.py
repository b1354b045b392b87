"""Nodes that name models: each gives light handles; nothing but headers and configurations is read.

The weights loaders below are what the pool calls when a node first uses such a handle; torch is imported there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from nodeflow import (
    ControlNet,
    File,
    Model,
    ModelFile,
    NodeError,
    Patch,
    Range,
    TextEncoder,
    Vae,
    node,
    weights_loader,
)

from .loading.control_spec import read_control
from .loading.detect import check_embedding, kind, looks_like
from .loading.header import read_header
from .loading.models import denoiser_of, read_model, texts_of, vae_of

Precision = Literal["auto", "float32", "float16", "bfloat16", "mapped"]
Strength = Annotated[float, Range(-10, 10, step=0.05)]


class Checkpoint(NamedTuple):
    """The parts of a checkpoint."""

    model: Model
    text_encoder: TextEncoder
    vae: Vae


class Patched(NamedTuple):
    """A model and its text encoder with a LoRA."""

    model: Model
    text_encoder: TextEncoder


def handle_options(precision: str) -> dict[str, Any]:
    """What a handle must remember besides its file: nothing in the usual case."""
    return {} if precision == "auto" else {"precision": precision}


@node("diffusion/load_checkpoint", title="Load checkpoint")
def load_checkpoint(model: Annotated[File, ModelFile("checkpoints")], precision: Precision = "auto") -> Checkpoint:
    """Load a whole model: denoiser, text encoder and VAE from one file or folder.

    Takes a single `.safetensors` file (Stable Diffusion 1, 2, XL, 3, Flux, PixArt; which is read from its header) or a
    diffusers folder. Weights are read when they are first needed. A part that the file lacks is an error only where
    it is used; load it from a file of its own then.

    Args:
        model: a checkpoint, below the model folders' `checkpoints`.
        precision: how numbers are kept. "auto": float32 on a CPU (what is over 128 MB stays mapped), half elsewhere.
            "mapped": as they are in the file, which is mapped into memory, and made float32 only while they are used:
            the same results as float32 with less memory and no time to load, a little slower at each step.

    Returns:
        model: the denoiser.
        text_encoder: turns prompts into conditioning.
        vae: turns pictures into latents and back.
    """
    read_model(model.path)
    options = handle_options(precision)
    return Checkpoint(
        Model("diffusion/denoiser", model.path, model.digest, options),
        TextEncoder("diffusion/text_encoder", model.path, model.digest, options),
        Vae("diffusion/vae", model.path, model.digest, options),
    )


@node("diffusion/load_model", title="Load diffusion model")
def load_model(model: Annotated[File, ModelFile("diffusion_models")], precision: Precision = "auto") -> Model:
    """Load a denoiser alone, from a file that holds nothing else or from a checkpoint.

    Args:
        model: a file or a component's folder, below the model folders' `diffusion_models`.
        precision: as in `load_checkpoint`.
    """
    denoiser_of(model.path)
    return Model("diffusion/denoiser", model.path, model.digest, handle_options(precision))


@node("diffusion/load_vae", title="Load VAE")
def load_vae(vae: Annotated[File, ModelFile("vae")], precision: Precision = "auto") -> Vae:
    """Load an image autoencoder alone, from a file that holds nothing else or from a checkpoint.

    Args:
        vae: a file or a component's folder, below the model folders' `vae`.
        precision: as in `load_checkpoint`.
    """
    vae_of(vae.path)
    return Vae("diffusion/vae", vae.path, vae.digest, handle_options(precision))


@node("diffusion/load_text_encoder", title="Load text encoder")
def load_text_encoder(
    first: Annotated[File, ModelFile("text_encoders")],
    second: Annotated[File, ModelFile("text_encoders")] | None = None,
    third: Annotated[File, ModelFile("text_encoders")] | None = None,
    family: Literal["auto", "sd1", "sd2", "sdxl", "sd3", "flux", "pixart"] = "auto",
    t5_vocabulary: Annotated[File, ModelFile("text_encoders")] | None = None,
    use_t5: bool = True,
    precision: Precision = "auto",
) -> TextEncoder:
    """Load one to three text encoders from files of their own, and join them as a family does.

    SDXL reads CLIP-L and OpenCLIP-G, SD3 these and T5, Flux CLIP-L and T5. The order of the files does not matter: what
    each is is read from its header. For SD3 and Flux a missing encoder gives zeros.

    Args:
        first: a text encoder, or a checkpoint to take its text encoders from.
        second: another, if the family has more.
        third: a third.
        family: whose conventions to follow. "auto": flux for CLIP-L with T5, sd3 for three, sdxl for CLIP-L with
            OpenCLIP-G, sd2 for OpenCLIP-H, sd3 for T5 alone, sd1 otherwise. PixArt reads T5 alone: choose pixart.
        t5_vocabulary: a folder with T5's `tokenizer.json` or `spiece.model`; needed with T5 from a single file.
        use_t5: off leaves T5 out although a file has it: zeros in its place, and much less memory.
        precision: as in `load_checkpoint`.
    """
    files = [file for file in (first, second, third) if file is not None]
    options: dict[str, Any] = handle_options(precision)
    options["files"] = [[file.path, file.digest] for file in files]
    options["family"] = family
    if not use_t5:
        options["use_t5"] = False
    if t5_vocabulary is not None:
        options["t5_vocabulary"] = t5_vocabulary.path
    texts_of(first.path, options)
    return TextEncoder("diffusion/text_encoder", first.path, first.digest, options)


@node("diffusion/load_controlnet", title="Load ControlNet")
def load_controlnet(
    control_net: Annotated[File, ModelFile("controlnet")], vae: Vae | None = None, precision: Precision = "auto"
) -> ControlNet:
    """Load a ControlNet, which makes the picture follow a hint (edges, depth, a pose, a filled outline).

    Args:
        control_net: a single file (original or diffusers layout) or a diffusers folder, below `controlnet`.
        vae: the model's VAE; needed by ControlNets of SD3's kind (and the built-in model's), which read the hint as a
            latent. Others take none.
        precision: as in `load_checkpoint`.
    """
    spec = read_control(control_net.path)
    options: dict[str, Any] = handle_options(precision)
    if spec.architecture == "mmdit":
        if vae is None:
            raise NodeError(f"{control_net.name}: {spec.looks_like}: it reads its hint as a latent; connect the VAE")
        options["vae"] = [vae.path, vae.digest]
    return ControlNet("diffusion/controlnet", control_net.path, control_net.digest, options)


@node("diffusion/apply_lora", title="Apply LoRA")
def apply_lora(
    model: Model,
    text_encoder: TextEncoder,
    lora: Annotated[File, ModelFile("loras")],
    strength: Strength = 1.0,
    text_strength: Strength = 1.0,
    compat: bool = False,
) -> Patched:
    """Add a LoRA to a model: a small file that teaches it a style or a thing.

    Neither the model nor its text encoder is changed: both outputs are new handles, and the ones before stay as they
    were. Several LoRAs are applied one after another. Takes kohya, diffusers and LyCORIS files (LoRA, LoCon, LoHa,
    LoKr, DoRA).

    Args:
        model: the denoiser to patch.
        text_encoder: its text encoder, which many LoRAs patch too.
        lora: a LoRA, below the model folders' `loras`.
        strength: how strongly the denoiser is changed; 0 leaves it, negative values turn it away.
        text_strength: likewise for the text encoder.
        compat: round the text encoder's merged weights to float16, as ComfyUI does.
    """
    path = lora_path(lora)
    options: dict[str, Any] = {"compat": True} if compat else {}
    if strength:
        model = model.patched(Patch("diffusion/lora", str(path), lora.digest, float(strength)))
    if text_strength and has_text_keys(path):
        text_encoder = text_encoder.patched(
            Patch("diffusion/lora", str(path), lora.digest, float(text_strength), options)
        )
    return Patched(model, text_encoder)


@node("diffusion/apply_lora_model", title="Apply LoRA (model only)")
def apply_lora_model(model: Model, lora: Annotated[File, ModelFile("loras")], strength: Strength = 1.0) -> Model:
    """Add a LoRA to a denoiser alone; what the file says about text encoders is left out. See `apply_lora`.

    Args:
        model: the denoiser to patch; stays as it is.
        lora: a LoRA, below the model folders' `loras`.
        strength: how strongly the denoiser is changed; 0 leaves it, negative values turn it away.
    """
    path = lora_path(lora)
    return model.patched(Patch("diffusion/lora", str(path), lora.digest, float(strength))) if strength else model


def lora_path(lora: File) -> Path:
    """The file of a LoRA; of a folder, the one safetensors file in it.

    Raises:
        NodeError: if it is no LoRA; says what it is.
    """
    path = Path(lora.path)
    if path.is_dir():
        inside = sorted(path.glob("*.safetensors"))
        if len(inside) != 1:
            raise NodeError(f"{path}: a folder with {len(inside)} .safetensors files; expected one LoRA file")
        path = inside[0]
    header = read_header(path)
    if kind(header) != "lora":
        raise NodeError(f"{path}: expected a LoRA, this is {looks_like(header)}")
    return path


def has_text_keys(path: Path) -> bool:
    """Whether a LoRA file changes text encoders."""
    return any(key.startswith(("lora_te", "text_encoder", "te.")) for key in read_header(path).tensors)


@node("diffusion/load_embedding", title="Load embedding")
def load_embedding(
    text_encoder: TextEncoder, embedding: Annotated[File, ModelFile("embeddings")], name: str = ""
) -> TextEncoder:
    """Add a textual inversion: a made-up word that prompts can then use as `embedding:name`.

    Args:
        text_encoder: the text encoder to add it to; stays as it is.
        embedding: a `.safetensors` file with the word's vectors, below the model folders' `embeddings`.
        name: what to call it in prompts; empty: the file's name without its ending.

    Raises:
        NodeError: if the file is no textual inversion, or the name is no word; when it is used, if it was made for
            another model's text encoder.
    """
    check_embedding(Path(embedding.path))
    word = name or Path(embedding.path).stem
    if any(c.isspace() or c in ",():" for c in word):
        raise NodeError(f"name {word!r}: a word for prompts has no spaces, commas, colons or brackets")
    return text_encoder.patched(Patch("diffusion/embedding", embedding.path, embedding.digest, 1.0, {"name": word}))


# --- weights loaders ----------------------------------------------------------------------------------------------


def _patch_denoiser(module: Any, patches: tuple[Patch, ...]) -> Any:
    from .loading.patches import patch_denoiser

    return patch_denoiser(module, patches)


def _patch_text(module: Any, patches: tuple[Patch, ...]) -> Any:
    from .loading.patches import patch_text

    return patch_text(module, patches)


@weights_loader("diffusion/denoiser", patch=_patch_denoiser)
def _denoiser(handle: Any, device: str) -> Any:
    from .loading.denoisers import load_denoiser

    return load_denoiser(denoiser_of(handle.path), handle.options.get("precision", "auto"), device)


@weights_loader("diffusion/text_encoder", patch=_patch_text)
def _text_encoder(handle: Any, device: str) -> Any:
    from .loading.texts import load_text

    return load_text(texts_of(handle.path, handle.options), handle.options.get("precision", "auto"), device)


@weights_loader("diffusion/vae")
def _vae(handle: Any, device: str) -> Any:
    from .loading.vaes import load_vae as load

    return load(vae_of(handle.path), handle.options.get("precision", "auto"), device)


@weights_loader("diffusion/controlnet")
def _controlnet(handle: Any, device: str) -> Any:
    from .loading.control import load_control

    vae = vae_of(handle.options["vae"][0]) if "vae" in handle.options else None
    return load_control(read_control(handle.path), vae, handle.options.get("precision", "auto"), device)
