"""The GAN: a small generator from a vector of 64 numbers to a 64x64 picture.

It works on the VAE's latents (16 times fewer numbers than pictures have), in two stages. First it is the decoder of a
variational autoencoder (Kingma and Welling 2013), which spreads the pictures over the vectors but draws softly. Then it
is trained adversarially, as R3GAN is (Huang et al. 2024): each real latent is paired with a drawn one, and the critic
says by how much the real one is more real, with gradient penalties on both; the critic begins with what the encoder
had learnt to see. For export the VAE's decoder is put behind the generator, so what ships is one plain stack of layers
from vector to picture (`training/generator.py`).
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training import base, judge, vae
from training.generator import LATENT, STEM, Block, diversity, draw, smoothness, stack, whole
from training.loop import Loss, Settings, averaged, home, train, workers

HINTED = 8
"""How many layers of the stem give the features (8x8) that the outline is read from in the first stage."""
PRIOR = 2e-3
PENALTY = 5.0
"""Half of R3GAN's gamma."""
ANCHOR = 1.0
"""Weight, in the second stage, of still decoding what the encoder had encoded."""


class Fold(nn.Module):
    """x + two convolutions, for the critic."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        convs = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2)]
        self.conv = nn.Sequential(nn.LeakyReLU(0.2), convs[0], nn.LeakyReLU(0.2), convs[1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


def eye(outputs: int) -> nn.Sequential:
    """What looks at latents: the encoder of the first stage and the critic of the second."""
    return nn.Sequential(
        nn.Conv2d(4, 32, 3, padding=1),
        Fold(32),
        nn.Conv2d(32, 80, 4, 2, 1),
        Fold(80),
        nn.Conv2d(80, 128, 4, 2, 1),
        Fold(128),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(128 * 16, outputs),
    )


def begin(network: nn.Module) -> nn.Module:
    """First weights that keep the spread of what passes through; residual branches begin at nothing.

    With torch's own, little of the vector is left after ten layers, and the generator draws one picture for all.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, Block | Fold):
            nn.init.zeros_(module.conv[-1].weight)
    return network


class Copyist(nn.Module):
    """The first stage: an encoder, the generator as its decoder, and the outline's head on the generator's middle."""

    def __init__(self) -> None:
        super().__init__()
        self.eye = begin(eye(2 * LATENT))
        self.generator = begin(stack(STEM))
        self.hint = nn.Sequential(nn.LayerNorm(72), nn.Linear(72, 16))

    def forward(self, clean: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The latents decoded again, the outline, and how much is told about each picture (mean, in nats)."""
        mean, log_variance = self.eye(clean).chunk(2, 1)
        middle = self.generator[:HINTED](mean + (log_variance / 2).exp() * noise)
        outline = base.unfolded(self.hint(middle.flatten(2).transpose(1, 2)))
        nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return self.generator[HINTED:](middle), outline, nats


@torch.no_grad()
def settle(copyist: Copyist, latents: Tensor) -> Copyist:
    """Make standard normal vectors mean what pictures' codes are: their mean and covariance go into the generator's
    first layer, and out of the encoder's last one."""
    mean, log_variance = copyist.eye(latents).chunk(2, 1)
    middle = mean.mean(0)
    spread = torch.linalg.cholesky(torch.cov(mean.T) + log_variance.exp().mean(0).diag())
    first, last = copyist.generator[0], copyist.eye[-1]
    first.bias += first.weight @ middle
    first.weight.copy_(first.weight @ spread)
    last.bias[:LATENT] -= middle
    for part in (last.weight, last.bias[:, None]):
        part[:LATENT] = torch.linalg.solve_triangular(spread, part[:LATENT], upper=False)
    return copyist


class Game(nn.Module):
    """The second stage: both players; one backward pass gives each its own gradient."""

    def __init__(self, copyist: Copyist) -> None:
        super().__init__()
        self.generator = copyist.generator
        self.anchor = copyist.eye.requires_grad_(False)
        self.critic = eye(1)
        self.critic[:-1].load_state_dict(copyist.eye[:-1].state_dict())


def _copy_loss(data: dict[str, Tensor]) -> Loss:
    def loss(model: nn.Module, count: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        rows = torch.randint(len(data["latents"]), (count,), generator=generator)
        clean, outline = data["latents"][rows].float(), data["outlines"][rows].float()
        again, seen, nats = model(clean, torch.randn(count, LATENT, generator=generator))
        miss, hint = base.weighted(again.float() - clean, outline), base.outline_miss(seen, outline)
        figures = {"miss": miss, "hint": hint, "nats": nats}
        return miss + hint + PRIOR * nats, {name: float(value.detach()) for name, value in figures.items()}

    return loss


def _slope(critic: nn.Module, x: Tensor) -> Tensor:
    """Mean squared gradient of the critic at some latents."""
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def _loss(data: dict[str, Tensor]) -> Loss:
    def loss(model: nn.Module, count: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        rows = torch.randint(len(data["latents"]), (count,), generator=generator)
        real = data["latents"][rows].float()
        fake = model.generator(torch.randn(count, LATENT, generator=generator))
        on_real = model.critic(real)
        some = count // 4  # penalties cost the most, and a quarter of the batch estimates them well enough
        penalty = _slope(model.critic, real[:some]) + _slope(model.critic, fake[:some])
        critic = F.softplus(model.critic(fake.detach()) - on_real).mean()
        again = model.generator(model.anchor(real[:some])[:, :LATENT])
        miss = base.weighted(again - real[:some], data["outlines"][rows[:some]].float())
        model.critic.requires_grad_(False)
        drawn = F.softplus(on_real.detach() - model.critic(fake)).mean()
        model.critic.requires_grad_(True)
        figures = {"critic": critic, "generator": drawn, "penalty": penalty, "miss": miss}
        return critic + PENALTY * penalty + drawn + ANCHOR * miss, {
            name: float(value.detach()) for name, value in figures.items()
        }

    return loss


def report(generator: nn.Module) -> dict[str, float]:
    """For the log: smoothness and diversity of a few pictures."""
    picture = whole(generator, vae.load())[1]
    even = diversity(judge.load(), draw(picture, 128)) if (home("judge") / "checkpoint.pt").exists() else {}
    return smoothness(picture, 8) | even


def load(name: str = "gan") -> nn.Module:
    return averaged(name, Game(Copyist())).generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first-steps", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=2000)
    options = parser.parse_args()
    workers(1)
    data = base.dataset("plain", base.POOL, base.plain)
    torch.manual_seed(0)
    first = Settings("gan-first", options.first_steps, batch=64, rate=1e-3, ema=0.998, bf16=True, save_every=240)
    copyist = train(first, Copyist(), _copy_loss(data), on_save=lambda model, _: report(model.generator))
    second = Settings(
        "gan",
        options.steps,
        batch=64,
        rate=4e-4,
        betas=(0.0, 0.99),
        ema=0.999,
        decay=0.5,
        weight_decay=0.0,
        clip=100.0,
        bf16=True,
        save_every=400,
    )
    game = Game(settle(copyist, data["latents"][:4096].float())).train().requires_grad_(True)
    game.anchor.requires_grad_(False)
    train(second, game, _loss(data), on_save=lambda model, _: report(model.generator))


if __name__ == "__main__":
    main()
