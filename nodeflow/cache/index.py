"""The disk tier's index: a SQLite database that tells which result is made of which blobs.

Losing it loses cached results and no more. A damaged database is moved aside with a warning, a deleted one is noticed;
either is begun anew. Reading and writing have a connection each, so that looking up never waits for a write. This
module must not know what the rows mean.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, NoReturn, TypeVar, overload

from nodeflow.cache.entries import SCHEMA
from nodeflow.cache.errors import CacheWarning, StoreError
from nodeflow.database import DatabaseError, connect, is_corrupt, migrate, transaction

T = TypeVar("T")

BUSY_S: Final = 5.0
"""How long to wait for another process that is writing; a cache is not worth more."""


class Index:
    """The database at `path`, opened when first needed."""

    def __init__(self, path: Path, warn: Callable[[CacheWarning], None]) -> None:
        self.path = path
        self._file = os.fspath(path)  # asking for its inode costs a third as much by str
        self._warn = warn
        self._locks = {"read": threading.RLock(), "write": threading.RLock()}
        self._connections: dict[str, tuple[sqlite3.Connection, int | None]] = {}  # with the file's inode

    def read(self, query: Callable[[sqlite3.Connection], T], default: T) -> T:
        """What `query` finds; `default` if there is no database, or it was damaged and has been moved aside.

        Raises:
            StoreError: the database cannot be read now.
        """
        with self._locks["read"]:
            try:
                db = self._connection("read")
                return default if db is None else query(db)
            except (sqlite3.Error, DatabaseError) as error:
                with contextlib.suppress(MovedAside):
                    self._fail("read", error)
                return default

    def checkpoint(self) -> None:
        """Make what this process has committed survive a power cut too."""
        with self._guarded_lock():
            if "write" in self._connections and (db := self._connection("write")) is not None:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which other processes wait for.

        Raises:
            StoreError: the database cannot be written now. If it was damaged, it has been moved aside: try again.
        """
        with self._guarded_lock():
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError.wrap(error, self.path.parent, "make the cache folder") from error
            with transaction(self._connection("write", make=True)) as db:
                yield db

    @contextlib.contextmanager
    def _guarded_lock(self) -> Iterator[None]:
        with self._locks["write"]:
            try:
                yield
            except (sqlite3.Error, DatabaseError) as error:
                self._fail("write", error)

    def _fail(self, purpose: str, error: sqlite3.Error | DatabaseError) -> NoReturn:
        self._close(purpose)
        if isinstance(error, DatabaseError) or is_corrupt(error):
            self._move_aside(error)
            raise MovedAside(f"{self.path}: was damaged and has been moved aside", self.path) from error
        raise StoreError(
            f"{self.path}: could not {purpose} the cache's index: {error}; if this lasts, delete the file "
            "(only cached results are lost)",
            self.path,
        ) from error

    @overload
    def _connection(self, purpose: str, make: Literal[True]) -> sqlite3.Connection: ...
    @overload
    def _connection(self, purpose: str) -> sqlite3.Connection | None: ...
    def _connection(self, purpose: str, make: bool = False) -> sqlite3.Connection | None:
        """The connection for "read" or "write"; None if there is no database and none is to be made."""
        inode, known = _inode(self._file), self._connections.get(purpose)
        if known is not None:
            if known[1] == inode:
                return known[0]
            self._close(purpose)  # somebody deleted or replaced the file
        if inode is None and not make:
            return None
        connection = connect(self.path, "NORMAL", BUSY_S)
        self._connections[purpose] = (connection, _inode(self._file))
        migrate(connection, self.path, (SCHEMA,))
        return connection

    def _move_aside(self, error: Exception) -> None:
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


def _inode(file: str) -> int | None:
    try:
        return os.stat(file).st_ino
    except OSError:
        return None
