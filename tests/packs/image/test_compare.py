import math
from pathlib import Path

import numpy
import pytest
import torch
from PIL import ImageFont
from scipy import ndimage

from nodeflow import File, NodeError
from nodeflow.context import StandaloneContext
from nodeflow_nodes.image.compare import compare, grid, histogram, metrics
from nodeflow_nodes.image.ops.histogram import count
from nodeflow_nodes.image.ops.layout import spelled, wrap
from nodeflow_nodes.image.ops.metrics import ssim


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_psnr_of_a_known_difference() -> None:
    a = torch.full((1, 3, 16, 16), 0.5)
    made = metrics(a, a + 0.1)
    assert made.psnr == pytest.approx(20, abs=1e-4)
    assert made.largest == pytest.approx(0.1, abs=1e-6)
    assert made.table.columns == ("item", "MSE", "MAE", "PSNR", "SSIM", "largest")
    assert made.table.rows[0][1:4] == pytest.approx((0.01, 0.1, 20), abs=1e-4)


def test_equal_pictures() -> None:
    a = noise(2, 3, 16, 16)
    made = metrics(a, a.clone())
    assert math.isinf(made.psnr)
    assert made.ssim == pytest.approx(1)
    assert len(made.table.rows) == 2


def test_ssim_agrees_with_its_definition() -> None:
    a, b = noise(1, 20, 24), noise(1, 20, 24, seed=2)
    x, y = a[0].double().numpy(), b[0].double().numpy()

    def mean(z: numpy.ndarray) -> numpy.ndarray:
        return ndimage.gaussian_filter(z, 1.5, mode="nearest", radius=5)[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    expected = ((2 * mx * my + 1e-4) * (2 * cov + 9e-4)) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    assert ssim(a, b) == pytest.approx(expected.mean(), abs=1e-6)
    assert ssim(a[:, :2, :3], a[:, :2, :3]) == pytest.approx(1)


def test_metrics_need_equal_sizes() -> None:
    with pytest.raises(NodeError, match="4 × 4 and 5 × 4"):
        metrics(noise(1, 3, 4, 4), noise(1, 3, 4, 5))


def test_grid_places_pictures_row_by_row() -> None:
    pictures = noise(3, 3, 10, 12)
    made = grid(pictures, columns=2, gap=4)
    assert made.shape == (1, 3, 4 + 2 * 14, 4 + 2 * 16)
    assert torch.equal(made[0, :, 4:14, 4:16], pictures[0])
    assert torch.equal(made[0, :, 4:14, 20:32], pictures[1])
    assert torch.equal(made[0, :, 18:28, 4:16], pictures[2])
    assert made[0, :, 18:28, 20:32].min() == 1  # the empty cell shows the paper


def test_grid_takes_lists_of_batches_of_any_size_and_kind() -> None:
    made = grid([noise(2, 1, 4, 4), noise(1, 4, 8, 6)], gap=0)
    assert made.shape == (1, 3, 16, 12)
    with pytest.raises(NodeError, match="empty list"):
        grid([])


def test_texts_are_drawn_outside_of_the_pictures() -> None:
    pictures = torch.full((4, 3, 40, 60), 0.5)
    plain = grid(pictures, 2)
    made = grid(
        pictures, 2, ["one", "two", "three", "a caption that is much too long for its place"], "Title", ["x", "y"],
        ["first row", "second"],
    )  # fmt: skip
    assert made.shape[2] > plain.shape[2]
    assert made.shape[3] > plain.shape[3]
    assert made.min() < 0.2  # ink
    assert int((made == 0.5).all(1).sum()) >= 4 * 40 * 60  # all pictures whole
    dark = grid(pictures, 2, ["one"], color="#101010")
    assert dark.max() == 1  # white ink on dark paper


def test_texts_without_a_place_are_refused() -> None:
    with pytest.raises(NodeError, match="at most 2 captions for 2 pictures, got 3"):
        grid(noise(2, 3, 4, 4), captions=["a", "b", "c"])
    with pytest.raises(NodeError, match="row titles"):
        grid(noise(2, 3, 4, 4), 2, row_titles=["a", "b"])
    with pytest.raises(NodeError, match="pixels large"):
        grid(torch.zeros(1, 3, 1, 1).expand(40, 3, 2000, 2000))


def test_letters_that_the_built_in_font_lacks(tmp_path: Path) -> None:
    assert spelled("Ä 2×3 – “é” ß") == 'A 2x3 - "e" ss'
    assert spelled("日本?") == "???"
    context = StandaloneContext()
    pictures = noise(1, 3, 8, 64)
    assert torch.equal(grid(pictures, captions=["Ä×"], ctx=context), grid(pictures, captions=["Ax"], ctx=context))
    assert context.warnings == []
    grid(pictures, captions=["日本"], ctx=context)
    assert "font" in context.warnings[0]
    file = tmp_path / "a.ttf"
    file.write_bytes(b"no font")
    with pytest.raises(NodeError, match="expected a TrueType"):
        grid(pictures, font=File("a.ttf", str(file), ""))


def test_a_font_of_ones_own(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = File(path.name, str(path), "")
    pictures = noise(1, 3, 8, 64)
    shown = [grid(pictures, captions=[text], font=font) for text in ("Ä", "A", "Ω")]
    assert len({s.numpy().tobytes() for s in shown}) == 3


def test_wrapping() -> None:
    font = ImageFont.load_default(16)
    text = "some words and averyveryverylongwordwithoutanyspaces end"
    lines = wrap(text, font, 100)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert max(font.getlength(line) for line in lines) <= 100
    assert wrap("", font, 100) == [""]
    assert wrap("a\nb", font, 100) == ["a", "b"]
    assert wrap("WW", font, 1) == ["W", "W"]
    long = wrap("x" * 500, font, 100)
    assert "".join(long) == "x" * 500
    assert all(font.getlength(line) <= 100 < font.getlength(line + "x") for line in long[:-1])


def test_compare() -> None:
    a, b = noise(2, 3, 16, 20), noise(1, 3, 16, 20, seed=2)
    assert torch.allclose(compare(a, b, "difference", 2.0), ((a - b).abs() * 2).clamp(0, 1))
    split = compare(a, b, "split")
    assert torch.equal(split[..., :10], a[..., :10])
    assert torch.equal(split[1, ..., 10:], b[0, ..., 10:])
    side = compare(a, b, label_a="", label_b="", gap=0)
    assert torch.equal(side, torch.cat([a, b.expand(2, -1, -1, -1)], 3))
    assert compare(a, b, "both").shape[3] > compare(a, b).shape[3]


def test_histogram_counts() -> None:
    x = torch.tensor([0.0, 0.49, 0.5, 1.0]).view(1, 1, 2, 2)
    assert count(x, 2).tolist() == [[2, 2]]
    made = histogram(noise(1, 4, 8, 8))
    assert made.media == "image/svg+xml"
    assert "red mean" in made.alt
    assert made.data.count(b"<polygon") == 3
