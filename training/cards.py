"""Model cards: README.md with the hub's YAML header, filled in from what was measured and logged.

The text that does not change is written here; figures come from the run's log and from `docs/models/scores.json`
(written by `training.evaluate`). A figure that has not been measured is left out, never guessed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from training.loop import progress

SCORES = Path(__file__).resolve().parent.parent / "docs" / "models" / "scores.json"

DATA = """Pictures drawn by `training/world.py`: one of 10 shapes in one of 8 colours on a background of another
colour, 2 sizes, 5 places with jitter, a slight tilt, bevel and soft shadow; captions from the grammar in
`training/captions.py` (54 words). 6 (shape, colour) pairs and 64 further (shape, colour, background) triples are held
out of all training data of the generative models, and the scores are measured on them. No other data was used."""

TEXT_DATA = """Texts written by the templates in `training/language.py`, about 10 shapes in 8 colours; drawn afresh at
every step. The scores ask for random pairs of colour and shape: no pair was held out here. No other data was used."""

WORLD_LIMITS = """It knows its world of shapes and nothing else. Words outside the grammar are spelled out in bytes and
mostly ignored; they break nothing. Prompts are cut after 18 words."""


@dataclass(frozen=True)
class Card:
    """What is written about one model; `score` is its section in the scores."""

    title: str
    text: str
    limits: str
    score: str
    pipeline_tag: str = "text-to-image"
    library: str = "diffusers"
    data: str = DATA
    parts: tuple[str, ...] = ()
    """Runs whose results are parts of the model and stayed frozen."""


CARDS = {
    "base": Card(
        "shapes-64",
        "Text to 64x64 pictures of shapes: `SD3Transformer2DModel` (6 layers, 160 wide, 5.4 M parameters) trained by "
        "flow matching, with a `CLIPTextModel` of 2 layers (128 wide) pre-trained on captions alone and an "
        "`AutoencoderTiny` (4 channels, factor 4). How to feed it: `../../README.md`.",
        WORLD_LIMITS + " 64x64 only: other sizes run but were never seen. Negative prompts work through guidance, "
        "though training never saw one. Stars are the least even: one arm may be longer than the others, and the more "
        "so the stronger the guidance; 1.5 to 2 draws them most evenly, and 6 tears them.",
        "text_to_image",
        parts=("vae", "text-encoder"),
    ),
    "unet": Card(
        "shapes-64-unet",
        "The second family: text to 64x64 pictures of shapes by a `UNet2DConditionModel` with a noise schedule "
        "(32 and 112 channels, 2.3 M parameters; v-prediction, DDIM, zero terminal SNR). Text encoder, tokenizer and "
        "VAE are those of `shapes-64`: load them from there, and this with `diffusion/load_model`. How to feed it: "
        "`../../README.md`.",
        WORLD_LIMITS + " 64x64 only: other sizes run but were never seen.",
        "unet",
    ),
    "control": Card(
        "shapes-64-edges",
        "An `SD3ControlNetModel` (3 layers) for `shapes-64`: holds the picture to a filled outline, given as a white "
        "shape on black, encoded by the model's own VAE.",
        "Filled outlines of one object. Captions that contradict the outline were never seen.",
        "controlnet",
    ),
    "lora": Card(
        "shapes-64-sticker",
        "A LoRA (rank 8, attention and feed-forward of the picture tokens) for `shapes-64`: every object becomes a "
        "sticker, with a white border and a thin dark line. Trigger word `sticker`, but it works without.",
        "One style, for one object.",
        "lora_sticker",
    ),
    "language": Card(
        "shapes-lm",
        "A `LlamaForCausalLM` (4 layers, 160 wide, 1.35 M parameters) with its own BPE. Two formats, in lower case: "
        "`write a prompt: red star =>` is answered by a prompt for `shapes-64`, `tell a story: red star =>` by "
        "a few sentences. The answer ends with the end token. Start the ids with the start token (`<|start|>`), which "
        "the tokenizer does not add by itself.",
        "Its world is 10 shapes and 8 colours; anything else is answered with nonsense in the same tone.",
        "language",
        "text-generation",
        "transformers",
        TEXT_DATA,
    ),
    "gan": Card(
        "shapes-gan",
        "A generator from 64 normal numbers to a 64x64 picture in 0..1 (clamp it). It was first the decoder of a "
        "variational autoencoder on the VAE's latents, then trained adversarially (R3GAN's loss); the VAE's decoder is "
        "behind it. `generator.json` lists the layers; `generator.safetensors` has the weights, named by the layer's "
        "index. Layers: `linear`; `reshape` to channels x height x width; `conv` 3x3 with padding 1 (`bias` false: "
        "none); `upsample` nearest x2; `relu`; `softclip` 3 tanh(x/3); `block` "
        "relu(x + conv(relu(conv(relu(conv(x)))))) with weights `<index>.conv.0`, `.conv.2`, `.conv.4`.",
        "Unconditional: it draws what it likes. All colours, places and sizes come, and as many shapes as there are, "
        "but about half of the objects are blobs between two shapes (`sure shape` beside `real sure shape` says how "
        "far it got), and a few backgrounds have stains of a second colour. The losses still moved after 3,000 steps: "
        "more (`training/README.md`) are what would help.",
        "gan",
        "unconditional-image-generation",
        parts=("gan-first",),
    ),
}


def _figures(scores: object) -> str:
    lines = []
    if isinstance(scores, dict):
        for key, value in scores.items():
            shown = f"{value:.3f}" if isinstance(value, float) else str(value)
            lines.append(f"| {key.replace('_', ' ')} | {shown} |")
    return "| measure | value |\n|---|---|\n" + "\n".join(lines) if lines else "Not measured yet."


def _cost(run: str) -> str:
    done = progress(run)
    if not done:
        return "Not logged."
    return (
        f"{done['samples']:,.0f} samples in {done['step']:,.0f} steps, {done['hours']:.2f} hours of wall clock on two "
        "CPU cores (AMD EPYC, AVX-512) shared with other work."
    )


def _costs(run: str, parts: tuple[str, ...]) -> str:
    lines = [_cost(run), *(f"Before that, its {part}: {_cost(part)}" for part in parts)]
    return "\n\n".join(lines)


def write_card(place: Path, name: str, run: str) -> Path:
    """Write the card of a model: README.md in its folder, or `<file>.md` beside a single file."""
    card = CARDS[name]
    path = place / "README.md" if place.is_dir() else place.with_suffix(".md")
    scores = json.loads(SCORES.read_text()) if SCORES.exists() else {}
    measured = scores.get(card.score)
    path.write_text(
        f"""---
license: apache-2.0
library_name: {card.library}
pipeline_tag: {card.pipeline_tag}
language: en
tags: [nodeflow, synthetic-data]
---

# {card.title}

{card.text}

## Data

{card.data}

## Training cost

{_costs(run, card.parts)}

## Scores

{_figures(measured)}

Measured by `python -m training.evaluate`; what each line means and what the judge itself scores on renders is in
`docs/models/scores.json`.

## Limits

{card.limits}

## Size

{_size(place):.2f} MB in fp16 safetensors. Written by `python -m training.export {name}`.
"""
    )
    return path


def _size(place: Path) -> float:
    files = place.rglob("*.safetensors") if place.is_dir() else [place]
    return sum(file.stat().st_size for file in files) / 1e6
