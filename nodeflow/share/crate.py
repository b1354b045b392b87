"""What goes into a crate: a recipe or a recorded run with its lock, inputs, results, model cards and environment.

Gathering runs a recipe only if its results are not there yet; a recorded run is never run again. What is packed tells
of no place on this machine: files are named as the recipe names them, or `inputs/NAME` where that leads elsewhere.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from nodeflow.annotations import InputFile, ModelFile
from nodeflow.artefacts import SUFFIXES, safe_stem
from nodeflow.cache import BadBlob
from nodeflow.errors import NodeflowError
from nodeflow.events import Event
from nodeflow.executor import STATES
from nodeflow.ports import Port
from nodeflow.share.archive import folded, name_fault
from nodeflow.share.card import card_of
from nodeflow.share.drift import Drift, drift
from nodeflow.share.embed import without
from nodeflow.share.environment import pylock
from nodeflow.share.golden import Fresh, fresh_run, golden_outputs, with_golden
from nodeflow.share.lock import EnvironmentLock, Lock, shown
from nodeflow.share.survey import survey
from nodeflow.types import File
from nodeflow.workflow import Node, Workflow

if TYPE_CHECKING:
    from nodeflow.engine import Engine

MAX_CARD = 1 << 20
OF_CRATES = {"ro-crate-metadata.json", "ro-crate-preview.html", "outputs", "saved", "models", "model-cards"}


class CrateError(NodeflowError):
    """A crate cannot be made; the message says why and what to do. `drifts`: what is not as it was locked."""

    def __init__(self, message: str, drifts: list[Drift] | None = None) -> None:
        super().__init__(message)
        self.drifts = drifts or []


@dataclass(frozen=True)
class Ran:
    """How the results were made. id: of a recorded run. nodes: (node, op, state, seconds). Times in seconds since
    1970; 0: not known."""

    id: str = ""
    started: float = 0.0
    ended: float = 0.0
    nodes: tuple[tuple[str, str, str, float], ...] = ()


@dataclass
class Contents:
    """All that a crate holds. Files by name in the crate; outputs and saved: by output or node, (media type, content);
    models: only those that are packed. moment: of the results, seconds since 1970."""

    stem: str
    workflow: Workflow
    lock: Lock
    environment: str
    moment: float
    outputs: dict[str, list[tuple[str, bytes]]]
    saved: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    inputs: dict[str, Path] = field(default_factory=dict)
    cards: dict[str, bytes] = field(default_factory=dict)
    models: dict[str, Path] = field(default_factory=dict)
    ran: Ran = Ran()

    def file_name(self, folder: str, name: str, number: int, media: str) -> str:
        """The name in the crate of an output's file."""
        files = (self.outputs if folder == "outputs" else self.saved)[name]
        counter = "" if len(files) == 1 else f"-{number}"
        return f"{folder}/{safe_stem(name)}{counter}{SUFFIXES.get(media, '.bin')}"


def of_recipe(
    engine: Engine,
    workflow: Workflow,
    path: Path | None = None,
    lock: Lock | None = None,
    *,
    locked_at: float = 0.0,
    on_event: Callable[[Event], None] | None = None,
    cancel: threading.Event | None = None,
) -> Contents:
    """A recipe with its results: those that its lock tells of, if they are kept, else those of a run without cache.

    Args:
        path: the recipe's file. lock: its lock, if it has one; locked_at: when it was made.

    Raises:
        ProblemsError: the recipe has problems. CrateError: it is not as it was locked, or its run failed.
    """
    if lock is not None and (found := drift(engine, lock, workflow, path)):
        raise CrateError("the recipe or what it needs is not as it was locked: lock it anew", found)
    ran, outputs = Ran(), kept_outputs(engine, lock) if lock is not None else None
    if lock is None or outputs is None:
        started = time.time()
        fresh = fresh_run(engine, workflow, path, on_event=on_event, cancel=cancel)
        if fresh.outcome.state != "completed":
            failures = "; ".join(map(str, fresh.outcome.failures)) or fresh.outcome.state
            raise CrateError(f"nothing is exported, because the run did not succeed: {failures}")
        made = with_golden(lock or survey(engine, workflow, path), fresh)
        if lock is not None and lock.golden and made.outputs != lock.outputs:
            raise CrateError("what came out is not what the lock tells of; `nodeflow verify` says how it differs")
        ran, outputs, lock = _ran(fresh, started), fresh.outputs, made
        locked_at = ran.ended
    stem = safe_stem(path.name.partition(".")[0]) if path is not None else "recipe"
    return _gathered(engine, Contents(stem, workflow, lock, "", locked_at, outputs, ran=ran), path)


def of_run(engine: Engine, run: str) -> Contents:
    """A recorded run: its recipe, and the files it made.

    Raises:
        ProblemsError: its recipe has problems (now). CrateError: it cannot be told what it came from, or what it made
            is not kept any more.
    """
    records = engine.records
    row = records.run(run)
    if row is None or row.state != "completed":
        state = "there is no single run whose id begins so" if row is None else f"it is {row.state}, not completed"
        raise CrateError(f"run {shown(run)!r}: {state}")
    workflow = Workflow.parse(records.recipe(row.id) or "", source=f"run {row.id[:8]}")
    lock = survey(engine, workflow)
    rows = {node.node: node for node in records.nodes(row.id)}
    drifts = [
        Drift("key", shown(n.id), rows[n.id].key[:16], n.key[:16], "`nodeflow why` says which part differs")
        for n in lock.nodes
        if n.id in rows and n.key and rows[n.id].key != n.key
    ]
    if drifts:
        raise CrateError("what the run came from has changed since: run it again, and export that run", drifts)
    made: dict[str, list[tuple[str, bytes]]] = {}
    try:
        for item in records.artefacts(row.id):
            made.setdefault(item.output, []).append((item.media, without(bytes(engine.artefacts.read(item.digest)))))
    except BadBlob:
        raise CrateError("files that the run made are not kept any more: run it again, and export that run") from None
    if missing := [name for name in lock.outputs if name not in made]:
        raise CrateError(f"the run did not make {', '.join(missing)}: run the whole recipe, and export that run")
    outputs = {name: made.pop(name) for name in lock.outputs}
    lock = lock.model_copy(update={"golden": True, "outputs": golden_outputs(lock, outputs)})
    nodes = tuple((n.node, n.op, n.state, n.seconds) for n in rows.values())
    ended = row.ended or row.started
    found = Contents("recipe", workflow, lock, "", ended, outputs, made, ran=Ran(row.id, row.started, ended, nodes))
    return _gathered(engine, found, None)


def kept_outputs(engine: Engine, lock: Lock) -> dict[str, list[tuple[str, bytes]]] | None:
    """The files that a lock tells of, out of this machine's store; None if it tells of none, or one is not there."""
    if not lock.golden:
        return None
    try:
        return {
            name: [(file.media, bytes(engine.artefacts.read(file.digest))) for file in output.files]
            for name, output in lock.outputs.items()
        }
    except BadBlob:
        return None


def add_models(engine: Engine, contents: Contents, path: Path | None) -> None:
    """Pack the models too."""
    for model in contents.lock.models:
        where = _find(engine, path, (ModelFile(model.folder),), model.name)
        for file in model.files:
            inside = where / file.name if where.is_dir() else where
            stem = f"models/{model.folder}/{model.name}"
            name = f"{stem}/{file.name}" if where.is_dir() else stem.removesuffix(where.suffix) + where.suffix
            if fault := name_fault(name):
                raise CrateError(f"the model {shown(model.name)!r} cannot be packed: its name {fault}")
            contents.models[name] = inside


def _ran(fresh: Fresh, started: float) -> Ran:
    outcome = fresh.outcome
    nodes = tuple(
        (step.id, step.op.id, STATES[state], outcome.seconds.get(step.index, 0.0))
        for step, state in zip(outcome.plan.steps, outcome.states, strict=True)
    )
    return Ran("", started, started + outcome.elapsed, nodes)


def _gathered(engine: Engine, contents: Contents, path: Path | None) -> Contents:
    contents.environment = _environment(contents, path)
    names = _inputs(engine, contents, path)
    workflow = _renamed(engine, contents.workflow, names)
    files = [f.model_copy(update={"name": names[f.name]}) for f in contents.lock.files]
    known = EnvironmentLock(
        file=f"pylock.{contents.stem}.toml", sha256=hashlib.sha256(contents.environment.encode()).hexdigest()
    )
    changes = {"recipe": workflow.digest(), "files": sorted(files, key=lambda f: f.name), "environment": known}
    contents = replace(contents, workflow=workflow, lock=contents.lock.model_copy(update=changes))
    for model in contents.lock.models:
        card = card_of(_find(engine, path, (ModelFile(model.folder),), model.name))
        if card is not None and card.stat().st_size <= MAX_CARD:
            name = f"model-cards/{model.folder}/{safe_stem(model.name.replace('/', '-'))}.md"
            contents.cards[name] = card.read_bytes()
    return contents


def _find(engine: Engine, path: Path | None, kind: tuple[Any, ...], name: str) -> Path:
    return engine.files(path).find(Port("file", File, metadata=kind), name)


def _environment(contents: Contents, path: Path | None) -> str:
    """The list of packages that was written with the lock, if it is there unchanged, else that of now."""
    known = contents.lock.environment
    if known is not None and path is not None:
        try:
            text = path.with_name(known.file).read_bytes()
        except OSError:
            return pylock()
        if hashlib.sha256(text).hexdigest() == known.sha256:
            return text.decode("utf-8", "replace")
    return pylock()


def _inputs(engine: Engine, contents: Contents, path: Path | None) -> dict[str, str]:
    """Where each input file goes in the crate, by the name that the recipe has for it."""
    own = {f"{contents.stem}{end}" for end in (".json", ".lock.json", ".run.json")} | {f"pylock.{contents.stem}.toml"}
    taken = {folded(name) for name in OF_CRATES | own}
    names: dict[str, str] = {}
    for file in contents.lock.files:
        wanted = file.name
        if name_fault(wanted) or folded(wanted.partition("/")[0]) in taken or folded(wanted) in taken:
            pure = PurePosixPath(wanted.replace("\\", "/"))
            stem, number = safe_stem(pure.stem), 1
            wanted = f"inputs/{stem}{pure.suffix}"
            while folded(wanted) in taken:
                number += 1
                wanted = f"inputs/{stem}-{number}{pure.suffix}"
        taken.add(folded(wanted))
        names[file.name] = wanted
        contents.inputs[wanted] = _find(engine, path, (InputFile(()),), file.name)
    return names


def _renamed(engine: Engine, workflow: Workflow, names: Mapping[str, str]) -> Workflow:
    """The recipe with other names for its input files."""
    if all(old == new for old, new in names.items()):
        return workflow

    def value(old: Any) -> Any:
        return [value(v) for v in old] if isinstance(old, list) else names.get(old, old) if type(old) is str else old

    def nodes(part: Workflow) -> Iterator[tuple[str, Node]]:
        for name, node in part.nodes.items():
            op = engine.catalogue.find(node.op.partition("@")[0])
            ports = {p.name for p in op.inputs.values() if p.is_file and not p.extra(ModelFile)} if op else set()
            changed = {port: value(v) if port in ports else v for port, v in node.values.items()}
            yield name, node.model_copy(update={"values": changed})

    definitions = {name: _renamed(engine, inner, names) for name, inner in workflow.definitions.items()}
    return workflow.model_copy(update={"nodes": dict(nodes(workflow)), "definitions": definitions})
