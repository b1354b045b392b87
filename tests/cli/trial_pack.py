"""The pack that the CLI's tests run: small nodes without tensors. Put on the path of the processes that they start."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Literal

from nodeflow import Context, Range, node
from nodeflow.annotations import Multiline


@node("trial/text")
def text(text: Annotated[str, Multiline()] = "hello") -> str:
    """Give a text."""
    return text


@node("trial/add")
def add(a: float, b: Annotated[float, Range(-1000, 1000, unit="m")] = 1.0) -> float:
    """Add two numbers.

    Args:
        a: the first.
        b: the second.
    """
    return a + b


@node("trial/count")
def count(number: int = 3, flag: bool = False, how: Literal["up", "down"] = "up") -> str:
    """Say numbers."""
    return f"{number} {flag} {how}"


@node("trial/join")
def join(parts: list[str], between: str = " ") -> str:
    """Join texts."""
    return between.join(parts)


@node("trial/slow")
def slow(text: str, steps: int = 200, ctx: Context = None) -> str:  # type: ignore[assignment]
    """Take 50 ms a step."""
    for step in range(steps):
        ctx.progress(step, steps, "going")
        Path(os.environ["TRIAL_STARTED"]).touch()
        time.sleep(0.05)
    return text


@node("trial/stuck")
def stuck(text: str) -> str:
    """Never look whether it should stop."""
    Path(os.environ["TRIAL_STARTED"]).touch()
    time.sleep(60)
    return text


@node("trial/steady")
def steady(text: str) -> str:
    """Take long enough to be worth keeping."""
    time.sleep(0.1)
    return text


@node("trial/say")
def say(text: str, ctx: Context = None) -> str:  # type: ignore[assignment]
    """Stream a text by word, with a character that rings the bell."""
    for word in text.split():
        ctx.text(word + "\x07 ")
    ctx.warn("mind the \x1b[31mgap")
    return text


@node("trial/fail")
def fail(text: str) -> str:
    """Fail in a way that nobody foresaw."""
    raise ZeroDivisionError(f"no way \x1b[2J with {text}")
