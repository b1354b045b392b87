"""A queue of results on their way to disk, and the thread that takes them there.

The thread lives only while there is work (and a moment longer), so an idle cache costs nothing and a process that ends
still writes what was accepted. What is queued can be got back until it is written. The queue is bounded in bytes: who
must have a result written waits, who merely may drops it.

This module must not know what writing means.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nodeflow.cache.sizes import Measure

BATCH: Final = 256
"""Results written together at most."""

BATCH_BYTES: Final = 64 << 20
LINGER_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Job:
    """One result to write: what a tier in memory knows about it."""

    key: str
    outputs: Any
    size: int
    cost_s: float
    measured: Measure | None
    versions: tuple[int, ...] | None


class Writer:
    """Takes jobs from any thread and calls `write` with batches of them from one; `write` must not raise."""

    def __init__(self, write: Callable[[list[Job]], None], max_bytes: int) -> None:
        self._write = write
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._jobs: dict[str, Job] = {}  # in the order of arrival, those being written included
        self._bytes = 0
        self._thread: threading.Thread | None = None
        self._closing = False

    def __contains__(self, key: str) -> bool:
        return key in self._jobs

    def __len__(self) -> int:
        return len(self._jobs)

    def get(self, key: str) -> Job | None:
        """The job of `key`, if it is not written yet."""
        return self._jobs.get(key)

    def submit(self, job: Job, must: bool) -> bool:
        """Queue `job`; whether it was taken. If the queue is full, wait (`must`) or drop it."""
        with self._changed:
            if job.key in self._jobs:
                return True
            while self._jobs and self._bytes + job.size > self._max_bytes:
                if not must:
                    return False
                self._changed.wait()
            self._jobs[job.key] = job
            self._bytes += job.size
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="nodeflow-cache-writer")
                self._thread.start()
            self._changed.notify_all()
        return True

    def flush(self) -> None:
        """Return when everything queued before has been written or given up."""
        with self._changed:
            before = list(self._jobs.values())
            while any(self._jobs.get(job.key) is job for job in before):
                self._changed.wait()

    def close(self) -> None:
        """Flush, and end the thread. A later `submit` starts another."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()
        self._closing = False

    def _work(self) -> None:
        try:
            while batch := self._wait_for_batch():
                try:
                    self._write(batch)
                finally:
                    with self._changed:
                        for job in batch:
                            del self._jobs[job.key]
                            self._bytes -= job.size
                        self._changed.notify_all()
        except BaseException:
            self._thread = None  # a bug in `write`: the next submit starts a new thread
            raise

    def _wait_for_batch(self) -> list[Job]:
        """The next jobs; none when there was nothing to do for a while: then this thread is no longer the writer's."""
        with self._changed:
            if not self._jobs and not self._closing:
                self._changed.wait(LINGER_S)
            if not self._jobs:
                self._thread = None
            return self._next_batch()

    def _next_batch(self) -> list[Job]:
        batch: list[Job] = []
        size = 0
        for job in self._jobs.values():
            if batch and (len(batch) == BATCH or size + job.size > BATCH_BYTES):
                break
            batch.append(job)
            size += job.size
        return batch
