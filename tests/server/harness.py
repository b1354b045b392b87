"""A real server on a port of its own, in a thread, and a client that sends exactly the bytes it is told to."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodeflow.server.listen import Options, serve
from nodeflow.server.services import Services
from nodeflow.settings import Settings

JSON = {"Content-Type": "application/json"}
BYTES = {"Content-Type": "application/octet-stream"}


@dataclass
class Answer:
    """What came back. headers: lower-case names; a name that came twice has its values joined by a newline."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document, checked to be one."""
        assert self.headers["content-type"].split(";")[0] == "application/problem+json", self
        found = dict(self.json)
        assert found["status"] == self.status
        return found


@dataclass
class Running:
    """A server that runs, and its client."""

    services: Services
    home: Path
    port: int

    @property
    def token(self) -> str:
        return self.services.access.token

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    def raw(self, data: bytes) -> Answer:
        """Send bytes, read one answer until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(data)
            received = b""
            while True:
                try:
                    piece = connection.recv(1 << 16)
                except ConnectionResetError:
                    break
                received += piece
                if not piece or _complete(received):
                    break
        return parsed(received)

    def lines(self, *lines: str, body: bytes = b"") -> Answer:
        """Send a request written line by line."""
        return self.raw("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body)

    def raw_upgrade(self, *lines: str) -> Answer:
        """Ask for a websocket with these lines, nothing added."""
        return self.raw("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        token: bool = True,
        host: str | None = None,
    ) -> Answer:
        """A request as a well-meaning program sends it."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host or self.host}"]
        if token:
            lines.append(f"Authorization: Bearer {self.token}")
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return self.lines(*lines, body=body or b"")

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path: str, document: Any = None, *, method: str = "POST", **headers: str) -> Answer:
        """Send a JSON document."""
        body = json.dumps({} if document is None else document).encode()
        more = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.request(method, path, body, {**JSON, **more})

    def send(self, path: str, data: bytes) -> Answer:
        """Send bytes as a file."""
        return self.request("POST", path, data, BYTES)


def _complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(body) >= int(value)
    return head.startswith((b"HTTP/1.1 101", b"HTTP/1.1 204", b"HTTP/1.1 304"))


def parsed(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in rest:
        name, _, value = line.partition(":")
        key = name.strip().lower()
        headers[key] = f"{headers[key]}\n{value.strip()}" if key in headers else value.strip()
    return Answer(int(first.split()[1]), headers, body)


@contextmanager
def running(home: Path, options: Options | None = None, **settings: Any) -> Iterator[Running]:
    """A server for this home, without a worker (nothing runs)."""
    found: list[Services] = []
    failed: list[BaseException] = []
    up = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    stop = asyncio.Event()

    def ready(services: Services) -> None:
        found.append(services)
        up.set()

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        chosen = Settings(home=home, cache=home / "cache", output=home / "output", **settings)
        await serve(options or Options(port=0), chosen, ready, stop, workers=False)

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failed.append(error)
            up.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert up.wait(60), "the server did not start"
    if failed:
        raise failed[0]
    try:
        yield Running(found[0], home, int(found[0].address.rpartition(":")[2]))
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(30)
    if failed:
        raise failed[0]
