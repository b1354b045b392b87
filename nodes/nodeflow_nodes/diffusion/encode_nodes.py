"""Nodes between people's world and the model's: prompts to conditioning, pictures to latents and back."""

from __future__ import annotations

from typing import Annotated, Any

from nodeflow import (
    Condition,
    Conditioning,
    Context,
    Image,
    Latent,
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
    """Encode another text with each text encoder of SDXL, SD3 or Flux; `encode_prompt` gives all of them the same.

    Args:
        text_encoder: of the same model that will paint.
        clip_l: for CLIP-L.
        clip_g: for OpenCLIP-G.
        t5: for T5.
        clip_skip: as in `encode_prompt`.
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


def check_tiles(tile: int, overlap: int) -> None:
    """Refuse tiles that do not advance."""
    if tile and overlap * 2 >= tile:
        raise NodeError(f"overlap {overlap} is too large for tiles of {tile}: at most {(tile - 1) // 2}")


def rgb(image: Any) -> Any:
    """[B, C, H, W] with 1, 3 or 4 channels -> 3 channels."""
    return image.expand(-1, 3, -1, -1) if image.shape[1] == 1 else image[:, :3]


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
