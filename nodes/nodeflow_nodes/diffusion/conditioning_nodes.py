"""Nodes that change what a prompt means to the sampler: mix prompts, limit them to a time, an area or a mask, follow a
hint. None of them computes with the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from nodeflow import (
    Condition,
    Conditioning,
    ControlHint,
    ControlNet,
    Image,
    Mask,
    NodeError,
    Range,
    node,
)

Share = Annotated[float, Range(0, 1, step=0.01)]
Pixels = Annotated[int, Range(0, 16384, step=8, unit="pixels")]


@node("diffusion/combine_conditioning", title="Combine conditioning")
def combine_conditioning(first: Conditioning, second: Conditioning) -> Conditioning:
    """Use two prompts at once: at each step the model's answers to both are averaged, where they overlap.

    Args:
        first: one prompt; it may have an area or a mask.
        second: another.
    """
    return Conditioning((*first.conditions, *second.conditions))


@node("diffusion/concat_conditioning", title="Concatenate conditioning")
def concat_conditioning(first: Conditioning, second: Conditioning) -> Conditioning:
    """Append one prompt's tokens to another's, so that the model reads both as one longer prompt.

    Args:
        first: the prompt that is kept, with its area, times and pooled text.
        second: a single prompt whose tokens are appended.
    """
    import torch

    added = only(second, "second").tokens
    return Conditioning(
        tuple(replace(c, tokens=torch.cat([c.tokens, fit(c.tokens, added)], dim=1)) for c in first.conditions)
    )


@node("diffusion/average_conditioning", title="Average conditioning")
def average_conditioning(first: Conditioning, second: Conditioning, share: Share = 0.5) -> Conditioning:
    """Mix two prompts into one between them.

    Tokens of `second` are cropped or filled with zeros to the length of `first`. Lists of prompts are mixed pair by
    pair, and must be of the same length.

    Args:
        first: gives areas, times and masks too.
        second: the other prompt.
        share: share of `first`: 1 is `first` alone, 0 only `second`.
    """
    if len(first.conditions) != len(second.conditions):
        raise NodeError(
            f"first has {len(first.conditions)} prompts, second {len(second.conditions)}: they are mixed pair by pair, "
            "so there must be as many"
        )
    return Conditioning(tuple(_average(a, b, share) for a, b in zip(first.conditions, second.conditions, strict=True)))


def _average(a: Condition, b: Condition, share: float) -> Condition:
    import torch.nn.functional as F

    other = fit(a.tokens, b.tokens)[:, : a.tokens.shape[1]]
    other = F.pad(other, (0, 0, 0, a.tokens.shape[1] - other.shape[1]))
    pooled = a.pooled
    if a.pooled is not None and b.pooled is not None:
        pooled = a.pooled * share + b.pooled * (1 - share)
    return replace(a, tokens=a.tokens * share + other * (1 - share), pooled=pooled)


@node("diffusion/zero_out", title="Zero out conditioning")
def zero_out(conditioning: Conditioning) -> Conditioning:
    """Replace a prompt's content by zeros, which some models (SD3, Flux) were trained to read as "no prompt".

    Args:
        conditioning: any prompt of the model.
    """
    return Conditioning(
        tuple(
            replace(c, tokens=c.tokens * 0, pooled=None if c.pooled is None else c.pooled * 0)
            for c in conditioning.conditions
        )
    )


@node("diffusion/time_range", title="Time range")
def time_range(conditioning: Conditioning, start: Share = 0.0, end: Share = 1.0) -> Conditioning:
    """Use a prompt only during a part of the sampling.

    Args:
        conditioning: the prompt.
        start: from when, as a share of the sampling time; 0 is the beginning, pure noise.
        end: until when; 1 is the finished picture.
    """
    if start > end:
        raise NodeError(f"start {start} is after end {end}")
    return conditioning.map(start=start, end=end)


@node("diffusion/set_area", title="Set area")
def set_area(
    conditioning: Conditioning,
    width: Pixels = 64,
    height: Pixels = 64,
    x: Pixels = 0,
    y: Pixels = 0,
    strength: Annotated[float, Range(0, 10, step=0.01)] = 1.0,
) -> Conditioning:
    """Limit a prompt to a rectangle of the picture. Inner edges fade over a few latent cells.

    Args:
        conditioning: the prompt.
        width: of the rectangle.
        height: of the rectangle.
        x: its left edge.
        y: its upper edge.
        strength: its weight where it overlaps other prompts.
    """
    area = (float(height), float(width), float(y), float(x))
    return conditioning.map(area=area, unit="pixels", strength=strength)


@node("diffusion/set_area_share", title="Set area (shares)")
def set_area_share(
    conditioning: Conditioning,
    width: Share = 0.5,
    height: Share = 1.0,
    x: Share = 0.0,
    y: Share = 0.0,
    strength: Annotated[float, Range(0, 10, step=0.01)] = 1.0,
) -> Conditioning:
    """Limit a prompt to a rectangle given as shares of the picture, so that it fits every size.

    Args:
        conditioning: the prompt.
        width: of the rectangle; 1 is the picture's width.
        height: of the rectangle.
        x: its left edge.
        y: its upper edge.
        strength: its weight where it overlaps other prompts.
    """
    return conditioning.map(area=(height, width, y, x), unit="share", strength=strength)


@node("diffusion/set_mask", title="Set mask")
def set_mask(
    conditioning: Conditioning,
    mask: Mask,
    strength: Annotated[float, Range(0, 10, step=0.01)] = 1.0,
    area_from_mask: bool = False,
) -> Conditioning:
    """Limit a prompt to a mask.

    Args:
        conditioning: the prompt.
        mask: where it counts, [B, 1, H, W], 0..1; of any size.
        strength: its weight where it overlaps other prompts.
        area_from_mask: let the model see only the mask's bounding box instead of the whole picture.
    """
    return conditioning.map(mask=mask, strength=strength, mask_area=area_from_mask)


@node("diffusion/apply_control_net", title="Apply ControlNet")
def apply_control_net(
    conditioning: Conditioning,
    control_net: ControlNet,
    hint: Image,
    strength: Annotated[float, Range(0, 10, step=0.05)] = 1.0,
    start: Share = 0.0,
    end: Share = 1.0,
) -> Conditioning:
    """Make the picture follow a hint. Several ControlNets may be applied one after another; they are added.

    Apply it to the negative prompt too, as ComfyUI's node does.

    Args:
        conditioning: the prompt.
        control_net: made for the same model and this kind of hint.
        hint: the control picture, 0..1; resized to the picture's size.
        strength: how strongly it is followed; 0 leaves it out.
        start: from when, as a share of the sampling time.
        end: until when.
    """
    if start > end:
        raise NodeError(f"start {start} is after end {end}")
    if not strength:
        return conditioning
    rgb = hint.expand(-1, 3, -1, -1) if hint.shape[1] == 1 else hint[:, :3]
    control = ControlHint(control_net, rgb, strength, start, end)
    return Conditioning(tuple(replace(c, control=(*c.control, control)) for c in conditioning.conditions))


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
    """Tell SDXL which size its training picture would have had; without this it is the picture's own size.

    Args:
        conditioning: an SDXL prompt.
        width: of the picture before cropping; small values give the blur of enlarged pictures.
        height: likewise.
        crop_left: pixels cut off on the left; 0 centres the subject.
        crop_top: pixels cut off above.
        target_width: of the picture after cropping.
        target_height: likewise.
    """
    return _with_extra(conditioning, time_ids=[height, width, crop_top, crop_left, target_height, target_width])


@node("diffusion/sdxl_refiner_sizes", title="SDXL refiner sizes")
def sdxl_refiner_sizes(
    conditioning: Conditioning,
    width: Annotated[int, Range(0, 16384, unit="pixels")] = 1024,
    height: Annotated[int, Range(0, 16384, unit="pixels")] = 1024,
    aesthetic: Annotated[float, Range(0, 100, step=0.1)] = 6.0,
) -> Conditioning:
    """Tell SDXL's refiner the size and the looks to aim for.

    Args:
        conditioning: a prompt encoded with the refiner's text encoder.
        width: of the picture.
        height: of the picture.
        aesthetic: aesthetic score, 1..10: about 6 for what you want, 2.5 for the negative prompt.
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


def only(conditioning: Conditioning, name: str) -> Condition:
    """The one condition of a conditioning.

    Raises:
        NodeError: if it has several or none.
    """
    if len(conditioning.conditions) != 1:
        raise NodeError(f"{name} has {len(conditioning.conditions)} prompts: expected one, not a combination")
    return conditioning.conditions[0]


def fit(like: Any, tokens: Any) -> Any:
    """`tokens`, if they are as wide as `like`.

    Raises:
        NodeError: if they come from another model's text encoder.
    """
    if like.shape[-1] != tokens.shape[-1]:
        raise NodeError(
            f"the prompts are {like.shape[-1]} and {tokens.shape[-1]} wide: both must be encoded with the text encoder "
            "of the same model"
        )
    return tokens
