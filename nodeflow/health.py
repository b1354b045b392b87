"""What this installation is and whether it can work: versions, device, packs, folders, SQLite, models.

Nothing is run, no tensor library is imported; folders are tried by making and removing an empty file.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodeflow.annotations import ModelFile
from nodeflow.recorder import versions
from nodeflow.registry import Catalogue

if TYPE_CHECKING:
    from nodeflow.engine import Engine

LOW_SPACE = 2 << 30
"""Less free space than this is worth a warning."""


def health(engine: Engine) -> dict[str, Any]:
    """Everything about an installation that a report of a fault should say, and what is wrong with it.

    Returns:
        JSON; `faults` stop runs, `warnings` do not.
    """
    catalogue, settings = engine.catalogue, engine.settings
    folders = {name: folder_state(getattr(settings, name)) for name in ("home", "cache", "output")}
    faults = [f"pack {name} could not be loaded" for name in catalogue.failures]
    faults += [f"the {name} folder {f['path']} cannot be written" for name, f in folders.items() if not f["writable"]]
    warnings = [
        f"the {name} folder has only {f['free'] >> 20} MB of free space"
        for name, f in folders.items()
        if f["free"] is not None and f["free"] < LOW_SPACE
    ]
    if sqlite_is_affected(sqlite3.sqlite_version_info):
        warnings.append(
            f"SQLite {sqlite3.sqlite_version} has a bug that can corrupt a database that two processes write to at the "
            "same time; fixed in 3.51.3, 3.50.7 and 3.44.6"
        )
    return {
        "versions": {**versions(catalogue), "sqlite": sqlite3.sqlite_version, "system": platform.platform()},
        "device": engine.device,
        "numeric": asdict(engine.numeric),
        "packs": [
            {
                "name": pack.name,
                "module": pack.module,
                "distribution": pack.distribution,
                "version": pack.version,
                "ops": len(pack.loaded().ops),
                "error": pack.error,
            }
            for pack in catalogue.packs.values()
        ],
        "settings": {f.name: _plain(getattr(settings, f.name)) for f in fields(settings)},
        "settings_file": str(settings.home / "nodeflow.toml"),
        "folders": folders,
        "models": {folder: len(engine.files().models(folder)) for folder in model_folders(catalogue)},
        "faults": faults,
        "warnings": warnings,
    }


def model_folders(catalogue: Catalogue) -> list[str]:
    """The folders that the installed ops take models from (`checkpoints`, `loras`, ...)."""
    kinds: Iterable[ModelFile | None] = (
        port.extra(ModelFile) for op in catalogue.ops.values() for port in op.inputs.values() if port.is_file
    )
    return sorted({kind.folder for kind in kinds if kind is not None})


def folder_state(path: Path) -> dict[str, Any]:
    """Whether a folder is there, can be written (or made), and how much space is free (bytes)."""
    exists = path.is_dir()
    there = next((p for p in (path, *path.absolute().parents) if p.exists()), path)
    free = None
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(there).free
    return {"path": str(path), "exists": exists, "writable": there.is_dir() and _writable(there), "free": free}


def _writable(folder: Path) -> bool:
    probe = folder / f".nodeflow-{secrets.token_hex(8)}"
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        probe.unlink()
    except OSError:
        return False
    return True


def sqlite_is_affected(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite has the WAL-reset bug: 3.7.0 to 3.51.2, but for the backports 3.44.6+ and 3.50.7+."""
    if not (3, 7, 0) <= version < (3, 51, 3):
        return False
    return not ((3, 44, 6) <= version < (3, 45, 0) or (3, 50, 7) <= version < (3, 51, 0))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return str(value) if isinstance(value, Path) else value
