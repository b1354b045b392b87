"""What goes between the server and a worker: frames of a JSON header and bytes, over a pair of pipes. Never pickle.

A frame is `length of the header | length of the bytes | header | bytes`, both lengths four bytes, big-endian. A reader
that meets a frame longer than `MAX_BYTES` has lost its place (something else wrote into the pipe) and gives up.
"""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, Final

from nodeflow.settings import Settings

MAX_BYTES: Final = 1 << 30
_LENGTHS: Final = struct.Struct(">II")

Frame = tuple[dict[str, Any], bytes]


class BrokenFrame(Exception):
    """What came is no frame."""


def pack(header: dict[str, Any], data: bytes = b"") -> bytes:
    """A frame's bytes."""
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return _LENGTHS.pack(len(text), len(data)) + text + data


def read(file: IO[bytes]) -> Frame | None:
    """The next frame; None at the end.

    Raises:
        BrokenFrame: it ends in the middle, or is none.
    """
    head = file.read(_LENGTHS.size)
    if not head:
        return None
    if len(head) < _LENGTHS.size:
        raise BrokenFrame("it ends within a frame")
    text, data = _lengths(head)
    body = file.read(text + data)
    if len(body) < text + data:
        raise BrokenFrame("it ends within a frame")
    return _header(body[:text]), body[text:]


async def receive(stream: asyncio.StreamReader) -> Frame | None:
    """The next frame; None at the end, also at one within a frame (the process that wrote it has died).

    Raises:
        BrokenFrame: it is none.
    """
    try:
        text, data = _lengths(await stream.readexactly(_LENGTHS.size))
        body = await stream.readexactly(text + data)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return _header(body[:text]), body[text:]


def _lengths(head: bytes) -> tuple[int, int]:
    text, data = _LENGTHS.unpack(head)
    if text + data > MAX_BYTES or text < 2:
        raise BrokenFrame(f"a frame of {text + data:,} bytes")
    return text, data


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except ValueError as error:
        raise BrokenFrame(str(error)) from None
    if not isinstance(header, dict):
        raise BrokenFrame("a header that is no object")
    return header


def settings_json(settings: Settings) -> dict[str, Any]:
    """Settings for another process."""

    def plain(value: Any) -> Any:
        return [str(v) for v in value] if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value

    return {f.name: plain(getattr(settings, f.name)) for f in fields(settings)}


def settings_from(document: dict[str, Any]) -> Settings:
    """The settings that `settings_json` was given."""
    like = Settings()

    def typed(name: str, value: Any) -> Any:
        if isinstance(getattr(like, name), tuple):
            return tuple(Path(v) for v in value)
        return Path(value) if isinstance(getattr(like, name), Path) else value

    return Settings(**{name: typed(name, value) for name, value in document.items()})
