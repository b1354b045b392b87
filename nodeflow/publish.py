"""Publishing: what a run made gets a readable name in the output folder, with the recipe inside.

Artefacts are kept by content in the store first; a full or unwritable output folder loses nothing. Pictures get the
recipe, the run's versions and the result's key embedded, so that `nodeflow run picture.png` makes them again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodeflow.artefacts import Artefacts
from nodeflow.executor import NodeFailure
from nodeflow.planner import Plan, Step
from nodeflow.share.embed import embed, is_picture
from nodeflow.types import Artefact
from nodeflow.workflow import Workflow


@dataclass(frozen=True)
class Published:
    """An artefact with the name it got: of which output or node, under which key, and where the file is."""

    output: str
    key: str
    artefact: Artefact
    path: Path


@dataclass
class Publisher:
    """A lifecycle that collects the artefacts of a run's exports and effects, and writes them out at its end.

    out: a folder, or a file name for a run with a single output. exports: the export step of each declared output.
    """

    artefacts: Artefacts
    out: Path
    workflow: Workflow
    plan: Plan
    exports: dict[str, int]
    published: list[Published] = field(default_factory=list)
    _found: dict[int, tuple[Step, list[Artefact]]] = field(default_factory=dict)

    def after(self, step: Step, outputs: dict[str, Any], seconds: float, cached: bool) -> None:
        if step.op.effects or step.op.name == "engine/export":
            made = [a for value in outputs.values() for a in (value if isinstance(value, list) else [value])]
            self._found[step.index] = step, [a for a in made if isinstance(a, Artefact)]

    def failed(self, step: Step, failure: NodeFailure) -> None:
        pass

    def publish(self) -> dict[str, list[Path]]:
        """Write the files; returns them by output name (by node id for nodes that save)."""
        names = {index: name for name, index in self.exports.items()}
        files: dict[str, list[Path]] = {}
        single = self.out.suffix and len(self.exports) == 1
        for index, (step, artefacts) in sorted(self._found.items()):
            output = names.get(index)
            label = output or step.id
            for number, artefact in enumerate(artefacts):
                folder = self.out.parent if single else self.out
                if output is None:
                    name = artefact.name
                elif single:
                    suffix = "" if len(artefacts) == 1 else f"-{number}"
                    name = f"{self.out.stem}{suffix}{self.out.suffix}"
                else:
                    suffix = "" if len(artefacts) == 1 else f"-{number}"
                    name = f"{output}{suffix}{Path(artefact.name).suffix}"
                data = self.artefacts.read(artefact.digest)
                if is_picture(data):
                    data = embed(data, self._document(step.key))
                replaces = bool(single) and output is not None
                path = self.artefacts.publish(data, folder, name, replace=replaces)
                files.setdefault(label, []).append(path)
                self.published.append(Published(label, step.key, artefact, path))
        return files

    def _document(self, key: str) -> dict[str, Any]:
        return {"recipe": self.workflow.to_json(), "key": key, "numeric": self.plan.numeric}


def slug(title: str) -> str:
    """A title as the beginning of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "untitled"
