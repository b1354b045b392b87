"""`nodeflow diff`: two recipes, two runs or two pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples
from nodeflow.cli.text import clean, emit, emit_json, table

if TYPE_CHECKING:
    from nodeflow.engine import Engine
    from nodeflow.share.diff import Diff, Made, Side

Sided = Annotated[str, typer.Argument(help="A recipe, a picture that carries one, or a recorded run's id.")]


@with_examples(
    "nodeflow diff old.json new.json",
    "nodeflow diff output/image.png output/image-2.png  the recipes in them, and the pixels",
    "nodeflow diff 8c1f 03ab  two recorded runs: versions and results too",
    "nodeflow diff recipe.json 8c1f --json",
)
def diff(
    a: Sided,
    b: Sided,
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
) -> None:
    """Show what differs between two recipes, runs or pictures.

    Nodes, values, links, models, files, versions; of pictures also how much their pixels differ. Exit code 0: nothing
    that matters differs; 6: something does.
    """
    from nodeflow.engine import Engine
    from nodeflow.share.diff import comparable
    from nodeflow.share.diff import diff as compare

    with Engine() as engine:
        left, right = _side(engine, a), _side(engine, b)
        if not comparable(left, right):
            bare = left.name if left.workflow is None else right.name
            raise Stop(Exit.USAGE, f"nothing to compare: {bare} carries no recipe, and only one of the two has pixels")
        found = compare(left, right, engine.catalogue.find, engine.records.parts)
    code = Exit.OK if found.same else Exit.DIFFERENT
    if as_json:
        emit_json(_json(left, right, found, code))
    else:
        _report(left, right, found)
    if code is not Exit.OK:
        raise Stop(code)


def _side(engine: Engine, name: str) -> Side:
    """A recipe, a picture or a run; a file wins over a run whose id begins so."""
    if name != "-" and not Path(name).exists() and (side := _run(engine, name)) is not None:
        return side
    return _file(name)


def _run(engine: Engine, name: str) -> Side | None:
    from nodeflow.share.diff import Side
    from nodeflow.workflow import Workflow

    text = name.strip().lower()
    if not text or text.strip("0123456789abcdef"):
        return None
    records = engine.records
    row = records.run(text)
    if row is None:
        raise Stop(Exit.USAGE, f"{name}: no such file, and no single recorded run has an id that begins so")
    recipe = records.recipe(row.id)
    made = {f"{x.output}.{x.place}": _artefact(engine, x.digest, x.media) for x in records.artefacts(row.id)}
    return Side(
        f"run {row.id[:8]}",
        Workflow.parse(recipe, source=name) if recipe else None,
        row.versions,
        row.numeric,
        records.node_keys(row.id),
        made,
    )


def _artefact(engine: Engine, digest: str, media: str) -> Made:
    from nodeflow.cache import BadBlob
    from nodeflow.share.diff import Made
    from nodeflow.share.embed import is_picture

    try:
        data: bytes | None = bytes(engine.artefacts.read(digest))
    except BadBlob:
        data = None
    return Made(digest, media, data if data and is_picture(data) else None)


def _file(name: str) -> Side:
    from nodeflow.cli.source import content, read
    from nodeflow.share.carried import carried
    from nodeflow.share.diff import Made, Side
    from nodeflow.share.embed import extract, is_picture

    data = content(Path(name)) if name != "-" else b""
    if not is_picture(data):
        return Side(name, read(name).workflow)
    from blake3 import blake3

    from nodeflow.problems import ProblemsError

    made = {"picture": Made(blake3(data).hexdigest(), "", data)}
    try:
        extract(data, source=name)
    except ProblemsError:
        return Side(name, made=made)  # a picture without a recipe: its pixels can be compared
    found = carried(data, source=name)
    keys = {"picture": found.key} if found.key else None
    return Side(name, found.workflow, found.versions or None, found.numeric or None, keys, made, found.lock)


def _json(a: Side, b: Side, found: Diff, code: Exit) -> dict[str, Any]:
    return {
        "a": a.name,
        "b": b.name,
        "same": found.same,
        "exit_code": int(code),
        "changes": [change.to_json() for change in found.changes],
        "pictures": {name: gap.to_json() for name, gap in found.pictures.items()},
    }


def _report(a: Side, b: Side, found: Diff) -> None:
    rows = [(c.kind, c.place, _value(c.a), _value(c.b), c.detail) for c in found.changes]
    if rows:
        table(rows, ("", "", clean(a.name), clean(b.name), ""))
    for name, gap in found.pictures.items():
        if gap.psnr is None:
            emit(clean(f"{name}: {gap}"))
    if found.same:
        emit("the same" if not found.changes else "the same, but for how it looks")
    sides = [s for s in (a, b) if s.workflow is None and s.made is not None]
    for side in sides:
        emit(clean(f"{side.name} carries no recipe: only its pixels were compared"))


def _value(value: Any) -> str:
    from nodeflow.forecast import short

    if value is None:
        return "-"
    if isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef"):
        return value[:12]
    return clean(value if isinstance(value, str) else short(value, 60), limit=60)
