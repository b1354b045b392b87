"""The values of one run: results of its steps and what came from outside, fetched for consumers and checked.

A value is loaded from the results store when it is first needed, traced so that changes in place are noticed
(`mutation`), and dropped when the schedule says so. A value that cannot be read, or is not what it was, is *lost*: the
caller has it computed again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Protocol

from nodeflow.errors import NodeError
from nodeflow.keys import Const, External, Ref, Source
from nodeflow.mutation import Trace, trace, unchanged
from nodeflow.outcome import Outputs
from nodeflow.steps import Plan, Step


class Store(Protocol):
    """Where stored results are read from."""

    def get(self, key: str) -> Outputs | None: ...


class Values:
    """Outputs by step index, and outside values by name."""

    def __init__(self, plan: Plan, store: Store, externals: Mapping[str, Any], lock: threading.Lock) -> None:
        self.plan = plan
        self.store = store
        self.externals = externals
        self.lock = lock
        self._outputs: dict[int, Outputs] = {}
        self._traces: dict[int, Trace] = {}
        self._external_traces = {name: trace(value) for name, value in externals.items()}

    def put(self, index: int, outputs: Outputs) -> None:
        """Take in what a step gave; the lock is held."""
        self._outputs[index] = outputs
        if traced := trace(outputs):
            self._traces[index] = traced

    def get(self, index: int) -> Outputs | None:
        """A step's outputs if they are in memory."""
        return self._outputs.get(index)

    def drop(self, index: int) -> None:
        self._outputs.pop(index, None)
        self._traces.pop(index, None)

    def load(self, index: int) -> Outputs | None:
        """A step's outputs from the store, if they are there and have the ports that the step has now."""
        step = self.plan.steps[index]
        outputs = self.store.get(step.key)
        if outputs is not None and step.body is None and outputs.keys() != step.op.outputs.keys():
            return None
        return outputs

    def fetch(self, source: Source, lost: list[int]) -> Any:
        """The value a source stands for; steps whose value is lost are added to `lost` (the result is then of no use).

        Raises:
            NodeError: if a step gave no such output, or a value from outside was changed in place.
        """
        if type(source) is Ref:
            outputs = self._outputs.get(source.step)
            if outputs is None or not unchanged(self._traces.get(source.step, [])):
                outputs = self.load(source.step)
                if outputs is None:
                    lost.append(source.step)
                    return None
                traced = trace(outputs)
                with self.lock:
                    self._outputs[source.step] = outputs
                    self._traces[source.step] = traced
            if source.port not in outputs:
                raise NodeError(f"{self.plan.steps[source.step].id} gave no output {source.port!r}")
            return outputs[source.port]
        if type(source) is Const:
            return source.value
        if type(source) is External:
            if not unchanged(self._external_traces[source.name]):
                raise NodeError(f"the value given for {source.name!r} was changed in place by another node")
            return self.externals[source.name]
        assert isinstance(source, list)
        return [self.fetch(s, lost) for s in source]

    def key_of(self, source: Source) -> str:
        """The key that names a source's value."""
        return self.plan.external_keys[source.name] if isinstance(source, External) else self.plan.key_of(source)

    def check_unchanged(self, step: Step) -> None:
        """Raise `NodeError` if an input of a step is not what it was when it was handed over."""
        for port, source in step.inputs.items():
            for traced in self._traces_of(source):
                if not unchanged(traced):
                    raise NodeError(
                        f"its input {port!r} was changed in place while it ran; a node must copy what it writes into "
                        "(x = x.clone()), because others use the same value"
                    )

    def _traces_of(self, source: Source) -> list[Trace]:
        if type(source) is Ref:
            found = self._traces.get(source.step)
            return [found] if found else []
        if type(source) is External:
            return [self._external_traces[source.name]]
        return [t for s in source for t in self._traces_of(s)] if isinstance(source, list) else []
