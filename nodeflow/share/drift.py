"""What has changed since a recipe was locked: every difference with what to do about it.

Works also where the recipe cannot be planned any more (a model is gone, a pack is missing): each thing that the lock
names is looked for by itself. Names in a lock are only ever compared with what is installed, or looked up as a recipe's
names are, with the same guards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodeflow.annotations import InputFile, ModelFile
from nodeflow.files import FileProblem
from nodeflow.ports import Port
from nodeflow.problems import ProblemsError
from nodeflow.share.lock import FileLock, InputLock, Lock, ModelLock, PackLock, shown
from nodeflow.share.survey import file_lock, model_lock, pack_lock, survey, versions
from nodeflow.types import File
from nodeflow.workflow import Workflow

if TYPE_CHECKING:
    from nodeflow.engine import Engine

OF_THE_RECIPE = {"NF301", "NF302", "NF303"}


@dataclass(frozen=True)
class Drift:
    """One thing that is not as it was locked. kind: recipe, pack, model, file, numeric, version, key or lock."""

    kind: str
    name: str
    locked: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        head = f"{self.kind} {self.name}" if self.name else self.kind
        return f"{head}: locked {self.locked}, found {self.found}" + (f"; {self.advice}" if self.advice else "")

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def drift(engine: Engine, lock: Lock, workflow: Workflow, path: Path | None = None) -> list[Drift]:
    """Everything in which a recipe's surroundings, or the recipe, differ from its lock; empty: nothing does."""
    found = [
        *_recipe(lock, workflow),
        *(d for name, pack in lock.packs.items() for d in _pack(engine, name, pack)),
        *(d for model in lock.models for d in _model(engine, model, path)),
        *(d for file in lock.files for d in _file(engine, file, path)),
        *_versions(lock),
        *_numeric(engine, lock),
        *_environment(engine, lock, path),
    ]
    try:
        now = survey(engine, workflow, path)
    except ProblemsError as error:
        files = any(d.kind in ("model", "file") for d in found)
        for problem in error.problems:
            if not (files and problem.code in OF_THE_RECIPE):
                found.append(Drift("recipe", problem.place, "a recipe without problems", problem.message, problem.hint))
        return found
    except OSError as error:
        return found or [Drift("file", str(error.filename or ""), "a readable file", error.strerror or str(error))]
    return found or [*_claims(lock, now)]


def _recipe(lock: Lock, workflow: Workflow) -> Iterator[Drift]:
    digest = workflow.digest()
    if digest != lock.recipe:
        advice = "the recipe, or a value given with --set, was changed: take that back, or lock it anew"
        yield Drift("recipe", "", lock.recipe[:12], digest[:12], advice)


def _pack(engine: Engine, name: str, locked: PackLock) -> Iterator[Drift]:
    wanted = f"{locked.distribution}=={locked.version}" if locked.version and locked.distribution else ""
    install = f"install {shown(wanted)}" if wanted else "install the pack that was used"
    pack = engine.catalogue.packs.get(name)
    if pack is None or pack.loaded().error:
        state = "no such pack" if pack is None else "nothing: the pack could not be loaded"
        yield Drift("pack", shown(name), shown(locked.version) or "some version", state, install)
        return
    now = pack_lock(engine, name)
    if (now.version, now.distribution) != (locked.version, locked.distribution):
        yield Drift("pack", name, shown(wanted) or "-", f"{now.distribution}=={now.version}", install)
    if now.code != locked.code:
        advice = f"its source was changed: {install} unchanged, or lock the recipe anew"
        yield Drift("pack", name, f"code {locked.code[:12]}", f"code {now.code[:12]}", advice)


def _model(engine: Engine, locked: ModelLock, recipe: Path | None) -> Iterator[Drift]:
    name, where = f"{locked.folder}/{shown(locked.name)}", f"blake3 {locked.blake3[:12]}"
    source = f"it comes from {shown(locked.source)}" if locked.source else "where it comes from is not recorded"
    largest = sorted(locked.files, key=lambda f: -f.size)
    sums = ", ".join(f"{shown(f.name)} sha256 {f.sha256}" for f in largest[:3])
    try:
        path = engine.files(recipe).find(Port("model", File, metadata=(ModelFile(locked.folder),)), locked.name)
        now = model_lock(engine, locked.folder, locked.name, path, [])
    except FileProblem as problem:
        yield Drift("model", name, where, f"no such model ({problem})", f"{source}; {sums}")
        return
    except OSError as error:
        yield Drift("model", name, where, f"nothing that can be read ({error})", source)
        return
    yield from _contents("model", name, locked.files, now.files, source)


def _contents(
    kind: str, name: str, locked: Sequence[FileLock], found: Sequence[FileLock], source: str
) -> Iterator[Drift]:
    before, after = {f.name: f for f in locked}, {f.name: f for f in found}
    for file in sorted(before.keys() | after.keys()):
        old, new = before.get(file), after.get(file)
        inner = name if name.endswith(shown(file)) else f"{name}/{shown(file)}"
        if old is None or new is None:
            yield Drift(kind, inner, "no file" if old is None else "a file", "a file" if new else "no file", source)
        elif old.blake3 != new.blake3:
            yield Drift(kind, inner, f"blake3 {old.blake3[:12]}", f"blake3 {new.blake3[:12]}", source)
        elif old.sha256 != new.sha256:
            advice = "its blake3 is the same, so the lock is not true: make it anew"
            yield Drift("lock", inner, f"sha256 {old.sha256[:12]}", f"sha256 {new.sha256[:12]}", advice)
        elif old.size != new.size:
            advice = "its content is the same, so the lock is not true: make it anew"
            yield Drift("lock", inner, f"{old.size:,} bytes", f"{new.size:,} bytes", advice)


def _file(engine: Engine, locked: InputLock, recipe: Path | None) -> Iterator[Drift]:
    name, advice = shown(locked.name), f"put the file there whose sha256 is {locked.sha256}"
    try:
        path = engine.files(recipe).find(Port("file", File, metadata=(InputFile(()),)), locked.name)
        now = file_lock(engine, locked.name, path)
    except FileProblem as problem:
        yield Drift("file", name, f"blake3 {locked.blake3[:12]}", f"no such file ({problem})", advice)
        return
    except OSError as error:
        yield Drift("file", name, f"blake3 {locked.blake3[:12]}", f"nothing that can be read ({error})", advice)
        return
    yield from _contents("file", name, [locked], [now], advice)


def _versions(lock: Lock) -> Iterator[Drift]:
    now = versions(lock.tensors, bool(lock.outputs))
    for name in sorted(lock.versions.keys() | now.keys()):
        old, new = lock.versions.get(name, "none"), now.get(name, "none")
        if old != new:
            package = "nodeflow-engine" if name == "nodeflow" else name
            advice = f"use Python {shown(old)}" if name == "python" else f"pip install {package}=={shown(old)}"
            yield Drift("version", shown(name), shown(old), new, advice if old != "none" else "")


def _numeric(engine: Engine, lock: Lock) -> Iterator[Drift]:
    if not lock.tensors:
        return
    now: dict[str, Any] = asdict(engine.numeric)
    advices = {
        "threads": "set NODEFLOW_THREADS={}",
        "device": "run with --device {}",
        "capability": "another kind of processor gives other last bits; `nodeflow verify` says how much they matter",
    }
    for name in sorted(lock.numeric.keys() | now.keys()):
        old, new = lock.numeric.get(name), now.get(name)
        if old != new or type(old) is not type(new):
            advice = advices.get(name, "").format(shown(str(old)))
            yield Drift("numeric", shown(name), shown(str(old)), str(new), advice)


def _environment(engine: Engine, lock: Lock, recipe: Path | None) -> Iterator[Drift]:
    """Whether the list of packages beside the recipe is the one that was written with the lock, if it is there."""
    if lock.environment is None or recipe is None:
        return
    path = recipe.with_name(lock.environment.file)
    if path.is_file() and (found := engine.hashes.sha256(path)) != lock.environment.sha256:
        advice = "it was edited, or belongs to another lock: lock the recipe anew"
        name = shown(lock.environment.file)
        yield Drift("file", name, f"sha256 {lock.environment.sha256[:12]}", f"sha256 {found[:12]}", advice)


def _claims(lock: Lock, now: Lock) -> Iterator[Drift]:
    """What the lock says of the plan, where nothing it follows from has changed: it must be so."""
    advice = "nothing that it follows from has changed, so the lock is not true: make it anew"
    if lock.tensors != now.tensors:
        yield Drift("lock", "tensors", str(lock.tensors), str(now.tensors), advice)
    pairs: list[tuple[str, dict[str, str], dict[str, str]]] = [
        ("seed", {k: str(v) for k, v in lock.seeds.items()}, {k: str(v) for k, v in now.seeds.items()}),
        ("model", _names(lock), _names(now)),
        ("pack", dict.fromkeys(lock.packs, "listed"), dict.fromkeys(now.packs, "listed")),
        ("key", {n.id: f"{n.op} {n.key[:16]}" for n in lock.nodes}, {n.id: f"{n.op} {n.key[:16]}" for n in now.nodes}),
        ("output", {k: v.key[:16] for k, v in lock.outputs.items()}, {k: v.key[:16] for k, v in now.outputs.items()}),
    ]
    for kind, before, after in pairs:
        for name in [*before, *(n for n in after if n not in before)]:
            if before.get(name) != after.get(name):
                old, new = before.get(name, "nothing"), after.get(name, "nothing")
                yield Drift("lock", shown(f"{kind} {name}"), shown(old), shown(new), advice)


def _names(lock: Lock) -> dict[str, str]:
    return {f.name: "listed" for f in lock.files} | {f"{m.folder}/{m.name}": "listed" for m in lock.models}
