"""Recipes in pictures: PNG, WebP and JPEG files that carry the recipe they were made by.

Text is put into the file's own container without touching the picture: an `iTXt` chunk in PNG (ISO/IEC 15948,
11.3.3.4), an `XMP ` chunk in WebP (RFC 9649), `COM` segments in JPEG (ITU-T T.81, B.2.4.5). Reading looks at headers
and lengths only, never decodes pixels, and refuses what is larger than `MAX_TEXT`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

from nodeflow.jsonio import dump_json, parse_json
from nodeflow.problems import Problem, ProblemsError

KEYWORD = "nodeflow"
MAX_TEXT = 8 << 20
_PNG = b"\x89PNG\r\n\x1a\n"
_COM_SIZE = 65_000


def embed(data: bytes, document: Any) -> bytes:
    """The same picture with a JSON document in it; other kinds of file are given back as they are.

    Raises:
        ProblemsError: NF001 if the picture is damaged, or the document too large.
    """
    text = dump_json(document, indent=None).encode()
    if len(text) > MAX_TEXT:
        raise _refuse("", f"the document has {len(text):,} bytes; at most {MAX_TEXT:,} go into a picture")
    try:
        return _embed(data, text)
    except (struct.error, IndexError):
        raise _refuse("", "the picture is damaged or cut off") from None


def _embed(data: bytes, text: bytes) -> bytes:
    if data.startswith(_PNG):
        return _embed_png(data, text)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _embed_webp(data, text)
    if data.startswith(b"\xff\xd8\xff"):
        return _embed_jpeg(data, text)
    return data


def extract(data: bytes, *, source: str = "") -> Any:
    """The JSON document in a picture.

    Raises:
        ProblemsError: NF001 if there is none, or the file is damaged or no PNG, WebP or JPEG.
    """
    try:
        if data.startswith(_PNG):
            text = _extract_png(data)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            text = _extract_webp(data)
        elif data.startswith(b"\xff\xd8\xff"):
            text = _extract_jpeg(data)
        else:
            raise _refuse(source, "the file is no PNG, WebP or JPEG picture")
    except (struct.error, IndexError, zlib.error):
        raise _refuse(source, "the picture is damaged or cut off") from None
    if text is None:
        hint = "it was not made by nodeflow, or a program took the text out (messengers and editors do)"
        raise _refuse(source, "the picture carries no recipe", hint)
    return parse_json(text, source=source, max_bytes=MAX_TEXT)


def without(data: bytes) -> bytes:
    """The picture without the document that `embed` put into it: the bytes that it was before, where it is PNG, JPEG or
    a WebP that had a header for such things.

    Raises:
        ProblemsError: NF001 if the picture is damaged.
    """
    try:
        if data.startswith(_PNG):
            return _embed_png(data, None)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _without_webp(data)
        return _without_comments(data) if data.startswith(b"\xff\xd8\xff") else data
    except (struct.error, IndexError):
        raise _refuse("", "the picture is damaged or cut off") from None


def is_picture(data: bytes) -> bool:
    """Whether the bytes begin like a kind of picture that can carry a recipe."""
    return data.startswith((_PNG, b"\xff\xd8\xff")) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def _refuse(source: str, message: str, hint: str = "") -> ProblemsError:
    return ProblemsError([Problem("NF001", "", message, hint=hint)], source)


# --- PNG ------------------------------------------------------------------------------------------------------------


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start of the body, length) of each chunk."""
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            raise IndexError
        yield data[at + 4 : at + 8], at + 8, length
        at += 12 + length


def _embed_png(data: bytes, text: bytes | None) -> bytes:
    parts = [_PNG]
    prefix = KEYWORD.encode() + b"\0"
    for number, (kind, start, length) in enumerate(_png_chunks(data)):
        if (number == 0) != (kind == b"IHDR"):
            raise IndexError
        if kind == b"iTXt" and data[start : start + len(prefix)] == prefix:
            continue
        parts.append(data[start - 8 : start + length + 4])
        if kind == b"IEND":
            parts.append(data[start + length + 4 :])
            return b"".join(parts)
        if number == 0 and text is not None:
            # keyword, compressed (yes, by deflate), no language, no translated keyword
            parts.append(_chunk(b"iTXt", prefix + b"\x01\x00\0\0" + zlib.compress(text, 9)))
    raise IndexError  # without its end, what is there is not all


def _extract_png(data: bytes) -> bytes | None:
    prefix = KEYWORD.encode() + b"\0"
    for kind, start, length in _png_chunks(data):
        if kind == b"iTXt" and data[start : start + len(prefix)] == prefix:
            body = data[start + len(prefix) : start + length]
            compressed, rest = body[0], body[2:]
            rest = rest.split(b"\0", 2)[2]
            return _inflate(rest) if compressed else rest
        if kind == b"IEND":
            break
    return None


def _inflate(data: bytes) -> bytes:
    """Decompress at most `MAX_TEXT` bytes."""
    inflater = zlib.decompressobj()
    text = inflater.decompress(data, MAX_TEXT)
    if inflater.unconsumed_tail:
        raise _refuse("", f"the embedded text is larger than {MAX_TEXT:,} bytes")
    if not inflater.eof:
        raise zlib.error
    return text


# --- WebP -----------------------------------------------------------------------------------------------------------


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        kind = data[at : at + 4]
        (length,) = struct.unpack_from("<I", data, at + 4)
        if at + 8 + length > len(data):
            raise IndexError
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + (length & 1)


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int, bool]:
    """Width, height and whether there is alpha, of a simple WebP's only chunk."""
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1, bool(bits >> 28 & 1)
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF, False


def _embed_webp(data: bytes, text: bytes) -> bytes:
    chunks = [(kind, body) for kind, body in _webp_chunks(data) if kind != b"XMP "]
    if chunks[0][0] != b"VP8X":
        width, height, alpha = _webp_size(*chunks[0])
        flags = 0x10 if alpha else 0
        header = bytes([flags, 0, 0, 0]) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
        chunks.insert(0, (b"VP8X", header))
    kind, body = chunks[0]
    chunks[0] = kind, bytes([body[0] | 0x04]) + body[1:]
    chunks.append((b"XMP ", _xmp(text)))
    return _webp(chunks)


def _without_webp(data: bytes) -> bytes:
    chunks = [*_webp_chunks(data)]
    kept = [(kind, body) for kind, body in chunks if not (kind == b"XMP " and body.startswith(_XMP_OPEN))]
    if len(kept) == len(chunks):
        return data
    kind, body = kept[0]
    if kind == b"VP8X":
        kept[0] = kind, bytes([body[0] & ~0x04]) + body[1:]
    return _webp(kept)


def _webp(chunks: list[tuple[bytes, bytes]]) -> bytes:
    payload = b"".join(k + struct.pack("<I", len(b)) + b + b"\0" * (len(b) & 1) for k, b in chunks)
    return b"RIFF" + struct.pack("<I", len(payload) + 4) + b"WEBP" + payload


_XMP_OPEN = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:nodeflow="urn:nodeflow:1" nodeflow:document="'
)
_XMP_CLOSE = b'"/></rdf:RDF></x:xmpmeta>'
_ENTITIES = ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"), (b'"', b"&quot;"))


def _xmp(text: bytes) -> bytes:
    for plain, entity in _ENTITIES:
        text = text.replace(plain, entity)
    return _XMP_OPEN + text + _XMP_CLOSE


def _extract_webp(data: bytes) -> bytes | None:
    for kind, body in _webp_chunks(data):
        if kind == b"XMP " and body.startswith(_XMP_OPEN) and len(body) <= 6 * MAX_TEXT:  # `"` becomes `&quot;`
            text = body[len(_XMP_OPEN) : -len(_XMP_CLOSE)]
            for plain, entity in reversed(_ENTITIES):
                text = text.replace(entity, plain)
            return text
    return None


# --- JPEG -----------------------------------------------------------------------------------------------------------


def _embed_jpeg(data: bytes, text: bytes) -> bytes:
    packed = zlib.compress(text, 9)
    pieces = [packed[i : i + _COM_SIZE] for i in range(0, len(packed), _COM_SIZE)]
    segments = b""
    for index, piece in enumerate(pieces):
        body = KEYWORD.encode() + b"\0" + struct.pack(">HH", index, len(pieces)) + piece
        segments += b"\xff\xfe" + struct.pack(">H", len(body) + 2) + body
    data = _without_comments(data)
    at = 2
    for marker, _, end in _jpeg_segments(data):  # after JFIF and Exif, which stand first by their own rules
        if not 0xE0 <= marker <= 0xEF:
            break
        at = end
    return data[:at] + segments + data[at:]


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment before the picture's data."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        (length,) = struct.unpack_from(">H", data, at + 2)
        if length < 2 or at + 2 + length > len(data):
            raise IndexError
        yield marker, at, at + 2 + length
        if marker == 0xDA:
            return
        at += 2 + length


def _without_comments(data: bytes) -> bytes:
    prefix = KEYWORD.encode() + b"\0"
    kept, last = [], 0
    for marker, start, end in _jpeg_segments(data):
        if marker == 0xFE and data[start + 4 : start + 4 + len(prefix)] == prefix:
            kept.append(data[last:start])
            last = end
    return b"".join(kept) + data[last:]


def _extract_jpeg(data: bytes) -> bytes | None:
    prefix = KEYWORD.encode() + b"\0"
    pieces: dict[int, bytes] = {}
    total = 0
    for marker, start, end in _jpeg_segments(data):
        body = data[start + 4 : end]
        if marker == 0xFE and body.startswith(prefix):
            index, total = struct.unpack_from(">HH", body, len(prefix))
            pieces[index] = body[len(prefix) + 4 :]
    if not total or sorted(pieces) != list(range(total)):
        return None
    return _inflate(b"".join(pieces[i] for i in range(total)))
