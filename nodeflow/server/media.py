"""What files are, by their first bytes; how large pictures are, by their headers. Nothing is decoded here.

What a client says about a file counts for nothing: only PNG, JPEG and WebP pictures and WAV sound are known.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from typing import TypeAlias

Bytes: TypeAlias = bytes | mmap.mmap
PNG = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 40_000_000
MAX_TEXT = 16 << 20
"""Bytes of texts in a picture: as much as recipes of ComfyUI's may have."""
PICTURES = ("image/png", "image/jpeg", "image/webp")
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "audio/wav": ".wav"}


class MediaError(Exception):
    """A file that is not taken. status: 415 if it is of no known kind or damaged, 413 if it is too large."""

    def __init__(self, message: str, status: int = 415) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Media:
    """A file's kind; width and height of a picture, and how many it has (animations)."""

    media_type: str
    width: int = 0
    height: int = 0
    frames: int = 1


def kind_of(start: bytes) -> str:
    """The media type of a file that begins like this (12 bytes are enough), or nothing."""
    if start.startswith(PNG):
        return "image/png"
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(start[8:12], "")
    return ""


def inspect(data: Bytes) -> Media:
    """What a file is.

    Raises:
        MediaError: it is none of the known kinds, damaged, has something behind its end, or is too large to decode.
    """
    kind = kind_of(data[:12])
    try:
        if kind == "image/png":
            found = _png(data)
        elif kind == "image/jpeg":
            found = _jpeg(data)
        elif kind == "image/webp":
            found = _webp(data)
        elif kind == "audio/wav":
            return _wav(data)
        else:
            raise MediaError("the file is no PNG, JPEG or WebP picture and no WAV sound")
    except (struct.error, IndexError):
        raise MediaError("the file is damaged or cut off") from None
    if not found.width or not found.height:
        raise MediaError("the picture has no size")
    if found.width * found.height * found.frames > MAX_PIXELS:
        each = f"{found.width}x{found.height}" + (f" in {found.frames} frames" if found.frames > 1 else "")
        raise MediaError(f"the picture has {each} pixels; at most {MAX_PIXELS:,} are taken", 413)
    return found


def _png(data: Bytes) -> Media:
    width = height = texts = 0
    frames, at, pixels = 1, len(PNG), False
    while True:
        (length,) = struct.unpack_from(">I", data, at)
        kind, start = data[at + 4 : at + 8], at + 8
        at = start + length + 4
        if at > len(data) or (not width and kind != b"IHDR"):
            raise IndexError
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", data, start)
        elif kind == b"acTL":
            frames = max(1, struct.unpack_from(">I", data, start)[0])
        elif kind in (b"tEXt", b"zTXt", b"iTXt", b"eXIf"):
            texts += length
        elif kind == b"IDAT":
            pixels = True
        elif kind == b"IEND":
            break
    if texts > MAX_TEXT:
        raise MediaError(f"the picture carries {texts:,} bytes of text; at most {MAX_TEXT:,} are taken", 413)
    if not pixels or at != len(data):
        raise MediaError("the picture has no pixels" if not pixels else "something stands behind the picture's end")
    return Media("image/png", width, height, frames)


_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def _jpeg(data: Bytes) -> Media:
    at = 2
    while True:
        if data[at] != 0xFF:
            raise IndexError
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _FRAME_HEADERS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return Media("image/jpeg", width, height)
        if marker in (0xD9, 0xDA) or length < 2:
            raise IndexError
        at += 2 + length


def _webp(data: Bytes) -> Media:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 != len(data):
        raise MediaError("the file is damaged, or something stands behind the picture's end")
    at, width, height, frames = 12, 0, 0, 0
    while at + 8 <= len(data):
        kind = data[at : at + 4]
        (length,) = struct.unpack_from("<I", data, at + 4)
        if at + 8 + length > len(data):
            raise IndexError
        body = data[at + 8 : at + 8 + min(length, 10)]
        if kind == b"VP8X":
            width = int.from_bytes(body[4:7], "little") + 1
            height = int.from_bytes(body[7:10], "little") + 1
        elif kind == b"ANMF":
            frames += 1
        elif kind == b"VP8L" and not width:
            (bits,) = struct.unpack_from("<I", body, 1)
            width, height = (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
        elif kind == b"VP8 " and not width:
            width, height = (n & 0x3FFF for n in struct.unpack_from("<HH", body, 6))
        at += 8 + length + (length & 1)
    return Media("image/webp", width, height, max(1, frames))


def _wav(data: Bytes) -> Media:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data) + 1 or data[12:16] not in (b"fmt ", b"JUNK", b"bext", b"LIST"):
        raise MediaError("the file is damaged or cut off")
    return Media("audio/wav")
