"""Examples of the diffusion pack with the built-in model: prompts, guidance and sampling."""

from __future__ import annotations

from typing import Any

from docs.examples import for_checkpoints
from docs.examples.kit import (
    Shapes,
    area,
    decode,
    draw,
    empty_latent,
    example,
    outputs,
    plain,
    prompt,
    sample,
    shape,
    shapes,
    use,
)
from nodeflow.builder import Graph

__all__ = ["for_checkpoints"]

STAR = "a large red star in the centre on a blue background"
CIRCLE = "a large yellow circle in the centre on a purple background"


def drawn() -> Any:
    """A picture of the model's size, drawn without it."""
    return shape("#d03030", 0.25, 0.25, 0.5, 0.5, on=plain("#3050c0", 64), size=64)


def right_half() -> Any:
    """A mask of the right half of the model's pictures."""
    return area(0.5, 0.0, 0.6, 1.0, shape="rectangle", size=64)


def custom(parts: Shapes, guider: Any, **options: Any) -> Any:
    """Sample with parts that each come from a node."""
    given = {
        "noise": lambda: use("diffusion/noise", seed=7),
        "sampler": lambda: use("diffusion/sampler", name="euler"),
        "sigmas": lambda: use("diffusion/sigmas", model=parts.model, steps=12),
        "latent": empty_latent,
    }
    made = {name: make() for name, make in given.items() if name not in options}
    return use("diffusion/sample_custom", guider=guider, **made, **options)


def guided(parts: Shapes, text: str = STAR, **options: Any) -> Any:
    """A guider for a prompt."""
    given = {"model": parts.model, "positive": prompt(parts, text), "negative": prompt(parts, "")}
    return use("diffusion/guider", **{**given, **options})


@example("diffusion/load_model", "The second built-in family: a U-Net, with the text encoder and the VAE of the first.")
def _(graph: Graph) -> None:
    first = shapes()
    second = Shapes(use("diffusion/load_model", model="shapes-64-unet"), first.text_encoder, first.vae)
    outputs(graph, first=draw(first, STAR), second=draw(second, STAR, sampler="ddim"))


# --- prompts ----------------------------------------------------------------------------------------------------------


@example("diffusion/load_checkpoint", "The built-in model: its three parts, each used by another node.")
def _(graph: Graph) -> None:
    graph.output("image", draw(shapes(), STAR))


@example("diffusion/encode_prompt", "Two prompts and the pictures that the model draws for them.")
def _(graph: Graph) -> None:
    parts = shapes()
    outputs(graph, red_star=draw(parts, STAR), yellow_circle=draw(parts, CIRCLE))


def mixed(name: str, note: str, **values: Any) -> None:
    """An example that puts two prompts together."""

    @example(name, note)
    def fill(graph: Graph) -> None:
        parts = shapes()
        first, second = prompt(parts, STAR), prompt(parts, CIRCLE)
        both = use(name, first=first, second=second, **values)
        outputs(graph, first=draw(parts, first), second=draw(parts, second), both=draw(parts, both))


mixed("diffusion/average_conditioning", "One prompt in the middle between two: half a star, half a circle.", share=0.5)
mixed(
    "diffusion/combine_conditioning", "The model is asked about both prompts in each step, and its answers are mixed."
)
mixed("diffusion/concat_conditioning", "One long prompt: the words of the second follow those of the first.")


@example("diffusion/zero_out", "A conditioning of zeros instead of an empty negative prompt.")
def _(graph: Graph) -> None:
    parts = shapes()
    positive = prompt(parts, STAR)
    zeros = use("diffusion/zero_out", conditioning=positive)
    before, after = draw(parts, positive), draw(parts, positive, negative=zeros)
    outputs(graph, empty_negative_prompt=before, zeros=after)


@example("diffusion/time_range", "One prompt for the first 30 % of the steps, another for the rest.")
def _(graph: Graph) -> None:
    parts = shapes()
    first = use("diffusion/time_range", conditioning=prompt(parts, CIRCLE), start=0, end=0.3)
    then = use("diffusion/time_range", conditioning=prompt(parts, STAR), start=0.3, end=1)
    both = use("diffusion/combine_conditioning", first=first, second=then)
    outputs(graph, first=draw(parts, CIRCLE), then=draw(parts, STAR), both=draw(parts, both))


def in_parts(graph: Graph, left: Any, right: Any, parts: Shapes) -> None:
    both = use("diffusion/combine_conditioning", first=left, second=right)
    latent = use("latent/empty", width=128, height=64, channels=4, downscale=4)
    graph.output("image", draw(parts, both, latent=latent))


@example("diffusion/set_area", "A prompt for the left half of the picture, another for the right half, in pixels.")
def _(graph: Graph) -> None:
    parts = shapes()
    left = use("diffusion/set_area", conditioning=prompt(parts, STAR), width=64, height=64, x=0)
    right = use("diffusion/set_area", conditioning=prompt(parts, CIRCLE), width=64, height=64, x=64)
    in_parts(graph, left, right, parts)


@example(
    "diffusion/set_area_share", "A prompt for the left half of the picture, another for the right half, in shares."
)
def _(graph: Graph) -> None:
    parts = shapes()
    left = use("diffusion/set_area_share", conditioning=prompt(parts, STAR), width=0.5, x=0)
    right = use("diffusion/set_area_share", conditioning=prompt(parts, CIRCLE), width=0.5, x=0.5)
    in_parts(graph, left, right, parts)


@example("diffusion/set_mask", "One prompt for the black half of a mask, another for the white half.")
def _(graph: Graph) -> None:
    parts, mask = shapes(), right_half()
    left = use("diffusion/set_mask", conditioning=prompt(parts, STAR), mask=use("mask/invert", mask=mask))
    right = use("diffusion/set_mask", conditioning=prompt(parts, CIRCLE), mask=mask)
    both = use("diffusion/combine_conditioning", first=left, second=right)
    outputs(graph, mask=mask, image=draw(parts, both))


# --- latents and pictures ---------------------------------------------------------------------------------------------


@example("diffusion/decode", "The latent (its first three channels as colours), and the picture it stands for.")
def _(graph: Graph) -> None:
    parts = shapes()
    latent = sample(parts, STAR)
    outputs(graph, latent=latent, image=decode(parts, latent))


@example("diffusion/encode_image", "A picture, what the model's VAE makes of it, and that decoded again.")
def _(graph: Graph) -> None:
    parts, picture = shapes(), drawn()
    latent = use("diffusion/encode_image", image=picture, vae=parts.vae)
    outputs(graph, image=picture, latent=latent, decoded=decode(parts, latent))


@example("diffusion/encode_for_inpaint", "The masked half is emptied before encoding, and then painted from noise.")
def _(graph: Graph) -> None:
    parts, picture, mask = shapes(), drawn(), right_half()
    latent = use("diffusion/encode_for_inpaint", image=picture, vae=parts.vae, mask=mask, grow=2)
    painted = draw(parts, CIRCLE, latent=latent)
    outputs(graph, image=picture, mask=mask, emptied=decode(parts, latent), painted=painted)


# --- sampling ---------------------------------------------------------------------------------------------------------


@example("diffusion/sample", "The same prompt and seed with no, usual and strong guidance.")
def _(graph: Graph) -> None:
    parts = shapes()
    for name, guidance in (("guidance_1", 1), ("guidance_3", 3), ("guidance_8", 8)):
        graph.output(name, draw(parts, STAR, guidance=guidance))


@example("diffusion/sample_advanced", "Stopped after 5 of 12 steps with the noise left in, then finished.")
def _(graph: Graph) -> None:
    parts = shapes()
    asked = {"model": parts.model, "positive": prompt(parts, STAR), "negative": prompt(parts, ""), "steps": 12}
    early = use("diffusion/sample_advanced", **asked, latent=empty_latent(), seed=7, end_step=5, leave_noise=True)
    done = use("diffusion/sample_advanced", **asked, latent=early, start_step=5, noise="none")
    outputs(graph, after_5_steps=decode(parts, early), after_12_steps=decode(parts, done))


@example("diffusion/noise", "The same prompt from three seeds.")
def _(graph: Graph) -> None:
    parts = shapes()
    guider = guided(parts)
    for seed in (1, 2, 3):
        latent = custom(parts, guider, noise=use("diffusion/noise", seed=seed)).latent
        graph.output(f"seed_{seed}", decode(parts, latent))


@example("diffusion/sampler", "Three algorithms with the same noise.")
def _(graph: Graph) -> None:
    parts = shapes()
    guider = guided(parts)
    for name in ("euler", "euler_ancestral", "dpmpp_2m"):
        latent = custom(parts, guider, sampler=use("diffusion/sampler", name=name)).latent
        graph.output(name, decode(parts, latent))


@example("diffusion/sigmas", "Only the last half of the noise levels: the picture keeps its form, and is drawn anew.")
def _(graph: Graph) -> None:
    parts, picture = shapes(), drawn()
    latent = use("diffusion/encode_image", image=picture, vae=parts.vae)
    sigmas = use("diffusion/sigmas", model=parts.model, steps=12, denoise=0.5)
    result = custom(parts, guided(parts, CIRCLE), latent=latent, sigmas=sigmas)
    outputs(graph, before=picture, after=decode(parts, result.latent), sigmas=sigmas)


@example("diffusion/split_sigmas", "The first 4 of 12 steps follow one prompt, the others another one.")
def _(graph: Graph) -> None:
    parts = shapes()
    halves = use("diffusion/split_sigmas", sigmas=use("diffusion/sigmas", model=parts.model, steps=12), step=4)
    begun = custom(parts, guided(parts, CIRCLE), sigmas=halves.high)
    none = use("diffusion/noise", layout="none")
    done = custom(parts, guided(parts), sigmas=halves.low, latent=begun.latent, noise=none)
    outputs(graph, estimate_after_4_steps=decode(parts, begun.denoised), end=decode(parts, done.latent))


@example("diffusion/guider", "Guidance in all steps, and only in the last half of them.")
def _(graph: Graph) -> None:
    parts = shapes()
    for name, start in (("always", 0), ("from_the_middle_on", 0.5)):
        graph.output(name, decode(parts, custom(parts, guided(parts, guidance=4, start=start)).latent))


@example(
    "diffusion/guider_dual",
    "From nothing to the shape, and from the shape to the whole prompt, each with its strength.",
)
def _(graph: Graph) -> None:
    parts = shapes()
    texts = {"positive": prompt(parts, STAR), "middle": prompt(parts, "a star"), "negative": prompt(parts, "")}
    guider = use("diffusion/guider_dual", model=parts.model, **texts, guidance=3, guidance_middle=2)
    outputs(graph, plain=draw(parts, STAR), dual=decode(parts, custom(parts, guider).latent))


@example("diffusion/guider_perp_neg", "A negative prompt that takes away only what the prompt does not ask for.")
def _(graph: Graph) -> None:
    parts = shapes()
    texts = {"positive": prompt(parts, STAR), "negative": prompt(parts, CIRCLE), "empty": prompt(parts, "")}
    guider = use("diffusion/guider_perp_neg", model=parts.model, **texts, guidance=3, strength=1)
    outputs(graph, without=draw(parts, STAR), with_it=decode(parts, custom(parts, guider).latent))


@example("diffusion/sample_custom", "Noise, guider, sampler and noise levels, each from a node.")
def _(graph: Graph) -> None:
    parts = shapes()
    result = custom(parts, guided(parts))
    outputs(graph, image=decode(parts, result.latent))


@example("diffusion/model_shift", "More of few steps are spent where there is much noise, which settles the form.")
def _(graph: Graph) -> None:
    parts = shapes()
    model = use("diffusion/model_shift", model=parts.model, shift=8)
    outputs(graph, before=draw(parts, STAR, steps=3), after=draw(parts, STAR, steps=3, model=model))


@example("diffusion/empty_latent", "The model says that its latents have 4 channels, and that a cell is 4 pixels wide.")
def _(graph: Graph) -> None:
    parts = shapes()
    latent = use("diffusion/empty_latent", model=parts.model, width=64, height=64)
    graph.output("image", draw(parts, "a green triangle on a white background", latent=latent))
    graph.output("table", use("latent/info", latent=latent).table)
