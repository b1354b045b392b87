"""Deleting the bytes of what jobs have let go of, in the background of the server.

Digests wait in the table `freed` until their bytes are deleted or turn out to belong to something else, so a server
that was killed in between goes on at its next start. Then, and once a day, blobs that nothing has ever referred to are
deleted too (left by killed runs, or by results that the cache has evicted).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from nodeflow.cache import StoreError
from nodeflow.record import RecordError
from nodeflow.server import forgetting
from nodeflow.server.dispatcher import Call
from nodeflow.server.live import Running
from nodeflow.server.lockfile import LockFile
from nodeflow.server.store import JobStore
from nodeflow.settings import Settings
from nodeflow.sweep import FRESH_S, MARGIN_S, ORPHAN_AGE_S, Sweeper, Swept

LOG = logging.getLogger("nodeflow.server")
AGAIN_S: Final = 60.0
"""Between looks at what may still be in use."""
EVERY_S: Final = 24 * 3600.0
FIRST_S: Final = 10.0
"""The first sweep waits until the server has started."""

T = TypeVar("T")


class Sweeping:
    """The task that deletes.

    Args:
        call: runs a function of the store on its thread. running: the jobs that run now.
        fresh_s: what was touched so lately is left alone.
    """

    def __init__(
        self, settings: Settings, call: Call, running: Callable[[], Collection[Running]], fresh_s: float = FRESH_S
    ) -> None:
        self.fresh_s = fresh_s
        self._sweeper = Sweeper(settings)
        self._call = call
        self._running = running
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nodeflow-sweep")

    def start(self) -> None:
        self._task = asyncio.create_task(self._sweep_always(), name="nodeflow-sweep")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._sweeper.close()

    def wake(self) -> None:
        """Jobs have let go of something."""
        self._wake.set()

    async def forget_files(self, jobs: list[int]) -> None:
        """Have the record of runs forget the files of these jobs: else they would be kept for it. Comes before the jobs
        are forgotten, so that a server that is killed in between has lost nothing."""
        runs = await self._call(lambda store: forgetting.runs_of(store.db, jobs))
        try:
            await self._in_thread(self._sweeper.forget_files, runs)
        except RecordError as error:  # then the bytes stay; the jobs can be forgotten all the same
            LOG.warning("files of forgotten jobs are kept for the record of runs: %s", error)

    async def freed(self) -> Swept:
        """Delete what jobs have let go of and nothing else refers to, as far as it cannot be in use.

        Raises:
            RecordError, StoreError: what refers to it cannot be read, or it cannot be deleted.
        """
        swept, last = Swept(), ""
        while digests := await self._call(lambda store, last=last: forgetting.freed(store.db, last)):  # type: ignore[misc]
            last = digests[-1]
            found = await self._delete(digests, await self._limit(self.fresh_s))
            await self._call(lambda store, done=found: store.settle(done.gone | done.kept))  # type: ignore[misc]
            swept = Swept(swept.gone | found.gone, swept.kept | found.kept, swept.bytes + found.bytes)
        return swept

    async def orphans(self, age_s: float) -> Swept:
        """Delete what nothing refers to and nobody has touched for `age_s`.

        Raises:
            RecordError, StoreError: as `freed`.
        """
        limit = await self._limit(age_s)
        return await self._delete(await self._in_thread(self._sweeper.old, limit), limit)

    async def _limit(self, age_s: float) -> float:
        began = [one.job.started for one in self._running() if one.job.started is not None]
        return min([await self._in_thread(self._sweeper.limit, age_s), *(start - MARGIN_S for start in began)])

    async def _delete(self, digests: list[str], limit: float) -> Swept:
        kept: set[str] = await self._call(lambda store: forgetting.naming(store.db, digests))
        kept |= await self._in_thread(self._sweeper.referred, set(digests) - kept)
        return await self._in_thread(self._sweeper.delete, digests, kept, limit)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function of the sweeper, on the one thread for it."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def _sweep_always(self) -> None:
        swept_at = time.monotonic() - EVERY_S + FIRST_S
        while True:
            try:
                await self.freed()
                if time.monotonic() - swept_at >= EVERY_S:
                    swept_at = time.monotonic()
                    found = await self.orphans(ORPHAN_AGE_S)
                    if found.gone:
                        LOG.info("deleted %d results that nothing refers to, %d bytes", len(found.gone), found.bytes)
            except (RecordError, StoreError) as error:
                LOG.warning("results that nothing refers to are not deleted: %s", error)
            except Exception:
                LOG.exception("results that nothing refers to are not deleted")
            self._wake.clear()
            left = min(AGAIN_S, max(1.0, swept_at + EVERY_S - time.monotonic()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._wake.wait()


def sweep_home(settings: Settings, age_s: float) -> Swept:
    """Do once what a server does in the background; for a home whose server does not run.

    Raises:
        HomeInUse: it runs. RecordError, StoreError, DatabaseError: what refers to results cannot be read, or they
            cannot be deleted.
    """
    with LockFile(settings.home / "server.lock"), contextlib.ExitStack() as stack:
        sweeper = Sweeper(settings)
        stack.callback(sweeper.close)
        path = settings.home / "jobs.db"
        if not path.exists():
            return sweeper.sweep(lambda _: set(), age_s)
        store = JobStore(path)
        stack.callback(store.close)
        freed = forgetting.freed(store.db, limit=1 << 60)
        limit = sweeper.limit()
        first = sweeper.delete(freed, forgetting.naming(store.db, freed) | sweeper.referred(freed), limit)
        store.settle(first.gone | first.kept)
        rest = sweeper.sweep(lambda digests: forgetting.naming(store.db, digests), age_s)
        return Swept(first.gone | rest.gone, first.kept | rest.kept, first.bytes + rest.bytes)
