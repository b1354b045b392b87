"""One run of a plan: the policy by which its steps are called.

- A ready step goes to its *lane*: one thread for the accelerator, a few for CPU and file work, some that only wait for
  nodes that run sub-workflows, some that wait for the event loop on which `async` nodes run.
- A lazy input is handed over as a function. If the body calls it before the value is there, the body is left, the
  value is demanded, and the body is called again from its beginning when it is there: no thread waits for another.
- The coordinator (the caller's thread) wakes more workers where steps wait, watches deadlines, waits for the end.
- A stored result that turns out bad when it is read is a miss: the step is demanded again. So is a value that a
  consumer has changed in place; that consumer fails, and no other is given the changed value.
- When a step fails, what depends on it is blocked and everything else goes on (unless `fail_fast`).
- A step past its deadline fails. Its thread cannot be stopped; it is left behind and another takes its place.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nodeflow.context import Carried, RunContext, loading_seconds
from nodeflow.errors import Cancelled, DeadlineExceeded, NodeError
from nodeflow.events import (
    Emitter,
    NodeBlocked,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    NodeWarning,
    RunFinished,
    RunStarted,
)
from nodeflow.keys import Source
from nodeflow.lanes import Lane
from nodeflow.mutation import private
from nodeflow.outcome import (
    CACHED,
    CANCELLED,
    DONE,
    FAILED,
    RUNNING,
    Lifecycle,
    NodeFailure,
    Outcome,
    Outputs,
    failure_of,
    words,
)
from nodeflow.planner import Plan, Step, refs
from nodeflow.ports import describe, misfit
from nodeflow.schedule import Schedule
from nodeflow.values import Values

if TYPE_CHECKING:
    import asyncio

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
        limits = {"cpu": max(1, executor.workers), "device": 1, "control": 16, "async": 64}
        self.lanes = {kind: Lane(self.lock, limit, self._begin, self.work_on) for kind, limit in limits.items()}
        self.loop: asyncio.AbstractEventLoop | None = None

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
                self._fail(index, error, {})
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
                        self._fail(index, error, {})

    def _close(self) -> None:
        with self.lock:
            for lane in self.lanes.values():
                lane.close()
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.loop.stop)

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

    # --- workers ------------------------------------------------------------------------------------------------

    def work_on(self, index: int) -> None:
        """Run one step; called by a lane's thread, without the lock."""
        step = self.steps[index]
        kwargs: dict[str, Any] = {}
        try:
            if not self._gather(step, kwargs):
                return  # an input must be computed again first
            outputs = named_outputs(step, self._call(step, kwargs))
            self.values.check_unchanged(step)
            with self.lock:
                begun = self.started.pop(index, None)
            if begun is None:
                return  # past its deadline: nobody waits any more
            seconds = time.perf_counter() - begun
            self._keep(step, outputs, seconds, loading_seconds(kwargs.get("ctx")))
        except _Asked as asked:
            self._put_aside(step, asked.indices)
            return
        except BaseException as error:  # also SystemExit and the like: they end the node, not the worker
            with self.lock:
                if self.states[index] == RUNNING:
                    self._fail(index, error, kwargs)
            return
        with self.lock:
            self.values.put(index, outputs)
            self.seconds[index] = seconds
            self.emitter.emit(NodeFinished, self.prefix + step.id, False, seconds)
            self.schedule.finish(index)

    def _call(self, step: Step, kwargs: dict[str, Any]) -> Any:
        """Call the function, where and when its kind may be called."""
        if step.op.wants_context:
            kwargs["ctx"] = RunContext(self, step)
        holder = (self.id, step.index) if step.op.device else None
        if holder:
            self.executor.device_gate.enter(holder)
        try:
            if self.cancel.is_set():
                raise Cancelled
            self.started[step.index] = time.perf_counter()
            if step.index not in self.schedule.asked:  # otherwise it goes on
                self.emitter.emit(NodeStarted, self.prefix + step.id, step.op.id)
            return self._await(step, kwargs) if step.op.is_async else step.op.function(**kwargs)
        finally:
            if holder:
                self.executor.device_gate.leave(holder)

    def _await(self, step: Step, kwargs: dict[str, Any]) -> Any:
        """Run an `async` node on the event loop; it is cancelled when the run is, or when it is past its deadline."""
        import asyncio
        import concurrent.futures

        future = asyncio.run_coroutine_threadsafe(step.op.function(**kwargs), self._event_loop())
        while not concurrent.futures.wait([future], timeout=0.05).done:
            if self.cancel.is_set() or self.states[step.index] != RUNNING:
                future.cancel()
                raise Cancelled
        return future.result()

    def _keep(self, step: Step, outputs: Outputs, seconds: float, loading: float) -> None:
        persist = step.index in self.targets or step.op.effects
        for lifecycle in self.lifecycles:
            lifecycle.after(step, outputs, seconds, False)
        if step.op.cacheable:
            self.executor.results.put(step.key, outputs, seconds + loading, persist)

    def _fail(self, index: int, error: BaseException, kwargs: Mapping[str, Any]) -> None:
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

    # --- inputs ---------------------------------------------------------------------------------------------------

    def _gather(self, step: Step, kwargs: dict[str, Any]) -> bool:
        """Put a step's inputs into `kwargs`; False if a stored one cannot be read and is demanded anew."""
        for port, literal in step.values.items():
            kwargs[port] = private(literal) if port not in step.op.lazy else _constant(literal)
        dynamic: dict[str, Any] | None = {} if step.body is not None else None
        known = step.op.inputs
        for port, source in step.inputs.items():
            if port in step.op.lazy:
                kwargs[port] = self._thunk(step, source)
                continue
            lost: list[int] = []
            value = self.values.fetch(source, lost)
            if lost:
                self._again(step, lost)
                return False
            if dynamic is not None and port not in known:
                dynamic[port] = Carried(self.values.key_of(source), value)
            else:
                kwargs[port] = private(step.op.inputs[port].received(value))
        if dynamic is not None:
            for port in [p for p in kwargs if p not in known]:
                dynamic[port] = Carried.of(kwargs.pop(port))
            kwargs["inputs"] = dynamic
        return True

    def _again(self, step: Step, lost: list[int]) -> None:
        """Have values that should have been there computed again, and the step wait for them."""
        with self.lock:
            if self.states[step.index] == RUNNING:
                self._forget_all(lost)
                self.schedule.wait_for(step.index, lost)

    def _forget_all(self, lost: list[int]) -> None:
        for index in lost:
            if self.states[index] in (DONE, CACHED):
                self._forget(index)

    def _put_aside(self, step: Step, indices: list[int]) -> None:
        """A body has asked for a lazy input that is not there yet."""
        with self.lock:
            if self.states[step.index] == RUNNING:
                self.started.pop(step.index, None)
                self.schedule.put_aside(step.index, indices)

    def _thunk(self, step: Step, source: Source) -> Callable[[], Any]:
        """What a lazy input is given as: a function that gives the value, or leaves the body until it is there."""
        indices = list(dict.fromkeys(r.step for r in refs(source)))

        def value() -> Any:
            if not all(self.schedule.has(step.index, i) for i in indices):
                raise _Asked(indices)
            lost: list[int] = []
            result = private(self.values.fetch(source, lost))
            if lost:
                with self.lock:
                    self._forget_all(lost)
                raise _Asked(indices)
            return result

        return value

    def warn(self, node: str, message: str) -> None:
        self.warnings.append((node, message))
        self.emitter.emit(NodeWarning, self.prefix + node, message)

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        import asyncio

        with self.lock:
            if self.loop is None:
                loop = self.loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=(loop,), name="nodeflow-async", daemon=True).start()
            return self.loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
    finally:
        loop.close()


class _Asked(BaseException):
    """Leaves a body that has asked for a lazy input; no `except Exception` in a node may keep it."""

    def __init__(self, indices: list[int]) -> None:
        self.indices = indices


def _constant(value: Any) -> Callable[[], Any]:
    """A written value at a lazy input, as the function that lazy inputs are."""
    return lambda: private(value)


def named_outputs(step: Step, result: Any) -> Outputs:
    """A function's result as outputs by name, checked against the declared types.

    Raises:
        NodeError: if it is not what the node declares.
    """
    if step.body is not None:
        if not isinstance(result, dict):
            raise NodeError(f"expected a dict of outputs by name, got {describe(result)}")
        return {name: item.value if isinstance(item, Carried) else item for name, item in result.items()}
    ports = step.op.outputs
    if step.op.returns_tuple:
        if not isinstance(result, tuple) or len(result) != len(ports):
            raise NodeError(f"it returned {describe(result)}, but declares the outputs {', '.join(ports)}")
        outputs = dict(zip(ports, result, strict=True))
    elif ports:
        (name,) = ports
        outputs = {name: result}
    else:
        return {}
    for name, port in ports.items():
        if problem := misfit(outputs[name], port.type):
            raise NodeError(f"its output {name!r} does not fit its declaration: {problem}")
    return outputs
