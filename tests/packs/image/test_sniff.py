"""What a file is is told from its content, and nothing large is decoded."""

import contextlib
import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from nodeflow import NodeError
from nodeflow_nodes.image.sniff import Header, guard, read_header, without_text


def encoded(form: str, size: tuple[int, int] = (5, 3), mode: str = "RGB", **options: object) -> bytes:
    target = io.BytesIO()
    Pillow.new(mode, size, 7).save(target, form, **options)
    return target.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb_png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded("PNG"), Header("PNG", 5, 3)),
        (encoded("PNG", mode="L"), Header("PNG", 5, 3)),
        (encoded("JPEG"), Header("JPEG", 5, 3)),
        (encoded("JPEG", progressive=True), Header("JPEG", 5, 3)),
        (encoded("JPEG", exif=b"Exif\0\0" + b"\xff\xc0\0\x11\x08" * 30), Header("JPEG", 5, 3)),
        (encoded("WEBP"), Header("WEBP", 5, 3)),
        (encoded("WEBP", lossless=True), Header("WEBP", 5, 3)),
        (encoded("WEBP", mode="RGBA"), Header("WEBP", 5, 3)),
    ],
)
def test_header_is_read(data: bytes, expected: Header) -> None:
    assert read_header(data) == expected


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_frames_are_counted(form: str) -> None:
    frames = [Pillow.new("RGB", (4, 4), (i * 80, 0, 0)) for i in range(3)]
    target = io.BytesIO()
    frames[0].save(target, form, save_all=True, append_images=frames[1:])
    assert read_header(target.getvalue()) == Header(form, 4, 4, 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG"),
        (b"  <!DOCTYPE html><script>alert(1)</script>", "an HTML page"),
        (b"GIF89a" + b"\0" * 20, "a GIF"),
        (b"\0\0\0\x1cftypavif" + b"\0" * 20, "an AVIF"),
        (b"PK\3\4" + b"\0" * 20, "a zip"),
        (b"import os", "something else"),
    ],
)
def test_other_formats_are_refused_whatever_their_name(data: bytes, words: str) -> None:
    with pytest.raises(NodeError, match=words):
        read_header(data, "picture.png")


def test_the_cap_counts_all_frames() -> None:
    assert guard(bomb_png(8000, 5000)).pixels == 40_000_000
    with pytest.raises(NodeError, match="40 megapixels, more than"):
        guard(bomb_png(8000, 5001))
    data = bomb_png(1000, 1000)
    end = data.index(b"IDAT") - 4
    moving = data[:end] + chunk(b"acTL", struct.pack(">II", 41, 0)) + data[end:]
    with pytest.raises(NodeError, match="41 frames is 41 megapixels"):
        guard(moving)


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (0, 5)])
def test_claims_are_refused_from_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(NodeError):
        guard(bomb_png(*size))


def test_webp_and_jpeg_claims_are_refused() -> None:
    webp = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\x00" * 2
    with pytest.raises(NodeError, match="megapixels"):
        guard(webp)
    jpeg = b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + b"\0" * 9
    with pytest.raises(NodeError, match="4295 megapixels"):
        guard(jpeg)


def test_text_is_dropped_and_pixels_are_kept() -> None:
    info = PngInfo()
    info.add_text("prompt", "x" * 500_000, zip=True)
    info.add_text("workflow", "y" * 1000)
    data = encoded("PNG", pnginfo=info)
    stripped = without_text(data)
    assert b"zTXt" not in stripped
    assert b"tEXt" not in stripped
    assert Pillow.open(io.BytesIO(stripped)).tobytes() == Pillow.open(io.BytesIO(data)).tobytes()


@given(st.binary(max_size=200), st.sampled_from([encoded("PNG"), encoded("JPEG"), encoded("WEBP"), b""]), st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_headers_raise_only_node_errors(noise: bytes, good: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(good)))
    with contextlib.suppress(NodeError):
        guard(good[:cut] + noise)
