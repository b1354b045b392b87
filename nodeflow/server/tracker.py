"""From a run's events to the state of the recipe's nodes: what the canvas lights.

Steps of a plan have names such as `sample[3]` (an item of a mapped node), `sub/sample` (a node of a sub-workflow),
`loop/sample` (of one that a control-flow node runs) or `export:image`. They are counted towards the node that people
see: `sample`; `sub` and `sub/sample`; `loop/sample`. A node of several steps is as far as its finished steps.

Each event costs the same however large the recipe. Called by one thread at a time. Knows no process and no socket.
"""

from __future__ import annotations

import itertools
import re
from typing import Any, Final

from nodeflow.events import (
    Event,
    NodeBlocked,
    NodeFailed,
    NodeFinished,
    NodeProgress,
    NodeStarted,
    NodeWarning,
    RunStarted,
)
from nodeflow.outcome import CACHED, CANCELLED, DONE, PENDING, Outcome
from nodeflow.steps import Plan

MAX_WARNINGS: Final = 20
"""So many warnings a node are kept."""

_INDEX: Final = re.compile(r"\[\d+\]")
_EXPORT: Final = "export:"
_KINDS: Final = ("running", "cached", "done", "failed", "blocked", "cancelled")


class _Node:
    """What is known about a node: how many of its steps are in which state, and the latest progress."""

    __slots__ = ("counts", "done", "message", "seconds", "text", "total", "total_steps", "warnings")

    def __init__(self) -> None:
        self.total_steps = 0
        self.counts = dict.fromkeys(_KINDS, 0)
        self.done = self.total = 0
        self.text = self.message = ""
        self.seconds = 0.0
        self.warnings: list[str] = []

    def state(self) -> str:
        counts = self.counts
        for kind in ("failed", "running", "cancelled", "blocked"):
            if counts[kind]:
                return kind
        over = counts["done"] + counts["cached"]
        if over == 0:
            return "pending"
        if over < self.total_steps:
            return "running"
        return "done" if counts["done"] else "cached"

    def status(self) -> dict[str, Any]:
        """As `schema.NodeStatus`, without what is as it is by default."""
        status: dict[str, Any] = {"state": self.state()}
        done, total, text = self.done, self.total, self.text
        if self.total_steps > 1:
            text = f"{done}/{total} {text}".rstrip() if total and self.counts["running"] else text
            done, total = self.counts["done"] + self.counts["cached"], self.total_steps
        for name, value in (("done", done), ("total", total), ("text", text), ("message", self.message)):
            if value:
                status[name] = value
        if self.seconds:
            status["seconds"] = round(self.seconds, 6)
        if self.warnings:
            status["warnings"] = list(self.warnings)
        return status


class Tracker:
    """The nodes of one run. `changed` holds those that events have changed since it was emptied."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.nodes: dict[str, _Node] = {}
        self.changed: dict[str, None] = {}
        self.steps = len(plan.steps)
        self.cached_steps = self._stored = self._computed = 0
        self._states: dict[str, str] = {}
        self._paths: dict[str, tuple[str, ...]] = {}
        self._own = {step.id for step in plan.steps}
        for step in plan.steps:
            if not step.id.startswith(_EXPORT):
                for path in self.paths(step.id):
                    self._node(path).total_steps += 1

    @property
    def finished_steps(self) -> int:
        """Steps that need not be waited for any more."""
        return min(self.steps, self._stored + self._computed)

    def paths(self, step: str) -> tuple[str, ...]:
        """The nodes that a step counts towards, the outermost first."""
        known = self._paths.get(step)
        if known is None:
            known = self._paths[step] = self._find_paths(step)
        return known

    def _find_paths(self, step: str) -> tuple[str, ...]:
        if step.startswith(_EXPORT):
            return (self._exported(step),)
        parts = step.split("/")
        first = 0
        if step not in self._own:  # run by a control-flow node, which has a state of its own
            first = max((i for i in range(1, len(parts)) if "/".join(parts[:i]) in self._own), default=0)
        plain = _INDEX.sub("", step).split("/")
        return tuple("/".join(plain[: i + 1]) for i in range(first, len(plain)))

    def _exported(self, step: str) -> str:
        link = self.plan.workflow.outputs.get(step.removeprefix(_EXPORT), "")
        return link.partition(".")[0]

    def root(self, step: str) -> str:
        """The node of the recipe itself that a step belongs to."""
        if step.startswith(_EXPORT):
            return self._exported(step)
        return _INDEX.sub("", step.partition("/")[0])

    def path(self, step: str) -> str:
        """The innermost node that a step counts towards."""
        return self.paths(step)[-1]

    # --- events ----------------------------------------------------------------------------------------------------

    def take(self, event: Event) -> None:
        """Note what an event says."""
        if isinstance(event, NodeStarted):
            self._set(event.node, "running")
        elif isinstance(event, NodeProgress):
            for path in self.paths(event.node):
                node = self._node(path)
                node.done, node.total, node.text = event.done, event.total, event.text
                self.changed[path] = None
        elif isinstance(event, NodeFinished):
            self._set(event.node, "cached" if event.cached else "done", seconds=event.seconds)
            self._computed += not event.cached and event.node in self._own
        elif isinstance(event, NodeFailed):
            self._set(event.node, "failed", message=event.message)
        elif isinstance(event, NodeBlocked):
            self._set(event.node, "blocked", message=f"it needs {self.root(event.cause)}, which failed")
        elif isinstance(event, NodeWarning):
            for path in self.paths(event.node):
                if len(self._node(path).warnings) < MAX_WARNINGS:
                    self._node(path).warnings.append(event.message)
                    self.changed[path] = None
        elif isinstance(event, RunStarted):
            self._stored = self.cached_steps = event.cached

    def _set(self, step: str, state: str, *, seconds: float = 0.0, message: str = "") -> None:
        before = self._states.get(step)
        self._states[step] = state
        if step.startswith(_EXPORT) and state != "failed":
            return
        for path in self.paths(step):
            node = self._node(path)
            if before is not None:
                node.counts[before] -= 1
            elif step not in self._own:
                node.total_steps += 1
            node.counts[state] += 1
            node.seconds += seconds
            if message and not (node.message and state == "blocked"):
                node.message = message
            if state == "done" and node.total:
                node.done = node.total
            elif state == "running":
                node.done, node.total, node.text = 0, 0, ""
            self.changed[path] = None

    def _node(self, path: str) -> _Node:
        node = self.nodes.get(path)
        if node is None:
            node = self.nodes[path] = _Node()
        return node

    # --- the end ---------------------------------------------------------------------------------------------------

    def close(self, outcome: Outcome | None) -> None:
        """The run is over: what nobody needed, because what was made of it is known, counts as cached; what was begun
        and not finished as cancelled."""
        for step, state in list(self._states.items()):
            if state == "running":
                self._set(step, "cancelled")
        if outcome is None:
            return
        steps, states = outcome.plan.steps, outcome.states
        known = [state == CACHED for state in states]
        wanted, used = [False] * len(states), [False] * len(states)
        for index in range(len(steps) - 1, -1, -1):
            if states[index] == PENDING and used[index] and not wanted[index]:
                known[index] = True
                self._set(steps[index].id, "cached")
            elif states[index] == CANCELLED:
                self._set(steps[index].id, "cancelled")
            for need in (*steps[index].needs, *steps[index].on_demand):
                if known[index]:
                    used[need] = True
                elif states[index] == DONE:
                    wanted[need] = True
        if outcome.state == "completed":
            self._stored = self.steps

    def statuses(self) -> dict[str, dict[str, Any]]:
        """All nodes."""
        return {path: node.status() for path, node in self.nodes.items() if path}

    def drain(self, limit: int = 500) -> dict[str, dict[str, Any]]:
        """Nodes that have changed since they were last given here, at most so many."""
        some = list(itertools.islice(self.changed, limit))
        for path in some:
            del self.changed[path]
        return {path: self.nodes[path].status() for path in some if path}
