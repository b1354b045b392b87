"""Content digests of files and folders, computed when asked for and remembered as long as a file stays as it is.

A file counts as unchanged while its device, inode, size, and times of change (mtime and ctime, in ns) are the same. A
digest of a file that was written to within the last seconds is not remembered: the clock of some file systems is
coarser than two writes. A file that changes while it is read is an error, never a digest. Files are read, not mapped:
a mapped file that another program shortens would kill the process.

Nothing is hashed, opened or made when this module is imported or a `FileDigests` is made. It must not know what files
are for, nor where they may lie.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar

from blake3 import blake3

from nodeflow.database import DatabaseError, connect, is_corrupt, migrate, transaction
from nodeflow.errors import NodeflowError

T = TypeVar("T")
Algorithm: TypeAlias = Literal["blake3", "sha256"]
Progress: TypeAlias = Callable[[Path, int, int], None]
"""Called with the file, the bytes read so far and the bytes in all."""

SETTLED_NS: Final = 2_000_000_000
"""A file is not remembered before it has been left alone for so long."""

FOLDER_FILES: Final = 10_000
"""A folder with more files is taken for a mistake (a home folder, a disk)."""

REMEMBERED: Final = 100_000
"""The oldest digests beyond this many are forgotten."""

_CHUNK: Final = 4 << 20

_SCHEMA: Final = """
CREATE TABLE files (
    device INTEGER NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL, algorithm TEXT NOT NULL, digest TEXT NOT NULL
);
CREATE UNIQUE INDEX files_by_place ON files (device, inode, algorithm);
"""

Identity: TypeAlias = tuple[int, int, int, int, int]
"""Device, inode, size in bytes, mtime and ctime in ns."""


class FileHashError(NodeflowError, OSError):
    """A file or folder has no digest; `strerror` says why and what to do, `filename` which."""

    def __init__(self, number: int, reason: str, path: Path) -> None:
        OSError.__init__(self, number, reason, os.fspath(path))

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def hash_file(path: Path, algorithm: Algorithm = "blake3", progress: Progress | None = None) -> tuple[str, Identity]:
    """The digest (64 hex digits) of a regular file's content, and the identity that it had before and after.

    Raises:
        FileHashError: it cannot be read, is no regular file, or changed while it was read.
    """
    try:
        # A pipe that somebody put there must not make us wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb", buffering=0) as file:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise FileHashError(errno.EINVAL, f"expected a regular file, got {_kind(before.st_mode)}", path)
            hasher: Any = hashlib.sha256() if algorithm == "sha256" else blake3(max_threads=blake3.AUTO)
            buffer, done = bytearray(min(_CHUNK, before.st_size + 1)), 0
            view = memoryview(buffer)
            while done <= before.st_size and (count := file.readinto(buffer)):  # a log that grows has no end
                hasher.update(view[:count])
                done += count
                if progress is not None:
                    progress(path, done, before.st_size)
            after, named = os.fstat(descriptor), os.stat(path)
    except FileHashError:
        raise
    except OSError as error:
        raise FileHashError(error.errno or errno.EIO, error.strerror or str(error), path) from error
    if not (_identity(before) == _identity(after) == _identity(named)) or done != before.st_size:
        raise FileHashError(
            errno.EBUSY,
            "changed while it was being read; wait until it is written (or downloaded), and try again",
            path,
        )
    return hasher.hexdigest(), _identity(before)


def folder_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """All files below `folder` with their names relative to it ("/" between parts), sorted by name.

    Hidden names (those that begin with a dot) are left out: version control, download caches, thumbnails. Links are
    followed, as in the Hugging Face cache, where a snapshot is a folder of links.

    Raises:
        FileHashError: a link leads nowhere or back into itself, something is neither file nor folder, there are more
            than `FOLDER_FILES` files, or none.
    """
    found: list[tuple[str, Path]] = []
    visited = 0
    todo: list[tuple[str, Path, tuple[tuple[int, int], ...]]] = [("", folder, _place(folder))]
    while todo:
        visited += 1
        prefix, here, above = todo.pop()
        for name, path, status in _children(here):
            if stat.S_ISDIR(status.st_mode):
                place = (status.st_dev, status.st_ino)
                if place in above:
                    raise FileHashError(errno.ELOOP, "is a link that leads back to a folder that it is in", path)
                todo.append((f"{prefix}{name}/", path, (*above, place)))
            elif stat.S_ISREG(status.st_mode):
                found.append((prefix + name, path))
            else:
                raise FileHashError(errno.EINVAL, f"expected files and folders, got {_kind(status.st_mode)}", path)
        if len(found) + visited > FOLDER_FILES:
            raise FileHashError(
                errno.E2BIG, f"holds more than {FOLDER_FILES} files: choose the folder of one model", folder
            )
    if not found:
        raise FileHashError(errno.ENOENT, "holds no files", folder)
    yield from sorted(found, key=lambda item: os.fsencode(item[0]))


class FileDigests:
    """Digests of files and folders, remembered in the database `index` (None: for this process only).

    Thread-safe. Without a usable database everything still works, and is hashed once in each process; `warn` is told.
    """

    def __init__(self, index: Path | str | None, warn: Callable[[str], None] = lambda message: None) -> None:
        self._path = None if index is None else Path(index)
        self._warn = warn
        self._known: dict[tuple[Identity, Algorithm], str] = {}
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def digest(self, path: Path | str, progress: Progress | None = None) -> str:
        """The blake3 digest of a file's content; for a folder, of the sorted names and digests of what is in it.

        Raises:
            FileHashError: see `hash_file` and `folder_files`.
        """
        path = Path(path)
        if not path.is_dir():
            return self.file_digest(path, "blake3", progress)
        hasher = blake3(b"nodeflow folder v1")
        for name, file in folder_files(path):
            encoded = os.fsencode(name)
            hasher.update(b"%d:%s%s" % (len(encoded), encoded, self.file_digest(file, "blake3", progress).encode()))
        return hasher.hexdigest()

    def sha256(self, path: Path | str, progress: Progress | None = None) -> str:
        """The SHA-256 of a file, which is what model hubs publish."""
        return self.file_digest(Path(path), "sha256", progress)

    def file_digest(self, path: Path, algorithm: Algorithm, progress: Progress | None = None) -> str:
        """The digest of one file, remembered or computed."""
        try:
            identity = _identity(os.stat(path))
        except OSError as error:
            raise FileHashError(error.errno or errno.EIO, error.strerror or str(error), path) from error
        known = self._known.get((identity, algorithm)) or self._recall(identity, algorithm)
        if known is not None:
            return known
        digest, identity = hash_file(path, algorithm, progress)
        if time.time_ns() - max(identity[3], identity[4]) > SETTLED_NS:
            self._remember(identity, algorithm, digest)
        return digest

    def close(self) -> None:
        """Close the database; it opens again when needed."""
        with self._lock:
            self._close()

    def __enter__(self) -> FileDigests:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _recall(self, identity: Identity, algorithm: Algorithm) -> str | None:
        if self._path is None or not self._path.exists():
            return None
        query = (
            "SELECT digest FROM files WHERE device = ? AND inode = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ? "
            "AND algorithm = ?"
        )
        row = self._ask(lambda db: db.execute(query, (*map(_signed, identity), algorithm)).fetchone())
        if row is None or not isinstance(row[0], str) or len(row[0]) != 64:
            return None
        return self._known.setdefault((identity, algorithm), row[0])

    def _remember(self, identity: Identity, algorithm: Algorithm, digest: str) -> None:
        self._known[identity, algorithm] = digest
        if self._path is None:
            return
        row = (*map(_signed, identity), algorithm, digest)

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", row)
                db.execute("DELETE FROM files WHERE rowid <= (SELECT MAX(rowid) FROM files) - ?", (REMEMBERED,))

        self._ask(write)

    def _ask(self, action: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `action` finds in the database; None, with a warning, if there is trouble with it."""
        assert self._path is not None
        with self._lock:
            try:
                if self._connection is None:
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                    self._connection = connect(self._path, "NORMAL")
                    migrate(self._connection, self._path, (_SCHEMA,))
                return action(self._connection)
            except (OSError, sqlite3.Error, DatabaseError) as error:
                self._close()
                if isinstance(error, sqlite3.Error) and is_corrupt(error):
                    for suffix in ("", "-wal", "-shm"):
                        with contextlib.suppress(OSError):
                            os.unlink(f"{self._path}{suffix}")
                    self._warn(f"{self._path}: was damaged ({error}) and is begun anew; files are hashed again")
                else:
                    self._warn(f"{self._path}: digests of files cannot be remembered: {error}")
                return None

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _children(folder: Path) -> list[tuple[str, Path, os.stat_result]]:
    children = []
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise FileHashError(error.errno or errno.EIO, error.strerror or str(error), folder) from error
    for name in names:
        if name.startswith("."):
            continue
        path = folder / name
        try:
            children.append((name, path, os.stat(path)))
        except OSError as error:
            reason = "is a link that leads nowhere" if path.is_symlink() else error.strerror or str(error)
            raise FileHashError(error.errno or errno.EIO, reason, path) from error
    return children


def _place(folder: Path) -> tuple[tuple[int, int], ...]:
    try:
        status = os.stat(folder)
    except OSError as error:
        raise FileHashError(error.errno or errno.EIO, error.strerror or str(error), folder) from error
    return ((status.st_dev, status.st_ino),)


def _identity(status: os.stat_result) -> Identity:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _signed(number: int) -> int:
    """SQLite's integers have 64 bits with a sign; some file systems use all 64 for inodes."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }  # fmt: skip
    return kinds.get(stat.S_IFMT(mode), "something else")
