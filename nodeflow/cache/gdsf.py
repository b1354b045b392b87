"""GreedyDual-Size-Frequency: which entry to let go, as a pure data structure.

An entry's priority is `L + freq · cost_s / size`: what recomputing it would cost for each byte it occupies, times how
often it was used, above the level `L` at which it was last used. The victim is the entry of lowest priority, the least
recently used one among equals, and `L` rises to its priority, so that what nobody uses sinks in comparison (Cherkasova,
"Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy", HP Labs 1998).

Adding and using cost O(1), choosing a victim O(log n) amortised: entries go to the heap when the next victim
is wanted, and as priorities only rise, the heap may hold stale, too low ones and corrects the one it meets on top.
Pinned entries are never victims.

This module must not know what the entries are, nor how much room there is.
"""

from __future__ import annotations

import heapq
from typing import Final

_SLACK: Final = 64


def priority(level: float, freq: int, cost_s: float, size: int) -> float:
    """The priority of an entry of `size` bytes that took `cost_s` seconds and was used `freq` times."""
    return level + freq * cost_s / (size or 1)


class _Item:
    __slots__ = ("cost", "freq", "in_heap", "key", "level", "used")

    def __init__(self, key: str, cost: float, level: float, used: int) -> None:
        self.key = key
        self.cost = cost  # seconds for each byte
        self.freq = 1
        self.level = level
        self.used = used  # counts uses: breaks ties by age
        self.in_heap = True  # or on its way there

    def rank(self) -> tuple[float, int]:
        return (self.level + self.freq * self.cost, self.used)


class Gdsf:
    """The entries, by key, and which of them to evict next."""

    def __init__(self) -> None:
        self.level = 0.0
        self._items: dict[str, _Item] = {}
        self._heap: list[tuple[float, int, _Item]] = []
        self._fresh: list[_Item] = []  # not yet in the heap
        self._uses = 0
        self._pins: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: str) -> bool:
        return key in self._items

    def add(self, key: str, size: int, cost_s: float) -> None:
        """Enter `key`, in place of an older entry of that key."""
        self._uses = used = self._uses + 1
        item = _Item(key, cost_s / (size or 1), self.level, used)
        self._items[key] = item
        self._fresh.append(item)
        if len(self._heap) + len(self._fresh) > 2 * len(self._items) + _SLACK:
            self._rebuild()

    def use(self, key: str) -> None:
        """Count a use of `key`; `KeyError` if it is not here."""
        item = self._items[key]
        self._uses = item.used = self._uses + 1
        item.freq += 1
        item.level = self.level

    def remove(self, key: str) -> None:
        """Forget `key`, if it is here. Its pins stay."""
        self._items.pop(key, None)

    def pin(self, key: str) -> None:
        """Keep `key` (here or not yet) from being a victim, until unpinned as many times."""
        self._pins[key] = self._pins.get(key, 0) + 1

    def unpin(self, key: str) -> None:
        """Take one pin back; without a pin, nothing happens."""
        left = self._pins.get(key, 0) - 1
        if left > 0:
            self._pins[key] = left
            return
        self._pins.pop(key, None)
        item = self._items.get(key)
        if item is not None and not item.in_heap:
            item.in_heap = True
            self._fresh.append(item)

    def victim(self) -> str | None:
        """Take out the entry of lowest priority, raise the level to it, and return its key; None if all are pinned."""
        for item in self._fresh:
            heapq.heappush(self._heap, (*item.rank(), item))
        self._fresh.clear()
        while self._heap:
            value, used, item = self._heap[0]
            if self._items.get(item.key) is not item:  # removed or replaced
                heapq.heappop(self._heap)
            elif item.key in self._pins:
                heapq.heappop(self._heap)
                item.in_heap = False
            elif item.rank() != (value, used):
                heapq.heapreplace(self._heap, (*item.rank(), item))
            else:
                heapq.heappop(self._heap)
                del self._items[item.key]
                self.level = value
                return item.key
        return None

    def _rebuild(self) -> None:
        self._heap = [(*item.rank(), item) for item in self._items.values() if item.in_heap]
        heapq.heapify(self._heap)
        self._fresh.clear()
