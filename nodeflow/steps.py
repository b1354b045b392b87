"""The plan as data: what a run would do, step by step. Made by `planner`; the run loop gets plain arrays from here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from blake3 import blake3

from nodeflow.keys import Const, OpHead, Ref, Source, parts_of, value_key
from nodeflow.op import Op
from nodeflow.problems import Problem
from nodeflow.rules import Scope
from nodeflow.workflow import Workflow


@dataclass(slots=True)
class Step:
    """One call that the run may make.

    values: typed literals by port (files resolved). inputs: where the other ports come from. needs: the steps among
    them that must be finished before it starts; on_demand: those that it asks for itself (lazy inputs).
    """

    index: int
    id: str
    op: Op
    key: str
    values: dict[str, Any]
    inputs: dict[str, Source]
    needs: tuple[int, ...]
    on_demand: tuple[int, ...] = ()
    body: Scope | None = None
    body_digest: str = ""
    body_effects: bool = False

    @property
    def has_effects(self) -> bool:
        """Whether it, or a node of the sub-workflow it runs, writes files."""
        return self.op.effects or self.body_effects

    @property
    def own_values(self) -> dict[str, Any]:
        """The literals that count for the key: not the name of a sub-workflow, which counts by what it computes."""
        if self.body is None:
            return self.values
        return {k: v for k, v in self.values.items() if k != self.op.body_port}


@dataclass
class Plan:
    """What a run would do.

    steps: in execution order. outputs: declared outputs by name. targets: indices of the steps that the run is for.
    twins: steps that compute what an earlier one does, by the index of that one: whoever needs them gets its result.
    """

    workflow: Workflow
    steps: list[Step]
    outputs: dict[str, Source]
    targets: list[int]
    numeric: str
    muted: list[str] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    external_keys: dict[str, str] = field(default_factory=dict)
    twins: dict[int, list[int]] = field(default_factory=dict)
    heads: dict[str, OpHead] = field(default_factory=dict, repr=False)

    def parts(self, step: Step) -> dict[str, Any]:
        """What the key of `step` was made of, as JSON."""
        return self._parts(step, [s.key for s in self.steps])

    def all_parts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(key, parts) of every step."""
        keys = [s.key for s in self.steps]
        for step in self.steps:
            yield step.key, self._parts(step, keys)

    def _parts(self, step: Step, keys: list[str]) -> dict[str, Any]:
        head = self.heads[step.op.name]
        return parts_of(head, step.own_values, step.inputs, keys, self.external_keys, step.body_digest)

    def key_of(self, source: Source) -> str:
        """The key of one output or list of outputs: what an export of it is named by."""
        if isinstance(source, Ref):
            return f"{self.steps[source.step].key}.{source.port}"
        if isinstance(source, list):
            return blake3("\n".join(self.key_of(s) for s in source).encode()).hexdigest()
        if isinstance(source, Const):
            return value_key(source.value)
        return self.external_keys[source.name]


def refs(source: Source) -> Iterator[Ref]:
    """All step outputs in a source."""
    if type(source) is Ref:
        yield source
    elif isinstance(source, list):
        for item in source:
            yield from refs(item)


def needs_of(inputs: Mapping[str, Source], lazy: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The steps that must be finished before a step starts, and those that it asks for itself."""
    if not lazy and len(inputs) == 1:
        (only,) = inputs.values()
        if type(only) is Ref:
            return (only.step,), ()
    now = dict.fromkeys(r.step for port, s in inputs.items() if port not in lazy for r in refs(s))
    later = dict.fromkeys(r.step for port, s in inputs.items() if port in lazy for r in refs(s))
    return tuple(now), tuple(later)
