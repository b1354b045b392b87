"""Reference pictures: what the result should resemble, shown instead of described."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, NamedTuple

from nodeflow import (
    Conditioning,
    Context,
    File,
    Image,
    Latent,
    Model,
    ModelFile,
    NodeError,
    Patch,
    Range,
    WeightsHandle,
    node,
    weights_loader,
)
from nodeflow_nodes.diffusion.encode_nodes import rgb

from .loading.models import denoiser_of
from .loading.reference_spec import read_adapter, read_vision

FAMILIES = ("sd1", "sd2", "sdxl")
STATES = ("plus", "full")


class Referred(NamedTuple):
    """A model and its prompts with a reference picture."""

    model: Model
    positive: Conditioning
    negative: Conditioning


@node("diffusion/apply_ip_adapter", title="Apply IP-Adapter", device=True)
def apply_ip_adapter(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    image: Image,
    ip_adapter: Annotated[File, ModelFile("ipadapter")],
    vision_encoder: Annotated[File, ModelFile("clip_vision")],
    strength: Annotated[float, Range(-1, 3, step=0.05)] = 1.0,
    *,
    ctx: Context,
) -> Referred:
    """Let a picture speak beside the prompt: its content and style flow into the result (IP-Adapter).

    The picture is seen by an image encoder, whose impression becomes a few tokens that the model attends to as it does
    to the text. For Stable Diffusion 1 and XL. Use all three outputs together. Several adapters are applied one after
    another, each with its own picture; to limit one in time or place, combine prompts that have it with others that do
    not (`time_range`, `set_mask`).

    Args:
        model: the denoiser; stays as it is.
        positive: what the picture should show.
        negative: what it should not show; it is told "no picture" in the same place.
        image: the reference, [B, C, H, W], 0..1. The centre square is seen, at the encoder's size (224 x 224 pixels);
            several pictures are references together.
        ip_adapter: a `.safetensors` IP-Adapter for this kind of model, below the model folders' `ipadapter`: the plain
            form, "plus" or "full". FaceID adapters are refused.
        vision_encoder: the CLIP image encoder that the adapter was trained with, below `clip_vision`: OpenCLIP's ViT-H
            for all but the plain SDXL adapter, which has ViT-bigG.
        strength: how strongly the picture counts: 1 as trained, 0.5 leaves more to the text, 0 is none.

    Returns:
        model: with the adapter's layers; without the prompts below it is the model as it was.
        positive: the prompt with the picture.
        negative: the prompt with the place of the picture left empty.

    Raises:
        NodeError: if the adapter is for another kind of model, or the image encoder is not the adapter's.
    """
    adapter, vision = read_adapter(ip_adapter.path), read_vision(vision_encoder.path)
    _check(model, adapter, vision, ip_adapter.name)
    seeing = WeightsHandle("diffusion/vision_encoder", vision_encoder.path, vision_encoder.digest)
    telling = WeightsHandle("diffusion/picture_tokens", ip_adapter.path, ip_adapter.digest)
    name = ip_adapter.digest[:16]
    with ctx.weights.use(seeing, ctx.device) as eyes, ctx.weights.use(telling, ctx.device) as projection:
        states = adapter.form in STATES
        seen, nothing = (s[states] for s in (eyes.see(rgb(image).to(ctx.device)), eyes.nothing()))
        tokens = projection(seen).flatten(0, 1)[None].cpu()
        empty = projection(nothing).repeat(1, image.shape[0], 1).cpu()
    return Referred(
        model.patched(Patch("diffusion/ip_adapter", ip_adapter.path, ip_adapter.digest)),
        _with(positive, name, tokens, strength),
        _with(negative, name, empty, strength),
    )


def _check(model: Model, adapter: Any, vision: Any, name: str) -> None:
    spec = denoiser_of(model.path)
    if spec.family not in FAMILIES:
        raise NodeError(
            f"{name}: IP-Adapters are for Stable Diffusion 1 and XL; this model is of the family {spec.family}"
        )
    width = spec.config.get("cross_attention_dim")
    if width != adapter.width:
        raise NodeError(
            f"{name}: this adapter is for models whose text is {adapter.width} wide (768: Stable Diffusion 1, 2048: "
            f"SDXL); the model's is {width}"
        )
    seen = vision.width if adapter.form in STATES else vision.embedded
    if seen != adapter.seen:
        raise NodeError(
            f"{name}: this adapter reads an image encoder's {'states' if adapter.form in STATES else 'vectors'} of "
            f"{adapter.seen} numbers, the connected encoder gives {seen}: it is another one (ViT-H has vectors of 1024 "
            "and states of 1280, ViT-bigG 1280 and 1664)"
        )


def _with(conditioning: Conditioning, name: str, tokens: Any, strength: float) -> Conditioning:
    extra = {f"picture_tokens/{name}": tokens, f"picture_strength/{name}": strength}
    return Conditioning(tuple(replace(c, extra={**c.extra, **extra}) for c in conditioning.conditions))


@node("diffusion/reference_latent", title="Reference latent")
def reference_latent(conditioning: Conditioning, latent: Latent) -> Conditioning:
    """Show the model a picture beside the one it makes, as Flux Kontext reads it: to edit, or to keep a subject.

    The prompt then says what to change ("make it night", "the same cat on a boat"). Several references are given one
    after another.

    Args:
        conditioning: the prompt.
        latent: the reference, encoded with the model's VAE. It need not have the size of the result; Kontext was
            trained on about one megapixel.

    Raises:
        NodeError: at sampling, if the model is no Flux model.
    """
    made = []
    for condition in conditioning.conditions:
        number = sum(name.startswith("reference_latent/") for name in condition.extra)
        extra = {**condition.extra, f"reference_latent/{number}": latent.samples[:1]}
        made.append(replace(condition, extra=extra))
    return Conditioning(tuple(made))


# --- weights loaders ----------------------------------------------------------------------------------------------


@weights_loader("diffusion/vision_encoder")
def _vision_encoder(handle: Any, device: str) -> Any:
    from .loading.reference import load_vision

    return load_vision(read_vision(handle.path), handle.options.get("precision", "auto"), device)


@weights_loader("diffusion/picture_tokens")
def _picture_tokens(handle: Any, device: str) -> Any:
    from .loading.reference import load_projection

    return load_projection(read_adapter(handle.path), device)
