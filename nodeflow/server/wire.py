"""The lowest part of the server: connections whose bytes are no HTTP request get a problem document too.

aiohttp answers those itself, before any middleware, with a text that quotes the request, and logs it with a traceback:
a broken header line may hold the token. Here neither happens.
"""

from __future__ import annotations

import asyncio
import http
import socket

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from nodeflow.server.guards import DATA_POLICY, HEADERS
from nodeflow.server.problem import LOG, HTTPProblem, response


class Connection(RequestHandler):
    """A connection of ours."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is answered to bytes that are no request, and to what goes wrong outside of the middlewares."""
        LOG.debug("a connection was answered with %d (%s)", status, type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun; another cannot be sent")
        answer = response(HTTPProblem(status, http.HTTPStatus(status).phrase))
        answer.headers.update({**HEADERS, "Content-Security-Policy": DATA_POLICY, "Cache-Control": "no-store"})
        answer.headers["Server"] = "nodeflow"  # else aiohttp says which version it is
        answer.force_close()
        return answer


async def listen(server: web.Server, listening: socket.socket) -> asyncio.Server:
    """Take connections from the socket."""

    def connected() -> asyncio.Protocol:
        connection = server()
        connection.__class__ = Connection  # `Server` has no other way to choose it
        return connection

    return await asyncio.get_running_loop().create_server(connected, sock=listening, backlog=128)
