"""Traces of jobs and nodes, for OpenTelemetry; none by default, and then nothing of it is imported.

They are made if the standard variables ask for them (`OTEL_TRACES_EXPORTER`, or an `OTEL_EXPORTER_OTLP_ENDPOINT`) and
the extra `nodeflow-engine[otel]` is installed. The server makes a span for each attempt to run a job, its worker one
for each node that it computes, below that. Polls are not traced: that would cost more than they do.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Mapping
from typing import Final

from nodeflow.events import Event

LOG = logging.getLogger("nodeflow.server")
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
EXPORTERS: Final = ("otlp", "console")


class JobSpan:
    """An attempt to run a job. trace: the trace's id, 32 hex digits. parent: its `traceparent` (W3C) for the worker."""

    trace = ""
    parent = ""

    def end(self, state: str, error: str = "") -> None:
        """The attempt is over: a state of the job, "died" or "stopped"."""


class NodeSpans:
    """The nodes of a run that are being computed."""

    def take(self, event: Event) -> None:
        """An event of the run; called by one thread at a time."""

    def close(self) -> None:
        """The run is over: what was begun and not finished was cancelled."""


class Tracing:
    """Makes no spans."""

    def job(self, job: int, attempt: int, created: float, sweep: str = "") -> JobSpan:
        """An attempt to run a job begins; it was queued at `created` (seconds since 1970)."""
        return JobSpan()

    def nodes(self, parent: str) -> NodeSpans:
        """The nodes of a run, below the span of this `traceparent`."""
        return NodeSpans()

    def close(self) -> None:
        """Send what has not been sent; takes two seconds at most."""


def exporters(environment: Mapping[str, str]) -> list[str]:
    """Where the standard variables want traces to go: some of `EXPORTERS`, or nowhere."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    wanted = [name.strip().lower() for name in environment.get("OTEL_TRACES_EXPORTER", "").split(",") if name.strip()]
    if not wanted:
        return ["otlp"] if any(environment.get(name) for name in ENDPOINTS) else []
    return [name for name in wanted if name != "none"]


def tracing(environment: Mapping[str, str] = os.environ) -> Tracing:
    """As the environment asks for it. What cannot be done is said in the log; a server does not fail for it."""
    wanted = exporters(environment)
    if not wanted:
        return Tracing()
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), "http/protobuf")
    if unknown := [name for name in wanted if name not in EXPORTERS]:
        LOG.warning(
            "no traces: OTEL_TRACES_EXPORTER=%s is not known; %s are", ",".join(unknown), " and ".join(EXPORTERS)
        )
    elif "otlp" in wanted and protocol != "http/protobuf":
        LOG.warning("no traces: the OTLP protocol %s is not known; http/protobuf is", protocol)
    elif not installed():
        LOG.warning("no traces: OpenTelemetry is not installed; pip install 'nodeflow-engine[otel]'")
    else:
        from nodeflow.server.otel import Otel, provider

        return Otel(provider(wanted, environment))
    return Tracing()


def installed() -> bool:
    """Whether the extra is there."""
    try:
        names = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
        return all(importlib.util.find_spec(name) is not None for name in names)
    except ModuleNotFoundError:
        return False
