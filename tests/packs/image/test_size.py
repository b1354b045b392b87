"""Resizing, against Pillow, torch and closed forms."""

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from nodeflow import NodeError
from nodeflow_nodes.image.ops.resample import resample, resize_image
from nodeflow_nodes.image.size import resize, resize_by, resize_to_pixels, size, target_size

FILTERS = ("lanczos", "bicubic", "bilinear", "area", "nearest")
PILLOW = {
    "bilinear": Pillow.Resampling.BILINEAR,
    "bicubic": Pillow.Resampling.BICUBIC,
    "lanczos": Pillow.Resampling.LANCZOS,
    "nearest": Pillow.Resampling.NEAREST,
}


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", PILLOW)
@pytest.mark.parametrize("target", [(7, 5), (30, 41), (13, 17), (3, 40), (1, 1), (26, 34), (12, 16)])
def test_agrees_with_pillow(name: str, target: tuple[int, int]) -> None:
    x = noise(13, 17)
    theirs = Pillow.fromarray(x.numpy()).resize((target[1], target[0]), PILLOW[name])
    ours = resample(x[None, None], *target, name)[0, 0]
    assert torch.allclose(ours, torch.from_numpy(numpy.array(theirs)), atol=2e-6)


@pytest.mark.parametrize("target", [(7, 5), (6, 4), (13, 1), (30, 40), (5, 17)])
def test_area_is_the_mean_of_the_covered_area(target: tuple[int, int]) -> None:
    x = noise(1, 2, 12, 16)
    fine = x.repeat_interleave(target[0], 2).repeat_interleave(target[1], 3)
    exact = torch.nn.functional.avg_pool2d(fine.double(), (12, 16)).float()
    assert torch.allclose(resample(x, *target, "area"), exact, atol=1e-6)


@pytest.mark.parametrize("name", FILTERS)
def test_a_constant_stays_constant_and_the_same_size_is_the_identity(name: str) -> None:
    flat = torch.full((1, 3, 9, 11), 0.3)
    assert torch.allclose(resize_image(flat, 23, 4, name), torch.full((1, 3, 23, 4), 0.3), atol=1e-6)
    x = noise(1, 3, 9, 11)
    assert torch.equal(resize(x, 11, 9, filter=name), x)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 30), st.integers(1, 30), st.sampled_from(FILTERS))
@settings(max_examples=100, deadline=None)
def test_any_size_gives_any_size_within_range(h: int, w: int, new_h: int, new_w: int, name: str) -> None:
    x = noise(1, 3, h, w)
    before = x.clone()
    y = resize_image(x, new_h, new_w, name)
    assert y.shape == (1, 3, new_h, new_w)
    assert 0 <= y.min() <= y.max() <= 1
    assert torch.equal(x, before)


def test_transparent_colours_do_not_bleed() -> None:
    image = torch.zeros(1, 4, 4, 8)
    image[:, 0, :, :4] = 1  # red, solid
    image[:, 3, :, :4] = 1
    image[:, 1, :, 4:] = 1  # green, but transparent
    small = resize(image, 4, 2, filter="bilinear")
    seen = small[:, 3] > 0.01
    assert small[:, 1][seen].max() < 1e-5
    assert small[:, 0][seen].min() > 1 - 1e-5


def test_fits() -> None:
    x = noise(1, 3, 100, 200)
    assert resize(x, 50, 50, "stretch").shape[2:] == (50, 50)
    assert resize(x, 50, 50, "fit").shape[2:] == (25, 50)
    assert resize(x, 50, 50, "fill").shape[2:] == (50, 50)
    assert resize(x, 50, 0).shape[2:] == (25, 50)
    assert resize(x, 0, 50).shape[2:] == (50, 100)
    assert torch.equal(resize(x, 0, 0), x)
    assert resize(x, 60, 50, "fit", multiple=16).shape[2:] == (32, 64)
    padded = resize(x, 50, 50, "pad", color="#ff0000")
    assert torch.equal(padded[0, :, 0, 0], torch.tensor([1.0, 0, 0]))
    assert torch.equal(padded[:, :, 12:37], resize(x, 50, 25))
    filled = resize(x, 50, 50, "fill")
    assert torch.equal(filled, resize(x, 100, 50)[..., 25:75])


@given(
    st.integers(1, 300), st.integers(1, 300), st.integers(0, 300), st.integers(0, 300),
    st.sampled_from(["stretch", "fit", "fill", "pad"]), st.sampled_from([1, 8, 64]),
)  # fmt: skip
def test_sizes_are_multiples_and_consistent(h: int, w: int, to_h: int, to_w: int, fit: str, multiple: int) -> None:
    inner, box = target_size((h, w), to_w, to_h, fit, multiple)
    assert box[0] % multiple == box[1] % multiple == 0
    assert min(box) >= 1
    if fit == "fill":
        assert inner[0] >= box[0]
        assert inner[1] >= box[1]
    elif fit == "pad":
        assert inner[0] <= box[0]
        assert inner[1] <= box[1]
    else:
        assert inner == box


def test_factors_and_pixel_counts() -> None:
    x = noise(2, 3, 30, 40)
    assert resize_by(x, 1.5).shape == (2, 3, 45, 60)
    assert resize_by(x, 1.5, multiple=8).shape == (2, 3, 48, 64)
    assert resize_to_pixels(x, 0.01).shape[2:] == (88, 120)
    assert size(x) == (40, 30, 2, 3)


def test_gigantic_sizes_are_refused() -> None:
    with pytest.raises(NodeError, match="megapixels"):
        resize(noise(1, 1, 2, 2), 16384, 16384 + 8)
    with pytest.raises(NodeError, match="megapixels"):
        resize(noise(1, 1, 1, 1000), 0, 16384, "stretch")
