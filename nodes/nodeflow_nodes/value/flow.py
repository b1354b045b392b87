"""Switches: which of two values goes on. What is not chosen is not computed. And whether two values are the same."""

from __future__ import annotations

from typing import Any, TypeVar

from nodeflow import NodeError, node

T = TypeVar("T")


def _given(value: Any) -> Any:
    """A lazy input comes as a function; one that was written into the recipe as the value itself."""
    return value() if callable(value) else value


@node("value/switch", lazy=("on_true", "on_false"))
def switch(condition: bool, on_true: T | None = None, on_false: T | None = None) -> T:
    """Pass on one of two inputs; the other one is not computed.

    Args:
        condition: which one.
        on_true: passed on if the condition is true.
        on_false: passed on if it is false.
    """
    return _given(on_true if condition else on_false)


@node("value/first_given", lazy=("a", "b"))
def first_given(a: T | None = None, b: T | None = None) -> T:
    """Pass on the first input, or the second one if nothing is connected to the first.

    For inputs that may be left out: declare an optional input of a workflow, connect it to `a`, and what to use without
    it to `b`. "Nothing" is no value at all (null in a file); 0, false, an empty text and an empty list are values.

    Args:
        a: passed on, unless it is nothing.
        b: passed on otherwise; it is not computed if it is not needed.

    Returns:
        The one that was passed on; nothing if both are nothing.
    """
    first = _given(a)
    return _given(b) if first is None else first


@node("value/same")
def same(a: Any, b: Any) -> bool:
    """Tell whether two values are the same: texts, numbers, lists of them.

    Args:
        a: first value.
        b: second value. 1 and 1.0 are the same; "1" and 1 are not, nor are true and 1.
    """
    return _same(a, b)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    for value in (a, b):
        if not (value is None or isinstance(value, str | bool | int | float)):
            raise NodeError(f"expected texts, numbers or lists of them, got a {type(value).__name__}")
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)
