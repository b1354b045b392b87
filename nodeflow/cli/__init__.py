"""The command line: `nodeflow COMMAND`. A client of the engine; it decides nothing that another client would repeat.

One module per group of commands, imported when one of its commands is asked for, so that `check` does not wait for
what `run` needs. Results go to standard output, everything else to standard error; `exits` lists the exit codes.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from nodeflow.cli.exits import Exit, handled
from nodeflow.cli.text import emit, prepare_streams


class Entry(NamedTuple):
    """A command: the module it is in, its function (or its Typer app, for a command with sub-commands)."""

    module: str
    name: str
    panel: str


_RECIPES, _RESULTS, _NODES, _HOUSE = "Recipes", "Results", "Nodes and models", "This installation"
COMMANDS = {
    "run": Entry("run", "run", _RECIPES),
    "check": Entry("check", "check", _RECIPES),
    "plan": Entry("plan", "plan", _RECIPES),
    "lock": Entry("lock", "lock", _RECIPES),
    "new": Entry("new", "app", _RECIPES),
    "import": Entry("comfy", "import_", _RECIPES),
    "export": Entry("crate", "export", _RECIPES),
    "serve": Entry("serve", "serve", _RECIPES),
    "open": Entry("serve", "open_", _RECIPES),
    "diff": Entry("diff", "diff", _RESULTS),
    "test": Entry("expect", "run_expectations", _RESULTS),
    "verify": Entry("verify", "verify", _RESULTS),
    "credentials": Entry("credentials", "credentials", _RESULTS),
    "why": Entry("why", "why", _RESULTS),
    "runs": Entry("runs", "app", _RESULTS),
    "cache": Entry("cache", "app", _RESULTS),
    "nodes": Entry("nodes", "nodes", _NODES),
    "describe": Entry("nodes", "describe", _NODES),
    "models": Entry("models", "app", _NODES),
    "packs": Entry("packs", "app", _NODES),
    "schema": Entry("check", "schema", _HOUSE),
    "doctor": Entry("doctor", "doctor", _HOUSE),
    "backup": Entry("backup", "backup", _HOUSE),
}

_EPILOG = """
A first look:

  nodeflow new workflow hello      write a small recipe

  nodeflow run hello.json          run it; the results go to ./output

  nodeflow run output/image.png    run a picture again: it carries its recipe

Exit codes: {codes}.

Settings: nodeflow.toml in the home folder, or NODEFLOW_HOME, NODEFLOW_CACHE, NODEFLOW_OUTPUT, NODEFLOW_DEVICE, …;
nodeflow doctor shows them.
"""


class Group(TyperGroup):
    """A group whose commands' errors become messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        with handled():
            return super().invoke(ctx)


def version(show: bool) -> None:
    if show:
        from nodeflow import __version__

        emit(f"nodeflow {__version__}")
        raise typer.Exit


def _callback(
    show_version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Node-graph workflows for generative AI: check, plan and run recipes, and see why results are what they are."""


def build(only: str | None = None) -> typer.Typer:
    """The application with all commands, or with the one that is called (which is quicker)."""
    codes = ", ".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in Exit)
    app = typer.Typer(
        name="nodeflow",
        cls=Group,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        epilog=_EPILOG.format(codes=codes),
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_callback)
    for name, entry in COMMANDS.items():
        if only in (None, name):
            part = getattr(importlib.import_module(f"nodeflow.cli.{entry.module}"), entry.name)
            if isinstance(part, typer.Typer):
                app.add_typer(part, name=name, rich_help_panel=entry.panel)
            else:
                epilog = getattr(part, "epilog", None)
                app.command(name, rich_help_panel=entry.panel, epilog=epilog)(part)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    prepare_streams()
    asked = next((word for word in given if not word.startswith("-")), "")
    try:
        build(asked if asked in COMMANDS else None)(args=given, prog_name="nodeflow")
    except BrokenPipeError:
        raise SystemExit(Exit.PIPE) from None
    except KeyboardInterrupt:
        raise SystemExit(Exit.CANCELLED) from None
