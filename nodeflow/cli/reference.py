"""The command line as a page of documentation, made from the commands: `python -m nodeflow.cli.reference`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from nodeflow.cli.exits import Exit

_INTRO = """\
# Command line

`nodeflow COMMAND`, or `python -m nodeflow COMMAND`. This page is made from the commands by
`python -m nodeflow.cli.reference`; `nodeflow COMMAND --help` says the same.

Results go to standard output, everything else (progress, warnings, errors) to standard error, so results can be piped.
On a terminal `run` shows a bar for each running node; elsewhere it prints a line for each node that was computed.
`NO_COLOR` turns colours off.

`FILE` is a recipe (JSON), a PNG, WebP or JPEG picture that carries one, or `-` for standard input. Files that a recipe
names may lie beside it, in the working folder, or in the setting `input_roots`.

Settings come from `nodeflow.toml` in nodeflow's home and from variables: `NODEFLOW_HOME`, `NODEFLOW_CACHE`,
`NODEFLOW_OUTPUT`, `NODEFLOW_DEVICE`, … (`nodeflow doctor` shows them all). `NODEFLOW_TRACEBACK=1` adds tracebacks to
errors.

## Exit codes

| code | name | meaning |
|---|---|---|
"""


def reference() -> str:
    """The page's text."""
    from nodeflow.cli import build

    root: Any = typer.main.get_command(build())
    lines = [f"| {code.value} | `{code.name}` | {code.meaning} |" for code in Exit]
    for name, command in root.commands.items():
        lines += _command(name, command)
    return _INTRO + "\n".join(lines) + "\n"


def _command(name: str, command: Any, level: str = "##") -> Iterator[str]:
    yield ""
    yield f"{level} {name}"
    yield ""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    below = getattr(command, "commands", {})
    parts = ["nodeflow", name, *(["[OPTIONS]"] if options else []), *map(_placeholder, arguments)]
    if below:
        parts.append("COMMAND" if command.no_args_is_help else "[COMMAND]")
    yield f"`{' '.join(parts)}`"
    yield ""
    yield _text(command.help)
    if arguments or options:
        yield ""
        yield "| | |"
        yield "|---|---|"
        for argument in arguments:
            yield f"| `{_placeholder(argument)}` | {_cell(argument.help)} |"
        for option in options:
            yield f"| {_names(option)} | {_cell(option.help)} |"
    if command.epilog:
        yield ""
        yield from _examples(command.epilog)
    for inner, part in below.items():
        yield from _command(f"{name} {inner}", part, "###")


def _placeholder(argument: Any) -> str:
    word = (argument.metavar or argument.name.upper()).strip("[]")
    return word if argument.required else f"[{word}]"


def _names(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len, reverse=True))
    if option.is_flag:
        return names
    return f"{names} {option.metavar or _kind(option)}"


def _kind(option: Any) -> str:
    return {"limit": "NUMBER", "before": "NUMBER", "out": "PATH", "folder": "PATH"}.get(option.name, "TEXT")


def _text(text: str | None) -> str:
    return "\n\n".join(" ".join(block.split()) for block in (text or "").split("\n\n") if block.strip())


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _examples(epilog: str) -> Iterator[str]:
    yield "```console"
    for line in epilog.split("\n\n")[1:]:
        yield "$ " + line.strip().replace(r"\[", "[")
    yield "```"


def main() -> None:
    """Write `docs/cli.md` and the recipe's schema."""
    from nodeflow.jsonio import dump_json
    from nodeflow.schema import recipe_schema

    docs = Path(__file__).parents[2] / "docs"
    (docs / "cli.md").write_text(reference(), encoding="utf-8")
    (docs / "schema").mkdir(exist_ok=True)
    (docs / "schema" / "nodeflow-1.schema.json").write_text(dump_json(recipe_schema()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
