import numpy
import pytest
import torch
from scipy import ndimage

from nodeflow import NodeError
from nodeflow_nodes.mask.change import crop, feather, feather_sides, fill_holes, flip, grow, invert, resize, shrink


def point(size: int = 21) -> torch.Tensor:
    x = torch.zeros(1, 1, size, size)
    x[..., size // 2, size // 2] = 1
    return x


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(4))


def disc(radius: int) -> numpy.ndarray:
    y, x = numpy.mgrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius


@pytest.mark.parametrize("radius", [1, 2, 5, 8, 19, 30])  # 30: beyond the whole picture
def test_growing_agrees_with_scipy(radius: int) -> None:
    x = noise(1, 1, 20, 24)
    grey = x[0, 0].numpy()
    square = numpy.ones((2 * radius + 1,) * 2, bool)
    for form, footprint in (("round", disc(radius)), ("square", square)):
        big = ndimage.grey_dilation(grey, footprint=footprint, mode="constant", cval=0)
        small = ndimage.grey_erosion(grey, footprint=footprint, mode="constant", cval=1)
        border = ndimage.grey_erosion(grey, footprint=footprint, mode="constant", cval=0)
        assert torch.equal(grow(x, radius, form)[0, 0], torch.from_numpy(big))
        assert torch.allclose(shrink(x, radius, form)[0, 0], torch.from_numpy(small), atol=1e-6)
        assert torch.allclose(shrink(x, radius, form, True)[0, 0], torch.from_numpy(border), atol=1e-6)


def test_growing_by_nothing_is_a_copy() -> None:
    x = point()
    grow(x, 0).zero_()
    assert x.sum() == 1
    assert torch.equal(invert(invert(x)), x)


def test_feather_keeps_the_sum_and_the_sides() -> None:
    x = torch.zeros(1, 1, 60, 60)
    x[..., 20:40, 20:40] = 1
    both = feather(x, 6.0)
    assert float(both.sum()) == pytest.approx(400, rel=1e-3)
    assert both[0, 0, 30, 20] == pytest.approx(0.5, abs=0.1)
    outside = feather(x, 6.0, "outside")
    assert torch.equal(outside[x == 1], torch.ones(400))
    assert 0.05 < outside[0, 0, 30, 17] < 0.95
    assert outside[0, 0, 30, 10] == 0
    inside = feather(x, 6.0, "inside")
    assert inside[x == 0].max() == 0
    assert inside[0, 0, 30, 30] == pytest.approx(1)
    assert inside[0, 0, 30, 20] < 0.3
    assert torch.equal(feather(x, 0.0), x)


def test_feather_sides() -> None:
    made = feather_sides(torch.ones(1, 1, 4, 8), left=4, bottom=2)
    assert made[0, 0, 0].tolist() == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert made[0, 0, :, -1].tolist() == [1, 1, 1, 0.5]


def test_fill_holes() -> None:
    ring = grow(point(), 6) - grow(point(), 4)
    assert torch.equal(fill_holes(ring), grow(point(), 6))
    assert torch.equal(fill_holes(point()), point())


def test_resize_crop_flip() -> None:
    x = noise(1, 1, 6, 8)
    assert torch.equal(resize(x, 16, 12, "nearest"), x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert torch.equal(crop(x, 1, 2, 3, 2), x[..., 2:4, 1:4])
    assert torch.equal(crop(x, 1, 2), x[..., 2:, 1:])
    assert torch.equal(flip(x), x.flip(3))
    with pytest.raises(NodeError, match="only 8 × 6"):
        crop(x, 8)
