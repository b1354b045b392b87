"""Guiders: how the model's estimates for several prompts become one."""

from __future__ import annotations

from typing import Annotated, Any

from nodeflow import Conditioning, Guider, Model, NodeError, Range, node

Share = Annotated[float, Range(0, 1, 0.01)]
Scale = Annotated[float, Range(0, 100, 0.1)]


@node("diffusion/guider")
def guider(
    model: Model,
    positive: Conditioning,
    negative: Conditioning | None = None,
    guidance: Scale = 3.0,
    rescale: Share = 0.0,
    start: Share = 0.0,
    end: Share = 1.0,
) -> Guider:
    """Classifier-free guidance: push the model's estimate towards one prompt and away from another.

    Args:
        model: the denoiser.
        positive: what the picture should show.
        negative: what it should not show; needed unless `guidance` is 1.
        guidance: strength (CFG scale); 1 leaves `negative` out and is twice as fast.
        rescale: bring the guided estimate back to the spread of the unguided one, against burnt colours; 0.7 is usual.
        start: share of the run at which guidance begins, 0..1.
        end: share at which it ends. Guidance in the middle of the run only can give more varied pictures.

    Raises:
        NodeError: if `start` is after `end`; when sampling, if `negative` is missing although `guidance` is not 1.
    """
    if start > end:
        raise NodeError(f"start {start:g} is after end {end:g}: expected a part of the run, from 0 to 1")
    if negative is None and guidance == 1.0:
        return Guider(model, positive, kind="basic")
    options: dict[str, Any] = {}
    if rescale:
        options["rescale"] = rescale
    if (start, end) != (0.0, 1.0):
        options |= {"start": start, "end": end}
    return Guider(model, positive, negative, kind="cfg", scale=guidance, options=options)


@node("diffusion/guider_dual")
def guider_dual(
    model: Model,
    positive: Conditioning,
    middle: Conditioning,
    negative: Conditioning,
    guidance: Scale = 3.0,
    guidance_middle: Scale = 1.5,
    nested: bool = False,
) -> Guider:
    """Guidance of two strengths: one for a whole wish, one for a part of it.

    Made for editing by instruction (InstructPix2Pix, Brooks et al. 2022), where one number says how much the result
    obeys the instruction and another how much it resembles the picture. The model answers three times a step: with
    instruction and picture (P), with the picture alone (M), with neither (N); the result is N + guidance_middle · (M -
    N) + guidance · (P - M). It can also blend two prompts, the second being the weaker one.

    Args:
        model: the denoiser.
        positive: the whole wish: the instruction with the picture (from `edit_conditioning`).
        middle: a part of it: the empty prompt with the picture (also from `edit_conditioning`).
        negative: neither: the empty prompt, without a picture.
        guidance: strength of what `positive` has beyond `middle`, the instruction; 5-10 for InstructPix2Pix.
        guidance_middle: strength of what `middle` has beyond `negative`, the picture; 1-2 for InstructPix2Pix.
        nested: apply `guidance_middle` to the guided result, N + guidance_middle · (M + guidance · (P - M) - N), so
            that it acts on the instruction too, instead of adding the two.

    Returns:
        guider: for `sample_custom`.
    """
    options = {"scale_middle": guidance_middle, "nested": nested}
    return Guider(model, positive, negative, middle, kind="dual", scale=guidance, options=options)


@node("diffusion/guider_perp_neg")
def guider_perp_neg(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    empty: Conditioning,
    guidance: Scale = 3.0,
    strength: Annotated[float, Range(0, 100, 0.01)] = 1.0,
    compat: bool = False,
) -> Guider:
    """Guidance whose negative prompt takes away only what the positive prompt does not ask for.

    Only the part of the negative direction that is perpendicular to the positive one counts, so that prompts which
    overlap do not fight. Three model runs a step.

    Args:
        model: the denoiser.
        positive: what the picture should show.
        negative: what it should not show.
        empty: the empty prompt, encoded.
        guidance: strength (CFG scale).
        strength: of the negative prompt.
        compat: compute over the whole batch at once as ComfyUI does, so that pictures of a batch affect each other.
    """
    options = {"strength": strength, "compat": compat}
    return Guider(model, positive, negative, empty, kind="perp_neg", scale=guidance, options=options)
