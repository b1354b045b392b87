"""Examples of the latent pack, seen through the built-in model: what a change to a latent does to the picture."""

from __future__ import annotations

from typing import Any

from docs.examples.kit import (
    Shapes,
    area,
    decode,
    example,
    landscape,
    night,
    outputs,
    sample,
    shapes,
    use,
)
from nodeflow.builder import Graph


def encoded(parts: Shapes, picture: Any) -> Any:
    """The latent of a picture, at the model's own size."""
    small = use("image/resize", image=picture, width=64, height=64)
    return use("diffusion/encode_image", image=small, vae=parts.vae)


def alter(name: str, note: str = "", **values: Any) -> None:
    """An example that shows the picture of a latent before and after one node."""

    @example(name, note)
    def fill(graph: Graph) -> None:
        parts = shapes()
        latent = encoded(parts, landscape())
        outputs(graph, before=decode(parts, latent), after=decode(parts, use(name, latent=latent, **values)))


def mix(name: str, note: str) -> None:
    """An example that goes from one latent to another in five steps."""

    @example(name, note)
    def fill(graph: Graph) -> None:
        parts = shapes()
        a, b = two(parts)
        graph.output("from_a_to_b", decode(parts, use(name, a=a, b=b, t=[0, 0.25, 0.5, 0.75, 1])))


def two(parts: Shapes) -> tuple[Any, Any]:
    """Two latents with a picture in each."""
    return encoded(parts, landscape()), encoded(parts, night())


alter("latent/crop", "The right half of the picture: 8 of 16 latent cells.", x=8, y=0, width=8, height=16)
alter(
    "latent/flip", "The latent is flipped, and so is the picture, if not in all of its details.", direction="vertical"
)
alter("latent/repeat", "One latent becomes a batch of three: sampling would make three variations.", count=3)
alter(
    "latent/resize",
    "Brought to 96 x 64 pixels. To draw the missing details, sample again with denoise below 1.",
    width=96,
    height=64,
    downscale=4,
)
alter("latent/rotate", angle="90")
alter("latent/scale", "Values half as large: the picture loses contrast and colour.", factor=0.5)
alter("latent/upscale", "Twice as large. To draw the missing details, sample again with denoise below 1.", factor=2)
mix("latent/lerp", "From one latent to another in a straight line: half-way is the mean of both.")
mix("latent/slerp", "From one latent to another along an arc: half-way has the strength of the ends.")


@example("latent/add", "A little of another latent is added.")
def _(graph: Graph) -> None:
    parts = shapes()
    a, b = two(parts)
    mixed = use("latent/add", a=a, b=b, scale=0.4)
    outputs(graph, a=decode(parts, a), b=decode(parts, b), a_and_some_of_b=decode(parts, mixed))


@example("latent/batch", "Two latents become one batch; decoding it gives two pictures.")
def _(graph: Graph) -> None:
    parts = shapes()
    graph.output("batch", decode(parts, use("latent/batch", latents=list(two(parts)))))


@example("latent/composite", "Half of one latent pasted into another, with a soft edge.")
def _(graph: Graph) -> None:
    parts = shapes()
    a, b = two(parts)
    half = use("latent/crop", latent=b, x=0, y=0, width=8, height=16)
    pasted = use("latent/composite", destination=a, source=half, x=8, feather=2)
    outputs(graph, destination=decode(parts, a), source=decode(parts, b), pasted=decode(parts, pasted))


@example("latent/empty", "Where text to image begins: the size of the picture, and how many.")
def _(graph: Graph) -> None:
    parts = shapes()
    latent = use("latent/empty", width=96, height=64, channels=4, downscale=4, batch_size=2)
    drawn = sample(parts, "a large red star in the centre on a blue background", latent=latent)
    graph.output("image", decode(parts, drawn))


@example("latent/info", "Two latents of noise: their means are near 0 and their spreads near 1.")
def _(graph: Graph) -> None:
    info = use("latent/info", latent=use("latent/random", seed=1, batch_size=2, channels=4, height=16, width=16))
    outputs(graph, table=info.table, width=info.width, height=info.height)


@example("latent/load", "A latent beside the recipe, as `latent/save` wrote it.")
def _(graph: Graph) -> None:
    graph.output("image", decode(shapes(), use("latent/load", path="files/picture.latent")))


@example("latent/pick", "The second latent of a batch.")
def _(graph: Graph) -> None:
    parts = shapes()
    both = use("latent/batch", latents=list(two(parts)))
    picked = use("latent/pick", latent=both, index=1)
    outputs(graph, batch=decode(parts, both), picked=decode(parts, picked))


@example("latent/random", "Two latents of noise, and a picture with half as much noise added to it.")
def _(graph: Graph) -> None:
    parts = shapes()
    noise = use("latent/random", seed=1, batch_size=2, channels=4, height=16, width=16)
    one = use("latent/pick", latent=noise)
    noisy = use("latent/add", a=encoded(parts, landscape()), b=one, scale=0.5)
    outputs(graph, noise=noise, added=decode(parts, noisy))


@example("latent/save", "Writes picture.latent into the output folder, for `latent/load`.")
def _(graph: Graph) -> None:
    parts = shapes()
    latent = encoded(parts, landscape())
    graph.output("image", decode(parts, latent))
    use("latent/save", latent=latent, name="picture")


@example("latent/set_noise_mask", "Only the white part of the mask is painted anew.")
def _(graph: Graph) -> None:
    parts = shapes()
    latent = encoded(parts, landscape())
    mask = area(0.5, 0.0, 0.5, 1.0, shape="rectangle", size=64)
    masked = use("latent/set_noise_mask", latent=latent, mask=mask)
    after = sample(parts, "a large yellow circle in the centre on a purple background", latent=masked, seed=3)
    outputs(graph, before=decode(parts, latent), mask=mask, after=decode(parts, after))
