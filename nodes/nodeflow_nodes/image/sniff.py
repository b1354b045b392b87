"""What a picture file is, read from its first bytes and chunk headers: format, size, number of frames.

Nothing is decoded, so a file that claims a gigantic picture costs nothing. The name's suffix is not looked at.
Knows PNG, JPEG and WebP; everything else is refused. Must not import torch or Pillow.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from nodeflow import NodeError

PIXEL_CAP = 40_000_000
"""Largest picture that is decoded, in pixels, all frames together."""

_PNG = b"\x89PNG\r\n\x1a\n"
_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"acTL", b"fcTL", b"fdAT"}
"""PNG chunks that decide about the pixels; others (text, colour profiles, ...) are not given to the decoder."""


@dataclass(frozen=True)
class Header:
    """format: "PNG", "JPEG" or "WEBP". width, height in pixels. frames: 1 if it does not move."""

    format: str
    width: int
    height: int
    frames: int = 1

    @property
    def pixels(self) -> int:
        return self.width * self.height * self.frames


def read_header(data: bytes, name: str = "the file") -> Header:
    """Format and size of the picture in `data`.

    Raises:
        NodeError: if it is no PNG, JPEG or WebP, or its header is damaged.
    """
    try:
        if data.startswith(_PNG):
            header = _png(data)
        elif data.startswith(b"\xff\xd8\xff"):
            header = _jpeg(data)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            header = _webp(data)
        else:
            raise NodeError(f"{name}: expected a PNG, JPEG or WebP picture, got {_guess(data)}")
    except (struct.error, IndexError, ValueError) as error:
        raise NodeError(f"{name}: the picture's header is damaged or cut off ({error}); export it again") from None
    if header.width < 1 or header.height < 1 or header.frames < 1:
        raise NodeError(f"{name}: the picture has no pixels ({header.width} × {header.height}, {header.frames} frames)")
    return header


def guard(data: bytes, name: str = "the file", cap: int = PIXEL_CAP) -> Header:
    """`read_header`, and refuse what is larger than `cap` pixels with all frames."""
    header = read_header(data, name)
    if header.pixels > cap:
        frames = f" × {header.frames} frames" if header.frames > 1 else ""
        raise NodeError(
            f"{name}: {header.width} × {header.height}{frames} is {header.pixels / 1e6:.0f} megapixels, more than the "
            f"{cap / 1e6:.0f} that are allowed; make it smaller first"
        )
    return header


def _chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """(type, start, end) of every PNG chunk, its length and checksum included; stops at the first that is cut off."""
    found = []
    at = len(_PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            found.append((kind, at, len(data)))
            break
        found.append((kind, at, end))
        at = end
        if kind == b"IEND":
            break
    return found


def _png(data: bytes) -> Header:
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    if kind != b"IHDR" or length != 13:
        raise ValueError("no IHDR chunk")
    frames = 1
    for name, start, _ in _chunks(data):
        if name == b"acTL":
            frames = max(frames, struct.unpack_from(">I", data, start + 8)[0])
    return Header("PNG", width, height, frames)


def without_text(data: bytes) -> bytes:
    """A PNG without the chunks that do not decide about its pixels: a compressed text cannot explode when it is read.
    Other formats are given back as they are."""
    if not data.startswith(_PNG):
        return data
    return _PNG + b"".join(data[start:end] for kind, start, end in _chunks(data) if kind in _KEPT)


def _jpeg(data: bytes) -> Header:
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("a marker is missing")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return Header("JPEG", width, height)
        if marker in (0xD9, 0xDA):
            raise ValueError("it says no size")
        at += 2
        if not 0xD0 <= marker <= 0xD8 and marker != 0x01:
            at += max(2, struct.unpack_from(">H", data, at)[0])


def _webp(data: bytes) -> Header:
    kind = data[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        if len(data) < 30:
            raise ValueError("cut off")
        return Header("WEBP", width, height, _webp_frames(data))
    if kind == b"VP8L":
        if data[20] != 0x2F:
            raise ValueError("bad VP8L signature")
        bits = struct.unpack_from("<I", data, 21)[0]
        return Header("WEBP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 ":
        if data[23:26] != b"\x9d\x01\x2a":
            raise ValueError("bad VP8 start code")
        width, height = struct.unpack_from("<HH", data, 26)
        return Header("WEBP", width & 0x3FFF, height & 0x3FFF)
    raise ValueError(f"unknown WebP chunk {kind!r}")


def _webp_frames(data: bytes) -> int:
    frames = 0
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        frames += kind == b"ANMF"
        at += 8 + length + (length & 1)
    return max(1, frames)


def _guess(data: bytes) -> str:
    """What other file it may be, in words."""
    start = data[:256].lstrip().lower()
    known = {
        b"gif8": "a GIF", b"bm": "a BMP", b"%pdf": "a PDF", b"<svg": "an SVG", b"<?xml": "an XML or SVG document",
        b"<!doctype": "an HTML page", b"<html": "an HTML page", b"ii*\0": "a TIFF", b"mm\0*": "a TIFF",
        b"pk\3\4": "a zip archive", b"8bps": "a Photoshop document",
    }  # fmt: skip
    for magic, text in known.items():
        if start.startswith(magic):
            return f"{text}; convert it first"
    if data[4:8] == b"ftyp":
        return "an AVIF, HEIC or MP4 file; convert it first"
    return "an empty file" if not data else f"something else (it begins with {data[:8]!r})"
