"""`nodeflow lock`, and the refusal of `run --locked`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples
from nodeflow.cli.run import Device
from nodeflow.cli.text import clean, emit, emit_json, say, size_text

if TYPE_CHECKING:
    from nodeflow.cli.source import Source
    from nodeflow.engine import Engine
    from nodeflow.share.drift import Drift
    from nodeflow.share.golden import Fresh
    from nodeflow.share.lock import Lock
    from nodeflow.share.wheels import Wheel
    from nodeflow.workflow import Workflow


@with_examples(
    "nodeflow lock recipe.json  writes recipe.lock.json and pylock.recipe.toml beside it",
    "nodeflow lock recipe.json --with-outputs  runs it, and keeps what came out as hashes and thumbnails",
    "nodeflow run recipe.json --locked",
    "nodeflow verify recipe.json",
)
def lock(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A recipe, or a picture that carries one.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="LOCK", help="The lock file. Default: NAME.lock.json.")
    ] = None,
    with_outputs: Annotated[
        bool, typer.Option("--with-outputs", help="Run it without cache, and lock what comes out too.")
    ] = False,
    resolve_hashes: Annotated[
        bool,
        typer.Option("--resolve-hashes", help="Ask the package index (by pip) for the wheels of what is installed."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the lock as JSON.")] = False,
    device: Device = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing while it runs.")] = False,
) -> None:
    """Write down what a recipe's results come from.

    The lock holds the recipe's digest, the packs with their code, every model and input file with its hashes, licence
    and source, the seeds, the versions and the numeric class; the Python environment stands beside it as a pylock file.
    """
    import hashlib

    from nodeflow.cli.source import named, read
    from nodeflow.engine import Engine
    from nodeflow.settings import Settings
    from nodeflow.share.environment import pylock
    from nodeflow.share.golden import with_golden
    from nodeflow.share.lock import EnvironmentLock, lock_path, write_text
    from nodeflow.share.survey import survey

    source = read(file)
    if source.path is None and out is None:
        raise Stop(Exit.USAGE, "a recipe from standard input has no file that a lock could lie beside: add --out LOCK")
    path = out or lock_path(source.path or Path())
    with Engine(Settings.load(device=device)) as engine, named(source):
        made = survey(engine, source.workflow, source.path)
        if with_outputs:
            made = with_golden(made, _run(engine, source.workflow, source.path, quiet or as_json))
    text = pylock(_wheels(quiet or as_json) if resolve_hashes else None)
    stem = path.name.removesuffix(".json").removesuffix(".lock").replace(".", "-")
    environment = path.with_name(f"pylock.{stem}.toml")
    digest = hashlib.sha256(text.encode()).hexdigest()
    made = made.model_copy(update={"environment": EnvironmentLock(file=environment.name, sha256=digest)})
    write_text(environment, text)
    write_text(path, made.text())
    if as_json:
        emit_json({"lock": str(path), "digest": made.digest(), **made.model_dump(mode="json")})
    else:
        _report(made, path, environment)


def _wheels(quiet: bool) -> dict[str, Wheel]:
    from nodeflow.share.environment import pins
    from nodeflow.share.wheels import WheelsError, resolve

    wanted = pins()
    if not quiet:
        say(f"asking the index for {len(wanted)} packages; this may take a minute")
    try:
        found = resolve(wanted)
    except WheelsError as error:
        raise Stop(Exit.SETUP, f"nothing is locked: {error}") from None
    if missing := sorted(wanted.keys() - found.keys()):
        say(clean(f"warning: no index has a file of {', '.join(missing[:20])}"))
    return found


def _run(engine: Engine, workflow: Workflow, path: Path | None, quiet: bool) -> Fresh:
    from nodeflow.cli.interrupt import Interrupts
    from nodeflow.cli.progress import listener
    from nodeflow.share.golden import fresh_run

    cancel = threading.Event()
    with Interrupts(cancel), listener(quiet) as on_event:
        fresh = fresh_run(engine, workflow, path, on_event=on_event, cancel=cancel)
    if fresh.outcome.failures:
        failures = "\n".join(str(f) for f in fresh.outcome.failures)
        raise Stop(Exit.NODE_FAILED, f"nothing is locked, because the run failed: {clean(failures, lines=True)}")
    if fresh.outcome.state != "completed":
        raise Stop(Exit.CANCELLED, "nothing is locked: cancelled")
    return fresh


def _report(made: Lock, path: Path, environment: Path) -> None:
    emit(clean(f"{path}: {made.digest()[:16]}"))
    emit(clean(str(environment)))
    for model in made.models:
        about = ", ".join(text for text in (model.license or "licence unknown", model.source or "source unknown"))
        say(clean(f"model {model.folder}/{model.name}: {size_text(model.size)}, {about}"))
    for node in made.nodes:
        if not node.key:
            say(clean(f"{node.id}: warning: no two runs of it give the same result, so it cannot be verified"))
    golden = sum(len(output.files) for output in made.outputs.values())
    kept = f", {golden} golden files" if made.golden else "; no outputs (--with-outputs locks these too)"
    say(f"locked {len(made.packs)} packs, {len(made.models)} models, {len(made.files)} files{kept}")


def the_lock(source: Source, given: Path | None) -> Lock:
    """The lock that is named, that a picture says it was made under, or that lies beside the recipe.

    Raises:
        Stop: if there can be none. LockError, ProblemsError: if it cannot be read.
    """
    from nodeflow.share.lock import lock_path, lock_with, read_lock

    if given is None and source.path is None:
        raise Stop(Exit.USAGE, "a recipe from standard input has no lock beside it: add --lock LOCK")
    path = source.path or Path()
    if given is None and source.carried is not None and source.carried.lock:
        digest = source.carried.lock
        found = lock_with(digest, [path.parent, path.absolute().parent.parent, Path()])
        if found is not None:
            return found
        where = "which is not beside it, in the folder above, or here"
        raise Stop(Exit.FILES, f"{path} was made under the lock {digest[:16]}, {where}: name it with --lock")
    return read_lock(given or lock_path(path))


def refuse_drift(engine: Engine, workflow: Workflow, source: Source, given: Path | None, as_json: bool) -> str:
    """The digest of the lock, if everything is as it was locked.

    Raises:
        Stop: with every difference and what to do about it.
    """
    from nodeflow.share.drift import drift

    locked = the_lock(source, given)
    found = drift(engine, locked, workflow, source.path)
    if not found:
        return locked.digest()
    if as_json:
        drifts = [d.to_json() for d in found]
        emit_json({"state": "refused", "exit_code": int(Exit.DIFFERENT), "problems": [], "drift": drifts})
        raise Stop(Exit.DIFFERENT)
    show_drift(found)
    count = "1 difference" if len(found) == 1 else f"{len(found)} differences"
    raise Stop(Exit.DIFFERENT, f"nothing ran: {count} from the lock")


def show_drift(found: list[Drift]) -> None:
    for item in found:
        say(clean(f"drift: {item}"))
