"""What the examples share: their list, the picture they work on, and short names for what most of them need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nodeflow import build
from nodeflow.builder import Graph
from nodeflow.registry import installed
from nodeflow.workflow import Workflow

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Example:
    """The example of one node.

    Its declared outputs are what the node's page shows, in their order. `needs` names models that do not ship: such an
    example is checked, but not run.
    """

    name: str
    fill: Callable[[Graph], None]
    note: str = ""
    needs: str = ""

    @property
    def path(self) -> Path:
        """Where its recipe lies."""
        return ROOT / "docs" / "examples" / f"{self.name}.json"

    @cached_property
    def workflow(self) -> Workflow:
        op = installed().ops[self.name]
        with build(f"Example: {op.title}", self.note or op.doc.summary) as graph:
            self.fill(graph)
        return _named(graph.workflow, keep=op.id)

    @cached_property
    def text(self) -> str:
        """The recipe as it is written."""
        return self.workflow.text()


def _named(workflow: Workflow, *, keep: str) -> Workflow:
    """The recipe with nodes named after the outputs they are declared as (`before.image`); those of `keep` stay."""
    document = workflow.to_json()
    names: dict[str, str] = {}
    for output, source in document["outputs"].items():
        node = source.partition(".")[0]
        if node not in names and output not in document["nodes"] and document["nodes"][node]["op"] != keep:
            names[node] = output

    def link(value: Any) -> Any:
        if isinstance(value, list):
            return [link(item) for item in value]
        node, _, port = value.partition(".")
        return f"{names.get(node, node)}.{port}"

    for part in document["nodes"].values():
        part["links"] = {port: link(value) for port, value in part.get("links", {}).items()}
    document["nodes"] = {names.get(name, name): part for name, part in document["nodes"].items()}
    document["outputs"] = {name: link(source) for name, source in document["outputs"].items()}
    return Workflow.from_json(document)


EXAMPLES: dict[str, Example] = {}


def example(name: str, note: str = "", *, needs: str = "") -> Callable[[Callable[[Graph], None]], Any]:
    """Make the decorated function the example of a node: it calls nodes and declares outputs."""

    def add(fill: Callable[[Graph], None]) -> Callable[[Graph], None]:
        if name in EXAMPLES:
            raise ValueError(f"{name} has two examples")
        EXAMPLES[name] = Example(name, fill, note, needs)
        return fill

    return add


def use(name: str, /, **inputs: Any) -> Any:
    """Add a node to the recipe that is being built."""
    return installed().ops[name](**inputs)


def outputs(graph: Graph, **named: Any) -> None:
    """Declare several outputs."""
    for name, source in named.items():
        graph.output(name, source)


# --- pictures -------------------------------------------------------------------------------------------------------

SIZE = 128


def shape(color: str, x: float, y: float, width: float, height: float, *, on: Any, size: int = SIZE, **how: Any) -> Any:
    """Draw an ellipse (or another shape) on a picture of `size` pixels; places and extents are shares of it."""
    mask = area(x, y, width, height, size=size, **how)
    return use("image/composite", destination=on, source=plain(color, size), mask=mask)


def area(x: float, y: float, width: float, height: float, *, size: int = SIZE, **how: Any) -> Any:
    """A mask of `size` pixels with one shape in it."""
    frame = {"shape": "ellipse", "width": size, "height": size}
    return use("mask/from_shape", **{**frame, "x": x, "y": y, "shape_width": width, "shape_height": height, **how})


def plain(color: str, size: int = SIZE) -> Any:
    """A picture of one colour."""
    return use("image/empty", width=size, height=size, color=color)


def landscape() -> Any:
    """The picture that most examples start from: a sun with a soft edge, a hill and a house."""
    sky = plain("#8ec9ef")
    sunny = shape("#ffe14d", 0.08, 0.06, 0.4, 0.4, on=sky, feather=8)
    hilly = shape("#3f8f4f", -0.3, 0.6, 1.8, 1.2, on=sunny)
    return shape("#c8432f", 0.55, 0.4, 0.28, 0.34, on=hilly, shape="rectangle")


def night() -> Any:
    """A second picture."""
    return shape("#f4f0dc", 0.5, 0.12, 0.36, 0.36, on=plain("#1b2347"))


def change(name: str, note: str = "", *, image: str = "image", **values: Any) -> None:
    """An example that shows the landscape before and after one node."""

    @example(name, note)
    def fill(graph: Graph) -> None:
        before = landscape()
        outputs(graph, before=before, after=use(name, **{image: before, **values}))


# --- drawing with the built-in model --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shapes:
    """The parts of the built-in model."""

    model: Any
    text_encoder: Any
    vae: Any


def shapes() -> Shapes:
    """Load the built-in model, which draws coloured shapes of 64 x 64 pixels."""
    checkpoint = use("diffusion/load_checkpoint", model="shapes-64")
    return Shapes(checkpoint.model, checkpoint.text_encoder, checkpoint.vae)


def prompt(parts: Shapes, text: str) -> Any:
    """Encode a prompt."""
    return use("diffusion/encode_prompt", text=text, text_encoder=parts.text_encoder)


def empty_latent(size: int = 64, **options: Any) -> Any:
    """An empty latent for the built-in model."""
    return use("latent/empty", width=size, height=size, channels=4, downscale=4, **options)


def sample(parts: Shapes, text: Any, *, negative: Any = "", latent: Any = None, **options: Any) -> Any:
    """Sample with the built-in model; the texts are prompts or encoded ones."""
    given = {"model": parts.model, "seed": 7, "steps": 12, "latent": empty_latent() if latent is None else latent}
    for name, wish in (("positive", text), ("negative", negative)):
        given[name] = prompt(parts, wish) if isinstance(wish, str) else wish
    return use("diffusion/sample", **{**given, **options})


def decode(parts: Shapes, latent: Any) -> Any:
    """Make a picture of a latent."""
    return use("diffusion/decode", latent=latent, vae=parts.vae)


def draw(parts: Shapes, text: Any, **options: Any) -> Any:
    """A picture from a prompt."""
    return decode(parts, sample(parts, text, **options))
