"""The judge: a small CNN that reads a picture's attributes, to score what the models draw.

It is trained on fresh renders of every combination (held-out ones too: it measures, it does not generate), blurred and
made noisy at random so that a soft picture is not read as a wrong one. Its own accuracy on renders is reported with
every score, because no score can be trusted beyond it.
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training import world
from training.loop import Settings, averaged, home, rng, train, workers
from training.text_encoder import HEADS

POOL = 24_576


class Judge(nn.Module):
    """[B, 3, 64, 64] in 0..1 to logits, one set an attribute."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        sizes = [3, width, 2 * width, 3 * width, 4 * width]
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [nn.Conv2d(a, b, 4, 2, 1), nn.GroupNorm(8, b), nn.GELU()]
        layers += [nn.Conv2d(4 * width, 4 * width, 3, 1, 1), nn.GroupNorm(8, 4 * width), nn.GELU(), nn.Flatten()]
        layers += [nn.Linear(4 * width * 16, 192), nn.GELU()]
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({name: nn.Linear(192, count) for name, count in HEADS.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        seen = self.body(images * 2 - 1)
        return {name: head(seen) for name, head in self.heads.items()}


def _rows(count: int) -> list[world.Scenes]:
    return [
        world.sample_scenes(256, rng(31, start), "any", extras=0.15, stickers=0.25) for start in range(0, count, 256)
    ]


def _pool() -> Tensor:
    path = home("data") / f"judge-{POOL}.pt"
    if not path.exists():
        torch.save(torch.cat([(world.render(s) * 255).round().byte() for s in _rows(POOL)]), path)
    return torch.load(path, weights_only=True)


def blur(images: Tensor, generator: torch.Generator) -> Tensor:
    """Soften, shift colours a little and add noise, each to a random degree (none for some pictures)."""
    count = len(images)
    soft = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    softer = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2, mode="bilinear")
    kind = torch.rand(count, 1, 1, 1, generator=generator)
    share = torch.rand(count, 1, 1, 1, generator=generator)
    mixed = torch.where(kind < 0.4, images, torch.where(kind < 0.7, soft, softer))
    mixed = images + (mixed - images) * share
    noise = torch.randn(images.shape, generator=generator) * 0.06 * torch.rand(count, 1, 1, 1, generator=generator)
    tint = torch.randn(count, 3, 1, 1, generator=generator) * 0.02
    return (mixed + noise + tint).clamp(0, 1)


def _loss(pool: Tensor, truth: dict[str, Tensor]):
    def loss(model: nn.Module, count: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        rows = torch.randint(len(pool), (count,), generator=generator)
        guesses = model(blur(pool[rows].float() / 255, generator))
        value = torch.stack([F.cross_entropy(guesses[n], truth[n][rows], label_smoothing=0.02) for n in HEADS]).sum()
        return value, {"shape": float((guesses["shape"].argmax(1) == truth["shape"][rows]).float().mean())}

    return loss


@torch.no_grad()
def read(judge: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """The classes the judge sees."""
    return {name: logits.argmax(1) for name, logits in judge(images).items()}


def accuracy(judge: nn.Module, images: Tensor, scenes: world.Scenes) -> dict[str, float]:
    """Share of pictures in which each attribute is seen as in the scenes, and `all` of the four that are scored."""
    seen = read(judge, images)
    hits = {name: (seen[name] == getattr(scenes, name)).float() for name in HEADS}
    together = torch.stack([hits[name] for name in ("background", "colour", "shape", "position")]).amin(0)
    return {name: float(hit.mean()) for name, hit in hits.items()} | {"all": float(together.mean())}


def measure(model: nn.Module) -> dict[str, float]:
    """Accuracy on 512 fresh plain renders of held-out combinations."""
    scenes = world.sample_scenes(512, rng(97, 5), "held_out")
    return {f"render_{name}": value for name, value in accuracy(model, world.render(scenes), scenes).items()}


def load() -> nn.Module:
    return averaged("judge", Judge())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2500)
    options = parser.parse_args()
    workers(1)
    pool, rows = _pool(), _rows(POOL)
    truth = {name: torch.cat([getattr(scenes, name) for scenes in rows]) for name in HEADS}
    torch.manual_seed(0)
    settings = Settings("judge", options.steps, batch=64, rate=2e-3, ema=0.995, decay=0.6, weight_decay=0.02)
    train(settings, Judge(), _loss(pool, truth), on_save=lambda model, step: measure(model))


if __name__ == "__main__":
    main()
