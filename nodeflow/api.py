"""The Python API: load, check, plan and run recipes in a few lines.

workflow = nodeflow.load("workflows/text-to-image.json")
run = nodeflow.run(workflow, {"prompt": "a blue star", "seed": 7})
run["image"]            # the value: a tensor [B, C, H, W]
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nodeflow.builder import build
from nodeflow.edges import describe
from nodeflow.engine import Engine, Run, RunFailed
from nodeflow.errors import NodeflowError
from nodeflow.events import Event
from nodeflow.problems import Problem
from nodeflow.share.carried import Carried, from_document
from nodeflow.share.embed import extract, is_picture
from nodeflow.steps import Plan
from nodeflow.workflow import Workflow

__all__ = ["Engine", "Run", "RunFailed", "build", "check", "default_engine", "load", "plan", "run", "run_async"]

Recipe = Workflow | Mapping[str, Any] | str | Path

_engines: list[Engine] = []
_lock = threading.Lock()


def default_engine() -> Engine:
    """The engine of this process, made from its environment when first used."""
    with _lock:
        if not _engines:
            _engines.append(Engine())
        return _engines[0]


def load(recipe: Recipe) -> Workflow:
    """A recipe from a JSON file, from a picture that carries one, from `-` (standard input), or from a parsed document.

    Raises:
        ProblemsError: if it cannot be read or is no recipe. NodeflowError: if it is nothing of these.
    """
    if isinstance(recipe, Workflow):
        return recipe
    if isinstance(recipe, Mapping):
        return Workflow.from_json(dict(recipe))
    if not isinstance(recipe, (str, Path)):
        expected = "a Workflow, a parsed document, or the path of a recipe or of a picture that carries one"
        raise NodeflowError(f"the recipe: expected {expected}, got {describe(recipe)}")
    if str(recipe) == "-":
        return from_bytes(sys.stdin.buffer.read(), source="standard input")
    path = Path(recipe)
    if path.suffix.lower() in (".png", ".webp", ".jpg", ".jpeg"):
        return from_bytes(_bytes_of(path), source=str(path))
    return Workflow.read(path)


def _bytes_of(path: Path) -> bytes:
    from nodeflow.problems import ProblemsError

    try:
        return path.read_bytes()
    except OSError as error:
        problem = Problem("NF001", "", f"cannot read the file: {error.strerror}", hint="is the path right?")
        raise ProblemsError([problem], str(path)) from None


def from_bytes(data: bytes, *, source: str = "") -> Workflow:
    """A recipe from a file's content: JSON, or a picture that carries it."""
    return carried_in(data, source=source).workflow


def carried_in(data: bytes, *, source: str = "") -> Carried:
    """A recipe from a file's content, and what else a picture carries."""
    if not is_picture(data):
        return Carried(Workflow.parse(data, source=source))
    return from_document(_embedded(data, source), source=source)


def _embedded(data: bytes, source: str) -> Any:
    """The document in a picture; if there is none but ComfyUI's, the problem says what to do."""
    from nodeflow.problems import Problem, ProblemsError

    try:
        return extract(data, source=source)
    except ProblemsError:
        from nodeflow.comfy.media import texts

        if not texts(data, source=source):
            raise
        hint = "make a recipe of it with: nodeflow import FILE"
        raise ProblemsError(
            [Problem("NF003", "", "the picture carries a ComfyUI workflow", hint=hint)], source
        ) from None


def path_of(recipe: Recipe) -> Path | None:
    """The file a recipe comes from, if it comes from one: files it names may lie beside it."""
    return Path(recipe) if isinstance(recipe, (str, Path)) and str(recipe) != "-" else None


def check(recipe: Recipe, *, engine: Engine | None = None) -> list[Problem]:
    """Everything that is wrong with a recipe; empty if it can run."""
    return (engine or default_engine()).check(load(recipe), path=path_of(recipe)).problems


def plan(
    recipe: Recipe,
    inputs: Mapping[str, Any] | None = None,
    *,
    targets: Iterable[str] | None = None,
    engine: Engine | None = None,
) -> Plan:
    """What a run would do: its steps, each with the key of its result.

    Raises:
        ProblemsError: with everything that is wrong.
    """
    workflow = load(recipe).with_inputs(inputs or {})
    return (engine or default_engine()).plan(workflow, targets=targets, path=path_of(recipe))


def run(
    recipe: Recipe,
    inputs: Mapping[str, Any] | None = None,
    *,
    out: str | Path | None = None,
    targets: Iterable[str] | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: threading.Event | None = None,
    fail_fast: bool = False,
    engine: Engine | None = None,
) -> Run:
    """Run a recipe and wait for it.

    Args:
        inputs: values for declared inputs.
        out: folder that the declared outputs are written to as files, or a file's name if there is one output.
        targets: names of outputs or nodes, to run only what they need.
        on_event: called with each event of the run.
        cancel: set it, from another thread, to stop the run.

    Raises:
        ProblemsError: if the recipe has problems; nothing ran. RunFailed: if nodes failed; its `run` has the rest.
    """
    workflow = load(recipe).with_inputs(inputs or {})
    done = (engine or default_engine()).run(
        workflow,
        path=path_of(recipe),
        targets=targets,
        out=Path(out) if out is not None else None,
        on_event=on_event,
        cancel=cancel,
        fail_fast=fail_fast,
    )
    if done.failures:
        raise RunFailed(done)
    return done


async def run_async(recipe: Recipe, inputs: Mapping[str, Any] | None = None, **options: Any) -> Run:
    """`run`, awaitable: the run goes on in a thread; cancelling the task cancels the run."""
    import asyncio

    cancel = options.pop("cancel", None) or threading.Event()
    task = asyncio.create_task(asyncio.to_thread(run, recipe, inputs, cancel=cancel, **options))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        cancel.set()
        await asyncio.wait([task])
        raise
