"""The first stage's codes become the second stage's vectors without changing what they mean."""

import torch

from training import gan
from training.generator import LATENT
from training.loop import rng


def test_standard_normal_vectors_mean_what_codes_are() -> None:
    torch.manual_seed(0)
    copyist = gan.Copyist().requires_grad_(False)
    latents = torch.randn(512, 4, 16, 16, generator=rng(5))
    codes = copyist.eye(latents)[:, :LATENT]
    before = copyist.generator(codes)
    gan.settle(copyist, latents)
    settled, log_variance = copyist.eye(latents).chunk(2, 1)
    assert torch.allclose(settled.mean(0), torch.zeros(LATENT), atol=1e-4)
    assert torch.allclose(copyist.generator(settled), before, atol=1e-3)
    assert torch.linalg.eigvalsh(torch.cov(settled.T)).max() < 1.01
    assert torch.equal(log_variance, copyist.eye(latents)[:, LATENT:])


def test_the_critic_begins_with_what_the_encoder_sees() -> None:
    copyist = gan.Copyist()
    game = gan.Game(copyist)
    x = torch.randn(2, 4, 16, 16, generator=rng(6))
    assert torch.equal(game.critic[:-1](x), copyist.eye[:-1](x))
    assert game.critic(x).shape == (2, 1)
    assert not any(p.requires_grad for p in game.anchor.parameters())
