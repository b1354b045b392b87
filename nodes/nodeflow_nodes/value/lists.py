"""Nodes that make lists and take them apart. A list can feed a node that is run for each of its items."""

from __future__ import annotations

import math
from typing import Annotated, Any, TypeVar

from nodeflow import NodeError, Range, node

T = TypeVar("T")
LONGEST = 100_000
"""Items of a list made here."""


@node("value/integers", title="Whole numbers")
def integers(values: list[int]) -> list[int]:
    """Hold a list of whole numbers.

    Args:
        values: the numbers.
    """
    return list(values)


@node("value/floats", title="Numbers")
def floats(values: list[float]) -> list[float]:
    """Hold a list of numbers.

    Args:
        values: the numbers.
    """
    return [float(v) for v in values]


@node("value/texts")
def texts(values: list[str]) -> list[str]:
    """Hold a list of texts.

    Args:
        values: the texts.
    """
    return list(values)


@node("value/range")
def make_range(start: int = 0, stop: int = 10, step: int = 1) -> list[int]:
    """Count: start, start + step, ... up to but without stop.

    Args:
        start: the first number.
        stop: where to end; it is not part of the list.
        step: the distance; negative counts down; not 0.
    """
    if step == 0:
        raise NodeError("step: expected a number other than 0")
    numbers = range(start, stop, step)
    if (stop - start) // step > LONGEST:
        raise NodeError(f"the list would have more than {LONGEST:,} numbers; raise step")
    return list(numbers)


@node("value/linspace", title="Even steps")
def linspace(
    start: float = 0.0, stop: float = 1.0, count: Annotated[int, Range(1, LONGEST)] = 5, include_stop: bool = True
) -> list[float]:
    """Make numbers in even steps from start to stop.

    Args:
        start: the first number.
        stop: the last number.
        count: how many numbers.
        include_stop: leave it off for walks in a circle, where the last would be the first again.
    """
    steps = count - 1 if include_stop else count
    if steps == 0:
        return [start]
    if not math.isfinite(stop - start):
        raise NodeError(f"start and stop are too far apart: {start}, {stop}")
    made = [start + (stop - start) * i / steps for i in range(count)]
    if include_stop:
        made[-1] = stop
    return made


@node("value/length")
def length(values: list[Any]) -> int:
    """Count the items of a list.

    Args:
        values: any list.
    """
    return len(values)


@node("value/pick")
def pick(values: list[T], index: Annotated[int, Range(-LONGEST, LONGEST)] = 0) -> T:
    """Take one item out of a list.

    Args:
        values: any list.
        index: counted from 0; -1 is the last.
    """
    if not -len(values) <= index < len(values):
        raise NodeError(f"index {index}: the list has {len(values)} items, counted from 0 (-1 is the last)")
    return values[index]


@node("value/slice")
def cut(
    values: list[T],
    start: Annotated[int, Range(-LONGEST, LONGEST)] = 0,
    count: Annotated[int, Range(0, LONGEST)] = 0,
    reverse: bool = False,
) -> list[T]:
    """Take a part of a list.

    Args:
        values: any list.
        start: the first item that is taken, counted from 0; negative counts from the end.
        count: how many are taken; 0 takes all that follow.
        reverse: turn the part round.
    """
    begin = max(0, start + len(values)) if start < 0 else start
    part = values[begin : begin + count] if count else values[begin:]
    return part[::-1] if reverse else part


@node("value/join_lists")
def join_lists(a: list[T], b: list[T]) -> list[T]:
    """Put one list behind another.

    Args:
        a: comes first.
        b: comes second.
    """
    return [*a, *b]


@node("value/make_list")
def make_list(a: T | None = None, b: T | None = None, c: T | None = None, d: T | None = None) -> list[T]:
    """Make a list of up to four things.

    Args:
        a: first item; what is not given is left out.
        b: second item.
        c: third item.
        d: fourth item.
    """
    return [item for item in (a, b, c, d) if item is not None]
