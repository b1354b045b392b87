"""ComfyUI's metadata in pictures: the texts `prompt` and `workflow` of PNG, WebP and JPEG files.

PNG: `tEXt`, `iTXt` and `zTXt` chunks whose keyword is the key, and `comf` chunks of animated ones. WebP and JPEG: Exif
strings of the form `key:json`. Only headers and lengths are looked at, pixels are never decoded.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from nodeflow.comfy.text import refuse

KEYS = ("prompt", "workflow")
MAX_TEXT = 16 << 20
_PNG = b"\x89PNG\r\n\x1a\n"


def texts(data: bytes, *, source: str = "") -> dict[str, bytes]:
    """The texts `prompt` and `workflow` in a picture, those that it has.

    Raises:
        ProblemsError: NF001 if the file is damaged, or a text is too large.
    """
    try:
        if data.startswith(_PNG):
            found = dict(_png(data, source))
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            found = dict(_webp(data, source))
        elif data.startswith(b"\xff\xd8\xff"):
            found = dict(_jpeg(data, source))
        else:
            return {}
    except (struct.error, IndexError, zlib.error):
        raise refuse("the picture is damaged or cut off", source) from None
    for key, text in found.items():
        if len(text) > MAX_TEXT:
            raise _too_large(key, source)
    return found


def _too_large(key: str, source: str) -> Exception:
    return refuse(f"the embedded text {key!r} is larger than {MAX_TEXT:,} bytes", source)


def _png(data: bytes, source: str) -> Iterator[tuple[str, bytes]]:
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, start = data[at + 4 : at + 8], at + 8
        if start + length + 4 > len(data):
            raise IndexError
        at = start + length + 4
        if kind == b"IEND":
            return
        if kind not in (b"tEXt", b"iTXt", b"zTXt", b"comf"):
            continue
        end = data.find(b"\0", start, start + min(length, 80))
        keyword = data[start:end].decode("latin-1").lower() if end >= 0 else ""
        if keyword not in KEYS:
            continue
        if length > MAX_TEXT:
            raise _too_large(keyword, source)
        yield keyword, _png_text(kind, data[end + 1 : start + length], keyword, source)


def _png_text(kind: bytes, body: bytes, keyword: str, source: str) -> bytes:
    if kind == b"zTXt":
        return _inflate(body[1:], keyword, source)
    if kind == b"iTXt":
        compressed, text = body[0], body[2:].split(b"\0", 2)[2]
        return _inflate(text, keyword, source) if compressed else text
    try:
        body.decode("utf-8")
        return body
    except UnicodeDecodeError:  # the standard's Latin-1; ComfyUI itself writes ASCII
        return body.decode("latin-1").encode()


def _inflate(body: bytes, keyword: str, source: str) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(body, MAX_TEXT)
    if inflater.unconsumed_tail:
        raise _too_large(keyword, source)
    return text


def _webp(data: bytes, source: str) -> Iterator[tuple[str, bytes]]:
    at = 12
    while at + 8 <= len(data):
        kind = data[at : at + 4]
        (length,) = struct.unpack_from("<I", data, at + 4)
        if at + 8 + length > len(data):
            raise IndexError
        if kind == b"EXIF":
            yield from _exif(data[at + 8 : at + 8 + length], source)
        at += 8 + length + (length & 1)


def _jpeg(data: bytes, source: str) -> Iterator[tuple[str, bytes]]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, at + 2)
        if length < 2 or at + 2 + length > len(data):
            raise IndexError
        body = data[at + 4 : at + 2 + length]
        if data[at + 1] == 0xE1 and body.startswith(b"Exif\0\0"):
            yield from _exif(body, source)
        at += 2 + length


def _exif(body: bytes, source: str) -> Iterator[tuple[str, bytes]]:
    """`key:json` strings of the first directory (TIFF 6.0, section 2)."""
    body = body.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(body[:2])
    if order is None:
        return
    (first,) = struct.unpack_from(order + "I", body, 4)
    (count,) = struct.unpack_from(order + "H", body, first)
    for entry in range(count):
        _, kind, size = struct.unpack_from(order + "HHI", body, first + 2 + 12 * entry)
        if kind not in (2, 7) or size <= 4:
            continue
        if size > MAX_TEXT:
            raise _too_large("Exif", source)
        (start,) = struct.unpack_from(order + "I", body, first + 10 + 12 * entry)
        text = body[start : start + size].rstrip(b"\0")
        key, _, rest = text.partition(b":")
        name = key.decode("latin-1").strip().lower() if len(key) < 20 else ""
        if name in KEYS:
            yield name, rest
