"""What is known about a job while it runs: its nodes and counts, in memory until it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nodeflow.server.hub import Hub
from nodeflow.server.schema import Job, JobChanged, JobState, NodeTextPiece
from nodeflow.server.tasks import Finish

TELL_S: Final = 0.5
"""A running job's counts are told at most so often."""

MAX_NAMED: Final = 3
MAX_FAILURES: Final = 20
"""So many nodes that failed are told in the log."""


@dataclass
class Running:
    """A job that a worker runs. nodes: `schema.NodeStatus` by node id, without what is as it is by default."""

    job: Job
    lease: str
    hub: Hub
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: bool = False
    _told: float = 0.0

    def take(self, header: dict[str, Any], data: bytes) -> None:
        """What the worker says about the job while it runs."""
        if self.cancelled or header.get("job") != self.job.id:
            return
        if header["kind"] == "preview":
            self.hub.publish_preview(self.job.id, header["node"], header["path"], header["media_type"], data)
            return
        self.change(header["nodes"])
        for node, piece in header["texts"]:
            self.hub.publish(NodeTextPiece(seq=0, job=self.job.id, node=node, piece=piece))
        job = self.job
        counts = header["steps"], header["finished"], header["cached"]
        if counts != (job.steps, job.finished_steps, job.cached_steps):
            job.steps, job.finished_steps, job.cached_steps = counts
            if time.monotonic() - self._told >= TELL_S:
                self._told = time.monotonic()
                self.hub.publish(JobChanged.model_construct(kind="job", seq=0, job=job))

    def change(self, nodes: dict[str, dict[str, Any]]) -> None:
        """These nodes are now like this."""
        for node, status in nodes.items():
            self.nodes[node] = status
            self.hub.publish_node(self.job.id, node, status)

    def end_running(self, state: str, message: str = "", more: Sequence[str] = ()) -> None:
        """The nodes that were being computed, these among them, will not be finished."""
        told = {"message": message} if message else {}
        over = {node: status for node, status in self.nodes.items() if status["state"] == "running"}
        over |= {node: self.nodes.get(node, {}) for node in more}
        self.change({node: {**status, "state": state, **told} for node, status in over.items()})

    def failures(self) -> list[tuple[str, str]]:
        """The nodes that failed, and why."""
        failed = ((node, status) for node, status in self.nodes.items() if status["state"] == "failed")
        return [(node, status.get("message", "")) for node, status in failed][:MAX_FAILURES]

    @staticmethod
    def computing(nodes: Sequence[str]) -> str:
        """` while it computed a, b`."""
        if not nodes:
            return ""
        rest = f" and {len(nodes) - MAX_NAMED} more" if len(nodes) > MAX_NAMED else ""
        return f" while it computed {', '.join(nodes[:MAX_NAMED])}{rest}"

    def overlaid(self, job: Job) -> Job:
        """A job as it is stored, with the counts that are only here."""
        own = self.job
        job.steps, job.finished_steps, job.cached_steps = own.steps, own.finished_steps, own.cached_steps
        return job

    def finish(self, state: JobState, error: str = "", run: str = "", artefacts: Iterable[Any] = ()) -> Finish:
        """The end of the job, as it is stored."""
        job = self.job
        left = "cancelled" if state == "cancelled" else "failed"
        over = {n: s if s["state"] != "running" else {**s, "state": left} for n, s in self.nodes.items()}
        nodes = json.dumps(over, separators=(",", ":"))
        finished = job.steps if state == "completed" else job.finished_steps
        return Finish(state, error, run, job.steps, finished, job.cached_steps, nodes, list(artefacts))
