"""Nodes that name models: each gives light handles; nothing but headers and configurations is read.

The weights loaders below are what the pool calls when a node first uses such a handle; torch is imported there.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from nodeflow import File, Model, ModelFile, TextEncoder, Vae, node, weights_loader

from .loading.models import denoiser_of, read_model, text_of, vae_of

Precision = Literal["auto", "float32", "float16", "bfloat16", "mapped"]


class Checkpoint(NamedTuple):
    """The parts of a checkpoint."""

    model: Model
    text_encoder: TextEncoder
    vae: Vae


def handle_options(precision: str) -> dict[str, Any]:
    """What a handle must remember besides its file: nothing in the usual case."""
    return {} if precision == "auto" else {"precision": precision}


@node("diffusion/load_checkpoint", title="Load checkpoint")
def load_checkpoint(model: Annotated[File, ModelFile("checkpoints")], precision: Precision = "auto") -> Checkpoint:
    """Load a whole model: denoiser, text encoder and VAE from one file or folder.

    Takes a single `.safetensors` file (Stable Diffusion 1, 2, XL, 3, Flux; what it is is read from its header) or a
    diffusers folder. Weights are read when they are first needed. A part that the file lacks is an error only where
    it is used; load it from a file of its own then.

    Args:
        model: a checkpoint, below the model folders' `checkpoints`.
        precision: how numbers are kept: "auto" (float32 on a CPU, float16 elsewhere), a fixed one, or "mapped": as
            they are in the file, which is mapped into memory, and made float32 only while they are used: the same
            results as float32 with much less memory, a little slower.

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


# --- weights loaders ----------------------------------------------------------------------------------------------


@weights_loader("diffusion/denoiser")
def _denoiser(handle: Any, device: str) -> Any:
    from .loading.denoisers import load_denoiser

    return load_denoiser(denoiser_of(handle.path), handle.options.get("precision", "auto"), device)


@weights_loader("diffusion/text_encoder")
def _text_encoder(handle: Any, device: str) -> Any:
    from .loading.texts import load_text

    return load_text(text_of(handle.path), handle.options.get("precision", "auto"), device)


@weights_loader("diffusion/vae")
def _vae(handle: Any, device: str) -> Any:
    from .loading.vaes import load_vae

    return load_vae(vae_of(handle.path), handle.options.get("precision", "auto"), device)
