"""`nodeflow runs`: the record of what ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import examples
from nodeflow.cli.text import clean, emit, emit_json, say, seconds_text, style, table, time_text

if TYPE_CHECKING:
    from nodeflow.record import RecordStore, RunRow

app = typer.Typer(
    invoke_without_command=True,
    epilog=examples(
        "nodeflow runs",
        "nodeflow runs show 8c1f",
        "nodeflow runs show 8c1f --recipe > again.json  the recipe as it was run",
        "nodeflow runs prune --keep 1000",
    ),
)


@app.callback()
def runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most so many.")] = 20,
    before: Annotated[int | None, typer.Option("--before", help="Only runs with a smaller number.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List recorded runs, the latest first; or show one.

    Every run is recorded: the recipe as it ran, versions, seeds, keys, times, files.
    """
    if context.invoked_subcommand is not None:
        return
    from nodeflow.engine import Engine

    with Engine() as engine:
        found = engine.records.runs(before, limit)
    if as_json:
        emit_json({"runs": [_row_json(row) for row in found]})
        return
    if not found:
        say("No runs are recorded." if before is None else "No earlier runs are recorded.")
        return
    table(
        (
            (str(row.number), row.id[:8], time_text(row.started), row.state, _took(row), _error_text(row))
            for row in found
        ),
        ("number", "id", "started", "state", "took", ""),
    )
    if len(found) == limit:
        say(f"earlier ones: nodeflow runs --before {found[-1].number}")


@app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="ID", help="A run's id, or enough of its beginning.")],
    recipe: Annotated[bool, typer.Option("--recipe", help="Print only the recipe, as it was run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show a run: its nodes with keys and times, the files it made, versions, and what failed with its traceback."""
    from nodeflow.engine import Engine

    with Engine() as engine:
        records = engine.records
        row = records.run(run.strip())
        if row is None:
            raise Stop(
                Exit.USAGE, f"no single recorded run has an id that begins with {clean(run)!r}; see nodeflow runs"
            )
        if recipe:
            emit((records.recipe(row.id) or "").rstrip("\n"))
        elif as_json:
            emit_json(_run_json(records, row))
        else:
            _show(records, row)


@app.command()
def prune(
    keep: Annotated[int, typer.Option("--keep", min=0, metavar="NUMBER", help="How many of the latest runs stay.")],
) -> None:
    """Forget all but the latest runs. Files in output folders and the cache stay.

    `nodeflow why` and the reasons of `nodeflow plan` know only runs that are on record. What only forgotten runs have
    made is deleted by `nodeflow cache sweep`.
    """
    from nodeflow.engine import Engine

    with Engine() as engine:
        gone = engine.records.prune(keep)
    emit(f"forgot {gone:,} run{'' if gone == 1 else 's'}")


def _show(records: RecordStore, row: RunRow) -> None:
    emit(style(f"run {row.number}, {row.id}", "bold"))
    ended = f" to {time_text(row.ended)} ({_took(row)})" if row.ended else ""
    emit(f"{row.state}, {time_text(row.started)}{ended}")
    emit(clean(f"numeric class: {row.numeric}"))
    emit(clean(f"versions: {', '.join(f'{name} {text}' for name, text in sorted(row.versions.items()))}"))
    if row.seeds:
        emit(clean(f"seeds: {', '.join(f'{name} {seed}' for name, seed in sorted(row.seeds.items()))}"))
    nodes = records.nodes(row.id)
    if nodes:
        emit()
        table(
            ((n.node, n.op, n.state, seconds_text(n.seconds) if n.seconds else "", (n.key or "")[:12]) for n in nodes),
            ("node", "op", "state", "took", "key"),
        )
    if files := records.artefacts(row.id):
        emit()
        table(((a.output, a.name, a.digest[:12]) for a in files), ("output", "file", "content"))
    for node in nodes:
        if node.error:
            emit()
            emit(style(clean(f"{node.node} failed:"), "red"))
            for line in clean(node.error, lines=True).splitlines():
                emit(f"  {line}")


def _run_json(records: RecordStore, row: RunRow) -> dict[str, Any]:
    import json

    text = records.recipe(row.id)
    return {
        **_row_json(row),
        "nodes": [
            {"node": n.node, "op": n.op, "key": n.key, "state": n.state, "seconds": n.seconds, "error": n.error}
            for n in records.nodes(row.id)
        ],
        "artefacts": [
            {"output": a.output, "place": a.place, "digest": a.digest, "media": a.media, "name": a.name}
            for a in records.artefacts(row.id)
        ],
        "recipe": json.loads(text) if text else None,
    }


def _row_json(row: RunRow) -> dict[str, Any]:
    return {
        "number": row.number,
        "id": row.id,
        "state": row.state,
        "started": row.started,
        "ended": row.ended,
        "numeric": row.numeric,
        "versions": row.versions,
        "seeds": row.seeds,
        "recipe_digest": row.recipe_digest,
        "error": row.error,
    }


def _took(row: RunRow) -> str:
    return seconds_text(row.ended - row.started) if row.ended else ""


def _error_text(row: RunRow) -> str:
    return clean((row.error or "").split("\n")[0], limit=80)
