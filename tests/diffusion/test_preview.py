import pytest
import torch

from nodeflow_nodes.diffusion.sampling.preview import FACTORS, fit, to_rgb


@pytest.mark.parametrize("family", [*FACTORS, "other"])
@pytest.mark.parametrize("channels", [1, 2, 4, 16])
def test_previews_are_pictures(family, channels):
    picture = to_rgb(torch.randn(2, channels, 6, 5), family)
    assert picture.shape == (2, 3, 6, 5)
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_odd_latents_do_not_break_a_run():
    for latent in (torch.zeros(1, 4, 8, 8), torch.full((1, 4, 8, 8), torch.nan), torch.full((1, 4, 8, 8), torch.inf)):
        assert torch.isfinite(to_rgb(latent, "other")).all()


def test_fit_finds_a_linear_map():
    pictures = torch.rand(4, 3, 32, 32)
    small = torch.nn.functional.interpolate(pictures, size=8, mode="area")
    mix = torch.tensor([[1.0, 0.2, 0.1], [0.0, 1.0, 0.3], [0.5, 0.0, 1.0]])
    latents = torch.einsum("brhw,rc->bchw", small - 0.5, mix)
    weights, offset = fit(latents, pictures)
    assert torch.allclose(weights, mix.inverse(), atol=1e-4)
    assert torch.allclose(offset, torch.full((3,), 0.5), atol=1e-4)
