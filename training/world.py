"""The world of shapes: what can be in a picture, and how it is drawn.

A picture is 64x64 RGB in [0, 1]. It shows one object (a shape with a colour, a size and a place) on a plain background;
textures, gradients, a second object and the sticker style are options. Everything is drawn by signed distance functions
(negative inside), in batches, from nothing but a `Scenes` value: the same scenes give the same pixels.

Some combinations are *held out*: no training data of the generative models contains them (`split="train"`).
Shape coordinates have y pointing down and are in units of the object's radius.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor

SIZE = 64
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "heart", "diamond", "hexagon", "moon")
PALETTE = {
    "red": (0.86, 0.12, 0.14),
    "orange": (0.98, 0.53, 0.08),
    "yellow": (0.98, 0.88, 0.18),
    "green": (0.16, 0.62, 0.24),
    "blue": (0.14, 0.34, 0.86),
    "purple": (0.52, 0.20, 0.70),
    "white": (0.97, 0.97, 0.97),
    "black": (0.08, 0.08, 0.10),
}
COLOURS = tuple(PALETTE)
SIZES = ("small", "large")
POSITIONS = ("centre", "left", "right", "top", "bottom")
TEXTURES = ("plain", "striped", "dotted", "outlined")
STYLES = ("plain", "sticker")

RADII = ((10.4, 12.0), (15.0, 17.0))
CENTRES = ((32.0, 32.0), (19.5, 32.0), (44.5, 32.0), (32.0, 19.5), (32.0, 44.5))
JITTER = 2.0
TILT = 0.15

Split = Literal["train", "held_out", "any"]


@dataclass(frozen=True)
class Scenes:
    """A batch of B scenes. Integer fields index the tuples above; lengths are in pixels, angles in radians."""

    shape: Tensor
    colour: Tensor
    background: Tensor
    size: Tensor
    position: Tensor
    texture: Tensor
    style: Tensor
    fade: Tensor
    """The colour the background turns into towards the bottom; -1 for none."""
    x: Tensor
    y: Tensor
    radius: Tensor
    angle: Tensor

    def __len__(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: Tensor | slice) -> Scenes:
        return Scenes(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def with_(self, **changes: Tensor) -> Scenes:
        return replace(self, **changes)


def held_out() -> Tensor:
    """[shape, colour, background] bool: 6 (shape, colour) pairs on every background, and 64 further triples."""
    n = len(COLOURS)
    table = torch.zeros(len(SHAPES), n, n, dtype=torch.bool)
    for shape, colour in ((0, 5), (2, 3), (3, 0), (5, 4), (6, 2), (9, 1)):
        table[shape, colour] = True
    free = (~table & ~torch.eye(n, dtype=torch.bool)).nonzero()
    pick = torch.randperm(len(free), generator=torch.Generator().manual_seed(2026))[:64]
    table[tuple(free[pick].T)] = True
    table &= ~torch.eye(n, dtype=torch.bool)
    return table


def allowed(split: Split) -> Tensor:
    """[N, 3] every (shape, colour, background) of the split; colour and background never agree."""
    different = ~torch.eye(len(COLOURS), dtype=torch.bool).expand(len(SHAPES), -1, -1)
    out = held_out()
    return {"train": different & ~out, "held_out": out, "any": different}[split].nonzero()


def sample_scenes(
    count: int, generator: torch.Generator, split: Split = "train", *, extras: float = 0.0, stickers: float = 0.0
) -> Scenes:
    """Draw scenes. `extras` is the share that has a texture (and, apart from that, a fading background)."""

    def integers(high: int) -> Tensor:
        return torch.randint(high, (count,), generator=generator)

    def between(low: Tensor | float, high: Tensor | float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    triples = allowed(split)
    shape, colour, background = triples[integers(len(triples))].unbind(1)
    size, position = integers(len(SIZES)), integers(len(POSITIONS))
    radii, centres = torch.tensor(RADII)[size], torch.tensor(CENTRES)[position]
    x = centres[:, 0] + between(-JITTER, JITTER)
    y = centres[:, 1] + between(-JITTER, JITTER)
    radius, angle = between(radii[:, 0], radii[:, 1]), between(-TILT, TILT)
    texture = torch.where(between(0, 1) < extras, integers(len(TEXTURES)), 0)
    fade = torch.where(between(0, 1) < extras / 2, integers(len(COLOURS)), -1)
    style = (between(0, 1) < stickers).long()
    return Scenes(shape, colour, background, size, position, texture, style, fade, x, y, radius, angle)


def second_objects(scenes: Scenes, generator: torch.Generator) -> tuple[Scenes, Scenes]:
    """Move the scenes' objects to one side and give each a companion on the other; both small, neither held out."""
    count = len(scenes)
    other = sample_scenes(count, generator)
    keep = allowed("train")
    for i in range(count):  # the companion stands on the same background, in a colour of its own
        fits = keep[(keep[:, 2] == scenes.background[i]) & (keep[:, 1] != scenes.colour[i])]
        row = fits[torch.randint(len(fits), (1,), generator=generator)][0]
        other.shape[i], other.colour[i] = row[0], row[1]
    side = 1 + 2 * torch.randint(2, (count,), generator=generator)
    low, high = RADII[0]

    def placed(one: Scenes, position: Tensor) -> Scenes:
        centre = torch.tensor(CENTRES)[position]
        jitter = (torch.rand(2, count, generator=generator) - 0.5) * JITTER
        radius = low + (high - low) * torch.rand(count, generator=generator)
        small = torch.zeros(count, dtype=torch.long)
        return one.with_(
            position=position, size=small, radius=radius, x=centre[:, 0] + jitter[0], y=centre[:, 1] + jitter[1]
        )

    return placed(scenes, side), placed(other.with_(background=scenes.background), side + 1)


# --- shapes -----------------------------------------------------------------------------------------------------------


def _polygon(points: list[tuple[float, float]]) -> Callable[[Tensor, Tensor], Tensor]:
    """Exact signed distance to a polygon: nearest edge, and the sign by counting crossings to the right."""

    def distance(x: Tensor, y: Tensor) -> Tensor:
        nearest = torch.full_like(x, torch.inf)
        inside = torch.zeros_like(x, dtype=torch.bool)
        for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True):
            ex, ey = bx - ax, by - ay
            along = (((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey)).clamp(0, 1)
            nearest = torch.minimum(nearest, (x - ax - along * ex).square() + (y - ay - along * ey).square())
            if ey:
                inside ^= ((y >= min(ay, by)) & (y < max(ay, by))) & (x < ax + (y - ay) * (ex / ey))
        return torch.where(inside, -nearest.sqrt(), nearest.sqrt())

    return distance


def _regular(corners: int, radius: float, start: float, inner: float | None = None) -> list[tuple[float, float]]:
    """Corners of a regular polygon, or of a star when `inner` is given; `start` is the first corner's angle."""
    count = corners * (2 if inner else 1)
    rays = [radius if inner is None or i % 2 == 0 else inner for i in range(count)]
    turns = [start + 2 * math.pi * i / count for i in range(count)]
    return [(r * math.cos(t), r * math.sin(t)) for r, t in zip(rays, turns, strict=True)]


def _disc(x: Tensor, y: Tensor, cx: float, cy: float, radius: float) -> Tensor:
    return torch.hypot(x - cx, y - cy) - radius


_HEART_TIP = _polygon([(-0.875, -0.02), (0.0, -0.32), (0.875, -0.02), (0.0, 0.95)])


def _heart(x: Tensor, y: Tensor) -> Tensor:
    lobes = torch.minimum(_disc(x, y, -0.47, -0.32, 0.5), _disc(x, y, 0.47, -0.32, 0.5))
    return torch.minimum(lobes, _HEART_TIP(x, y))


_UP = -math.pi / 2
_A = 0.32
_CROSS = [(_A, -1), (_A, -_A), (1, -_A), (1, _A), (_A, _A), (_A, 1), (-_A, 1), (-_A, _A), (-1, _A), (-1, -_A)]
DISTANCE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "circle": lambda x, y: _disc(x, y, 0, 0, 0.95),
    "square": _polygon(_regular(4, 1.15, math.pi / 4)),
    "triangle": _polygon(_regular(3, 1.15, _UP)),
    "star": _polygon(_regular(5, 1.15, _UP, inner=0.46)),
    "cross": _polygon([*_CROSS, (-_A, -_A), (-_A, -1)]),
    "ring": lambda x, y: _disc(x, y, 0, 0, 0.72).abs() - 0.25,
    "heart": _heart,
    "diamond": _polygon([(0, -1.15), (0.72, 0), (0, 1.15), (-0.72, 0)]),
    "hexagon": _polygon(_regular(6, 1.05, 0)),
    "moon": lambda x, y: torch.maximum(_disc(x, y, 0, 0, 1.0), -_disc(x, y, 0.52, -0.18, 0.82)),
}


def signed_distance(scenes: Scenes, shift: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """[B, 64, 64] distance in pixels to the object's outline, negative inside; `shift` moves the object."""
    axis = torch.arange(SIZE) + 0.5
    dx = axis[None, None, :] - (scenes.x + shift[0])[:, None, None]
    dy = axis[None, :, None] - (scenes.y + shift[1])[:, None, None]
    cos, sin = scenes.angle.cos()[:, None, None], scenes.angle.sin()[:, None, None]
    scale = scenes.radius[:, None, None]
    u, v = (cos * dx + sin * dy) / scale, (cos * dy - sin * dx) / scale
    result = torch.empty(len(scenes), SIZE, SIZE)
    for index, name in enumerate(SHAPES):
        rows = (scenes.shape == index).nonzero()[:, 0]
        if len(rows):
            result[rows] = DISTANCE[name](u[rows], v[rows])
    return result * scale


def object_mask(scenes: Scenes) -> Tensor:
    """[B, 1, 64, 64] coverage of each pixel by the object, 0..1."""
    return (0.5 - signed_distance(scenes)).clamp(0, 1)[:, None]


# --- drawing ----------------------------------------------------------------------------------------------------------


def _colours() -> Tensor:
    return torch.tensor(list(PALETTE.values()))


def _backdrop(scenes: Scenes) -> Tensor:
    """[B, 3, 64, 64] the background, a little darker towards the corners, fading downwards where asked."""
    axis = torch.linspace(-1, 1, SIZE)
    falloff = 1.02 - 0.07 * (axis[None, :].square() + axis[:, None].square())
    base = _colours()[scenes.background][:, :, None, None]
    goal = torch.where((scenes.fade >= 0)[:, None], _colours()[scenes.fade.clamp(min=0)], base[:, :, 0, 0])
    share = torch.linspace(0, 1, SIZE)[None, None, :, None]
    return (base + (goal[:, :, None, None] - base) * share) * falloff


def _fill(scenes: Scenes, distance: Tensor, under: Tensor) -> Tensor:
    """[B, 3, 64, 64] the object's surface: its colour, its texture, and a bevel lit from the upper left."""
    right = torch.roll(distance, -1, 2) - torch.roll(distance, 1, 2)
    down = torch.roll(distance, -1, 1) - torch.roll(distance, 1, 1)
    facing = -(0.6 * right + 0.8 * down) / 2
    rim = torch.exp(-(distance + 1.5).square() / 4)
    colour = _colours()[scenes.colour][:, :, None, None]
    axis = torch.arange(SIZE) + 0.5
    u, v = axis[None, None, :] - scenes.x[:, None, None], axis[None, :, None] - scenes.y[:, None, None]
    stripes = (0.5 + 2.0 * torch.sin((u + v) * (2 * math.pi / 8.5))).clamp(0, 1)
    dots = (0.5 + 1.6 - torch.hypot((u + 3.5) % 7 - 3.5, (v + 3.5) % 7 - 3.5)).clamp(0, 1)
    kind = scenes.texture[:, None, None]
    amount = torch.where(kind == 1, stripes, torch.where(kind == 2, dots, torch.zeros_like(stripes)))[:, None]
    bright = colour.mean(1, keepdim=True)
    mark = torch.where(bright > 0.5, colour * 0.45, colour + (1 - colour) * 0.6)
    surface = colour + (mark - colour) * amount
    lit = surface + 0.16 * (facing * rim)[:, None]
    hollow = ((0.5 - (distance + 3.4)).clamp(0, 1) * (kind == 3))[:, None]
    return lit + (under - lit) * hollow


def paint(scenes: Scenes, canvas: Tensor) -> Tensor:
    """Put the scenes' objects on a canvas [B, 3, 64, 64]: soft shadow, sticker border where asked, then the surface."""
    distance = signed_distance(scenes)
    sticker = (scenes.style == 1)[:, None, None]
    shadow = torch.sigmoid(-(signed_distance(scenes, (1.5, 2.0)) - 3.5 * sticker) / 1.2)[:, None]
    picture = canvas * (1 - 0.28 * shadow)
    line = ((4.6 - distance).clamp(0, 1) * sticker)[:, None]
    picture = picture + (0.25 - picture) * line
    border = ((3.6 - distance).clamp(0, 1) * sticker)[:, None]
    picture = picture + (1.0 - picture) * border
    return picture + (_fill(scenes, distance, canvas) - picture) * (0.5 - distance).clamp(0, 1)[:, None]


def render(scenes: Scenes, second: Scenes | None = None) -> Tensor:
    """[B, 3, 64, 64] in 0..1."""
    picture = paint(scenes, _backdrop(scenes))
    if second is not None:
        picture = paint(second, picture)
    return picture.clamp(0, 1)
