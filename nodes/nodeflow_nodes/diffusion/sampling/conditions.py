"""Conditions made ready for a run: which part of the picture each sees, with what weight, and when (NUMERICS §6).

`prepare` reads a conditioning once for a run; `match_areas` gives each area its counterpart on the other sides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from nodeflow_nodes.diffusion.sampling.model_space import joined_channels, reference_latent
from nodeflow_nodes.diffusion.sampling.tables import SigmaTable

Area = tuple[int, int, int, int]
"""Height, width, y, x in latent cells."""

RAMP = 8
"""Cells over which the edge of an area fades."""


@dataclass(frozen=True, eq=False)
class Control:
    """A ControlNet on one condition: the network, its hint at the size it wants, strength, and range of σ."""

    network: Any
    hint: Tensor
    strength: float
    first: float
    last: float


@dataclass(frozen=True, eq=False)
class Prepared:
    """One condition of a run. `weight`: a number, or a map [1 or B, 1, h, w] of the area's size."""

    tokens: Tensor
    pooled: Tensor | None
    extra: dict[str, Tensor]
    joined: Tensor | None
    area: Area | None
    weight: float | Tensor
    first: float
    last: float
    control: tuple[Control, ...]

    def active(self, sigma: float) -> bool:
        """Whether its time range holds σ, both ends included."""
        return self.first >= sigma >= self.last


def prepare(
    conditions: Iterable[Any],
    like: Tensor,
    table: SigmaTable,
    *,
    denoiser: Any,
    networks: Mapping[int, Any] | None = None,
    negative: bool = False,
    blank: bool = False,
) -> list[Prepared]:
    """Conditions as the sampler uses them.

    Args:
        conditions: of a `Conditioning`: objects with the fields of `nodeflow.Condition`.
        like: the state, [B, C, h, w]; gives size, batch and device.
        table: for time ranges.
        denoiser: gives `family`, `downscale`, `in_channels`, `latent_channels`, `latent_scale`, `latent_shift`.
        networks: ControlNet modules by `id` of their hint's handle.
        negative: whether they are the unwanted side (some families' defaults differ).
        blank: whether a condition without a picture means "no picture" to an editing model (zeros, as it was trained).

    Raises:
        ValueError: if a mask or area does not fit the picture, or an inpainting model lacks its picture.
    """
    return [_prepare(c, like, table, denoiser, networks or {}, negative, blank) for c in conditions]


def _prepare(
    condition: Any,
    like: Tensor,
    table: SigmaTable,
    denoiser: Any,
    networks: Mapping[int, Any],
    negative: bool,
    blank: bool,
) -> Prepared:
    batch, _, height, width = like.shape
    mask = None if condition.mask is None else resize_mask(condition.mask, height, width, batch).to(like.device)
    area = _area(condition, height, width, denoiser.downscale)
    if condition.mask_area and mask is not None:
        area = _bounding_box(mask, height, width)
    if area == (height, width, 0, 0):
        area = None
    extra = {name: _batched(value, batch, like.device, _WHAT.get(name, "")) for name, value in condition.extra.items()}
    for name in [name for name in extra if name.startswith("reference_latent/")]:
        extra[name] = reference_latent(extra[name], denoiser)
    joined = joined_channels(extra, like, denoiser, blank)
    if denoiser.family.startswith("sdxl") and "time_ids" not in extra:
        extra["time_ids"] = _time_ids(denoiser, height, width, negative).to(like.device).repeat(batch, 1)
    control = tuple(
        Control(
            networks[id(c.control_net)],
            _resize_hint(c.hint, height, width, networks[id(c.control_net)].downscale, batch).to(like.device),
            c.strength,
            table.percent(c.start),
            table.percent(c.end),
        )
        for c in condition.control
        if c.strength != 0
    )
    return Prepared(
        tokens=_batched(condition.tokens, batch, like.device),
        pooled=None if condition.pooled is None else _batched(condition.pooled, batch, like.device),
        extra=extra,
        joined=joined,
        area=area,
        weight=_weight(condition.strength, mask, area, like),
        first=table.percent(condition.start),
        last=table.percent(condition.end),
        control=control,
    )


_WHAT = {"concat_latent": "picture to repaint or edit", "concat_mask": "mask"}


def _batched(value: Any, batch: int, device: torch.device, what: str = "") -> Tensor:
    """A tensor [1 or n, ...] or a number as float32 [batch, ...].

    Raises:
        ValueError: if `what` is named, and there are neither one nor `batch` of it.
    """
    if not isinstance(value, Tensor):
        return torch.full((batch,), float(value), device=device)
    value = value.to(device=device, dtype=torch.float32)
    if value.shape[0] == batch:
        return value
    if what and value.shape[0] != 1:
        raise ValueError(f"{what}: there are {value.shape[0]} for a batch of {batch}; expected one, or one for each")
    return value.repeat(math.ceil(batch / value.shape[0]), *[1] * (value.dim() - 1))[:batch]


def _time_ids(denoiser: Any, height: int, width: int, negative: bool) -> Tensor:
    h, w = height * denoiser.downscale, width * denoiser.downscale
    if denoiser.family == "sdxl_refiner":
        return torch.tensor([[h, w, 0, 0, 2.5 if negative else 6.0]])
    return torch.tensor([[h, w, 0, 0, h, w]], dtype=torch.float32)


def resize_mask(mask: Tensor, height: int, width: int, batch: int) -> Tensor:
    """A mask [1 or n, 1, H, W] as float32 [1 or batch, 1, height, width], bilinear, not rounded."""
    mask = mask.float()
    if mask.shape[2:] != (height, width):
        mask = interpolate(mask, size=(height, width), mode="bilinear", align_corners=False)
    return mask if mask.shape[0] == 1 else _batched(mask, batch, mask.device, "mask")


def _area(condition: Any, height: int, width: int, downscale: int) -> Area | None:
    """The area in cells; given in cells, as shares of the picture, or in pixels."""
    if condition.area is None:
        return None
    h, w, y, x = condition.area
    if condition.unit == "pixels":
        h, w, y, x = (side // downscale for side in (h, w, y, x))
        h, w = max(1, h), max(1, w)
    if condition.unit == "share":
        h, w = max(1, round(h * height)), max(1, round(w * width))
        y, x = round(y * height), round(x * width)
    h, w, y, x = int(h), int(w), int(y), int(x)
    if not (0 <= y < height and 0 <= x < width and h > 0 and w > 0):
        raise ValueError(f"area: expected height, width, y, x inside {height} × {width} cells, got {condition.area}")
    return min(h, height - y), min(w, width - x), y, x


def _bounding_box(mask: Tensor, height: int, width: int) -> Area:
    rows, columns = torch.where(mask.amax(dim=(0, 1)) > 0)
    if not len(rows):
        return min(8, height), min(8, width), 0, 0
    y, x = int(rows.min()), int(columns.min())
    h, w = max(8, int(rows.max()) - y + 1), max(8, int(columns.max()) - x + 1)
    return min(h, height - y), min(w, width - x), y, x


def _weight(strength: float, mask: Tensor | None, area: Area | None, like: Tensor) -> float | Tensor:
    if mask is not None:
        return crop(mask, area) * strength
    if area is None:
        return float(strength)
    weight = torch.ones(1, 1, area[0], area[1])
    for dim in (2, 3):
        full = like.shape[dim]
        size, start = area[dim - 2], area[dim]
        ramp = min(RAMP, size // 4)
        for k in range(ramp):
            if start:
                weight.narrow(dim, k, 1).mul_((k + 1) / ramp)
            if start + size < full:
                weight.narrow(dim, size - 1 - k, 1).mul_((k + 1) / ramp)
    return (weight * strength).to(like.device)


def _resize_hint(hint: Tensor, height: int, width: int, downscale: int, batch: int) -> Tensor:
    """The hint [n, 3, H, W] at the size the ControlNet wants: centre crop to the aspect, nearest pixel."""
    h, w = height * downscale, width * downscale
    old_h, old_w = hint.shape[2:]
    if old_w / old_h > w / h:
        cut = min(round((old_w - old_w * (w / h) / (old_w / old_h)) / 2), (old_w - 1) // 2)
        hint = hint[:, :, :, cut : old_w - cut]
    elif old_w / old_h < w / h:
        cut = min(round((old_h - old_h * (old_w / old_h) / (w / h)) / 2), (old_h - 1) // 2)
        hint = hint[:, :, cut : old_h - cut]
    if hint.shape[2:] != (h, w):
        hint = interpolate(hint.float(), size=(h, w), mode="nearest-exact")
    return _batched(hint, batch, hint.device, "hint")


def crop(x: Tensor, area: Area | None, scale: int = 1) -> Tensor:
    """The part of `x` [..., h · scale, w · scale] inside the area."""
    if area is None:
        return x
    h, w, y, left = (v * scale for v in area)
    return x[..., y : y + h, left : left + w]


def match_areas(sides: Sequence[list[Prepared]]) -> list[list[Prepared]]:
    """Each side with what it needs so that an area of one side has its counterpart on every other: the smallest
    condition there that encloses the area, copied to it."""
    result = [list(side) for side in sides]
    for k, side in enumerate(result):
        for condition in list(side):
            for other in result[:k] + result[k + 1 :]:
                _match(other, condition)
    return result


def _match(side: list[Prepared], condition: Prepared) -> None:
    if condition.area is None:
        return
    h, w, y, x = condition.area
    best: Prepared | None = None
    for other in side:
        if other.area is None:
            best = best or other
            continue
        oh, ow, oy, ox = other.area
        encloses = y >= oy and x >= ox and oy + oh >= y + h and ox + ow >= x + w
        if encloses and (best is None or best.area is None or best.area[0] * best.area[1] > oh * ow):
            best = other
    if best is None or best.area == condition.area:
        return
    text = {"tokens": best.tokens, "pooled": best.pooled, "extra": best.extra, "joined": best.joined}
    side.append(replace(condition, **text))
