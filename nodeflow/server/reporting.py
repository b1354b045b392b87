"""What a worker tells the server while a recipe runs: node states, progress, text and previews, a few frames a second.

Events come from the run's threads and only change what is to be told; one thread tells it. So a node that reports a
thousand steps a second costs the server no more than one that reports ten, and memory does not grow when the server is
slow: the latest state of a node and its latest preview count.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import IO, Any, Final

from nodeflow.events import Event, NodeFailed, NodeFinished, NodePreview, NodeStarted, NodeText
from nodeflow.outcome import Outcome
from nodeflow.server import frames
from nodeflow.server.blackbox import BlackBox
from nodeflow.server.previews import Throttle, encoded
from nodeflow.server.tracker import Tracker
from nodeflow.steps import Plan

INTERVAL_S: Final = 0.03
"""Frames with news are at least so far apart."""

BEAT_S: Final = 1.0
"""The server hears from a worker at least so often."""

Preview = tuple[dict[str, Any], bytes]


class Feed:
    """Tells the server at the other end of `pipe` what happens in the job `job`."""

    def __init__(self, pipe: IO[bytes], box: BlackBox) -> None:
        self.job = 0
        self._box = box
        self._pipe = pipe
        self._writing = threading.Lock()
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._tracker: Tracker | None = None
        self._texts: list[tuple[str, str]] = []
        self._previews: dict[str, Preview] = {}
        self._throttle = Throttle()
        threading.Thread(target=self._tell, name="nodeflow-feed", daemon=True).start()

    def send(self, header: dict[str, Any], data: bytes = b"") -> None:
        """Tell the server something else."""
        with self._writing:
            self._write(header, data)

    # --- called by the run -----------------------------------------------------------------------------------------

    def begin(self, plan: Plan) -> None:
        """A run of this plan begins."""
        with self._lock:
            self._tracker = Tracker(plan)
            self._throttle = Throttle()
        self._news.set()

    def take(self, event: Event) -> None:
        """An event of the run; called by one thread at a time."""
        tracker = self._tracker
        if tracker is None:
            return
        if isinstance(event, NodePreview):
            self._preview(tracker, event)
            return
        with self._lock:
            if isinstance(event, NodeText):
                self._texts.append((tracker.root(event.node), event.piece))
            else:
                tracker.take(event)
        if isinstance(event, NodeStarted):
            self._box.begin(tracker.root(event.node))
        elif isinstance(event, (NodeFinished, NodeFailed)):
            self._box.end(tracker.root(event.node))
        self._news.set()

    def finish(self, outcome: Outcome | None) -> None:
        """The run is over; everything is told when this returns. May be called again."""
        with self._lock:
            if self._tracker is not None:
                self._tracker.close(outcome)
        while self._flush():
            pass
        with self._lock:
            self._tracker = None
        self._box.clear()

    def _preview(self, tracker: Tracker, event: NodePreview) -> None:
        path = tracker.path(event.node)
        if not self._throttle(path):
            return
        try:
            picture = encoded(event.image)
        except Exception as error:  # a picture that cannot be shown is no reason for a run to fail
            print(f"{path}: its preview cannot be shown: {type(error).__name__}: {error}", file=sys.stderr)
            return
        if picture is not None:
            media, data = picture
            header = {"kind": "preview", "job": self.job, "node": tracker.root(event.node), "path": path}
            with self._lock:
                self._previews[path] = {**header, "media_type": media}, data
            self._news.set()

    # --- the thread that tells -------------------------------------------------------------------------------------

    def _tell(self) -> None:
        beaten = time.monotonic()
        while True:
            told = self._news.wait(BEAT_S)
            self._news.clear()
            while told and self._flush():
                pass
            if time.monotonic() - beaten >= BEAT_S:
                beaten = time.monotonic()
                self.send({"kind": "beat", "memory": resident_bytes(), "vram": device_bytes()})
            if told:
                time.sleep(INTERVAL_S)

    def _flush(self) -> bool:
        """Tell the news there are; whether there are more."""
        with self._writing:
            with self._lock:
                tracker = self._tracker
                if tracker is None:
                    return False
                nodes = tracker.drain()
                texts, self._texts = joined(self._texts), []
                previews, self._previews = self._previews, {}
                counts = {"steps": tracker.steps, "finished": tracker.finished_steps, "cached": tracker.cached_steps}
            self._write({"kind": "news", "job": self.job, "nodes": nodes, "texts": texts, **counts})
            for header, data in previews.values():
                self._write(header, data)
            return bool(tracker.changed)

    def _write(self, header: dict[str, Any], data: bytes = b"") -> None:
        """Write a frame; when nobody reads any more, the process has no purpose and ends."""
        try:
            self._pipe.write(frames.pack(header, data))
            self._pipe.flush()
        except (OSError, ValueError):
            os._exit(1)


def joined(texts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Consecutive pieces of one node's text as one piece."""
    result: list[tuple[str, list[str]]] = []
    for node, piece in texts:
        if not result or result[-1][0] != node:
            result.append((node, []))
        result[-1][1].append(piece)
    return [(node, "".join(pieces)) for node, pieces in result]


def resident_bytes() -> int:
    """Memory that this process has in RAM; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def device_bytes() -> int:
    """Memory that this process's tensors take on accelerators; 0 if it uses none. Never loads a tensor library."""
    torch = sys.modules.get("torch")
    cuda, mps = (getattr(torch, name, None) for name in ("cuda", "mps"))
    total = 0
    with contextlib.suppress(Exception):  # a driver's fault is no reason not to be alive
        if cuda is not None and cuda.is_initialized():
            total += sum(cuda.memory_allocated(index) for index in range(cuda.device_count()))
        if mps is not None and torch.backends.mps.is_available():  # type: ignore[union-attr]
            total += mps.current_allocated_memory()
    return int(total)
