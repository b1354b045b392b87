"""Examples of the mask pack. White is 1: where something is changed, painted or kept, as the node that uses it says."""

from __future__ import annotations

from typing import Any

from docs.examples.kit import area, example, landscape, night, outputs, use
from nodeflow.builder import Graph


def two_shapes() -> Any:
    """A rectangle with a round hole, and a spot to the right."""
    block = area(0.1, 0.2, 0.5, 0.6, shape="rectangle")
    holed = use("mask/combine", a=block, b=area(0.22, 0.35, 0.26, 0.26), mode="subtract")
    return use("mask/combine", a=holed, b=area(0.72, 0.1, 0.2, 0.2), mode="union")


def alter(name: str, note: str = "", **values: Any) -> None:
    """An example that shows a mask before and after one node."""

    @example(name, note)
    def fill(graph: Graph) -> None:
        before = two_shapes()
        outputs(graph, before=before, after=use(name, mask=before, **values))


def mark(name: str, note: str = "", **values: Any) -> None:
    """An example that makes a mask of a picture."""

    @example(name, note)
    def fill(graph: Graph) -> None:
        picture = landscape()
        outputs(graph, image=picture, mask=use(name, image=picture, **values))


alter("mask/crop", x=0, y=16, width=80, height=96)
alter("mask/feather", "Soft edges: half of the radius inside, half outside.", radius=10)
alter(
    "mask/feather_sides", "The mask fades out towards the left and the lower side of the picture.", left=48, bottom=48
)
alter("mask/fill_holes", "The hole is filled; what lies outside stays.")
alter("mask/flip", direction="vertical")
alter("mask/grow", pixels=8)
alter("mask/invert")
alter("mask/resize", width=64, height=96)
alter("mask/shrink", pixels=6)
alter("mask/to_image", "It looks the same, but is a picture, for nodes that take pictures.")
mark("mask/from_channel", "How red each place is.", channel="red")
mark("mask/from_color", "All that is about as green as the hill.", color="#3f8f4f", tolerance=0.1)
mark("mask/from_threshold", "All that is brighter than 0.65.", threshold=0.65)


@example("mask/batch", "Two masks become one batch, one for each picture of a batch.")
def _(graph: Graph) -> None:
    graph.output("batch", use("mask/batch", masks=[two_shapes(), area(0.3, 0.3, 0.4, 0.4)]))


@example("mask/bounding_box", "The smallest rectangle that holds the house, and the picture cut to it.")
def _(graph: Graph) -> None:
    picture = landscape()
    mask = use("mask/from_color", image=picture, color="#c8432f")
    box = use("mask/bounding_box", mask=mask, margin=6)
    cut = use("image/crop", image=picture, x=box.x, y=box.y, width=box.width, height=box.height)
    outputs(graph, image=picture, mask=mask, cut=cut, x=box.x, y=box.y, width=box.width, height=box.height)


@example("mask/combine", "What is in either mask but not in both.")
def _(graph: Graph) -> None:
    a, b = area(0.1, 0.2, 0.5, 0.6, shape="rectangle"), area(0.4, 0.3, 0.5, 0.5)
    outputs(graph, a=a, b=b, difference=use("mask/combine", a=a, b=b, mode="difference"))


@example("mask/from_alpha", "The transparent part of a picture.")
def _(graph: Graph) -> None:
    picture = use("image/set_alpha", image=landscape(), mask=area(0.1, 0.1, 0.5, 0.5))
    outputs(graph, image=picture, mask=use("mask/from_alpha", image=picture))


@example("mask/from_shape", "An ellipse with a soft edge; places and sizes are shares of the picture.")
def _(graph: Graph) -> None:
    graph.output("mask", area(0.2, 0.3, 0.6, 0.4, feather=10))


@example("mask/pick", "The second mask of a batch.")
def _(graph: Graph) -> None:
    both = use("mask/batch", masks=[two_shapes(), area(0.3, 0.3, 0.4, 0.4)])
    outputs(graph, batch=both, picked=use("mask/pick", mask=both, index=1))


@example("mask/preview", "The mask laid over the picture it belongs to, in red.")
def _(graph: Graph) -> None:
    picture, mask = landscape(), area(0.5, 0.3, 0.4, 0.5, feather=6)
    outputs(graph, image=picture, mask=mask, preview=use("mask/preview", mask=mask, image=picture))


@example("mask/solid", "The same value everywhere: here half of each picture.")
def _(graph: Graph) -> None:
    picture = landscape()
    mask = use("mask/solid", value=0.5, width=128, height=128)
    mixed = use("image/composite", destination=picture, source=night(), mask=mask)
    outputs(graph, image=picture, mask=mask, mixed_with_another=mixed)
