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
from nodeflow_nodes.diffusion.encode_nodes import rgb

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
    """Limit a prompt to a part of the picture, given as a mask of any shape.

    Combine it with a prompt for the whole picture (`combine_conditioning`), or with prompts whose masks cover the
    rest: where no prompt counts there is nothing to draw. At each place the model's answers are averaged by their
    weights, mask times strength, so that a grey edge fades one prompt into the other.

    Args:
        conditioning: the prompt.
        mask: where it counts: [B, 1, H, W], 0 (not at all) .. 1 (fully). Its size need not be the picture's; it is
            fitted to the latent. One mask for a batch of pictures, or one for each.
        strength: factor on the mask, 0..10; only its ratio to the other prompts' strengths matters.
        area_from_mask: off: the model sees the whole picture and its answer counts inside of the mask. On: it sees only
            the rectangle around the mask, as if that were the picture, so that what the prompt says is drawn whole
            inside of it; then parts fit together less well.
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
    control = ControlHint(control_net, rgb(hint), strength, start, end)
    return Conditioning(tuple(replace(c, control=(*c.control, control)) for c in conditioning.conditions))


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
