"""What the cache costs: microseconds for each operation. `python -m benchmarks cache` prints the table.

Times are the best of several rounds, so that other work on the machine counts as little as possible.
"""

from __future__ import annotations

import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blake3 import blake3

from nodeflow.cache import BlobStore, Cache
from nodeflow.cache.codec import decode, encode
from nodeflow.cache.disk import DiskTier
from nodeflow.cache.memory import MemoryTier
from nodeflow.record import NodeRow, RecordStore

KEYS = 10_000


def key(name: object) -> str:
    return blake3(str(name).encode()).hexdigest()


def best(call: Callable[[], Any], number: int, rounds: int = 5) -> float:
    """Microseconds for one call, in the best round."""
    return min(timeit.repeat(call, number=number, repeat=rounds)) / number * 1e6


def once(call: Callable[[], Any], count: int = 1) -> float:
    """Microseconds for each of `count` things that one call does, where a second call would not do the same."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) / count * 1e6


def each(call: Callable[[str], Any], keys: list[str]) -> float:
    """Microseconds for each key, in the best of three rounds over all of them."""
    return best(lambda: [call(k) for k in keys], 1, 3) / len(keys)


def measure(folder: Path) -> list[tuple[str, float]]:
    """(what, microseconds) for each operation; writes below `folder`."""
    import torch

    keys = [key(i) for i in range(KEYS)]
    small, tensor = {"value": 1}, {"image": torch.rand(1, 1024, 1024)}
    rows: list[tuple[str, float]] = []

    memory = MemoryTier(1 << 30)
    rows.append(("memory put, small value", best(lambda: memory.put("a", small, 1e-5), 2000)))
    rows.append(("memory get, small value", best(lambda: memory.get("a"), 2000)))
    rows.append((f"memory put, each of {KEYS}", each(lambda k: memory.put(k, {"value": 1}, 1e-5), keys)))
    rows.append((f"memory get, each of {KEYS}", each(memory.get, keys)))
    rows.append(("memory put, tensor", best(lambda: memory.put("t", tensor, 1.0), 500)))
    rows.append(("memory get, tensor", best(lambda: memory.get("t"), 500)))
    full = MemoryTier(88 * KEYS // 2)
    rows.append(("memory put with eviction", each(lambda k: full.put(k, {"value": 1}, 1e-5), keys)))

    encoded, encoded_tensor = encode(small), encode(tensor)
    rows.append(("encode, small value", best(lambda: encode(small), 2000)))
    rows.append(("decode, small value", best(lambda: decode(encoded.structure, encoded.blobs.__getitem__), 2000)))
    rows.append(("encode, 4 MB tensor", best(lambda: encode(tensor), 10)))
    blobs = encoded_tensor.blobs
    rows.append(("decode, 4 MB tensor", best(lambda: decode(encoded_tensor.structure, blobs.__getitem__), 10)))

    store = BlobStore(folder / "blobs")
    numbers = iter(range(1000))
    rows.append(("blob put, 4 MB, durable", best(lambda: store.put(b"%4d" % next(numbers) + blobs[0]), 4, 3)))
    digest = store.put(blobs[0])
    rows.append(("blob put, 4 MB, already there", best(lambda: store.put(blobs[0]), 4)))
    rows.append(("blob read and verify, 4 MB", best(lambda: store.read(digest), 10)))

    disk = DiskTier(folder / "disk", 1 << 30)
    batch = [(k, encode({"value": i}), 1.0) for i, k in enumerate(keys)]
    rows.append((f"disk put, each of {KEYS} at once", once(lambda: disk.put_many(batch), KEYS)))
    ones = iter(range(1000))
    rows.append(("disk put, small value, alone", best(lambda: disk.put(key(next(ones)), "1", (), 1.0), 50, 3)))
    rows.append((f"disk get, each of {KEYS}", each(lambda k: load(disk, k), keys)))
    others = [key(-i) for i in range(KEYS // 2)] + keys[: KEYS // 2]
    rows.append((f"contains_many, {KEYS} keys, half there", best(lambda: disk.contains_many(others), 1)))
    disk.put(key("t"), encoded_tensor.structure, blobs, 1.0)
    rows.append(("disk get, 4 MB tensor", best(lambda: load(disk, key("t")), 5)))
    disk.close()
    reopened = DiskTier(folder / "disk", 1 << 30)
    rows.append(("disk open and first lookup", once(lambda: reopened.contains_many([key("t")]))))
    reopened.close()

    with Cache(folder / "cache", ram_bytes=1 << 30, disk_bytes=1 << 30) as cache:
        rows.append(("cache put, small value", best(lambda: cache.put("a", small, 1e-5), 2000)))
        rows.append(("cache get, small value", best(lambda: cache.get("a"), 2000)))
        rows.append((f"cache put to persist, each of {KEYS}", once(lambda: persist(cache, keys), KEYS)))
        rows.append(("    … until it is on disk", once(cache.flush, KEYS)))
        rows.append((f"cache lookup, {KEYS} keys in RAM", best(lambda: cache.lookup(keys), 1)))

    with RecordStore(folder / "runs.db") as records:
        rows.append(("record begin", once(lambda: records.begin("run", "{}"))))
        nodes = [NodeRow(f"n{i}", "test/op@1", k, "computed", 1e-5) for i, k in enumerate(keys)]
        parts = [(k, {"op": "test/op", "values": {"a": 1}, "inputs": {"x": f"{k}.value"}}) for k in keys]
        finish = once(lambda: records.finish("run", "completed", nodes=nodes, parts=parts), KEYS)
        rows.append((f"record finish, each of {KEYS} nodes", finish))
    return rows


def load(disk: DiskTier, wanted: str) -> Any:
    entry = disk.get(wanted)
    assert entry is not None
    return entry.load()


def persist(cache: Cache, keys: list[str]) -> None:
    for i, wanted in enumerate(keys):
        cache.put(wanted, {"value": i}, 1e-5, persist=True)


def table() -> list[tuple[str, ...]]:
    """The figures as rows of texts, headings first."""
    with tempfile.TemporaryDirectory(prefix="nodeflow-bench-") as folder:
        rows = measure(Path(folder))
    return [("operation", "µs"), *((name, f"{microseconds:10.1f}") for name, microseconds in rows)]


if __name__ == "__main__":
    for name, figure in table():
        print(f"{name:<40} {figure:>10}")
