"""Which step may run when: the state of every step of a run, and what follows from what.

- A step is *demanded* when something wanted needs it. A demanded step with a stored result is finished at once, and
  what it needs is not demanded: so a cached run reaches back no further than it must.
- A demanded step is ready when its last need is there. When one has no result, what depends on it has none either.
- A step that has the key of an earlier one (a *twin*) is never demanded: it ends as the earlier one ends.
- A value is dropped when its last demanded consumer is final. What a lazy input may still ask for is held until no
  demanded step with lazy inputs is left.

`waiting[i]` counts unfinished needs of step i; `users[i]` counts demanded consumers that are not final yet. All
methods are called with the run's lock held. This module calls no node, loads no value and starts no thread: it tells a
`Watcher`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from nodeflow.outcome import BLOCKED, CACHED, CANCELLED, DONE, FAILED, FINAL, PENDING, READY, WAITING
from nodeflow.steps import Step


class Watcher(Protocol):
    """Who is told what the schedule decides."""

    def ready(self, index: int) -> None:
        """The step can be called now."""

    def cached(self, index: int) -> None:
        """The step's stored result is what counts."""

    def blocked(self, index: int, cause: int) -> None:
        """The step does not run because `cause` has no result."""

    def released(self, index: int) -> None:
        """The step is final, or is no longer running."""

    def dropped(self, index: int) -> None:
        """Nobody needs the step's value any more."""

    def idle(self) -> None:
        """No demanded step is left."""


class Schedule:
    """The states of a plan's steps.

    Args:
        stored: keys of results that are there already. twins: steps that end as another does, by the other's index.
    """

    def __init__(
        self, steps: list[Step], stored: set[str], watcher: Watcher, twins: Mapping[int, list[int]] | None = None
    ) -> None:
        count = len(steps)
        self.steps = steps
        self.stored = stored
        self.watcher = watcher
        self.twins = twins or {}
        self.states = [PENDING] * count
        self.waiting = [0] * count
        self.users = [0] * count
        self.consumers: list[list[int]] = [[] for _ in range(count)]
        self.asked: dict[int, set[int]] = {}  # what steps have asked for by lazy inputs
        self.causes: dict[int, int] = {}  # of blocked steps: which failed
        self.lazy_open = 0  # demanded steps with lazy inputs that are not final yet
        self.open = 0  # demanded steps that are not final yet
        self.held = _reachable_lazily(steps)

    def hold(self, indices: Iterable[int]) -> None:
        """Keep these values to the end."""
        for index in indices:
            self.users[index] += 1

    def demand(self, indices: Iterable[int]) -> None:
        """These steps' results are wanted."""
        todo = list(indices)
        while todo:
            index = todo.pop()
            if self.states[index] != PENDING:
                continue
            step = self.steps[index]
            if step.key in self.stored:
                self.states[index] = CACHED
                self.watcher.cached(index)
                self._same_for_twins(index, CACHED)
                continue
            self.states[index] = WAITING
            self.open += 1
            self.lazy_open += bool(step.on_demand)
            lost = None
            for need in step.needs:
                self.users[need] += 1
                if self.states[need] in (FAILED, BLOCKED, CANCELLED):
                    lost = need
            if lost is not None:
                self.settle(index, BLOCKED, lost)
                continue
            missing = 0
            for need in step.needs:
                state = self.states[need]
                if state == PENDING:
                    todo.append(need)
                    if self.steps[need].key in self.stored:
                        continue
                elif state in (DONE, CACHED):
                    continue
                self.consumers[need].append(index)
                missing += 1
            self.waiting[index] = missing
            if missing == 0:
                self._ready(index)

    def forget(self, index: int) -> None:
        """A result that was there cannot be used after all."""
        self.stored.discard(self.steps[index].key)
        self.consumers[index] = []
        self.states[index] = PENDING

    def finish(self, index: int) -> None:
        """A step has been computed."""
        self.states[index] = DONE
        for consumer in self.consumers[index]:
            self.waiting[consumer] -= 1
            if self.waiting[consumer] == 0 and self.states[consumer] == WAITING:
                self._ready(consumer)
        self._release(index)
        self._drop(index)
        self._same_for_twins(index, CACHED)

    def settle(self, index: int, state: int, cause: int | None = None) -> None:
        """A step is final and has no result; what waits for it is not going to run either."""
        cause = index if cause is None else self.causes.get(cause, cause)
        todo = [(index, state)]
        while todo:
            current, state = todo.pop()
            if self.states[current] in FINAL:
                continue
            self.states[current] = state
            if state == BLOCKED:
                self.causes[current] = cause
                self.watcher.blocked(current, cause)
            self._release(current)
            follow = CANCELLED if state == CANCELLED else BLOCKED
            self._same_for_twins(current, follow, cause)
            todo += [(consumer, follow) for consumer in self.consumers[current]]

    def cancel_waiting(self) -> None:
        """Everything that has not begun is cancelled."""
        for index, state in enumerate(self.states):
            if state in (WAITING, READY):
                self.settle(index, CANCELLED)

    def put_aside(self, index: int, indices: list[int]) -> None:
        """A running step has asked for lazy inputs that are not there yet; it runs again when they are."""
        asked = self.asked.setdefault(index, set())
        for other in indices:
            if other not in asked:
                asked.add(other)
                self.users[other] += 1
        self.wait_for(index, indices)

    def wait_for(self, index: int, indices: list[int]) -> None:
        """A running step goes back to waiting, for these."""
        self.states[index] = WAITING
        self.waiting[index] = 1  # so that it does not become ready before all are counted
        self.demand(indices)
        for other in dict.fromkeys(indices):
            state = self.states[other]
            if state in (FAILED, BLOCKED, CANCELLED):
                self.settle(index, CANCELLED if state == CANCELLED else BLOCKED, other)
                return
            if state not in (DONE, CACHED):
                self.consumers[other].append(index)
                self.waiting[index] += 1
        self.waiting[index] -= 1
        if self.waiting[index] == 0:
            self._ready(index)

    def has(self, index: int, other: int) -> bool:
        """Whether a step has asked for another's value, and it is there."""
        return other in self.asked.get(index, ()) and self.states[other] in (DONE, CACHED)

    def _same_for_twins(self, index: int, state: int, cause: int = 0) -> None:
        """Steps that nobody waits for, because another computes the same, end as that one did."""
        for twin in self.twins.get(index, ()):
            if self.states[twin] == PENDING:
                self.states[twin] = state
                if state == CACHED:
                    self.watcher.cached(twin)
                elif state == BLOCKED:
                    self.causes[twin] = cause
                    self.watcher.blocked(twin, cause)

    def _ready(self, index: int) -> None:
        self.states[index] = READY
        self.watcher.ready(index)

    def _release(self, index: int) -> None:
        """A demanded step is final: let go of what it needed."""
        step = self.steps[index]
        self.watcher.released(index)
        self.open -= 1
        for need in (*step.needs, *self.asked.pop(index, ())):
            self.users[need] -= 1
            self._drop(need)
        if step.on_demand:
            self.lazy_open -= 1
            if not self.lazy_open:
                for other in range(len(self.steps)):
                    if self.held[other]:
                        self._drop(other)
        if not self.open:
            self.watcher.idle()

    def _drop(self, index: int) -> None:
        if self.users[index] <= 0 and not (self.lazy_open and self.held[index]):
            self.watcher.dropped(index)


def _reachable_lazily(steps: list[Step]) -> bytearray:
    """Marks of the steps that lazy inputs may ask for, directly or through others."""
    marks = bytearray(len(steps))
    todo = [need for step in steps for need in step.on_demand]
    while todo:
        index = todo.pop()
        if not marks[index]:
            marks[index] = 1
            todo += (*steps[index].needs, *steps[index].on_demand)
    return marks
