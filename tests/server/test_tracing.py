"""Traces: off and not imported unless asked for; then a span for each attempt at a job, and below it its nodes."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nodeflow.executor import Executor
from nodeflow.op import Context, node
from nodeflow.server import tracing as module
from nodeflow.server.tracing import Tracing, exporters, tracing
from tests.packs_for_tests import Memory, n, planner, recipe
from tests.server.queueing import bench, home, run_async, until

pytest.importorskip("opentelemetry.sdk", reason="the extra [otel] is not installed", exc_type=ImportError)

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from nodeflow.server.otel import Otel, provider

__all__ = ["home"]  # a fixture

SECRET = "a prompt that is nobody's business"


# --- asked for or not -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, []),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_EXPORTER_OTLP_HEADERS": "a=b"}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318"}, []),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ["otlp"]),
        ({"OTEL_TRACES_EXPORTER": "console, OTLP"}, ["console", "otlp"]),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, []),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "TRUE"}, []),
    ],
)
def test_the_standard_variables_ask_for_traces(environment: dict[str, str], wanted: list[str]) -> None:
    assert exporters(environment) == wanted


def test_nothing_is_imported_unless_asked_for() -> None:
    code = (
        "import sys, nodeflow.server.listen, nodeflow.server.worker\n"
        "from nodeflow.server.tracing import tracing\n"
        "t = tracing(); s = t.job(1, 1, 0.0); t.nodes(s.parent).close(); s.end('completed'); t.close()\n"
        "print(s.trace == s.parent == '', sorted(m for m in sys.modules if m.startswith('opentelemetry')))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "True []"


def test_what_cannot_be_done_is_said_and_stops_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    monkeypatch.setattr(logging.getLogger("nodeflow"), "propagate", True)
    assert type(tracing({**endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})) is Tracing
    assert type(tracing({"OTEL_TRACES_EXPORTER": "zipkin"})) is Tracing
    monkeypatch.setattr(module, "installed", lambda: False)
    assert type(tracing(endpoint)) is Tracing
    assert type(tracing({})) is Tracing
    first, second, third = (record.getMessage() for record in caplog.records)
    assert "grpc is not known; http/protobuf is" in first
    assert "zipkin is not known; otlp and console are" in second
    assert "pip install 'nodeflow-engine[otel]'" in third


def test_a_collector_that_does_not_answer_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from time import monotonic

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    traces = tracing()
    assert isinstance(traces, Otel)
    traces.job(1, 1, 0.0).end("completed")
    begun = monotonic()
    traces.close()
    assert monotonic() - begun < 5


# --- spans ------------------------------------------------------------------------------------------------------------


def in_memory() -> tuple[Otel, InMemorySpanExporter]:
    made, exporter = TracerProvider(), InMemorySpanExporter()
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return Otel(made), exporter


@node("t/shows")
def shows(a: int = 0, *, ctx: Context) -> int:
    """Fails for 13."""
    ctx.progress(1, 1)
    if a == 13:
        raise ValueError("not thirteen")
    return a + 1


def test_nodes_that_are_computed_have_spans_below_their_job() -> None:
    traces, exporter = in_memory()
    made, cache = planner(shows), Memory()
    for values in (1, 13):
        job = traces.job(7, 2, 0.0)
        spans = traces.nodes(job.parent)
        nodes = {"x": n("t/shows@1", a=1), "y": n("t/shows@1", a=values), "z": n("t/shows@1", a="@y.value")}
        workflow = recipe(nodes)
        Executor(made, cache).run(made.plan(workflow, targets=["x", "z"]), on_event=spans.take)
        spans.close()
        job.end("completed" if values == 1 else "failed", "y: not thirteen")
    found = exporter.get_finished_spans()
    jobs = [span for span in found if span.name == "job"]
    assert [span.status.status_code.name for span in jobs] == ["UNSET", "ERROR"]
    assert [dict(span.attributes or {})["nodeflow.job.state"] for span in jobs] == ["completed", "failed"]
    for span in found:
        if span.name != "job":
            assert span.name == "t/shows@1"
            parent = next(job for job in jobs if job.context.trace_id == span.context.trace_id)
            assert span.parent is not None
            assert span.parent.span_id == parent.context.span_id
    states = [
        (span.attributes["nodeflow.node.id"], span.attributes["nodeflow.node.state"])
        for span in found
        if span.name != "job" and span.attributes and span.context.trace_id == jobs[1].context.trace_id
    ]
    assert states == [("y", "failed")], "what came from the cache took no time, and what was blocked neither"


def test_what_a_cancelled_run_had_begun_is_ended() -> None:
    from nodeflow.events import NodeFinished, NodeStarted

    traces, exporter = in_memory()
    spans = traces.nodes(traces.job(1, 1, 0.0).parent)
    spans.take(NodeStarted(1, "a", "t/shows@1"))
    spans.take(NodeFinished(2, "b", True, 0.0))
    spans.close()
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes or {})["nodeflow.node.state"] == "cancelled"


def test_each_attempt_at_a_job_has_a_span(home: Path, tmp_path: Path) -> None:
    traces, exporter = in_memory()

    async def main() -> None:
        async with bench(home, tracing=traces) as b:
            dies = {"d": ("die", {"text": SECRET, "until": 1, "counter": str(tmp_path / "counter")})}
            (job,) = await b.submit(dies)
            await b.finished(job.id)
            (cancelled,) = await b.submit({"s": ("steps", {"text": SECRET, "steps": 400, "seconds": 0.02})})
            await b.until(cancelled.id, "running")
            await b.queue.cancel(cancelled.id)
            await b.submit({"s": ("steps", {"text": "x", "steps": 400, "seconds": 0.02})})
            await b.until(3, "running")

    run_async(main())
    spans = [dict(span.attributes or {}) for span in exporter.get_finished_spans()]
    told = [(s["nodeflow.job.id"], s["nodeflow.job.attempt"], s["nodeflow.job.state"]) for s in spans]
    assert told == [(1, 1, "died"), (1, 2, "completed"), (2, 1, "cancelled"), (3, 1, "stopped")]
    assert all(0 <= float(str(s["nodeflow.job.queued_seconds"])) < 100 for s in spans)
    assert len({span.context.trace_id for span in exporter.get_finished_spans()}) == 4
    assert SECRET not in "".join(span.to_json() for span in exporter.get_finished_spans())


# --- over the wire ----------------------------------------------------------------------------------------------------


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """An OTLP collector: its address, and the requests that it got."""
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
            got.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_server_and_worker_send_one_trace_to_the_collector(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as (address, got):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")

        async def main() -> None:
            async with bench(home, tracing=tracing()) as b:
                nodes = {"a": ("text", {"text": SECRET}), "s": ("steps", {"text": "@a.text", "steps": 2})}
                (job,) = await b.submit(nodes)
                assert (await b.finished(job.id)).state == "completed"

                async def sent() -> list[Any]:
                    return spans(got)

                await until(sent, lambda found: len(found) >= 4)

        run_async(main())
        found = spans(got)
    names = sorted(span.name for span in found)
    assert names == ["engine/export@1", "fault/steps@1", "fault/text@1", "job"]
    assert len({span.trace_id for span in found}) == 1
    job = next(span for span in found if span.name == "job")
    assert all(span.parent_span_id == job.span_id for span in found if span is not job)
    services = {a.value.string_value for r in got for rs in r.resource_spans for a in rs.resource.attributes
                if a.key == "service.name"}  # fmt: skip
    assert services == {"nodeflow"}
    assert SECRET not in str(got)


def spans(got: list[Any]) -> list[Any]:
    return [span for r in got for rs in r.resource_spans for ss in rs.scope_spans for span in ss.spans]


def test_a_service_may_have_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    made = provider([], {"OTEL_SERVICE_NAME": "mine"})
    assert made.resource.attributes["service.name"] == "mine"
    assert provider([], {}).resource.attributes["service.name"] == "nodeflow"
