"""A run that uses no cache, and what can be kept of its results: digests, thumbnails, short texts.

A result's digest is of its content: numbers, texts, tensors' bytes with dtype and shape; of a model handle the file's
digest, not where the file lies. It is the same on every machine whose result has the same bits.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from nodeflow.cache import BadBlob
from nodeflow.errors import NodeflowError
from nodeflow.events import Event
from nodeflow.executor import Executor, NodeFailure, NoResults, Outcome
from nodeflow.export import export
from nodeflow.numeric import physical_cores
from nodeflow.planner import with_exports
from nodeflow.publish import artefacts_in
from nodeflow.share.lock import MAX_TEXT, THUMBNAILS, GoldenFile, Lock, OutputLock
from nodeflow.share.pictures import PictureError, opened, thumbnail
from nodeflow.steps import Plan, Step
from nodeflow.types import Artefact, File
from nodeflow.workflow import Workflow

if TYPE_CHECKING:
    from nodeflow.engine import Engine

PLACES = {"path"}
"""Fields that say where something lies on this machine."""


@dataclass
class Fresh:
    """What came of a run without cache. outputs: the files of each declared output, as encoded. nodes: digests of each
    step's outputs, by step id and port."""

    plan: Plan
    outcome: Outcome
    outputs: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    nodes: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass
class _Digests:
    """A lifecycle that notes the digest of each result."""

    found: dict[str, dict[str, str]] = field(default_factory=dict)

    def after(self, step: Step, outputs: dict[str, Any], seconds: float, cached: bool) -> None:
        if step.op.name != "engine/export":
            self.found[step.id] = {port: d for port, value in outputs.items() if (d := value_digest(value))}

    def failed(self, step: Step, failure: NodeFailure) -> None:
        pass


def fresh_run(
    engine: Engine,
    workflow: Workflow,
    path: Path | None = None,
    *,
    on_event: Callable[[Event], None] | None = None,
    cancel: threading.Event | None = None,
) -> Fresh:
    """Run a recipe without the cache and without a record; no file but those in the artefact store is written.

    Raises:
        ProblemsError: the recipe has problems. StoreError: the artefact store cannot be written.
    """
    planner = engine.planner(path)
    plan = planner.plan(workflow)
    made, exports = with_exports(plan, planner, export, values=False)
    digests = _Digests()
    settings = engine.settings
    executor = Executor(
        planner,
        NoResults(),
        engine.weights,
        engine.artefacts,
        engine.device,
        settings.deadline,
        workers=max(2, physical_cores()),
    )
    outcome = executor.run(made, on_event=on_event, lifecycles=[digests], cancel=cancel)
    fresh = Fresh(plan, outcome, nodes=digests.found)
    for name, index in exports.items():
        if index in outcome.values:
            fresh.outputs[name] = [*_files(engine, artefacts_in(outcome.values[index]))]
    return fresh


def _files(engine: Engine, artefacts: list[Artefact]) -> Iterator[tuple[str, bytes]]:
    for artefact in artefacts:
        try:
            yield artefact.media, engine.artefacts.read(artefact.digest)
        except BadBlob as error:
            raise NodeflowError(f"a result is gone from the artefact store as soon as it was made: {error}") from error


def with_golden(lock: Lock, fresh: Fresh) -> Lock:
    """The lock with digests, thumbnails and short texts of a run's results."""
    outputs = golden_outputs(lock, fresh.outputs)
    nodes = [node.model_copy(update={"outputs": fresh.nodes.get(node.id, {})}) for node in lock.nodes]
    return lock.model_copy(update={"golden": True, "outputs": outputs, "nodes": nodes})


def golden_outputs(lock: Lock, made: Mapping[str, list[tuple[str, bytes]]]) -> dict[str, OutputLock]:
    """The lock's outputs with what they became; the first files with thumbnails and short texts."""
    outputs, left = {}, THUMBNAILS
    for name, output in lock.outputs.items():
        files = [golden_file(*file, details=number < left) for number, file in enumerate(made.get(name, []))]
        outputs[name] = output.model_copy(update={"files": files})
        left -= len(files)
    return outputs


def golden_file(media: str, data: bytes, *, details: bool = True) -> GoldenFile:
    """What a lock keeps of a file; without `details` only its hash."""
    file = GoldenFile(digest=blake3(data).hexdigest(), media=media, size=len(data))
    if not details:
        return file
    if media in ("text/plain", "application/json", "text/csv"):
        text = data.decode("utf-8", "replace")
        return file.model_copy(update={"text": text}) if len(text) <= MAX_TEXT else file
    try:
        picture = opened(data)
    except PictureError:
        return file
    width, height = picture.size
    return file.model_copy(update={"width": width, "height": height, "thumbnail": thumbnail(picture)})


def value_digest(value: Any) -> str:
    """The digest of a result's content; "" if it holds something that has none."""
    hasher = blake3()
    try:
        _feed(hasher, value, 0)
    except (TypeError, ValueError, AttributeError, RuntimeError):
        return ""
    return hasher.hexdigest()


def _feed(hasher: Any, value: Any, depth: int) -> None:
    """Write a value, each part with its kind and length, into a hash."""
    if depth > 50:
        raise ValueError("nested too deeply")
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        _field(hasher, kind.__name__, json.dumps(value) if kind is not float else value.hex())
    elif kind is bytes:
        _field(hasher, "bytes", value)
    elif isinstance(value, enum.Enum):
        _feed(hasher, value.value, depth + 1)
    elif kind is File or kind is Artefact:
        _field(hasher, kind.__name__, value.digest)
    elif hasattr(value, "untyped_storage"):
        array = value.detach().cpu().contiguous()
        _field(hasher, f"tensor {array.dtype} {list(array.shape)}", _tensor_bytes(array))
    elif kind.__module__ == "numpy":
        _field(hasher, f"array {value.dtype} {list(value.shape)}", value.tobytes())
    else:
        items = _items(value)
        _field(hasher, f"{kind.__name__} {len(items)}", "")
        for name, item in items:
            _field(hasher, "name", name)
            _feed(hasher, item, depth + 1)


def _items(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return sorted((str(k), v) for k, v in value.items())
    if dataclasses.is_dataclass(value):
        return [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value) if f.name not in PLACES]
    if isinstance(value, (list, tuple)):
        return [("", item) for item in value]
    raise TypeError(f"a {type(value).__name__} has no digest")


def _tensor_bytes(tensor: Any) -> Any:
    import torch

    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()


def _field(hasher: Any, kind: str, data: str | bytes) -> None:
    body = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    head = kind.encode()
    hasher.update(b"%d:%s%d:" % (len(head), head, len(body)))
    hasher.update(body)
