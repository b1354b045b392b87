"""`nodeflow models`: which model files recipes may name, and where they lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples
from nodeflow.cli.text import clean, emit, emit_json, size_text, style, table


@with_examples("nodeflow models", "nodeflow models loras", "nodeflow models --json")
def models(
    folder: Annotated[str | None, typer.Argument(help="Only this folder: checkpoints, loras, vae, …")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List the models that recipes may name, by folder, and where each lies.

    Model folders are searched in order: your own, those of the setting model_folders, those that packs ship. The first
    that has a name wins.
    """
    from nodeflow.engine import Engine
    from nodeflow.health import model_folders

    engine = Engine()
    files = engine.files()
    folders = model_folders(engine.catalogue)
    if folder is not None:
        if folder not in folders:
            raise Stop(
                Exit.USAGE, f"no node takes models from {clean(folder)!r}; known: {', '.join(folders) or 'none'}"
            )
        folders = [folder]
    found = {
        name: [_item(label, path, files.model_folders) for label, path in sorted(files.models(name).items())]
        for name in folders
    }
    engine.close()
    if as_json:
        emit_json({"folders": [str(f) for f in files.model_folders], "models": found})
        return
    for name, items in found.items():
        emit(style(name, "bold"))
        table(((i["name"], size_text(i["bytes"]), i["path"]) for i in items), indent=2)
        if not items:
            emit("  none")
        emit()
    emit("Looked in:")
    for root in files.model_folders:
        emit(clean(f"  {root}{'' if root.is_dir() else ' (not there)'}"))


def _item(name: str, path: Path, roots: tuple[Path, ...]) -> dict[str, Any]:
    root = next((str(r) for r in roots if path.is_relative_to(r)), str(path.parent))
    return {"name": name, "path": str(path), "from": root, "bytes": _bytes(path)}


def _bytes(path: Path) -> int:
    try:
        if path.is_file():
            return path.stat().st_size
        return sum(os.path.getsize(os.path.join(here, name)) for here, _, names in os.walk(path) for name in names)
    except OSError:
        return 0
