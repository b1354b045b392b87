"""Locks with parts exchanged for junk: refused with problems, or compared without harm; never another error."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nodeflow.problems import ProblemsError
from nodeflow.share.drift import drift
from nodeflow.share.golden import fresh_run, with_golden
from nodeflow.share.lock import parse_lock
from nodeflow.share.survey import survey
from nodeflow.share.verify import _output, _Then
from tests.share.world import World

JUNK: list[Any] = [
    None, True, 0, -1, 1.5, 2**53, "", "x", "0" * 64, "../..", "/etc/passwd", "a\u202eb", "\u2028", "é" * 100,
    "x" * 5000, "nul\0", [], {}, [[]], {"a": {}}, "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAA",
]  # fmt: skip


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*place, key))


def spoiled(document: Any, every: list[tuple[Any, ...]], choose: random.Random) -> Any:
    document = copy.deepcopy(document)
    for _ in range(choose.randint(1, 2)):
        *way, last = choose.choice(every)
        part = document
        try:
            for key in way:
                part = part[key]
            if choose.random() < 0.15:
                del part[last]
            else:
                part[last] = copy.deepcopy(choose.choice(JUNK))
        except (KeyError, IndexError, TypeError):
            continue  # the first change took the place of the second away
    return document


def test_spoiled_locks_do_no_harm(tmp_path: Path) -> None:
    world, choose, read = World(tmp_path), random.Random(7), 0
    with world.engine() as engine:
        fresh = fresh_run(engine, world.workflow, world.path)
        lock = with_golden(survey(engine, world.workflow, world.path), fresh)
        document = json.loads(lock.text())
        every = [place for place in places(document) if place]
        for _ in range(600):
            try:
                spoilt = parse_lock(json.dumps(spoiled(document, every, choose)))
            except ProblemsError:
                continue
            read += 1
            if spoilt != lock and read % 4 == 0:
                assert "\u202e" not in "".join(map(str, drift(engine, spoilt, world.workflow, world.path)))
            for name, output in spoilt.outputs.items():
                _output(_Then(engine), name, output.files, fresh.outputs.get(name), 0.01)
            assert parse_lock(spoilt.text()) == spoilt
    assert read > 20
