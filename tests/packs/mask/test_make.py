import math

import pytest
import torch

from nodeflow.context import StandaloneContext
from nodeflow_nodes.mask.make import (
    from_alpha,
    from_channel,
    from_color,
    from_shape,
    from_threshold,
    preview,
    solid,
    to_image,
)


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(4))


def test_solid() -> None:
    assert torch.equal(solid(0.5, 4, 3), torch.full((1, 1, 3, 4), 0.5))


def test_color() -> None:
    x = torch.tensor([[1.0, 0, 0], [0.9, 0.1, 0], [0.5, 0, 0], [0, 1, 0]]).T.view(1, 3, 1, 4)
    assert from_color(x, "red", 0.1).flatten().tolist() == [1, 1, 0, 0]
    assert from_color(x, "red", 0.1, 0.8).flatten().tolist() == pytest.approx([1, 1, 0.5, 0], abs=1e-6)
    assert from_color(noise(2, 1, 3, 3), "white").shape == (2, 1, 3, 3)


def test_alpha_and_channels() -> None:
    x = noise(2, 4, 3, 3)
    assert torch.equal(from_alpha(x), 1 - x[:, 3:])
    assert torch.equal(from_alpha(x, "solid"), x[:, 3:])
    assert from_alpha(x[:, :3]).max() == 0
    assert torch.equal(from_channel(x, "green"), x[:, 1:2])
    assert torch.equal(from_channel(x, "alpha"), x[:, 3:])
    assert torch.allclose(from_channel(x, "luminance"), x[:, :1] * 0.2126 + x[:, 1:2] * 0.7152 + x[:, 2:3] * 0.0722)
    assert from_channel(x, "saturation").shape == (2, 1, 3, 3)


def test_threshold() -> None:
    x = torch.tensor([0.2, 0.5, 0.8]).view(1, 1, 1, 3)
    assert from_threshold(x).flatten().tolist() == [0, 0, 1]
    assert from_threshold(x, mark="below").flatten().tolist() == [1, 1, 0]


def test_rectangle_covers_its_area() -> None:
    made = from_shape("rectangle", 40, 20, 0.25, 0.5, 0.5, 0.25)
    expected = torch.zeros(1, 1, 20, 40)
    expected[..., 10:15, 10:30] = 1
    assert torch.equal(made, expected)


def test_rectangle_edge_is_a_straight_slope() -> None:
    made = from_shape("rectangle", 40, 40, 0.25, -1.0, 2.0, 2.9, feather=8.0)
    row = made[0, 0, 20]
    expected = [min(max(0.5 + (i + 0.5 - 10) / 8, 0), 1) for i in range(40)]
    assert row.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("feather", [0.0, 6.0])
def test_ellipse_has_its_area(feather: float) -> None:
    made = from_shape("ellipse", 200, 100, 0.1, 0.2, 0.8, 0.6, feather)
    assert float(made.sum()) == pytest.approx(math.pi * 80 * 30, rel=0.02)
    assert made[0, 0, 50, 100] == 1
    assert made[0, 0, 0, 0] == 0


def test_a_circle_is_soft_by_distance() -> None:
    made = from_shape("ellipse", 101, 101, 0.0, 0.0, 1.0, 1.0, 10.0)
    assert float(made[0, 0, 50, 3]) == pytest.approx(0.5 + 3.5 / 10, abs=0.01)


def test_to_image_and_preview() -> None:
    mask = noise(2, 1, 4, 4)
    assert torch.equal(to_image(mask)[:, 1:2], mask)
    context = StandaloneContext()
    shown = preview(torch.ones(1, 1, 2, 2), torch.zeros(1, 3, 4, 4), ctx=context)
    assert torch.allclose(shown[0, :, 0, 0], torch.tensor([0.5, 0, 0]))
    assert torch.equal(preview(mask, ctx=context), to_image(mask))
    assert len(context.previews) == 2
