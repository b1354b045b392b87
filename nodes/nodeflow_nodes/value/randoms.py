"""Random values from seeds: the same seed gives the same values, on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Annotated, TypeVar

from nodeflow import NodeError, Range, Seed, node

T = TypeVar("T")
Count = Annotated[int, Range(1, 100_000)]


def uniform(seed: int) -> Iterator[float]:
    """Numbers 0 <= x < 1 from the Mersenne Twister, whose sequence Python promises to keep."""
    source = random.Random(seed)
    while True:
        yield source.random()


def whole(source: Iterator[float], low: int, high: int) -> int:
    """low .. high, both included, evenly (to 2**-106 of the range)."""
    wide = (int(next(source) * 2**53) << 53) | int(next(source) * 2**53)
    return low + (wide * (high - low + 1) >> 106)


@node("value/random_integers", title="Random whole numbers")
def random_integers(seed: Seed = 0, low: int = 0, high: int = 100, count: Count = 1) -> list[int]:
    """Draw whole numbers, such as a seed for each picture of a series. Each number of the range is equally likely.

    Args:
        seed: the same seed gives the same numbers on every machine; a longer list begins with the shorter one.
        low: the smallest that may come, from -2**64.
        high: the largest that may come, to 2**64.
        count: how many; the same number may come twice.

    Returns:
        The numbers, in the order in which they were drawn.

    Raises:
        NodeError: if `low` is above `high`, or either is beyond 2**64.
    """
    if high < low:
        raise NodeError(f"expected low ≤ high, got low = {low}, high = {high}")
    if max(abs(low), abs(high)) > 2**64:
        raise NodeError("expected low and high between -2**64 and 2**64")
    source = uniform(seed)
    return [whole(source, low, high) for _ in range(count)]


@node("value/random_integer", title="Random whole number")
def random_integer(seed: Seed = 0, low: int = 0, high: int = 100) -> int:
    """Draw one whole number. Each number of the range is equally likely.

    Args:
        seed: the same seed gives the same number on every machine; it is the first one of `random_integers`.
        low: the smallest that may come, from -2**64.
        high: the largest that may come, to 2**64.

    Raises:
        NodeError: if `low` is above `high`, or either is beyond 2**64.
    """
    return random_integers(seed, low, high, 1)[0]


@node("value/random_floats", title="Random numbers")
def random_floats(seed: Seed = 0, low: float = 0.0, high: float = 1.0, count: Count = 1) -> list[float]:
    """Draw numbers with a fraction, evenly between two ends.

    Args:
        seed: the same seed gives the same numbers on every machine; a longer list begins with the shorter one.
        low: the smallest that may come.
        high: no number above it comes.
        count: how many.

    Returns:
        The numbers, in the order in which they were drawn.

    Raises:
        NodeError: if `low` is above `high`.
    """
    if high < low:
        raise NodeError(f"expected low ≤ high, got low = {low}, high = {high}")
    source = uniform(seed)
    return [low * (1 - share) + high * share for share, _ in zip(source, range(count), strict=False)]


@node("value/random_float", title="Random number")
def random_float(seed: Seed = 0, low: float = 0.0, high: float = 1.0) -> float:
    """Draw one number with a fraction, evenly between two ends.

    Args:
        seed: the same seed gives the same number on every machine; it is the first one of `random_floats`.
        low: the smallest that may come.
        high: no number above it comes.

    Raises:
        NodeError: if `low` is above `high`.
    """
    return random_floats(seed, low, high, 1)[0]


@node("value/shuffle")
def shuffle(values: list[T], seed: Seed = 0) -> list[T]:
    """Put a list into a random order.

    Args:
        values: any list.
        seed: the same seed gives the same order.
    """
    source = uniform(seed)
    mixed = list(values)
    for last in range(len(mixed) - 1, 0, -1):  # Fisher and Yates
        other = whole(source, 0, last)
        mixed[last], mixed[other] = mixed[other], mixed[last]
    return mixed
