"""Running a plan.

`Executor.run` calls each step's function when its last input is there. The policy:

- A step is *demanded* when something wanted needs it. A demanded step whose key has a stored result is finished at
  once, and what it needs is not demanded: so a cached run reaches back no further than it must.
- A ready step goes to its *lane*: one thread for the accelerator, a few for CPU and file work, some that only wait for
  nodes that run sub-workflows, some that wait for the event loop on which `async` nodes run.
- A lazy input is handed over as a function. If the body calls it before the value is there, the body is left, the
  value is demanded, and the body is called again from its beginning when it is there: no thread waits for another.
- A worker that finishes a step takes the next from its own lane without a hand-over. The coordinator (the caller's
  thread) wakes further workers where steps wait, watches deadlines, and waits for the end.
- A value is dropped at its last consumer. What the cache keeps, it keeps.
- A stored result that turns out bad when it is read is a miss: the step is demanded again. So is a value that a
  consumer has changed in place; that consumer fails, and no other is given the changed value.
- When a step fails, what depends on it is blocked and everything else goes on (unless `fail_fast`).
- A step past its deadline fails. Its thread cannot be stopped; it is left behind and another takes its place.

State of step i: `PENDING → WAITING → READY → RUNNING → DONE | FAILED | CANCELLED`, or `PENDING → CACHED`, or `BLOCKED`.
`waiting[i]` counts unfinished needs; `users[i]` counts demanded consumers that are not final yet. What a lazy input may
still ask for is held until no demanded step with lazy inputs is left.
The executor knows no CLI, server, file name or tensor library.
"""

from __future__ import annotations

import inspect
import threading
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nodeflow.context import Carried, RunContext, loading_seconds
from nodeflow.errors import Cancelled, DeadlineExceeded, NodeError, NodeflowError
from nodeflow.events import (
    Emitter,
    Event,
    NodeBlocked,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    NodeWarning,
    RunFinished,
    RunStarted,
)
from nodeflow.keys import Const, External, Ref, Source
from nodeflow.mutation import Trace, private, trace, unchanged
from nodeflow.planner import Plan, Planner, Step, refs
from nodeflow.ports import describe, misfit
from nodeflow.weights import WeightsPool

if TYPE_CHECKING:
    import asyncio

PENDING, WAITING, READY, RUNNING, DONE, CACHED, FAILED, BLOCKED, CANCELLED = range(9)
STATES = ("pending", "waiting", "ready", "running", "computed", "cached", "failed", "blocked", "cancelled")
FINAL = (DONE, CACHED, FAILED, BLOCKED, CANCELLED)

Outputs = dict[str, Any]


class Results(Protocol):
    """Where results are kept under their keys: the cache, as far as the executor knows it."""

    def lookup(self, keys: Iterable[str]) -> set[str]: ...

    def get(self, key: str) -> Outputs | None: ...

    def put(self, key: str, outputs: Outputs, cost_s: float, persist: bool) -> None: ...


class NoResults:
    """Keeps nothing."""

    def lookup(self, keys: Iterable[str]) -> set[str]:
        return set()

    def get(self, key: str) -> Outputs | None:
        return None

    def put(self, key: str, outputs: Outputs, cost_s: float, persist: bool) -> None:
        pass


class Cancel(Protocol):
    """Says whether a run should stop; a `threading.Event` does."""

    def is_set(self) -> bool: ...


class Lifecycle(Protocol):
    """Something that surrounds the execution of nodes: recording, publishing of files, timing, ..."""

    def after(self, step: Step, outputs: Outputs, seconds: float, cached: bool) -> None: ...

    def failed(self, step: Step, failure: NodeFailure) -> None: ...


@dataclass(frozen=True)
class NodeFailure:
    """Why a node failed: in words, with what it was given and where in the code."""

    node: str
    op: str
    message: str
    inputs: dict[str, str]
    traceback: str = ""
    expected: bool = False

    def __str__(self) -> str:
        given = "\n".join(f"    {name}: {text}" for name, text in self.inputs.items())
        return f"{self.node} ({self.op}): {self.message}" + (f"\n  its inputs were\n{given}" if given else "")


@dataclass
class Outcome:
    """What came of a run. states: by step index. values: outputs of the target steps. seconds: by step index."""

    run: str
    plan: Plan
    state: str
    states: list[int]
    values: dict[int, Outputs]
    seconds: dict[int, float]
    failures: list[NodeFailure]
    warnings: list[tuple[str, str]] = field(default_factory=list)
    elapsed: float = 0.0
    externals: Mapping[str, Any] = field(default_factory=dict)

    def count(self, *states: int) -> int:
        return sum(self.states.count(s) for s in states)

    def output(self, source: Source) -> Any:
        """The value of one of the plan's outputs; `KeyError` if it was not computed."""
        if isinstance(source, Ref):
            return self.values[source.step][source.port]
        if isinstance(source, list):
            return [self.output(s) for s in source]
        return source.value if isinstance(source, Const) else self.externals[source.name]


class DeviceGate:
    """Lets one node at a time use the accelerator. The place of a node that hangs can be taken away from it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: object = None

    def enter(self, holder: object) -> None:
        with self._changed:
            while self._holder is not None:
                self._changed.wait()
            self._holder = holder

    def leave(self, holder: object) -> None:
        """Free the place if `holder` still has it."""
        with self._changed:
            if self._holder == holder:
                self._holder = None
                self._changed.notify()


class _Stop:
    """Whether a run is to stop: because its caller says so, or because it has stopped itself."""

    def __init__(self, outer: Cancel | None) -> None:
        self._outer = outer
        self._set = False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set or (self._outer is not None and self._outer.is_set())


@dataclass
class Executor:
    """Runs plans with one cache, one weights pool and one device; may run several at a time.

    deadline: seconds a node may take; 0: no limit. workers: threads for CPU and file work.
    """

    planner: Planner
    results: Results = field(default_factory=NoResults)
    weights: WeightsPool = field(default_factory=WeightsPool)
    artefacts: Any = None
    device: str = "cpu"
    deadline: float = 0.0
    workers: int = 4
    device_gate: DeviceGate = field(default_factory=DeviceGate, repr=False)

    def run(
        self,
        plan: Plan,
        *,
        on_event: Callable[[Event], None] | None = None,
        lifecycles: Iterable[Lifecycle] = (),
        externals: Mapping[str, Any] | None = None,
        cancel: Cancel | None = None,
        fail_fast: bool = False,
        emitter: Emitter | None = None,
        prefix: str = "",
        run_id: str = "",
    ) -> Outcome:
        """Run a plan to its end, in this thread and a few of its own.

        Args:
            on_event: called with each event, from whatever thread it happens in, never two at a time.
            externals: values of the declared inputs that the plan was made with keys for.
            cancel: set it to stop the run at the next step, token or node.
        """
        run = _Run(self, plan, emitter or Emitter(on_event), tuple(lifecycles), dict(externals or {}), prefix)
        run.id = run_id or run.id
        run.cancel = _Stop(cancel)
        run.fail_fast = fail_fast
        return run.execute()


class _Run:
    """One run: the state of its steps and the threads that work on them."""

    def __init__(
        self,
        executor: Executor,
        plan: Plan,
        emitter: Emitter,
        lifecycles: tuple[Lifecycle, ...],
        externals: dict[str, Any],
        prefix: str,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.executor = executor
        self.plan = plan
        self.steps = plan.steps
        self.emitter = emitter
        self.lifecycles = lifecycles
        self.externals = externals
        self.prefix = prefix
        self.cancel = _Stop(None)
        self.fail_fast = False
        count = len(self.steps)
        self.states = [PENDING] * count
        self.waiting = [0] * count
        self.users = [0] * count
        self.consumers: list[list[int]] = [[] for _ in range(count)]
        self.values: dict[int, Outputs] = {}
        self.traces: dict[int, Trace] = {}
        self.external_traces = {name: trace(value) for name, value in externals.items()}
        self.asked: dict[int, set[int]] = {}  # what steps have asked for by lazy inputs
        self.lazy_open = 0  # demanded steps with lazy inputs that are not final yet
        self.held = _reachable_lazily(self.steps)
        self.seconds: dict[int, float] = {}
        self.started: dict[int, float] = {}
        self.failures: list[NodeFailure] = []
        self.warnings: list[tuple[str, str]] = []
        self.causes: dict[int, int] = {}  # of blocked steps: which failed
        self.stored: set[str] = set()
        self.targets = set(plan.targets)
        self.open = 0  # demanded steps that are not final yet
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.lanes = {
            "cpu": _Lane(self, max(1, executor.workers)),
            "device": _Lane(self, 1),
            "control": _Lane(self, 16),
            "async": _Lane(self, 64),
        }
        self.loop: asyncio.AbstractEventLoop | None = None

    # --- the coordinator ---------------------------------------------------------------------------------------

    def execute(self) -> Outcome:
        begun = time.perf_counter()
        self.stored = self.executor.results.lookup([s.key for s in self.steps])
        if not self.prefix:
            self.emitter.emit(RunStarted, self.id, len(self.steps), len(self.stored))
        try:
            with self.lock:
                for index in self.plan.targets:
                    self.users[index] += 1  # targets' values are kept for the caller
                self._demand(self.plan.targets)
            while True:
                self._supervise()
                if not (bad := self._unreadable_targets()):
                    break
                with self.lock:
                    for index in bad:
                        self._forget(index)
                    self._demand(bad)
            self._tell_of_cached_targets()
        except BaseException:
            self.cancel.set()  # what is running stops at its next step
            raise
        finally:
            self._close()
        elapsed = time.perf_counter() - begun
        finished = all(self.states[index] in (DONE, CACHED) for index in self.plan.targets)
        state = "failed" if self.failures else "completed" if finished else "cancelled"
        if self.emitter.error:
            self.warnings.append(("", f"nobody was told the rest of the events: {self.emitter.error}"))
        outcome = Outcome(
            self.id,
            self.plan,
            state,
            self.states,
            {i: self.values[i] for i in self.plan.targets if i in self.values},
            self.seconds,
            self.failures,
            self.warnings,
            elapsed,
            self.externals,
        )
        if not self.prefix:
            self.emitter.emit(RunFinished, self.id, state, elapsed)
        return outcome

    def _supervise(self) -> None:
        """Wait until every demanded step is final: wake workers where steps wait, end what is past its deadline."""
        tick = 0.001
        with self.lock:
            while self.open:
                if self.cancel.is_set():
                    self._cancel_waiting()
                    if not self.open:
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
        for index, state in enumerate(self.states):
            if state in (WAITING, READY):
                self._settle(index, CANCELLED)

    def _unreadable_targets(self) -> list[int]:
        """Loads targets that were found in the cache; those that cannot be read are returned."""
        bad = []
        for index in dict.fromkeys(self.plan.targets):
            if self.states[index] == CACHED and index not in self.values:
                outputs = self._load(index)
                if outputs is None:
                    bad.append(index)
                else:
                    self.values[index] = outputs
        return bad

    def _tell_of_cached_targets(self) -> None:
        for index in dict.fromkeys(self.plan.targets):
            if self.states[index] == CACHED:
                try:
                    for lifecycle in self.lifecycles:
                        lifecycle.after(self.steps[index], self.values[index], 0.0, True)
                except Exception as error:
                    with self.lock:
                        self.states[index] = RUNNING
                        self.open += 1
                        self._fail(index, error, {})

    def _close(self) -> None:
        with self.lock:
            for lane in self.lanes.values():
                lane.close()
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.loop.stop)

    # --- demand (the lock is held) -----------------------------------------------------------------------------

    def _demand(self, indices: Iterable[int]) -> None:
        todo = list(indices)
        while todo:
            index = todo.pop()
            if self.states[index] != PENDING:
                continue
            step = self.steps[index]
            if step.key in self.stored:
                self.states[index] = CACHED
                self.emitter.emit(NodeFinished, self.prefix + step.id, True, 0.0)
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
                self._settle(index, BLOCKED, lost)
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

    def _forget(self, index: int) -> None:
        """A result that was there cannot be used after all; the lock is held."""
        step = self.steps[index]
        self.stored.discard(step.key)
        self.values.pop(index, None)
        self.traces.pop(index, None)
        self.consumers[index] = []
        if self.states[index] == CACHED:
            self.warn(step.id, "its stored result could not be read; it is computed again")
        self.states[index] = PENDING

    def _ready(self, index: int) -> None:
        self.states[index] = READY
        self._lane(self.steps[index]).put(index)

    def _lane(self, step: Step) -> _Lane:
        if step.body is not None:
            return self.lanes["control"]
        if step.op.is_async:
            return self.lanes["async"]
        return self.lanes["device" if step.op.device else "cpu"]

    def _settle(self, index: int, state: int, cause: int | None = None) -> None:
        """A step is final and has no result; what waits for it is not going to run either."""
        cause = index if cause is None else self.causes.get(cause, cause)
        todo = [(index, state)]
        while todo:
            current, state = todo.pop()
            was = self.states[current]
            if was in FINAL:
                continue
            self.states[current] = state
            if state == BLOCKED:
                self.causes[current] = cause
                self.emitter.emit(NodeBlocked, self.prefix + self.steps[current].id, self.prefix + self.steps[cause].id)
            self._release(current)
            follow = CANCELLED if state == CANCELLED else BLOCKED
            todo += [(consumer, follow) for consumer in self.consumers[current]]

    def _release(self, index: int) -> None:
        """A demanded step is final: let go of what it needed."""
        step = self.steps[index]
        self.started.pop(index, None)
        self.open -= 1
        for need in (*step.needs, *self.asked.pop(index, ())):
            self.users[need] -= 1
            self._drop(need)
        if step.on_demand:
            self.lazy_open -= 1
            if not self.lazy_open:
                for other in list(self.values):
                    self._drop(other)
        if not self.open:
            self.changed.notify_all()

    def _drop(self, index: int) -> None:
        """Forget a value that nobody needs any more."""
        if self.users[index] <= 0 and not (self.lazy_open and self.held[index]):
            self.values.pop(index, None)
            self.traces.pop(index, None)

    # --- workers ------------------------------------------------------------------------------------------------

    def work_on(self, index: int) -> None:
        """Run one step; called by a lane's thread, without the lock."""
        step = self.steps[index]
        kwargs: dict[str, Any] = {}
        try:
            if not self._gather(step, kwargs):
                return  # an input must be computed again first
            outputs = _named(step, self._call(step, kwargs))
            self._check_inputs(step)
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
            self.values[index] = outputs
            if traced := trace(outputs):
                self.traces[index] = traced
            self.seconds[index] = seconds
            self._finish(index, seconds)

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
            if step.index not in self.asked:  # otherwise it goes on
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

    def _check_inputs(self, step: Step) -> None:
        """Raise `NodeError` if an input is not what it was when it was handed over."""
        for port, source in step.inputs.items():
            for traced in self._traces_of(source):
                if not unchanged(traced):
                    raise NodeError(
                        f"its input {port!r} was changed in place while it ran; a node must copy what it writes into "
                        "(x = x.clone()), because others use the same value"
                    )

    def _traces_of(self, source: Source) -> list[Trace]:
        if type(source) is Ref:
            found = self.traces.get(source.step)
            return [found] if found else []
        if type(source) is External:
            return [self.external_traces[source.name]]
        return [t for s in source for t in self._traces_of(s)] if isinstance(source, list) else []

    def _finish(self, index: int, seconds: float) -> None:
        self.emitter.emit(NodeFinished, self.prefix + self.steps[index].id, False, seconds)
        self.states[index] = DONE
        for consumer in self.consumers[index]:
            self.waiting[consumer] -= 1
            if self.waiting[consumer] == 0 and self.states[consumer] == WAITING:
                self._ready(consumer)
        self._release(index)
        self._drop(index)

    def _keep(self, step: Step, outputs: Outputs, seconds: float, loading: float) -> None:
        persist = step.index in self.targets or step.op.effects
        for lifecycle in self.lifecycles:
            lifecycle.after(step, outputs, seconds, False)
        if step.op.cacheable:
            self.executor.results.put(step.key, outputs, seconds + loading, persist)

    def _fail(self, index: int, error: BaseException, kwargs: Mapping[str, Any]) -> None:
        step = self.steps[index]
        if isinstance(error, Cancelled) and self.cancel.is_set():
            self._settle(index, CANCELLED)
            return
        failure = _failure(self.prefix, step, error, kwargs)
        self.failures.append(failure)
        self.emitter.emit(NodeFailed, failure.node, failure.message)
        for lifecycle in self.lifecycles:
            try:
                lifecycle.failed(step, failure)
            except Exception as problem:
                self.warn(step.id, f"{type(lifecycle).__name__} was not told of its failure: {_words(problem)}")
        self._settle(index, FAILED)
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
            value = self._fetch(source, lost)
            if lost:
                self._again(step, lost)
                return False
            if dynamic is not None and port not in known:
                dynamic[port] = Carried(self.plan_key(source), value)
            else:
                kwargs[port] = private(value)
        if dynamic is not None:
            for port in [p for p in kwargs if p not in known]:
                dynamic[port] = Carried.of(kwargs.pop(port))
            kwargs["inputs"] = dynamic
        return True

    def plan_key(self, source: Source) -> str:
        return self.plan.external_keys[source.name] if isinstance(source, External) else self.plan.key_of(source)

    def _fetch(self, source: Source, lost: list[int]) -> Any:
        if type(source) is Ref:
            outputs = self.values.get(source.step)
            if outputs is None or not unchanged(self.traces.get(source.step, [])):
                outputs = self._load(source.step)
                if outputs is None:
                    lost.append(source.step)
                    return None
                traced = trace(outputs)
                with self.lock:
                    self.values[source.step] = outputs
                    self.traces[source.step] = traced
            if source.port not in outputs:
                raise NodeError(f"{self.steps[source.step].id} gave no output {source.port!r}")
            return outputs[source.port]
        if type(source) is Const:
            return source.value
        if type(source) is External:
            if not unchanged(self.external_traces[source.name]):
                raise NodeError(f"the value given for {source.name!r} was changed in place by another node")
            return self.externals[source.name]
        assert isinstance(source, list)
        return [self._fetch(s, lost) for s in source]

    def _load(self, index: int) -> Outputs | None:
        outputs = self.executor.results.get(self.steps[index].key)
        ports = self.steps[index].op.outputs
        if outputs is not None and self.steps[index].body is None and outputs.keys() != ports.keys():
            return None
        return outputs

    def _again(self, step: Step, lost: list[int]) -> None:
        """Have values that should have been there computed again, and the step wait for them."""
        with self.lock:
            if self.states[step.index] != RUNNING:
                return
            for index in lost:
                if self.states[index] in (DONE, CACHED):
                    self._forget(index)
            self._wait_for(step, lost)

    def _put_aside(self, step: Step, indices: list[int]) -> None:
        """A body has asked for a lazy input that is not there yet."""
        with self.lock:
            if self.states[step.index] != RUNNING:
                return
            self.started.pop(step.index, None)
            asked = self.asked.setdefault(step.index, set())
            for index in indices:
                if index not in asked:
                    asked.add(index)
                    self.users[index] += 1
            self._wait_for(step, indices)

    def _wait_for(self, step: Step, indices: list[int]) -> None:
        self.states[step.index] = WAITING
        self.waiting[step.index] = 1  # so that it does not become ready before all are counted
        self._demand(indices)
        for index in dict.fromkeys(indices):
            state = self.states[index]
            if state in (FAILED, BLOCKED, CANCELLED):
                self._settle(step.index, CANCELLED if state == CANCELLED else BLOCKED, index)
                return
            if state not in (DONE, CACHED):
                self.consumers[index].append(step.index)
                self.waiting[step.index] += 1
        self.waiting[step.index] -= 1
        if self.waiting[step.index] == 0:
            self._ready(step.index)

    def _thunk(self, step: Step, source: Source) -> Callable[[], Any]:
        """What a lazy input is given as: a function that gives the value, or leaves the body until it is there."""
        indices = list(dict.fromkeys(r.step for r in refs(source)))

        def value() -> Any:
            asked = self.asked.get(step.index, set())
            if not all(i in asked and self.states[i] in (DONE, CACHED) for i in indices):
                raise _Asked(indices)
            lost: list[int] = []
            result = private(self._fetch(source, lost))
            if lost:
                with self.lock:
                    for index in lost:
                        if self.states[index] in (DONE, CACHED):
                            self._forget(index)
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


class _Lane:
    """Ready steps of one kind and the threads that run them. Called with the run's lock held, except `_serve`."""

    def __init__(self, run: _Run, limit: int) -> None:
        self.run = run
        self.limit = limit
        self.ready: deque[int] = deque()
        self.threads = 0
        self.idle = 0
        self.closed = False
        self.abandoned: set[int] = set()
        self.wake = threading.Condition(run.lock)

    def put(self, index: int) -> None:
        self.ready.append(index)
        if self.threads == 0:
            self._start()
        elif self.idle == self.threads:
            self.wake.notify()

    def grow(self) -> bool:
        """Have one more worker take from a queue that has been waiting for a tick; whether one was found."""
        if not self.ready:
            return False
        if self.idle:
            self.wake.notify()
        elif self.threads < self.limit:
            self._start()
        else:
            return False
        return True

    def abandon(self, index: int) -> None:
        """Give up on the thread that works on a step; it ends when it comes back, another may take its place."""
        self.abandoned.add(index)
        self.threads -= 1

    def close(self) -> None:
        self.closed = True
        self.ready.clear()
        self.wake.notify_all()

    def _start(self) -> None:
        self.threads += 1
        threading.Thread(target=self._serve, name="nodeflow-worker", daemon=True).start()

    def _serve(self) -> None:
        run = self.run
        while True:
            with run.lock:
                while not self.ready and not self.closed:
                    self.idle += 1
                    self.wake.wait()
                    self.idle -= 1
                if self.closed:
                    self.threads -= 1
                    return
                index = self.ready.popleft()
                run.states[index] = RUNNING
            run.work_on(index)
            with run.lock:
                if index in self.abandoned:
                    self.abandoned.discard(index)
                    return


def _named(step: Step, result: Any) -> Outputs:
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


def _failure(prefix: str, step: Step, error: BaseException, kwargs: Mapping[str, Any]) -> NodeFailure:
    expected = isinstance(error, NodeflowError)
    message = str(error) or type(error).__name__ if expected else _words(error)
    given = {k: describe(v) for k, v in kwargs.items() if k not in ("ctx", "inputs") and not inspect.isfunction(v)}
    text = "" if expected else "".join(traceback.format_exception(error))
    return NodeFailure(prefix + step.id, step.op.id, message, given, text, expected)


def _words(error: BaseException) -> str:
    """An exception in words; some cannot even be printed."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return f"{type(error).__name__} (it cannot be printed)"
