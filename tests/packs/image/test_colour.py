import colorsys
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodeflow import NodeError
from nodeflow_nodes.image.colour import (
    adjust,
    curves,
    empty,
    invert,
    levels,
    merge_channels,
    set_alpha,
    split_channels,
    to_grey,
)
from nodeflow_nodes.image.ops import colour
from nodeflow_nodes.image.ops.shape import parse_color


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(5))


def pixel(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(1, -1, 1, 1)


def test_defaults_change_nothing() -> None:
    x = noise(1, 4, 5, 5)
    assert torch.equal(adjust(x), x)
    assert torch.allclose(levels(x), x, atol=1e-7)
    assert torch.allclose(curves(x, "0 0, 1 1")[:, :3], x[:, :3], atol=1e-6)


def test_adjustments_by_hand() -> None:
    x = pixel(0.2, 0.4, 0.6)
    assert adjust(x, brightness=1.5).flatten().tolist() == pytest.approx([0.3, 0.6, 0.9])
    assert adjust(x, contrast=2.0).flatten().tolist() == pytest.approx([0, 0.3, 0.7], abs=1e-6)
    assert adjust(x, saturation=0.0).flatten().tolist() == pytest.approx(
        [0.2126 * 0.2 + 0.7152 * 0.4 + 0.0722 * 0.6] * 3
    )
    assert adjust(x, gamma=2.0).flatten().tolist() == pytest.approx([0.2**0.5, 0.4**0.5, 0.6**0.5])
    assert adjust(pixel(1.0, 0, 0), hue=120.0).flatten().tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    assert adjust(pixel(1.0, 0, 0), hue=-120.0).flatten().tolist() == pytest.approx([0, 0, 1], abs=1e-6)


def test_a_stop_doubles_the_light() -> None:
    x = noise(1, 3, 4, 4) * 0.5
    lit = colour.to_linear(adjust(x, exposure=1.0))
    assert torch.allclose(lit, colour.to_linear(x) * 2, atol=1e-5)
    assert torch.allclose(colour.to_srgb(colour.to_linear(x)), x, atol=1e-6)


@given(*[st.integers(0, 1000).map(lambda x: x / 1000)] * 3)
def test_hue_agrees_with_the_standard_library(r: float, g: float, b: float) -> None:
    x = torch.tensor([r, g, b], dtype=torch.float64).view(1, 3, 1, 1)
    h, s, v = (t.item() for t in colour.rgb_to_hsv(x))
    expected = colorsys.rgb_to_hsv(r, g, b)
    assert (s, v) == pytest.approx(expected[1:], abs=1e-9)
    assert abs((h - expected[0] + 0.5) % 1 - 0.5) < 1e-6
    back = colour.hsv_to_rgb(*colour.rgb_to_hsv(x))
    assert torch.allclose(back, x, atol=1e-6)


def test_alpha_and_the_input_stay() -> None:
    x = noise(2, 4, 4, 4)
    before = x.clone()
    for changed in (adjust(x, 1.2, 1.1, 0.5, 30.0, 1.2, 0.5), levels(x, 0.1, 0.9), curves(x), invert(x)):
        assert changed.shape == x.shape
        assert torch.equal(changed[:, 3], x[:, 3])
    assert torch.equal(x, before)


def test_grey_pictures_work_everywhere() -> None:
    x = noise(1, 1, 4, 4)
    assert torch.equal(adjust(x, saturation=2.0, hue=90.0), x)
    assert torch.allclose(invert(invert(x)), x)
    assert torch.equal(to_grey(x, "1"), x)
    assert to_grey(noise(2, 4, 3, 3)).shape == (2, 3, 3, 3)


def test_levels() -> None:
    x = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]).view(1, 1, 1, 5)
    assert levels(x, 0.25, 0.75).flatten().tolist() == [0, 0, 0.5, 1, 1]
    assert levels(x, out_black=0.5).flatten().tolist() == pytest.approx([0.5, 0.625, 0.75, 0.875, 1])
    assert levels(x, gamma=2.0).flatten().tolist() == pytest.approx([0, 0.5, 0.5**0.5, 0.75**0.5, 1])
    with pytest.raises(NodeError, match="black below white"):
        levels(x, 0.5, 0.5)


@given(st.lists(st.tuples(st.floats(0, 1, width=16), st.floats(0, 1, width=16)), min_size=2, max_size=8))
def test_curves_go_through_their_points_and_do_not_overshoot(points: list[tuple[float, float]]) -> None:
    points = sorted(dict(points).items())
    if len(points) < 2 or min(b[0] - a[0] for a, b in itertools.pairwise(points)) < 1e-3:
        return
    at = torch.tensor([p[0] for p in points], dtype=torch.float64)
    assert colour.curve(at, points).tolist() == pytest.approx([p[1] for p in points], abs=1e-6)
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        between = colour.curve(torch.linspace(x0, x1, 20, dtype=torch.float64), points)
        assert min(y0, y1) - 1e-9 <= between.min() <= between.max() <= max(y0, y1) + 1e-9


def test_curves_of_one_channel() -> None:
    x = noise(1, 3, 4, 4)
    bent = curves(x, "0 1; 1 0", "green")
    assert torch.equal(bent[:, (0, 2)], x[:, (0, 2)])
    assert torch.allclose(bent[:, 1], 1 - x[:, 1], atol=1e-6)


@pytest.mark.parametrize("points", ["", "0 0", "0 0, 0 1", "0 0, 1 2", "a b, 1 1", "0 0 0, 1 1", "0 nan, 1 1"])
def test_bad_curves(points: str) -> None:
    with pytest.raises(NodeError, match="curve"):
        curves(noise(1, 3, 2, 2), points)


def test_channels_come_apart_and_together() -> None:
    x = noise(2, 4, 3, 3)
    assert torch.equal(merge_channels(*split_channels(x)), x)
    assert split_channels(x[:, :3]).alpha.min() == 1
    with pytest.raises(NodeError, match="differ in size"):
        merge_channels(noise(1, 1, 2, 2), noise(1, 1, 2, 3), noise(1, 1, 2, 2))


def test_set_alpha() -> None:
    mask = torch.tensor([[0.0, 1.0]]).view(1, 1, 1, 2)
    made = set_alpha(noise(2, 3, 1, 2), mask)
    assert made.shape == (2, 4, 1, 2)
    assert made[:, 3].tolist() == [[[1, 0]]] * 2


def test_empty_and_colours() -> None:
    made = empty(4, 3, "#ff8000", 2)
    assert made.shape == (2, 3, 3, 4)
    assert made[1, :, 2, 3].tolist() == pytest.approx([1, 128 / 255, 0])
    assert empty(1, 1, "#ff000080").shape[1] == 4
    assert parse_color("Orange") == (1, 165 / 255, 0, 1)
    assert parse_color("#f80") == (1, 136 / 255, 0, 1)
    for bad in ("", "#12", "nocolour", "url(x)", "rgb(1,2)", "#" + "f" * 10_000):
        with pytest.raises(NodeError, match="expected a form like"):
            parse_color(bad)
    with pytest.raises(NodeError, match="megapixels"):
        empty(16384, 16384, batch_size=2)
