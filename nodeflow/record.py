"""What ran: runs, what became of each node, the artefacts, and what every key was made of; in one SQLite database.

Two transactions a run: `begin` before anything runs, `finish` with everything. Both survive a power cut on return
(synchronous=FULL). A run whose process died is "interrupted": read so at once, marked so by the next `begin`. Key parts
are stored once for each key, so that two keys can be compared in another process, another day. History is paged by
number, never by offset.

Old databases are brought up to date (`record_schema`), after a backup. This module must not know plans, nodes or the
cache: it stores the plain values that it is given.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

from nodeflow.database import DatabaseError, connect, is_busy, is_corrupt, migrate, transaction
from nodeflow.errors import NodeflowError
from nodeflow.process import is_alive, own_identity
from nodeflow.record_schema import MIGRATIONS, ArtefactRow, NodeRow, RunRow

__all__ = ["ArtefactRow", "NodeRow", "RecordError", "RecordStore", "RunRow"]


class RecordError(NodeflowError):
    """The record of runs cannot be read or written; the message says where and what to do."""


class RecordStore:
    """The database at `path`, opened when first needed. Thread-safe; close it."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()

    def begin(
        self,
        run: str,
        recipe: str,
        *,
        numeric: str = "",
        versions: Mapping[str, str] | None = None,
        seeds: Mapping[str, Any] | None = None,
    ) -> int:
        """Note that the run of this id has begun; its number. Runs of dead processes become "interrupted".

        Args:
            recipe: the recipe's text as it is run (canonical JSON, overrides applied); stored once for each digest.
            numeric: the numeric class. versions: of what is installed. seeds: by node or input.

        Raises:
            RecordError: it could not be noted (also if the id is taken).
        """
        body = recipe.encode("utf-8", "surrogatepass")
        digest = blake3(body).digest()
        with self._writing() as db:
            self._mark_interrupted(db)
            db.execute("INSERT OR IGNORE INTO recipes VALUES (?, ?)", (digest, zlib.compress(body)))
            cursor = db.execute(
                "INSERT INTO runs (id, recipe, started, state, numeric, versions, seeds, process) "
                "VALUES (?, ?, ?, 'running', ?, ?, ?, ?)",
                (run, digest, time.time(), numeric, _json(versions), _json(seeds), own_identity()),
            )
            return int(cursor.lastrowid or 0)

    def finish(
        self,
        run: str,
        state: str,
        *,
        error: str | None = None,
        nodes: Iterable[NodeRow] = (),
        artefacts: Iterable[ArtefactRow] = (),
        parts: Iterable[tuple[str, Mapping[str, Any]]] = (),
    ) -> None:
        """Note how the run ended, all at once.

        Args:
            parts: (key, what it was made of); what is known already costs little.

        Raises:
            RecordError: it could not be noted, or no such run has begun.
        """
        # Made before the lock is taken: it may take a while, and other processes need not wait for it.
        part_rows = [(bytes.fromhex(key), _json(made_of)) for key, made_of in parts]
        node_rows = [
            (_text(n.node), n.op, bytes.fromhex(n.key), n.state, n.seconds, n.error and _text(n.error)) for n in nodes
        ]
        file_rows = [(_text(a.output), a.place, bytes.fromhex(a.digest), a.media, _text(a.name)) for a in artefacts]
        with self._writing() as db:
            found = db.execute(
                "UPDATE runs SET ended = ?, state = ?, error = ? WHERE id = ? RETURNING number",
                (time.time(), state, error and _text(error), run),
            ).fetchone()
            if found is None:
                raise RecordError(f"{self.path}: no run {run!r} has begun")
            (number,) = found
            db.executemany(_ADD_NODE, ((number, *row) for row in node_rows))
            db.executemany(_ADD_FILE, ((number, *row) for row in file_rows))
            db.executemany("INSERT OR IGNORE INTO parts VALUES (?, ?)", part_rows)

    def runs(self, before: int | None = None, limit: int = 50) -> list[RunRow]:
        """The latest runs, the newest first; `before`: those with a smaller number (the last one's of a page)."""
        query = f"SELECT {_RUN} FROM runs WHERE number < ? ORDER BY number DESC LIMIT ?"
        return [_run_row(row) for row in self._query(query, before if before is not None else 1 << 62, limit)]

    def run(self, run: str) -> RunRow | None:
        """The run of this id, or whose id alone begins so; None if there is none, or more than one."""
        found = self._query(f"SELECT {_RUN} FROM runs WHERE id = ?", run)
        if not found and run:
            found = self._query(f"SELECT {_RUN} FROM runs WHERE substr(id, 1, ?) = ? LIMIT 2", len(run), run)
        return _run_row(found[0]) if len(found) == 1 else None

    def recipe(self, run: str) -> str | None:
        """The recipe's text as it was run."""
        found = self._query("SELECT body FROM recipes JOIN runs ON recipe = digest WHERE id = ?", run)
        return zlib.decompress(found[0][0]).decode("utf-8", "surrogatepass") if found else None

    def nodes(self, run: str) -> list[NodeRow]:
        """What became of the run's nodes, by name."""
        query = (
            "SELECT node, op, key, nodes.state, seconds, nodes.error FROM nodes JOIN runs ON run = number "
            "WHERE id = ? ORDER BY node"
        )
        return [NodeRow(row[0], row[1], row[2].hex(), *row[3:]) for row in self._query(query, run)]

    def node_keys(self, run: str) -> dict[str, str]:
        """The keys of the run's results, by node."""
        query = "SELECT node, key FROM nodes JOIN runs ON run = number WHERE id = ? ORDER BY node"
        return {node: key.hex() for node, key in self._query(query, run)}

    def artefacts(self, run: str) -> list[ArtefactRow]:
        """The files that the run made, by output and place."""
        query = (
            "SELECT output, place, digest, media, name FROM artefacts JOIN runs ON run = number "
            "WHERE id = ? ORDER BY output, place"
        )
        return [ArtefactRow(row[0], row[1], row[2].hex(), *row[3:]) for row in self._query(query, run)]

    def parts(self, key: str) -> dict[str, Any] | None:
        """What the key was made of, None if no recorded run had it."""
        found = self._query("SELECT parts FROM parts WHERE key = ?", bytes.fromhex(key))
        return json.loads(found[0][0]) if found else None

    def without_parts(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` whose parts are not stored yet: `finish` needs no others."""
        missing = {bytes.fromhex(key) for key in keys}
        wanted = list(missing)
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            marks = ",".join("?" * len(some))
            missing.difference_update(
                row[0] for row in self._query(f"SELECT key FROM parts WHERE key IN ({marks})", *some)
            )
        return {key.hex() for key in missing}

    def keys_like(self, prefix: str, limit: int = 10) -> list[str]:
        """Known keys that begin with `prefix` (hex digits), so that people need not type them whole."""
        if not prefix or len(prefix) > 64 or prefix.strip("0123456789abcdef"):
            return []
        query = "SELECT key FROM parts WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?"
        low, high = bytes.fromhex(prefix.ljust(64, "0")), bytes.fromhex(prefix.ljust(64, "f"))
        return [row[0].hex() for row in self._query(query, low, high, limit)]

    def naming(self, digests: Iterable[str]) -> set[str]:
        """Those of these artefacts that a recorded run made."""
        wanted = [bytes.fromhex(digest) for digest in digests]
        found: set[str] = set()
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            marks = ",".join("?" * len(some))
            rows = self._query(f"SELECT digest FROM artefacts WHERE digest IN ({marks})", *some)
            found.update(row[0].hex() for row in rows)
        return found

    def running_since(self) -> float | None:
        """When the oldest run that goes on now, in any process, has begun (seconds since 1970)."""
        found = self._query("SELECT started, process FROM runs WHERE state = 'running' ORDER BY started")
        return next((started for started, process in found if is_alive(process)), None)

    def forget_files(self, runs: Iterable[str]) -> None:
        """Forget which files the runs of these ids made; what else is known about them stays.

        Raises:
            RecordError: it could not be written.
        """
        if not self.path.exists():
            return
        with self._writing() as db:
            db.executemany(
                "DELETE FROM artefacts WHERE run = (SELECT number FROM runs WHERE id = ?)", ((run,) for run in runs)
            )

    def prune(self, keep: int) -> int:
        """Delete all but the `keep` latest runs that are not running, and what only they needed; how many."""
        if not self.path.exists():
            return 0
        with self._writing() as db:
            self._mark_interrupted(db)
            deleted = db.execute(
                "DELETE FROM runs WHERE state != 'running' AND number NOT IN "
                "(SELECT number FROM runs ORDER BY number DESC LIMIT ?)",
                (keep,),
            ).rowcount
            db.execute("DELETE FROM recipes WHERE digest NOT IN (SELECT recipe FROM runs)")
            db.execute("DELETE FROM parts WHERE key NOT IN (SELECT key FROM nodes)")
        return deleted

    def close(self) -> None:
        """Close the database; it opens again when needed."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> RecordStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _mark_interrupted(db: sqlite3.Connection) -> None:
        running = db.execute("SELECT number, process FROM runs WHERE state = 'running'").fetchall()
        dead = [(number,) for number, process in running if not is_alive(process)]
        db.executemany("UPDATE runs SET state = 'interrupted' WHERE number = ?", dead)

    def _query(self, query: str, *values: Any) -> list[Any]:
        with self._lock, self._explained("read"):
            if self._connection is None and not self.path.exists():
                return []
            return self._open().execute(query, values).fetchall()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained("write"), transaction(self._open()) as db:
            yield db

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = connect(self.path, "FULL")
            try:
                migrate(connection, self.path, MIGRATIONS)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    @contextlib.contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            raise RecordError(str(error)) from error
        except (OSError, sqlite3.Error) as error:
            advice = "check that its folder is writable and that there is space"
            if isinstance(error, sqlite3.IntegrityError):
                advice = "a run of this id has been recorded already"
            elif isinstance(error, sqlite3.Error) and is_busy(error):
                advice = "another process has been writing for too long: try again"
            elif isinstance(error, sqlite3.Error) and is_corrupt(error):
                advice = "the file is damaged: put a backup (NAME.v*.bak) in its place, or move it away to begin anew"
            raise RecordError(f"{self.path}: could not {action} the record of runs: {error}; {advice}") from error


_ADD_NODE: Final = "INSERT OR REPLACE INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?)"
_ADD_FILE: Final = "INSERT OR REPLACE INTO artefacts VALUES (?, ?, ?, ?, ?, ?)"
_RUN: Final = "number, id, recipe, started, ended, state, numeric, versions, seeds, error, process"


def _run_row(row: tuple[Any, ...]) -> RunRow:
    number, run, recipe, started, ended, state, numeric, versions, seeds, error, process = row
    if state == "running" and not is_alive(process):
        state = "interrupted"
    return RunRow(
        number, run, recipe.hex(), started, ended, state, numeric, json.loads(versions), json.loads(seeds), error
    )


def _json(value: Mapping[str, Any] | None) -> str:
    return json.dumps(value or {}, sort_keys=True, separators=(",", ":"))


def _text(text: str) -> str:
    """`text` without lone surrogates, which SQLite refuses (a traceback may quote a file name that is no UTF-8)."""
    return text.encode("utf-8", "backslashreplace").decode()
