"""The ControlNet: an `SD3ControlNetModel` that holds the default model to a given filled outline.

It starts as a copy of the transformer's first blocks (as `from_transformer` makes it) and sees the outline's picture,
white on black, through the same VAE. Captions here say the object and its colours but not its place or size: that is
what the outline says.
"""

from __future__ import annotations

import argparse
import math
import warnings

import torch
from torch import Tensor, nn

from training import base, sampler, text_encoder, vae, world
from training.loop import Settings, averaged, rng, train, workers

LAYERS = 3
POOL = 8192


def anywhere(start: int, split: world.Split = "train") -> world.Scenes:
    """Scenes with the object at any place, size and angle, so that only the outline can say where it is."""
    generator = rng(13, start)
    scenes = world.sample_scenes(base.CHUNK, generator, split)
    u = torch.rand(4, base.CHUNK, generator=generator)
    radius = 9 + 9 * u[0]
    room = world.SIZE / 2 - radius - 1
    return scenes.with_(
        radius=radius,
        x=world.SIZE / 2 + room * (2 * u[1] - 1),
        y=world.SIZE / 2 + room * (2 * u[2] - 1),
        angle=math.pi * (2 * u[3] - 1) / 2,
    )


def build(transformer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers.models.controlnets.controlnet_sd3 import SD3ControlNetModel
    net = SD3ControlNetModel.from_transformer(
        transformer, num_layers=LAYERS, num_extra_conditioning_channels=0, load_weights_from_transformer=True
    )
    net.register_to_config(force_zeros_for_pooled_projection=False)  # it sees the pooled text as the transformer does
    return net


def picture_of(mask: Tensor) -> Tensor:
    """[B, 1, 64, 64] coverage to the control picture [B, 3, 64, 64]."""
    return mask.expand(-1, 3, -1, -1)


def control(net: nn.Module, condition: Tensor):
    """For `sampler.guided`: the residuals of a control latent [B, 4, 16, 16]."""

    def residuals(inputs: dict[str, Tensor]) -> list[Tensor]:
        copies = len(inputs["hidden_states"]) // len(condition)
        return net(**inputs, controlnet_cond=condition.repeat(copies, 1, 1, 1), return_dict=False)[0]

    return residuals


class Guided(nn.Module):
    """The frozen transformer with a ControlNet to train."""

    def __init__(self, transformer: nn.Module) -> None:
        super().__init__()
        self.net = build(transformer)
        self.transformer = transformer.requires_grad_(False)

    def forward(self, x: Tensor, sigma: Tensor, text: tuple[Tensor, Tensor], condition: Tensor) -> Tensor:
        inputs = {
            "hidden_states": x,
            "timestep": 1000 * sigma,
            "encoder_hidden_states": text[0],
            "pooled_projections": text[1],
        }
        residuals = self.net(**inputs, controlnet_cond=condition, return_dict=False)[0]
        return self.transformer(**inputs, block_controlnet_hidden_states=residuals, return_dict=False)[0]


def _loss(data: dict[str, Tensor], conditions: Tensor, scenes: world.Scenes, encoder: nn.Module):
    def loss(model: nn.Module, count: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        rows = torch.randint(len(scenes), (count,), generator=generator)
        clean, outline = data["latents"][rows].float(), data["outlines"][rows].float()
        text = text_encoder.encode(encoder, short_captions(scenes[rows], generator))
        sigma = base.noise_level(count, generator)
        noise = torch.randn(clean.shape, generator=generator)
        x = torch.lerp(clean, noise, sigma[:, None, None, None])
        out = model(x, sigma, text, conditions[rows].float())
        value = base.weighted(out.float() - (noise - clean), outline)
        return value, {"flow": float(value.detach())}

    return loss


def short_captions(scenes: world.Scenes, generator: torch.Generator) -> list[str]:
    """Captions without place or size; one in ten says nothing, one in ten leaves out the shape's name."""
    draws = torch.rand(len(scenes), generator=generator).tolist()
    texts = []
    for i, chance in enumerate(draws):
        shape = "shape" if chance > 0.9 else world.SHAPES[scenes.shape[i]]
        colour, ground = world.COLOURS[scenes.colour[i]], world.COLOURS[scenes.background[i]]
        article = "an" if colour == "orange" else "a"
        on = "an" if ground == "orange" else "a"
        texts.append("" if chance < 0.1 else f"{article} {colour} {shape} on {on} {ground} background")
    return texts


def outline_iou(images: Tensor, scenes: world.Scenes, mask: Tensor) -> Tensor:
    """[B] overlap of the outline asked for with the pixels that are nearer to the object's colour than the ground's."""
    palette = torch.tensor(list(world.PALETTE.values()))
    near = (images - palette[scenes.colour][:, :, None, None]).norm(dim=1)
    far = (images - palette[scenes.background][:, :, None, None]).norm(dim=1)
    drawn, wanted = near < far, mask[:, 0] > 0.5
    both = (drawn & wanted).sum((1, 2)).float()
    return both / (drawn | wanted).sum((1, 2)).clamp(min=1)


@torch.no_grad()
def scores(
    transformer: nn.Module, net: nn.Module, encoder: nn.Module, autoencoder: nn.Module, count: int
) -> dict[str, float]:
    """Median overlap with and without the ControlNet: outlines anywhere, prompts that name the object and colours."""
    scenes = base.gather([anywhere(10**6 + i, "held_out") for i in range(math.ceil(count / base.CHUNK))])[:count]
    mask = world.object_mask(scenes)
    condition = vae.encode(autoencoder, picture_of(mask))
    article = [
        f"{'an' if world.COLOURS[c] == 'orange' else 'a'} {world.COLOURS[c]} {world.SHAPES[s]} on {world.COLOURS[b]}"
        for c, s, b in zip(scenes.colour, scenes.shape, scenes.background, strict=True)
    ]
    text, empty = text_encoder.encode(encoder, article), text_encoder.encode(encoder, [""])
    noise = torch.stack([torch.randn(4, 16, 16, generator=rng(37, i)) for i in range(count)])
    found = {}
    for name, hook in (("with", control(net, condition)), ("without", None)):
        x = sampler.euler(sampler.guided(transformer, text, empty, control=hook), noise, sampler.sigmas())
        found[f"{name}_iou"] = float(outline_iou(vae.decode(autoencoder, x), scenes, mask).median())
    return found


def load(transformer: nn.Module) -> nn.Module:
    return averaged("control", Guided(transformer)).net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=380)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    workers(options.workers)
    data = base.dataset("anywhere", POOL, anywhere)
    scenes = base.gather([anywhere(start) for start in range(0, POOL, base.CHUNK)])
    encoder, autoencoder = text_encoder.load(), vae.load(latest=False)
    conditions = torch.cat(
        [
            vae.encode(autoencoder, picture_of(world.object_mask(scenes[i : i + base.CHUNK]))).half()
            for i in range(0, POOL, base.CHUNK)
        ]
    )
    torch.manual_seed(0)
    settings = Settings(
        "control",
        options.steps,
        batch=32,
        shards=2,
        rate=5e-4,
        warmup=50,
        ema=0.99,
        decay=0.5,
        bf16=True,
        save_every=400,
    )
    model = Guided(base.load())
    report = lambda m, _: scores(m.transformer, m.net, encoder, vae.load(), 24)  # noqa: E731
    train(settings, model, _loss(data, conditions, scenes, encoder), on_save=report)


if __name__ == "__main__":
    main()
