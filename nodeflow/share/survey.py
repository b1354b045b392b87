"""A recipe's lock as it would be now: what its plan uses, looked at and hashed. Nothing runs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from nodeflow import __version__
from nodeflow.annotations import ModelFile
from nodeflow.errors import NodeflowError
from nodeflow.expand import MAX_INSTANCES
from nodeflow.export import export
from nodeflow.filehash import folder_files
from nodeflow.jsonio import number_text
from nodeflow.planner import Planner, with_exports
from nodeflow.problems import Problem, ProblemsError
from nodeflow.recorder import LIBRARIES
from nodeflow.rules import Checked, Scope
from nodeflow.share.card import provenance
from nodeflow.share.lock import FileLock, InputLock, Lock, ModelLock, NodeLock, OutputLock, PackLock, shown
from nodeflow.steps import Plan, Step, refs
from nodeflow.types import File
from nodeflow.workflow import Workflow

if TYPE_CHECKING:
    from nodeflow.engine import Engine

Located = tuple[str, str, File]
"""`node.port`, the kind of model folder ("": an input file), the file."""


def survey(engine: Engine, workflow: Workflow, path: Path | None = None) -> Lock:
    """The lock of a recipe in this installation, without golden outputs.

    Args:
        path: the recipe's file: files it names may lie beside it.

    Raises:
        ProblemsError: the recipe cannot be planned. FileHashError: a file cannot be read.
    """
    planner = engine.planner(path)
    plan = planner.plan(workflow)
    made, exports = with_exports(plan, planner, export, values=False)
    steps = [*every_step(planner, plan)]
    located = [item for name, step in steps for item in _files_of(name, step)]
    tensors = any(step.op.numeric for _, step in steps)
    free = unrepeatable(planner, made)
    used = {step.op.name.partition("/")[0] for _, step in steps} | ({"engine"} if exports else set())
    return Lock(
        format="nodeflow-lock/1",
        recipe=workflow.digest(),
        tensors=tensors,
        numeric=dict(asdict(engine.numeric)),
        versions=versions(tensors, bool(exports)),
        packs={name: pack_lock(engine, name) for name in sorted(used)},
        models=_models(engine, located),
        files=_inputs(engine, located),
        seeds={name: _seed(seed) for name, seed in sorted(_seeds(steps))},
        outputs={name: OutputLock(key=_key(made.steps[index], free)) for name, index in exports.items()},
        nodes=[NodeLock(id=step.id, op=step.op.id, key=_key(step, free)) for step in plan.steps],
    )


def every_step(planner: Planner, plan: Plan) -> Iterator[tuple[str, Step]]:
    """(name, step) of a plan and of the sub-workflows that its control-flow nodes run.

    Raises:
        ProblemsError: NF115, there are more than `MAX_INSTANCES`.
    """
    for count, item in enumerate(_Bodies(planner).walk(plan)):
        if count == MAX_INSTANCES:
            raise ProblemsError([Problem("NF115", "nodes", f"more than {MAX_INSTANCES:,} nodes with those of bodies")])
        yield item


def unrepeatable(planner: Planner, plan: Plan) -> set[int]:
    """The steps whose results no two runs share: they read the outside world, or follow from what does."""
    bodies = _Bodies(planner)
    found: set[int] = set()
    for step in plan.steps:
        sources = (ref.step for source in step.inputs.values() for ref in refs(source))
        if bodies.free(step) or any(index in found for index in sources):
            found.add(step.index)
    return found


class _Bodies:
    """The plans of the sub-workflows that control-flow nodes run, each made once however many nodes run it."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner
        self._plans: dict[int, Plan] = {}
        self._free: dict[int, bool] = {}

    def plan(self, body: Scope) -> Plan:
        if id(body) not in self._plans:
            outside = {name: f"input:{name}" for name in body.interface.inputs}
            self._plans[id(body)] = self.planner.plan(Checked(body, []), external_keys=outside)
        return self._plans[id(body)]

    def walk(self, plan: Plan, prefix: str = "") -> Iterator[tuple[str, Step]]:
        for step in plan.steps:
            yield prefix + step.id, step
            if step.body is not None:
                yield from self.walk(self.plan(step.body), f"{prefix}{step.id}/")

    def free(self, step: Step) -> bool:
        """Whether a step, or one in the sub-workflow that it runs, reads the outside world."""
        body = step.body
        if body is not None and id(body) not in self._free:
            self._free[id(body)] = any(self.free(inner) for inner in self.plan(body).steps)
        return not step.op.cacheable or (body is not None and self._free[id(body)])


def versions(tensors: bool, files: bool) -> dict[str, str]:
    """What changes results: nodeflow, Python; for tensors the libraries; for pictures in files Pillow."""
    found = {"nodeflow": __version__, "python": platform.python_version()}
    for name in (*(LIBRARIES if tensors else ()), *(("pillow",) if files else ())):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def pack_lock(engine: Engine, name: str) -> PackLock:
    """An installed pack; `KeyError` if there is none."""
    pack = engine.catalogue.packs[name].loaded()
    if name == "engine":
        return PackLock(version=__version__, distribution="nodeflow-engine", code=pack.digest)
    return PackLock(version=pack.version, distribution=pack.distribution, code=pack.digest)


def model_lock(engine: Engine, folder: str, name: str, path: Path, used_by: list[str]) -> ModelLock:
    """A model that was found, hashed; what is remembered of it is not hashed again."""
    named = folder_files(path) if path.is_dir() else iter([(name, path)])
    try:
        files = [file_lock(engine, inner, file) for inner, file in named]
    except ValidationError as error:
        reason = "has a file whose name cannot stand in a lock: rename it"
        raise NodeflowError(f"{shown(str(path))}: {reason} ({error.errors()[0]['msg']})") from None
    licence, source = provenance(path)
    return ModelLock(
        folder=folder,
        name=name,
        size=sum(file.size for file in files),
        blake3=engine.hashes.digest(path),
        files=files,
        license=licence,
        source=source,
        used_by=used_by,
    )


def file_lock(engine: Engine, name: str, path: Path) -> FileLock:
    hashes = engine.hashes
    return FileLock(name=name, size=os.stat(path).st_size, blake3=hashes.digest(path), sha256=hashes.sha256(path))


def _files_of(name: str, step: Step) -> Iterator[Located]:
    for port, value in step.values.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, File):
                kind = step.op.inputs[port].extra(ModelFile)
                yield f"{name}.{port}", kind.folder if kind else "", item


def _models(engine: Engine, located: list[Located]) -> list[ModelLock]:
    users: dict[tuple[str, str], list[str]] = {}
    paths: dict[tuple[str, str], str] = {}
    for user, folder, file in located:
        if folder:
            users.setdefault((folder, file.name), []).append(user)
            paths[folder, file.name] = file.path
    return [model_lock(engine, *key, Path(paths[key]), used_by) for key, used_by in sorted(users.items())]


def _inputs(engine: Engine, located: list[Located]) -> list[InputLock]:
    users: dict[str, list[str]] = {}
    paths: dict[str, str] = {}
    for user, folder, file in located:
        if not folder:
            users.setdefault(file.name, []).append(user)
            paths[file.name] = file.path
    return [
        InputLock(**file_lock(engine, name, Path(paths[name])).model_dump(), used_by=used_by)
        for name, used_by in sorted(users.items())
    ]


def _seeds(steps: list[tuple[str, Step]]) -> Iterator[tuple[str, int]]:
    for name, step in steps:
        seed = step.values.get("seed")
        if isinstance(seed, int) and not isinstance(seed, bool):
            yield name, seed


def _seed(seed: int) -> int | str:
    """As JSON takes it: whole numbers that JavaScript would round are texts."""
    text = number_text(seed)
    return text.strip('"') if text.startswith('"') else seed


def _key(step: Step, free: set[int]) -> str:
    return "" if step.index in free else step.key
