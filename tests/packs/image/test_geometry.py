import pytest
import torch

from nodeflow import NodeError
from nodeflow_nodes.image.geometry import crop, flip, pad, pad_for_outpainting, rotate


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(2))


def test_crop() -> None:
    x = noise(2, 3, 8, 10)
    assert torch.equal(crop(x, 2, 3, 4, 5), x[..., 3:8, 2:6])
    assert torch.equal(crop(x, 2, 3, 0, 0), x[..., 3:, 2:])
    assert torch.equal(crop(x, 0, 0, 4, 4, "center"), x[..., 2:6, 3:7])
    assert crop(x, 0, 0, 99, 99, "center").shape == x.shape
    with pytest.raises(NodeError, match="only 10 × 8"):
        crop(x, 10, 0)


def test_crop_is_a_copy() -> None:
    x = noise(1, 3, 4, 4)
    crop(x, 0, 0, 4, 4).zero_()
    assert x.max() > 0


def test_outpainting_mask_matches_the_formula() -> None:
    """((f - d) / f)² of the distance to the nearest side with something new, as ComfyUI's ImagePadForOutpaint."""
    x = noise(1, 3, 20, 30)
    feather = 6
    image, mask = pad_for_outpainting(x, left=8, bottom=4, feather=feather)
    assert image.shape == (1, 3, 24, 38)
    assert mask.shape == (1, 1, 24, 38)
    assert torch.equal(image[..., :20, 8:], x)
    assert (image[..., :8] - 128 / 255).abs().max() < 1e-6
    expected = torch.ones(24, 38)
    for i in range(20):
        for j in range(30):
            d = min(20 - i, j)
            expected[i, j + 8] = ((feather - d) / feather) ** 2 if d < feather else 0
    assert torch.allclose(mask[0, 0], expected, atol=1e-6)


def test_outpainting_without_feather_is_hard() -> None:
    _, mask = pad_for_outpainting(noise(1, 3, 4, 4), right=8, feather=0)
    assert mask[0, 0, 0].tolist() == [0] * 4 + [1] * 8


def test_borders() -> None:
    x = torch.arange(3.0).view(1, 1, 1, 3) / 2
    assert pad(x, 2, 0, 2, 0, "edge")[0, 0, 0].tolist() == [0, 0, 0, 0.5, 1, 1, 1]
    assert pad(x, 2, 0, 3, 0, "mirror")[0, 0, 0].tolist() == [1, 0.5, 0, 0.5, 1, 0.5, 0, 0.5]
    assert pad(x, 1, 1, 0, 0, "color", "white")[0, 0].tolist() == [[1, 1, 1, 1], [1, 0, 0.5, 1]]


def test_flip() -> None:
    x = noise(1, 3, 4, 5)
    assert torch.equal(flip(x, "horizontal"), x.flip(3))
    assert torch.equal(flip(x, "vertical"), x.flip(2))
    assert torch.equal(flip(flip(x, "both"), "both"), x)


def test_quarter_turns_are_exact_and_counter_clockwise() -> None:
    x = noise(1, 3, 4, 6)
    assert torch.equal(rotate(x, 90), torch.rot90(x, 1, (2, 3)))
    assert rotate(x, 90)[0, 0, -1, 0] == x[0, 0, 0, 0]  # the corner at the top left goes to the bottom left
    assert torch.equal(rotate(x, -90), torch.rot90(x, 3, (2, 3)))
    assert torch.equal(rotate(x, 180, expand=False), x.flip(2, 3))
    assert torch.equal(rotate(x, 360), x)


def test_free_angles_agree_with_quarter_turns() -> None:
    x = noise(1, 3, 8, 8)
    assert torch.allclose(rotate(x, 90, expand=False), torch.rot90(x, 1, (2, 3)), atol=1e-5)
    turned = rotate(x, 89.999, expand=False)
    assert (turned - torch.rot90(x, 1, (2, 3)))[..., 1:-1, 1:-1].abs().max() < 1e-2


def test_turning_keeps_the_middle_and_fills_the_corners() -> None:
    x = torch.ones(1, 3, 40, 40)
    turned = rotate(x, 45, expand=True, color="#00ff00")
    assert turned.shape == (1, 3, 57, 57)
    assert torch.equal(turned[0, :, 0, 0], torch.tensor([0.0, 1, 0]))
    assert torch.allclose(turned[0, :, 28, 28], torch.ones(3), atol=1e-5)
    assert abs(float(turned[0, 0].sum()) - 1600) < 16  # the area stays, to 1 %
