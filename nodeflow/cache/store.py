"""Bytes on disk under the name of their own hash.

A blob is a file `aa/aabbcc…` (64 hex digits of its blake3). Invariants:

- whatever stands under a blob's name is whole: it is written under a temporary name, fsynced, renamed, and the folder
  is fsynced, so that `put` returning means that the blob survives a power cut;
- any number of processes may put, read and delete the same blobs at once; blobs are never changed in place;
- a blob's time of writing is that of its last use: `put` of what is there already renews it, so `delete_unused` never
  takes a blob that somebody has put meanwhile;
- nothing read is believed until it has been hashed.

This module must not know what the bytes mean, nor who refers to them.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from blake3 import blake3

from nodeflow.cache.errors import BadBlob, StoreError

Buffer: TypeAlias = bytes | bytearray | memoryview
B = TypeVar("B", bytes, memoryview)

LEFTOVER_AGE_S: Final = 3600.0
"""A temporary file this old was left by a process that died."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """One stored blob: its digest, size in bytes, and when it was written or last used (seconds since 1970)."""

    digest: str
    size: int
    written: float


def is_digest(text: object) -> bool:
    """Whether `text` is a blake3 digest as this store writes it: 64 lower-case hex digits."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


class BlobStore:
    """Content-addressed blobs below one folder, which is made when the first blob is put."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._swept = False

    def path(self, digest: str) -> Path:
        """Where the blob is or would be; it need not exist.

        Raises:
            ValueError: `digest` is not 64 lower-case hex digits (it must never name another path).
        """
        if not is_digest(digest):
            raise ValueError(f"expected a blob digest of 64 hex digits, got {digest!r:.100}")
        return self.root / digest[:2] / digest

    def put(self, data: Buffer | Iterable[Buffer]) -> str:
        """Store `data` (one buffer, or several to be joined) and return its digest; durable on return.

        Putting what is already there costs one read, which also heals a damaged blob.

        Raises:
            StoreError: the folder could not be written; no blob is visible that was not there before.
        """
        if isinstance(data, bytes | bytearray | memoryview):
            digest = blake3(data).hexdigest()
            self.touch(digest)
            if self._intact(digest):
                sync_folder(self.path(digest).parent)
                return digest
            data = (data,)
        if not self._swept:
            self._swept = True
            self.sweep_leftovers()
        temporary = self.root / "tmp" / os.urandom(16).hex()
        try:
            return self._write(data, temporary)
        except OSError as error:
            raise StoreError.wrap(error, self.root, "write a blob") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _write(self, parts: Iterable[Buffer], temporary: Path) -> str:
        hasher = blake3()
        temporary.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            for part in parts:
                hasher.update(part)
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        digest = hasher.hexdigest()
        final = self.path(digest)
        if not final.parent.is_dir():
            final.parent.mkdir(exist_ok=True)
            sync_folder(self.root)
        os.replace(temporary, final)
        sync_folder(final.parent)
        return digest

    def read(self, digest: str) -> bytes:
        """The blob's bytes, verified.

        Raises:
            BadBlob: it is missing, unreadable, or not what its digest says.
        """
        try:
            data = self.path(digest).read_bytes()
        except OSError as error:
            raise BadBlob(f"blob {digest} cannot be read: {error.strerror}") from error
        return _verified(data, digest)

    def map(self, digest: str) -> memoryview:
        """The blob's bytes mapped into memory, read-only, verified; for large blobs that are read in parts.

        Raises:
            BadBlob: as `read`.
        """
        try:
            with open(self.path(digest), "rb") as file:
                if os.fstat(file.fileno()).st_size == 0:  # an empty file cannot be mapped
                    return memoryview(_verified(b"", digest))
                view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError as error:
            raise BadBlob(f"blob {digest} cannot be mapped: {error.strerror}") from error
        return _verified(view, digest)

    def size(self, digest: str) -> int | None:
        """Size of the blob in bytes, None if there is none. Its content is not looked at."""
        try:
            return self.path(digest).stat().st_size
        except OSError:
            return None

    def __contains__(self, digest: str) -> bool:
        return self.size(digest) is not None

    def delete(self, digest: str) -> bool:
        """Remove the blob; whether there was one. Readers that hold it open are not disturbed.

        Raises:
            StoreError: the folder does not allow it.
        """
        path = self.path(digest)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError.wrap(error, path, "delete a blob") from error
        return True

    def touch(self, digest: str) -> None:
        """Note that the blob, if there is one, is in use now: `delete_unused` with an earlier time leaves it alone."""
        with contextlib.suppress(OSError):
            os.utime(self.path(digest))

    def delete_unused(self, digest: str, since: float) -> int:
        """Remove the blob if it was written and last used before `since` (seconds since 1970).

        It is taken out of sight first and looked at again, so that a use in between is not missed: then it comes back.

        Returns:
            The bytes that are free now; 0 if it stays, or there was none.

        Raises:
            StoreError: the folder does not allow it.
        """
        path, aside = self.path(digest), self.root / "tmp" / os.urandom(16).hex()
        try:
            if path.stat().st_mtime >= since:
                return 0
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, aside)
            found = aside.stat()
            if found.st_mtime >= since:
                os.replace(aside, path)
                return 0
            aside.unlink()
            return found.st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise StoreError.wrap(error, path, "delete a blob") from error

    def scan(self) -> Iterator[BlobInfo]:
        """All blobs, in the order of their digests; files that are not blobs are passed over."""
        for folder in _entries(self.root):
            if len(folder.name) == 2 and folder.is_dir(follow_symlinks=False):
                for file in _entries(folder.path):
                    if is_digest(file.name) and file.name.startswith(folder.name):
                        with contextlib.suppress(OSError):  # deleted meanwhile
                            stat = file.stat(follow_symlinks=False)
                            yield BlobInfo(file.name, stat.st_size, stat.st_mtime)

    def sweep_leftovers(self, older_than_s: float = LEFTOVER_AGE_S) -> int:
        """Remove temporary files that dead processes left; how many."""
        removed = 0
        for file in _entries(self.root / "tmp"):
            with contextlib.suppress(OSError):
                if time.time() - file.stat(follow_symlinks=False).st_mtime >= older_than_s:
                    os.unlink(file.path)
                    removed += 1
        return removed

    def _intact(self, digest: str) -> bool:
        hasher = blake3()
        try:
            with open(self.path(digest), "rb", buffering=0) as file:
                while chunk := file.read(_CHUNK):
                    hasher.update(chunk)
        except OSError:
            return False
        return hasher.hexdigest() == digest


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Systems that cannot sync a folder are left to their own devices."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _verified(data: B, digest: str) -> B:
    found = blake3(data).hexdigest()
    if found != digest:
        raise BadBlob(f"blob {digest} is damaged: its {len(data)} bytes have the digest {found}")
    return data


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []
