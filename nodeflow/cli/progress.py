"""What goes on while a recipe runs: a live display on a terminal, plain lines elsewhere; on standard error.

Events come from the run's threads, one at a time, and must cost next to nothing: they change a few numbers here, and a
terminal is painted a few times a second from them, whatever the graph's size.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nodeflow.cli.text import clean, say, seconds_text
from nodeflow.events import (
    Event,
    NodeFailed,
    NodeFinished,
    NodeProgress,
    NodeStarted,
    NodeText,
    NodeWarning,
    RunStarted,
)

MANY = 100
"""In runs of more steps, only those that took a second are worth a line."""

QUIET_S = 2.0
"""Plain lines about one node's progress are at least so far apart."""

_SHOWN = 8
_TAIL = 6


@contextmanager
def listener(quiet: bool) -> Iterator[Callable[[Event], None] | None]:
    """Something to hand a run's events to; None if nobody wants to see them."""
    if quiet:
        yield None
        return
    display = Terminal() if sys.stderr.isatty() else Plain()
    try:
        yield display
    finally:
        display.close()


class Plain:
    """A line for each node that was computed, warned or failed; streamed text as it comes."""

    def __init__(self) -> None:
        self._many = False
        self._told: dict[str, float] = {}
        self._writing = ""

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._many = event.steps > MANY
        elif isinstance(event, NodeStarted):
            self._told[event.node] = time.monotonic()
        elif isinstance(event, NodeProgress):
            now = time.monotonic()
            if now - self._told.get(event.node, now) >= QUIET_S:
                self._told[event.node] = now
                self._line(progress_text(event.node, event.done, event.total, event.text))
        elif isinstance(event, NodeText):
            if self._writing != event.node:
                self._line(f"{event.node}:")
                self._writing = event.node
            self._raw(clean(event.piece, lines=True))
        elif isinstance(event, NodeWarning):
            self._line(f"{event.node}: warning: {event.message}")
        elif isinstance(event, NodeFailed):
            self._line(f"{event.node}: failed: {event.message}")
        elif isinstance(event, NodeFinished):
            self._told.pop(event.node, None)
            if worth_a_line(event, self._many):
                self._line(f"{event.node}: {seconds_text(event.seconds)}")

    def _line(self, text: str) -> None:
        if self._writing:
            self._raw("\n")
            self._writing = ""
        say(clean(text))

    @staticmethod
    def _raw(text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            pass

    def close(self) -> None:
        if self._writing:
            self._raw("\n")


def worth_a_line(event: NodeFinished, many: bool) -> bool:
    return not event.cached and not event.node.startswith("export:") and (not many or event.seconds >= 1)


def progress_text(node: str, done: int, total: int, text: str) -> str:
    share = f"{done}/{total}" if total else str(done)
    return f"{node}: {share}{' ' if text else ''}{text}"


@dataclass
class _Running:
    """A node that is being computed."""

    since: float
    done: int = 0
    total: int = 0
    text: str = ""
    written: list[str] = field(default_factory=list)


class Terminal:
    """A bar for each running node, painted from `_running` by rich's own thread; made when something is computed."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}
        self._steps = self._finished = self._cached = 0
        self._many = False
        self._live: Any = None
        self._lock = threading.Lock()
        utf8 = (sys.stderr.encoding or "").lower().replace("-", "") == "utf8"
        self._tick, self._cross = ("✓", "✗") if utf8 else ("ok", "failed")

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._steps, self._many = event.steps, event.steps > MANY
        elif isinstance(event, NodeStarted):
            self._running[event.node] = _Running(time.monotonic())
            self._show()
        elif isinstance(event, NodeProgress):
            if node := self._running.get(event.node):
                node.done, node.total, node.text = event.done, event.total, event.text
        elif isinstance(event, NodeText):
            if node := self._running.get(event.node):
                node.written.append(event.piece)
        elif isinstance(event, NodeWarning):
            self._print(f"{event.node}: warning: {event.message}", "yellow")
        elif isinstance(event, NodeFailed):
            self._running.pop(event.node, None)
            self._print(f"{self._cross} {event.node}: {event.message}", "red")
        elif isinstance(event, NodeFinished):
            self._finished += 1
            self._cached += event.cached
            node = self._running.pop(event.node, None)
            if node and node.written:
                self._print("".join(node.written))
            if worth_a_line(event, self._many):
                self._print(f"{self._tick} {event.node}  {seconds_text(event.seconds)}", "green")

    def _print(self, text: str, colour: str = "") -> None:
        from rich.text import Text

        self._show()
        self._live.console.print(Text(clean(text, lines=True), colour))

    def _show(self) -> None:
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, highlight=False, markup=False, emoji=False)
            self._live = Live(get_renderable=self._paint, console=console, refresh_per_second=8, transient=True)
            self._live.start()

    def _paint(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        running = list(self._running.items())
        grid = Table.grid(padding=(0, 1))
        tails = []
        for name, node in running[:_SHOWN]:
            total = float(node.total) or None
            bar = ProgressBar(total=total, completed=node.done, width=24, pulse=not total)
            share = f"{node.done}/{node.total}" if node.total else ""
            elapsed = seconds_text(now - node.since)
            grid.add_row(Text(clean(name)), bar, Text(share), Text(elapsed, "dim"), Text(clean(node.text), "dim"))
            if node.written:
                lines = clean("".join(node.written[-200:]), lines=True).splitlines()
                tails.append(Text("\n".join(lines[-_TAIL:])))
        more = f", {len(running) - _SHOWN} more running" if len(running) > _SHOWN else ""
        total_line = Text(f"{self._finished} of {self._steps} steps, {self._cached} cached{more}", "dim")
        return Group(*tails, grid, total_line)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
