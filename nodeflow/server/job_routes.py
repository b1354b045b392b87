"""Jobs over HTTP: submit, look, cancel, retry, move, forget; the queue; comparing two jobs."""

from __future__ import annotations

import time
from typing import Annotated

from aiohttp import web
from pydantic import Field

from nodeflow.server.acceptance import accepted
from nodeflow.server.comparing import compared
from nodeflow.server.openapi import route
from nodeflow.server.schema import (
    Accepted,
    Cleared,
    Compared,
    CompareRequest,
    Forgotten,
    HistoryClear,
    Job,
    JobChange,
    JobDetail,
    JobId,
    JobPage,
    JobRequest,
    JobState,
    Queue,
)
from nodeflow.server.services import Services

Limit = Annotated[int, Field(ge=1, le=500)]


# --- submitting ---------------------------------------------------------------------------------------------------


@route("POST", "/api/jobs", status=202, errors=(422,))
async def submit(services: Services, body: JobRequest) -> Accepted:
    """Queue a recipe, or a sweep of it. The answer means that the jobs survive a power cut."""
    workflow = await services.in_engine(accepted, services.engine, body)
    jobs = await services.queue.submit(body, workflow)
    return Accepted.model_construct(jobs=jobs, sweep=jobs[0].sweep)


# --- looking ------------------------------------------------------------------------------------------------------


@route("GET", "/api/jobs")
async def jobs(
    services: Services, state: JobState | None = None, before: JobId | None = None, limit: Limit = 50
) -> JobPage:
    """The newest jobs first; with state=queued: in the order of the queue."""
    return await services.queue.page(state, before, limit)


@route("GET", "/api/jobs/{id}")
async def job(services: Services, id: JobId) -> JobDetail:
    """A job with its recipe (inputs written in) and its nodes."""
    return await services.queue.detail(id)


@route("GET", "/api/jobs/{id}/workflow", media="application/json")
async def job_workflow(services: Services, id: JobId) -> web.Response:
    """The recipe that the job ran, its inputs written in, in its saved form."""
    workflow = await services.queue.workflow(id)
    return web.Response(text=workflow.text(), content_type="application/json")


# --- changing -----------------------------------------------------------------------------------------------------


@route("PATCH", "/api/jobs/{id}", errors=(409,))
async def change(services: Services, id: JobId, body: JobChange) -> Job:
    """Give a queued job another priority or place."""
    return await services.queue.change(id, body)


@route("DELETE", "/api/jobs/{id}", errors=(409,))
async def remove(services: Services, id: JobId) -> None:
    """Forget a job that is over, and delete what only it made. Files in the output folder stay."""
    await services.queue.remove(id)


@route("POST", "/api/jobs/{id}/cancel", errors=(409,))
async def cancel(services: Services, id: JobId) -> Job:
    """Cancel a job that is queued or runs."""
    return await services.queue.cancel(id)


@route("POST", "/api/jobs/{id}/retry", errors=(409,))
async def retry(services: Services, id: JobId) -> Job:
    """Queue a failed or cancelled job again. What it had computed is taken from the cache."""
    return await services.queue.retry(id)


@route("POST", "/api/jobs/clear")
async def clear_history(services: Services, body: HistoryClear) -> Forgotten:
    """Forget jobs that are over, all of them or some, at once. Files in the output folder stay."""
    finished_by = time.time() - body.older_than
    return Forgotten(jobs=await services.queue.forget(body.states, finished_by))


# --- the queue ----------------------------------------------------------------------------------------------------


@route("GET", "/api/queue")
async def queue(services: Services) -> Queue:
    """What runs, how much waits, and whether it is paused."""
    return await services.queue.queue()


@route("POST", "/api/queue/pause")
async def pause(services: Services) -> Queue:
    """Start nothing more, also after a restart; what runs goes on."""
    return await services.queue.pause()


@route("POST", "/api/queue/resume")
async def resume(services: Services) -> Queue:
    """Start what is queued."""
    return await services.queue.resume()


@route("POST", "/api/queue/clear")
async def clear(services: Services, running: bool = False) -> Cleared:
    """Cancel everything that is queued; with running=1 what runs, too."""
    return Cleared(cancelled=await services.queue.clear(running))


# --- comparing ----------------------------------------------------------------------------------------------------


@route("POST", "/api/compare")
async def compare(services: Services, body: CompareRequest) -> Compared:
    """What differs between two jobs: their recipes, and their results."""
    sides = [(await services.queue.get(n), await services.queue.workflow(n)) for n in (body.a, body.b)]
    return await services.in_engine(compared, services.engine, *sides)
