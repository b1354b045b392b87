"""What differs between two jobs, in words."""

from __future__ import annotations

from typing import Any

from nodeflow.cache import BadBlob
from nodeflow.engine import Engine
from nodeflow.jsonio import dump_json
from nodeflow.server.schema import Compared, Job
from nodeflow.share.diff import Change, Made, Side, diff
from nodeflow.share.embed import is_picture
from nodeflow.workflow import Workflow

_SHOWN = 80


def compared(engine: Engine, a: tuple[Job, Workflow], b: tuple[Job, Workflow]) -> Compared:
    """The differences of two jobs: first their recipes and what they were computed with, then their results."""
    found = diff(_side(engine, *a), _side(engine, *b), engine.catalogue.find, engine.records.parts)
    recipes = [_words(change) for change in found.changes if change.kind != "result"]
    results = [_result(change, a[0], b[0]) for change in found.changes if change.kind == "result"]
    told = {change.place for change in found.changes if change.kind == "result"}
    results += [f"{name}: {gap}" for name, gap in found.pictures.items() if name not in told]
    return Compared(recipes=recipes, results=results)


def _side(engine: Engine, job: Job, workflow: Workflow) -> Side:
    row = engine.records.run(job.run) if job.run else None
    made = {f"{x.output}.{x.index}": _made(engine, x.digest, x.media_type) for x in job.artefacts}
    keys = engine.records.node_keys(row.id) if row else None
    versions, numeric = (row.versions, row.numeric) if row else (None, None)
    return Side(f"job {job.id}", workflow, versions, numeric, keys, made or None)


def _made(engine: Engine, digest: str, media: str) -> Made:
    data: bytes | None = None
    if media.startswith("image/"):
        try:
            data = bytes(engine.artefacts.read(digest))
        except BadBlob:
            data = None
    return Made(digest, media, data if data and is_picture(data) else None)


def _words(change: Change) -> str:
    """One difference as a line: `nodes.sample.values.seed: 7 → 8`."""
    sides = "" if change.a is None and change.b is None else f"{_value(change.a)} → {_value(change.b)}"
    detail = f" ({change.detail})" if change.detail and sides else change.detail
    return f"{change.kind} {change.place}: {sides}{detail}" if change.place else f"{change.kind}: {sides}{detail}"


def _result(change: Change, a: Job, b: Job) -> str:
    """One result's difference as a line: `image.0: largest difference 0.2 ...`. Hashes tell people nothing."""
    if change.a is None or change.b is None:
        return f"{change.place}: only in job {(b if change.a is None else a).id}"
    return f"{change.place}: {change.detail or 'not the same'}"


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else dump_json(value, indent=None)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
