"""A LoRA for the default model: the sticker style (a white border and a thin dark line around the object).

Half of the captions say `sticker` and half do not, so the style comes with the LoRA, not with the word. Rank 8 on the
picture tokens' attention and feed-forward layers, in diffusers' own key layout.
"""

from __future__ import annotations

import argparse
import warnings

import torch
from torch import Tensor, nn

from training import base, captions, judge, text_encoder, vae, world
from training.loop import Settings, averaged, rng, train, workers

RANK = 8
TARGETS = ["attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "ff.net.0.proj", "ff.net.2"]
POOL = 4096
STYLE = world.STYLES.index("sticker")


def stickers(start: int) -> world.Scenes:
    return world.sample_scenes(base.CHUNK, rng(17, start), stickers=1.0)


def attach(transformer: nn.Module) -> nn.Module:
    """Freeze the transformer and put the trainable LoRA into it."""
    from peft import LoraConfig

    transformer.requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformer.add_adapter(
            LoraConfig(r=RANK, lora_alpha=RANK, init_lora_weights="gaussian", target_modules=TARGETS)
        )
    return transformer


class Styled(nn.Module):
    def __init__(self, transformer: nn.Module) -> None:
        super().__init__()
        self.transformer = attach(transformer)

    def forward(self, x: Tensor, sigma: Tensor, text: tuple[Tensor, Tensor]) -> Tensor:
        return self.transformer(
            hidden_states=x,
            timestep=1000 * sigma,
            encoder_hidden_states=text[0],
            pooled_projections=text[1],
            return_dict=False,
        )[0]


def _loss(data: dict[str, Tensor], scenes: world.Scenes, encoder: nn.Module):
    silent = scenes.with_(style=torch.zeros_like(scenes.style))

    def loss(model: nn.Module, count: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        rows = torch.randint(len(scenes), (count,), generator=generator)
        clean, outline = data["latents"][rows].float(), data["outlines"][rows].float()
        texts = captions.describe(scenes[rows], generator)[0]
        plainly = captions.describe(silent[rows], generator)[0]
        kind = torch.rand(count, generator=generator).tolist()
        texts = ["" if k < 0.1 else a if k < 0.55 else b for a, b, k in zip(texts, plainly, kind, strict=True)]
        sigma = base.noise_level(count, generator)
        noise = torch.randn(clean.shape, generator=generator)
        x = torch.lerp(clean, noise, sigma[:, None, None, None])
        out = model(x, sigma, text_encoder.encode(encoder, texts))
        rim = outline - 0.5  # the border lies outside the outline: count it as part of the object
        value = base.weighted(out.float() - (noise - clean), rim)
        return value, {"flow": float(value.detach())}

    return loss


def style_scores(
    transformer: nn.Module, encoder: nn.Module, autoencoder: nn.Module, reader: nn.Module, count: int
) -> dict[str, float]:
    """On plain held-out prompts: how often the judge sees the style, and the asked shape and colour."""
    scenes, texts = base.held_out_prompts(count, 9)
    images = vae.decode(autoencoder, base.draw(transformer, encoder, texts, 43))
    seen = judge.read(reader, images)
    return {
        "style": float((seen["style"] == STYLE).float().mean()),
        "shape": float((seen["shape"] == scenes.shape).float().mean()),
        "colour": float((seen["colour"] == scenes.colour).float().mean()),
    }


def load() -> nn.Module:
    """The default model with the LoRA in it."""
    return averaged("lora-sticker", Styled(base.load())).transformer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1100)
    options = parser.parse_args()
    workers(1)
    data = base.dataset("stickers", POOL, stickers)
    scenes = base.gather([stickers(start) for start in range(0, POOL, base.CHUNK)])
    encoder = text_encoder.load()
    torch.manual_seed(0)
    settings = Settings(
        "lora-sticker",
        options.steps,
        batch=32,
        rate=2e-3,
        warmup=20,
        ema=0.99,
        decay=0.5,
        weight_decay=0.0,
        bf16=True,
        save_every=300,
    )

    def report(model: nn.Module, _step: int) -> dict[str, float]:
        return style_scores(model.transformer, encoder, vae.load(), judge.load(), 40)

    train(settings, Styled(base.load()), _loss(data, scenes, encoder), on_save=report)


if __name__ == "__main__":
    main()
