"""How nodeflow opens SQLite: one place for the settings that durability depends on.

`synchronous="FULL"` is for what must survive a power cut (run records); "NORMAL" for what may be lost but must not be
torn (the cache's index, remembered file digests). Both use a write-ahead log, so readers never wait for the writer.
Connections are in autocommit mode: writes happen inside `transaction`, and nowhere else. Never on a network share.

This module must not know any table.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

from nodeflow.errors import NodeflowError

BUSY_S: Final = 10.0
"""How long to wait for another process that is writing."""


class DatabaseError(NodeflowError):
    """A database of nodeflow cannot be used as it is; the message says which and what to do."""


def connect(path: Path, synchronous: Literal["FULL", "NORMAL"], busy_s: float = BUSY_S) -> sqlite3.Connection:
    """Open (or make) the database at `path` for this process; may be passed between threads, used by one at a time.

    Raises:
        sqlite3.Error: it cannot be opened, or is not a database.
    """
    connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        deadline = time.monotonic() + busy_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL").fetchone()
                break
            except sqlite3.OperationalError as error:  # SQLite does not wait here while another process does the same
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing: takes the write lock at once, commits at the end, rolls back if anything is raised."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def version(connection: sqlite3.Connection) -> int:
    """The number of the last migration applied."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    """Bring the tables up to date: run those of the numbered SQL scripts that have not been run, in one transaction.

    A database that already has tables is copied to `NAME.vN.bak` first.

    Raises:
        DatabaseError: it was written by a newer nodeflow.
    """
    found = version(connection)
    if found == len(migrations):
        return
    if found > len(migrations):
        raise DatabaseError(
            f"{path}: written by a newer nodeflow (format {found}, this one knows {len(migrations)}); "
            "upgrade nodeflow, or move the file away to start anew"
        )
    if found:
        backup = path.with_name(f"{path.name}.v{found}.bak")
        backup.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(backup),))
    with transaction(connection):
        for number in range(version(connection), len(migrations)):  # another process may have come first
            for statement in _statements(migrations[number]):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(migrations)}")


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process held the database for too long."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether the file is no (sound) database, or not with the tables that it should have."""
    sound = (
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_AUTH,
    )  # fmt: skip
    if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, sqlite3.ProgrammingError):
        return False  # not the file's fault
    truncated = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_SHORT_READ
    return truncated or _code(error) not in sound


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)  # text that is no UTF-8 has no code
    return code & 0xFF


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one (`executescript` would commit what is under way)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise ValueError(f"a migration ends in the middle of a statement: {statement!r}")
