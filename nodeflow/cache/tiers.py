"""The cache as the executor sees it: results by key, in the accelerator's memory, in RAM and on disk.

`get` never raises and never gives anything but what was put: whatever is wrong with an entry makes it a miss and a
`CacheWarning`. A result is written to disk when it is wanted there, or when computing it takes clearly longer than
writing it; a thread of its own writes. Trouble with the disk turns the disk tier off for a while, not the cache.

Results whose tensors lie on an accelerator are held there within a budget of their own, and moved to RAM when evicted;
without such a budget they are moved at once. This module must not know what keys are made of, nor what a node is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nodeflow.types
from nodeflow.cache.codec import Encoded, TypeNames, encode
from nodeflow.cache.disk import DiskTier
from nodeflow.cache.errors import BadEntry, CacheWarning, StoreError, Uncacheable
from nodeflow.cache.memory import MemoryTier, Mutated, Outputs, versions
from nodeflow.cache.sizes import Measure, compact, map_arrays, measure, quick_size
from nodeflow.cache.writer import Job, Writer

FORMAT: Final = "v1"
"""Folder of the disk tier within the cache folder; another one whenever old entries could be misread."""

WORTH: Final = 3.0
"""A result is written if computing it takes this many times longer than writing it."""

QUEUE_BYTES: Final = 512 << 20
DISK_PAUSE_S: Final = 30.0
"""After trouble with the disk, leave it alone for so long."""

Warn = Callable[[CacheWarning], None]


@dataclass(frozen=True, slots=True)
class TierStats:
    """One tier: what it holds, what it may hold, and how often it had what was asked for."""

    entries: int
    used_bytes: int
    budget_bytes: int
    hits: int


@dataclass(frozen=True, slots=True)
class CacheStats:
    """The tiers there are, by name ("accelerator", "ram", "disk"), and how often none had what was asked for."""

    tiers: dict[str, TierStats]
    misses: int
    queued: int


class WriteTime:
    """How long writing takes, learnt from what was written: so much for each entry, so much for each byte."""

    def __init__(self, entry_s: float = 2e-3, byte_s: float = 1 / 300e6) -> None:
        self.entry_s = entry_s
        self.byte_s = byte_s

    def estimate(self, size: int) -> float:
        """Seconds to write an entry of `size` bytes."""
        return self.entry_s + size * self.byte_s

    def learn(self, entries: int, size: int, seconds: float) -> None:
        """Take in that a batch took so long; recent batches count most."""
        if size > entries << 18:
            self.byte_s += 0.3 * (max(seconds - entries * self.entry_s, 0.1 * seconds) / size - self.byte_s)
        else:
            self.entry_s += 0.3 * (seconds / entries - self.entry_s)


class Cache:
    """Results by key. Thread-safe; close it, or use it as a context manager, so that all is written."""

    def __init__(
        self,
        folder: Path | str | None,
        *,
        ram_bytes: int,
        disk_bytes: int = 0,
        free_floor_bytes: int = 0,
        accelerator_bytes: int = 0,
        warn: Warn = lambda warning: None,
        types: TypeNames = nodeflow.types,
    ) -> None:
        """A cache in RAM and, if there are a folder and room for it, on disk. Opens nothing yet."""
        self._warn = warn
        self._types = types
        self._ram = MemoryTier(ram_bytes)
        self._accelerator = MemoryTier(accelerator_bytes, on_evict=self._move_to_ram) if accelerator_bytes else None
        self._disk: DiskTier | None = None
        if folder is not None and disk_bytes:
            self._disk = DiskTier(Path(folder) / FORMAT, disk_bytes, free_floor_bytes, warn=warn, types=types)
        every = (self._accelerator, self._ram, self._disk)
        self._tiers: list[MemoryTier | DiskTier] = [tier for tier in every if tier is not None]
        self._writer = Writer(self._write, QUEUE_BYTES)
        self._write_time = WriteTime()
        self._disk_off_until = 0.0
        self._hits = {"accelerator": 0, "ram": 0, "disk": 0}
        self._misses = 0

    def lookup(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` that `get` will probably find: entries on disk are not read."""
        found, rest = set(), []
        for key in keys:
            if key in self._ram or key in self._writer or (self._accelerator is not None and key in self._accelerator):
                found.add(key)
            else:
                rest.append(key)
        if rest and (disk := self._usable_disk()) is not None:
            with self._watching_disk():
                found |= disk.contains_many(rest)
        return found

    def get(self, key: str) -> Outputs | None:
        """What was put under `key`, None if it is not here (any more) or not sound."""
        for name, tier in (("accelerator", self._accelerator), ("ram", self._ram)):
            if tier is not None:
                try:
                    outputs = tier.get(key)
                except Mutated:
                    self._warn_mutated(key)
                    continue
                if outputs is not None:
                    self._hits[name] += 1
                    return outputs
        job = self._writer.get(key)
        if job is not None and _unchanged(job):
            self._hits["ram"] += 1
            return job.outputs
        return self._get_from_disk(key)

    def put(self, key: str, outputs: Outputs, cost_s: float, persist: bool = False) -> None:
        """Keep `outputs` (a dict or tuple of values), which took `cost_s` seconds, and which nobody may change.

        persist: write it to disk, however cheap it was. Values that cannot be written stay in memory only.
        """
        try:
            size, measured = quick_size(outputs), None
            if size < 0:
                outputs, measured = _measured(outputs)
                if measured.devices - {"cpu"} and self._put_accelerator(key, outputs, cost_s, measured):
                    self._queue(key, outputs, cost_s, measured.total, measured, persist)
                    return
                if measured.devices - {"cpu"}:
                    outputs, measured = _measured(_to_cpu(outputs))
                size = measured.total
        except Exception as error:  # a value of a third party's type, or out of memory: the run must not suffer
            self._warn(CacheWarning("uncounted", key, f"result cannot be kept: {type(error).__name__}: {error}"))
            return
        self._ram.put_measured(key, outputs, cost_s, size, measured)
        if persist or cost_s > WORTH * self._write_time.entry_s:
            self._queue(key, outputs, cost_s, size, measured, persist)

    def pin(self, keys: Iterable[str]) -> None:
        """Keep these from being evicted (they need not be here yet); pins add up."""
        keys = list(keys)
        for tier in self._tiers:
            tier.pin(keys)

    def unpin(self, keys: Iterable[str]) -> None:
        """Take one pin from each of these."""
        keys = list(keys)
        for tier in self._tiers:
            tier.unpin(keys)

    def stats(self) -> CacheStats:
        """What the tiers hold and how they did so far."""
        memory = (("accelerator", self._accelerator), ("ram", self._ram))
        tiers = {
            name: TierStats(len(tier), tier.used_bytes, tier.budget_bytes, self._hits[name])
            for name, tier in memory
            if tier is not None
        }
        if (disk := self._usable_disk()) is not None:
            with self._watching_disk():
                entries, used = disk.totals()
                tiers["disk"] = TierStats(entries, used, disk.cap_bytes, self._hits["disk"])
        return CacheStats(tiers, self._misses, len(self._writer))

    def clear(self) -> None:
        """Forget everything, on disk too.

        Raises:
            StoreError: the disk tier could not be cleared.
        """
        self._writer.flush()
        for tier in self._tiers:
            tier.clear()

    def flush(self) -> None:
        """Return when all that was accepted for the disk is there, safe from a crash and a power cut."""
        self._writer.flush()
        if (disk := self._usable_disk()) is not None:
            with self._watching_disk():
                disk.flush()

    def close(self) -> None:
        """Flush and let go of files and threads. Using the cache again opens them again."""
        self._writer.close()
        if self._disk is not None:
            self._disk.close()

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get_from_disk(self, key: str) -> Outputs | None:
        if (disk := self._usable_disk()) is not None:
            try:
                with self._watching_disk():
                    entry = disk.get(key)
                    if entry is not None:
                        outputs = entry.load()
                        self._ram.put(key, outputs, entry.cost_s)
                        self._hits["disk"] += 1
                        return outputs
            except BadEntry as error:
                self._warn(CacheWarning("bad-entry", key, f"{error}; computing again"))
        self._misses += 1
        return None

    def _put_accelerator(self, key: str, outputs: Outputs, cost_s: float, measured: Measure) -> bool:
        tier = self._accelerator
        return tier is not None and tier.put_measured(key, outputs, cost_s, measured.total, measured)

    def _queue(
        self, key: str, outputs: Outputs, cost_s: float, size: int, measured: Measure | None, persist: bool
    ) -> None:
        if self._usable_disk() is None or not (persist or cost_s > WORTH * self._write_time.estimate(size)):
            return
        marks = None if measured is None else versions(measured)
        self._writer.submit(Job(key, outputs, size, cost_s, measured, marks), must=persist)

    def _write(self, jobs: list[Job]) -> None:
        """Called by the writer's thread."""
        disk = self._usable_disk()
        if disk is None:
            return
        started = time.perf_counter()
        entries = [(job.key, encoded, job.cost_s) for job in jobs if (encoded := self._encoded(job)) is not None]
        if entries:
            with self._watching_disk():
                disk.put_many(entries)
                size = sum(encoded.size for _, encoded, _ in entries)
                self._write_time.learn(len(entries), size, time.perf_counter() - started)

    def _encoded(self, job: Job) -> Encoded | None:
        try:
            encoded = encode(job.outputs, self._types)
        except Uncacheable:
            return None
        except Exception as error:  # a value of a third party's type, or out of memory: the run must not suffer
            self._warn(CacheWarning("disk", job.key, f"result could not be written: {type(error).__name__}: {error}"))
            return None
        if not _unchanged(job):
            self._warn_mutated(job.key)
            return None
        return encoded

    def _move_to_ram(self, key: str, outputs: Outputs, cost_s: float) -> None:
        self._ram.put(key, _to_cpu(outputs), cost_s)

    def _warn_mutated(self, key: str) -> None:
        self._warn(CacheWarning("mutated", key, "a node wrote into a tensor it was given; computing again"))

    def _usable_disk(self) -> DiskTier | None:
        return self._disk if time.monotonic() >= self._disk_off_until else None

    @contextmanager
    def _watching_disk(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self._disk_off_until = time.monotonic() + DISK_PAUSE_S
            self._warn(CacheWarning("disk", None, str(error)))


def _measured(outputs: Outputs) -> tuple[Outputs, Measure]:
    measured = measure(outputs)
    tight = compact(outputs, measured)
    return (outputs, measured) if tight is outputs else (tight, measure(tight))


def _unchanged(job: Job) -> bool:
    return job.measured is None or versions(job.measured) == job.versions


def _to_cpu(outputs: Any) -> Any:
    return map_arrays(lambda item: item.cpu() if hasattr(item, "cpu") else item, outputs)
