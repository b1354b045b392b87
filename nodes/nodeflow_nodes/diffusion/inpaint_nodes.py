"""Changing a part of a picture, or a whole one by instruction: what inpainting and editing models read beside text."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, NamedTuple

from nodeflow import Conditioning, Context, Image, Latent, Mask, NodeError, Range, Vae, node
from nodeflow_nodes.diffusion.encode_nodes import crop, rgb


class Inpaint(NamedTuple):
    positive: Conditioning
    negative: Conditioning
    latent: Latent


@node("diffusion/encode_for_inpaint", device=True, title="Encode for inpainting")
def encode_for_inpaint(
    image: Image,
    vae: Vae,
    mask: Mask,
    grow: Annotated[int, Range(0, 64, 1, unit="px")] = 6,
    *,
    ctx: Context,
) -> Latent:
    """Encode a picture with a hole to fill: masked pixels become grey, and only they may change.

    Use it with `denoise` 1: what was under the mask is gone. To change what is there only a little, encode the whole
    picture and set the mask on the latent instead.

    Args:
        image: the picture, [B, C, H, W], 0..1.
        vae: of the model that will paint.
        mask: 1 where to paint; resized to the picture.
        grow: pixels by which the part that may change is larger than the hole, so that the seam is painted over.
    """
    picture, hole = _picture_and_mask(image, mask)
    with ctx.weights.use(vae, ctx.device) as module:
        samples = module.encode(_greyed(picture, hole).to(ctx.device))
    return Latent(samples, noise_mask=_grown(hole, grow))


@node("diffusion/inpaint_conditioning", device=True)
def inpaint_conditioning(
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    image: Image,
    mask: Mask,
    noise_mask: bool = True,
    *,
    ctx: Context,
) -> Inpaint:
    """Give an inpainting model the picture and the mask it repaints.

    For models made for inpainting, whose names mostly say so: they read the mask and the picture with a grey hole
    beside the latent (nine channels instead of four), so that what they paint fits its surroundings. An ordinary model
    does not; use `encode_for_inpaint` or a noise mask with it. Connect all three outputs to the sampler, with
    `denoise` 1.

    Args:
        positive: what the masked part should show.
        negative: what it should not show.
        vae: of the model.
        image: the picture, [B, C, H, W], 0..1; sides are cropped to multiples of 8 pixels.
        mask: [1 or B, 1, H, W], 1 where to paint, rounded to 0 or 1; resized to the picture.
        noise_mask: also keep the sampler from changing anything outside of the mask. Off: the model may adapt all of
            the picture, which hides seams and changes details.

    Returns:
        positive: the prompt, with picture and mask.
        negative: likewise.
        latent: the encoded picture, to start from.

    Raises:
        NodeError: if there are neither one mask nor as many as pictures.
    """
    picture, hole = _picture_and_mask(image, mask)
    with ctx.weights.use(vae, ctx.device) as module:
        seen = module.encode(_greyed(picture, hole).to(ctx.device))
        start = module.encode(picture.to(ctx.device))
    extra = {"concat_latent": seen, "concat_mask": hole}
    latent = Latent(start, noise_mask=hole if noise_mask else None)
    return Inpaint(_with(positive, extra), _with(negative, extra), latent)


@node("diffusion/edit_conditioning", device=True)
def edit_conditioning(
    positive: Conditioning, negative: Conditioning, vae: Vae, image: Image, *, ctx: Context
) -> Inpaint:
    """Give an editing model the picture that the prompt's instruction is about.

    For InstructPix2Pix and its kin, which read the picture beside the latent (eight channels instead of four) and
    follow instructions such as "make it winter". To set how much the picture and the instruction count on their own,
    use `guider_dual`. Flux Kontext takes its picture by `reference_latent` instead.

    Args:
        positive: the instruction, encoded.
        negative: the empty prompt, or what the result should not show.
        vae: of the model.
        image: the picture to edit, [B, C, H, W], 0..1; sides are cropped to multiples of 8 pixels.

    Returns:
        positive: the instruction, with the picture.
        negative: likewise.
        latent: an empty latent of the picture's size.
    """
    import torch

    with ctx.weights.use(vae, ctx.device) as module:
        seen = module.encode(crop(rgb(image), 8).to(ctx.device))
    extra = {"concat_latent": seen}
    return Inpaint(_with(positive, extra), _with(negative, extra), Latent(torch.zeros_like(seen)))


def _with(conditioning: Conditioning, extra: dict[str, Any]) -> Conditioning:
    return Conditioning(tuple(replace(c, extra={**c.extra, **extra}) for c in conditioning.conditions))


def _picture_and_mask(image: Any, mask: Any) -> tuple[Any, Any]:
    """Picture and mask of one size, cropped to whole latent cells; the mask is 0 or 1."""
    from torch.nn.functional import interpolate

    if mask.shape[0] not in (1, image.shape[0]):
        raise NodeError(f"{image.shape[0]} pictures and {mask.shape[0]} masks: expected one mask, or one for each")
    if mask.shape[2:] != image.shape[2:]:
        mask = interpolate(mask, size=image.shape[2:], mode="bilinear", align_corners=False)
    return crop(rgb(image), 8), crop(mask, 8).round()


def _greyed(picture: Any, hole: Any) -> Any:
    return (picture - 0.5) * (1 - hole) + 0.5


def _grown(hole: Any, pixels: int) -> Any:
    """The mask larger by half a square of that side in each direction, as convolving with ones does it."""
    if pixels < 2:
        return hole
    from torch.nn.functional import max_pool2d, pad

    before = (pixels - 1) // 2 + (pixels - 1) % 2
    after = pixels - 1 - before
    return max_pool2d(pad(hole, (before, after, before, after)), pixels, stride=1)
