"""Switches: which of two values goes on. What is not chosen is not computed."""

from __future__ import annotations

from typing import Any, TypeVar

from nodeflow import node

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
    """Pass on the first input, or the second one if the first is nothing.

    Args:
        a: passed on, unless it is nothing (none).
        b: passed on otherwise; it is not computed if it is not needed.
    """
    first = _given(a)
    return _given(b) if first is None else first
