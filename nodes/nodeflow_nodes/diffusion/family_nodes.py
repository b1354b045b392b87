"""What single families of models read beside the prompt: SDXL's sizes, its refiner's score, Flux's guidance."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from nodeflow import Conditioning, Range, node


@node("diffusion/sdxl_sizes", title="SDXL sizes")
def sdxl_sizes(
    conditioning: Conditioning,
    width: Annotated[int, Range(0, 16384, unit="pixels")] = 1024,
    height: Annotated[int, Range(0, 16384, unit="pixels")] = 1024,
    crop_left: Annotated[int, Range(0, 16384, unit="pixels")] = 0,
    crop_top: Annotated[int, Range(0, 16384, unit="pixels")] = 0,
    target_width: Annotated[int, Range(0, 16384, unit="pixels")] = 1024,
    target_height: Annotated[int, Range(0, 16384, unit="pixels")] = 1024,
) -> Conditioning:
    """Tell SDXL what kind of training picture the result should look like: from which size and crop.

    SDXL was trained on pictures of all sizes, resized and cut to fit, and was told these numbers with each; so they now
    steer how sharp and how well centred a picture looks. Without this node they are the picture's own size, uncropped,
    which is right in most cases. Give both prompts the same numbers, or the negative one those of poor pictures.

    Args:
        conditioning: an SDXL prompt.
        width: of the imagined picture before it was cut. Values well below the real size give the blur of enlarged
            pictures, values above it more crispness.
        height: likewise.
        crop_left: pixels that were cut off on the left. 0 gives well-centred subjects, more cuts into them.
        crop_top: pixels that were cut off above.
        target_width: of the imagined picture after it was cut: normally the width of the result.
        target_height: likewise.

    Returns:
        conditioning: the prompt with these six numbers; other families of models ignore them.
    """
    return _with_extra(conditioning, time_ids=[height, width, crop_top, crop_left, target_height, target_width])


@node("diffusion/sdxl_refiner_sizes", title="SDXL refiner sizes")
def sdxl_refiner_sizes(
    conditioning: Conditioning,
    width: Annotated[int, Range(0, 16384, unit="pixels")] = 1024,
    height: Annotated[int, Range(0, 16384, unit="pixels")] = 1024,
    aesthetic: Annotated[float, Range(0, 100, step=0.1)] = 6.0,
) -> Conditioning:
    """Tell SDXL's refiner the picture's size and how beautiful it should be.

    The refiner is a second model that draws fine detail over what SDXL made (low `denoise`). It was trained with a
    score of beauty, given by another network, for each picture. Without this node it is the picture's own size, with a
    score of 6 for the positive and 2.5 for the negative prompt.

    Args:
        conditioning: a prompt encoded with the refiner's own text encoder.
        width: of the imagined training picture, as in `sdxl_sizes`.
        height: likewise.
        aesthetic: the score: training pictures had about 1 (poor) to 10 (splendid). About 6 for what you want, 2.5 for
            the negative prompt; very high values give garish pictures.

    Returns:
        conditioning: the prompt with these numbers.
    """
    return _with_extra(conditioning, time_ids=[height, width, 0, 0, aesthetic])


@node("diffusion/flux_guidance", title="Flux guidance")
def flux_guidance(
    conditioning: Conditioning, guidance: Annotated[float, Range(0, 100, step=0.1)] = 3.5
) -> Conditioning:
    """Set the guidance that Flux dev reads as an input. Its own kind of guidance: sample with a guidance scale of 1.

    Args:
        conditioning: a Flux prompt.
        guidance: 3.5 is usual; lower is looser and more natural.
    """
    return Conditioning(
        tuple(replace(c, extra={**c.extra, "guidance": float(guidance)}) for c in conditioning.conditions)
    )


def _with_extra(conditioning: Conditioning, **values: list[float]) -> Conditioning:
    import torch

    extra = {name: torch.tensor([value], dtype=torch.float32) for name, value in values.items()}
    return Conditioning(tuple(replace(c, extra={**c.extra, **extra}) for c in conditioning.conditions))
