"""Copies of the queue, and of the record of runs, made while they are in use: `<home>/backups`.

`jobs.db` can be opened by nobody but the server, so it makes the copy; `nodeflow backup` asks it. A copy is a database
by itself (`VACUUM INTO`), looked through by `integrity_check`, and durable before the answer. To go back, stop the
server and put the copy in the place of `jobs.db` (without its `-wal`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nodeflow.cache import StoreError
from nodeflow.cache.store import sync_folder
from nodeflow.database import DatabaseError, connect
from nodeflow.replacing import replacing
from nodeflow.server.jobs_db import explained
from nodeflow.server.lockfile import LockFile
from nodeflow.server.openapi import route
from nodeflow.server.problem import HTTPProblem
from nodeflow.server.schema import Backup
from nodeflow.server.services import Services
from nodeflow.server.store import JobStore
from nodeflow.settings import Settings

KEPT: Final = 5
"""So many copies of each database are kept; the oldest go."""


@route("POST", "/api/backup", status=201, errors=(507,))
async def backup(services: Services) -> Backup:
    """Copy the queue, the history and the record of runs into the home's `backups`."""
    home = services.home
    try:
        made = [await services.queue.copied(lambda store: copy(store.db, home, "jobs"))]
        made += await services.in_engine(copy_runs, home)
    except DatabaseError as error:
        raise HTTPProblem(500, "A database is damaged", str(error)) from None
    return Backup(files=[str(path) for path in made])


def backed_up(settings: Settings) -> list[Path]:
    """The same for a home whose server does not run; the copies.

    Raises:
        HomeInUse: it runs. DatabaseError: a database is damaged or cannot be read. StoreError: a copy cannot be
            written.
    """
    home = settings.home
    made: list[Path] = []
    with LockFile(home / "server.lock"):
        if (home / "jobs.db").exists():
            with contextlib.closing(JobStore(home / "jobs.db")) as store:
                made.append(copy(store.db, home, "jobs"))
    return made + copy_runs(home)


def copy_runs(home: Path) -> list[Path]:
    """A copy of the record of runs, if there is one."""
    path = home / "runs.db"
    if not path.exists():
        return []
    try:
        with contextlib.closing(connect(path, "FULL")) as db:
            return [copy(db, home, "runs")]
    except sqlite3.Error as error:
        raise explained(path, error) from error


def copy(db: Any, home: Path, name: str) -> Path:
    """A copy of an open database; older ones go.

    Raises:
        DatabaseError: it is damaged. StoreError: the copy cannot be written.
    """
    folder = home / "backups"
    final = folder / f"{name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{time.time_ns() % 10**9:09}.db"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder, lambda path: path.name.startswith(".") and path.suffix == ".part")
        with replacing(final) as temporary:
            db.execute("VACUUM INTO ?", (str(temporary),))
            if (found := _faults(temporary)) != ["ok"]:
                raise DatabaseError(f"{home / name}.db is damaged ({'; '.join(found)[:300]}); no copy was made")
            with open(temporary, "r+b") as file:
                os.fsync(file.fileno())
        sync_folder(folder)
    except (OSError, sqlite3.Error) as error:
        text = f"{folder}: no copy of {name}.db could be made: {error}; check that there is space"
        raise StoreError(text, folder) from error
    newest = sorted(folder.glob(f"{name}-*.db"))[-KEPT:]
    _sweep(folder, lambda path: path.match(f"{name}-*.db") and path not in newest)
    return final


def _faults(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return [str(row[0]) for row in db.execute("PRAGMA integrity_check(5)").fetchall()]


def _sweep(folder: Path, which: Callable[[Path], bool]) -> None:
    for path in list(folder.iterdir()):
        if which(path):
            with contextlib.suppress(OSError):
                path.unlink()
