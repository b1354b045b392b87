import pytest
import torch

from nodeflow import Latent, NodeError
from nodeflow_nodes.latent.make import empty, info, random, set_noise_mask


def test_empty() -> None:
    assert torch.equal(empty(512, 256, 2).samples, torch.zeros(2, 4, 32, 64))
    assert empty(64, 64, channels=16, downscale=8).samples.shape == (1, 16, 8, 8)
    assert empty(100, 60).samples.shape == (1, 4, 7, 12)
    assert empty().noise_mask is None
    with pytest.raises(NodeError, match="less than one latent cell"):
        empty(8, 8, downscale=16)
    with pytest.raises(NodeError, match="at most"):
        empty(16384, 16384, 4096)


def test_random_items_are_those_made_alone() -> None:
    batch = random(5, 3, 16).samples
    assert batch.shape == (3, 16, 1, 1)
    for i in range(3):
        assert torch.equal(random(5 + i, 1, 16).samples[0], batch[i])
    assert torch.equal(random(5, 3, 16).samples, batch)
    assert not torch.equal(random(6, 3, 16).samples, batch)


def test_random_is_normal_and_scaled() -> None:
    values = random(0, 1, 4096, 4, 4, scale=2.0).samples
    assert abs(float(values.mean())) < 0.03
    assert float(values.std()) == pytest.approx(2, rel=0.02)


def test_seeds_wrap_around() -> None:
    last = 2**64 - 1
    assert torch.equal(random(last, 2, 8).samples[1], random(0, 1, 8).samples[0])


def test_truncation_is_the_truncated_normal() -> None:
    values = random(1, 2, 4096, 4, 4, truncation=1.0).samples
    assert float(values.abs().max()) <= 1
    # variance of the normal cut at ±1: 1 - 2·φ(1)/(2Φ(1) - 1)
    assert float(values.var()) == pytest.approx(0.2911, rel=0.02)
    assert torch.equal(random(2, 1, 4096, 4, 4, truncation=1.0).samples[0], values[1])


def test_noise_mask() -> None:
    latent = empty(64, 64, 2)
    mask = torch.ones(1, 1, 64, 64)
    masked = set_noise_mask(latent, mask)
    assert masked.noise_mask is mask
    assert latent.noise_mask is None
    assert set_noise_mask(masked).noise_mask is None
    with pytest.raises(NodeError, match="2 and 3 items"):
        set_noise_mask(latent, torch.ones(3, 1, 64, 64))


def test_info() -> None:
    made = info(Latent(torch.tensor([[-1.0, 3.0]]).view(1, 2, 1, 1)))
    assert made.table.rows == ((0, 1.0, 2.0, -1.0, 3.0),)
    assert made[1:] == (1, 1, 2, 1)
