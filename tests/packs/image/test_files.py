"""Loading and saving pictures."""

import contextlib
import io
import os
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageOps
from PIL.PngImagePlugin import PngInfo

from nodeflow import File, NodeError
from nodeflow.context import StandaloneContext
from nodeflow_nodes.image.files import load, preview, save
from nodeflow_nodes.image.ops.files import decode, file_names, to_bytes

from .test_sniff import bomb_png


def written(path: Path, data: bytes) -> File:
    path.write_bytes(data)
    return File(path.name, str(path), "0" * 64)


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3))


def test_rgb_and_alpha(tmp_path: Path) -> None:
    pixels = numpy.arange(2 * 3 * 4, dtype=numpy.uint8).reshape(2, 3, 4) * 10
    target = io.BytesIO()
    Pillow.fromarray(pixels).save(target, "PNG")
    file = written(tmp_path / "a.png", target.getvalue())
    image, mask = load(file)
    expected = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    assert torch.equal(image, expected[:, :3])
    assert torch.equal(mask, 1 - expected[:, 3:])
    assert torch.equal(load(file, "rgba").image, expected)
    assert load(file, "grey").image.shape == (1, 1, 2, 3)


def test_a_solid_picture_has_an_empty_mask_of_its_own_size(tmp_path: Path) -> None:
    target = io.BytesIO()
    Pillow.new("RGB", (5, 3), "red").save(target, "PNG")
    image, mask = load(written(tmp_path / "a.png", target.getvalue()))
    assert image.shape == (1, 3, 3, 5)
    assert torch.equal(mask, torch.zeros(1, 1, 3, 5))


def test_sixteen_bit_grey_keeps_its_precision(tmp_path: Path) -> None:
    values = numpy.array([[0, 1, 32768, 65535]], dtype=numpy.uint16)
    target = io.BytesIO()
    Pillow.fromarray(values).save(target, "PNG")
    image = load(written(tmp_path / "a.png", target.getvalue())).image
    assert torch.allclose(image[0, 0, 0], torch.tensor([0, 1, 32768, 65535]) / 65535)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK"])
def test_other_pillow_modes(tmp_path: Path, mode: str) -> None:
    target = io.BytesIO()
    source = Pillow.new("RGB", (4, 4), (255, 255, 255)).convert(mode)
    source.save(target, "JPEG" if mode == "CMYK" else "PNG")
    image, mask = load(written(tmp_path / "a.png", target.getvalue()))
    assert image.min() > 0.99
    assert mask.max() == 0


def test_exif_orientation_turns_the_picture_upright(tmp_path: Path) -> None:
    picture = Pillow.new("RGB", (4, 2))
    picture.putpixel((0, 0), (255, 255, 255))
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    target = io.BytesIO()
    picture.save(target, "PNG", exif=exif)
    image = load(written(tmp_path / "a.png", target.getvalue())).image
    assert image.shape == (1, 3, 4, 2)
    assert image[0, 0, 0, 1] == 1


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_pillows(form: str, orientation: int) -> None:
    picture = Pillow.fromarray((noise(6, 9, 3) * 255).to(torch.uint8).numpy())
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    target = io.BytesIO()
    picture.save(target, form, exif=exif)
    theirs = numpy.array(ImageOps.exif_transpose(Pillow.open(io.BytesIO(target.getvalue()))))
    ours = decode(target.getvalue(), "x")[0][0].permute(1, 2, 0) * 255
    assert numpy.array_equal(ours.round().numpy(), theirs)


def test_damaged_exif_does_not_lose_the_picture() -> None:
    target = io.BytesIO()
    Pillow.new("RGB", (4, 2), "white").save(target, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode(target.getvalue(), "x")[0].shape == (1, 3, 2, 4)


def _small(form: str) -> bytes:
    target = io.BytesIO()
    frames = [Pillow.effect_noise((24, 16), 60).convert("RGBA" if form != "JPEG" else "RGB") for _ in range(2)]
    moving = {"save_all": True, "append_images": frames[1:]} if form != "JPEG" else {}
    frames[0].save(target, form, **moving)
    return target.getvalue()


SMALL = [_small(form) for form in ("PNG", "JPEG", "WEBP")]


@pytest.mark.filterwarnings("ignore")  # Pillow warns of some damage and goes on
@given(st.sampled_from(SMALL), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6))
@settings(max_examples=150, deadline=None)
def test_damaged_files_give_pixels_or_a_node_error(data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    with contextlib.suppress(NodeError):
        colour, alpha = decode(bytes(damaged), "x")
        assert colour.shape[1] == 3
        assert alpha.shape[2:] == colour.shape[2:]


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_a_moving_picture_becomes_a_batch(tmp_path: Path, form: str) -> None:
    frames = [Pillow.new("RGB", (4, 4), (i * 80, 0, 0)) for i in range(3)]
    target = io.BytesIO()
    frames[0].save(target, form, save_all=True, append_images=frames[1:], lossless=True)
    image = load(written(tmp_path / "a.webp", target.getvalue())).image
    assert (image[:, 0, 0, 0] * 255).round().tolist() == [0, 80, 160]


@pytest.mark.parametrize("data", [b"<svg/>", b"<html></html>", b"", bomb_png(50_000, 50_000), bomb_png(40, 40)])
def test_hostile_files_are_refused_in_words(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(NodeError, match=r"evil\.png"):
        load(written(tmp_path / "evil.png", data))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_truncated_files_are_refused(tmp_path: Path, form: str) -> None:
    target = io.BytesIO()
    Pillow.effect_noise((64, 64), 60).convert("RGB").save(target, form)
    data = target.getvalue()
    with pytest.raises(NodeError, match=r"cannot be decoded|damaged"):
        load(written(tmp_path / "cut.png", data[: len(data) // 2]))


def test_a_jpeg_with_two_sizes_is_refused() -> None:
    """The decoder believes the last header; the guard sees the first one."""
    target = io.BytesIO()
    Pillow.new("RGB", (8, 8)).save(target, "JPEG")
    data = target.getvalue()
    start = data.index(b"\xff\xc0")
    second = bytearray(data[start : start + 19])
    second[5:9] = b"\x40\x00\x40\x00"  # 16384 × 16384
    with pytest.raises(NodeError, match=r"."):
        decode(data[: start + 19] + bytes(second) + data[start + 19 :], "two.jpg")


def test_text_bombs_are_never_unpacked(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("bomb", "0" * 20_000_000, zip=True)
    target = io.BytesIO()
    Pillow.new("RGB", (4, 4)).save(target, "PNG", pnginfo=info)
    assert load(written(tmp_path / "a.png", target.getvalue())).image.shape == (1, 3, 4, 4)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"gone\.png: cannot be read"):
        load(File("gone.png", str(tmp_path / "gone.png"), ""))


def test_save_then_load_rounds_to_eight_bits(tmp_path: Path) -> None:
    context = StandaloneContext()
    image = noise(2, 3, 6, 5)
    made = save(image, "shapes/{index}_{width}x{height}", ctx=context)
    assert [a.name for a in made] == ["shapes/01_5x6.png", "shapes/02_5x6.png"]
    assert [a.media for a in made] == ["image/png"] * 2
    for number, artefact in enumerate(made):
        assert artefact.size == len(context.saved[artefact.name])
        again = load(written(tmp_path / "x.png", context.saved[artefact.name])).image
        assert torch.equal(again, (image[number : number + 1] * 255).round() / 255)


def test_compat_truncates() -> None:
    values = torch.tensor([0.0, 0.999, 1.0, 1.5, -1.0, float("nan"), 127.5 / 255])
    assert to_bytes(values).tolist() == [0, 255, 255, 255, 0, 0, 128]
    assert to_bytes(values, compat=True).tolist() == [0, 254, 255, 255, 0, 0, 127]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("form", "lossless"), [("png", False), ("webp", True)])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, channels: int, form: str, lossless: bool) -> None:
    context = StandaloneContext()
    image = (noise(1, channels, 9, 7) * 255).round() / 255
    (made,) = save(image, format=form, lossless=lossless, ctx=context)
    again = load(written(tmp_path / "x", context.saved[made.name]), {1: "rgb", 3: "rgb", 4: "rgba"}[channels]).image
    assert torch.equal(again[:, :channels], image)


def test_jpeg_puts_transparency_on_white(tmp_path: Path) -> None:
    context = StandaloneContext()
    (made,) = save(torch.zeros(1, 4, 8, 8), format="jpeg", quality=95, ctx=context)
    assert made.name == "image.jpg"
    assert load(written(tmp_path / "x", context.saved[made.name])).image.min() > 0.98


def test_lower_quality_is_smaller() -> None:
    context = StandaloneContext()
    sizes = [save(noise(1, 3, 64, 64), format="jpeg", quality=q, ctx=context)[0].size for q in (95, 50, 10)]
    assert sizes == sorted(sizes, reverse=True)


def test_names() -> None:
    assert file_names("star.png", 1, 4, 3, ".png") == ["star.png"]
    assert file_names("star", 2, 4, 3, ".webp") == ["star_01.webp", "star_02.webp"]
    assert file_names("{width}", 1, 4, 3, ".png") == ["4.png"]
    assert file_names("a", 120, 4, 3, ".png")[-1] == "a_120.png"


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a\\b", "c:x", "a\0b", "x" * 300, "{os}"]
)
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(NodeError, match="file name"):
        file_names(name, 1, 4, 3, ".png")


def test_preview_passes_the_picture_on() -> None:
    context = StandaloneContext()
    image = noise(1, 3, 4, 4)
    assert preview(image, ctx=context) is image
    assert context.previews == [image]


def test_nothing_heavy_at_import() -> None:
    import subprocess
    import sys

    code = (
        "import sys, nodeflow_nodes.image, nodeflow_nodes.mask, nodeflow_nodes.latent, nodeflow_nodes.value;"
        "print([m for m in ('torch', 'numpy', 'PIL', 'scipy') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert shown.stdout.strip() == "[]"
