"""Ctrl-C: the first asks the run to stop at its next step, the second leaves at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from nodeflow.cli.exits import Exit

_FIRST = b"\nnodeflow: stopping at the next step (Ctrl-C again leaves at once)\n"
_SECOND = b"\n\x1b[?25hnodeflow: left\n"


class Interrupts:
    """While it is entered, SIGINT and SIGTERM set `cancel` instead of raising; `count` says how many came."""

    def __init__(self, cancel: threading.Event) -> None:
        self.cancel = cancel
        self.count = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # It may come in the middle of a write to standard error, so nothing buffered is used here.
        self.count += 1
        self.cancel.set()
        _write(_FIRST if self.count == 1 else _SECOND)
        if self.count > 1:
            os._exit(Exit.CANCELLED)


def _write(text: bytes) -> None:
    with contextlib.suppress(OSError):
        os.write(2, text)
