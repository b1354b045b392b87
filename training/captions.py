"""Captions: the grammar in which scenes are described, and its words.

A caption may leave attributes out; what it says is true of the scene. `describe` draws a template, synonyms and
omissions from the generator given, so the same generator gives the same captions.
"""

from __future__ import annotations

from itertools import product

import torch

from training import world
from training.world import Scenes

SHAPE_WORDS = {
    "circle": ("circle", "disc"),
    "ring": ("ring",),
    "moon": ("moon", "crescent"),
    "cross": ("cross", "plus"),
}
COLOUR_WORDS = {"purple": ("purple", "violet")}
SIZE_WORDS = {"small": ("small", "little", "tiny"), "large": ("large", "big")}
POSITION_WORDS = {
    "centre": ("in the centre", "in the middle", "in the center"),
    "left": ("on the left", "at the left"),
    "right": ("on the right", "at the right"),
    "top": ("at the top", "above"),
    "bottom": ("at the bottom", "below"),
}
TEXTURE_WORDS = {"plain": ("",), "striped": ("striped",), "dotted": ("dotted", "spotted"), "outlined": ("outlined",)}

ONE = (
    "a {object} {position} on a {background} background",
    "{object}, {position}, {background} background",
    "a picture of a {object} {position} against a {background} background",
    "on a {background} background, a {object} {position}",
    "a {object} {position} on {background}",
    "{object} on {background}, {position}",
)
TWO = (
    "a {first} {position} and a {second} {other} on a {background} background",
    "{first} {position}, {second} {other}, {background} background",
    "a {first} {position} and a {second} {other} on {background}",
)
STICKER = ("a sticker of ", "sticker, ", "sticker style, ")

COMPLETE = 0.8
"""Share of captions that leave nothing out."""


class _Draw:
    """Cheap random choices: one block of uniform numbers from torch, read in order."""

    def __init__(self, generator: torch.Generator, count: int) -> None:
        self.numbers = iter(torch.rand(count, generator=generator).tolist())

    def chance(self, share: float) -> bool:
        return next(self.numbers) < share

    def choose(self, options: tuple[str, ...]) -> str:
        return options[int(next(self.numbers) * len(options))]


def _words(table: dict[str, tuple[str, ...]], name: str) -> tuple[str, ...]:
    return table.get(name, (name,))


def _object(scenes: Scenes, i: int, draw: _Draw, keep: dict[str, bool]) -> str:
    texture = draw.choose(_words(TEXTURE_WORDS, world.TEXTURES[scenes.texture[i]]))
    parts = (
        draw.choose(_words(SIZE_WORDS, world.SIZES[scenes.size[i]])) if keep["size"] else "",
        texture,
        draw.choose(_words(COLOUR_WORDS, world.COLOURS[scenes.colour[i]])) if keep["colour"] else "",
        draw.choose(_words(SHAPE_WORDS, world.SHAPES[scenes.shape[i]])) if keep["shape"] else "shape",
    )
    return " ".join(part for part in parts if part)


def _tidy(text: str) -> str:
    """Mend what omissions leave behind: doubled spaces and commas, dangling words, `a orange`."""
    text = " ".join(text.split()).replace(" ,", ",")
    for dangling in (" on a background", " against a background", " on,", ", background"):
        text = text.replace(dangling, "," if dangling.endswith(",") else "")
    text = text.removeprefix("on a background, ").removesuffix(" on").replace(",,", ",").strip(" ,")
    return " ".join("an" if word == "a" and following[:1] in "aeiou" else word for word, following in _pairs(text))


def _pairs(text: str) -> list[tuple[str, str]]:
    words = text.split()
    return list(zip(words, [*words[1:], "."], strict=True))


def describe(
    scenes: Scenes, generator: torch.Generator, *, complete: float = COMPLETE, second: Scenes | None = None
) -> tuple[list[str], torch.Tensor]:
    """Captions, and [B, 5] bool: whether shape, colour, background, size, position are said."""
    draw = _Draw(generator, 32 * len(scenes))
    captions, said = [], []
    for i in range(len(scenes)):
        whole = draw.chance(complete)
        names = ("shape", "colour", "background", "size", "position")
        keep = {name: not draw.chance(0.3) or whole for name in names}
        if not (keep["shape"] or keep["colour"]):
            keep["shape"] = True
        position = draw.choose(_words(POSITION_WORDS, world.POSITIONS[scenes.position[i]]))
        background = draw.choose(_words(COLOUR_WORDS, world.COLOURS[scenes.background[i]]))
        if second is None:
            text = draw.choose(ONE).format(
                object=_object(scenes, i, draw, keep),
                position=position if keep["position"] else "",
                background=background if keep["background"] else "",
            )
            if scenes.style[i]:
                text = draw.choose(STICKER) + text
        else:
            all_said = dict.fromkeys(names, True) | {"size": False}
            text = draw.choose(TWO).format(
                first=_object(scenes, i, draw, all_said),
                second=_object(second, i, draw, all_said),
                position=position,
                other=draw.choose(_words(POSITION_WORDS, world.POSITIONS[second.position[i]])),
                background=background,
            )
        captions.append(_tidy(text))
        said.append([keep[name] for name in names])
    return captions, torch.tensor(said)


def words() -> list[str]:
    """Every word the grammar can produce, sorted."""
    found = {"a", "an", "shape", "background", "sticker", "style", "of", "and"}
    tables = (SHAPE_WORDS, COLOUR_WORDS, SIZE_WORDS, POSITION_WORDS, TEXTURE_WORDS)
    names = (world.SHAPES, world.COLOURS, world.SIZES, world.POSITIONS, world.TEXTURES)
    for table, keys in zip(tables, names, strict=True):
        for phrase in (phrase for key in keys for phrase in _words(table, key)):
            found.update(phrase.split())
    for template in (*ONE, *TWO, *STICKER):
        found.update(word for word in template.replace(",", " ").split() if not word.startswith("{"))
    return sorted(found)


def everything() -> list[str]:
    """A corpus for the tokenizer that has every word, alone and in company."""
    said = [f"a {s} {t} {c}" for s, t, c in product(*map(_flat, (SIZE_WORDS, TEXTURE_WORDS, COLOUR_WORDS)))]
    return [*words(), *said, *(f"a {c} shape on {d}" for c, d in product(world.COLOURS, world.COLOURS))]


def _flat(table: dict[str, tuple[str, ...]]) -> list[str]:
    return [word for options in table.values() for word in options]
