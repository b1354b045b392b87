"""GreedyDual-Size-Frequency against a model that recomputes everything at each step."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nodeflow.cache.gdsf import Gdsf, priority

keys = st.sampled_from("abcdefgh")


@dataclass
class Model:
    size: int
    cost_s: float
    freq: int
    level: float
    used: int


class GdsfMatchesTheModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.gdsf = Gdsf()
        self.entries: dict[str, Model] = {}
        self.pins: dict[str, int] = {}
        self.level = 0.0
        self.clock = 0

    @rule(key=keys, size=st.sampled_from([0, 1, 10, 1000]), cost_s=st.sampled_from([0.0, 0.5, 1.0, 7.0]))
    def add(self, key: str, size: int, cost_s: float) -> None:
        self.clock += 1
        self.gdsf.add(key, size, cost_s)
        self.entries[key] = Model(size, cost_s, 1, self.level, self.clock)

    @rule(key=keys)
    def use(self, key: str) -> None:
        if key in self.entries:
            self.clock += 1
            self.gdsf.use(key)
            entry = self.entries[key]
            entry.freq, entry.level, entry.used = entry.freq + 1, self.level, self.clock

    @rule(key=keys)
    def remove(self, key: str) -> None:
        self.gdsf.remove(key)
        self.entries.pop(key, None)

    @rule(key=keys)
    def pin(self, key: str) -> None:
        self.gdsf.pin(key)
        self.pins[key] = self.pins.get(key, 0) + 1

    @rule(key=keys)
    def unpin(self, key: str) -> None:
        self.gdsf.unpin(key)
        self.pins[key] = max(0, self.pins.get(key, 0) - 1)

    @rule()
    def victim(self) -> None:
        free = {
            key: (e.level + e.freq * (e.cost_s / (e.size or 1)), e.used)
            for key, e in self.entries.items()
            if not self.pins.get(key)
        }
        expected = min(free, key=lambda key: free[key]) if free else None
        assert self.gdsf.victim() == expected
        if expected is not None:
            self.level = free[expected][0]
            del self.entries[expected]

    @invariant()
    def same_content(self) -> None:
        assert len(self.gdsf) == len(self.entries)
        assert self.gdsf.level == self.level
        assert all((key in self.gdsf) == (key in self.entries) for key in "abcdefgh")


TestGdsfMatchesTheModel = GdsfMatchesTheModel.TestCase
TestGdsfMatchesTheModel.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


def test_cheap_and_large_go_first_then_old() -> None:
    gdsf = Gdsf()
    gdsf.add("dear", 100, 10.0)
    gdsf.add("large", 10_000, 15.0)
    gdsf.add("cheap", 100, 0.1)
    gdsf.add("cheap and used", 100, 0.1)
    gdsf.use("cheap and used")
    assert [gdsf.victim() for _ in range(5)] == ["cheap", "large", "cheap and used", "dear", None]


def test_what_nobody_uses_sinks() -> None:
    gdsf = Gdsf()
    gdsf.add("once dear", 1, 5.0)
    for number in range(20):
        gdsf.add(f"filler {number}", 1, 1.0)
        if gdsf.victim() == "once dear":
            break
    else:
        raise AssertionError("an unused entry stayed for ever")


def test_the_heap_does_not_grow_with_replacements() -> None:
    gdsf = Gdsf()
    for _ in range(10_000):
        gdsf.add("same", 1, 1.0)
    assert len(gdsf._heap) + len(gdsf._fresh) < 200


def test_priority_is_cost_per_byte_times_uses_above_the_level() -> None:
    assert priority(2.0, 3, 4.0, 6) == 4.0
    assert priority(2.0, 1, 4.0, 0) == 6.0
