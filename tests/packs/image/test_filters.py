import numpy
import pytest
import torch
from scipy import ndimage

from nodeflow import NodeError
from nodeflow_nodes.image.filters import blur, canny, line_art, sharpen
from nodeflow_nodes.image.ops import kernels
from nodeflow_nodes.image.ops.edges import hysteresis, sobel


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(7))


def delta(size: int = 31) -> torch.Tensor:
    x = torch.zeros(1, 1, size, size)
    x[..., size // 2, size // 2] = 1
    return x


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5])
def test_blur_of_a_point_is_the_kernel_and_keeps_the_sum(sigma: float) -> None:
    blurred = blur(delta(), sigma)
    kernel = kernels.gaussian(sigma)
    radius = len(kernel) // 2
    inside = blurred[0, 0, 15 - radius : 16 + radius, 15 - radius : 16 + radius]
    assert torch.allclose(inside, kernel[:, None] * kernel[None, :], atol=1e-7)
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-5)


def test_gaussian_has_its_width() -> None:
    kernel = kernels.gaussian(3.0, 20).double()
    x = torch.arange(-20, 21, dtype=torch.float64)
    assert float((kernel * x**2).sum()) == pytest.approx(9, rel=1e-3)


def test_blur_agrees_with_scipy() -> None:
    x = noise(1, 1, 20, 25)
    theirs = ndimage.gaussian_filter(x[0, 0].double().numpy(), 2.0, mode="nearest", radius=6)
    assert numpy.abs(blur(x, 2.0)[0, 0].numpy() - theirs).max() < 1e-6
    theirs = ndimage.uniform_filter(x[0, 0].double().numpy(), 5, mode="nearest")
    assert numpy.abs(blur(x, 0, "box", 2)[0, 0].numpy() - theirs).max() < 1e-6


def test_box_has_about_the_width_of_the_gaussian() -> None:
    for sigma in (1.0, 3.0, 10.0):
        side = len(kernels.box(sigma))
        assert ((side**2 - 1) / 12) ** 0.5 == pytest.approx(sigma, rel=0.2)


def test_no_blur_is_the_identity_and_a_copy() -> None:
    x = noise(2, 3, 5, 5)
    same = blur(x, 0.0)
    assert torch.equal(same, x)
    same.zero_()
    assert x.max() > 0


def test_transparent_pixels_count_as_nothing() -> None:
    x = torch.zeros(1, 4, 8, 8)
    x[:, 0, :, :4] = 1
    x[:, 3, :, :4] = 1
    x[:, 2, :, 4:] = 1  # blue, transparent
    soft = blur(x, 1.5)
    seen = soft[:, 3] > 0.01
    assert soft[:, 2][seen].max() < 1e-5
    assert soft[:, 0][seen].min() > 1 - 1e-5


def test_sharpen_is_the_unsharp_mask() -> None:
    x = noise(1, 3, 12, 12) * 0.5 + 0.25
    by_hand = (x + 0.7 * (x - blur(x, 1.2))).clamp(0, 1)
    assert torch.allclose(sharpen(x, 0.7, 1.2), by_hand, atol=1e-6)
    assert torch.equal(sharpen(x, 0.0), x)
    assert torch.equal(sharpen(x, 5.0, 1.0, threshold=1.0), x)
    rgba = torch.cat([x, noise(1, 1, 12, 12)], 1)
    assert torch.equal(sharpen(rgba)[:, 3], rgba[:, 3])


def test_sobel_agrees_with_scipy() -> None:
    x = noise(1, 1, 9, 11)
    right, down = sobel(x)
    grey = x[0, 0].double().numpy()
    assert numpy.abs(right[0, 0].numpy() - ndimage.sobel(grey, 1, mode="nearest")).max() < 1e-5
    assert numpy.abs(down[0, 0].numpy() - ndimage.sobel(grey, 0, mode="nearest")).max() < 1e-5


@pytest.mark.parametrize("sigma", [0.0, 1.0])
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_canny_draws_a_step_as_one_straight_line(sigma: float, turn: int) -> None:
    x = torch.zeros(1, 3, 20, 20)
    x[..., 10:] = 1
    drawn = canny(torch.rot90(x, turn, (2, 3)), sigma=sigma)
    assert drawn.shape == (1, 3, 20, 20)
    across = torch.rot90(drawn, -turn, (2, 3))[0, 0]
    assert across.sum(1).tolist() == [1] * 20
    assert len(set(across.argmax(1).tolist())) == 1
    assert int(across[0].argmax()) in (9, 10)


def test_canny_of_a_disc_is_one_closed_thin_line() -> None:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    disc = (((x - 31.5) ** 2 + (y - 31.5) ** 2) < 20**2).float()[None, None]
    drawn = canny(disc)[0, 0].numpy()
    distance = ((x - 31.5) ** 2 + (y - 31.5) ** 2).sqrt().numpy()
    assert numpy.abs(distance[drawn > 0] - 20).max() < 1.5
    _, parts = ndimage.label(drawn, numpy.ones((3, 3)))
    _, areas = ndimage.label(drawn == 0)
    assert (parts, areas) == (1, 2)
    assert drawn.sum() < 2 * 3.1416 * 20 * 1.3


def test_flat_pictures_have_no_edges() -> None:
    assert canny(torch.full((2, 3, 16, 16), 0.7)).max() == 0
    assert line_art(torch.full((2, 3, 16, 16), 0.1)).max() == 0


def test_hysteresis_keeps_weak_edges_that_touch_strong_ones() -> None:
    x = torch.zeros(1, 1, 5, 9)
    x[0, 0, 1, 1:8] = 0.5
    x[0, 0, 1, 7] = 1.0
    x[0, 0, 3, 1:8] = 0.5
    kept = hysteresis(x, 0.4, 0.8)[0, 0]
    assert kept[1].sum() == 7
    assert kept[3].sum() == 0
    assert hysteresis(torch.zeros(2, 1, 3, 3), 0.1, 0.2).sum() == 0


def test_thresholds_must_be_in_order() -> None:
    with pytest.raises(NodeError, match="low ≤ high"):
        canny(noise(1, 3, 4, 4), 0.8, 0.4)


def test_line_art_draws_the_edge_and_not_the_dark_area() -> None:
    x = torch.ones(1, 1, 32, 32)
    x[..., 16:] = 0
    lines = line_art(x)
    assert lines.shape == (1, 3, 32, 32)
    assert lines[0, 0, 16, 16] > 0.8
    assert lines[0, 0, 16, :12].max() < 1e-3
    assert lines[0, 0, 16, 24:].max() < 1e-3
    assert torch.allclose(line_art(x, white_on_black=False), 1 - lines)
