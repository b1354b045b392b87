"""What comes of a run: the states its steps can be in, their failures, and the whole outcome.

State of a step: `PENDING → WAITING → READY → RUNNING → DONE | FAILED | CANCELLED`, or `PENDING → CACHED`, or `BLOCKED`.
Data only.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from nodeflow.edges import describe
from nodeflow.errors import NodeflowError
from nodeflow.keys import Const, Ref, Source
from nodeflow.steps import Plan, Step

PENDING, WAITING, READY, RUNNING, DONE, CACHED, FAILED, BLOCKED, CANCELLED = range(9)
STATES = ("pending", "waiting", "ready", "running", "computed", "cached", "failed", "blocked", "cancelled")
FINAL = (DONE, CACHED, FAILED, BLOCKED, CANCELLED)

Outputs: TypeAlias = dict[str, Any]
"""A step's results by output name."""


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


def failure_of(prefix: str, step: Step, error: BaseException, kwargs: Mapping[str, Any]) -> NodeFailure:
    """The failure of a step that was called with `kwargs`; errors that are meant for users come without a traceback."""
    expected = isinstance(error, NodeflowError)
    message = str(error) or type(error).__name__ if expected else words(error)
    given = {k: describe(v) for k, v in kwargs.items() if k not in ("ctx", "inputs") and not inspect.isfunction(v)}
    text = "" if expected else "".join(traceback.format_exception(error))
    return NodeFailure(prefix + step.id, step.op.id, message, given, text, expected)


def words(error: BaseException) -> str:
    """An exception in words; some cannot even be printed."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return f"{type(error).__name__} (it cannot be printed)"


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


class Lifecycle(Protocol):
    """Something that surrounds the execution of nodes: publishing of files, timing, ... Also told of the steps of
    sub-workflows, which belong to other plans."""

    def after(self, step: Step, outputs: Outputs, seconds: float, cached: bool) -> None: ...

    def failed(self, step: Step, failure: NodeFailure) -> None: ...
