"""Values become files that other programs read."""

from __future__ import annotations

import io
import wave
from typing import Any

import pytest
from PIL import Image as Pillow

from nodeflow.context import StandaloneContext
from nodeflow.errors import NodeError
from nodeflow.export import Encoded, encode, export
from nodeflow.types import Audio, Figure, Latent, Model, Table, Video

torch = pytest.importorskip("torch")


@pytest.mark.parametrize(
    ("value", "data", "media"),
    [
        ("héllo", "héllo", "text/plain"), (5, "5\n", "application/json"), (0.5, "0.5\n", "application/json"),
        (True, "true\n", "application/json"), (None, "null\n", "application/json"), ([], "[]\n", "application/json"),
        ([1, "a"], '[\n  1,\n  "a"\n]\n', "application/json"), ({"a": 1}, '{\n  "a": 1\n}\n', "application/json"),
        (Table(("a", "b"), ((1, "x,y"), (None, 'q"'))), 'a,b\n1,"x,y"\n,"q"""\n', "text/csv"),
        (Figure(b"<svg/>", "image/svg+xml"), "<svg/>", "image/svg+xml"),
    ],
)  # fmt: skip
def test_plain_values(value: Any, data: str, media: str) -> None:
    assert encode(value) == [Encoded(data.encode(), media)]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_are_rounded_png_one_an_item(channels: int) -> None:
    batch = torch.tensor([0.0, 0.5, 1.0, -1.0, 2.0, 0.002]).view(1, 1, 2, 3).repeat(2, channels, 1, 1)
    files = encode(batch)
    assert [file.media for file in files] == ["image/png"] * 2
    opened = Pillow.open(io.BytesIO(files[1].data))
    assert (opened.mode, opened.size) == ({1: "L", 3: "RGB", 4: "RGBA"}[channels], (3, 2))
    assert opened.tobytes() == bytes(v for v in (0, 128, 255, 0, 255, 1) for _ in range(channels))


def test_not_a_number_is_black_and_no_warning() -> None:
    (file,) = encode(torch.full((1, 3, 1, 1), float("nan")))
    assert Pillow.open(io.BytesIO(file.data)).tobytes() == bytes(3)


def test_lists_of_pictures_and_latents() -> None:
    assert [f.media for f in encode([torch.rand(2, 3, 4, 4), "a"])] == ["image/png", "image/png", "text/plain"]
    assert [f.media for f in encode(Latent(torch.randn(2, 4, 4, 4)))] == ["image/png"] * 2


def test_sound() -> None:
    samples = torch.tensor([[[0.0, 1.0, -1.0, 2.0], [0.5, 0.0, 0.0, 0.0]]])
    (file,) = encode(Audio(samples, 8000))
    with wave.open(io.BytesIO(file.data)) as opened:
        assert opened.getparams()[:4] == (2, 2, 8000, 4)
        assert opened.readframes(2) == b"\0\0\0\x40\xff\x7f\0\0"


def test_video() -> None:
    frames = torch.stack([torch.full((3, 4, 4), i / 2) for i in range(3)])
    (file,) = encode(Video(frames, 10))
    opened = Pillow.open(io.BytesIO(file.data))
    assert (opened.format, opened.n_frames, opened.info["loop"]) == ("WEBP", 3, 0)


def test_what_has_no_file_format() -> None:
    with pytest.raises(NodeError, match="a Model has no file format"):
        encode(Model("a", "b", "c"))


def test_half_of_a_character_is_told() -> None:
    with pytest.raises(NodeError, match="half of a character at 2"):
        encode("ab\ud800")


def test_the_node_keeps_what_it_encodes() -> None:
    context = StandaloneContext()
    (artefact,) = export("text", ctx=context)
    assert (artefact.name, artefact.media, artefact.size) == ("0.txt", "text/plain", 4)
    assert context.saved == {"0.txt": b"text"}
