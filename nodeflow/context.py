"""What a node's body may ask of the run it is part of: the `ctx` it is given.

A context belongs to one step of one run. It reaches the run only to report, to check for cancellation, to reach the
weights pool, to keep bytes as an artefact, and to run the node's sub-workflow.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3

from nodeflow.errors import Cancelled, DeadlineExceeded, NodeError
from nodeflow.events import NodePreview, NodeProgress, NodeText
from nodeflow.keys import value_key
from nodeflow.types import Artefact, WeightsHandle
from nodeflow.weights import WeightsPool

if TYPE_CHECKING:
    from nodeflow.running import PlanRun
    from nodeflow.steps import Step


class Carried(NamedTuple):
    """A value on its way into or out of a sub-workflow, with the key that names it."""

    key: str
    value: Any

    @staticmethod
    def of(value: Any) -> Carried:
        """A literal as a carried value."""
        return value if isinstance(value, Carried) else Carried(value_key(value), value)


class RunContext:
    """The context of one step of a run; see `nodeflow.op.Context` for what each method promises."""

    def __init__(self, run: PlanRun, step: Step) -> None:
        self._run = run
        self._step = step
        self.device: str = run.executor.device
        self.weights = UsedWeights(run.executor.weights)

    def check(self) -> None:
        if self._run.cancel.is_set():
            raise Cancelled("the run was cancelled")
        begun = self._run.started.get(self._step.index)
        limit = self._run.executor.deadline
        if limit and self._step.body is None and (begun is None or time.perf_counter() - begun > limit):
            raise DeadlineExceeded(f"it took longer than its deadline of {limit:g} s")

    def progress(self, done: int, total: int, text: str = "") -> None:
        self.check()
        self._run.emitter.emit(NodeProgress, self._run.prefix + self._step.id, done, total, text)

    def preview(self, image: Any) -> None:
        self.check()
        self._run.emitter.emit(NodePreview, self._run.prefix + self._step.id, image)

    def text(self, piece: str) -> None:
        self.check()
        self._run.emitter.emit(NodeText, self._run.prefix + self._step.id, piece)

    def warn(self, message: str) -> None:
        self.check()
        self._run.warn(self._step.id, message)

    def save(self, data: bytes, name: str, media: str) -> Artefact:
        store = self._run.executor.artefacts
        digest = store.put(data) if store is not None else blake3(data).hexdigest()
        return Artefact(digest, media, name, len(data))

    def run(self, body: Any, inputs: dict[str, Any]) -> dict[str, Carried]:
        """Run the node's sub-workflow with these inputs; every step in it is cached by its own key."""
        scope = self._step.body
        if scope is None:
            raise NodeError("only a control-flow node has a sub-workflow to run")
        executor = self._run.executor
        known = scope.interface.inputs
        carried = {name: Carried.of(value) for name, value in inputs.items() if name in known}
        from nodeflow.rules import Checked

        plan = executor.planner.plan(Checked(scope, []), external_keys={k: c.key for k, c in carried.items()})
        outcome = executor.run(
            plan,
            externals={k: c.value for k, c in carried.items()},
            cancel=self._run.cancel,
            emitter=self._run.emitter,
            prefix=f"{self._run.prefix}{self._step.id}/",
            lifecycles=self._run.lifecycles,
            fail_fast=self._run.fail_fast,
        )
        self._run.warnings += [(f"{self._step.id}/{node}", text) for node, text in outcome.warnings if node]
        if outcome.failures:
            self._run.failures.extend(outcome.failures)
            raise NodeError(f"its sub-workflow {body!r} failed at {outcome.failures[0].node}")
        if outcome.state == "cancelled":
            raise Cancelled
        return {name: Carried(plan.key_of(s), outcome.output(s)) for name, s in plan.outputs.items()}

    def outputs_of(self, body: Any) -> list[str]:
        """The names of the sub-workflow's outputs."""
        return list(self._step.body.interface.outputs) if self._step.body is not None else []


class UsedWeights:
    """The weights pool as one step sees it: adds up how long the modules it used take to load, now or in a new process.

    That time is part of what computing the step's result again would cost, and so of whether it is worth keeping.
    """

    def __init__(self, pool: WeightsPool) -> None:
        self._pool = pool
        self.seconds = 0.0

    @contextmanager
    def use(self, handle: WeightsHandle, device: str | None = None) -> Iterator[Any]:
        with self._pool.use(handle, device, self._add) as module:
            yield module

    def _add(self, seconds: float) -> None:
        self.seconds += seconds


def loading_seconds(context: Any) -> float:
    """How long loading the modules takes that a step has used."""
    return context.weights.seconds if isinstance(context, RunContext) else 0.0


class StandaloneContext:
    """The context of a node that is called as a plain function: this process, the CPU, nobody listening."""

    def __init__(self, weights: WeightsPool | None = None, device: str = "cpu") -> None:
        self.device = device
        self.weights = weights or _shared_pool
        self.cancelled = threading.Event()
        self.warnings: list[str] = []
        self.saved: dict[str, bytes] = {}
        self.texts: list[str] = []
        self.previews: list[Any] = []

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled("the run was cancelled")

    def progress(self, done: int, total: int, text: str = "") -> None:
        self.check()

    def preview(self, image: Any) -> None:
        self.previews.append(image)

    def text(self, piece: str) -> None:
        self.texts.append(piece)

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def save(self, data: bytes, name: str, media: str) -> Artefact:
        self.saved[name] = data
        return Artefact(blake3(data).hexdigest(), media, name, len(data))

    def outputs_of(self, body: Any) -> list[str]:
        return []

    def run(self, body: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        """`body` may be a Python function here: it gets the inputs by name and returns a dict."""
        return dict(body(**inputs))


_shared_pool = WeightsPool()
