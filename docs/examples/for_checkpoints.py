"""Examples of nodes that are about models which do not ship: a file of that name in a model folder runs them."""

from __future__ import annotations

from typing import Any

from docs.examples.kit import Shapes, decode, draw, example, landscape, prompt, sample, shapes, use
from nodeflow.builder import Graph


def checkpoint(name: str) -> Shapes:
    """A checkpoint among the user's models."""
    loaded = use("diffusion/load_checkpoint", model=name)
    return Shapes(loaded.model, loaded.text_encoder, loaded.vae)


def big_latent(size: int = 512, channels: int = 4) -> Any:
    """An empty latent for a model whose latent cells are 8 pixels wide."""
    return use("latent/empty", width=size, height=size, channels=channels)


def needs(name: str, what: str, note: str = "") -> Any:
    """An example with a model that does not ship."""
    return example(name, note, needs=what)


CAT = "a photo of a cat in a garden"


@example("diffusion/apply_lora", "The same prompt and seed without and with the LoRA.")
def _(graph: Graph) -> None:
    parts = shapes()
    text = "a large red star in the centre on a blue background"
    applied = use("diffusion/apply_lora", model=parts.model, text_encoder=parts.text_encoder, lora="shapes-64-sticker")
    graph.output("without", draw(parts, text))
    graph.output("with_it", draw(Shapes(applied.model, applied.text_encoder, parts.vae), text))


@example("diffusion/load_controlnet", "A drawn outline, and the picture that follows it.")
def _(graph: Graph) -> None:
    controlled(graph)


@example("diffusion/apply_control_net", "A drawn outline, and the picture that follows it.")
def _(graph: Graph) -> None:
    controlled(graph)


def controlled(graph: Graph) -> None:
    parts = shapes()
    size = {"width": 64, "height": 64, "x": 0.2, "y": 0.3, "shape_width": 0.6, "shape_height": 0.4}
    outline = use("mask/to_image", mask=use("mask/from_shape", shape="ellipse", **size))
    net = use("diffusion/load_controlnet", control_net="shapes-64-edges", vae=parts.vae)
    text = prompt(parts, "a yellow circle on a purple background")
    steered = use("diffusion/apply_control_net", conditioning=text, control_net=net, hint=outline, strength=1)
    graph.output("hint", outline)
    graph.output("image", draw(parts, steered))


@needs(
    "diffusion/load_embedding", "an SD 1.5 checkpoint and an embedding", "The word `embedding:my-style` in a prompt."
)
def _(graph: Graph) -> None:
    parts = checkpoint("sd15")
    words = use("diffusion/load_embedding", text_encoder=parts.text_encoder, embedding="my-style")
    styled = Shapes(parts.model, words, parts.vae)
    graph.output("image", draw(styled, f"{CAT}, embedding:my-style", latent=big_latent(), guidance=7))


def single_files() -> Shapes:
    """A model in three files."""
    return Shapes(
        use("diffusion/load_model", model="sd3.5_medium"),
        use("diffusion/load_text_encoder", first="clip_l", second="clip_g", family="sd3"),
        use("diffusion/load_vae", vae="sd3_vae"),
    )


def in_three_files(name: str, note: str) -> None:
    @needs(name, "SD 3.5 in separate files", note)
    def fill(graph: Graph) -> None:
        graph.output("image", draw(single_files(), CAT, latent=big_latent(1024, 16), guidance=4.5))


in_three_files("diffusion/load_text_encoder", "SD 3.5 with two of its three text encoders.")
in_three_files("diffusion/load_vae", "A VAE from a file of its own, in place of the one in a checkpoint.")


@needs("diffusion/model_sampling", "SD 2.1 (768 pixels)", "A checkpoint that predicts velocities but does not say so.")
def _(graph: Graph) -> None:
    parts = checkpoint("v2-1_768")
    model = use("diffusion/model_sampling", model=parts.model, parametrisation="v")
    graph.output("image", draw(parts, CAT, model=model, latent=big_latent(768), guidance=7))


def flux(parts: Shapes, model: Any, side: int) -> Any:
    """A picture by Flux, with the guidance that it has learned."""
    text = use("diffusion/flux_guidance", conditioning=prompt(parts, CAT), guidance=3.5)
    links = {"model": model, "positive": text, "latent": big_latent(side, 16)}
    return decode(parts, use("diffusion/sample", **links, seed=7, steps=20, guidance=1))


@needs(
    "diffusion/flux_guidance", "a Flux checkpoint", "Flux has learned guidance: no negative prompt, `guidance` stays 1."
)
def _(graph: Graph) -> None:
    parts = checkpoint("flux1-dev")
    graph.output("image", flux(parts, parts.model, 1024))


@needs("diffusion/model_shift_by_size", "a Flux checkpoint", "The shift is worked out from the size of the picture.")
def _(graph: Graph) -> None:
    parts = checkpoint("flux1-dev")
    model = use("diffusion/model_shift_by_size", model=parts.model, width=512, height=512)
    graph.output("image", flux(parts, model, 512))


@needs("diffusion/sdxl_sizes", "SDXL", "Both prompts say for which size and crop the picture is drawn.")
def _(graph: Graph) -> None:
    parts = checkpoint("sd_xl_base_1.0")
    sizes = {"width": 1024, "height": 1024, "target_width": 1024, "target_height": 1024}
    texts = [use("diffusion/sdxl_sizes", conditioning=prompt(parts, text), **sizes) for text in (CAT, "blurry")]
    graph.output("image", draw(parts, texts[0], negative=texts[1], latent=big_latent(1024), guidance=6))


@needs(
    "diffusion/sdxl_refiner_sizes",
    "the SDXL refiner",
    "A picture drawn over with the refiner, which asks for a score of beauty.",
)
def _(graph: Graph) -> None:
    parts = checkpoint("sd_xl_refiner_1.0")
    picture = use("image/resize", image=landscape(), width=1024, height=1024)
    positive = use("diffusion/sdxl_refiner_sizes", conditioning=prompt(parts, "a house on a hill"), aesthetic=6)
    negative = use("diffusion/sdxl_refiner_sizes", conditioning=prompt(parts, ""), aesthetic=2.5)
    latent = use("diffusion/encode_image", image=picture, vae=parts.vae)
    graph.output("image", draw(parts, positive, negative=negative, latent=latent, denoise=0.25, guidance=6))


@needs("diffusion/edit_conditioning", "InstructPix2Pix", "An instruction is followed on a picture.")
def _(graph: Graph) -> None:
    parts = checkpoint("instruct-pix2pix")
    picture = use("image/resize", image=landscape(), width=512, height=512)
    texts = {"positive": prompt(parts, "make it winter"), "negative": prompt(parts, "")}
    edit = use("diffusion/edit_conditioning", vae=parts.vae, image=picture, **texts)
    latent = sample(parts, edit.positive, negative=edit.negative, latent=edit.latent, guidance=7)
    graph.output("image", decode(parts, latent))


@needs("diffusion/inpaint_conditioning", "an SD 1.5 inpainting model", "The house is replaced; all else stays.")
def _(graph: Graph) -> None:
    parts = checkpoint("sd15-inpainting")
    picture = use("image/resize", image=landscape(), width=512, height=512)
    mask = use("mask/grow", mask=use("mask/from_color", image=picture, color="#c8432f"), pixels=12)
    texts = {"positive": prompt(parts, "a tall oak"), "negative": prompt(parts, "")}
    made = use("diffusion/inpaint_conditioning", vae=parts.vae, image=picture, mask=mask, **texts)
    latent = sample(parts, made.positive, negative=made.negative, latent=made.latent, guidance=7)
    graph.output("image", decode(parts, latent))


@example("diffusion/apply_lora_model", "The prompt is encoded without the LoRA.")
def _(graph: Graph) -> None:
    parts = shapes()
    text = prompt(parts, "a large red star in the centre on a blue background")
    model = use("diffusion/apply_lora_model", model=parts.model, lora="shapes-64-sticker")
    graph.output("without", draw(parts, text))
    graph.output("with_it", draw(parts, text, model=model))


@needs("diffusion/encode_prompt_parts", "SDXL", "What is shown for one text encoder, how it looks for the other.")
def _(graph: Graph) -> None:
    parts = checkpoint("sd_xl_base_1.0")
    texts = {"clip_l": "watercolour, soft light", "clip_g": CAT}
    positive = use("diffusion/encode_prompt_parts", text_encoder=parts.text_encoder, **texts)
    graph.output("image", draw(parts, positive, latent=big_latent(1024), guidance=6))


@needs(
    "diffusion/apply_ip_adapter",
    "SD 1.5, `ip-adapter_sd15.safetensors` and its image encoder",
    "The picture of the landscape says what the prompt does not.",
)
def _(graph: Graph) -> None:
    parts = checkpoint("sd15")
    shown = use(
        "diffusion/apply_ip_adapter",
        model=parts.model,
        positive=prompt(parts, "a watercolour"),
        negative=prompt(parts, "blurry"),
        image=landscape(),
        ip_adapter="ip-adapter_sd15",
        vision_encoder="CLIP-ViT-H-14-laion2B-s32B-b79K",
        strength=0.7,
    )
    positive, negative = shown.positive, shown.negative
    latent = sample(parts, positive, negative=negative, model=shown.model, latent=big_latent(), guidance=7)
    graph.output("image", decode(parts, latent))


@needs("diffusion/reference_latent", "Flux Kontext", "An instruction about a picture that is shown beside the result.")
def _(graph: Graph) -> None:
    parts = checkpoint("flux1-dev-kontext")
    picture = use("image/resize", image=landscape(), width=1024, height=1024)
    seen = use("diffusion/encode_image", image=picture, vae=parts.vae)
    text = use("diffusion/reference_latent", conditioning=prompt(parts, "make it winter"), latent=seen)
    guided = use("diffusion/flux_guidance", conditioning=text, guidance=2.5)
    settings = {"model": parts.model, "latent": big_latent(1024, 16), "seed": 7, "steps": 20, "guidance": 1}
    graph.output("image", decode(parts, use("diffusion/sample", positive=guided, **settings)))
