"""Letting go of jobs and of what they made: the statements, on the store's connection and from its thread.

Rows go first, in one transaction that also notes the digests of the artefacts in `freed`; their bytes are deleted after
that (`sweeping`), however often the server is killed in between. What changes something is called in a transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

_OVER: Final = "state IN ('completed', 'failed', 'cancelled')"
_THESE: Final = "SELECT value FROM json_each(?)"


def over(db: Any, states: Collection[str], finished_by: float) -> list[int]:
    """The jobs that ended in one of these states, not later than `finished_by` (seconds since 1970)."""
    rows = db.execute(
        f"SELECT id FROM jobs WHERE {_OVER} AND finished <= ? AND state IN ({_THESE}) ORDER BY id",
        (finished_by, json.dumps(list(states))),
    ).fetchall()
    return [row[0] for row in rows]


def runs_of(db: Any, jobs: Sequence[int]) -> list[str]:
    """The ids, in the record of runs, of the runs of those of these jobs that are over."""
    rows = db.execute(
        f"SELECT run FROM jobs WHERE id IN ({_THESE}) AND {_OVER} AND run != ''", (json.dumps(jobs),)
    ).fetchall()
    return [row[0] for row in rows]


def let_go(db: Any, jobs: Sequence[int]) -> None:
    """Take the artefacts of these jobs out of the history."""
    these = (json.dumps(jobs),)
    db.execute(f"INSERT OR IGNORE INTO freed SELECT digest FROM artefacts WHERE job IN ({_THESE})", these)
    db.execute(f"DELETE FROM artefacts WHERE job IN ({_THESE})", these)


def forget(db: Any, jobs: Sequence[int]) -> list[int]:
    """Take those of these jobs that are over out of the history, with their artefacts, and recipes that only they ran.

    Returns:
        The jobs that are gone.
    """
    found = db.execute(
        f"SELECT id, recipe FROM jobs WHERE id IN ({_THESE}) AND {_OVER} ORDER BY id", (json.dumps(jobs),)
    )
    rows = found.fetchall()
    gone = [row[0] for row in rows]
    let_go(db, gone)
    db.execute(f"DELETE FROM jobs WHERE id IN ({_THESE})", (json.dumps(gone),))
    db.executemany(
        "DELETE FROM recipes WHERE digest = ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE recipe = ?1)",
        [(recipe,) for recipe in {row[1] for row in rows}],
    )
    return gone


def freed(db: Any, after: str = "", limit: int = 1000) -> list[str]:
    """Artefacts that jobs have let go of and whose bytes have not been settled, in order, those that follow `after`."""
    rows = db.execute("SELECT digest FROM freed WHERE digest > ? ORDER BY digest LIMIT ?", (after, limit)).fetchall()
    return [row[0] for row in rows]


def settled(db: Any, digests: Collection[str]) -> None:
    """The bytes of these are gone, or belong to something else."""
    db.executemany("DELETE FROM freed WHERE digest = ?", [(digest,) for digest in digests])


def naming(db: Any, digests: Collection[str]) -> set[str]:
    """Those of these artefacts that some job made."""
    rows = db.execute(f"SELECT DISTINCT digest FROM artefacts WHERE digest IN ({_THESE})", (json.dumps(list(digests)),))
    return {row[0] for row in rows.fetchall()}
