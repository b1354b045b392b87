"""Nodes between people's world and the model's: prompts to conditioning, pictures to latents and back."""

from __future__ import annotations

from typing import Annotated, Any

from nodeflow import (
    Condition,
    Conditioning,
    Context,
    Image,
    Latent,
    Model,
    Multiline,
    NodeError,
    Range,
    TextEncoder,
    Vae,
    node,
)


@node("diffusion/encode_prompt", device=True, title="Encode prompt")
def encode_prompt(
    text: Annotated[str, Multiline()],
    text_encoder: TextEncoder,
    clip_skip: Annotated[int, Range(0, 24)] = 0,
    *,
    ctx: Context,
) -> Conditioning:
    """Turn a prompt into what the denoiser reads.

    Brackets weight words: `(red)` counts 1.1 times, `(red:1.4)` 1.4 times; write `\\(` for a plain bracket. Longer
    prompts than the encoder takes at once are encoded in pieces and joined.

    Args:
        text: what the picture should show; may be empty.
        text_encoder: of the same model that will paint.
        clip_skip: which layer of CLIP to use, counted from the end: 1 is the last, 2 the last but one; 0 is what the
            model was made for.
    """
    with ctx.weights.use(text_encoder, ctx.device) as encoders:
        tokens, pooled = encoders.encode(text, clip_skip or None)
    return Conditioning((Condition(tokens=tokens, pooled=pooled),))


@node("diffusion/encode_prompt_parts", device=True, title="Encode prompt (one per encoder)")
def encode_prompt_parts(
    text_encoder: TextEncoder,
    clip_l: Annotated[str, Multiline()] = "",
    clip_g: Annotated[str, Multiline()] = "",
    t5: Annotated[str, Multiline()] = "",
    clip_skip: Annotated[int, Range(0, 24)] = 0,
    *,
    ctx: Context,
) -> Conditioning:
    """Encode a prompt with a text of its own for each text encoder of SDXL, SD3 or Flux.

    These models read a prompt through two or three networks; `encode_prompt` gives all of them the same text. CLIP-L
    and OpenCLIP-G understand short descriptions and lists of words, T5 whole sentences. A text for an encoder that the
    model lacks is not used; an encoder without a text reads the empty prompt.

    Args:
        text_encoder: of the same model that will paint.
        clip_l: for CLIP-L (SDXL, SD3, Flux): often the style.
        clip_g: for OpenCLIP-G (SDXL, SD3): often the subject.
        t5: for T5 (SD3, Flux): a full description, without the limit of 75 tokens a piece.
        clip_skip: which layer of the CLIP encoders to use, counted from the end: 1 is the last; 0 is what the model was
            made for.

    Returns:
        conditioning: one prompt, the encoders' answers joined as the model wants them.
    """
    texts = {"l": clip_l, "g": clip_g, "t5": t5}
    with ctx.weights.use(text_encoder, ctx.device) as encoders:
        tokens, pooled = encoders.encode(texts, clip_skip or None)
    return Conditioning((Condition(tokens=tokens, pooled=pooled),))


@node("diffusion/decode", device=True)
def decode(
    latent: Latent,
    vae: Vae,
    tile: Annotated[int, Range(0, 1024, step=8, unit="latent cells")] = 0,
    overlap: Annotated[int, Range(0, 256, step=1, unit="latent cells")] = 8,
    *,
    ctx: Context,
) -> Image:
    """Turn a latent into a picture.

    Args:
        latent: what the sampler made.
        vae: of the same model.
        tile: 0 decodes the picture whole. Otherwise the side of tiles that are decoded one after another, for large
            pictures and little memory; the result differs slightly. Never chosen by itself.
        overlap: by how much neighbouring tiles overlap and are blended.

    Returns:
        image: float32 [B, 3, H, W], 0..1.
    """
    check_tiles(tile, overlap)
    with ctx.weights.use(vae, ctx.device) as module:
        module.make_room()
        samples = latent.samples.to(ctx.device)
        if tile:
            return module.decode_tiled(samples, tile, overlap, _progress(ctx))
        ctx.check()
        return module.decode(samples)


@node("diffusion/encode_image", device=True, title="Encode image")
def encode_image(
    image: Image,
    vae: Vae,
    tile: Annotated[int, Range(0, 1024, step=8, unit="latent cells")] = 0,
    overlap: Annotated[int, Range(0, 256, step=1, unit="latent cells")] = 8,
    *,
    ctx: Context,
) -> Latent:
    """Turn a picture into a latent, to start from it.

    Sides are cropped (evenly at both ends) to multiples of 8 pixels. The latent is the mean of what the encoder
    gives, so the same picture always gives the same latent.

    Args:
        image: [B, C, H, W], 0..1; grey is repeated to RGB, alpha is left out.
        vae: of the model that will paint.
        tile: 0 encodes the picture whole, otherwise the side of tiles, as in `decode`.
        overlap: by how much neighbouring tiles overlap and are blended.
    """
    check_tiles(tile, overlap)
    with ctx.weights.use(vae, ctx.device) as module:
        module.make_room()
        pixels = crop(rgb(image), 8).to(ctx.device)
        if tile:
            return Latent(module.encode_tiled(pixels, tile, overlap, _progress(ctx)))
        ctx.check()
        return Latent(module.encode(pixels))


@node("diffusion/empty_latent", title="Empty latent for a model")
def empty_latent(
    model: Model,
    width: Annotated[int, Range(8, 16384, step=8, unit="px")] = 512,
    height: Annotated[int, Range(8, 16384, step=8, unit="px")] = 512,
    batch_size: Annotated[int, Range(1, 4096)] = 1,
) -> Latent:
    """Make an empty latent for a picture of this size, as this model wants it.

    The model's file says how many channels its latents have and how many pixels a latent cell is wide; `latent/empty`
    is the same with these numbers given by hand. Nothing is loaded.

    Args:
        model: the denoiser that will paint.
        width: of the picture, in pixels; rounded down to whole latent cells.
        height: of the picture, in pixels.
        batch_size: how many pictures are made at once.

    Returns:
        latent: zeros, [batch_size, C, height / d, width / d], with the model's C and d.

    Raises:
        NodeError: if the size is less than one latent cell, or the latent would have more than 1,073,741,824 values.
    """
    from nodeflow_nodes.latent.make import empty

    from .loading.models import denoiser_of

    spec = denoiser_of(model.path)
    return empty(width, height, batch_size, spec.latent_channels, spec.downscale)


def check_tiles(tile: int, overlap: int) -> None:
    """Refuse tiles that do not advance."""
    if tile and overlap * 2 >= tile:
        raise NodeError(f"overlap {overlap} is too large for tiles of {tile}: at most {(tile - 1) // 2}")


def rgb(image: Any) -> Any:
    """[B, C, H, W] with 1 to 4 channels (grey, grey and alpha, RGB, RGB and alpha) -> 3 channels."""
    return image[:, :1].expand(-1, 3, -1, -1) if image.shape[1] < 3 else image[:, :3]


def crop(image: Any, multiple: int) -> Any:
    """The centre of a picture, its sides multiples of `multiple`.

    Raises:
        NodeError: if a side is shorter than that.
    """
    height, width = image.shape[-2] // multiple * multiple, image.shape[-1] // multiple * multiple
    if not height or not width:
        raise NodeError(f"the picture is {image.shape[-1]}x{image.shape[-2]} pixels: at least {multiple}x{multiple}")
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]


def _progress(ctx: Context) -> Any:
    return lambda done, total: ctx.progress(done, total, "tiles")
