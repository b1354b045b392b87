"""A picture compared with what its own recipe gives here: no lock is needed, the picture is what it was."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from nodeflow.events import Event
from nodeflow.share.carried import Carried
from nodeflow.share.drift import Drift
from nodeflow.share.embed import is_picture, without
from nodeflow.share.golden import fresh_run
from nodeflow.share.lock import shown
from nodeflow.share.pictures import PictureError, compare, opened
from nodeflow.share.survey import survey, versions
from nodeflow.share.verify import CLOSE, DIFFERENT, EQUAL, MISSING, TOLERANCE, Verdict, Verification

if TYPE_CHECKING:
    from nodeflow.engine import Engine


def verify_picture(
    engine: Engine,
    carried: Carried,
    data: bytes,
    path: Path | None = None,
    *,
    tolerance: float = TOLERANCE,
    on_event: Callable[[Event], None] | None = None,
    cancel: threading.Event | None = None,
) -> Verification:
    """Run a picture's recipe without cache and compare what comes out with the picture.

    Args:
        carried: what the picture carries. data: its bytes. path: its file.
        tolerance: the largest difference that passes, as a share of the full range.

    Raises:
        ProblemsError: the recipe cannot run here. PictureError: the picture cannot be looked at.
    """
    picture = opened(data)
    lock = survey(engine, carried.workflow, path)
    fresh = fresh_run(engine, carried.workflow, path, on_event=on_event, cancel=cancel)
    found = Verification(fresh, drifts=_drifts(engine, carried, {o.key for o in lock.outputs.values()}, lock.tensors))
    named = [name for name, output in lock.outputs.items() if output.key == carried.key]
    best: Verdict | None = None
    digest = blake3(without(data)).hexdigest()
    for name, files in fresh.outputs.items():
        if named and name not in named:
            continue
        for number, (_, made) in enumerate(files):
            label = f"picture ({name}{f'-{number}' if len(files) > 1 else ''})"
            verdict = _compared(label, picture, digest, made, tolerance)
            if best is None or _rank(verdict) < _rank(best):
                best = verdict
    found.outputs = [best or Verdict("picture", MISSING, "no output of its recipe is a picture")]
    return found


def _compared(name: str, picture: object, digest: str, made: bytes, tolerance: float) -> Verdict:
    if blake3(made).hexdigest() == digest:
        return Verdict(name, EQUAL)
    try:
        gap = compare(picture, opened(made)) if is_picture(made) else None
    except PictureError as error:
        return Verdict(name, DIFFERENT, str(error))
    if gap is None:
        return Verdict(name, DIFFERENT, "what comes out is no picture of this size")
    if gap.psnr is None:
        return Verdict(name, CLOSE, "every pixel is equal; only the file is written in another way", gap)
    return Verdict(name, CLOSE if gap.maximum <= tolerance else DIFFERENT, str(gap), gap)


def _rank(verdict: Verdict) -> tuple[int, float]:
    order = (EQUAL, CLOSE, DIFFERENT).index(verdict.state)
    return order, verdict.difference.mean if verdict.difference is not None else 2.0


def _drifts(engine: Engine, carried: Carried, keys: set[str], tensors: bool) -> list[Drift]:
    """What the picture says it was made with, where that is otherwise here."""
    found = []
    if tensors and carried.numeric and carried.numeric != str(engine.numeric):
        found.append(Drift("numeric", "", shown(carried.numeric), str(engine.numeric), "its last digits may differ"))
    now = versions(tensors, True)
    for name, version in sorted(carried.versions.items()):
        if name in now and now[name] != version:
            found.append(Drift("version", shown(name), shown(version), now[name]))
    if carried.key and carried.key not in keys and not found:
        advice = "its models, files, nodes or versions are others than when it was made"
        found.append(Drift("key", "", carried.key[:16], ", ".join(sorted(k[:16] for k in keys if k)) or "none", advice))
    return found
