"""The server's log: lines for people, or one JSON object a line (`NODEFLOW_LOG=json`), with what they are about.

Goes to standard error, as does what nodes print. Nothing secret is ever logged: no token, no code, no query.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

JOB: ContextVar[int] = ContextVar("nodeflow_job", default=0)
"""The job that the current task is about."""
NODE: ContextVar[str] = ContextVar("nodeflow_node", default="")
"""The node that is spoken of."""
TRACE: ContextVar[str] = ContextVar("nodeflow_trace", default="")
"""The id of the trace (32 hex digits) that the job is part of, if there are traces."""

PRINTED: Final = logging.getLogger("nodeflow.worker")
"""What workers, and nodes in them, print."""
MAX_LINE: Final = 8192
"""Characters of a printed line that are kept in JSON."""


_CONTROL: Final = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160)) if chr(n) not in "\n\t"}


class Lines(logging.Formatter):
    """`12:04:31 warning: job 7: sample: …`; what a recipe brings along can neither move the cursor nor look like a line
    of the log: control characters are written out, and further lines are indented."""

    def format(self, record: logging.LogRecord) -> str:
        job = f"job {JOB.get()}: " if JOB.get() else ""
        node = f"{NODE.get()}: " if NODE.get() else ""
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        text = f"{clock} {record.levelname.lower()}: {job}{node}{record.getMessage()}"
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info)}"
        return text.translate(_CONTROL).replace("\n", "\n  ")


class JsonLines(logging.Formatter):
    """One object a line: time (UTC, ISO 8601), level, logger, message, job, node, trace, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        found: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        about = (("job", JOB.get()), ("node", NODE.get()), ("trace", TRACE.get()))
        found |= {name: value for name, value in about if value}
        if record.exc_info:
            found["traceback"] = self.formatException(record.exc_info)
        return json.dumps(found)


def configure() -> None:
    """Set up the log of a server process, as the environment says."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if wants_json() else Lines())
    log = logging.getLogger("nodeflow")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


def wants_json() -> bool:
    return os.environ.get("NODEFLOW_LOG") == "json"


@contextlib.contextmanager
def about(job: int | None = None, node: str | None = None, trace: str | None = None) -> Iterator[None]:
    """What is logged in the block is about these; what is None stays as it is outside."""
    with contextlib.ExitStack() as stack:
        if job is not None:
            stack.callback(JOB.reset, JOB.set(job))
        if node is not None:
            stack.callback(NODE.reset, NODE.set(node))
        if trace is not None:
            stack.callback(TRACE.reset, TRACE.set(trace))
        yield


class Printed:
    """Passes on what a worker prints: as it is, for people; each line as one of the log, in JSON."""

    def __init__(self) -> None:
        self._begun = ""

    def write(self, text: str, job: int = 0, node: str = "", trace: str = "") -> None:
        """Pass on a piece.

        Args:
            job, node, trace: what the worker is about.
        """
        if not wants_json():
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(text)
                sys.stderr.flush()
            return
        *lines, self._begun = (self._begun + text).split("\n")
        if len(self._begun) > MAX_LINE:
            lines, self._begun = [*lines, self._begun], ""
        with about(job, node, trace):
            for line in lines:
                if line.strip():
                    PRINTED.info("%s", line.rstrip()[:MAX_LINE])

    def end(self) -> None:
        """The worker is gone: pass on what had no end."""
        if self._begun:
            self.write("\n")
