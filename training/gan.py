"""The GAN: a small generator from a vector of 64 numbers to a 64x64 picture.

It is trained adversarially on the VAE's latents (16 times fewer numbers than pictures have) with a non-saturating loss
and a gradient penalty on real data (R1, Mescheder et al. 2018); for export the VAE's decoder is put behind it, so what
ships is one plain stack of layers from vector to picture, described in `generator.json`.
"""

from __future__ import annotations

import argparse
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training import base, vae
from training.loop import Settings, averaged, rng, train, workers

LATENT = 64
Layers = list[dict[str, object]]

STEM: Layers = [
    {"op": "linear", "in": LATENT, "out": 128 * 16},
    {"op": "reshape", "channels": 128, "height": 4, "width": 4},
    {"op": "block", "channels": 128},
    {"op": "upsample"},
    {"op": "conv", "in": 128, "out": 96},
    {"op": "block", "channels": 96},
    {"op": "upsample"},
    {"op": "conv", "in": 96, "out": 64},
    {"op": "block", "channels": 64},
    {"op": "conv", "in": 64, "out": 4},
]


class Block(nn.Module):
    """relu(x + three convolutions with relu between), as in the VAE; weights `conv.0`, `conv.2`, `conv.4`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        convs = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3)]
        self.conv = nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU(), convs[2])

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) + x)


class Softclip(nn.Module):
    """3 tanh(x / 3): what the VAE's decoder does to its latents first."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


def layer(what: dict[str, object]) -> nn.Module:
    """One layer of a description."""
    match what["op"]:
        case "linear":
            return nn.Linear(what["in"], what["out"])
        case "reshape":
            return nn.Unflatten(1, (what["channels"], what["height"], what["width"]))
        case "block":
            return Block(what["channels"])
        case "upsample":
            return nn.Upsample(scale_factor=2, mode="nearest")
        case "conv":
            return nn.Conv2d(what["in"], what["out"], 3, padding=1, bias=what.get("bias", True))
        case "relu":
            return nn.ReLU()
        case "softclip":
            return Softclip()
    raise ValueError(f"no such layer: {what['op']!r}")


def stack(layers: Layers) -> nn.Sequential:
    return nn.Sequential(*(layer(what) for what in layers))


def whole(generator: nn.Sequential, autoencoder: nn.Module) -> tuple[Layers, nn.Sequential]:
    """The generator with the VAE's decoder behind it: [B, 64] to pictures [B, 3, 64, 64] in 0..1 (clamp them)."""
    described: Layers = [{"op": "softclip"}]
    modules: list[nn.Module] = [Softclip()]
    for module in autoencoder.decoder.layers:
        if isinstance(module, nn.Conv2d):
            what = {"op": "conv", "in": module.in_channels, "out": module.out_channels, "bias": module.bias is not None}
        elif isinstance(module, nn.ReLU):
            what = {"op": "relu"}
        elif isinstance(module, nn.Upsample):
            what = {"op": "upsample"}
        else:
            what = {"op": "block", "channels": module.conv[0].in_channels}
        copy = layer(what)
        copy.load_state_dict({k: v for k, v in module.state_dict().items() if not k.startswith("skip")})
        described.append(what)
        modules.append(copy)
    return [*STEM, *described], nn.Sequential(*generator, *modules).requires_grad_(False).eval()


class Critic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(4, 64, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 96, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(96, 128, 3, 1, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(128, 160, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.score = nn.Linear(160 * 16 + 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.body(x)
        spread = x.std(0).mean().expand(len(x), 1)  # lets it notice a generator that always draws the same
        return self.score(torch.cat([seen, spread], 1))


class Game(nn.Module):
    """Both players; one backward pass gives each its own gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = stack(STEM)
        self.critic = Critic()


def _loss(data: dict[str, Tensor]):
    def loss(model: nn.Module, count: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        rows = torch.randint(len(data["latents"]), (count,), generator=generator)
        real = data["latents"][rows].float().requires_grad_()
        z = torch.randn(count, LATENT, generator=generator)
        fake = model.generator(z)
        on_real, on_fake = model.critic(real), model.critic(fake.detach())
        (slope,) = torch.autograd.grad(on_real.sum(), real, create_graph=True)
        penalty = slope.square().sum((1, 2, 3)).mean()
        critic = F.softplus(-on_real).mean() + F.softplus(on_fake).mean() + 5.0 * penalty
        frozen = list(model.critic.parameters())
        for p in frozen:
            p.requires_grad_(False)
        drawn = F.softplus(-model.critic(fake)).mean()
        for p in frozen:
            p.requires_grad_(True)
        return critic + drawn, {"critic": float(critic.detach()), "generator": float(drawn.detach())}

    return loss


@torch.no_grad()
def smoothness(picture: nn.Module, count: int = 64) -> dict[str, float]:
    """Walks on the sphere between random vectors; see `evaluate.walk_figures` for what the figures mean."""
    generator = rng(90, 1)
    a, b = (torch.randn(count, LATENT, generator=generator) for _ in range(2))
    turns = [i / 16 * math.pi / 2 for i in range(17)]
    pictures = torch.stack([picture(math.cos(t) * a + math.sin(t) * b).clamp(0, 1) for t in turns])
    steps = (pictures[1:] - pictures[:-1]).flatten(2).norm(dim=2)
    far = (pictures[8:] - pictures[:-8]).flatten(2).norm(dim=2)
    ends = (pictures[0] - pictures[-1]).flatten(1).norm(dim=1)
    return {
        "largest_share": float((steps.amax(0) / steps.sum(0)).mean()),
        "neighbours_closer": float((steps[:9] < far).float().mean()),
        "neighbour_distance": float(steps.mean() / ends.mean()),
    }


def load() -> nn.Module:
    return averaged("gan", Game()).generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8000)
    options = parser.parse_args()
    workers(1)
    data = base.dataset("plain", base.POOL, base.plain)
    torch.manual_seed(0)
    settings = Settings(
        "gan",
        options.steps,
        batch=64,
        rate=8e-4,
        betas=(0.0, 0.99),
        ema=0.99,
        decay=0.5,
        weight_decay=0.0,
        clip=100.0,
        save_every=90,
    )

    def report(model: nn.Module, _step: int) -> dict[str, float]:
        return smoothness(whole(model.generator, vae.load())[1])

    train(settings, Game(), _loss(data), on_save=report)


if __name__ == "__main__":
    main()
