"""The worker: the process in which recipes run, so that native code that crashes takes no server with it.

    python -m nodeflow.server.worker

It is started by the server (`worker_process`) and talks with it in frames over its standard input and output: settings
first, then jobs, one at a time. The engine lives here, and all that it loads; nothing is kept here that matters: the
server has the queue, the blob store has the results. When the server is gone, so is the worker.
"""

from __future__ import annotations

import ast
import contextlib
import faulthandler
import os
import re
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, Any, Final

from nodeflow.engine import Engine, Run
from nodeflow.errors import NodeflowError
from nodeflow.events import Event
from nodeflow.keys import Ref
from nodeflow.server import frames
from nodeflow.server.blackbox import BlackBox
from nodeflow.server.reporting import Feed, device_bytes, resident_bytes
from nodeflow.server.tracing import Tracing, tracing
from nodeflow.steps import Plan
from nodeflow.types import Artefact
from nodeflow.workflow import Workflow

STOP_S: Final = 1.0
"""How long a run may take to stop when the worker is told to end."""

MAX_ERRORS: Final = 20
MAX_TIMES: Final = 200
"""So many times an op are told for the metrics."""

_INDEX: Final = re.compile(r"\[\d+\]")
_PICTURES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif")


class Worker:
    """One engine that runs the jobs it is sent.

    Args:
        feed: told what happens. tracing: makes spans of the nodes.
    """

    def __init__(self, engine: Engine, feed: Feed, tracing: Tracing | None = None) -> None:
        self.engine = engine
        self.feed = feed
        self.tracing = tracing or Tracing()
        self.cancel = threading.Event()
        self.job = 0
        self._thread: threading.Thread | None = None

    def start(self, header: dict[str, Any], recipe: bytes) -> None:
        """Begin a job, in a thread of its own."""
        if self._thread is not None:
            self._thread.join()
        self.job = header["job"]
        self.cancel = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(header, recipe, self.cancel), name="nodeflow-run")
        self._thread.start()

    def stop(self) -> None:
        """Stop what runs, and write what is still to be written."""
        self.cancel.set()
        if self._thread is not None:
            self._thread.join(STOP_S)
        self.engine.close()
        self.tracing.close()

    def _run(self, header: dict[str, Any], recipe: bytes, cancel: threading.Event) -> None:
        job = header["job"]
        try:
            ended = self._ended(header, recipe, cancel)
        except NodeflowError as error:
            ended = {"state": "failed", "error": str(error)}
        except BaseException as error:
            traceback.print_exc()
            ended = {"state": "failed", "error": f"{type(error).__name__}: {error}"}
        self.feed.finish(None)
        self.feed.send({"kind": "finished", "job": job, **self._inventory(), **ended})

    def _ended(self, header: dict[str, Any], recipe: bytes, cancel: threading.Event) -> dict[str, Any]:
        workflow = Workflow.parse(recipe).with_inputs(header["inputs"])
        engine = self.engine
        self.feed.job = header["job"]
        spans = self.tracing.nodes(header.get("trace", ""))

        def told(event: Event) -> None:
            spans.take(event)
            self.feed.take(event)

        try:
            run = engine.run(
                workflow,
                targets=header["targets"],
                out=engine.settings.output,
                values=False,
                on_plan=self.feed.begin,
                on_event=told,
                cancel=cancel,
                show=True,
            )
        finally:
            spans.close()
        self.feed.finish(run.outcome)
        error = "\n".join(f"{failure.node}: {failure.message}" for failure in run.failures[:MAX_ERRORS])
        if len(run.failures) > MAX_ERRORS:
            error += f"\n… and {len(run.failures) - MAX_ERRORS} more"
        return {"state": run.state, "error": error, "run": run.id, "artefacts": self._artefacts(run),
                "seconds": _seconds(run)}  # fmt: skip

    def _inventory(self) -> dict[str, Any]:
        """What the process holds: loaded weights, and how the cache did."""
        stats = self.engine.cache.stats()
        tiers, asked = {}, sum(tier.hits for tier in stats.tiers.values()) + stats.misses
        for name, tier in stats.tiers.items():  # each is asked for what those before it do not have
            asked -= tier.hits
            tiers[name] = {"bytes": tier.used_bytes, "hits": tier.hits, "misses": asked}
        loaded = self.engine.weights.inventory()
        weights = [{"name": _short(name), "device": where, "bytes": size} for name, where, size in loaded]
        loads = self.engine.weights.loads
        memory, vram = resident_bytes(), device_bytes()
        return {"weights": weights, "loads": loads, "tiers": tiers, "memory": memory, "vram": vram}

    def _artefacts(self, run: Run) -> list[dict[str, Any]]:
        """What the run published and what its nodes show, as `schema.ArtefactInfo` has it."""
        plan = run.outcome.plan
        exports = {step.key for step in plan.steps if step.id.startswith("export:")}
        made = [
            (x.output, source_of(plan, x.output) if x.key in exports else innermost(x.output), x.path.name, x.artefact)
            for x in run.published
        ]
        there = {node for _, node, _, _ in made}  # a declared output of what a node shows is the same once more
        looks = [(step, innermost(step), artefact.name, artefact) for step, artefact in run.shown]
        made += [look for look in looks if look[1] not in there]
        counts: dict[str, int] = {}
        found = []
        for output, node, name, artefact in made:
            place = counts[output] = counts.get(output, -1) + 1
            width, height = self._size(artefact)
            found.append(
                {"output": output, "node": node, "index": place, "name": name, "width": width, "height": height,
                 "digest": artefact.digest, "media_type": artefact.media, "bytes": artefact.size}
            )  # fmt: skip
        return found

    def _size(self, artefact: Artefact) -> tuple[int, int]:
        """Width and height of a picture."""
        if artefact.media in _PICTURES:
            from PIL import Image

            with contextlib.suppress(Exception), Image.open(self.engine.artefacts.path(artefact.digest)) as picture:
                width, height = picture.size
                return int(width), int(height)
        return 0, 0


def innermost(step: str) -> str:
    """The node that a step is of, with the nodes that lead to it: `sub/save` of `sub[3]/save`."""
    return _INDEX.sub("", step)


def source_of(plan: Plan, output: str) -> str:
    """The node that makes a declared output, as `innermost` says it: of a subgraph the node in it."""
    node = plan.workflow.outputs.get(output, "").partition(".")[0]
    source = plan.outputs.get(output)
    step = innermost(plan.steps[source.step].id) if isinstance(source, Ref) else ""
    return step if step.startswith(node + "/") else node


def _short(identity: str) -> str:
    """The identity of a loaded module for people: its loader and the beginning of its digest."""
    with contextlib.suppress(ValueError, SyntaxError, TypeError, IndexError):
        loader, digest, *_ = ast.literal_eval(identity)
        return f"{loader} {digest[:12]}"
    return identity[:80]


def _seconds(run: Run) -> dict[str, list[float]]:
    """How long steps took, by op."""
    found: dict[str, list[float]] = {}
    for index, seconds in run.outcome.seconds.items():
        times = found.setdefault(run.outcome.plan.steps[index].op.name, [])
        if len(times) < MAX_TIMES:
            times.append(round(seconds, 6))
    return found


def main() -> int:
    """Serve the process that started this one until it says stop, or is gone."""
    commands, answers = _pipes()
    _end_with_parent()
    _die_first()
    faulthandler.enable()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the server
    first = frames.read(commands)
    if first is None:
        return 0
    engine = Engine(frames.settings_from(first[0]["settings"]), working_folder=False)
    feed = Feed(answers, BlackBox(Path(first[0]["box"])))
    worker = Worker(engine, feed, tracing())
    about = {"device": engine.device, "numeric": str(engine.numeric), "memory": resident_bytes()}
    feed.send({"kind": "ready", **about})
    try:
        while (frame := frames.read(commands)) is not None:
            header, data = frame
            if header["kind"] == "run":
                worker.start(header, data)
            elif header["kind"] == "cancel" and header["job"] == worker.job:
                worker.cancel.set()
            elif header["kind"] == "stop":
                worker.stop()
                break
    finally:
        sys.stderr.flush()
        os._exit(0)  # a node that does not stop must not keep the process


def _pipes() -> tuple[IO[bytes], IO[bytes]]:
    """The two pipes; afterwards nothing that a node reads or prints goes there."""
    commands, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return commands, answers


def _end_with_parent() -> None:
    """On Linux, have the kernel end this process with its parent, also while native code holds everything up."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _die_first() -> None:
    """On Linux, have the kernel take this process when memory runs out, and not the server."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("500")


if __name__ == "__main__":
    sys.exit(main())
