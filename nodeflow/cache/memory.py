"""A tier of the cache that holds results as they are, in memory, up to a budget of bytes.

The same class serves for RAM and for an accelerator's memory: it counts storages wherever they lie, and hands what it
evicts to `on_evict`, which may move it to the next tier. Invariants:

- a storage held by several entries is counted once, and stays counted until the last of them has gone;
- an entry that is larger than the whole budget is not taken, and evicts nothing;
- a value is given back only if its tensors have not been written to since it was put (torch counts that);
- pinned entries stay, even if that breaks the budget.

Thread-safe. Numbers and texts take about a microsecond. This module must not know what keys mean, nor of other tiers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from nodeflow.cache.gdsf import Gdsf
from nodeflow.cache.sizes import Measure, Storage, StorageKey, compact, measure, quick_size

Outputs: TypeAlias = Any
"""What a node gave: a dict or tuple of values."""

OnEvict: TypeAlias = Callable[[str, Outputs, float], None]


class _Entry:
    __slots__ = ("cost_s", "measured", "outputs", "size", "versions")

    def __init__(self, outputs: Outputs, size: int, cost_s: float, measured: Measure | None) -> None:
        self.outputs = outputs
        self.size = size
        self.cost_s = cost_s
        self.measured = measured
        self.versions = None if measured is None else versions(measured)


class MemoryTier:
    """Results by key, within `budget_bytes`."""

    def __init__(self, budget_bytes: int, on_evict: OnEvict | None = None) -> None:
        self.budget_bytes = budget_bytes
        self._on_evict = on_evict
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._policy = Gdsf()
        self._plain = 0
        self._storages: dict[StorageKey, tuple[Storage, int]] = {}  # with the number of entries that hold it
        self._storage_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    @property
    def used_bytes(self) -> int:
        """Bytes that the entries keep alive, each storage once."""
        return self._plain + self._storage_bytes

    def put(self, key: str, outputs: Outputs, cost_s: float) -> bool:
        """Hold `outputs`, which took `cost_s` seconds to compute; whether they were taken.

        Views that keep much more memory alive than they show are held as copies.
        """
        size = quick_size(outputs)
        measured = None
        if size < 0:
            measured = measure(outputs)
            tight = compact(outputs, measured)
            if tight is not outputs:
                outputs, measured = tight, measure(tight)
            size = measured.total
        return self.put_measured(key, outputs, cost_s, size, measured)

    def put_measured(self, key: str, outputs: Outputs, cost_s: float, size: int, measured: Measure | None) -> bool:
        """`put`, for a caller that has measured and compacted already."""
        if size > self.budget_bytes:
            self.remove(key)
            return False
        entry = _Entry(outputs, size, cost_s, measured)
        evicted: list[tuple[str, _Entry]] = []
        with self._lock:
            old = self._entries.get(key)
            if old is not None:
                self._release(old)
            self._entries[key] = entry
            self._policy.add(key, size, cost_s)
            if measured is None:
                self._plain += size
            else:
                self._hold(measured)
            if self._plain + self._storage_bytes > self.budget_bytes:
                evicted = self._make_room()
        if evicted and self._on_evict is not None:
            for victim, gone in evicted:
                self._on_evict(victim, gone.outputs, gone.cost_s)
        return True

    def get(self, key: str) -> Outputs | None:
        """The outputs held under `key`, None if there are none.

        Raises:
            Mutated: a tensor among them was written to since; the entry has been dropped.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._policy.use(key)
        if entry.versions is not None and entry.measured is not None and versions(entry.measured) != entry.versions:
            self.remove(key)
            raise Mutated(key)
        return entry.outputs

    def remove(self, key: str) -> bool:
        """Let go of `key`; whether it was there."""
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is None:
                return False
            self._policy.remove(key)
            self._release(entry)
            return True

    def clear(self) -> None:
        """Let go of everything, pinned or not. Nothing is handed on."""
        with self._lock:
            for key in self._entries:
                self._policy.remove(key)
            self._entries.clear()
            self._storages.clear()
            self._plain = self._storage_bytes = 0

    def pin(self, keys: Iterable[str]) -> None:
        """Keep these from being evicted, whether they are here or will be; pins add up."""
        with self._lock:
            for key in keys:
                self._policy.pin(key)

    def unpin(self, keys: Iterable[str]) -> None:
        """Take one pin from each of these."""
        with self._lock:
            for key in keys:
                self._policy.unpin(key)

    def _hold(self, measured: Measure) -> None:
        self._plain += measured.plain
        for key, storage in measured.storages.items():
            held, count = self._storages.get(key, (storage, 0))
            if not count:
                self._storage_bytes += storage.nbytes
            self._storages[key] = (held, count + 1)

    def _release(self, entry: _Entry) -> None:
        if entry.measured is None:
            self._plain -= entry.size
            return
        self._plain -= entry.measured.plain
        for key in entry.measured.storages:
            held, count = self._storages[key]
            if count > 1:
                self._storages[key] = (held, count - 1)
            else:
                del self._storages[key]
                self._storage_bytes -= held.nbytes

    def _make_room(self) -> list[tuple[str, _Entry]]:
        evicted = []
        while self.used_bytes > self.budget_bytes and (key := self._policy.victim()) is not None:
            entry = self._entries.pop(key)
            self._release(entry)
            evicted.append((key, entry))
        return evicted


class Mutated(Exception):
    """A node wrote to a tensor that the cache holds; the key is the argument. Callers treat it as a miss."""


def versions(measured: Measure) -> tuple[int, ...] | None:
    """How often each tensor was written to in place, None if that is not counted (inference tensors)."""
    try:
        return tuple([tensor._version for tensor in measured.tensors])
    except (AttributeError, RuntimeError):
        return None
