"""The server's log: lines for people, or one JSON object a line (`NODEFLOW_LOG=json`), with the job they are about.

Goes to standard error, as does what nodes print. Nothing secret is ever logged: no token, no code, no query.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

JOB: ContextVar[int] = ContextVar("nodeflow_job", default=0)
"""The job that the current task is about."""


class Lines(logging.Formatter):
    """`12:04:31 warning: job 7: …`"""

    def format(self, record: logging.LogRecord) -> str:
        job = f"job {JOB.get()}: " if JOB.get() else ""
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        text = f"{clock} {record.levelname.lower()}: {job}{record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JsonLines(logging.Formatter):
    """One object a line: time (UTC, ISO 8601), level, logger, message, job, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        found: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if JOB.get():
            found["job"] = JOB.get()
        if record.exc_info:
            found["traceback"] = self.formatException(record.exc_info)
        return json.dumps(found)


def configure() -> None:
    """Set up the log of a server process, as the environment says."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if os.environ.get("NODEFLOW_LOG") == "json" else Lines())
    log = logging.getLogger("nodeflow")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
