"""Running a plan.

`Executor.run` calls each step's function when its last input is there. The policy:

- A step is *demanded* when something wanted needs it. A demanded step whose key has a stored result is finished at
  once, and what it needs is not demanded: so a cached run reaches back no further than it must.
- A ready step goes to its *lane*: one thread for the accelerator, a few for CPU and file work, a thread of its own for
  nodes that run sub-workflows or ask for inputs lazily, the event loop for `async` nodes.
- A worker that finishes a step takes the next from its own lane without a hand-over. The coordinator (the caller's
  thread) wakes further workers where steps wait, watches deadlines, and waits for the end.
- A value is dropped at its last consumer. What the cache keeps, it keeps.
- A stored result that turns out bad when it is read is a miss: the step is demanded again.
- When a step fails, what depends on it is blocked and everything else goes on (unless `fail_fast`).

State of step i: `PENDING → WAITING → READY → RUNNING → DONE | FAILED | CANCELLED`, or `PENDING → CACHED`, or `BLOCKED`.
`waiting[i]` counts unfinished needs; `users[i]` counts consumers that have not fetched yet.
The executor knows no CLI, server, file name or tensor library.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from nodeflow.context import Carried, RunContext
from nodeflow.errors import Cancelled, DeadlineExceeded, NodeError
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
from nodeflow.planner import Plan, Planner, Step, refs
from nodeflow.ports import describe, misfit
from nodeflow.weights import WeightsPool

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

    def count(self, *states: int) -> int:
        return sum(self.states.count(s) for s in states)

    def output(self, source: Source) -> Any:
        """The value of one of the plan's outputs; `KeyError` if it was not computed."""
        if isinstance(source, Ref):
            return self.values[source.step][source.port]
        if isinstance(source, list):
            return [self.output(s) for s in source]
        if isinstance(source, Const):
            return source.value
        raise KeyError(source)


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
    device_lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def run(
        self,
        plan: Plan,
        *,
        on_event: Callable[[Event], None] | None = None,
        lifecycles: Iterable[Lifecycle] = (),
        externals: Mapping[str, Any] | None = None,
        cancel: threading.Event | None = None,
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
        run.cancel = cancel or threading.Event()
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
        self.cancel = threading.Event()
        self.fail_fast = False
        count = len(self.steps)
        self.states = [PENDING] * count
        self.waiting = [0] * count
        self.users = [0] * count
        self.consumers: list[list[int]] = [[] for _ in range(count)]
        self.values: dict[int, Outputs] = {}
        self.seconds: dict[int, float] = {}
        self.started: dict[int, float] = {}
        self.failures: list[NodeFailure] = []
        self.warnings: list[tuple[str, str]] = []
        self.stored: set[str] = set()
        self.targets = set(plan.targets)
        self.open = 0  # demanded steps that are not final yet
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.lanes = {
            "cpu": _Lane(self, max(1, executor.workers)),
            "device": _Lane(self, 1),
            "control": _Lane(self, 1_000),
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
                self._demand(self.plan.targets)
                for index in self.plan.targets:
                    self.users[index] += 1  # targets' values are kept for the caller
            while True:
                self._supervise()
                if not (bad := self._unreadable_targets()):
                    break
                with self.lock:
                    for index in bad:
                        self._forget(index)
                    self._demand(bad)
        finally:
            self._close()
        elapsed = time.perf_counter() - begun
        state = "failed" if self.failures else "cancelled" if self.cancel.is_set() else "completed"
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

    def _cancel_waiting(self) -> None:
        for lane in self.lanes.values():
            lane.ready.clear()
        for index, state in enumerate(self.states):
            if state in (WAITING, READY):
                self._settle(index, CANCELLED)

    def _unreadable_targets(self) -> list[int]:
        """Loads targets that were found in the cache; those that cannot be read are returned."""
        bad = []
        for index in self.plan.targets:
            if self.states[index] == CACHED and index not in self.values:
                outputs = self._load(index)
                if outputs is None:
                    bad.append(index)
                else:
                    self.values[index] = outputs
        for index in set(self.plan.targets) - set(bad):
            if self.states[index] == CACHED:
                for lifecycle in self.lifecycles:
                    lifecycle.after(self.steps[index], self.values[index], 0.0, True)
        return bad

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
            missing = 0
            for need in step.needs:
                self.users[need] += 1
                state = self.states[need]
                if state == PENDING:
                    if self.steps[need].key in self.stored:
                        todo.append(need)
                        continue
                    todo.append(need)
                elif state in (DONE, CACHED):
                    continue
                elif state in (FAILED, BLOCKED, CANCELLED):
                    missing = -1
                    break
                self.consumers[need].append(index)
                missing += 1
            if missing < 0:
                self._settle(index, BLOCKED)
                continue
            self.waiting[index] = missing
            if missing == 0:
                self._ready(index)

    def _forget(self, index: int) -> None:
        """A stored result cannot be read after all."""
        self.stored.discard(self.steps[index].key)
        self.states[index] = PENDING

    def _ready(self, index: int) -> None:
        self.states[index] = READY
        step = self.steps[index]
        lane = "control" if step.body is not None or step.op.lazy else "device" if step.op.device else "cpu"
        self.lanes[lane].put(index)

    def _settle(self, index: int, state: int) -> None:
        """A step is final; if it has no result, what waits for it is not going to run either."""
        todo = [(index, state)]
        while todo:
            current, state = todo.pop()
            was = self.states[current]
            if was in FINAL:
                continue
            self.states[current] = state
            if was != PENDING:
                self.open -= 1
            self.started.pop(current, None)
            if state == BLOCKED:
                self.emitter.emit(NodeBlocked, self.prefix + self.steps[current].id, self.prefix + self.steps[index].id)
            if state in (FAILED, BLOCKED, CANCELLED):
                follow = CANCELLED if state == CANCELLED else BLOCKED
                todo += [(consumer, follow) for consumer in self.consumers[current]]
        if not self.open:
            self.changed.notify_all()

    # --- workers ------------------------------------------------------------------------------------------------

    def work_on(self, index: int, lane: _Lane) -> None:
        """Run one step; called by a lane's thread, without the lock."""
        step = self.steps[index]
        kwargs: dict[str, Any] = {}
        try:
            if not self._gather(step, kwargs):
                return  # an input must be computed again first
            if self.cancel.is_set():
                raise Cancelled
            self.started[index] = begun = time.perf_counter()
            self.emitter.emit(NodeStarted, self.prefix + step.id, step.op.id)
            if step.op.wants_context:
                kwargs["ctx"] = RunContext(self, step)
            if step.op.is_async:
                result = asyncio.run_coroutine_threadsafe(step.op.function(**kwargs), self._event_loop()).result()
            elif step.op.device:
                with self.executor.device_lock:
                    result = step.op.function(**kwargs)
            else:
                result = step.op.function(**kwargs)
            outputs = _named(step, result)
            seconds = time.perf_counter() - begun
            self._keep(step, outputs, seconds)
        except BaseException as error:
            with self.lock:
                if self.states[index] == RUNNING:
                    self._fail(index, error, kwargs)
            if not isinstance(error, Exception):
                raise
            return
        with self.lock:
            if self.states[index] != RUNNING:
                return  # past its deadline: nobody waits any more
            self.values[index] = outputs
            self.seconds[index] = seconds
            self._finish(index, seconds)

    def _finish(self, index: int, seconds: float) -> None:
        self.emitter.emit(NodeFinished, self.prefix + self.steps[index].id, False, seconds)
        self.states[index] = DONE
        self.started.pop(index, None)
        self.open -= 1
        for consumer in self.consumers[index]:
            self.waiting[consumer] -= 1
            if self.waiting[consumer] == 0 and self.states[consumer] == WAITING:
                self._ready(consumer)
        for need in self.steps[index].needs:
            self.users[need] -= 1
            if self.users[need] <= 0:
                self.values.pop(need, None)
        if self.users[index] <= 0:
            self.values.pop(index, None)
        if not self.open:
            self.changed.notify_all()

    def _keep(self, step: Step, outputs: Outputs, seconds: float) -> None:
        persist = step.index in self.targets or step.op.effects
        for lifecycle in self.lifecycles:
            lifecycle.after(step, outputs, seconds, False)
        if step.op.cacheable:
            self.executor.results.put(step.key, outputs, seconds, persist)

    def _fail(self, index: int, error: BaseException, kwargs: Mapping[str, Any]) -> None:
        step = self.steps[index]
        if isinstance(error, Cancelled) and self.cancel.is_set():
            self._settle(index, CANCELLED)
            return
        failure = _failure(self.prefix, step, error, kwargs)
        self.failures.append(failure)
        self.emitter.emit(NodeFailed, failure.node, failure.message)
        for lifecycle in self.lifecycles:
            lifecycle.failed(step, failure)
        self._settle(index, FAILED)
        if self.fail_fast:
            self.cancel.set()

    # --- inputs ---------------------------------------------------------------------------------------------------

    def _gather(self, step: Step, kwargs: dict[str, Any]) -> bool:
        """Put a step's inputs into `kwargs`; False if a stored one cannot be read and is demanded anew."""
        kwargs.update(step.values)
        dynamic: dict[str, Any] | None = {} if step.body is not None else None
        known = step.op.inputs
        for port, source in step.inputs.items():
            if port in step.op.lazy:
                kwargs[port] = self._thunk(source)
                continue
            lost: list[int] = []
            value = self._fetch(source, lost)
            if lost:
                self._again(step, lost)
                return False
            if dynamic is not None and port not in known:
                dynamic[port] = Carried(self.plan_key(source), value)
            else:
                kwargs[port] = value
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
            if outputs is None:
                outputs = self._load(source.step)
                if outputs is None:
                    lost.append(source.step)
                    return None
                self.values[source.step] = outputs
            return outputs[source.port]
        if type(source) is Const:
            return source.value
        if type(source) is External:
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
        with self.lock:
            self.states[step.index] = WAITING
            for index in lost:
                if self.states[index] == CACHED:
                    self._forget(index)
                    self.warn(self.steps[index].id, "its stored result could not be read; it is computed again")
                self._demand([index])
                if self.states[index] in FINAL and self.states[index] not in (DONE, CACHED):
                    self._settle(step.index, BLOCKED)
                    return
                if self.states[index] not in (DONE, CACHED):
                    self.consumers[index].append(step.index)
                    self.waiting[step.index] += 1
            if self.waiting[step.index] == 0:
                self._ready(step.index)

    def _thunk(self, source: Source) -> Callable[[], Any]:
        """What a lazy input is given as: a function that has the value computed, and waits for it."""

        def value() -> Any:
            indices = [r.step for r in refs(source)]
            while True:
                with self.lock:
                    for index in indices:
                        if self.states[index] == PENDING:
                            self.users[index] += 1
                            self._demand([index])
                    self.changed.notify_all()
                while any(self.states[i] not in FINAL for i in indices):
                    if self.cancel.is_set():
                        raise Cancelled
                    time.sleep(0.001)
                for index in indices:
                    if self.states[index] not in (DONE, CACHED):
                        raise NodeError(f"the input it asked for could not be computed ({self.steps[index].id})")
                lost: list[int] = []
                result = self._fetch(source, lost)
                if not lost:
                    return result
                with self.lock:
                    for index in lost:
                        self._forget(index)

        return value

    def warn(self, node: str, message: str) -> None:
        self.warnings.append((node, message))
        self.emitter.emit(NodeWarning, self.prefix + node, message)

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        with self.lock:
            if self.loop is None:
                loop = self.loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=(loop,), name="nodeflow-async", daemon=True).start()
            return self.loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


class _Lane:
    """Ready steps of one kind and the threads that run them. Called with the run's lock held, except `_serve`."""

    def __init__(self, run: _Run, limit: int) -> None:
        self.run = run
        self.limit = limit
        self.ready: deque[int] = deque()
        self.threads = 0
        self.idle = 0
        self.closed = False
        self.wake = threading.Condition(run.lock)

    def put(self, index: int) -> None:
        self.ready.append(index)
        if self.threads == 0 or (self.limit > 100 and self.idle == 0):
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
            run.work_on(index, self)


def _named(step: Step, result: Any) -> Outputs:
    """A function's result as outputs by name, checked against the declared types.

    Raises:
        NodeError: if it is not what the node declares.
    """
    if step.body is not None:
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
    expected = isinstance(error, (NodeError, DeadlineExceeded, Cancelled))
    name = type(error).__name__
    message = str(error) or name if expected else f"{name}: {error}"
    given = {k: describe(v) for k, v in kwargs.items() if k not in ("ctx", "inputs") and not inspect.isfunction(v)}
    text = "" if expected else "".join(traceback.format_exception(error))
    return NodeFailure(prefix + step.id, step.op.id, message, given, text, expected)
