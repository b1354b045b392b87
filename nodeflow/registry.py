"""The catalogue: which packs are installed and which ops they have.

Packs are installed packages found by the entry-point group `nodeflow.packs`; an entry point names a module whose ops
(objects made by `@node`) are those in the module and its sub-modules. The standard packs come in by the same door.
A pack that fails to import is kept with its traceback, and the rest work. Listing never imports torch: a pack's
modules must not import it at top level.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from blake3 import blake3

from nodeflow.errors import NodeflowError
from nodeflow.op import Op

GROUP = "nodeflow.packs"


@dataclass
class Pack:
    """An installed pack: where it comes from, its ops, or why it could not be loaded."""

    name: str
    module: str
    distribution: str = ""
    version: str = ""
    ops: dict[str, Op] = field(default_factory=dict, repr=False)
    folder: Path | None = None
    model_folder: Path | None = None
    error: str = ""

    @cached_property
    def digest(self) -> str:
        """blake3 of the pack's Python source: part of every key, so that changed code is never mistaken for old."""
        hasher = blake3()
        if self.folder is not None:
            for file in sorted(self.folder.rglob("*.py")) if self.folder.is_dir() else [self.folder]:
                name = file.relative_to(self.folder).as_posix().encode()
                data = file.read_bytes()
                hasher.update(b"%d:%s%d:" % (len(name), name, len(data)))
                hasher.update(data)
        return hasher.hexdigest()


@dataclass
class Catalogue:
    """All installed ops by name."""

    packs: dict[str, Pack]
    ops: dict[str, Op] = field(default_factory=dict)
    owners: dict[str, Pack] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for pack in self.packs.values():
            for name, op in pack.ops.items():
                if name in self.ops:
                    raise NodeflowError(
                        f"two packs claim the op {name!r}: {self.owners[name].name} ({self.owners[name].module}) and "
                        f"{pack.name} ({pack.module}); uninstall one of them"
                    )
                self.ops[name] = op
                self.owners[name] = pack

    @property
    def failures(self) -> dict[str, str]:
        """Packs that could not be loaded, with their tracebacks."""
        return {name: pack.error for name, pack in self.packs.items() if pack.error}

    @property
    def model_folders(self) -> list[Path]:
        """Folders of models that packs ship."""
        return [pack.model_folder for pack in self.packs.values() if pack.model_folder is not None]

    def code_digest(self, op: str) -> str:
        return self.owners[op].digest


def load_pack(
    name: str, module: str, load: Callable[[], object] | None = None, *, distribution: str = "", version: str = ""
) -> Pack:
    """Import a pack's module and collect its ops. Never raises: a failure is kept in the pack."""
    pack = Pack(name, module, distribution, version)
    try:
        loaded = load() if load else importlib.import_module(module)
        if not isinstance(loaded, ModuleType):
            raise TypeError(f"the entry point leads to a {type(loaded).__name__}, not to a module")
        pack.ops = _ops(loaded)
        file = Path(loaded.__file__) if loaded.__file__ else None
        pack.folder = file.parent if file is not None and file.name == "__init__.py" else file
        folder = getattr(loaded, "MODEL_FOLDER", None)
        pack.model_folder = Path(folder) if folder else None
    except Exception:
        pack.error = traceback.format_exc()
    return pack


def _ops(module: ModuleType) -> dict[str, Op]:
    prefix = module.__name__ + "."
    modules = [module, *(m for name, m in list(sys.modules.items()) if name.startswith(prefix) and m is not None)]
    found: dict[str, Op] = {}
    for part in modules:
        for op in vars(part).values():
            if not isinstance(op, Op) or op.function.__module__.partition(".")[0] != module.__name__.partition(".")[0]:
                continue
            if found.setdefault(op.name, op) is not op:
                raise NodeflowError(f"the pack defines the op {op.name!r} twice")
            _ = op.inputs, op.outputs  # a signature that makes no ports fails here, with its pack
    return dict(sorted(found.items()))


def make_catalogue(packs: Iterable[Pack]) -> Catalogue:
    return Catalogue({pack.name: pack for pack in sorted(packs, key=lambda p: p.name)})


def _from_entry_point(point: EntryPoint) -> Pack:
    dist = point.dist
    name, version = (dist.name, dist.version) if dist else ("", "")
    return load_pack(point.name, point.module, point.load, distribution=name, version=version)


@lru_cache(maxsize=1)
def installed() -> Catalogue:
    """The catalogue of this installation, loaded once.

    Raises:
        NodeflowError: if two packs claim one op.
    """
    points = {(p.name, p.value): p for p in entry_points(group=GROUP)}
    packs = [load_pack("engine", "nodeflow.export"), *(_from_entry_point(point) for point in points.values())]
    names = [pack.name for pack in packs]
    for pack in packs:
        if names.count(pack.name) > 1:
            others = " and ".join(f"{p.module} ({p.distribution})" for p in packs if p.name == pack.name)
            raise NodeflowError(f"two packs are named {pack.name!r}: {others}; uninstall one of them")
    return make_catalogue(packs)
