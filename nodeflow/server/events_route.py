"""The websocket: what a client missed or a snapshot, then every event, and previews in between."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import WSCloseCode, web

from nodeflow.server.hub import Client
from nodeflow.server.openapi import route
from nodeflow.server.schema import Resumed
from nodeflow.server.services import Services

HEARTBEAT_S = 20.0
MAX_MESSAGE = 4096
CLOSE_S = 2.0


@route("GET", "/api/events", media="application/json")
async def events(
    request: web.Request, services: Services, after: int | None = None, epoch: str = ""
) -> web.StreamResponse:
    """The websocket of events and previews. `after` and `epoch`: of the last event that the client has."""
    socket = web.WebSocketResponse(
        heartbeat=HEARTBEAT_S, compress=False, max_msg_size=MAX_MESSAGE, timeout=CLOSE_S, autoping=True
    )
    await socket.prepare(request)
    hub = services.hub
    if after is not None and hub.can_resume(after, epoch):
        client = hub.connect()
        first = Resumed(seq=hub.seq, epoch=hub.epoch).model_dump_json()
        for event in hub.missed(after):
            client.put(event)
    else:
        client, snapshot = await services.queue.snapshot()
        first = snapshot.model_dump_json()
    try:
        await _attend(socket, client, first)
    finally:
        hub.disconnect(client)
    if client.ended.is_set() and not socket.closed:
        await _close(request, socket, client.overflowed)
    return socket


async def _attend(socket: web.WebSocketResponse, client: Client, first: str) -> None:
    """Send until the client goes away, or is too slow."""
    sender = asyncio.create_task(_send(socket, client, first))
    reader = asyncio.create_task(_read(socket))
    ended = asyncio.create_task(client.ended.wait())
    try:
        await asyncio.wait({sender, reader, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sender, reader, ended):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(sender, reader, ended, return_exceptions=True)


async def _close(request: web.Request, socket: web.WebSocketResponse, slow: bool) -> None:
    """Say why the socket is closed; one that takes nothing any more is cut off."""
    code, why = WSCloseCode.GOING_AWAY, b"the server stops"
    if slow:
        code, why = WSCloseCode.TRY_AGAIN_LATER, b"too slow: come back for a snapshot"
    with contextlib.suppress(ConnectionError):
        try:
            await asyncio.wait_for(socket.close(code=code, message=why), CLOSE_S)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()


async def _send(socket: web.WebSocketResponse, client: Client, first: str) -> None:
    with contextlib.suppress(ConnectionError):
        await socket.send_str(first)
        while (message := await client.take()) is not None:
            if isinstance(message, str):
                await socket.send_str(message)
            else:
                await socket.send_bytes(message)


async def _read(socket: web.WebSocketResponse) -> None:
    """Clients have nothing to say; reading notices that they leave."""
    async for _ in socket:
        pass
