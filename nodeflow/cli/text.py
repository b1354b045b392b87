"""What the terminal gets: text from files made harmless, results to standard output, everything else to standard error.

Recipes, packs, file names and error messages are written by others: control characters (which could move the cursor,
retitle the window or reverse the reading direction) never reach the terminal. No markup is interpreted here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_UNSAFE_JSON = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def prepare_streams() -> None:
    """Characters that the terminal's encoding lacks are written as escapes instead of ending the program. A stream that
    was closed before the start takes what nobody wants to see."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def clean(text: str, *, limit: int = 0, lines: bool = False) -> str:
    """Text from outside, fit for a terminal.

    Args:
        limit: characters kept at most; 0: all. lines: whether it may have several lines.
    """
    text = text.replace("\r\n", "\n").expandtabs(4)
    if lines:
        safe = "\n".join(_UNSAFE.sub("\ufffd", line) for line in text.split("\n"))
    else:
        safe = _UNSAFE.sub("\ufffd", text.replace("\n", " "))
    return safe if not limit or len(safe) <= limit else safe[: limit - 1] + "…"


def emit(text: str = "") -> None:
    """A line of the result, to standard output."""
    sys.stdout.write(text + "\n")


def say(text: str = "") -> None:
    """A line about what goes on, to standard error. Nobody need be listening."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except OSError:
        pass


def emit_json(document: Any) -> None:
    """A document to standard output, without characters that a terminal would act on."""
    plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    text = json.dumps(document, indent=2, ensure_ascii=plain, default=_plain)
    emit(_UNSAFE_JSON.sub(lambda m: f"\\u{ord(m[0]):04x}", text))


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return value.value if hasattr(value, "value") else str(value)


def coloured(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def style(text: str, *names: str, stream: TextIO | None = None) -> str:
    """`text` in a colour, if the stream (standard output) is a terminal that shows them."""
    if not names or not coloured(stream or sys.stdout):
        return text
    return f"\x1b[{';'.join(_COLOURS[n] for n in names)}m{text}\x1b[0m"


def width_of(text: str) -> int:
    """Cells that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def table(rows: Iterable[Sequence[str]], head: Sequence[str] = (), *, indent: int = 0) -> None:
    """Rows in columns to standard output; the last column is wrapped where standard output is a terminal."""
    cells = [[clean(cell) for cell in row] for row in rows]
    every = [*([list(head)] if head else []), *cells]
    if not every:
        return
    columns = max(len(row) for row in every)
    widths = [max((width_of(row[i]) for row in every if i < len(row) - 1), default=0) for i in range(columns - 1)]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for number, row in enumerate(every):
        start = " " * indent
        for i, cell in enumerate(row[:-1]):
            start += cell + " " * (widths[i] - width_of(cell) + 2)
        for i, piece in enumerate(_wrapped(row[-1], room - width_of(start)) if room else [row[-1]]):
            line = (start if i == 0 else " " * width_of(start)) + piece
            emit(style(line.rstrip(), "bold") if head and number == 0 else line.rstrip())


def _wrapped(text: str, room: int) -> list[str]:
    return textwrap.wrap(text, max(room, 24)) or [""]


def paragraphs(text: str, *, indent: int = 0) -> None:
    """Running text, wrapped to the terminal; blank lines stay."""
    room = min(shutil.get_terminal_size().columns, 110) - indent
    for block in filter(str.strip, clean(text, lines=True).split("\n\n")):
        for line in textwrap.wrap(" ".join(block.split()), max(room, 40)):
            emit(" " * indent + line)
        emit()


def size_text(count: float) -> str:
    """Bytes for people: `1.5 GB` (powers of 1024)."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def seconds_text(seconds: float) -> str:
    """A duration for people."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"


def time_text(moment: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
