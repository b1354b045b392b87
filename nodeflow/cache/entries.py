"""The rows of the disk tier's index: functions that work on its database, inside a transaction that the caller opened.

A row is believed no more than a blob: it carries a hash of what it says. This module must not open databases, nor read
or write blobs.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from blake3 import blake3

from nodeflow.cache.gdsf import priority

SCHEMA: Final = """
CREATE TABLE entries (
    key TEXT NOT NULL PRIMARY KEY, structure BLOB NOT NULL, blobs TEXT NOT NULL, digest TEXT NOT NULL,
    size INTEGER NOT NULL, cost_s REAL NOT NULL, freq INTEGER NOT NULL, priority REAL NOT NULL,
    created REAL NOT NULL, used REAL NOT NULL
);
CREATE INDEX entries_by_priority ON entries (priority, used);
CREATE TABLE blobs (digest TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, refs INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('level', 0), ('bytes', 0), ('swept', 0);
"""

_TOTAL: Final = "SELECT value FROM meta WHERE name = 'bytes'"
_LEVEL: Final = "SELECT value FROM meta WHERE name = 'level'"

_ARTEFACT: Final = b'"Artefact"'
_DIGEST: Final = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")

_BATCH: Final = 500
"""Keys asked for in one query."""


@dataclass(frozen=True, slots=True)
class Row:
    """One result: its key, structure (JSON text), blobs (digest → size in bytes), and seconds it took to compute."""

    key: str
    structure: str
    blobs: tuple[tuple[str, int], ...]
    cost_s: float

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.structure) + sum(size for _, size in self.blobs)


def present(db: sqlite3.Connection, keys: Sequence[str]) -> set[str]:
    """Those of `keys` that have a row."""
    found = set[str]()
    for start in range(0, len(keys), _BATCH):
        part = keys[start : start + _BATCH]
        marks = ",".join("?" * len(part))
        found.update(row[0] for row in db.execute(f"SELECT key FROM entries WHERE key IN ({marks})", part))
    return found


def find(db: sqlite3.Connection, key: str) -> Row | None:
    """The row of `key`; None if there is none.

    Raises:
        ValueError: there is one, but it is not what was written.
    """
    found = db.execute("SELECT structure, blobs, digest, cost_s FROM entries WHERE key = ?", (key,)).fetchone()
    if found is None:
        return None
    structure, blobs, digest, cost_s = found
    if not (isinstance(structure, bytes) and isinstance(blobs, str) and _seal(key, structure, blobs) == digest):
        raise ValueError("the index row is damaged")
    return Row(key, structure.decode(), _parse_blobs(blobs), cost_s if isinstance(cost_s, float) else 0.0)


def count(db: sqlite3.Connection) -> int:
    """How many entries there are."""
    return int(db.execute("SELECT COUNT(*) FROM entries").fetchone()[0])


def total_bytes(db: sqlite3.Connection) -> int:
    """Bytes of all structures and blobs, blobs shared by entries once."""
    return int(db.execute(_TOTAL).fetchone()[0])


def holds(db: sqlite3.Connection, row: Row) -> bool:
    """Whether this very row is there already."""
    found = db.execute("SELECT digest FROM entries WHERE key = ?", (row.key,)).fetchone()
    return found is not None and found[0] == _seal(row.key, row.structure.encode(), _blobs_text(row))


def insert(db: sqlite3.Connection, row: Row, now: float) -> None:
    """Enter a row whose blobs are durable; an older row of the key must have been deleted before."""
    structure, blobs = row.structure.encode(), _blobs_text(row)
    seal = _seal(row.key, structure, blobs)
    rank = priority(db.execute(_LEVEL).fetchone()[0], 1, row.cost_s, row.size)
    db.execute(
        "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?)",
        (row.key, structure, blobs, seal, row.size, row.cost_s, rank, now, now),
    )
    added = len(structure)
    for digest, size in dict(row.blobs).items():
        known = db.execute("UPDATE blobs SET refs = refs + 1 WHERE digest = ?", (digest,)).rowcount
        if not known:
            db.execute("INSERT INTO blobs VALUES (?, ?, 1)", (digest, size))
            added += size
    _add_bytes(db, added)


def delete(db: sqlite3.Connection, key: str) -> list[str]:
    """Take the row of `key` out, if there is one; the blobs that nothing refers to any more."""
    found = db.execute("DELETE FROM entries WHERE key = ? RETURNING LENGTH(structure), blobs", (key,)).fetchone()
    if found is None:
        return []
    freed, orphans = int(found[0]), []
    for digest, size in dict(_parse_blobs(found[1])).items():
        left = db.execute("UPDATE blobs SET refs = refs - 1 WHERE digest = ? RETURNING refs", (digest,)).fetchone()
        if left is None or left[0] <= 0:
            db.execute("DELETE FROM blobs WHERE digest = ?", (digest,))
            freed += size
            orphans.append(digest)
    _add_bytes(db, -freed)
    return orphans


def use(db: sqlite3.Connection, uses: Mapping[str, int], now: float) -> None:
    """Count uses since the last time: they raise frequency and priority."""
    level = db.execute(_LEVEL).fetchone()[0]
    db.executemany(
        "UPDATE entries SET freq = freq + ?1, used = ?2, priority = ?3 + (freq + ?1) * cost_s / MAX(size, 1) "
        "WHERE key = ?4",
        [(count, now, level, key) for key, count in uses.items()],
    )


def evict(db: sqlite3.Connection, target_bytes: int, pinned: Collection[str]) -> list[str]:
    """Delete entries of lowest priority until `target_bytes` are left; the blobs that nothing refers to any more."""
    orphans: list[str] = []
    while total_bytes(db) > target_bytes:
        query = "SELECT key, priority FROM entries ORDER BY priority, used LIMIT ?"
        victims = [row for row in db.execute(query, (64 + len(pinned),)) if row[0] not in pinned]
        for key, level in victims:
            orphans += delete(db, key)
            db.execute("UPDATE meta SET value = ? WHERE name = 'level'", (level,))
            if total_bytes(db) <= target_bytes:
                break
        if not victims:
            if not pinned:  # nothing is left, so the sum was wrong: bits rot
                clear(db)
            break
    return orphans


def clear(db: sqlite3.Connection) -> None:
    """Delete all entries."""
    db.execute("DELETE FROM entries")
    db.execute("DELETE FROM blobs")
    db.execute("UPDATE meta SET value = 0 WHERE name IN ('bytes', 'level')")


def unreferenced(db: sqlite3.Connection, digests: Sequence[str]) -> list[str]:
    """Those of `digests` that no entry refers to."""
    return [d for d in digests if db.execute("SELECT 1 FROM blobs WHERE digest = ?", (d,)).fetchone() is None]


def naming(db: sqlite3.Connection, digests: Collection[str]) -> set[str]:
    """Those of these digests that stand in the structure of some entry: artefacts that a result names."""
    found: set[str] = set()
    for (structure,) in db.execute("SELECT structure FROM entries WHERE instr(structure, ?)", (_ARTEFACT,)):
        found.update(digest for text in _DIGEST.findall(structure) if (digest := text.decode()) in digests)
    return found


def swept_at(db: sqlite3.Connection) -> float:
    """When orphaned blobs were last looked for."""
    return float(db.execute("SELECT value FROM meta WHERE name = 'swept'").fetchone()[0])


def note_swept(db: sqlite3.Connection) -> None:
    """Orphaned blobs have been looked for now."""
    db.execute("UPDATE meta SET value = ? WHERE name = 'swept'", (time.time(),))


def _add_bytes(db: sqlite3.Connection, change: int) -> None:
    db.execute("UPDATE meta SET value = MAX(0, value + ?) WHERE name = 'bytes'", (change,))


def _seal(key: str, structure: bytes, blobs: str) -> str:
    return blake3(f"{key}\n{blobs}\n".encode() + structure).hexdigest()


def _blobs_text(row: Row) -> str:
    return " ".join(f"{digest}:{size}" for digest, size in row.blobs)


def _parse_blobs(text: Any) -> tuple[tuple[str, int], ...]:
    pairs = (part.partition(":") for part in str(text).split())
    return tuple((digest, int(size) if size.isdecimal() else 0) for digest, _, size in pairs)
