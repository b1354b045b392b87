"""Recipes in pictures: nothing lost, no pixel changed, damage survived."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nodeflow.problems import ProblemsError
from nodeflow.share import embed as module
from nodeflow.share.embed import MAX_TEXT, embed, extract, is_picture
from nodeflow.workflow import Workflow
from tests.packs_for_tests import n, recipe, refused
from tests.strategies import documents

DOCUMENT = recipe({"a": n("text", value='é "<&>" \n 漢 \U0001f600 &quot; --')}, {"x": "a.text"}).to_json()


def picture(kind: str, mode: str = "RGB", frames: int = 1, **options: Any) -> bytes:
    size = (37, 23)
    made = [Image.linear_gradient("L").rotate(90 * i).resize(size).convert(mode) for i in range(frames)]
    more = {"save_all": True, "append_images": made[1:], "duration": 50} if frames > 1 else {}
    buffer = io.BytesIO()
    made[0].save(buffer, kind, **more, **options)
    return buffer.getvalue()


PICTURES = {
    "png": picture("PNG"),
    "png grey": picture("PNG", "L"),
    "png alpha": picture("PNG", "RGBA"),
    "png palette": picture("PNG", "P"),
    "webp lossy": picture("WEBP", quality=50),
    "webp lossless": picture("WEBP", lossless=True),
    "webp lossy alpha": picture("WEBP", "RGBA", quality=50),
    "webp lossless alpha": picture("WEBP", "RGBA", lossless=True),
    "webp animated": picture("WEBP", frames=3, lossless=True),
    "webp exif": picture("WEBP", exif=Image.Exif()),
    "jpeg": picture("JPEG"),
    "jpeg grey": picture("JPEG", "L"),
    "jpeg progressive": picture("JPEG", progressive=True),
    "jpeg comment": picture("JPEG", comment=b"by hand"),
}


def pixels(data: bytes) -> list[tuple[str, tuple[int, int], bytes]]:
    with Image.open(io.BytesIO(data)) as opened:
        found = []
        for index in range(getattr(opened, "n_frames", 1)):
            opened.seek(index)
            found.append((opened.mode, opened.size, opened.tobytes()))
        return found


@pytest.mark.parametrize("name", PICTURES)
def test_round_trip(name: str) -> None:
    plain = PICTURES[name]
    carrying = embed(plain, DOCUMENT)
    assert extract(carrying) == DOCUMENT
    assert pixels(carrying) == pixels(plain)
    again = embed(carrying, {"other": 1})
    assert extract(again) == {"other": 1}
    assert again == embed(plain, {"other": 1}), "the old one is replaced, not kept"


@pytest.mark.parametrize("name", ["png", "webp lossy", "webp lossless", "jpeg"])
def test_a_large_document(name: str) -> None:
    document = {"text": "".join(chr(33 + i * 7919 % 900) for i in range(300_000))}
    carrying = embed(PICTURES[name], document)
    assert extract(carrying) == document
    assert pixels(carrying) == pixels(PICTURES[name])


@given(documents(), st.sampled_from(["png", "webp lossless", "jpeg"]))
def test_any_recipe(document: dict[str, Any], name: str) -> None:
    workflow = Workflow.from_json(document)
    carrying = embed(PICTURES[name], workflow.to_json())
    assert Workflow.from_json(extract(carrying)).text() == workflow.text()


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_without_a_recipe(name: str) -> None:
    (found,) = refused(lambda: extract(PICTURES[name], source="x.png"))
    assert (found.code, found.message) == ("NF001", "the picture carries no recipe")


def test_other_files_stay_as_they_are() -> None:
    for data in (b"", b"GIF89a", b"plain text", b"RIFF\0\0\0\0WAVE"):
        assert embed(data, DOCUMENT) == data
        assert not is_picture(data)
        assert [p.message for p in refused(lambda data=data: extract(data))] == [
            "the file is no PNG, WebP or JPEG picture"
        ]


def test_jpeg_keeps_jfif_and_exif_first() -> None:
    carrying = embed(PICTURES["jpeg"], DOCUMENT)
    assert carrying[2:4] == b"\xff\xe0"
    assert carrying[6:10] == b"JFIF"


def test_what_follows_a_png_is_kept() -> None:
    plain = PICTURES["png"] + b"trailing bytes"
    assert embed(plain, DOCUMENT).endswith(b"IEND\xaeB`\x82trailing bytes")
    assert extract(embed(plain, DOCUMENT)) == DOCUMENT


@pytest.mark.parametrize("name", ["png", "webp lossy", "webp animated", "jpeg"])
@given(data=st.data())
def test_damaged_pictures_give_problems_and_nothing_else(name: str, data: st.DataObject) -> None:
    whole = bytearray(embed(PICTURES[name], DOCUMENT))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, min(len(whole) - 1, 400)) | st.integers(0, len(whole) - 1))
        whole[at] ^= 1 << data.draw(st.integers(0, 7))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))]) if data.draw(st.booleans()) else bytes(whole)
    for action in (lambda: extract(cut), lambda: embed(cut, DOCUMENT)):
        with contextlib.suppress(ProblemsError):
            action()


@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"]), st.binary(max_size=200))
def test_garbage_behind_a_signature(head: bytes, tail: bytes) -> None:
    for action in (lambda: extract(head + tail), lambda: embed(head + tail, DOCUMENT)):
        with contextlib.suppress(ProblemsError):
            action()


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_bomb_is_refused_before_it_grows(kind: str) -> None:
    packed = zlib.compress(b'"' + b"a" * (200 << 20) + b'"', 9)
    if kind == "png":
        body = b"nodeflow\0\x01\x00\0\0" + packed
        chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
        data = PICTURES["png"][:33] + chunk + PICTURES["png"][33:]
    else:
        pieces = [packed[i : i + 60_000] for i in range(0, len(packed), 60_000)]
        segments = [b"nodeflow\0" + struct.pack(">HH", i, len(pieces)) + piece for i, piece in enumerate(pieces)]
        data = b"\xff\xd8" + b"".join(b"\xff\xfe" + struct.pack(">H", len(s) + 2) + s for s in segments)
        data += PICTURES["jpeg"][2:]
    (found,) = refused(lambda: extract(data))
    assert found.message == f"the embedded text is larger than {MAX_TEXT:,} bytes"


def test_a_document_that_is_too_large_is_not_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TEXT", 1000)
    (found,) = refused(lambda: embed(PICTURES["png"], {"a": "x" * 1000}))
    assert found.message == "the document has 1,008 bytes; at most 1,000 go into a picture"
