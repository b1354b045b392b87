"""`nodeflow export`: a recipe or a recorded run as one file for others, or a recipe in ComfyUI's API format."""

from __future__ import annotations

import enum
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples
from nodeflow.cli.run import Device, Settings
from nodeflow.cli.text import clean, emit, emit_json, say, size_text

if TYPE_CHECKING:
    from nodeflow.engine import Engine
    from nodeflow.share.crate import Contents


class Format(enum.StrEnum):
    """What is written."""

    CRATE = "crate"
    COMFYUI_API = "comfyui-api"


@with_examples(
    "nodeflow export recipe.json  writes recipe.crate.zip",
    "nodeflow export 8c1f --out stars.crate.zip  a recorded run",
    "nodeflow export recipe.json --license CC-BY-4.0 --author 'A. Painter'",
    "nodeflow verify recipe.crate.zip  on any machine that has the models",
    "nodeflow import recipe.crate.zip",
    "nodeflow export recipe.json --format comfyui-api --out prompt.json",
)
def export(
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="A recipe, a picture that carries one, or a recorded run's id.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file. Default: NAME.crate.zip, here.")] = None,
    kind: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.CRATE,
    settings: Settings = None,
    lock: Annotated[
        Path | None, typer.Option("--lock", metavar="LOCK", help="Another lock than NAME.lock.json.")
    ] = None,
    license: Annotated[str, typer.Option("--license", help="The crate's licence: an SPDX id or an address.")] = "",
    author: Annotated[str, typer.Option("--author", help="Who ran it; left out: nobody is named.")] = "",
    with_models: Annotated[bool, typer.Option("--with-models", help="Pack the model files too.")] = False,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="ComfyUI: write the rest if some nodes have no equivalent there.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
    device: Device = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing while it runs.")] = False,
) -> None:
    """Write one file that holds a recipe or a run with everything that it is made of.

    The crate (a Workflow Run RO-Crate) has the recipe, its lock, inputs, results, the record of the run, the
    environment and the model cards. Models are named in it with hash, licence and source, not packed. A recipe whose
    results are not there yet is run first.
    """
    from nodeflow.engine import Engine
    from nodeflow.settings import Settings as Folders
    from nodeflow.share.crate import CrateError, add_models
    from nodeflow.share.pack import SUFFIX, pack

    with Engine(Folders.load(device=device)) as engine:
        if kind is Format.COMFYUI_API:
            _comfy(engine, source, out, settings, leave_out, force, as_json)
            return
        try:
            contents, path = _contents(engine, source, settings, lock, quiet or as_json)
            if with_models:
                add_models(engine, contents, path)
        except CrateError as error:
            from nodeflow.cli.lock import show_drift

            show_drift(error.drifts)
            raise Stop(Exit.DIFFERENT if error.drifts else Exit.NODE_FAILED, str(error)) from None
        target = out or Path(f"{contents.stem}{SUFFIX}")
        _may_write(target, force)
        count = pack(contents, target, license=license, author=author)
    size = target.stat().st_size
    if as_json:
        document = {"crate": str(target), "size": size, "files": count, "lock": contents.lock.digest()}
        emit_json({**document, "recipe": contents.lock.recipe})
        return
    for model in contents.lock.models:
        if not with_models:
            about = ", ".join((model.license or "licence unknown", model.source or "source unknown"))
            say(clean(f"named, not packed: model {model.folder}/{model.name}, {about}"))
    say(clean(f"{count} files, {size_text(size)}, lock {contents.lock.digest()[:16]}"))
    emit(clean(str(target)))


def _contents(
    engine: Engine, name: str, settings: list[str] | None, given: Path | None, quiet: bool
) -> tuple[Contents, Path | None]:
    from nodeflow.cli.interrupt import Interrupts
    from nodeflow.cli.progress import listener
    from nodeflow.cli.source import named, read, with_settings
    from nodeflow.share.crate import of_recipe, of_run
    from nodeflow.share.lock import lock_path, read_lock

    if not Path(name).exists() and name != "-" and not name.lower().strip("0123456789abcdef"):
        if settings or given:
            raise Stop(Exit.USAGE, "a recorded run is exported as it was: --set and --lock are for recipes")
        if engine.records.run(name.lower()) is None:
            raise Stop(Exit.USAGE, f"{name}: no such file, and no single run is recorded whose id begins so")
        return of_run(engine, name.lower()), None
    source = read(name)
    with named(source):
        workflow = with_settings(source, settings or (), engine)
        beside = given or (lock_path(source.path) if source.path is not None else None)
        lock, made = None, 0.0
        if beside is not None and (given is not None or beside.is_file()):
            lock = read_lock(beside)
            made = beside.stat().st_mtime
            if given is None and lock.recipe != workflow.digest() and settings:
                lock = None  # other values are another recipe, and the lock beside it is not of this one
        cancel = threading.Event()
        with Interrupts(cancel), listener(quiet) as on_event:
            contents = of_recipe(engine, workflow, source.path, lock, locked_at=made, on_event=on_event, cancel=cancel)
    return contents, source.path


def _may_write(target: Path, force: bool) -> None:
    if target.exists() and not force:
        raise Stop(Exit.FILES, f"{target} is there already; name another with --out, or --force")


def _comfy(
    engine: Engine,
    name: str,
    out: Path | None,
    settings: list[str] | None,
    leave_out: bool,
    force: bool,
    as_json: bool,
) -> None:
    from nodeflow.cli.source import named, read, with_settings
    from nodeflow.comfy import to_api

    source = read(name)
    with named(source):
        prompt, report = to_api(with_settings(source, settings or (), engine), leave_out=leave_out)
    stem = source.path.name.partition(".")[0] if source.path is not None else "recipe"
    target = out or Path(f"{stem}.api.json")
    _may_write(target, force)
    target.write_text(json.dumps(prompt, indent=2) + "\n", encoding="utf-8")
    if as_json:
        emit_json({"file": str(target), **report.to_json()})
        return
    for line in report.text().splitlines():
        say(clean(line))
    emit(clean(str(target)))
