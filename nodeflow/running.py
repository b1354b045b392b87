"""One run of a plan: which steps run, in which lane, until when. How one is called is in `calling`.

- A ready step goes to its *lane*: one thread for the accelerator, a few for CPU and file work, some that only wait for
  nodes that run sub-workflows, some that wait for the event loop on which `async` nodes run.
- The coordinator (the caller's thread) wakes more workers where steps wait, watches deadlines, waits for the end.
- When a step fails, what depends on it is blocked and everything else goes on (unless `fail_fast`).
- A step past its deadline fails. Its thread cannot be stopped; it is left behind and another takes its place.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nodeflow.calling import Caller
from nodeflow.errors import Cancelled, DeadlineExceeded
from nodeflow.events import (
    Emitter,
    NodeBlocked,
    NodeFailed,
    NodeFinished,
    NodeWarning,
    RunFinished,
    RunStarted,
)
from nodeflow.lanes import Lane
from nodeflow.outcome import (
    CACHED,
    CANCELLED,
    DONE,
    FAILED,
    RUNNING,
    Lifecycle,
    NodeFailure,
    Outcome,
    failure_of,
    words,
)
from nodeflow.schedule import Schedule
from nodeflow.steps import Plan, Step
from nodeflow.values import Values

if TYPE_CHECKING:
    from nodeflow.executor import Cancel, Executor


class _Stop:
    """Whether a run is to stop: because its caller says so, or because it has stopped itself."""

    def __init__(self, outer: Cancel | None) -> None:
        self._outer = outer
        self._set = False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set or (self._outer is not None and self._outer.is_set())


class PlanRun:
    """One run: the state of its steps and the threads that work on them."""

    def __init__(
        self,
        executor: Executor,
        plan: Plan,
        emitter: Emitter,
        lifecycles: tuple[Lifecycle, ...],
        externals: dict[str, Any],
        prefix: str,
        cancel: Cancel | None = None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.executor = executor
        self.plan = plan
        self.steps = plan.steps
        self.emitter = emitter
        self.lifecycles = lifecycles
        self.prefix = prefix
        self.cancel = _Stop(cancel)
        self.fail_fast = False
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.values = Values(plan, executor.results, externals, self.lock)
        self.schedule = Schedule(self.steps, set(), self, plan.twins)
        self.states = self.schedule.states
        self.seconds: dict[int, float] = {}
        self.started: dict[int, float] = {}
        self.failures: list[NodeFailure] = []
        self.warnings: list[tuple[str, str]] = []
        self.targets = set(plan.targets)
        self.caller = Caller(self)
        limits = {"cpu": max(1, executor.workers), "device": 1, "control": 16, "async": 64}
        self.lanes = {kind: Lane(self.lock, limit, self._begin, self.caller.work_on) for kind, limit in limits.items()}

    # --- the coordinator ---------------------------------------------------------------------------------------

    def execute(self) -> Outcome:
        """Run to the end, in the caller's thread and the lanes'."""
        begun = time.perf_counter()
        self.schedule.stored = self.executor.results.lookup([s.key for s in self.steps])
        self.schedule.stored -= {step.key for step in self.steps if step.body_effects}  # they write files each time
        if not self.prefix:
            self.emitter.emit(RunStarted, self.id, len(self.steps), len(self.schedule.stored))
        try:
            with self.lock:
                self.schedule.hold(self.plan.targets)  # their values are kept for the caller
                self.schedule.demand(self.plan.targets)
            while True:
                self._supervise()
                if not (bad := self._unreadable_targets()):
                    break
                with self.lock:
                    for index in bad:
                        self._forget(index)
                    self.schedule.demand(bad)
            self._tell_of_cached_targets()
        except BaseException:
            self.cancel.set()  # what is running stops at its next step
            raise
        finally:
            self._close()
        return self._outcome(time.perf_counter() - begun)

    def _outcome(self, elapsed: float) -> Outcome:
        finished = all(self.states[index] in (DONE, CACHED) for index in self.plan.targets)
        state = "failed" if self.failures else "completed" if finished else "cancelled"
        if self.emitter.error:
            self.warnings.append(("", f"nobody was told the rest of the events: {self.emitter.error}"))
        values = {i: outputs for i in self.plan.targets if (outputs := self.values.get(i)) is not None}
        outcome = Outcome(
            self.id,
            self.plan,
            state,
            self.states,
            values,
            self.seconds,
            self.failures,
            self.warnings,
            elapsed,
            self.values.externals,
        )
        if not self.prefix:
            self.emitter.emit(RunFinished, self.id, state, elapsed)
        return outcome

    def _supervise(self) -> None:
        """Wait until every demanded step is final: wake workers where steps wait, end what is past its deadline."""
        tick = 0.001
        with self.lock:
            while self.schedule.open:
                if self.cancel.is_set():
                    self._cancel_waiting()
                    if not self.schedule.open:
                        return
                grown = False
                for lane in self.lanes.values():
                    grown |= lane.grow()
                if self.executor.deadline:
                    self._check_deadlines()
                tick = 0.001 if grown else min(tick * 1.5, 0.02)
                self.changed.wait(tick)

    def _check_deadlines(self) -> None:
        limit = time.perf_counter() - self.executor.deadline
        for index, since in list(self.started.items()):
            if since < limit and self.states[index] == RUNNING and self.steps[index].body is None:
                error = DeadlineExceeded(f"it took longer than its deadline of {self.executor.deadline:g} s")
                self.fail(index, error, {})
                self._lane(self.steps[index]).abandon(index)
                self.executor.device_gate.leave((self.id, index))

    def _cancel_waiting(self) -> None:
        for lane in self.lanes.values():
            lane.ready.clear()
        self.schedule.cancel_waiting()

    def _unreadable_targets(self) -> list[int]:
        """Loads targets that were found in the cache; those that cannot be read are returned."""
        bad = []
        for index in dict.fromkeys(self.plan.targets):
            if self.states[index] == CACHED and self.values.get(index) is None:
                outputs = self.values.load(index)
                if outputs is None:
                    bad.append(index)
                else:
                    with self.lock:
                        self.values.put(index, outputs)
        return bad

    def _tell_of_cached_targets(self) -> None:
        for index in dict.fromkeys(self.plan.targets):
            if self.states[index] == CACHED:
                try:
                    for lifecycle in self.lifecycles:
                        lifecycle.after(self.steps[index], self.values.get(index) or {}, 0.0, True)
                except Exception as error:
                    with self.lock:
                        self.states[index] = RUNNING
                        self.schedule.open += 1
                        self.fail(index, error, {})

    def _close(self) -> None:
        with self.lock:
            for lane in self.lanes.values():
                lane.close()
        self.caller.close()

    # --- what the schedule says (the lock is held) ----------------------------------------------------------------

    def ready(self, index: int) -> None:
        self._lane(self.steps[index]).put(index)

    def cached(self, index: int) -> None:
        self.emitter.emit(NodeFinished, self.prefix + self.steps[index].id, True, 0.0)

    def blocked(self, index: int, cause: int) -> None:
        self.emitter.emit(NodeBlocked, self.prefix + self.steps[index].id, self.prefix + self.steps[cause].id)

    def released(self, index: int) -> None:
        self.started.pop(index, None)

    def dropped(self, index: int) -> None:
        self.values.drop(index)

    def idle(self) -> None:
        self.changed.notify_all()

    def _forget(self, index: int) -> None:
        """A result that was there cannot be used after all."""
        if self.states[index] == CACHED:
            self.warn(self.steps[index].id, "its stored result could not be read; it is computed again")
        self.values.drop(index)
        self.schedule.forget(index)

    def _begin(self, index: int) -> None:
        self.states[index] = RUNNING

    def _lane(self, step: Step) -> Lane:
        if step.body is not None:
            return self.lanes["control"]
        if step.op.is_async:
            return self.lanes["async"]
        return self.lanes["device" if step.op.device else "cpu"]

    # --- what calls say (the lock is held) -------------------------------------------------------------------------

    def fail(self, index: int, error: BaseException, kwargs: Mapping[str, Any]) -> None:
        """A step that was called with `kwargs` has failed, or was cancelled."""
        step = self.steps[index]
        if isinstance(error, Cancelled) and self.cancel.is_set():
            self.schedule.settle(index, CANCELLED)
            return
        failure = failure_of(self.prefix, step, error, kwargs)
        self.failures.append(failure)
        self.emitter.emit(NodeFailed, failure.node, failure.message)
        for lifecycle in self.lifecycles:
            try:
                lifecycle.failed(step, failure)
            except Exception as problem:
                self.warn(step.id, f"{type(lifecycle).__name__} was not told of its failure: {words(problem)}")
        self.schedule.settle(index, FAILED)
        if self.fail_fast:
            self.cancel.set()

    def forget_all(self, lost: list[int]) -> None:
        """Values that should have been there are not, or were changed."""
        for index in lost:
            if self.states[index] in (DONE, CACHED):
                self._forget(index)

    def warn(self, node: str, message: str) -> None:
        """Something about a node that is no failure; may be called without the lock."""
        self.warnings.append((node, message))
        self.emitter.emit(NodeWarning, self.prefix + node, message)
