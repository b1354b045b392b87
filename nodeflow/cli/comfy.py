"""`nodeflow import`: a recipe out of a file of ComfyUI's, or the folder that a crate holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples
from nodeflow.cli.text import clean, emit, emit_json, say, size_text

MAX_FILE = 256 << 20


@with_examples(
    "nodeflow import workflow.json  writes workflow.nodeflow.json",
    "nodeflow import ComfyUI_00001_.png --out fox.json",
    "nodeflow import workflow.json --report --json  only says what would become of it",
    "nodeflow import stars.crate.zip  checks it and lays it out in the new folder stars",
)
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="ComfyUI's JSON (either format), a picture of its, or a crate.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The recipe to write; of a crate the folder to make.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Write nothing; only report.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Make a recipe of a ComfyUI workflow, and say everything that is not the same; or lay out a crate.

    Nodes without an equivalent are kept as placeholders with all their values; nothing that is in the file is lost.
    A crate (from nodeflow export) is checked as a whole, then laid out in a new folder. Nothing is run.
    """
    from nodeflow.comfy import read
    from nodeflow.engine import Engine
    from nodeflow.share.unpack import is_crate

    try:
        with open(file, "rb") as stream:
            data = stream.read(4)
            if is_crate(data):
                _import_crate(file, out, report, as_json)
                return
            data += stream.read(MAX_FILE + 1 - len(data))
    except FileNotFoundError:
        raise Stop(Exit.FILES, f"{file}: no such file") from None
    if len(data) > MAX_FILE:
        raise Stop(Exit.FILES, f"{file}: larger than {MAX_FILE >> 20} MB")
    engine = Engine()
    try:
        found = read(data, source=clean(str(file)), files=engine.files())
    finally:
        engine.close()
    target = out or file.with_name(f"{file.stem}.nodeflow.json")
    if not report:
        try:
            with open(target, "w" if force else "x", encoding="utf-8", newline="\n") as stream_out:
                stream_out.write(found.workflow.text())
        except FileExistsError:
            raise Stop(Exit.FILES, f"{target} is there already; name another with --out, or --force") from None
    if as_json:
        emit_json({"file": str(file), "recipe": None if report else str(target), **found.report.to_json()})
    else:
        for line in found.report.text().splitlines():
            say(clean(line))
        if not report:
            emit(clean(str(target)))
    if not found.report.complete:
        raise Stop(Exit.PROBLEMS)


def _import_crate(file: Path, out: Path | None, report: bool, as_json: bool) -> None:
    from nodeflow.share.pack import SUFFIX
    from nodeflow.share.unpack import inspect, unpack

    stem = file.name.removesuffix(SUFFIX) if file.name.endswith(SUFFIX) else file.stem
    target = out or file.with_name(stem)
    found = inspect(file) if report else unpack(file, target)
    recipe = target / found.recipe
    if as_json:
        emit_json(
            {
                "file": str(file),
                "folder": None if report else str(target),
                "recipe": found.recipe if report else str(recipe),
                "lock": found.lock.digest(),
                "files": found.sizes,
                "models": [m.model_dump(mode="json", exclude={"files", "used_by"}) for m in found.lock.models],
            }
        )
        return
    for model in found.lock.models:
        source = model.source or "where it comes from is not recorded"
        say(clean(f"needs the model {model.folder}/{model.name} ({size_text(model.size)}): {source}"))
    say(clean(f"{len(found.sizes)} files, {size_text(sum(found.sizes.values()))}, each as its hash says"))
    if not report:
        emit(clean(str(recipe)))
