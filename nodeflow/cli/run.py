"""`nodeflow run`: a recipe is run, with progress on standard error and what came of it on standard output."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nodeflow.cli.exits import Exit, Stop, code_of, problem_line, wants_traceback
from nodeflow.cli.help import with_examples
from nodeflow.cli.text import clean, emit, emit_json, say, seconds_text, style

if TYPE_CHECKING:
    from nodeflow.cli.source import Source
    from nodeflow.engine import Engine, Run
    from nodeflow.workflow import Workflow

SHOWN_TEXT = 64 << 10
"""Text results up to this many bytes are shown, and given as `value` in JSON."""

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A value for a declared input, written as its type wants it: text as it is, numbers, true or false, "
        "lists as JSON. NAME=@FILE reads it from a file, NAME=@- from standard input (NAME=@@… is a text that begins "
        "with @). Repeatable.",
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="NAME", help="Run only what this output, node or NODE.OUTPUT needs. Repeatable."),
]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]


@with_examples(
    "nodeflow run recipe.json",
    'nodeflow run recipe.json --set prompt="a red star" --set seed=7',
    "nodeflow run recipe.json --set prompt=@prompt.txt --out star.png",
    "nodeflow run output/image.png --set seed=8  a picture carries its recipe",
    "nodeflow run recipe.json --target decode  only what one node needs",
    "nodeflow run recipe.json --dry-run  what would run, and why",
    "nodeflow run recipe.json --sign chain.pem --key key.pem  pictures with content credentials",
    "nodeflow run recipe.json --locked  only if everything is as it was locked",
    "nodeflow run - --json < recipe.json | jq .outputs",
)
def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A recipe, a picture that carries one, or `-`.")],
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the results, or a file for a single one. Default: ./output."),
    ] = None,
    target: Targets = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came of it as JSON.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan instead of running it.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first node that fails.")] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Compute everything, and keep nothing for later runs.")
    ] = False,
    device: Device = None,
    locked: Annotated[
        bool,
        typer.Option("--locked", help="Refuse to run if anything differs from the recipe's lock (NAME.lock.json)."),
    ] = False,
    lock: Annotated[
        Path | None, typer.Option("--lock", metavar="LOCK", help="The same with another lock than NAME.lock.json.")
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option("--sign", metavar="CERT", help="Sign pictures (C2PA) with this certificate chain (PEM)."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="KEY", help="The certificate's private key (PEM).")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing while it runs.")] = False,
) -> None:
    """Run a recipe.

    Results that are known already are taken from the cache. A failed node does not stop what does not depend on it.
    Ctrl-C stops at the next step; a second one leaves at once. What was finished is kept.
    """
    from nodeflow.cli.source import named, read, with_settings
    from nodeflow.engine import Engine
    from nodeflow.problems import ProblemsError
    from nodeflow.settings import Settings as Folders

    if (sign is None) != (key is None):
        raise Stop(Exit.USAGE, "--sign CERT and --key KEY go together")
    engine = Engine(Folders.load(device=device, certificate=sign, private_key=key), cache=not no_cache)
    try:
        source = read(file)
        with named(source):
            workflow = with_settings(source, settings or (), engine)
            held_to = ""
            if locked or lock is not None:
                from nodeflow.cli.lock import refuse_drift

                held_to = refuse_drift(engine, workflow, source, lock, as_json)
            if dry_run:
                from nodeflow.cli.plan import show_plan

                show_plan(engine, workflow, source, target, as_json)
                return
            done, interrupted = _run(engine, workflow, source, target, out, fail_fast, quiet or as_json, held_to)
    except ProblemsError as error:
        if as_json:
            code = code_of(error.problems)
            problems = [p.to_json() for p in error.problems]
            emit_json({"state": "refused", "exit_code": int(code), "problems": problems})
            raise Stop(code) from None
        raise
    finally:
        engine.close()
    code = _code(done, interrupted)
    if as_json:
        emit_json({**result_json(done, engine), "exit_code": int(code)})
    else:
        _report(done, engine, workflow, quiet)
        if done.state == "completed" and not done.files:
            kept = "" if no_cache else "; results are in the cache"
            say(f"{_without_files(done, workflow)}, so no files were written{kept}.")
    if code is not Exit.OK:
        raise Stop(code)


def _run(
    engine: Engine,
    workflow: Workflow,
    source: Source,
    targets: list[str] | None,
    out: Path | None,
    fail_fast: bool,
    quiet: bool,
    lock: str = "",
) -> tuple[Run, bool]:
    """The finished run, and whether its user stopped it."""
    from nodeflow.cli.interrupt import Interrupts
    from nodeflow.cli.progress import listener

    cancel = threading.Event()
    with Interrupts(cancel) as interrupts, listener(quiet) as on_event:
        done = engine.run(
            workflow,
            path=source.path,
            targets=targets,
            out=out or engine.settings.output,
            values=False,
            on_event=on_event,
            cancel=cancel,
            fail_fast=fail_fast,
            lock=lock,
        )
    return done, interrupts.count > 0


def _code(done: Run, interrupted: bool) -> Exit:
    if done.state == "cancelled" or (interrupted and done.state != "completed"):
        return Exit.CANCELLED
    return Exit.NODE_FAILED if done.failures else Exit.OK


def result_json(done: Run, engine: Engine) -> dict[str, Any]:
    """What came of a run, for programs."""
    plan = done.outcome.plan
    outputs: dict[str, Any] = {}
    for name, source in plan.outputs.items():
        if name in done.files:
            files = done.files[name]
            outputs[name] = {"key": plan.key_of(source), "files": [str(path) for path in files], **_value(files)}
    return {
        "run": done.id,
        "state": done.state,
        "seconds": round(done.outcome.elapsed, 4),
        "counts": counts(done),
        "outputs": outputs,
        "saved": {name: [str(p) for p in paths] for name, paths in done.files.items() if name not in plan.outputs},
        "failures": [
            {"node": f.node, "op": f.op, "message": f.message, "inputs": f.inputs, "traceback": f.traceback}
            for f in done.failures
        ],
        "warnings": [{"node": node, "message": message} for node, message in warnings_of(done, engine)],
        "problems": [p.to_json() for p in plan.warnings],
    }


def counts(done: Run) -> dict[str, int]:
    """How many steps ended in which state; "not needed": cached results of others made them so."""
    from nodeflow.executor import STATES

    found = {name: done.outcome.count(number) for number, name in enumerate(STATES)}
    kept = ("computed", "cached", "failed", "blocked", "cancelled")
    return {"steps": len(done.outcome.states), **{n: found[n] for n in kept}, "not_needed": found["pending"]}


def _value(files: list[Path]) -> dict[str, Any]:
    """A text or JSON result's value, if it is small."""
    if len(files) != 1 or files[0].suffix not in (".txt", ".json"):
        return {}
    try:
        if files[0].stat().st_size > SHOWN_TEXT:
            return {}
        text = files[0].read_text(encoding="utf-8")
        if files[0].suffix == ".txt":
            return {"value": text}
        from nodeflow.jsonio import parse_json

        return {"value": parse_json(text)}
    except (OSError, ValueError):
        return {}


def warnings_of(done: Run, engine: Engine) -> list[tuple[str, str]]:
    """(node or "", message) of everything that a user should know."""
    return [*done.outcome.warnings, *(("", warning.message) for warning in engine.warnings)]


def _report(done: Run, engine: Engine, workflow: Workflow, quiet: bool) -> None:
    for problem in done.outcome.plan.warnings:
        say(problem_line(problem))
    for node, message in warnings_of(done, engine) if quiet else [("", w.message) for w in engine.warnings]:
        say(clean(f"{node}: warning: {message}" if node else f"warning: {message}"))
    for name, files in done.files.items():
        for path in files:
            emit(clean(f"{name}: {path}"))
        if (value := _value(files)) and sys.stdout.isatty():
            text = value["value"] if isinstance(value["value"], str) else repr(value["value"])
            for line in clean(text, lines=True, limit=2000).splitlines():
                emit(style(f"  {line}", "dim"))
    for failure in done.failures:
        say(style(f"failed: {clean(str(failure), lines=True)}", "red", stream=sys.stderr))
        if failure.traceback:
            if wants_traceback():
                say(clean(failure.traceback, lines=True))
            else:
                say(f"  for the traceback: NODEFLOW_TRACEBACK=1, or nodeflow runs show {done.id[:8]}")
    found = counts(done)
    order = ("computed", "cached", "failed", "blocked", "cancelled")
    parts = [f"{found[name]} {name}" for name in order if found[name]] or ["nothing to do"]
    say(f"{done.state}: {', '.join(parts)}, in {seconds_text(done.outcome.elapsed)}")


def _without_files(done: Run, workflow: Workflow) -> str:
    """Why a run that succeeded has written no files."""
    if not workflow.outputs:
        return "The recipe declares no outputs"
    muted = sum(name.startswith("outputs.") for name in done.outcome.plan.muted)
    return "All its outputs are muted" if muted == len(workflow.outputs) else "No declared output was asked for"
