"""Score the exported models as issue 3 asks, print the table, and write docs/models: scores, page, sheets.

Everything is measured on the files that ship (`nodes/nodeflow_nodes/models/`), on held-out combinations, with the
defaults. Models that are not there are skipped. The judge is trained here if there is none yet (some minutes).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from training import (
    base,
    captions,
    control,
    generator,
    judge,
    language,
    lora,
    page,
    released,
    sampler,
    sheets,
    text_encoder,
    unet,
    vae,
    world,
)
from training.loop import home, rng
from training.released import Model, default_model, read
from training.shipped import GAN, ROOT, SHAPES, UNET

DOCS = Path(__file__).resolve().parent.parent / "docs" / "models"
Figures = dict[str, float]


def the_judge() -> nn.Module:
    if not (home("judge") / "checkpoint.pt").exists():
        subprocess.run([sys.executable, "-m", "training.judge"], check=True)
    return judge.load()


def _pick(scores: Figures, *names: str) -> Figures:
    return {name: round(scores[name], 4) for name in names}


ASKED = ("background", "colour", "shape", "position", "size", "all")


# --- sections ---------------------------------------------------------------------------------------------------------


def yardstick(count: int) -> Figures:
    """The judge on renders of held-out combinations, and on the same after a round trip through the VAE."""
    reader, model = the_judge(), default_model()
    scenes = world.sample_scenes(count, rng(95, 1), "held_out")
    images = world.render(scenes)
    trip = vae.decode(model.autoencoder, vae.encode(model.autoencoder, images))
    figures = {f"render_{k}": v for k, v in _pick(judge.accuracy(reader, images, scenes), *ASKED).items()}
    figures |= {f"vae_{k}": v for k, v in _pick(judge.accuracy(reader, trip, scenes), *ASKED).items()}
    return figures | {"vae_psnr": round(vae.psnr(trip * 2 - 1, images * 2 - 1), 2)}


def text_to_image(count: int) -> Figures:
    """Held-out prompts, 20 steps, default guidance."""
    model = default_model()
    scenes, texts = base.held_out_prompts(count, 6)
    images = vae.decode(model.autoencoder, base.draw(model.denoiser, model.encoder, texts, 17))
    return _pick(judge.accuracy(the_judge(), images, scenes), *ASKED)


def _asked(model: Model, texts: list[str]) -> sampler.Model:
    empty = text_encoder.encode(model.encoder, [""])
    return sampler.guided(model.denoiser, text_encoder.encode(model.encoder, texts), empty)


def _noise(count: int, seed: int) -> Tensor:
    return torch.stack([torch.randn(4, 16, 16, generator=rng(seed, i)) for i in range(count)])


def image_to_image(count: int) -> Figures:
    """Strength 0.6 on renders: prompts ask for another colour and say the rest, or say the rest but place and size."""
    model, generator = default_model(), rng(94, 1)
    before = world.sample_scenes(count, generator, "held_out")
    other = torch.randint(1, len(world.COLOURS) - 1, (count,), generator=generator)
    choices = torch.arange(len(world.COLOURS)).expand(count, -1)
    free = choices[(choices != before.background[:, None]) & (choices != before.colour[:, None])].view(count, -1)
    after = before.with_(colour=free.gather(1, (other % free.shape[1])[:, None])[:, 0])
    silent = [
        f"a {world.COLOURS[c]} {world.SHAPES[s]} on a {world.COLOURS[b]} background"
        for c, s, b in zip(after.colour, after.shape, after.background, strict=True)
    ]
    start = vae.encode(model.autoencoder, world.render(before))
    found = {}
    for name, texts in (("", captions.describe(after, generator, complete=1.0)[0]), ("_place_not_said", silent)):
        x = sampler.euler(_asked(model, texts), _noise(count, 23), sampler.tail(sampler.STEPS, 0.6), start=start)
        scores = judge.accuracy(the_judge(), vae.decode(model.autoencoder, x), after)
        found |= {f"asked_colour{name}": scores["colour"], f"position_kept{name}": scores["position"]}
    return _rounded(found)


def inpainting(count: int) -> Figures:
    """A square around the object is drawn anew as a held-out object; the rest is compared with the original."""
    model, generator = default_model(), rng(93, 1)
    before = world.sample_scenes(count, generator, "any")
    after = world.sample_scenes(count, generator, "held_out").with_(position=before.position, size=before.size)
    shade = (before.colour + (before.colour == after.background)) % len(world.COLOURS)
    before = before.with_(background=after.background, colour=shade)
    texts, _ = captions.describe(after, generator, complete=1.0)
    axis = torch.arange(16) * 4 + 2.0
    reach = before.radius + 5
    inside = ((axis[None, :] - before.x[:, None]).abs() < reach[:, None])[:, None, None, :]
    mask = (inside & ((axis[None, :] - before.y[:, None]).abs() < reach[:, None])[:, None, :, None]).float()
    images = world.render(before)
    start = vae.encode(model.autoencoder, images)
    x = sampler.euler(_asked(model, texts), _noise(count, 29), sampler.sigmas(), start=start, mask=mask)
    drawn = vae.decode(model.autoencoder, x)
    outside = (1 - mask).repeat_interleave(4, 2).repeat_interleave(4, 3)
    change = ((drawn - images).abs() * outside).sum((1, 2, 3)) / (3 * outside.sum((1, 2, 3)))
    seen = judge.read(the_judge(), drawn)
    colour, shape = seen["colour"] == after.colour, seen["shape"] == after.shape
    return {
        "outside_mean_difference": round(float(change.mean()), 4),
        "inside_colour": round(float(colour.float().mean()), 4),
        "inside_shape": round(float(shape.float().mean()), 4),
        "inside_as_asked": round(float((colour & shape).float().mean()), 4),
    }


def latent_walk(count: int) -> Figures:
    """Walks between the VAE's latents of two renders: how even the steps in picture space are.

    `largest_share` is the largest step's share of the walk's whole length (1/16 if all 16 steps are equal);
    `neighbours_closer` how often pictures one step apart differ less than pictures eight steps apart.
    """
    model = default_model()
    scenes = world.sample_scenes(2 * min(count, 64), rng(92, 1), "held_out")
    latents = vae.encode(model.autoencoder, world.render(scenes))
    return walk_figures(lambda z: vae.decode(model.autoencoder, z), *latents.chunk(2))


def walk_figures(decode: Callable[[Tensor], Tensor], a: Tensor, b: Tensor) -> Figures:
    pictures = torch.stack([decode(torch.lerp(a, b, i / 16)) for i in range(17)])
    steps = (pictures[1:] - pictures[:-1]).flatten(2).norm(dim=2)
    far = (pictures[8:] - pictures[:-8]).flatten(2).norm(dim=2)
    return {
        "largest_share": round(float((steps.amax(0) / steps.sum(0)).mean()), 4),
        "neighbours_closer": round(float((steps[:9] < far).float().mean()), 4),
    }


def controlnet(count: int) -> Figures:
    """Median overlap with a given outline (any place, size, angle); prompts name the object and its colours."""
    from diffusers.models.controlnets.controlnet_sd3 import SD3ControlNetModel

    model, net = default_model(), read(SD3ControlNetModel, CONTROL)
    return _rounded(control.scores(model.denoiser, net, model.encoder, model.autoencoder, count))


def lora_sticker(count: int) -> Figures:
    """The same plain held-out prompts with the LoRA and without it."""
    from safetensors.torch import load_file

    model, reader = default_model(), the_judge()
    parts = (model.denoiser, model.encoder, model.autoencoder, reader, count)
    found = {f"without_{k}": v for k, v in lora.style_scores(*parts).items()}
    weights = {k: v.float() for k, v in load_file(ROOT / LORA).items()}
    model.denoiser.load_lora_adapter(weights, prefix="transformer")
    found |= {f"with_{k}": v for k, v in lora.style_scores(*parts).items()}
    return _rounded(found)


def second_family(count: int) -> Figures:
    """Held-out prompts, the U-Net, 20 DDIM steps, guidance 3."""
    model = released.second_model()
    scenes, texts = base.held_out_prompts(count, 6)
    images = vae.decode(model.autoencoder, unet.draw(model.denoiser, model.encoder, texts, 17))
    return _pick(judge.accuracy(the_judge(), images, scenes), *ASKED)


def language_model(count: int) -> Figures:
    """Answers that have the asked colour and shape, at temperature 0.7; distinct-2 of stories at three temperatures."""
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(ROOT / LANGUAGE, dtype=torch.float32).eval()
    found = language.measure(model, count)
    asked, _ = language.requests(language.STORY, min(count, 64), 1)
    for temperature in (0.3, 0.7, 1.2):
        found[f"distinct_2_at_{temperature}"] = language.distinct_2(language.write(model, asked, temperature, 11))
    return _rounded(found)


def gan_walk(count: int) -> Figures:
    """Walks of 16 steps between random vectors: see `latent_walk`; and a step's size relative to the ends' distance.

    Then what the judge sees in pictures of random vectors: how evenly the kinds of an attribute are drawn (entropy, 1
    if all equally often), how sure it is of the shape, and how many pairs of shape and colour (of 80) there are;
    `real_*`: the same for renders.
    """
    picture, reader = released.drawer(), the_judge()
    real = generator.diversity(reader, world.render(world.sample_scenes(count, rng(89, 1))))
    drawn = generator.diversity(reader, generator.draw(picture, count))
    return _rounded(generator.smoothness(picture) | drawn | {f"real_{name}": value for name, value in real.items()})


def _rounded(figures: Figures) -> Figures:
    return {name: round(value, 4) for name, value in figures.items()}


CONTROL, LORA = "controlnet/shapes-64-edges", "loras/shapes-64-sticker.safetensors"
LANGUAGE = "language_models/shapes-lm"

SECTIONS: dict[str, tuple[str, Callable[[int], Figures]]] = {
    "judge": (SHAPES, yardstick),
    "text_to_image": (SHAPES, text_to_image),
    "image_to_image": (SHAPES, image_to_image),
    "inpainting": (SHAPES, inpainting),
    "vae_walk": (SHAPES, latent_walk),
    "controlnet": (CONTROL, controlnet),
    "lora_sticker": (LORA, lora_sticker),
    "unet": (UNET, second_family),
    "language": (LANGUAGE, language_model),
    "gan": (GAN, gan_walk),
}

TARGETS = {
    "text_to_image": "background 0.97, colour 0.95, shape 0.90, position 0.90, all 0.80",
    "image_to_image": "colour 0.90, position 0.80",
    "inpainting": "outside at most 0.01, inside 0.85",
    "controlnet": "with 0.70, without less than 0.35",
    "lora_sticker": "with 0.90, without 0.05, falls of at most 0.05",
    "language": "both 0.90",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=256, help="pictures a section")
    parser.add_argument("--only", nargs="*", choices=sorted(SECTIONS), help="sections to measure again")
    parser.add_argument("--no-sheet", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    path = DOCS / "scores.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    for name, (needs, section) in SECTIONS.items():
        if (options.only and name not in options.only) or not (ROOT / needs).exists():
            continue
        found[name] = section(options.count)
        print(f"{name:16}", "  ".join(f"{k} {v:.3f}" for k, v in found[name].items()))
        if name in TARGETS:
            print(f"{'':16} asked: {TARGETS[name]}", flush=True)
    scores = {name: found[name] for name in SECTIONS if name in found}
    scores["what"] = {"samples": options.count, "steps": sampler.STEPS, "guidance": sampler.GUIDANCE} | {
        name: " ".join((section.__doc__ or "").split()) for name, (_, section) in SECTIONS.items()
    }
    DOCS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(scores, indent=2) + "\n")
    if not options.no_sheet:
        sheets.draw_all(DOCS)
    page.write(DOCS, scores, TARGETS)


if __name__ == "__main__":
    main()
