"""`nodeflow cache`: what is kept for later runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nodeflow.cli.help import examples
from nodeflow.cli.text import clean, emit, emit_json, say, size_text, table

app = typer.Typer(
    invoke_without_command=True,
    epilog=examples(
        "nodeflow cache", "nodeflow cache clear", "nodeflow cache sweep --days 0", 'du -sh "$(nodeflow cache path)"'
    ),
)


@app.callback()
def stats(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Show how much is kept for later runs, and where; or empty it.

    The cache is shared by all processes of this user. It may be deleted at any time: results are computed again.
    """
    if context.invoked_subcommand is not None:
        return
    from nodeflow.engine import Engine

    engine = Engine()
    found = _disk(engine)
    if as_json:
        emit_json({"path": str(engine.settings.cache), **found})
    else:
        table(
            (
                ("folder", str(engine.settings.cache)),
                ("results", f"{found['entries']:,}"),
                ("size", f"{size_text(found['bytes'])} of at most {size_text(found['budget'])}"),
            )
        )
    for warning in engine.warnings:
        say(clean(f"warning: {warning.message}"))
    engine.close()


@app.command()
def clear() -> None:
    """Delete all kept results. Runs after this compute everything again; results in output folders stay."""
    from nodeflow.engine import Engine

    engine = Engine()
    before = _disk(engine)
    engine.cache.clear()
    engine.close()
    emit(f"deleted {before['entries']:,} results, {size_text(before['bytes'])}")


@app.command()
def sweep(
    days: Annotated[float, typer.Option("--days", min=0, help="Only what was not used for so many days.")] = 7.0,
) -> None:
    """Delete the bytes of results that no job, no recorded run and no kept result refers to any more.

    A server does so by itself, for what jobs have let go of within minutes, else after a week. What a run that goes on
    may need is left alone, and so are the files in output folders.
    """
    from nodeflow.server.sweeping import sweep_home
    from nodeflow.settings import Settings

    found = sweep_home(Settings.load(), days * 24 * 3600)
    emit(f"deleted {len(found.gone):,} results, {size_text(found.bytes)}")


@app.command()
def path() -> None:
    """Print the cache's folder."""
    from nodeflow.settings import Settings

    emit(str(Settings.load().cache))


def _disk(engine: Any) -> dict[str, int]:
    tier = engine.cache.stats().tiers.get("disk")
    if tier is None:
        return {"entries": 0, "bytes": 0, "budget": 0}
    return {"entries": tier.entries, "bytes": tier.used_bytes, "budget": tier.budget_bytes}
