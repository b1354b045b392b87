"""Files for uploads: good ones, hostile ones, and bombs; made here, byte by byte where no library would."""

from __future__ import annotations

import io
import struct
import wave
import zlib

from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6), mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 200 if mode == "L" else "teal").save(out, kind, **options)  # type: ignore[arg-type]
    return out.getvalue()


def animation(kind: str, frames: int, size: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    each = [Image.new("L", size, n * 40 % 256) for n in range(frames)]
    each[0].save(out, kind, save_all=True, append_images=each[1:])
    return out.getvalue()


def sound() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * 100)
    return out.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, rows: bytes | None = None) -> bytes:
    """A grey PNG of one bit a pixel; its pixels are all black."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    if rows is None:
        packer = zlib.compressobj(9)
        line = b"\0" * (1 + (width + 7) // 8)
        rows = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    return PNG + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


HTML = b"<!doctype html><html><script>alert(1)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
SAFETENSORS = struct.pack("<Q", 2) + b"{}"

HOSTILE: dict[str, bytes] = {
    "html": HTML,
    "html with blanks": b"\n\n   " + HTML,
    "html with a mark": b"\xef\xbb\xbf" + HTML,
    "svg": SVG,
    "svg with a prolog": b'<?xml version="1.0"?>' + SVG,
    "xhtml": b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>',
    "xml": b'<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?><a/>',
    "script": b"alert(document.cookie)",
    "pdf": b"%PDF-1.7 /JS (app.alert(1))",
    "gif with script": b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)",
    "zip": b"PK\x03\x04" + b"\0" * 40,
    "pickle": b"\x80\x04\x95" + b"\0" * 40,
    "safetensors": SAFETENSORS,
    "elf": b"\x7fELF" + b"\0" * 40,
    "empty": b"",
    "one byte": b"\x89",
    "png magic then html": PNG + HTML,
    "png then html": png(4, 4) + HTML,
    "webp magic then html": b"RIFF" + struct.pack("<I", 4 + len(HTML)) + b"WEBP" + HTML,
    "webp then html": picture("WEBP") + HTML,
    "jpeg magic then html": b"\xff\xd8\xff" + HTML,
    "png without pixels": PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 1, 0, 0, 0, 0)) + chunk(b"IEND", b""),
    "png cut off": png(40, 40)[:-20],
    "png of no size": png(0, 0, rows=zlib.compress(b"")),
    "wav that is html": b"RIFF" + struct.pack("<I", len(HTML)) + b"WAVE" + HTML,
}
"""What must not be taken as an upload."""

BOMBS: dict[str, bytes] = {
    "177 megapixels": png(13_312, 13_312),
    "40 megapixels and a row": png(8000, 5001),
    "by header alone": png(2_000_000_000, 2_000_000_000, rows=b""),
    "frames": png(4000, 4000, chunk(b"acTL", struct.pack(">II", 3, 0))),
    "webp by header": b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0" * 4 + b"\xff" * 6,
    "jpeg by header": b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + b"\0" * 20,
    "text": png(4, 4, chunk(b"tEXt", b"a\0" + b"x" * (17 << 20))),
}
"""Pictures that are too large to decode, and one that carries too much text."""
