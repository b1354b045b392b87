"""Reading `jobs.db`: single jobs, pages of the history and the queue, artefacts. Pages go by key, never by offset.

All functions take the store's connection and are called from its thread.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nodeflow.server.schema import ArtefactInfo, Job, JobState
from nodeflow.server.tasks import NoSuchJob

FINISHED: Final = ("completed", "failed", "cancelled")

_JOB: Final = (
    "id, state, title, priority, position, attempt, sweep, inputs, digest, created, started, finished, steps, "
    "finished_steps, cached_steps, error, run"
)
_ARTEFACT: Final = "id, job, output, node, place, name, digest, media, bytes, width, height, created"


@dataclass(frozen=True)
class Stored:
    """A job with its recipe (as it was sent, without the inputs) and what became of its nodes (JSON text)."""

    job: Job
    recipe: bytes
    nodes: str


def job(db: Any, number: int) -> Job:
    """One job.

    Raises:
        NoSuchJob: there is none of this number.
    """
    return jobs(db, [number])[0]


def jobs(db: Any, numbers: Sequence[int]) -> list[Job]:
    """These jobs, in this order.

    Raises:
        NoSuchJob: one is missing.
    """
    rows: dict[int, tuple[Any, ...]] = {}
    for start in range(0, len(numbers), 500):
        some = numbers[start : start + 500]
        marks = ",".join("?" * len(some))
        rows |= {row[0]: row for row in db.execute(f"SELECT {_JOB} FROM jobs WHERE id IN ({marks})", tuple(some))}
    for number in numbers:
        if number not in rows:
            raise NoSuchJob(f"there is no job {number}")
    return _with_artefacts(db, [rows[number] for number in numbers])


def stored(db: Any, number: int) -> Stored:
    """One job with all that belongs to it.

    Raises:
        NoSuchJob: there is none of this number.
    """
    found = job(db, number)
    body, nodes = db.execute(
        "SELECT body, nodes FROM jobs JOIN recipes ON recipe = recipes.digest WHERE id = ?", (number,)
    ).fetchone()
    return Stored(found, zlib.decompress(body), "{}" if nodes is None else zlib.decompress(nodes).decode())


def page(db: Any, state: JobState | None, before: int | None, limit: int) -> tuple[list[Job], int | None]:
    """The newest jobs first, those with smaller numbers than `before`; queued jobs in the order of the queue, those
    that follow `before`. And what to ask for the next page with; None: that was the last."""
    if state == "queued":
        rows = _queued(db, before, limit + 1)
    else:
        which = "id < ?" if state is None else "id < ? AND state = ?"
        values = (before or 1 << 62, *([state] if state else []), limit + 1)
        rows = db.execute(f"SELECT {_JOB} FROM jobs WHERE {which} ORDER BY id DESC LIMIT ?", values).fetchall()
    more = rows[limit - 1][0] if len(rows) > limit else None
    return _with_artefacts(db, rows[:limit]), more


def _queued(db: Any, after: int | None, limit: int) -> list[tuple[Any, ...]]:
    order = "ORDER BY priority DESC, position, id LIMIT ?"
    if after is None:
        found = db.execute(f"SELECT {_JOB} FROM jobs WHERE state = 'queued' {order}", (limit,))
        return list(found.fetchall())
    place = db.execute("SELECT priority, position FROM jobs WHERE id = ?", (after,)).fetchone()
    if place is None:
        return []
    priority, position = place
    found = db.execute(
        f"SELECT {_JOB} FROM jobs WHERE state = 'queued' AND priority = ? AND (position, id) > (?, ?) {order}",
        (priority, position, after, limit),
    )
    rows = list(found.fetchall())
    if len(rows) < limit:
        lower = f"SELECT {_JOB} FROM jobs WHERE state = 'queued' AND priority < ? {order}"
        rows += db.execute(lower, (priority, limit - len(rows))).fetchall()
    return rows


def counts(db: Any) -> dict[str, int]:
    """How many jobs are queued and how many run."""
    return {
        state: db.execute("SELECT COUNT(*) FROM jobs WHERE state = ?", (state,)).fetchone()[0]
        for state in ("queued", "running")
    }


def paused(db: Any) -> bool:
    row = db.execute("SELECT value FROM settings WHERE name = 'paused'").fetchone()
    return row is not None and row[0] == "1"


def artefacts(db: Any, before: int | None, limit: int, of_job: int | None) -> tuple[list[ArtefactInfo], int | None]:
    """The newest artefacts first, and what to ask for the next page with; None: that was the last."""
    which = "id < ?" if of_job is None else "id < ? AND job = ?"
    values = (before or 1 << 62, *([of_job] if of_job is not None else []), limit + 1)
    rows = db.execute(f"SELECT {_ARTEFACT} FROM artefacts WHERE {which} ORDER BY id DESC LIMIT ?", values).fetchall()
    more = rows[limit - 1][0] if len(rows) > limit else None
    return [_artefact(row) for row in rows[:limit]], more


def artefact(db: Any, digest: str) -> ArtefactInfo | None:
    """The newest artefact of this content."""
    row = db.execute(f"SELECT {_ARTEFACT} FROM artefacts WHERE digest = ? ORDER BY id DESC LIMIT 1", (digest,))
    found = row.fetchone()
    return None if found is None else _artefact(found)


def _with_artefacts(db: Any, rows: Sequence[tuple[Any, ...]]) -> list[Job]:
    made: dict[int, list[ArtefactInfo]] = {}
    over = [row[0] for row in rows if row[1] in FINISHED]
    for start in range(0, len(over), 500):
        some = over[start : start + 500]
        marks = ",".join("?" * len(some))
        for one in db.execute(f"SELECT {_ARTEFACT} FROM artefacts WHERE job IN ({marks}) ORDER BY id", tuple(some)):
            made.setdefault(one[1], []).append(_artefact(one))
    return [_job(row, made.get(row[0], [])) for row in rows]


def _job(row: Iterable[Any], made: list[ArtefactInfo]) -> Job:
    fields = dict(zip(_JOB.split(", "), row, strict=True))
    fields["inputs"] = json.loads(fields["inputs"])
    return Job.model_construct(**fields, artefacts=made)


def _artefact(row: Sequence[Any]) -> ArtefactInfo:
    fields = dict(zip(_ARTEFACT.split(", "), row, strict=True))
    fields["index"] = fields.pop("place")
    fields["media_type"] = fields.pop("media")
    return ArtefactInfo.model_construct(**fields)
