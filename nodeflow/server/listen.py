"""Starting and stopping the server: the socket, the token, the link, the queue; and the file by which others find it.

`<home>/server.json` (readable by its owner only) says where the server of a home listens, for `nodeflow open` and other
programs; the token is in `<home>/server.token`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import json
import os
import re
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from nodeflow.errors import NodeflowError
from nodeflow.health import sqlite_is_affected
from nodeflow.server.access import Access, read_token
from nodeflow.server.app import make_app
from nodeflow.server.hub import Hub
from nodeflow.server.jobs import JobQueue
from nodeflow.server.problem import LOG
from nodeflow.server.services import Services, server_engine
from nodeflow.server.tracing import tracing
from nodeflow.server.wire import listen
from nodeflow.settings import Settings

PORT = 8765
STOP_SECONDS = 3.0
"""So long running requests have to end when the server stops."""
LINGER_SECONDS = 2.0
"""So long the rest of a refused body is read and forgotten, so that its sender sees the answer."""
_PUBLIC = re.compile(r"https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Options:
    """Where to listen. public: the address of the TLS proxy through which others come, if there is one."""

    host: str = "127.0.0.1"
    port: int = PORT
    public: str = ""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def checked_options(options: Options) -> Options:
    """The options, if they are safe.

    Raises:
        NodeflowError: if others could reach the server without TLS, or the proxy's address is none.
    """
    if options.public and not _PUBLIC.fullmatch(options.public):
        raise NodeflowError(f"--behind-tls-proxy {options.public!r}: expected https://name (lower case, no path)")
    if not is_loopback(options.host) and not options.public.startswith("https://"):
        raise NodeflowError(
            f"{options.host} can be reached from other machines, and what goes over the wire would not be encrypted. "
            "Listen on 127.0.0.1 (and tunnel: ssh -L 8765:127.0.0.1:8765), or put a proxy that does TLS before it and "
            "say so: --behind-tls-proxy https://the.name"
        )
    return options


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        NodeflowError: if the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host.strip("[]"), port))
        opened.listen(128)
    except OSError as error:
        opened.close()
        hint = (
            "; is a server running already? (nodeflow open), or take another --port"
            if error.errno == errno.EADDRINUSE
            else ""
        )
        raise NodeflowError(f"cannot listen on {host}:{port}: {error.strerror}{hint}") from error
    opened.setblocking(False)
    return opened


def made(settings: Settings, access: Access, address: str, *, workers: bool = True) -> Services:
    """The services of a server that is to be started."""
    engine = server_engine(settings)
    hub = Hub()
    queue = JobQueue(engine.settings, hub, tracing=tracing())
    if not workers:
        queue.dispatcher.workers.clear()
    return Services(engine, access, address, queue, hub)


async def serve(
    options: Options,
    settings: Settings,
    ready: Callable[[Services], None],
    stop: asyncio.Event | None = None,
    *,
    workers: bool = True,
) -> None:
    """Serve until SIGINT, SIGTERM or `stop`.

    Args:
        ready: called when the server answers. workers: False: jobs are queued, but nothing runs.

    Raises:
        NodeflowError: if it cannot start.
    """
    checked_options(options)
    if sqlite_is_affected(sqlite3.sqlite_version_info):
        LOG.warning(
            "SQLite %s has a bug that can corrupt a database that two processes write to: the queue is safe from it, "
            "the record of runs and the cache are not; fixed in 3.51.3, 3.50.7 and 3.44.6",
            sqlite3.sqlite_version,
        )
    token = read_token(settings.home / "server.token")
    listening = open_socket(options.host, options.port)
    port = listening.getsockname()[1]
    name = options.host if is_loopback(options.host) else "127.0.0.1"
    name = f"[{name.strip('[]')}]" if ":" in name else name
    access = Access.on_port(port, token, name=name, public=options.public)
    services = made(settings, access, f"http://{name}:{port}", workers=workers)
    stop = stop or asyncio.Event()
    runner = web.AppRunner(
        make_app(services), access_log=None, shutdown_timeout=STOP_SECONDS, lingering_time=LINGER_SECONDS
    )
    taking: asyncio.Server | None = None
    with _signals(stop):
        try:
            await services.in_engine(lambda: services.described)
            await runner.setup()
            assert runner.server is not None
            taking = await listen(runner.server, listening)
            with _announced(settings.home / "server.json", services.address):
                ready(services)
                await stop.wait()
        finally:
            if taking is not None:
                taking.close()
            await runner.cleanup()
            listening.close()
            services.close()


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set `stop`, where the system has them."""
    loop = asyncio.get_running_loop()
    names = (signal.SIGINT, signal.SIGTERM)
    for name in names:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(name, stop.set)
    try:
        yield
    finally:
        for name in names:
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(name)


@contextlib.contextmanager
def _announced(path: Path, address: str) -> Iterator[None]:
    """The file that says where this server listens; gone when it stops."""
    text = json.dumps({"address": address, "pid": os.getpid()})
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if path.read_text() == text:
                path.unlink()
