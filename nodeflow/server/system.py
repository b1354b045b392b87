"""The state of this server: versions, device, worker, memory, cache. Nothing here can be changed over HTTP."""

from __future__ import annotations

import os

from nodeflow import __version__
from nodeflow.server.openapi import route
from nodeflow.server.schema import System
from nodeflow.server.services import Services


@route("GET", "/api/system")
async def system(services: Services) -> System:
    """What this server is and how it is doing."""
    workers = services.queue.dispatcher.workers
    first = workers[0] if workers else None
    weights = [entry for worker in workers for entry in worker.inventory.get("weights", ())]

    def work() -> System:
        engine = services.engine
        disk = engine.cache.stats().tiers.get("disk")
        return System(
            version=__version__,
            device=engine.device,
            numeric=str(engine.numeric),
            worker=first.state if first else "dead",
            memory_bytes=resident(),
            worker_memory_bytes=sum(worker.memory_bytes for worker in workers),
            cache_bytes=disk.used_bytes if disk else 0,
            cache_budget=disk.budget_bytes if disk else engine.settings.disk_budget,
            weights=[str(entry["name"]) for entry in weights],
            read_only=not os.access(engine.settings.home, os.W_OK),
        )

    return await services.in_engine(work)


def resident(pid: int | None = None) -> int:
    """Bytes of memory that a process holds; 0 where the system does not say."""
    try:
        with open(f"/proc/{pid or 'self'}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
