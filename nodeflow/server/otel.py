"""Traces by OpenTelemetry's SDK. Imported only when traces are asked for (`tracing`); needs the extra `[otel]`.

The SDK itself reads OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_BSP_… and
OTEL_EXPORTER_OTLP_… from the environment. Spans carry ids, ops, states and error messages; no values, no recipes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from nodeflow import __version__
from nodeflow.events import Event, NodeFailed, NodeFinished, NodeStarted
from nodeflow.server.tracing import JobSpan, NodeSpans, Tracing

CLOSE_S: Final = 2.0
MAX_MESSAGE: Final = 500
_CONTEXT: Final = TraceContextTextMapPropagator()


def provider(exporters: Sequence[str], environment: Mapping[str, str]) -> TracerProvider:
    """A provider that sends to these exporters ("otlp", "console"), in batches."""
    named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    made = TracerProvider(
        resource=Resource.create({} if named else {"service.name": "nodeflow"}), shutdown_on_exit=False
    )
    for name in exporters:
        made.add_span_processor(BatchSpanProcessor(_exporter(name)))
    return made


def _exporter(name: str) -> SpanExporter:
    if name == "console":
        import sys

        return ConsoleSpanExporter(out=sys.stderr)  # standard output is for the link, and the worker's frames
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


class Otel(Tracing):
    """Spans of jobs and nodes, by a provider."""

    def __init__(self, made: TracerProvider) -> None:
        self._provider = made
        self._tracer = made.get_tracer("nodeflow", __version__)

    def job(self, job: int, attempt: int, created: float, sweep: str = "") -> JobSpan:
        attributes: dict[str, str | int | float] = {"nodeflow.job.id": job, "nodeflow.job.attempt": attempt}
        attributes["nodeflow.job.queued_seconds"] = max(0.0, time.time() - created)
        if sweep:
            attributes["nodeflow.job.sweep"] = sweep
        span = self._tracer.start_span("job", context=Context(), kind=SpanKind.CONSUMER, attributes=attributes)
        return _JobSpan(span)

    def nodes(self, parent: str) -> NodeSpans:
        return _NodeSpans(self._tracer, _CONTEXT.extract({"traceparent": parent}, context=Context()))

    def close(self) -> None:
        # a collector that does not answer would hold up the end for its own time-out
        thread = threading.Thread(target=self._provider.shutdown, daemon=True)
        thread.start()
        thread.join(CLOSE_S)


class _JobSpan(JobSpan):
    def __init__(self, span: Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _CONTEXT.inject(carrier, context=trace.set_span_in_context(span, Context()))
        self.parent = carrier.get("traceparent", "")
        self.trace = trace.format_trace_id(span.get_span_context().trace_id)

    def end(self, state: str, error: str = "") -> None:
        self._span.set_attribute("nodeflow.job.state", state)
        if state in ("failed", "died"):
            self._span.set_status(Status(StatusCode.ERROR, error[:MAX_MESSAGE]))
        self._span.end()


class _NodeSpans(NodeSpans):
    def __init__(self, tracer: trace.Tracer, parent: Context) -> None:
        self._tracer, self._parent = tracer, parent
        self._open: dict[str, Span] = {}
        self._lock = threading.Lock()

    def take(self, event: Event) -> None:
        if isinstance(event, NodeStarted):
            attributes = {"nodeflow.node.id": event.node, "nodeflow.node.op": event.op}
            span = self._tracer.start_span(event.op, context=self._parent, attributes=attributes)
            with self._lock:
                self._open[event.node] = span
        elif isinstance(event, NodeFinished):
            self._end(event.node, "done")
        elif isinstance(event, NodeFailed):
            self._end(event.node, "failed", event.message)

    def close(self) -> None:
        for node in list(self._open):
            self._end(node, "cancelled")

    def _end(self, node: str, state: str, error: str = "") -> None:
        with self._lock:
            span = self._open.pop(node, None)
        if span is None:
            return  # from the cache
        span.set_attribute("nodeflow.node.state", state)
        if state == "failed":
            span.set_status(Status(StatusCode.ERROR, error[:MAX_MESSAGE]))
        span.end()
