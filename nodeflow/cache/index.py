"""The disk tier's index in SQLite: which result is made of which blobs. Losing it loses cached results and no more.

Rows are believed no more than blobs: each carries a hash of what it says. A damaged database is moved aside with a
warning, a deleted one is noticed; either is begun anew. Reading and writing have a connection each, so that looking up
never waits for a write.

The functions below work inside a transaction; `Index` gives one. This module must not read or write blobs.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

from nodeflow.cache.errors import CacheWarning, StoreError
from nodeflow.cache.gdsf import priority
from nodeflow.database import connect, is_corrupt, migrate, transaction

_SCHEMA: Final = """
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


class Index:
    """The database at `path`, opened when first needed."""

    def __init__(self, path: Path, warn: Callable[[CacheWarning], None]) -> None:
        self.path = path
        self._warn = warn
        self._locks = {"read": threading.RLock(), "write": threading.RLock()}
        self._connections: dict[str, tuple[sqlite3.Connection, int]] = {}  # with the file's inode

    def contains_many(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` that have a row."""
        wanted, found = list(keys), set[str]()
        with self._reading() as db:
            if db is not None:
                for start in range(0, len(wanted), _BATCH):
                    part = wanted[start : start + _BATCH]
                    marks = ",".join("?" * len(part))
                    found.update(row[0] for row in db.execute(f"SELECT key FROM entries WHERE key IN ({marks})", part))
        return found

    def row(self, key: str) -> Row | None:
        """The row of `key`; None if there is none.

        Raises:
            ValueError: there is one, but it is not what was written.
        """
        found = None
        with self._reading() as db:
            if db is not None:
                query = "SELECT structure, blobs, digest, cost_s FROM entries WHERE key = ?"
                found = db.execute(query, (key,)).fetchone()
        if found is None:
            return None
        structure, blobs, digest, cost_s = found
        if not (isinstance(structure, bytes) and isinstance(blobs, str) and _seal(key, structure, blobs) == digest):
            raise ValueError("the index row is damaged")
        return Row(key, structure.decode(), _parse_blobs(blobs), cost_s if isinstance(cost_s, float) else 0.0)

    def count(self) -> int:
        """How many entries there are."""
        return self._number("SELECT COUNT(*) FROM entries")

    def used_bytes(self) -> int:
        """How many bytes they take, blobs that they share once."""
        return self._number(_TOTAL)

    def _number(self, query: str) -> int:
        with self._reading() as db:
            return 0 if db is None else int(db.execute(query).fetchone()[0])
        return 0

    def checkpoint(self) -> None:
        """Make what has been committed survive a power cut too."""
        with self._locks["write"], self._guarded("write"):
            if self.path.exists():
                self._connection("write").execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which other processes wait for.

        Raises:
            StoreError: the database cannot be written now. If it was damaged, it has been moved aside: try again.
        """
        with self._locks["write"], self._guarded("write"):
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError.wrap(error, self.path.parent, "make the cache folder") from error
            with transaction(self._connection("write")) as db:
                yield db

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        with self._locks["read"], contextlib.suppress(MovedAside), self._guarded("read"):
            yield self._connection("read") if self.path.exists() else None

    @contextlib.contextmanager
    def _guarded(self, purpose: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._close(purpose)
            if is_corrupt(error):
                self._move_aside(error)
                raise MovedAside(f"{self.path}: was damaged and has been moved aside", self.path) from error
            raise StoreError(
                f"{self.path}: could not {purpose} the cache's index: {error}; if this lasts, delete the file "
                "(only cached results are lost)",
                self.path,
            ) from error

    def _connection(self, purpose: str) -> sqlite3.Connection:
        known = self._connections.get(purpose)
        if known is not None:
            if known[1] == _inode(self.path):
                return known[0]
            self._close(purpose)  # somebody deleted or replaced the file
        connection = connect(self.path, "NORMAL")
        self._connections[purpose] = (connection, _inode(self.path))
        migrate(connection, self.path, (_SCHEMA,))
        return connection

    def _move_aside(self, error: sqlite3.Error) -> None:
        aside = self.path.with_name(self.path.name + ".damaged")
        self._warn(CacheWarning("index", None, f"{self.path}: damaged ({error}); moved to {aside.name}, starting anew"))
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.replace(f"{self.path}{suffix}", f"{aside}{suffix}")

    def _close(self, purpose: str) -> None:
        known = self._connections.pop(purpose, None)
        if known is not None:
            with contextlib.suppress(sqlite3.Error):
                known[0].close()

    def close(self) -> None:
        """Close both connections; they open again when needed."""
        for purpose, lock in self._locks.items():
            with lock:
                self._close(purpose)


class MovedAside(StoreError):
    """The database was damaged; a new one will be begun at the next use."""


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


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1
