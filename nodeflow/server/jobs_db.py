"""The file `jobs.db`: its tables, and how it is opened.

Opened in SQLite's exclusive mode by one connection: nobody else can open the file, there is no shared memory, and the
WAL-reset bug of SQLite before 3.51.3, which needs two connections, cannot happen. `synchronous=FULL` is what makes a
commit survive a power cut.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from nodeflow.cache.store import sync_folder
from nodeflow.database import DatabaseError, is_busy, is_corrupt

PRAGMAS: Final = (
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
)
"""What every connection to jobs.db begins with, in this order."""


# freed: artefacts that a job has let go of, whose bytes may be deleted if nothing else refers to them.
MIGRATIONS: Final = (
    """
    CREATE TABLE recipes (digest BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        state TEXT NOT NULL,
        priority INTEGER NOT NULL,
        position REAL NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 0,
        lease TEXT,
        sweep TEXT NOT NULL DEFAULT '',
        title TEXT NOT NULL,
        digest TEXT NOT NULL,
        inputs TEXT NOT NULL,
        targets TEXT,
        created REAL NOT NULL,
        started REAL,
        finished REAL,
        steps INTEGER NOT NULL DEFAULT 0,
        finished_steps INTEGER NOT NULL DEFAULT 0,
        cached_steps INTEGER NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT '',
        run TEXT NOT NULL DEFAULT '',
        recipe BLOB NOT NULL REFERENCES recipes (digest),
        nodes BLOB
    );
    CREATE INDEX jobs_queue ON jobs (state, priority DESC, position, id);
    CREATE INDEX jobs_state ON jobs (state, id);
    CREATE INDEX jobs_recipe ON jobs (recipe);
    CREATE TABLE artefacts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        job INTEGER NOT NULL REFERENCES jobs (id),
        output TEXT NOT NULL,
        node TEXT NOT NULL,
        place INTEGER NOT NULL,
        name TEXT NOT NULL,
        digest TEXT NOT NULL,
        media TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        created REAL NOT NULL
    );
    CREATE INDEX artefacts_job ON artefacts (job, id);
    CREATE INDEX artefacts_digest ON artefacts (digest);
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
    """
    CREATE TABLE freed (digest TEXT PRIMARY KEY) WITHOUT ROWID;
    """,
)


def open_database(path: Path) -> sqlite3.Connection:
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
            sync_folder(path.parent.parent)
        connection = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise explained(path, error) from error
    try:
        for setting in PRAGMAS:
            connection.execute(setting).fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise explained(path, error) from error
    return connection


def explained(path: Path, error: Exception) -> DatabaseError:
    advice = "check that its folder is writable and that there is space"
    if isinstance(error, sqlite3.Error) and is_busy(error):
        advice = "another process has it open: a nodeflow server that still runs?"
    elif isinstance(error, sqlite3.Error) and is_corrupt(error):
        advice = "the file is damaged: put a backup (jobs.db.v*.bak) in its place, or move it away to begin anew"
    return DatabaseError(f"{path}: the queue cannot be opened: {error}; {advice}")
