"""The route table as tests walk over it: every route with an address that it answers to."""

from __future__ import annotations

import re

from nodeflow.server.app import routes
from nodeflow.server.openapi import Route

SAMPLES = {
    ("/api/drafts/{id}", "id"): "draft-0000",
    "digest": "a" * 64,
    "name": "nothing-here",
    "id": "1",
}


def path_of(route: Route) -> str:
    """The route's path with a name in each gap; there is nothing of that name."""
    return re.sub(r"{(\w+)}", lambda m: SAMPLES.get((route.path, m[1]), SAMPLES[m[1]]), route.path)  # type: ignore[call-overload]


ROUTES = sorted(routes(), key=lambda route: (route.path, route.method))
IDS = [f"{route.method} {route.path}" for route in ROUTES]
WRITING = [route for route in ROUTES if route.method not in ("GET", "HEAD")]
WITH_BODY = [route for route in ROUTES if route.takes is not None]
EVENTS = "/api/events"
"""The websocket: it has tests of its own for what only an upgrade does."""
