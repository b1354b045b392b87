"""Nodes that compute with numbers."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

from nodeflow import NodeError, Range, node
from nodeflow_nodes.value.expression import evaluate

Number = int | float | bool


class Result(NamedTuple):
    number: float
    integer: int
    boolean: bool


@node("value/expression")
def expression(expression: str, a: Number = 0, b: Number = 0, c: Number = 0, d: Number = 0) -> Result:
    """Calculate with numbers: `a * 2 + max(b, 1)`.

    There are + - * / // % **, comparisons (`a < b`), `and`, `or`, `not`, `x if y else z`, the functions min, max, abs,
    round, sqrt, sin, cos, tan, log, log2, exp, floor, ceil, int, float, and the numbers pi and e. Angles are radians.

    Args:
        expression: what to calculate; at most 1000 characters.
        a: a number that the expression may name.
        b: another one.
        c: another one.
        d: another one.

    Returns:
        number: the result.
        integer: the result, rounded to the nearest whole number.
        boolean: whether the result is true, or not 0.

    Raises:
        NodeError: if it cannot be read or has no result.
    """
    value = evaluate(expression, {"a": a, "b": b, "c": c, "d": d})
    try:
        return Result(float(value), round(value), bool(value))
    except OverflowError:
        raise NodeError(f"the result of {expression[:80]!r} is too large for a number") from None


@node("value/compare")
def compare(
    a: int | float,
    b: int | float,
    test: Literal["a == b", "a != b", "a < b", "a <= b", "a > b", "a >= b"] = "a < b",
    tolerance: Annotated[float, Range(0, None)] = 0.0,
) -> bool:
    """Compare two numbers.

    Args:
        a: first number.
        b: second number.
        test: what is asked.
        tolerance: for `==` and `!=`: numbers that differ by no more count as equal.
    """
    return {
        "a == b": abs(a - b) <= tolerance,
        "a != b": abs(a - b) > tolerance,
        "a < b": a < b,
        "a <= b": a <= b,
        "a > b": a > b,
        "a >= b": a >= b,
    }[test]


@node("value/to_integer", title="To whole number")
def to_integer(
    value: int | float | str | bool, rounding: Literal["nearest", "down", "up", "towards_zero"] = "nearest"
) -> int:
    """Make a whole number of a number or a text.

    Args:
        value: such as 2.7, "42" or true (1).
        rounding: `nearest` (halves to the even number), `down`, `up` or `towards_zero`.
    """
    number = _number(value)
    way = {"nearest": round, "down": math.floor, "up": math.ceil, "towards_zero": math.trunc}[rounding]
    if isinstance(number, float) and not math.isfinite(number):
        raise NodeError(f"{number} is no whole number")
    return int(way(number))


@node("value/to_float", title="To number")
def to_float(value: int | float | str | bool) -> float:
    """Make a number of a whole number or a text.

    Args:
        value: such as 3, "2.5" or true (1).
    """
    try:
        return float(_number(value))
    except OverflowError:
        raise NodeError("the whole number is too large") from None


def _number(value: int | float | str | bool) -> int | float:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    text = value.strip()
    if len(text) <= 400:
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
    raise NodeError(f'expected a number, such as "42" or "2.5", got {value[:80]!r}')


@node("value/to_text", title="To text")
def to_text(value: int | float | str | bool, decimals: Annotated[int, Range(-1, 20)] = -1) -> str:
    """Make a text of a number.

    Args:
        value: the number; true and false become `true` and `false`.
        decimals: digits after the point; -1 writes as many as are needed.
    """
    return _text(value, decimals)


def _text(value: int | float | str | bool, decimals: int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return f"{value:.{decimals}f}" if decimals >= 0 else str(value)


@node("value/to_texts", title="To texts")
def to_texts(
    values: list[int | float | str | bool],
    decimals: Annotated[int, Range(-1, 20)] = -1,
    before: str = "",
    after: str = "",
) -> list[str]:
    """Make a text of each number in a list: captions for a grid.

    Args:
        values: the numbers.
        decimals: digits after the point; -1 writes as many as are needed.
        before: written in front of each.
        after: written behind each, such as a unit.
    """
    return [f"{before}{_text(value, decimals)}{after}" for value in values]
