"""Running plans: the executor, and what it needs from its surroundings.

`Executor.run` calls each step's function when its last input is there (`schedule`), in the lane of its kind (`lanes`);
`running` has the policy for one run. The executor knows no CLI, server, file name or tensor library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from nodeflow.events import Emitter, Event
from nodeflow.lanes import DeviceGate
from nodeflow.outcome import (
    BLOCKED,
    CACHED,
    CANCELLED,
    DONE,
    FAILED,
    PENDING,
    STATES,
    Lifecycle,
    NodeFailure,
    Outcome,
    Outputs,
)
from nodeflow.planner import Planner
from nodeflow.running import PlanRun
from nodeflow.steps import Plan
from nodeflow.weights import WeightsPool

__all__ = [
    "BLOCKED", "CACHED", "CANCELLED", "DONE", "FAILED", "PENDING", "STATES", "Cancel", "DeviceGate", "Executor",
    "Lifecycle", "NoResults", "NodeFailure", "Outcome", "Outputs", "Results",
]  # fmt: skip


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
        outside = dict(externals or {})
        run = PlanRun(self, plan, emitter or Emitter(on_event), tuple(lifecycles), outside, prefix, cancel)
        run.id = run_id or run.id
        run.fail_fast = fail_fast
        return run.execute()
