"""The text encoder: a small `CLIPTextModel`, trained on captions alone to say what each scene is.

Linear heads on the pooled state predict shape, colour, background, size and position, with one more class for
"not said". The heads are thrown away; the encoder then stays frozen for everything that is conditioned on text.
"""

from __future__ import annotations

import argparse
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training import captions, tokenizer, world
from training.loop import Settings, averaged, home, rng, train, workers
from training.shipped import fill

WIDTH = 128
HEADS = {
    "shape": len(world.SHAPES),
    "colour": len(world.COLOURS),
    "background": len(world.COLOURS),
    "size": len(world.SIZES),
    "position": len(world.POSITIONS),
    "texture": len(world.TEXTURES),
    "style": len(world.STYLES),
}
EMPTY = 0.05
"""Share of captions replaced by the empty one or by noise words, which say nothing."""


@cache
def words() -> CLIPTokenizer:
    return tokenizer.build()


def build() -> CLIPTextModel:
    names = words()
    config = CLIPTextConfig(
        vocab_size=len(names),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.LENGTH,
        bos_token_id=names.bos_token_id,
        eos_token_id=names.eos_token_id,
        pad_token_id=names.pad_token_id,
    )
    return CLIPTextModel(config)


class Reader(nn.Module):
    """The encoder with one linear head an attribute (the last class of each means: not said)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = build()
        self.heads = nn.ModuleDict({name: nn.Linear(WIDTH, count + 1) for name, count in HEADS.items()})

    def forward(self, ids: Tensor) -> dict[str, Tensor]:
        pooled = self.encoder(ids).pooler_output
        return {name: head(pooled) for name, head in self.heads.items()}


def goals(scenes: world.Scenes, said: Tensor) -> dict[str, Tensor]:
    """The class that each head should name."""
    found = {name: torch.where(said[:, i], getattr(scenes, name), HEADS[name]) for i, name in enumerate(HEADS) if i < 5}
    return found | {"texture": scenes.texture, "style": scenes.style}


def _loss(model: nn.Module, count: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
    scenes = world.sample_scenes(count, generator, extras=0.4, stickers=0.15)
    texts, said = captions.describe(scenes, generator)
    goal = goals(scenes, said)
    quiet = torch.rand(count, generator=generator) < EMPTY
    texts = ["" if silent else text for text, silent in zip(texts, quiet.tolist(), strict=True)]
    guesses = model(tokenizer.encode(words(), texts))
    goal = {name: torch.where(quiet, HEADS[name], wanted) for name, wanted in goal.items()}
    value = torch.stack([F.cross_entropy(guesses[name], goal[name]) for name in HEADS]).sum()
    right = torch.stack([guesses[name].argmax(1) == goal[name] for name in HEADS]).all(0).float().mean()
    return value, {"all_right": float(right)}


def measure(model: nn.Module, count: int = 512) -> dict[str, float]:
    """Accuracy on complete captions whose combinations were held out."""
    generator = rng(98, 1)
    scenes = world.sample_scenes(count, generator, "held_out")
    texts, said = captions.describe(scenes, generator, complete=1.0)
    with torch.no_grad():
        guesses = model(tokenizer.encode(words(), texts))
    return {
        f"held_out_{name}": float((guesses[name].argmax(1) == goal).float().mean())
        for name, goal in goals(scenes, said).items()
    }


def load() -> CLIPTextModel:
    """The trained encoder: from its run, or else the one that ships."""
    if (home("text-encoder") / "checkpoint.pt").exists():
        return averaged("text-encoder", Reader()).encoder
    return fill(build(), "text_encoder")


@torch.no_grad()
def encode(encoder: CLIPTextModel, texts: list[str]) -> tuple[Tensor, Tensor]:
    """([B, LENGTH, WIDTH] sequence, [B, WIDTH] pooled) of prompts, as the denoisers take them."""
    out = encoder(tokenizer.encode(words(), texts))
    return out.last_hidden_state, out.pooler_output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    options = parser.parse_args()
    workers(1)
    torch.manual_seed(0)
    settings = Settings("text-encoder", options.steps, batch=128, ema=0.99, warmup=50, decay=0.5, save_every=60)
    train(settings, Reader(), _loss, on_save=lambda model, step: measure(model))


if __name__ == "__main__":
    main()
