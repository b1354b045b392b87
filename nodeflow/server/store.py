"""The durable queue and history: `jobs.db`, every change of it, and what each promises.

- What `add` has returned survives a power cut. A sweep is one transaction: all of its jobs, or none.
- A claim gives a job a *lease*, a fresh random token. Only its bearer can finish the job, and only once: a job that was
  cancelled, taken away or finished meanwhile has another lease or none, and a late result changes nothing.
- A finished job's artefact rows and its state are written together; their bytes were durable before.
- No job is left "running" by a process that died: `recover` queues it again, or gives it up at the last attempt.

One connection, used by one thread at a time (`jobs` has a thread for it). Reading is in `history`. This module must not
know workers, HTTP or events.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

from nodeflow.database import migrate, transaction
from nodeflow.server import forgetting
from nodeflow.server.jobs_db import MIGRATIONS, explained, open_database
from nodeflow.server.schema import JobState
from nodeflow.server.tasks import Claimed, Finish, JobConflict, NewJob, NoSuchJob

MAX_ATTEMPTS: Final = 3
"""A job whose worker died this often is given up."""


class JobStore:
    """The database at `path`; all methods are to be called from one thread at a time.

    Args:
        connection: an open one to use instead (tests put a file system that forgets beneath it).

    Raises:
        DatabaseError: it cannot be used; the message says what to do.
    """

    def __init__(self, path: Path, *, connection: Any = None) -> None:
        self.path = path
        self.db: Any = connection if connection is not None else open_database(path)
        try:
            migrate(self.db, path, MIGRATIONS)
        except sqlite3.Error as error:
            self.db.close()
            raise explained(path, error) from error

    def close(self) -> None:
        self.db.close()

    # --- adding ----------------------------------------------------------------------------------------------------

    def add(self, recipe: bytes, jobs: Sequence[NewJob], sweep: str = "") -> list[int]:
        """Queue jobs that run the same recipe, all or none; durable on return."""
        key = blake3(recipe).digest()
        body = zlib.compress(recipe)
        now = time.time()
        with transaction(self.db):
            self.db.execute("INSERT OR IGNORE INTO recipes VALUES (?, ?)", (key, body))
            last = self.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetchone()
            first = (last[0] if last else 0) + 1
            ends: dict[int, float] = {}
            rows = []
            for number, job in enumerate(jobs, first):
                end = ends[job.priority] = (ends[job.priority] if job.priority in ends else self._end(job.priority)) + 1
                targets = None if job.targets is None else json.dumps(list(job.targets))
                inputs = json.dumps(job.inputs, separators=(",", ":"))
                rows.append((number, job.priority, end, sweep, job.title, job.digest, inputs, targets, now, key))
            self.db.executemany(_ADD, rows)
        return [row[0] for row in rows]

    def _end(self, priority: int) -> float:
        """The last position of a priority, of jobs that are or may again be queued."""
        ends = [
            self.db.execute("SELECT MAX(position) FROM jobs WHERE state = ? AND priority = ?", (s, priority)).fetchone()
            for s in ("queued", "running")
        ]
        return max((end[0] for end in ends if end[0] is not None), default=0.0)

    # --- running ---------------------------------------------------------------------------------------------------

    def claim(self, lease: str) -> Claimed | None:
        """Take the next job; None if none is queued."""
        with transaction(self.db):
            row = self.db.execute(_CLAIM, (lease, time.time())).fetchone()
            if row is None:
                return None
            (body,) = self.db.execute("SELECT body FROM recipes WHERE digest = ?", (row[4],)).fetchone()
        targets = None if row[3] is None else json.loads(row[3])
        return Claimed(row[0], lease, row[1], zlib.decompress(body), json.loads(row[2]), targets)

    def finish(self, job: int, lease: str, end: Finish) -> bool:
        """Write how a job ended, with its artefacts; False, and nothing is written, if the lease is not the job's."""
        now = time.time()
        with transaction(self.db):
            row = self.db.execute(
                "UPDATE jobs SET state = ?, lease = NULL, finished = ?, error = ?, run = ?, steps = ?, "
                "finished_steps = ?, cached_steps = ?, nodes = ? "
                "WHERE id = ? AND lease = ? AND state = 'running' RETURNING id",
                (end.state, now, end.error, end.run, end.steps, end.finished_steps, end.cached_steps,
                 _packed(end.nodes), job, lease),
            ).fetchone()  # fmt: skip
            if row is None:
                return False
            self.db.executemany(
                "INSERT INTO artefacts VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (job, a.output, a.node, a.index, a.name, a.digest, a.media_type, a.bytes, a.width, a.height, now)
                    for a in end.artefacts
                ],
            )
        return True

    def give_back(self, job: int, lease: str, error: str) -> JobState | None:
        """The worker that ran the job is gone: queue the job again, or fail it if that was its last attempt.

        Returns:
            The new state; None if the lease is not the job's.
        """
        with transaction(self.db):
            row = self.db.execute(
                f"{_GIVE_BACK} WHERE id = ? AND lease = ? AND state = 'running' RETURNING state",
                (MAX_ATTEMPTS, MAX_ATTEMPTS, time.time(), 0, MAX_ATTEMPTS, error, error, job, lease),
            ).fetchone()
        return None if row is None else row[0]

    def recover(self, error: str, *, blame: bool = True) -> list[int]:
        """Nobody runs anything (a server starts, or stops): what is "running" is queued again, or failed.

        Args:
            blame: whether this attempt counts.

        Returns:
            The jobs concerned.
        """
        last = MAX_ATTEMPTS if blame else 1 << 62
        with transaction(self.db):
            rows = self.db.execute(
                f"{_GIVE_BACK} WHERE state = 'running' RETURNING id",
                (last, last, time.time(), int(not blame), last, error, f"{error}; it is tried again"),
            ).fetchall()
        return sorted(row[0] for row in rows)

    # --- what people change ----------------------------------------------------------------------------------------

    def cancel(self, job: int, progress: Finish | None = None) -> JobState:
        """End a job that is queued or running; what it was before. A late result of it is thrown away.

        Args:
            progress: how far it was, if it is running.
        """
        with transaction(self.db):
            state = self._state(job)
            if state not in ("queued", "running"):
                raise JobConflict(f"job {job} is {state} already")
            how = progress or Finish("cancelled")
            self.db.execute(
                "UPDATE jobs SET state = 'cancelled', lease = NULL, finished = ?, steps = ?, finished_steps = ?, "
                "cached_steps = ?, nodes = ? WHERE id = ?",
                (time.time(), how.steps, how.finished_steps, how.cached_steps, _packed(how.nodes), job),
            )
        return state

    def clear(self) -> list[int]:
        """Cancel everything that is queued; the jobs concerned, in queue order."""
        with transaction(self.db):
            rows = self.db.execute(
                "SELECT id FROM jobs WHERE state = 'queued' ORDER BY priority DESC, position, id"
            ).fetchall()
            self.db.execute("UPDATE jobs SET state = 'cancelled', finished = ? WHERE state = 'queued'", (time.time(),))
        return [row[0] for row in rows]

    def retry(self, job: int) -> None:
        """Queue a job that failed or was cancelled again, at the end of its priority; its artefacts so far are gone."""
        with transaction(self.db):
            state = self._state(job)
            if state not in ("failed", "cancelled"):
                raise JobConflict(f"job {job} is {state}: only a failed or cancelled job can be tried again")
            (priority,) = self.db.execute("SELECT priority FROM jobs WHERE id = ?", (job,)).fetchone()
            forgetting.let_go(self.db, [job])
            self.db.execute(
                "UPDATE jobs SET state = 'queued', attempt = 0, position = ?, started = NULL, finished = NULL, "
                "error = '', run = '', steps = 0, finished_steps = 0, cached_steps = 0, nodes = NULL WHERE id = ?",
                (self._end(priority) + 1, job),
            )

    def change(self, job: int, priority: int | None = None, before: int | None = None) -> None:
        """Give a queued job another priority or place: at the end of a priority (`before` 0), or before another."""
        with transaction(self.db):
            if (state := self._state(job)) != "queued":
                raise JobConflict(f"job {job} is {state}: only a queued job can be moved")
            (own,) = self.db.execute("SELECT priority FROM jobs WHERE id = ?", (job,)).fetchone()
            if before == job:
                raise JobConflict("a job cannot stand before itself")
            if before:
                if (state := self._state(before)) != "queued":
                    raise JobConflict(f"job {before} is {state}: it has no place in the queue")
                (theirs,) = self.db.execute("SELECT priority FROM jobs WHERE id = ?", (before,)).fetchone()
                if priority not in (None, theirs):
                    raise JobConflict(f"job {before}, which it should stand before, has the priority {theirs}")
                priority, position = theirs, self._before(job, before, theirs)
            elif priority not in (None, own) or before == 0:
                priority = own if priority is None else priority
                position = self._end(priority) + 1
            else:
                return
            self.db.execute("UPDATE jobs SET priority = ?, position = ? WHERE id = ?", (priority, position, job))

    def _before(self, job: int, other: int, priority: int) -> float:
        """A position just before that of a queued job."""
        for _ in range(2):
            (position,) = self.db.execute("SELECT position FROM jobs WHERE id = ?", (other,)).fetchone()
            (previous,) = self.db.execute(
                "SELECT MAX(position) FROM jobs WHERE state = 'queued' AND priority = ? AND position < ? AND id != ?",
                (priority, position, job),
            ).fetchone()
            if previous is None:
                return float(position) - 1
            middle = (previous + position) / 2
            if previous < middle < position:
                return float(middle)
            ordered = self.db.execute(  # there is no number between them any more: count anew
                "SELECT id FROM jobs WHERE state = 'queued' AND priority = ? ORDER BY position, id", (priority,)
            ).fetchall()
            self.db.executemany("UPDATE jobs SET position = ? WHERE id = ?", [(i, r[0]) for i, r in enumerate(ordered)])
        raise AssertionError("whole numbers have numbers between them")

    def remove(self, job: int) -> None:
        """Forget a job that is over. The bytes of its artefacts are for `sweeping` to delete."""
        with transaction(self.db):
            if (state := self._state(job)) in ("queued", "running"):
                raise JobConflict(f"job {job} is {state}: cancel it first")
            forgetting.forget(self.db, [job])

    def forget(self, jobs: Sequence[int]) -> list[int]:
        """Forget those of these jobs that are over, all at once; which these were."""
        with transaction(self.db):
            return forgetting.forget(self.db, jobs)

    def settle(self, digests: Collection[str]) -> None:
        """Note that the bytes of these freed artefacts need not be looked at any more."""
        with transaction(self.db):
            forgetting.settled(self.db, digests)

    def set_paused(self, paused: bool) -> None:
        with transaction(self.db):
            self.db.execute("INSERT OR REPLACE INTO settings VALUES ('paused', ?)", (str(int(paused)),))

    def _state(self, job: int) -> JobState:
        row = self.db.execute("SELECT state FROM jobs WHERE id = ?", (job,)).fetchone()
        if row is None:
            raise NoSuchJob(f"there is no job {job}")
        state: JobState = row[0]
        return state


_ADD: Final = (
    "INSERT INTO jobs (id, state, priority, position, sweep, title, digest, inputs, targets, created, recipe) "
    "VALUES (?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_CLAIM: Final = (
    "UPDATE jobs SET state = 'running', lease = ?, attempt = attempt + 1, started = ?, finished = NULL "
    "WHERE id = (SELECT id FROM jobs WHERE state = 'queued' ORDER BY priority DESC, position, id LIMIT 1) "
    "RETURNING id, attempt, inputs, targets, recipe"
)
_GIVE_BACK: Final = (
    "UPDATE jobs SET lease = NULL, state = CASE WHEN attempt >= ? THEN 'failed' ELSE 'queued' END, "
    "finished = CASE WHEN attempt >= ? THEN ? END, attempt = attempt - ?, "
    "error = CASE WHEN attempt >= ? THEN ? ELSE ? END"
)


def _packed(nodes: str) -> bytes:
    return zlib.compress(nodes.encode("utf-8", "backslashreplace"), 1)
