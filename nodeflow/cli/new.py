"""`nodeflow new`: a first recipe, or the skeleton of a pack. Nothing that is there is ever overwritten."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from nodeflow.cli import templates
from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import examples
from nodeflow.cli.text import clean, emit, say

app = typer.Typer(
    help="Write a small recipe or the skeleton of a pack.",
    no_args_is_help=True,
    epilog=examples(
        "nodeflow new workflow hello", "nodeflow new pack mine", "pip install -e mine", "nodeflow packs enable mine"
    ),
)

_PACK = re.compile(r"[a-z][a-z0-9_]{0,39}")


@app.command()
def workflow(
    name: Annotated[str, typer.Argument(help="The file to write; .json is added if it is missing.")],
) -> None:
    """Write a small recipe that works: a prompt becomes a picture, drawn by the built-in model."""
    from nodeflow.workflow import Workflow

    path = Path(name if name.endswith(".json") else f"{name}.json")
    title = path.stem.replace("-", " ").replace("_", " ").strip().capitalize() or "Untitled"
    text = Workflow.from_json({**templates.RECIPE, "title": clean(title)}).text()
    _write({path: text})
    emit(clean(str(path)))
    say(f'Run it: nodeflow run {clean(str(path))} --set prompt="a blue ring on a white background"')


@app.command()
def pack(
    name: Annotated[str, typer.Argument(help="The pack's name: lower-case letters, digits and _.")],
    folder: Annotated[Path | None, typer.Option("--in", help="Where to make its folder. Default: here.")] = None,
) -> None:
    """Write an installable pack: a pyproject.toml with the entry point, a node, and a test of it."""
    from nodeflow.registry import installed

    if not _PACK.fullmatch(name):
        raise Stop(Exit.USAGE, f"{clean(name)!r}: a pack's name has lower-case letters, digits and _, such as my_pack")
    if pack := installed().packs.get(name):
        raise Stop(Exit.USAGE, f"a pack named {name} is installed already ({pack.module}); choose another name")
    root = (folder or Path()) / name
    if root.exists():
        raise Stop(Exit.FILES, f"{root} is there already; nothing was written")
    _write({root / path.format(name=name): text.replace("{name}", name) for path, text in templates.PACK.items()})
    emit(clean(str(root)))
    say(f"Install it with: pip install -e {clean(str(root))}; then: nodeflow packs enable {name}")


def _write(files: dict[Path, str]) -> None:
    """Write new files.

    Raises:
        Stop: if one is there already, or cannot be written.
    """
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise Stop(Exit.FILES, f"{path} is there already; it was left as it is") from None
        except OSError as error:
            raise Stop(Exit.FILES, f"{path}: cannot be written: {error.strerror}") from None
        except ValueError as error:  # a NUL in the name
            raise Stop(Exit.USAGE, f"{clean(str(path))}: {error}") from None
