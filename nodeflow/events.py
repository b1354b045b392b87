"""Events: what happens during a run, as deltas with sequence numbers.

Each event costs the same however large the graph. A client that lost the connection asks for what came after the
last `seq` it has seen. Events hold plain values only, except previews, which hold what the node gave.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple


class RunStarted(NamedTuple):
    """The run began; `steps`: how many steps its plan has, `cached`: how many of them have results already."""

    seq: int
    run: str
    steps: int
    cached: int


class NodeStarted(NamedTuple):
    """A node's body was called."""

    seq: int
    node: str
    op: str


class NodeProgress(NamedTuple):
    """`done` of `total` steps of a node are finished."""

    seq: int
    node: str
    done: int
    total: int
    text: str


class NodePreview(NamedTuple):
    """An intermediate picture: a tensor [C, H, W] or [B, C, H, W] 0..1, or encoded bytes."""

    seq: int
    node: str
    image: Any


class NodeText(NamedTuple):
    """A piece of generated text."""

    seq: int
    node: str
    piece: str


class NodeWarning(NamedTuple):
    """Something a user should know that is no failure."""

    seq: int
    node: str
    message: str


class NodeFinished(NamedTuple):
    """A node's result is there, computed or from the cache; `seconds` it took to compute now."""

    seq: int
    node: str
    cached: bool
    seconds: float


class NodeFailed(NamedTuple):
    """A node raised; `message` in words."""

    seq: int
    node: str
    message: str


class NodeBlocked(NamedTuple):
    """A node does not run because `cause` failed."""

    seq: int
    node: str
    cause: str


class RunFinished(NamedTuple):
    """The run ended: "completed", "failed" or "cancelled"."""

    seq: int
    run: str
    state: str
    seconds: float


Event = (
    RunStarted
    | NodeStarted
    | NodeProgress
    | NodePreview
    | NodeText
    | NodeWarning
    | NodeFinished
    | NodeFailed
    | NodeBlocked
    | RunFinished
)


class Emitter:
    """Numbers events and hands them to one listener, in order, one at a time.

    A listener that raises is told no more; `error` says why. A run does not fail because nobody can watch it.
    """

    silent: ClassVar[Emitter]

    def __init__(self, listener: Callable[[Event], None] | None) -> None:
        self._listener = listener
        self._next = itertools.count(1).__next__
        self._lock = threading.Lock()
        self.error = ""

    def emit(self, kind: Callable[..., Event], *values: Any) -> None:
        if self._listener is None:
            return
        with self._lock:
            listener = self._listener
            if listener is not None:
                try:
                    listener(kind(self._next(), *values))
                except Exception as error:
                    self._listener = None
                    self.error = f"{type(error).__name__}: {error}"


Emitter.silent = Emitter(None)
