"""A disk that forgets: what SQLite and the blob store do to files is written down, and power cuts are played back.

After a cut everything that was synced is there. Of what was not, each write is there, or not, or in 512-byte pieces; a
file that was renamed has its new name or not, unless its folder was synced since; a folder that was made may not be.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import pathlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import pytest

from nodeflow.cache import store as blob_module

SECTOR = 512
Op = tuple[Any, ...]


@dataclass
class Log:
    """Everything that was done, in order; `ack`: what a client was told."""

    root: Path
    ops: list[Op] = field(default_factory=list)

    def add(self, kind: str, *rest: Any) -> None:
        self.ops.append((kind, *rest))

    def ack(self, what: Any) -> None:
        self.add("ack", what)


# --- recording --------------------------------------------------------------------------------------------------------


def logged_connection(path: Path, log: Log, pragmas: tuple[str, ...]) -> tuple[Any, Any]:
    """A connection to `path` whose writes and syncs are logged, and the file system that it needs as long as it lives.
    The file is there, and durable as it is."""

    class File(apsw.VFSFile):
        def __init__(self, name: Any, flags: list[int]) -> None:
            self.name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
            super().__init__("", name, flags)

        def xWrite(self, data: bytes, offset: int) -> None:
            log.add("write", self.name, offset, bytes(data))
            super().xWrite(data, offset)

        def xTruncate(self, size: int) -> None:
            log.add("truncate", self.name, size)
            super().xTruncate(size)

        def xSync(self, flags: int) -> None:
            log.add("sync", self.name)
            super().xSync(flags)

    class VFS(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("forgetful", "")

        def xOpen(self, name: Any, flags: list[int]) -> Any:
            return File(name, flags)

        def xDelete(self, name: str, syncdir: bool) -> None:
            log.add("delete", Path(name))
            super().xDelete(name, syncdir)

    vfs = VFS()
    connection = apsw.Connection(str(path), vfs="forgetful")
    for pragma in pragmas:
        connection.execute(pragma).fetchall()
    return connection, vfs


@contextlib.contextmanager
def logged_blobs(log: Log, monkeypatch: pytest.MonkeyPatch, *, fsync: bool = True) -> Iterator[None]:
    """The blob store's files are logged; `fsync=False`: it forgets to sync."""

    class Os:
        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def fsync(self, descriptor: int) -> None:
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            if fsync:
                if path.is_dir():
                    log.add("sync folder", path)
                else:
                    log.add("write", path, 0, path.read_bytes())
                    log.add("sync", path)

        def replace(self, a: Path, b: Path) -> None:
            if not fsync:
                log.add("write", Path(a), 0, Path(a).read_bytes())
            log.add("rename", Path(a), Path(b))
            os.replace(a, b)

    def mkdir(self: Path, *args: Any, **kwargs: Any) -> None:
        new = not self.exists()
        real(self, *args, **kwargs)
        if new:
            log.add("mkdir", self)

    real = pathlib.Path.mkdir
    with monkeypatch.context() as patch:
        patch.setattr(blob_module, "os", Os())
        patch.setattr(pathlib.Path, "mkdir", mkdir)
        yield


# --- playing back -----------------------------------------------------------------------------------------------------


def after_cut(ops: list[Op], baseline: dict[Path, bytes], folders: set[Path], dice: random.Random) -> dict[Path, bytes]:
    """The files that are there after power went after the last of `ops`.

    Args:
        baseline: what was durable before the first. folders: those that were.
    """
    made: dict[Path, int] = {}  # folders, and when
    synced_folders: dict[Path, int] = {}
    last_sync: dict[Path, int] = {}
    for number, op in enumerate(ops):
        if op[0] == "sync":
            last_sync[op[1]] = number
        elif op[0] == "sync folder":
            synced_folders[op[1]] = number
        elif op[0] == "mkdir":
            made[op[1]] = number
        elif op[0] == "rename" and op[1] in last_sync:
            last_sync[op[2]] = last_sync.pop(op[1])
    renamed = {op[1]: op[2] for op in ops if op[0] == "rename"}
    files = {path: bytearray(data) for path, data in baseline.items()}
    for number, op in enumerate(ops):
        kind, *rest = op
        if kind == "write":
            path, offset, data = rest
            durable = number < last_sync.get(renamed.get(path, path), last_sync.get(path, -1))
            _write(files.setdefault(path, bytearray()), offset, data, durable, dice)
        elif kind == "truncate":
            path, size = rest
            if number < last_sync.get(path, -1) or dice.random() < 0.5:
                del files.setdefault(path, bytearray())[size:]
        elif kind == "delete":
            if dice.random() < 0.5:
                files.pop(rest[0], None)
        elif kind == "rename":
            old, new = rest
            if number < synced_folders.get(new.parent, -1) or dice.random() < 0.5:
                files[new] = files.pop(old, bytearray())
    lost = [f for f, when in made.items() if when > synced_folders.get(f.parent, -1) and dice.random() < 0.5]
    return {p: bytes(d) for p, d in files.items() if not any(folder in p.parents for folder in lost)}


def _write(file: bytearray, offset: int, data: bytes, durable: bool, dice: random.Random) -> None:
    fate = 0.0 if durable else dice.random()
    if 0.4 < fate < 0.7:
        return
    for start in range(0, len(data), SECTOR):
        if fate <= 0.4 or dice.random() < 0.5:
            end = offset + min(start + SECTOR, len(data))
            if len(file) < end:
                file.extend(bytes(end - len(file)))
            file[offset + start : end] = data[start : start + SECTOR]


def lay_out(files: dict[Path, bytes], root: Path, target: Path) -> None:
    """Write the files below `root` below `target`."""
    for path, data in files.items():
        place = target / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        with builtins.open(place, "wb") as file:
            file.write(data)


def files_below(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
