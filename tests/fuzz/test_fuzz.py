"""The fuzzed readers without a fuzzer: every input that was once a finding, where the targets begin, and some changes.

The long runs are `make fuzz` (docs/fuzz.md).
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS

FINDINGS = sorted((Path(__file__).parent / "findings").iterdir())
CHANGES = 60


@pytest.mark.parametrize("path", FINDINGS, ids=lambda p: p.name)
def test_what_was_found_stays_fixed(path: Path) -> None:
    start = time.perf_counter()
    TARGETS[path.name.partition("-")[0]].run(path.read_bytes())
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("name", TARGETS)
def test_targets_take_their_seeds_and_changes_of_them(name: str) -> None:
    target, choose = TARGETS[name], random.Random(name)
    seeds = target.seeds()
    for data in seeds:
        target.run(data)
    for number in range(CHANGES):
        data = bytearray(choose.choice(seeds))
        changed = mutated(bytes(data), number, 20_000) if target.json and number % 2 else None
        if changed is None:
            for _ in range(choose.randint(1, 4)):
                data[choose.randrange(len(data))] = choose.randrange(256)
            changed = bytes(data[: choose.randint(1, len(data))] if number % 5 == 0 else data)
        target.run(changed)


def test_the_same_change_comes_of_the_same_seed() -> None:
    data = TARGETS["recipe"].seeds()[0]
    assert mutated(data, 7, 20_000) == mutated(data, 7, 20_000)
    assert len({mutated(data, seed, 20_000) for seed in range(50)}) > 40
    assert mutated(b"\xff", 1, 100) is None
    assert mutated(b"7", 1, 100) is None
