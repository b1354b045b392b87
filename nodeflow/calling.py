"""Calling one step: its inputs gathered, its function called where its kind may be called, its result checked and kept.

- A lazy input is handed over as a function. If the body calls it before the value is there, the body is left, the
  value is demanded, and the body is called again from its beginning when it is there: no thread waits for another.
- A stored result that turns out bad when it is read is a miss: the step is demanded again. So is a value that a
  consumer has changed in place; that consumer fails, and no other is given the changed value.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nodeflow.context import Carried, RunContext, loading_seconds
from nodeflow.edges import describe, misfit
from nodeflow.errors import Cancelled, NodeError
from nodeflow.events import NodeFinished, NodeStarted
from nodeflow.keys import Source
from nodeflow.mutation import private
from nodeflow.outcome import RUNNING, Outputs
from nodeflow.steps import Step, refs

if TYPE_CHECKING:
    import asyncio

    from nodeflow.running import PlanRun


class Caller:
    """Calls the steps of one run, each in a thread of its lane."""

    def __init__(self, run: PlanRun) -> None:
        self.run = run
        self.loop: asyncio.AbstractEventLoop | None = None

    def close(self) -> None:
        """No `async` node is going to be called any more."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.loop.stop)

    def work_on(self, index: int) -> None:
        """Run one step; called by a lane's thread, without the lock."""
        run = self.run
        step = run.steps[index]
        kwargs: dict[str, Any] = {}
        try:
            if not self._gather(step, kwargs):
                return  # an input must be computed again first
            outputs = named_outputs(step, self._call(step, kwargs))
            run.values.check_unchanged(step)
            with run.lock:
                begun = run.started.pop(index, None)
            if begun is None:
                return  # past its deadline: nobody waits any more
            seconds = time.perf_counter() - begun
            self._keep(step, outputs, seconds, loading_seconds(kwargs.get("ctx")))
        except _Asked as asked:
            self._put_aside(step, asked.indices)
            return
        except BaseException as error:  # also SystemExit and the like: they end the node, not the worker
            with run.lock:
                if run.states[index] == RUNNING:
                    run.fail(index, error, kwargs)
            return
        with run.lock:
            run.values.put(index, outputs)
            run.seconds[index] = seconds
            run.emitter.emit(NodeFinished, run.prefix + step.id, False, seconds)
            run.schedule.finish(index)

    def _call(self, step: Step, kwargs: dict[str, Any]) -> Any:
        """Call the function, where and when its kind may be called."""
        run = self.run
        if step.op.wants_context:
            kwargs["ctx"] = RunContext(run, step)
        holder = (run.id, step.index) if step.op.device else None
        if holder:
            run.executor.device_gate.enter(holder)
        try:
            if run.cancel.is_set():
                raise Cancelled
            run.started[step.index] = time.perf_counter()
            if step.index not in run.schedule.asked:  # otherwise it goes on
                run.emitter.emit(NodeStarted, run.prefix + step.id, step.op.id)
            return self._await(step, kwargs) if step.op.is_async else step.op.function(**kwargs)
        finally:
            if holder:
                run.executor.device_gate.leave(holder)

    def _await(self, step: Step, kwargs: dict[str, Any]) -> Any:
        """Run an `async` node on the event loop; it is cancelled when the run is, or when it is past its deadline."""
        import asyncio
        import concurrent.futures

        run = self.run
        future = asyncio.run_coroutine_threadsafe(step.op.function(**kwargs), self._event_loop())
        while not concurrent.futures.wait([future], timeout=0.05).done:
            if run.cancel.is_set() or run.states[step.index] != RUNNING:
                future.cancel()
                raise Cancelled
        return future.result()

    def _keep(self, step: Step, outputs: Outputs, seconds: float, loading: float) -> None:
        run = self.run
        persist = step.index in run.targets or step.op.effects
        for lifecycle in run.lifecycles:
            lifecycle.after(step, outputs, seconds, False)
        if step.op.cacheable:
            run.executor.results.put(step.key, outputs, seconds + loading, persist)

    def _gather(self, step: Step, kwargs: dict[str, Any]) -> bool:
        """Put a step's inputs into `kwargs`; False if a stored one cannot be read and is demanded anew."""
        run = self.run
        for port, literal in step.values.items():
            kwargs[port] = private(literal) if port not in step.op.lazy else _constant(literal)
        dynamic: dict[str, Any] | None = {} if step.body is not None else None
        known = step.op.inputs
        for port, source in step.inputs.items():
            if port in step.op.lazy:
                kwargs[port] = self._thunk(step, source)
                continue
            lost: list[int] = []
            value = run.values.fetch(source, lost)
            if lost:
                self._again(step, lost)
                return False
            if dynamic is not None and port not in known:
                dynamic[port] = Carried(run.values.key_of(source), value)
            else:
                kwargs[port] = private(step.op.inputs[port].received(value))
        if dynamic is not None:
            for port in [p for p in kwargs if p not in known]:
                dynamic[port] = Carried.of(kwargs.pop(port))
            kwargs["inputs"] = dynamic
        return True

    def _again(self, step: Step, lost: list[int]) -> None:
        """Have values that should have been there computed again, and the step wait for them."""
        run = self.run
        with run.lock:
            if run.states[step.index] == RUNNING:
                run.forget_all(lost)
                run.schedule.wait_for(step.index, lost)

    def _put_aside(self, step: Step, indices: list[int]) -> None:
        """A body has asked for a lazy input that is not there yet."""
        run = self.run
        with run.lock:
            if run.states[step.index] == RUNNING:
                run.started.pop(step.index, None)
                run.schedule.put_aside(step.index, indices)

    def _thunk(self, step: Step, source: Source) -> Callable[[], Any]:
        """What a lazy input is given as: a function that gives the value, or leaves the body until it is there."""
        run = self.run
        indices = list(dict.fromkeys(r.step for r in refs(source)))

        def value() -> Any:
            if not all(run.schedule.has(step.index, i) for i in indices):
                raise _Asked(indices)
            lost: list[int] = []
            result = private(run.values.fetch(source, lost))
            if lost:
                with run.lock:
                    run.forget_all(lost)
                raise _Asked(indices)
            return result

        return value

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        import asyncio

        run = self.run
        with run.lock:
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
