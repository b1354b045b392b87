"""A locked recipe run again, without cache, and its results compared with those that the lock tells of."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from nodeflow.cache import BadBlob
from nodeflow.events import Event
from nodeflow.jsonio import parse_json
from nodeflow.problems import ProblemsError
from nodeflow.share.drift import Drift, drift
from nodeflow.share.golden import Fresh, fresh_run
from nodeflow.share.lock import GoldenFile, Lock, png_bytes
from nodeflow.share.pictures import Difference, PictureError, compare, opened, reduced
from nodeflow.workflow import Workflow

if TYPE_CHECKING:
    from nodeflow.engine import Engine

EQUAL, CLOSE, DIFFERENT, MISSING, UNKNOWN = "bit-equal", "within tolerance", "different", "missing", "not recorded"
TOLERANCE = 0.01


@dataclass(frozen=True)
class Verdict:
    """How a file of an output, or a node's result, compares with the lock.

    state: "bit-equal", "within tolerance", "different", "missing" (it was not made), "not recorded" (in the lock).
    """

    name: str
    state: str
    detail: str = ""
    difference: Difference | None = None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"name": self.name, "state": self.state}
        if self.detail:
            document["detail"] = self.detail
        return document | ({"difference": self.difference.to_json()} if self.difference else {})


@dataclass
class Verification:
    """What verifying found. drifts: what has changed since the lock was made. first: the first node, in the order of
    the plan, whose result differs; "" if none is known to."""

    fresh: Fresh
    outputs: list[Verdict] = field(default_factory=list)
    nodes: list[Verdict] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    first: str = ""

    @property
    def ok(self) -> bool:
        """Every output came out as it was, or near enough."""
        return not self.fresh.outcome.failures and all(v.state in (EQUAL, CLOSE) for v in self.outputs)

    @property
    def why(self) -> list[str]:
        """What the differences may come from, in words."""
        if all(v.state == EQUAL for v in self.outputs):
            return []
        if self.drifts:
            return [str(d) for d in self.drifts]
        free = [n.name for n in self.nodes if n.detail == _FREE]
        if free:
            return [f"{', '.join(free[:5])}: gives another result each time, and what follows from it too"]
        return [
            "nothing that the lock records has changed: a node is not deterministic, a library computes in another "
            "order, or the lock does not tell the truth"
        ]


_FREE = "gives another result each time"


def verify(
    engine: Engine,
    lock: Lock,
    workflow: Workflow,
    path: Path | None = None,
    *,
    tolerance: float = TOLERANCE,
    made: Path | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: threading.Event | None = None,
) -> Verification:
    """Run a locked recipe without cache and compare.

    Args:
        tolerance: the largest difference that passes: as a share of the full range for pictures, relative for numbers.
        made: a folder that may hold the files that the lock tells of, as a crate's `outputs` does.

    Raises:
        ProblemsError: the recipe cannot run (any more).
    """
    drifts = drift(engine, lock, workflow, path)
    fresh = fresh_run(engine, workflow, path, on_event=on_event, cancel=cancel)
    found = Verification(fresh, drifts=drifts, nodes=_nodes(lock, fresh))
    then = _Then(engine, made)
    for name, output in lock.outputs.items():
        found.outputs += _output(then, name, output.files, fresh.outputs.get(name), tolerance)
    found.first = next((node.name for node in found.nodes if node.state == DIFFERENT), "")
    return found


def _nodes(lock: Lock, fresh: Fresh) -> list[Verdict]:
    """In the order of the lock, which is that of its plan: each after what feeds it."""
    verdicts = []
    for node in lock.nodes:
        made = fresh.nodes.get(node.id)
        detail = "" if node.key else _FREE
        if not node.outputs:
            verdicts.append(Verdict(node.id, UNKNOWN, detail))
        elif made is None:
            verdicts.append(Verdict(node.id, MISSING, detail))
        else:
            ports = [port for port, digest in node.outputs.items() if made.get(port) != digest]
            state = DIFFERENT if ports else EQUAL
            verdicts.append(Verdict(node.id, state, detail or (f"in {', '.join(sorted(ports))}" if ports else "")))
    return verdicts


def _output(
    then: _Then, name: str, golden: list[GoldenFile], made: list[tuple[str, bytes]] | None, tolerance: float
) -> list[Verdict]:
    if not golden:
        return [Verdict(name, UNKNOWN, "the lock was made without outputs: nodeflow lock --with-outputs")]
    if made is None:
        return [Verdict(name, MISSING, "it was not made")]
    if len(made) != len(golden):
        return [Verdict(name, DIFFERENT, f"{len(golden)} files when it was locked, {len(made)} now")]
    names = [name] if len(golden) == 1 else [f"{name}-{i}" for i in range(len(golden))]
    return [_file(then, n, g, media, data, tolerance) for n, g, (media, data) in zip(names, golden, made, strict=True)]


def _file(then: _Then, name: str, golden: GoldenFile, media: str, data: bytes, tolerance: float) -> Verdict:
    if blake3(data).hexdigest() == golden.digest:
        if len(data) != golden.size or not _shows(golden, data):
            return Verdict(name, DIFFERENT, "its hash is right, but the lock's size, text or thumbnail is of another")
        return Verdict(name, EQUAL)
    if media != golden.media:
        return Verdict(name, DIFFERENT, f"{golden.media} when it was locked, {media} now")
    before = then.file(golden)
    if golden.thumbnail:
        return _picture(name, golden, before, data, tolerance)
    if before is None and not golden.text:
        return Verdict(name, DIFFERENT, "what it was is not kept here, so how much it differs is not known")
    text = (before or golden.text.encode()).decode("utf-8", "replace")
    return _text(name, text, data.decode("utf-8", "replace"), media, tolerance)


@dataclass
class _Then:
    """Where the files that a lock tells of may be, as they were: this machine's store, or a folder."""

    engine: Engine
    folder: Path | None = None

    def file(self, golden: GoldenFile) -> bytes | None:
        """The content of a file, if it is here."""
        try:
            return bytes(self.engine.artefacts.read(golden.digest))
        except BadBlob:
            pass
        try:
            for path in sorted(self.folder.iterdir()) if self.folder is not None else ():
                if path.is_file() and path.stat().st_size == golden.size:
                    data = path.read_bytes()
                    if blake3(data).hexdigest() == golden.digest:
                        return data
        except OSError:
            pass
        return None


def _shows(golden: GoldenFile, data: bytes) -> bool:
    """Whether the lock's text and thumbnail are of this file."""
    if golden.text:
        return data.decode("utf-8", "replace") == golden.text
    if not golden.thumbnail:
        return True
    try:
        picture, small = opened(data), opened(png_bytes(golden.thumbnail))
    except PictureError:
        return False
    gap = compare(reduced(picture), small)
    exact = picture.size == small.size
    return gap is not None and gap.maximum <= (0 if exact else 0.05) and picture.size == (golden.width, golden.height)


def _picture(name: str, golden: GoldenFile, before: bytes | None, data: bytes, tolerance: float) -> Verdict:
    try:
        now = opened(data)
        then = opened(before if before is not None else png_bytes(golden.thumbnail))
    except PictureError as error:
        return Verdict(name, DIFFERENT, f"cannot be compared: {error}")
    remark = ""
    if now.size != (golden.width, golden.height):
        return Verdict(name, DIFFERENT, f"{golden.width}x{golden.height} pixels when it was locked, now {now.size}")
    if then.size != now.size:
        now, remark = reduced(now), ", compared as thumbnails"
    gap = compare(now, then)
    if gap is None:
        return Verdict(name, DIFFERENT, "the lock's thumbnail has another shape")
    if remark and gap.psnr is None:
        return Verdict(name, DIFFERENT, "the thumbnails are equal; the whole picture is not kept here", gap)
    if gap.psnr is None:
        return Verdict(name, CLOSE, "every pixel is equal; only the file is written in another way", gap)
    return Verdict(name, CLOSE if gap.maximum <= tolerance and not remark else DIFFERENT, f"{gap}{remark}", gap)


def _text(name: str, then: str, now: str, media: str, tolerance: float) -> Verdict:
    if media == "application/json":
        try:
            gap = number_gap(parse_json(then), parse_json(now))
        except ProblemsError:
            gap = math.inf
        if gap <= tolerance:
            return Verdict(name, CLOSE, f"largest relative difference of its numbers {gap:.3g}")
    at = next((i for i, (a, b) in enumerate(zip(then, now, strict=False)) if a != b), min(len(then), len(now)))
    line, column = then.count("\n", 0, at) + 1, at - then.rfind("\n", 0, at)
    change = f"{then[at : at + 30]!r} → {now[at : at + 30]!r}"
    return Verdict(name, DIFFERENT, f"from line {line}, character {column}: {change}")


def number_gap(a: Any, b: Any) -> float:
    """The largest relative difference of the numbers in two JSON values; infinite if anything else differs."""
    worst, todo = 0.0, [(a, b)]
    while todo:
        left, right = todo.pop()
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (left, right))
        if numbers:
            scale = max(abs(left), abs(right))
            worst = max(worst, abs(left - right) / scale if scale else 0.0)
        elif type(left) is not type(right):
            return math.inf
        elif isinstance(left, list) and len(left) == len(right):
            todo += zip(left, right, strict=True)
        elif isinstance(left, dict) and left.keys() == right.keys():
            todo += [(left[k], right[k]) for k in left]
        elif left != right:
            return math.inf
    return worst
