"""How commands say what they are for: examples below the help text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])


def examples(*lines: str) -> str:
    """Command lines, with remarks after two blanks, as the end of a help text."""
    # Rich reads square brackets as markup, and joins lines that no blank line parts.
    marked = (line.replace("  ", "  # ", 1).replace("[", r"\[") for line in lines)
    return "Examples:\n\n" + "\n\n".join(f"  {line}" for line in marked)


def with_examples(*lines: str) -> Callable[[F], F]:
    """Put examples below a command's help."""

    def attach(function: F) -> F:
        function.epilog = examples(*lines)  # type: ignore[attr-defined]
        return function

    return attach
