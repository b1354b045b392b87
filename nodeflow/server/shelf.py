"""A folder of files that clients know by name only. A name is never made into a path: it is looked for in the listing.

Files are written whole: under a temporary name, fsynced, renamed, and the folder is fsynced. Links are not followed.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import IO

from nodeflow.cache.errors import StoreError
from nodeflow.cache.store import sync_folder

_PART = re.compile(r"\.[0-9a-f]{16}\.part")


class Shelf:
    """The regular files of one folder, which is made when the first is written."""

    def __init__(self, root: Path, suffix: str = "") -> None:
        self.root, self.suffix = root, suffix

    def files(self) -> dict[str, os.stat_result]:
        """The files by name (without the suffix), with what the system says of them."""
        found: dict[str, os.stat_result] = {}
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.root) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.name.endswith(self.suffix):
                    continue
                with contextlib.suppress(OSError):
                    if entry.is_file(follow_symlinks=False):
                        name = entry.name[: len(entry.name) - len(self.suffix)]
                        found[name] = entry.stat(follow_symlinks=False)
        return found

    def path(self, name: str) -> Path | None:
        """Where the file of this name is; None if there is none."""
        return self.root / f"{name}{self.suffix}" if name in self.files() else None

    def open(self, name: str) -> IO[bytes] | None:
        """The file, open for reading; None if there is none."""
        path = self.path(name)
        if path is None:
            return None
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
            return os.fdopen(descriptor, "rb")
        except OSError:
            return None

    def read(self, name: str) -> bytes | None:
        """What the file holds; None if there is none."""
        file = self.open(name)
        if file is None:
            return None
        with contextlib.suppress(OSError), file:
            return file.read()
        return None

    def temporary(self) -> Path:
        """A name in the folder for a file that is being written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError.wrap(error, self.root, "make the folder") from error
        return self.root / f".{secrets.token_hex(8)}.part"

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole and durable; `name` must be one that a file may have.

        Raises:
            StoreError: the folder cannot be written.
        """
        temporary = self.temporary()
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.root / f"{name}{self.suffix}")
            sync_folder(self.root)
        except OSError as error:
            raise StoreError.wrap(error, self.root, f"write {name}") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def add(self, temporary: Path, name: str) -> None:
        """Give a finished file from `temporary` its name.

        Raises:
            FileExistsError: the name is taken; nothing is replaced. StoreError: the folder cannot be written.
        """
        try:
            os.link(temporary, self.root / f"{name}{self.suffix}")
            sync_folder(self.root)
        except FileExistsError:
            raise
        except OSError as error:
            raise StoreError.wrap(error, self.root, f"write {name}") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file; nothing happens if there is none."""
        if path := self.path(name):
            path.unlink(missing_ok=True)
            sync_folder(self.root)

    def sweep(self) -> None:
        """Remove what a server that was killed left half-written. Only while no other server uses the folder."""
        with contextlib.suppress(OSError):
            for path in self.root.iterdir():
                if _PART.fullmatch(path.name):
                    path.unlink(missing_ok=True)
