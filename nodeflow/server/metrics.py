"""What the server measures about itself, for Prometheus. Labels have few values: route templates, never raw paths."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from nodeflow.server.openapi import route
from nodeflow.server.services import Services

if TYPE_CHECKING:
    from nodeflow.server.jobs import JobQueue
    from nodeflow.server.worker_process import WorkerProcess

_JOB_S = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600)
_NODE_S = (0.001, 0.01, 0.1, 0.3, 1, 3, 10, 30, 100, 1000)
_HTTP_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter was made interests nobody


class Metrics:
    """The server's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self.submitted = Counter("nodeflow_jobs_submitted", "Jobs that were queued", **own)
        self.jobs = Counter("nodeflow_jobs", "Jobs that ended", ["state"], **own)
        self.job_seconds = Histogram("nodeflow_job_seconds", "From start to end", ["state"], buckets=_JOB_S, **own)
        self.node_seconds = Histogram("nodeflow_node_seconds", "A node's body", ["type"], buckets=_NODE_S, **own)
        self.hits = Counter("nodeflow_cache_hits", "Results found in the cache", ["tier"], **own)
        self.misses = Counter("nodeflow_cache_misses", "Results looked for in vain", ["tier"], **own)
        self.loads = Counter("nodeflow_model_loads", "Models read from their files", **own)
        self._said: dict[int, tuple[int, dict[str, int]]] = {}
        self.requests = Histogram(
            "http_server_request_duration_seconds",
            "Time to answer",
            ["http_request_method", "http_route", "http_response_status_code"],
            buckets=_HTTP_S,
            **own,
        )

    def watch(self, queue: JobQueue) -> None:
        """Have the gauges show this queue."""
        self.registry.register(_Gauges(queue))

    def job(self, state: str, started: float | None = None) -> None:
        """A job has ended; it was started then (seconds since 1970), if it was."""
        self.jobs.labels(state).inc()
        if started is not None:
            self.job_seconds.labels(state).observe(max(0.0, time.time() - started))

    def run(self, worker: WorkerProcess, ended: dict[str, Any]) -> None:
        """A worker has ended a run, and says what its nodes took and how its cache and weights did so far."""
        for op, times in ended.get("seconds", {}).items():
            histogram = self.node_seconds.labels(op)
            for seconds in times:
                histogram.observe(seconds)
        said = {"loads": ended["loads"]}
        for tier, stats in ended["tiers"].items():
            said |= {f"hits {tier}": stats["hits"], f"misses {tier}": stats["misses"]}
        pid, before = self._said.get(worker.slot, (0, {}))
        self._said[worker.slot] = worker.pid, said
        for name, count in said.items():
            new = max(0, count - (before.get(name, 0) if pid == worker.pid else 0))
            what, _, tier = name.partition(" ")
            if what == "loads":
                self.loads.inc(new)
            else:
                (self.hits if what == "hits" else self.misses).labels(tier).inc(new)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _Gauges:
    """What is as it is when it is asked for."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    def collect(self) -> Iterator[Metric]:
        workers = self._queue.dispatcher.workers
        yield GaugeMetricFamily("nodeflow_queue_depth", "Jobs that wait", self._queue.queued)
        yield GaugeMetricFamily("nodeflow_jobs_running", "Jobs that run", len(self._queue.dispatcher.running))
        yield GaugeMetricFamily("nodeflow_websocket_clients", "Open websockets", len(self._queue.hub.clients))
        yield GaugeMetricFamily("nodeflow_events_sent", "Number of the last event", self._queue.hub.seq)
        up = GaugeMetricFamily("nodeflow_worker_up", "Whether the worker runs", labels=["worker"])
        memory = GaugeMetricFamily("nodeflow_worker_memory_bytes", "Its memory in RAM", labels=["worker"])
        starts = GaugeMetricFamily("nodeflow_worker_starts", "How often it was started", labels=["worker"])
        loaded = GaugeMetricFamily("nodeflow_weights_bytes", "Loaded weights", labels=["worker"])
        held = GaugeMetricFamily("nodeflow_cache_bytes", "What the cache holds", labels=["worker", "tier"])
        video = GaugeMetricFamily("nodeflow_vram_bytes", "What its tensors take on accelerators", labels=["worker"])
        for number, worker in enumerate(workers):
            name = [str(number)]
            up.add_metric(name, float(worker.alive))
            memory.add_metric(name, worker.memory_bytes)
            video.add_metric(name, worker.vram_bytes)
            starts.add_metric(name, worker.starts)
            loaded.add_metric(name, sum(w["bytes"] for w in worker.inventory.get("weights", ())))
            for tier, stats in worker.inventory.get("tiers", {}).items():
                held.add_metric([*name, tier], stats["bytes"])
        yield from (up, memory, video, starts, loaded, held)


def metrics_middleware(metrics: Metrics) -> Any:
    """Counts requests by method, route template and status."""

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = time.perf_counter()
        status = 500
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            resource = request.match_info.route.resource
            path = "" if resource is None else resource.canonical
            if path != "/api/events":  # open for hours
                elapsed = time.perf_counter() - begun
                metrics.requests.labels(request.method, path, str(status)).observe(elapsed)

    return measure


@route("GET", "/metrics", media="text/plain")
async def metrics(services: Services) -> web.Response:
    """The server's metrics, for Prometheus."""
    return web.Response(body=services.queue.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
