"""The queue as the rest of the server knows it: submit, look, change, and everybody is told.

A method that changes something has it committed before it returns, and published after that. The store has a thread of
its own, and the only connection; what runs is with the `dispatcher`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, TypeVar

from nodeflow.cache import StoreError
from nodeflow.server import forgetting, history
from nodeflow.server.dispatcher import Dispatcher
from nodeflow.server.hub import Client, Hub, full_status
from nodeflow.server.job_recipes import prepared, written
from nodeflow.server.lockfile import LockFile
from nodeflow.server.metrics import Metrics
from nodeflow.server.schema import (
    ArtefactInfo,
    Job,
    JobChange,
    JobChanged,
    JobDetail,
    JobPage,
    JobRemoved,
    JobRequest,
    JobsRemoved,
    JobState,
    NodeStatus,
    Queue,
    QueueChanged,
    Snapshot,
)
from nodeflow.server.store import JobStore
from nodeflow.server.sweeping import Sweeping
from nodeflow.server.tracing import Tracing
from nodeflow.server.worker_process import Limits
from nodeflow.settings import Settings
from nodeflow.workflow import Workflow

T = TypeVar("T")
TOLD: Final = 200
"""Of a change to more jobs than that, the first are told one by one; the queue's length tells the rest."""


class JobQueue:
    """The durable queue, its history and its workers. Make, `start`, `stop`; on one event loop.

    Args:
        devices: one worker for each; none: one worker for the device of the settings. tracing: makes spans of the jobs.
    """

    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        metrics: Metrics | None = None,
        limits: Limits | None = None,
        devices: Sequence[str] = (),
        tracing: Tracing | None = None,
    ) -> None:
        self.hub = hub
        self.metrics = metrics or Metrics()
        self._path = settings.home / "jobs.db"
        self._lock = LockFile(settings.home / "server.lock")
        self._thread: ThreadPoolExecutor | None = None
        self._store: JobStore | None = None
        each = [replace(settings, device=device) for device in devices] or [settings]
        self.dispatcher = Dispatcher(each, self._call, hub, self.metrics, self._tell, limits, tracing)
        self.sweeping = Sweeping(settings, self._call, self.dispatcher.running.values)
        self.metrics.watch(self)
        self.queued = 0

    # --- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the queue, take up what an earlier server left, start the workers.

        Raises:
            HomeInUse: another server has this queue. DatabaseError: it cannot be opened.
        """
        self._lock.take()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nodeflow-jobs")
        loop = asyncio.get_running_loop()
        try:
            self._store = await loop.run_in_executor(self._thread, lambda: JobStore(self._path))
        except BaseException:
            self._close()
            raise
        left = await self._call(lambda store: store.recover("the server ended while it ran"))
        for job in await self._call(lambda store: history.jobs(store.db, left)):
            if job.state == "failed":
                self.metrics.job("failed")
        self.dispatcher.paused = await self._call(lambda store: history.paused(store.db))
        self.queued = (await self._call(lambda store: history.counts(store.db)))["queued"]
        self.dispatcher.start()
        self.sweeping.start()

    async def stop(self) -> None:
        """Stop the workers and close the queue. What ran is queued again."""
        await self.sweeping.stop()
        if self._store is not None:
            await self.dispatcher.stop()
            await self._call(lambda store: store.close())
        self._close()

    def _close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()
        self._thread = self._store = None
        self._lock.release()

    async def _call(self, function: Callable[[JobStore], T]) -> T:
        """Run a function of the store on the store's thread; also to its end when nobody waits any more.

        Raises:
            StoreError: the file cannot be written or read.
        """
        assert self._thread is not None
        assert self._store is not None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, self._store)
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: the queue cannot be written or read: {error}", self._path) from error

    # --- adding ------------------------------------------------------------------------------------------------------

    async def submit(self, request: JobRequest, workflow: Workflow) -> list[Job]:
        """Queue a checked recipe: one job, or one for each set of inputs of a sweep. Durable on return."""
        recipe, new = await asyncio.to_thread(prepared, request, workflow)
        sweep = secrets.token_hex(8) if request.sweep else ""

        def add(store: JobStore) -> list[Job]:
            return history.jobs(store.db, store.add(recipe, new, sweep))

        jobs = await self._call(add)
        self.metrics.submitted.inc(len(jobs))
        await self._tell([], jobs[:TOLD])
        self.dispatcher.wake()
        return jobs

    # --- looking -----------------------------------------------------------------------------------------------------

    async def get(self, job: int) -> Job:
        return self._live(await self._call(lambda store: history.job(store.db, job)))

    async def page(self, state: JobState | None, before: int | None, limit: int) -> JobPage:
        found, more = await self._call(lambda store: history.page(store.db, state, before, limit))
        return JobPage(items=[self._live(job) for job in found], before=more)

    async def detail(self, job: int) -> JobDetail:
        """A job with its recipe, its inputs written in, and its nodes."""
        stored = await self._call(lambda store: history.stored(store.db, job))
        running = self.dispatcher.running.get(job)
        seq = self.hub.seq
        nodes = json.loads(stored.nodes) if running is None or running.cancelled else dict(running.nodes)
        workflow = await asyncio.to_thread(written, stored)
        statuses = {node: NodeStatus.model_construct(**full_status(status)) for node, status in nodes.items()}
        return JobDetail(job=self._live(stored.job), workflow=workflow.to_json(), nodes=statuses, seq=seq)

    async def workflow(self, job: int) -> Workflow:
        """The recipe that a job runs, its inputs written in."""
        stored = await self._call(lambda store: history.stored(store.db, job))
        return await asyncio.to_thread(written, stored)

    async def queue(self) -> Queue:
        running = [one.job for one in self.dispatcher.running.values() if not one.cancelled]
        return Queue(paused=self.dispatcher.paused, queued=self.queued, running=running)

    async def artefacts(
        self, before: int | None = None, limit: int = 50, job: int | None = None
    ) -> tuple[list[ArtefactInfo], int | None]:
        return await self._call(lambda store: history.artefacts(store.db, before, limit, job))

    async def copied(self, copy: Callable[[JobStore], T]) -> T:
        """Run a function that copies the store."""
        return await self._call(copy)

    async def artefact(self, digest: str) -> ArtefactInfo | None:
        """The newest artefact of this content."""
        return await self._call(lambda store: history.artefact(store.db, digest))

    # --- changing ----------------------------------------------------------------------------------------------------

    async def cancel(self, job: int) -> Job:
        """Cancel a job; if it runs, its worker stops at its next step, or is ended."""
        running = self.dispatcher.running.get(job)
        progress = None if running is None else running.finish("cancelled")
        await self._call(lambda store: store.cancel(job, progress))
        self.dispatcher.cancel(job)
        self.metrics.job("cancelled", None if running is None else running.job.started)
        return (await self._tell([job]))[0]

    async def retry(self, job: int) -> Job:
        """Queue a failed or cancelled job again; what it had computed is in the cache."""

        await self.sweeping.forget_files([job])

        def again(store: JobStore) -> str:
            nodes = history.stored(store.db, job).nodes
            store.retry(job)
            return nodes

        for node in json.loads(await self._call(again)):
            self.hub.publish_node(job, node, {"state": "pending"})
        self.dispatcher.wake()
        return (await self._tell([job]))[0]

    async def change(self, job: int, change: JobChange) -> Job:
        """Give a queued job another priority or place."""
        await self._call(lambda store: store.change(job, change.priority, change.before))
        return (await self._tell([job]))[0]

    async def remove(self, job: int) -> None:
        """Forget a job that is over; what only it made is deleted."""
        await self.sweeping.forget_files([job])
        await self._call(lambda store: store.remove(job))
        self.hub.publish(JobRemoved(seq=0, job=job))
        self.sweeping.wake()

    async def forget(self, states: Sequence[JobState], finished_by: float) -> int:
        """Forget all jobs that ended in one of these states by then (seconds since 1970), at once; how many."""
        jobs = await self._call(lambda store: forgetting.over(store.db, states, finished_by))
        await self.sweeping.forget_files(jobs)
        gone = await self._call(lambda store: store.forget(jobs))
        if gone:
            self.hub.publish(JobsRemoved(seq=0, jobs=gone))
            self.sweeping.wake()
        return len(gone)

    async def clear(self, running: bool = False) -> int:
        """Cancel all that is queued, and what runs too if wanted; how many."""
        numbers = await self._call(lambda store: store.clear())
        count = len(numbers)
        for job in list(self.dispatcher.running) if running else ():
            await self.cancel(job)
            count += 1
        self.metrics.jobs.labels("cancelled").inc(len(numbers))
        await self._tell(numbers[:TOLD])
        return count

    async def pause(self) -> Queue:
        """Start nothing more, also after a restart; what runs goes on."""
        return await self._set_paused(True)

    async def resume(self) -> Queue:
        return await self._set_paused(False)

    async def _set_paused(self, paused: bool) -> Queue:
        await self._call(lambda store: store.set_paused(paused))
        self.dispatcher.paused = paused
        self.dispatcher.wake()
        self._publish_queue()
        return await self.queue()

    # --- telling -----------------------------------------------------------------------------------------------------

    async def snapshot(self) -> tuple[Client, Snapshot]:
        """A new client of the hub and everything as it is now; what happens later waits for the client."""
        client, seq = self.hub.connect(), self.hub.seq
        running = {job: one for job, one in self.dispatcher.running.items() if not one.cancelled}
        nodes = {
            job: {node: NodeStatus.model_construct(**full_status(s)) for node, s in one.nodes.items()}
            for job, one in running.items()
        }
        try:
            queue = await self.queue()
            queued, _ = await self._call(lambda store: history.page(store.db, "queued", None, TOLD))
        except BaseException:
            self.hub.disconnect(client)
            raise
        return client, Snapshot(seq=seq, epoch=self.hub.epoch, queue=queue, queued=queued, nodes=nodes)

    async def _tell(self, numbers: Sequence[int], jobs: Sequence[Job] = ()) -> list[Job]:
        """Publish jobs that have changed, and the queue if it has."""

        def look(store: JobStore) -> tuple[list[Job], int]:
            return history.jobs(store.db, numbers) if numbers else list(jobs), history.counts(store.db)["queued"]

        found, queued = await self._call(look)
        for job in found:
            self.hub.publish(JobChanged.model_construct(kind="job", seq=0, job=self._live(job)))
        if queued != self.queued:
            self.queued = queued
            self._publish_queue()
        return found

    def _publish_queue(self) -> None:
        self.hub.publish(QueueChanged(seq=0, paused=self.dispatcher.paused, queued=self.queued))

    def _live(self, job: Job) -> Job:
        running = self.dispatcher.running.get(job.id)
        return job if running is None or job.state != "running" else running.overlaid(job)
