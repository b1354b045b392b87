"""The catalogue: which packs are installed and which ops they have.

Packs are installed packages found by the entry-point group `nodeflow.packs`. The entry point `NAME = "module"` names a
module whose ops (objects made by `@node`) are those in it and its sub-modules; they are all called `NAME/…`, so the
name of an op tells which pack to load, and only that one is imported. The standard packs come in by the same door.
Packages may ship models too, in a folder that an entry point of the group `nodeflow.models` names. Nothing of a package
of others is imported until the user has enabled it (`consent`).

A pack that fails to import is kept with its traceback, and the rest work. Listing never imports torch: a pack's
modules must not import it at top level.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from blake3 import blake3

from nodeflow.consent import OWN, Consents, fingerprint
from nodeflow.errors import NodeflowError
from nodeflow.op import Op
from nodeflow.settings import Settings

PACKS = "nodeflow.packs"
MODELS = "nodeflow.models"


@dataclass
class Pack:
    """An installed pack: where it comes from and, once loaded, its ops, or why it could not be loaded."""

    name: str
    module: str
    distribution: str = ""
    version: str = ""
    ops: dict[str, Op] = field(default_factory=dict, repr=False)
    folder: Path | None = None
    error: str = ""
    load: Callable[[], object] | None = field(default=None, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    def loaded(self) -> Pack:
        """Import the pack's module if that has not been tried yet. Never raises: a failure is kept in `error`."""
        if self.load is None:
            return self
        with self._lock:
            load = self.load
            if load is None:
                return self
            try:
                module = load()
                if not isinstance(module, ModuleType):
                    raise TypeError(f"the entry point leads to a {type(module).__name__}, not to a module")
                self.ops = _ops(self.name, module)
                file = Path(module.__file__) if module.__file__ else None
                self.folder = file.parent if file is not None and file.name == "__init__.py" else file
            except (Exception, SystemExit):
                self.error = traceback.format_exc()
            self.load = None
        return self

    @property
    def reason(self) -> str:
        """What `error` ends with: why it could not be loaded, without paths of this machine."""
        lines = [line for line in self.error.strip().splitlines() if line.strip()]
        return lines[-1][:500] if lines else "unknown"

    @cached_property
    def digest(self) -> str:
        """blake3 of the Python source of the pack, and of the siblings in its package that it imports: part of every
        key, so that changed code is never mistaken for old."""
        hasher = blake3()
        package = self.module.rpartition(".")[0]
        todo = [] if self.folder is None else [self.folder]
        for folder in todo:  # grows while siblings are found
            for file in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]:
                name = f"{folder.name}/{file.relative_to(folder).as_posix()}".encode()
                data = file.read_bytes()
                hasher.update(b"%d:%s%d:" % (len(name), name, len(data)))
                hasher.update(data)
                siblings = re.findall(
                    rf"^\s*(?:from|import)\s+{re.escape(package)}\.(\w+)".encode(), data, re.MULTILINE
                )
                for sibling in dict.fromkeys(siblings) if package else ():
                    path = self.folder.parent / sibling.decode() if self.folder else folder
                    found = [p for p in (path, path.with_suffix(".py")) if p.exists() and p not in todo]
                    todo += found
        return hasher.hexdigest()


class Catalogue:
    """The installed packs, loaded when an op of theirs is asked for.

    Raises:
        NodeflowError: if two packs have one name, and so claim the same ops.
    """

    def __init__(self, packs: Iterable[Pack], model_folders: Iterable[Path] = ()) -> None:
        self.packs: dict[str, Pack] = {}
        self.model_folders = list(model_folders)
        for pack in sorted(packs, key=lambda p: p.name):
            other = self.packs.setdefault(pack.name, pack)
            if other is not pack:
                claims = " and ".join(f"{p.module} ({p.distribution or 'no distribution'})" for p in (other, pack))
                raise NodeflowError(f"two packs claim the ops named {pack.name}/…: {claims}; uninstall one of them")

    def find(self, name: str) -> Op | None:
        """The op of this name; loads its pack and no other."""
        pack = self.packs.get(name.partition("/")[0])
        return pack.loaded().ops.get(name) if pack is not None else None

    def owner(self, name: str) -> Pack:
        """The pack that has, or would have, this op; `KeyError` if there is none."""
        return self.packs[name.partition("/")[0]].loaded()

    @cached_property
    def ops(self) -> dict[str, Op]:
        """All ops by name; loads every pack."""
        return {name: op for pack in self.packs.values() for name, op in pack.loaded().ops.items()}

    @property
    def failures(self) -> dict[str, str]:
        """Packs that could not be loaded, with their tracebacks; loads every pack."""
        return {name: pack.error for name, pack in self.packs.items() if pack.loaded().error}

    def code_digest(self, op: str) -> str:
        return self.owner(op).digest


def _ops(pack: str, module: ModuleType) -> dict[str, Op]:
    """The ops of a module and its imported sub-modules, by name."""
    prefix = module.__name__ + "."
    modules = [module, *(m for name, m in list(sys.modules.items()) if name.startswith(prefix) and m is not None)]
    found: dict[str, Op] = {}
    for part in modules:
        for op in vars(part).values():
            if not isinstance(op, Op) or not f"{op.function.__module__}.".startswith(prefix):
                continue
            if not op.name.startswith(f"{pack}/"):
                raise NodeflowError(f"the op {op.name!r} must be called {pack}/…, after its pack")
            if found.setdefault(op.name, op) is not op:
                raise NodeflowError(f"the pack defines the op {op.name!r} twice")
    return dict(sorted(found.items()))


def load_pack(name: str, module: str) -> Pack:
    """The pack in an importable module, loaded."""
    return Pack(name, module, load=lambda: importlib.import_module(module)).loaded()


def make_catalogue(packs: Iterable[Pack], model_folders: Iterable[Path] = ()) -> Catalogue:
    """A catalogue of these packs."""
    return Catalogue(packs, model_folders)


@dataclass(frozen=True)
class Package:
    """An installed package that brings packs or models.

    pin: what a consent to it is pinned to. refusal: why nothing of it is imported; empty if it is.
    """

    distribution: Distribution
    packs: tuple[EntryPoint, ...]
    models: tuple[EntryPoint, ...]
    pin: str
    refusal: str

    def made(self) -> list[Pack]:
        """Its packs, not loaded; if it is refused, packs that failed."""
        name, version, error = self.distribution.name, self.distribution.version, self.refusal
        return [Pack(p.name, p.module, name, version, error=error, load=None if error else p.load) for p in self.packs]


def packages() -> list[Package]:
    """The installed packages with packs or models, by name. Imports none of them.

    Raises:
        NodeflowError: if what the user enabled, or where that stands, cannot be read.
    """
    found: dict[str, tuple[Distribution, dict[tuple[str, str, str], EntryPoint]]] = {}
    for point in (*entry_points(group=PACKS), *entry_points(group=MODELS)):
        if point.dist is not None:
            _, points = found.setdefault(point.dist.name, (point.dist, {}))
            points.setdefault((point.group, point.name, point.value), point)
    consents = Consents(Settings.load().home) if found.keys() - {OWN} else None
    made = []
    for name, (distribution, points) in sorted(found.items()):
        packs, models = (tuple(p for p in points.values() if p.group == group) for group in (PACKS, MODELS))
        pin = refusal = ""
        if consents is not None and name != OWN:
            pin = fingerprint(distribution, (p.module for p in points.values()))
            refusal = consents.refusal(name, pin)
        made.append(Package(distribution, packs, models, pin, refusal))
    return made


def _folder(point: EntryPoint) -> list[Path]:
    """The folder that an entry point of the group `nodeflow.models` names, without importing it."""
    spec = importlib.util.find_spec(point.module)
    return [Path(p) for p in spec.submodule_search_locations or ()] if spec is not None else []


@lru_cache(maxsize=1)
def installed() -> Catalogue:
    """The catalogue of this installation, made once. A pack that is not enabled has failed, and says so; a name that
    another pack has is none of its business.

    Raises:
        NodeflowError: if two packs claim the same ops.
    """
    found = packages()
    enabled = [package for package in found if not package.refusal]
    refused = [package for package in found if package.refusal]
    engine = Pack("engine", "nodeflow.export", load=lambda: importlib.import_module("nodeflow.export"))
    packs = [engine, *(pack for package in enabled for pack in package.made())]
    off = {pack.name: pack for package in refused for pack in package.made()}
    for pack in packs:
        off.pop(pack.name, None)
    folders = [folder for package in enabled for point in package.models for folder in _folder(point)]
    return Catalogue([*packs, *off.values()], folders)
