"""What other processes do to the disk tier in the tests: `python worker.py NAME FOLDER [NUMBER]`. Imports no torch."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from blake3 import blake3

from nodeflow.cache.codec import encode
from nodeflow.cache.disk import DiskTier
from nodeflow.cache.errors import BadEntry, StoreError
from nodeflow.cache.store import BlobStore

CAP = 2 << 20
NUMBERS = 40


def key(name: object) -> str:
    return blake3(str(name).encode()).hexdigest()


def value(number: int) -> tuple[int, bytes]:
    """What everybody puts under `number`: it can be told whether it came back right."""
    return number, bytes([number]) * 100_000


def write(tier: DiskTier, number: int) -> None:
    encoded = encode(value(number))
    tier.put(key(number), encoded.structure, encoded.blobs, 1.0)


def share(root: str, seed: str) -> None:
    """Write and read in turn; print how many values were wrong."""
    tier, wrong = DiskTier(root, CAP), 0
    for i in range(120):
        write(tier, (i * 7 + int(seed)) % NUMBERS)
        other = (i * 11 + int(seed)) % NUMBERS
        try:
            entry = tier.get(key(other))
            wrong += entry is not None and entry.load() != value(other)
        except BadEntry:
            pass
    tier.close()
    print(wrong)


def write_on(root: str, seed: str) -> None:
    """Write until killed; print each number once it is durable."""
    tier = DiskTier(root, CAP)
    for i in range(10_000):
        number = (i * 7 + int(seed)) % NUMBERS
        write(tier, number)
        print(number, flush=True)


def put_on(root: str, seed: str) -> None:
    """Put blobs until killed; print each digest once it is durable."""
    store = BlobStore(root)
    for i in range(10_000):
        print(store.put(b"%s %d" % (seed.encode(), i) * 20_000), flush=True)


def fill(root: str) -> None:
    """Write when no file may grow any more, which is what a full disk looks like."""
    tier = DiskTier(root, 100 << 20)
    tier.put(key("small"), "1", (), 1.0)
    tier.flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    try:
        tier.put(key("large"), '["B",0]', [bytes(1 << 20)], 1.0)
    except StoreError as error:
        print("blob refused:", "free some space" in str(error))
    try:
        for i in range(100):
            tier.put_many([(key((i, j)), encode("x" * 1000), 1.0) for j in range(50)])
    except StoreError:
        print("index refused")
    entry = tier.get(key("small"))
    print(entry and entry.load(), tier.contains_many([key("small"), key("large")]) == {key("small")})
    tier.close()


if __name__ == "__main__":
    {"share": share, "write_on": write_on, "put_on": put_on, "fill": fill}[sys.argv[1]](*sys.argv[2:])
