"""What goes in and out of the queue's store: a job before, while and after it runs. Data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeflow.errors import NodeflowError
from nodeflow.server.schema import ArtefactInfo, JobState


class NoSuchJob(NodeflowError):
    """There is no job of this number."""


class JobConflict(NodeflowError):
    """The job is not in a state in which that can be done."""


@dataclass(frozen=True)
class NewJob:
    """What a job is made from. inputs: values of declared inputs, instead of those in the recipe."""

    title: str
    digest: str
    inputs: Mapping[str, Any]
    targets: Sequence[str] | None = None
    priority: int = 0


@dataclass(frozen=True)
class Claimed:
    """A job to run now, and the lease that its result must bring back."""

    id: int
    lease: str
    attempt: int
    recipe: bytes
    inputs: dict[str, Any]
    targets: list[str] | None


@dataclass(frozen=True)
class Finish:
    """How a job ended. nodes: what became of its nodes, as JSON text."""

    state: JobState
    error: str = ""
    run: str = ""
    steps: int = 0
    finished_steps: int = 0
    cached_steps: int = 0
    nodes: str = "{}"
    artefacts: Sequence[ArtefactInfo] = ()
