"""The pack that the workers of these tests run: nodes that take their time, and nodes that take the process with them.
Put on the path of the processes that are started."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

from nodeflow import Context, node

RED = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)
"""A red pixel as PNG."""


@node("fault/text")
def text(text: str = "hello") -> str:
    """Give a text."""
    return text


@node("fault/number")
def number(value: int = 1, seed: int = 0) -> int:
    """Give a number."""
    return value + 0 * seed


@node("fault/join")
def join(parts: list[str], between: str = " ") -> str:
    """Join texts."""
    return between.join(parts)


@node("fault/steps")
def steps(text: str, steps: int = 10, seconds: float = 0.02, *, ctx: Context) -> str:
    """Take so many steps, showing a picture at each, as a sampler does."""
    for step in range(steps):
        ctx.progress(step, steps, "going")
        ctx.preview(RED)
        time.sleep(seconds)
    ctx.progress(steps, steps)
    return text


@node("fault/say")
def say(text: str, *, ctx: Context) -> str:
    """Write a text word by word."""
    for word in text.split():
        ctx.text(word + " ")
        time.sleep(0.02)
    ctx.warn("that was all")
    return text


@node("fault/fail")
def fail(text: str) -> str:
    """Raise."""
    raise ValueError(f"cannot use {text}")


@node("fault/stubborn")
def stubborn(text: str, seconds: float = 60.0) -> str:
    """Never look whether it should stop."""
    time.sleep(seconds)
    return text


def _times(counter: str) -> int:
    """How often it was called, also by processes that died."""
    if not counter:
        return 1
    with open(counter, "a", encoding="ascii") as file:
        file.write("x")
        file.flush()
        os.fsync(file.fileno())
    return len(Path(counter).read_text(encoding="ascii"))


@node("fault/die", cacheable=False)
def die(text: str, how: str = "kill", until: int = 1_000_000, counter: str = "") -> str:
    """Take the process down in some way, until it has been called more than `until` times."""
    if _times(counter) > until:
        return text
    if how == "abort":
        os.abort()
    elif how == "null":
        ctypes.string_at(0)
    elif how == "exit":
        os._exit(7)
    elif how == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif how == "hold":  # sleeps in native code without letting go of the interpreter
        ctypes.PyDLL(None).sleep(60)
    else:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
    return text


@node("fault/between")
def between(text: str, *, ctx: Context) -> str:
    """Keep bytes durably, then die: after the blob's rename, before the job is finished."""
    ctx.save(text.encode(), "kept.txt", "text/plain")
    os.kill(os.getpid(), signal.SIGKILL)
    return text
