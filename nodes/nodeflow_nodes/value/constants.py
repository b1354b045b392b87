"""Nodes that hold one value, so that it can be wired to several places or offered as an input of the workflow."""

from __future__ import annotations

import difflib
from typing import Annotated

from nodeflow import Multiline, NodeError, Range, Seed, node

SAFE = 2**53
Whole = Annotated[int, Range(-SAFE, SAFE)]


@node("value/integer")
def integer(value: Whole = 0) -> int:
    """Hold a whole number.

    Args:
        value: the number.
    """
    return value


@node("value/float", title="Number")
def floating(value: float = 0.0) -> float:
    """Hold a number.

    Args:
        value: the number.
    """
    return value


@node("value/text")
def text(value: Annotated[str, Multiline()] = "") -> str:
    """Hold a text.

    Args:
        value: the text.
    """
    return value


@node("value/boolean", title="Yes or no")
def boolean(value: bool = False) -> bool:
    """Hold a yes or a no.

    Args:
        value: true or false.
    """
    return value


@node("value/seed")
def seed(value: Seed = 0) -> int:
    """Hold a seed that several nodes share.

    Args:
        value: 0 .. 2**64 - 1.
    """
    return value


@node("value/choice")
def choice(options: Annotated[str, Multiline()], value: str = "") -> str:
    """Choose one of several texts.

    Args:
        options: what can be chosen, one a line.
        value: the chosen one; the first, if left empty.
    """
    known = [line.strip() for line in options.splitlines() if line.strip()]
    if not known:
        raise NodeError("options: expected at least one line of text, got none")
    if not value:
        return known[0]
    if value.strip() in known:
        return value.strip()
    near = difflib.get_close_matches(value, known[:1000], 1, 0)
    raise NodeError(f"value {value[:80]!r} is none of the {len(known)} options; nearest: {near[0]!r}")


@node("value/seeds")
def seeds(seed: Seed = 0, count: Annotated[int, Range(1, 10_000)] = 4) -> list[int]:
    """Make a list of seeds, one after another: for a contact sheet of variations.

    Args:
        seed: the first one.
        count: how many.

    Returns:
        seed, seed + 1, ...; after the largest seed it goes on with 0.
    """
    return [(seed + i) % 2**64 for i in range(count)]
