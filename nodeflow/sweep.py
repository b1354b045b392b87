"""Deleting artefacts that nothing refers to any more: no job, no recorded run, no kept result.

What a run that goes on now may be about to refer to is never deleted, in whatever process it runs: a blob in use is
touched (`BlobStore.put`, `KeptResults`), and blobs written or touched since the oldest such run began are left alone.
So the order matters: first `limit`, then who refers to what, then deleting.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nodeflow.cache import BlobStore
from nodeflow.cache.disk import DiskTier
from nodeflow.cache.tiers import FORMAT
from nodeflow.record import RecordStore
from nodeflow.settings import Settings

ORPHAN_AGE_S: Final = 7 * 24 * 3600.0
"""A blob that nothing has ever referred to is deleted after so long: locks may name it (`nodeflow verify`)."""
FRESH_S: Final = 60.0
"""What was touched so lately is left alone in any case."""
MARGIN_S: Final = 1.0
"""Clocks of file systems lag behind by some milliseconds."""

Naming = Callable[[Collection[str]], set[str]]
"""Those of some artefacts, by digest, that something refers to."""


@dataclass(frozen=True)
class Swept:
    """gone: blobs that were deleted, or were not there. kept: those that something refers to. bytes: that are free now.

    What is in neither may be in use: look again later.
    """

    gone: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    bytes: int = 0


class Sweeper:
    """Deletes the artefacts of a home that nothing refers to. Thread-safe; processes may do so at once."""

    def __init__(self, settings: Settings) -> None:
        self.store = BlobStore(settings.home / "artefacts")
        self.thumbnails = settings.cache / "thumbnails"
        self._records = RecordStore(settings.home / "runs.db")
        self._cache = DiskTier(settings.cache / FORMAT, settings.disk_budget)

    def limit(self, age_s: float = FRESH_S) -> float:
        """Blobs touched since then (seconds since 1970) must be left alone: younger than `age_s`, or a run goes on that
        may have touched them.

        Raises:
            RecordError: the record of runs cannot be read.
        """
        began = self._records.running_since()
        return min(time.time() - age_s, time.time() if began is None else began) - MARGIN_S

    def referred(self, digests: Collection[str]) -> set[str]:
        """Those that recorded runs and kept results refer to.

        Raises:
            RecordError, StoreError: they cannot be read.
        """
        found = self._records.naming(digests)
        return found | self._cache.naming(set(digests) - found)

    def forget_files(self, runs: Collection[str]) -> None:
        """Forget which files these runs made.

        Raises:
            RecordError: the record of runs cannot be written.
        """
        self._records.forget_files(runs)

    def old(self, limit: float) -> list[str]:
        """All blobs that were last touched before `limit`."""
        return [blob.digest for blob in self.store.scan() if blob.written < limit]

    def delete(self, digests: Collection[str], kept: Collection[str], limit: float) -> Swept:
        """Delete those that are not `kept`, and their thumbnails.

        Args:
            limit: from `limit`, asked before `kept` was found out.

        Raises:
            StoreError: the folder does not allow it.
        """
        gone: set[str] = set()
        freed = 0
        for digest in set(digests) - set(kept):
            size = self.store.delete_unused(digest, limit)
            freed += size
            if size or digest not in self.store:
                gone.add(digest)
                with contextlib.suppress(OSError):
                    thumbnail_path(self.thumbnails, digest).unlink(missing_ok=True)
        return Swept(frozenset(gone), frozenset(set(digests) & set(kept)), freed)

    def sweep(self, jobs: Naming, age_s: float = ORPHAN_AGE_S) -> Swept:
        """Delete all blobs that nothing refers to and nobody has touched for `age_s`.

        Args:
            jobs: those of some artefacts that jobs made.

        Raises:
            RecordError, StoreError: what refers to blobs cannot be read, or they cannot be deleted.
        """
        limit = self.limit(age_s)
        old = self.old(limit)
        return self.delete(old, jobs(old) | self.referred(old), limit)

    def close(self) -> None:
        self._records.close()
        self._cache.close()


def thumbnail_path(folder: Path, digest: str) -> Path:
    """Where the thumbnail of an artefact is or would be."""
    return folder / digest[:2] / f"{digest}.webp"
