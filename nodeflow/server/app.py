"""The application: every route behind the guards, with the services that handlers use."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from nodeflow import __version__
from nodeflow.server.api_document import document
from nodeflow.server.guards import guard_middleware, set_headers, wait_with_expect
from nodeflow.server.metrics import metrics_middleware
from nodeflow.server.openapi import ROUTES, Route, route
from nodeflow.server.problem import problems_middleware
from nodeflow.server.services import SERVICES, Services
from nodeflow.server.shelf import Shelf

MODULES = (
    "login",
    "catalogue",
    "recipes",
    "importing",
    "workflows",
    "drafts",
    "uploads",
    "artefact_files",
    "job_routes",
    "events_route",
    "metrics",
    "system",
    "backup",
    "static",
)
"""The modules that have routes; importing them fills the table."""

FOLDERS = ("workflows", "drafts", "uploads")


def routes() -> list[Route]:
    """All routes, in the order of the modules."""
    for name in MODULES:
        importlib.import_module(f"nodeflow.server.{name}")
    return ROUTES


def make_app(services: Services) -> web.Application:
    """The application. Starting it starts the queue, stopping it stops that."""
    measured = metrics_middleware(services.queue.metrics)
    app = web.Application(middlewares=[measured, problems_middleware, guard_middleware], client_max_size=0)
    app[SERVICES] = services
    app.cleanup_ctx.append(_queue_running)
    app.on_shutdown.append(_say_goodbye)
    for one in routes():
        for method in (one.method, "HEAD") if one.head else (one.method,):
            app.router.add_route(method, one.path, _adapted(one, services), expect_handler=wait_with_expect)
    app.on_response_prepare.append(set_headers)
    return app


async def _queue_running(app: web.Application) -> AsyncIterator[None]:
    queue = app[SERVICES].queue
    await queue.start()  # from here on no other server uses this home
    for folder in FOLDERS:
        await asyncio.to_thread(Shelf(app[SERVICES].home / folder).sweep)
    yield
    await queue.stop()


async def _say_goodbye(app: web.Application) -> None:
    """Websockets end before handlers are waited for."""
    app[SERVICES].hub.close()


def _adapted(one: Route, services: Services) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The route as aiohttp wants it; the guards find it by its attribute `route`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await one(request, services)

    handle.route = one  # type: ignore[attr-defined]
    return handle


@route("GET", "/api/openapi.json", media="application/json")
async def openapi() -> web.Response:
    """This API, described as OpenAPI 3.1."""
    return web.json_response(description())


def description() -> dict[str, Any]:
    """The OpenAPI document of all routes."""
    return document(routes(), __version__)
