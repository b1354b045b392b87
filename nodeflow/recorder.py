"""From a run to its record: what the record store is told, in the words of plans and outcomes.

A record that cannot be written (a full disk, a locked database) never fails the run: it is a warning.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nodeflow import __version__
from nodeflow.executor import FAILED, PENDING, STATES, Outcome
from nodeflow.publish import Published
from nodeflow.record import ArtefactRow, NodeRow, RecordError, RecordStore
from nodeflow.registry import Catalogue
from nodeflow.steps import Plan
from nodeflow.workflow import Workflow

LIBRARIES = ("torch", "diffusers", "transformers", "safetensors", "numpy")


class Recorder:
    """Writes one run into the store: `begin` before it, `finish` after it."""

    def __init__(self, store: RecordStore, warn: Callable[[str], None]) -> None:
        self.store = store
        self.warn = warn
        self.begun = False

    def begin(self, run: str, plan: Plan, workflow: Workflow, catalogue: Catalogue) -> None:
        """Note that a run begins: the recipe as it is run, versions, seeds, the numeric class."""
        with self._tolerant():
            self.store.begin(
                run, workflow.text(), numeric=plan.numeric, versions=versions(catalogue), seeds=seeds(plan)
            )
            self.begun = True

    def finish(self, outcome: Outcome, published: list[Published]) -> None:
        """Note how it ended: every node that was asked for, every file, and what the keys were made of."""
        if not self.begun:
            return
        with self._tolerant():
            new = self.store.without_parts({step.key for step in outcome.plan.steps})
            self.store.finish(
                outcome.run,
                outcome.state,
                error="\n".join(f"{f.node}: {f.message}" for f in outcome.failures) or None,
                nodes=_node_rows(outcome),
                artefacts=_artefact_rows(published),
                parts=(item for item in outcome.plan.all_parts() if item[0] in new) if new else (),
            )

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except RecordError as error:
            self.warn(f"the run is not recorded: {error}")


def _node_rows(outcome: Outcome) -> Iterator[NodeRow]:
    errors = {f.node: f"{f.message}\n{f.traceback}".strip() for f in outcome.failures}
    for step, state in zip(outcome.plan.steps, outcome.states, strict=True):
        if state != PENDING:
            error = errors.get(step.id) if state == FAILED else None
            yield NodeRow(step.id, step.op.id, step.key, STATES[state], outcome.seconds.get(step.index, 0.0), error)
    for name in outcome.plan.muted:
        if not name.startswith("outputs."):
            yield NodeRow(name, "", "", "muted")


def _artefact_rows(published: list[Published]) -> Iterator[ArtefactRow]:
    counts: dict[str, int] = {}
    for item in published:
        place = counts[item.output] = counts.get(item.output, -1) + 1
        yield ArtefactRow(item.output, place, item.artefact.digest, item.artefact.media, str(item.path))


def versions(catalogue: Catalogue) -> dict[str, str]:
    """What is installed: nodeflow, Python, the libraries, the packs."""
    found = {"nodeflow": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    found.update({f"pack:{p.name}": p.version for p in catalogue.packs.values() if p.version and not p.error})
    return found


def seeds(plan: Plan) -> dict[str, Any]:
    """The seeds that a plan uses, by step."""
    return {step.id: step.values["seed"] for step in plan.steps if isinstance(step.values.get("seed"), int)}
