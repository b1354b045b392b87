"""Prompt weights: `a (red:1.4) fox` as segments of text, each with its weight.

The syntax is the one that users of ComfyUI know (NUMERICS §7): `(x)` multiplies the weight by 1.1, also nested;
`(x:1.3)` sets it to 1.3 whatever surrounds it; `\\(` and `\\)` are plain brackets; `[x]`, `BREAK` and `{a|b}` have no
meaning. An opening bracket that is never closed is text, and so is everything after a closing one too many.
"""

from __future__ import annotations

import math
from typing import NamedTuple

BRACKET = 1.1
DEEPEST = 64
"""Brackets deeper than this are text (1.1 to the power of 64 is 446 already)."""
_OPEN, _CLOSE = "\x01", "\x02"


class Segment(NamedTuple):
    """A piece of the prompt that has one weight, and is tokenised alone."""

    text: str
    weight: float


def parse(prompt: str) -> list[Segment]:
    """Split a prompt into weighted segments, in order.

    >>> parse("a (red:1.4) fox, ((snow))")[1]
    Segment(text='red', weight=1.4)
    """
    prompt = prompt.replace("\x00", "").replace(_OPEN, "").replace(_CLOSE, "")
    prompt = prompt.replace(r"\(", _OPEN).replace(r"\)", _CLOSE)
    segments: list[Segment] = []
    todo = [(prompt, 1.0, 0)]
    while todo:
        text, weight, depth = todo.pop()
        pieces = _split(text) if depth < DEEPEST else [(text, False)]
        if len(pieces) == 1 and not pieces[0][1]:
            segments.append(Segment(text.replace(_OPEN, "(").replace(_CLOSE, ")"), weight))
            continue
        for piece, bracketed in reversed(pieces):
            todo.append((*_weighted(piece, weight), depth + 1) if bracketed else (piece, weight, depth))
    return segments


def plain(prompt: str) -> str:
    """The prompt without brackets and weights, for encoders that take none."""
    return "".join(segment.text for segment in parse(prompt))


def _split(text: str) -> list[tuple[str, bool]]:
    """Top-level pieces: (what is inside, True) for a closed bracket, (text, False) for the rest."""
    if "(" not in text:
        return [(text, False)]
    pieces: list[tuple[str, bool]] = []
    depth = start = 0
    for index, character in enumerate(text):
        if character == "(":
            if depth == 0:
                if index > start:
                    pieces.append((text[start:index], False))
                start = index
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0 and text[start] == "(":
                pieces.append((text[start + 1 : index], True))
                start = index + 1
    if start < len(text):
        rest = text[start:]
        closed = len(rest) > 1 and rest[0] == "(" and rest[-1] == ")"  # "(a (b)": the outer bracket lacks its end
        pieces.append((rest[1:-1], True) if closed else (rest, False))
    if pieces == [(text, False)]:
        return pieces
    return [(piece.replace("(", _OPEN), False) if not inside and "(" in piece else (piece, inside)
            for piece, inside in pieces]  # fmt: skip


def _weighted(inside: str, weight: float) -> tuple[str, float]:
    """The text and weight of what stood between a pair of brackets."""
    text, colon, number = inside.rpartition(":")
    if colon and text:
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            return text, value
    return inside, weight * BRACKET
