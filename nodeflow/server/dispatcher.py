"""The dispatcher: hands queued jobs to workers, one each at a time, and writes down how they end.

Each worker has a task that claims the next job, has it run, and finishes it under its lease. A job whose worker died
is queued again, or failed at its last attempt; the worker is started anew. Jobs are bound to a worker when one is free,
never before. Used on the event loop only; the store is reached by `Call`, which runs a function on the store's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from nodeflow.cache import StoreError
from nodeflow.server import history
from nodeflow.server.hub import Hub
from nodeflow.server.live import Running
from nodeflow.server.logs import JOB, TRACE, about
from nodeflow.server.metrics import Metrics
from nodeflow.server.schema import ArtefactInfo, Job
from nodeflow.server.store import MAX_ATTEMPTS, JobStore
from nodeflow.server.tasks import Claimed
from nodeflow.server.tracing import Tracing
from nodeflow.server.worker_process import Limits, WorkerDied, WorkerProcess
from nodeflow.settings import Settings

LOG = logging.getLogger("nodeflow.server")
MAX_PAUSE_S: Final = 30.0
"""Between attempts to start a worker that dies at once."""


class Call(Protocol):
    """Runs a function of the store on its thread."""

    def __call__(self, function: Callable[[JobStore], Any]) -> Awaitable[Any]: ...


class Dispatcher:
    """Workers and the jobs they run.

    Args:
        changed: to be told the numbers of jobs that have changed in the store. tracing: makes spans of the jobs.
    """

    def __init__(
        self,
        settings: Sequence[Settings],
        call: Call,
        hub: Hub,
        metrics: Metrics,
        changed: Callable[[Sequence[int]], Awaitable[Any]],
        limits: Limits | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.running: dict[int, Running] = {}
        self.paused = False
        self._call = call
        self._hub = hub
        self._metrics = metrics
        self._changed = changed
        self._tracing = tracing or Tracing()
        self._of: dict[int, WorkerProcess] = {}
        self._wakes: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.workers = [WorkerProcess(one, self._news, limits or Limits(), slot) for slot, one in enumerate(settings)]

    def start(self) -> None:
        """Start the workers, and handing out."""
        for worker in self.workers:
            wake = asyncio.Event()
            self._wakes.append(wake)
            self._tasks.append(asyncio.create_task(self._serve(worker, wake), name="nodeflow-dispatch"))

    async def stop(self) -> None:
        """Stop handing out, give back what runs (it goes on at the next start), end the workers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        message = "the server was stopped while it ran"
        await self._call(lambda store: store.recover(message, blame=False))
        for job in self.running:
            self._of[job].cancel(job)
        self.running.clear()
        await asyncio.gather(*(worker.stop() for worker in self.workers))
        await asyncio.to_thread(self._tracing.close)

    def wake(self) -> None:
        """There may be something to do."""
        for wake in self._wakes:
            wake.set()

    def cancel(self, job: int) -> None:
        """A job that runs was cancelled in the store: what it does is in vain."""
        running = self.running.get(job)
        if running is not None and not running.cancelled:
            running.end_running("cancelled")
            running.cancelled = True
            self._of[job].cancel(job)

    def _news(self, header: dict[str, Any], data: bytes) -> None:
        running = self.running.get(header.get("job", 0))
        if running is not None:
            running.take(header, data)

    # --- one worker ------------------------------------------------------------------------------------------------

    async def _serve(self, worker: WorkerProcess, wake: asyncio.Event) -> None:
        pause = 0.0
        while True:
            JOB.set(0)
            TRACE.set("")
            try:
                await worker.start()
                pause = 0.0
            except WorkerDied as died:
                LOG.error("no worker: %s", died)
                pause = min(max(1.0, 2 * pause), MAX_PAUSE_S)
                await asyncio.sleep(pause)
                continue
            wake.clear()
            try:
                lease = secrets.token_hex(16)
                job = None if self.paused else await self._call(lambda store, key=lease: store.claim(key))  # type: ignore[misc]
                if job is not None:
                    await self._run(worker, job)
                    continue
            except Exception:
                LOG.exception("the queue could not be read or written; trying again")
                await asyncio.sleep(1.0)
                continue
            await _first(wake.wait(), worker.gone())

    async def _run(self, worker: WorkerProcess, claimed: Claimed) -> None:
        """Run a claimed job to its end, and write that down."""
        JOB.set(claimed.id)
        job: Job = await self._call(lambda store: history.job(store.db, claimed.id))
        span = self._tracing.job(job.id, claimed.attempt, job.created, job.sweep)
        TRACE.set(span.trace)
        LOG.info("started (attempt %d)", claimed.attempt)
        running = self.running[claimed.id] = Running(job, claimed.lease, self._hub)
        running.cancelled = job.state != "running"
        self._of[claimed.id] = worker
        try:
            await self._changed([claimed.id])
            if running.cancelled:
                span.end("cancelled")
                return
            try:
                ended = await worker.run(claimed, span.trace, span.parent)
            except WorkerDied as died:
                span.end("died", str(died))
                await self._died(running, claimed, died)
            else:
                span.end(ended["state"], ended.get("error", ""))
                self._metrics.run(worker, ended)
                await self._ended(running, ended)
        except asyncio.CancelledError:
            span.end("stopped")
            raise  # `stop` gives the job back
        except BaseException as error:
            span.end("died", f"{type(error).__name__}: {error}")
            self.running.pop(claimed.id, None)
            raise
        self.running.pop(claimed.id, None)
        self._of.pop(claimed.id, None)
        await self._changed([claimed.id])

    async def _ended(self, running: Running, ended: dict[str, Any]) -> None:
        job = running.job.id
        made = [ArtefactInfo(id=0, job=job, **one) for one in ended.get("artefacts", ())]
        end = running.finish(ended["state"], ended.get("error", ""), ended.get("run", ""), made)
        if await self._write(lambda store: store.finish(job, running.lease, end)):
            self._metrics.job(end.state, running.job.started)
            for node, message in running.failures():
                with about(node=node):
                    LOG.warning("failed: %s", message)
            LOG.info("%s", f"{end.state}: {end.error}" if end.error else end.state)

    async def _died(self, running: Running, claimed: Claimed, died: WorkerDied) -> None:
        if running.cancelled:
            return
        last = claimed.attempt >= MAX_ATTEMPTS
        again = "" if last else "; it is tried again"
        why = f"{died}{running.computing(died.nodes)}{died.advice}"
        message = f"{why} (attempt {claimed.attempt} of {MAX_ATTEMPTS}){again}"
        with about(node=died.nodes[0] if len(died.nodes) == 1 else ""):
            LOG.warning("%s", message)
        if last:
            running.end_running("failed", message, died.nodes)
            end = running.finish("failed", message)
            if await self._write(lambda store: store.finish(claimed.id, claimed.lease, end)):
                self._metrics.job("failed", running.job.started)
        else:
            running.end_running("pending")
            await self._write(lambda store: store.give_back(claimed.id, claimed.lease, message))

    async def _write(self, function: Callable[[JobStore], Any]) -> Any:
        """Write how a job ended, again and again while the disk does not let it: the result is there, and counts."""
        while True:
            try:
                return await self._call(function)
            except StoreError as error:
                LOG.error("%s; trying again", error)
                await asyncio.sleep(1.0)


async def _first(*waits: Awaitable[Any]) -> None:
    """Wait until one of these is over."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
