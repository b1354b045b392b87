"""`nodeflow models`: which model files recipes may name, where they lie, and fetching some from the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import examples
from nodeflow.cli.text import clean, emit, emit_json, say, size_text, style, table


class _ListByDefault(TyperGroup):
    """A group whose first word may be left out: `nodeflow models loras` is `nodeflow models list loras`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not any(word in self.commands or word in ("-h", "--help") for word in args):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ListByDefault,
    help="List the models that recipes may name, or fetch one from the Hugging Face hub. `list` may be left out.",
    epilog=examples(
        "nodeflow models",
        "nodeflow models loras",
        "nodeflow models --json",
        "nodeflow models fetch openai/clip-vit-large-patch14@32bd64288804d66eefd0ccbe215aa642df71cc41",
    ),
)


@app.command("list")
def models(
    folder: Annotated[str | None, typer.Argument(help="Only this folder: checkpoints, loras, vae, …")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List the models that recipes may name, by folder, and where each lies.

    Model folders are searched in order: your own, those of the setting model_folders, those that packs ship. The first
    that has a name wins. Then names like owner/name@revision are looked for in the Hugging Face cache.
    """
    from nodeflow.engine import Engine
    from nodeflow.health import model_folders

    engine = Engine()
    files = engine.files()
    folders = model_folders(engine.catalogue)
    if folder is not None:
        if folder not in folders:
            raise Stop(
                Exit.USAGE, f"no node takes models from {clean(folder)!r}; known: {', '.join(folders) or 'none'}"
            )
        folders = [folder]
    found = {
        name: [_item(label, path, files.model_folders) for label, path in sorted(files.models(name).items())]
        for name in folders
    }
    engine.close()
    if as_json:
        emit_json({"folders": [str(f) for f in files.model_folders], "models": found})
        return
    for name, items in found.items():
        emit(style(name, "bold"))
        table(((i["name"], size_text(i["bytes"]), i["path"]) for i in items), indent=2)
        if not items:
            emit("  none")
        emit()
    emit("Looked in:")
    for root in [*files.model_folders, *([files.hub_cache] if files.hub_cache else [])]:
        emit(clean(f"  {root}{'' if root.is_dir() else ' (not there)'}"))


def _item(label: str, path: Path, roots: tuple[Path, ...]) -> dict[str, Any]:
    from nodeflow.files import size_of

    root = next((str(r) for r in roots if path.is_relative_to(r)), str(path.parent))
    return {"name": label, "path": str(path), "from": root, "bytes": size_of(path)}


@app.command("fetch")
def fetch_model(
    name: Annotated[
        str,
        typer.Argument(metavar="OWNER/NAME@COMMIT[:FILE]", help="The model, at a commit of 40 digits; a file of it."),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be fetched, and how large it is.")
    ] = False,
) -> None:
    """Fetch a model from the Hugging Face hub into its cache, at a pinned revision.

    Nothing else of nodeflow reaches the network: a recipe that names a model which is not there says so. Of a whole
    repository only what nodeflow reads is fetched: configurations, vocabularies, safetensors. The address is that of
    HF_ENDPOINT, the place that of HF_HUB_CACHE or HF_HOME.
    """
    from nodeflow import fetch, hub
    from nodeflow.settings import Settings

    parsed = hub.parse(name)
    if parsed is None:
        raise Stop(
            Exit.USAGE, f"{clean(name)!r} is no name of a model: expected OWNER/NAME@COMMIT or OWNER/NAME@COMMIT:FILE"
        )
    cache = Settings.load().hub_cache
    try:
        order = fetch.look(parsed)
        table((file, "?" if size is None else size_text(size)) for file, size in order.files)
        emit(f"{len(order.files)} files, {size_text(order.size)}, into {clean(str(cache))}")
        if dry_run:
            return
        folder = fetch.fetch(order, cache, lambda file, size: say(clean(f"fetching {file}")))
    except fetch.FetchError as error:
        raise Stop(Exit.FILES, str(error)) from None
    emit(clean(f"fetched: {folder}"))
    emit(clean(f"In a recipe: {parsed}"))
