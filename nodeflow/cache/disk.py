"""A tier of the cache on disk: results as structure and blobs, shared by processes, kept across restarts.

Invariants:

- a row is written only after its blobs are durable, and blobs are deleted only under the write lock, when no row refers
  to them: so no row is ever without its blobs, whatever process is killed when (a blob without a row may be left, and
  is swept a day later);
- what is damaged or missing all the same is a miss: the row goes, a warning is given, the result is computed again;
- nothing is opened, scanned or made before it is needed.

The cap and the floor hold for blobs and structures; SQLite's own pages come on top. This module must not know values in
memory, nor decide what is worth writing.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import nodeflow.types
from nodeflow.cache import entries as table
from nodeflow.cache.codec import Encoded, TypeNames, decode
from nodeflow.cache.entries import Row
from nodeflow.cache.errors import BadBlob, BadEntry, CacheWarning, StoreError
from nodeflow.cache.index import Index, MovedAside
from nodeflow.cache.store import BlobStore

SWEEP_EVERY_S: Final = 24 * 3600.0
ORPHAN_AGE_S: Final = 3600.0
"""A blob without a row that is younger may belong to a write that is under way."""

_USES_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class LazyEntry:
    """A result that is on disk, not read yet. Another process may evict it at any time."""

    key: str
    size: int
    cost_s: float
    _load: Callable[[], Any] = field(repr=False)

    def load(self) -> Any:
        """Read, verify and decode it.

        Raises:
            BadEntry: it is damaged or gone; its row has been deleted.
        """
        return self._load()


class DiskTier:
    """Results below the folder `root`, of at most `cap_bytes`, leaving `free_floor_bytes` of the disk to others."""

    def __init__(
        self,
        root: Path | str,
        cap_bytes: int,
        free_floor_bytes: int = 0,
        *,
        warn: Callable[[CacheWarning], None] = lambda warning: None,
        types: TypeNames = nodeflow.types,
    ) -> None:
        self.root = Path(root)
        self.cap_bytes = cap_bytes
        self.free_floor_bytes = free_floor_bytes
        self.store = BlobStore(self.root / "blobs")
        self._index = Index(self.root / "index.db", warn)
        self._warn = warn
        self._types = types
        self._lock = threading.Lock()
        self._uses: dict[str, int] = {}
        self._pins: dict[str, int] = {}
        self._checked_orphans = False

    def contains_many(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` that are on disk. Their blobs are not looked at."""
        wanted = list(keys)
        return self._index.read(lambda db: table.present(db, wanted), set())

    def get(self, key: str) -> LazyEntry | None:
        """The entry of `key`, read when asked for; None if there is none."""
        try:
            row = self._index.read(lambda db: table.find(db, key), None)
        except ValueError as error:
            self._warn(CacheWarning("bad-entry", key, f"{self.root}: {error}; computing again"))
            self.forget(key)
            return None
        if row is None:
            return None
        return LazyEntry(key, row.size, row.cost_s, lambda: self._load(row))

    def put(self, key: str, structure: str, blobs: Sequence[bytes], cost_s: float) -> bool:
        """Write one result that took `cost_s` seconds to compute; whether it was taken. Durable on return."""
        return self.put_many([(key, Encoded(structure, tuple(blobs)), cost_s)]) == 1

    def put_many(self, entries: Sequence[tuple[str, Encoded, float]]) -> int:
        """Write several results in one transaction; how many were taken (what is larger than the cap is not).

        Raises:
            StoreError: they could not be written; those written before stay.
        """
        taken = 0
        for part in _portions(entries, self.cap_bytes):
            try:
                taken += self._put_portion(part)
            except MovedAside:  # the index was damaged: the new one takes it
                taken += self._put_portion(part)
        self._sweep_orphans()
        return taken

    def _put_portion(self, part: Sequence[tuple[str, Encoded, float]]) -> int:
        self._free_space(sum(encoded.size for _, encoded, _ in part))
        rows = [Row(key, e.structure, self._write_blobs(e.blobs), _sane(cost_s)) for key, e, cost_s in part]
        now = time.time()
        with self._index.writing() as db:
            self._count_uses(db)
            held = [table.holds(db, row) for row in rows]
            incoming = sum(row.size for row, is_held in zip(rows, held, strict=True) if not is_held)
            orphans = table.evict(db, self.cap_bytes - incoming, self._pins) if incoming else []
            fits = table.total_bytes(db) + incoming <= self.cap_bytes  # else the rest is pinned
            for row, (_, encoded, _) in zip(rows, part, strict=True):
                if not fits:
                    orphans += [digest for digest, _ in row.blobs]
                    continue
                for (digest, _), blob in zip(row.blobs, encoded.blobs, strict=True):
                    if digest not in self.store:  # evicted by another process since it was written
                        self.store.put(blob)
                if not table.holds(db, row):  # asked again: it may have been evicted just now
                    orphans += table.delete(db, row.key)
                    table.insert(db, row, now)
        self._drop(orphans)
        return len(part) if fits else 0

    def forget(self, key: str) -> None:
        """Delete the entry of `key`, if there is one. What cannot be deleted is left, with a warning."""
        try:
            with self._index.writing() as db:
                orphans = table.delete(db, key)
            self._drop(orphans)
        except StoreError as error:
            self._warn(CacheWarning("disk", key, str(error)))

    def pin(self, keys: Iterable[str]) -> None:
        """Keep this process from evicting these; others may, then they are a miss."""
        with self._lock:
            for key in keys:
                self._pins[key] = self._pins.get(key, 0) + 1

    def unpin(self, keys: Iterable[str]) -> None:
        """Take one pin from each of these."""
        with self._lock:
            for key in keys:
                left = self._pins.pop(key, 0) - 1
                if left > 0:
                    self._pins[key] = left

    def naming(self, digests: Collection[str]) -> set[str]:
        """Those of these digests of artefacts that some result names."""
        return self._index.read(lambda db: table.naming(db, digests), set())

    def totals(self) -> tuple[int, int]:
        """How many entries, and how many bytes they take."""
        return self._index.read(table.count, 0), self._index.read(table.total_bytes, 0)

    def flush(self) -> None:
        """Write down the uses counted so far, and make all that was put survive a power cut."""
        if self._uses:
            with self._index.writing() as db:
                self._count_uses(db)
        self._index.checkpoint()

    def clear(self) -> None:
        """Delete everything, also what other processes wrote."""
        with self._index.writing() as db:
            table.clear(db)
            for blob in self.store.scan():
                self.store.delete(blob.digest)

    def close(self) -> None:
        """Flush and close; a later call opens again."""
        try:
            self.flush()
        except StoreError as error:
            self._warn(CacheWarning("disk", None, str(error)))
        self._index.close()

    def _load(self, row: Row) -> Any:
        def fetch(place: int) -> bytes:
            if not 0 <= place < len(row.blobs):
                raise BadEntry(f"the entry has {len(row.blobs)} blobs, not a blob {place}")
            return self.store.read(row.blobs[place][0])

        try:
            value = decode(row.structure, fetch, self._types)
        except (BadBlob, BadEntry, ValueError) as error:
            self.forget(row.key)
            raise BadEntry(f"{self.root}: cached result {row.key}: {error}") from error
        with self._lock:
            if row.key in self._uses or len(self._uses) < _USES_KEPT:
                self._uses[row.key] = self._uses.get(row.key, 0) + 1
        return value

    def _write_blobs(self, blobs: Sequence[bytes]) -> tuple[tuple[str, int], ...]:
        return tuple((self.store.put(blob), len(blob)) for blob in blobs)

    def _free_space(self, incoming: int) -> None:
        """Evict until the disk has room for `incoming` bytes and the floor."""
        free = _free_bytes(self.root)
        missing = incoming + self.free_floor_bytes - free
        if missing > 0:
            with self._index.writing() as db:
                self._count_uses(db)
                orphans = table.evict(db, max(0, table.total_bytes(db) - missing), self._pins)
            self._drop(orphans)
            free = _free_bytes(self.root)
        if free - incoming < self.free_floor_bytes:
            raise StoreError(
                f"{self.root}: {free >> 20} MiB are free on this disk and {self.free_floor_bytes >> 20} MiB are to "
                "stay free, so results are not kept; free some space, or choose a cache folder on another disk",
                self.root,
            )

    def _drop(self, digests: Sequence[str]) -> None:
        """Delete blobs that no row refers to, unless one does by now."""
        if digests:
            with self._index.writing() as db:
                for digest in table.unreferenced(db, digests):
                    self.store.delete(digest)

    def _count_uses(self, db: Any) -> None:
        with self._lock:
            uses, self._uses = self._uses, {}
        if uses:
            table.use(db, uses, time.time())

    def _sweep_orphans(self) -> None:
        """Once a day, delete old blobs that no row refers to: what killed processes and lost indexes leave behind."""
        if self._checked_orphans:
            return
        self._checked_orphans = True
        now = time.time()
        if now - self._index.read(table.swept_at, now) < SWEEP_EVERY_S:
            return
        old = [blob.digest for blob in self.store.scan() if now - blob.written >= ORPHAN_AGE_S]
        with self._index.writing() as db:
            for digest in table.unreferenced(db, old):
                self.store.delete(digest)
            table.note_swept(db)


def _portions(
    entries: Sequence[tuple[str, Encoded, float]], cap_bytes: int
) -> Iterator[list[tuple[str, Encoded, float]]]:
    """The entries in portions that fit under the cap together; without those that do not fit alone, or come again."""
    latest = {entry[0]: entry for entry in entries}
    portion: list[tuple[str, Encoded, float]] = []
    size = 0
    for entry in latest.values():
        if entry[1].size > cap_bytes:
            continue
        if portion and size + entry[1].size > cap_bytes:
            yield portion
            portion, size = [], 0
        portion.append(entry)
        size += entry[1].size
    if portion:
        yield portion


def _sane(cost_s: float) -> float:
    """Seconds as an ordinary number: what a clock that was set says must not upset the index."""
    return min(cost_s, 1e9) if cost_s >= 0 else 0.0


def _free_bytes(folder: Path) -> int:
    """Bytes free for this user on the disk on which `folder` is or will be."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreError.wrap(error, place, "see how much space is free") from error
    return 0
