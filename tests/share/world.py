"""A small world to lock: nodes without tensors, a model with a card, an input file; and ways to change each."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

from nodeflow.annotations import Body, InputFile, ModelFile, Seed
from nodeflow.engine import Engine
from nodeflow.op import Context, node
from nodeflow.registry import Pack, load_pack, make_catalogue
from nodeflow.settings import Settings
from nodeflow.types import Figure, File
from nodeflow.workflow import Workflow

SHIFT = {"figure": 0, "number": 0.0}
"""Added to what nodes give: another machine, another library."""


@node("w/load")
def load(model: Annotated[File, ModelFile("checkpoints")]) -> str:
    """The digest of a model."""
    return model.digest


@node("w/read")
def read(file: Annotated[File, InputFile((".txt",))]) -> str:
    """A file's text."""
    return Path(file.path).read_text()


@node("w/figure")
def figure(level: int = 100, size: int = 32, seed: Seed = 0) -> Figure:
    """A picture: a slope from left to right."""
    from PIL import Image

    picture = Image.new("L", (size, size))
    values = ((level + seed + x + SHIFT["figure"] * (x == y == 3)) % 256 for y in range(size) for x in range(size))
    picture.putdata(list(values))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return Figure(buffer.getvalue())


@node("w/number")
def number(value: float = 1.0) -> list[float]:
    """Numbers."""
    return [value, value / 3 + SHIFT["number"]]


@node("w/clock", cacheable=False)
def clock() -> int:
    """Another number each time."""
    SHIFT["clock"] = SHIFT.get("clock", 0) + 1
    return int(SHIFT["clock"])


@node("w/join")
def join(a: str, b: str) -> str:
    """Two texts as one."""
    return f"{a} {b}"


@node("w/inside")
def inside(body: Body, *, ctx: Context) -> dict:  # type: ignore[type-arg]
    """What a sub-workflow gives."""
    return ctx.run(body, {})


OPS = {op.name: op for op in (load, read, figure, number, clock, join, inside)}

#  load ─┐
#        ├─ both ─ said        slope ─ picture        thirds ─ numbers
#  read ─┘
RECIPE: dict[str, Any] = {
    "format": "nodeflow/1",
    "inputs": {"level": {"to": ["slope.level"]}},
    "outputs": {"said": "both.text", "picture": "slope.figure", "numbers": "thirds.values"},
    "nodes": {
        "load": {"op": "w/load@1", "values": {"model": "tiny"}},
        "read": {"op": "w/read@1", "values": {"file": "words.txt"}},
        "both": {"op": "w/join@1", "links": {"a": "load.text", "b": "read.text"}},
        "slope": {"op": "w/figure@1", "values": {"seed": 7}},
        "thirds": {"op": "w/number@1", "values": {"value": 2}},
    },
}

CARD = """---
license: cc-by-4.0  # see below
tags: [a, b]
base_model:
- someone/tiny
---
# tiny
"""


class World:
    """A folder with a recipe, a model, an input file, and a pack whose source can be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / "home/models/checkpoints/tiny"
        self.model.mkdir(parents=True)
        (self.model / "config.json").write_text("{}")
        (self.model / "README.md").write_text(CARD)
        (self.model / "weights.safetensors").write_bytes(b"\0" * 64)
        (folder / "words.txt").write_text("good morning")
        self.source = folder / "pack.py"
        self.source.write_text("# the pack's source\n")
        self.path = folder / "recipe.json"
        self.write(RECIPE)

    def write(self, document: dict[str, Any]) -> Workflow:
        workflow = Workflow.from_json(document)
        self.path.write_text(workflow.text())
        return workflow

    def engine(self, **settings: Any) -> Engine:
        """An engine as a new process would make it."""
        pack = Pack("w", __name__, "world-pack", "1.2", ops=dict(OPS), folder=self.source)
        folders = {"home": self.folder / "home", "cache": self.folder / "cache", "output": self.folder / "output"}
        return Engine(Settings(**folders, **settings), make_catalogue([pack, load_pack("engine", "nodeflow.export")]))

    @property
    def workflow(self) -> Workflow:
        return Workflow.read(self.path)
