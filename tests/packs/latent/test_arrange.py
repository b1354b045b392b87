import pytest
import torch

from nodeflow import Latent, NodeError
from nodeflow_nodes.latent.arrange import composite, crop, flip, resize, rotate, upscale


def latent(b: int = 1, c: int = 4, h: int = 6, w: int = 8, mask: int = 0) -> Latent:
    source = torch.Generator().manual_seed(1)
    noise_mask = torch.rand(b, 1, h * mask, w * mask, generator=source) if mask else None
    return Latent(torch.randn(b, c, h, w, generator=source), noise_mask)


def test_upscale() -> None:
    x = latent(2)
    assert upscale(x, 1.5).samples.shape == (2, 4, 9, 12)
    assert upscale(x, 1.0) is x
    doubled = upscale(x, 2.0, "nearest").samples
    assert torch.equal(doubled, x.samples.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert torch.allclose(upscale(upscale(x, 2.0, "nearest"), 0.5, "area").samples, x.samples, atol=1e-6)
    with pytest.raises(NodeError, match="too large"):
        upscale(Latent(torch.zeros(1, 1, 4096, 4096)), 8.0)


def test_upscale_does_not_clamp() -> None:
    x = Latent(torch.full((1, 1, 4, 4), -9.0))
    assert torch.allclose(upscale(x, 2.0, "lanczos").samples, torch.full((1, 1, 8, 8), -9.0))


def test_video_latents_are_resized_frame_by_frame() -> None:
    x = torch.randn(1, 4, 3, 6, 8)
    made = upscale(Latent(x), 2.0, "bilinear").samples
    assert made.shape == (1, 4, 3, 12, 16)
    assert torch.equal(made[:, :, 1], upscale(Latent(x[:, :, 1]), 2.0, "bilinear").samples)


def test_resize_by_pixels() -> None:
    x = latent()
    assert resize(x, 128, 64).samples.shape[2:] == (8, 16)
    assert resize(x, 128, 0).samples.shape[2:] == (12, 16)
    assert resize(x, 0, 96).samples.shape[2:] == (12, 16)
    assert resize(x, 0, 0) is x
    square = resize(x, 48, 48, crop="center").samples
    assert torch.equal(square, x.samples[..., 1:7])


def test_crop_takes_the_mask_along_at_its_own_scale() -> None:
    x = latent(mask=8)
    made = crop(x, 2, 1, 3, 4)
    assert torch.equal(made.samples, x.samples[..., 1:5, 2:5])
    assert x.noise_mask is not None
    assert torch.equal(made.noise_mask, x.noise_mask[..., 8:40, 16:40])
    assert torch.equal(crop(x, 2, 1).samples, x.samples[..., 1:, 2:])
    with pytest.raises(NodeError, match="only 8 × 6 cells"):
        crop(x, 8, 0)


def test_flip_and_rotate() -> None:
    x = latent(mask=2)
    assert torch.equal(flip(x).samples, x.samples.flip(3))
    back = flip(flip(x, "both"), "both")
    assert torch.equal(back.samples, x.samples)
    assert torch.equal(back.noise_mask, x.noise_mask)
    turned = rotate(x, "90")
    assert torch.equal(turned.samples, torch.rot90(x.samples, 1, (2, 3)))
    assert turned.noise_mask is not None
    assert turned.noise_mask.shape == (1, 1, 16, 12)
    assert torch.equal(rotate(turned, "270").samples, x.samples)


@pytest.mark.parametrize("at", [(0, 0), (3, 2), (-1, -1), (7, 5), (8, 0)])
def test_composite_pastes(at: tuple[int, int]) -> None:
    ground, part = latent(), Latent(torch.ones(2, 4, 3, 3))
    expected = ground.samples.expand(2, -1, -1, -1).clone()
    for y in range(3):
        for x in range(3):
            if 0 <= y + at[1] < 6 and 0 <= x + at[0] < 8:
                expected[..., y + at[1], x + at[0]] = 1
    before = ground.samples.clone()
    assert torch.equal(composite(ground, part, *at).samples, expected)
    assert torch.equal(ground.samples, before)


def test_composite_feathers_only_inner_edges() -> None:
    ground, part = Latent(torch.zeros(1, 1, 8, 8)), Latent(torch.ones(1, 1, 8, 4))
    made = composite(ground, part, 4, 0, feather=1).samples[0, 0]
    assert made[3].tolist() == [0, 0, 0, 0, 0.5, 1, 1, 1]
    assert (made == made[0]).all()


def test_latents_of_two_kinds_are_refused() -> None:
    with pytest.raises(NodeError, match="differ in kind"):
        composite(latent(c=4), latent(c=16))
