"""`nodeflow verify`: a locked recipe run again, and what came out compared with what came out then."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples
from nodeflow.cli.run import Device
from nodeflow.cli.text import clean, emit, emit_json, say, table

if TYPE_CHECKING:
    from nodeflow.cli.source import Source
    from nodeflow.share.lock import Lock
    from nodeflow.share.verify import Verification


@with_examples(
    "nodeflow verify recipe.json",
    "nodeflow verify recipe.json --nodes  every node, not only the outputs",
    "nodeflow verify recipe.json --tolerance 0.05 --json",
    "nodeflow verify stars.crate.zip  what another machine made",
)
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A recipe with a lock beside it, a crate, or a picture.")],
    lock: Annotated[Path | None, typer.Option("--lock", metavar="LOCK", help="Another lock.")] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="The largest difference that passes: a share of the full range for pictures, relative for numbers.",
        ),
    ] = 0.01,
    nodes: Annotated[bool, typer.Option("--nodes", help="Compare node by node.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
    device: Device = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing while it runs.")] = False,
) -> None:
    """Run a locked recipe again, without cache, and compare.

    Each output is bit-equal, within tolerance, or different; then it is said where it first differs, and what has
    changed since it was locked. The lock must have been made with --with-outputs. A picture without a lock is compared
    with what its own recipe gives here.
    """
    from nodeflow.cli.interrupt import Interrupts
    from nodeflow.cli.lock import show_drift
    from nodeflow.cli.progress import listener
    from nodeflow.cli.source import content, named, read
    from nodeflow.engine import Engine
    from nodeflow.problems import ProblemsError
    from nodeflow.settings import Settings
    from nodeflow.share.carried import Carried
    from nodeflow.share.drift import drift
    from nodeflow.share.verify import verify as compare
    from nodeflow.share.verify_picture import verify_picture

    folders = Settings.load(device=device)
    cancel = threading.Event()
    with contextlib.ExitStack() as stack:
        if crate := _unpacked(file, stack):
            file = str(crate)
            folders = replace(folders, model_folders=(*folders.model_folders, crate.parent / "models"))
        source = read(file)
        locked = _lock(source, lock)
        engine = stack.enter_context(Engine(folders))
        stack.enter_context(named(source))
        workflow, path = source.workflow, source.path
        try:
            with Interrupts(cancel), listener(quiet or as_json) as on_event:
                if locked is None:
                    found = verify_picture(
                        engine,
                        source.carried or Carried(workflow),
                        content(Path(file)),
                        path,
                        tolerance=tolerance,
                        on_event=on_event,
                        cancel=cancel,
                    )
                else:
                    found = compare(
                        engine,
                        locked,
                        workflow,
                        path,
                        tolerance=tolerance,
                        made=_made(path),
                        on_event=on_event,
                        cancel=cancel,
                    )
        except ProblemsError:
            if not as_json and locked is not None:
                show_drift([d for d in drift(engine, locked, workflow, path) if d.kind != "recipe"])
            raise
    code = _code(found)
    if as_json:
        emit_json(_json(found, nodes, code))
    else:
        _report(found, nodes)
    if code is not Exit.OK:
        raise Stop(code)


def _lock(source: Source, given: Path | None) -> Lock | None:
    """The lock with outputs that the recipe has; None for a picture that has none.

    Raises:
        Stop, LockError: there is none, or it has no outputs.
    """
    from nodeflow.cli.lock import the_lock
    from nodeflow.share.lock import lock_path

    picture = source.path is not None and source.path.suffix.lower() in (".png", ".webp", ".jpg", ".jpeg")
    if picture and given is None and source.path is not None and not lock_path(source.path).is_file():
        return None
    locked = the_lock(source, given)
    if not locked.golden:
        raise Stop(Exit.USAGE, "the lock has no outputs to compare with: make it with nodeflow lock --with-outputs")
    return locked


def _unpacked(file: str, stack: contextlib.ExitStack) -> Path | None:
    """The recipe of a crate, laid out in a folder that goes when the stack does; None if the file is no crate."""
    from nodeflow.share.unpack import is_crate, unpack

    path = Path(file)
    try:
        with open(path, "rb") as stream:
            if not is_crate(stream.read(4)):
                return None
    except (OSError, ValueError):
        return None  # `read` says what is wrong
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nodeflow-"))) / "crate"
    return folder / unpack(path, folder).recipe


def _made(recipe: Path | None) -> Path | None:
    """The folder of a crate's outputs, if the recipe lies in one that was laid out."""
    from nodeflow.share.crate_metadata import METADATA

    found = recipe is not None and recipe.with_name(METADATA).is_file()
    return recipe.with_name("outputs") if found and recipe is not None else None


def _code(found: Verification) -> Exit:
    outcome = found.fresh.outcome
    if outcome.failures:
        return Exit.NODE_FAILED
    if outcome.state == "cancelled":
        return Exit.CANCELLED
    return Exit.OK if found.ok else Exit.DIFFERENT


def _json(found: Verification, nodes: bool, code: Exit) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "exit_code": int(code),
        "outputs": [verdict.to_json() for verdict in found.outputs],
        "first": found.first,
        "why": found.why,
        "drift": [d.to_json() for d in found.drifts],
        "failures": [str(failure) for failure in found.fresh.outcome.failures],
        **({"nodes": [verdict.to_json() for verdict in found.nodes]} if nodes else {}),
    }


def _report(found: Verification, nodes: bool) -> None:
    if nodes:
        table(((v.name, v.state, v.detail) for v in found.nodes), ("node", "result", ""))
        emit()
    for verdict in found.outputs:
        emit(clean(f"{verdict.name}: {verdict.state}" + (f": {verdict.detail}" if verdict.detail else "")))
    if found.first and found.why:
        emit(clean(f"first difference: {found.first}"))
    for reason in found.why:
        emit(clean(f"because: {reason}"))
    if not found.why:
        for item in found.drifts:
            emit(clean(f"changed, without effect on the outputs: {item}"))
    for failure in found.fresh.outcome.failures:
        say(clean(f"failed: {failure}", lines=True))
