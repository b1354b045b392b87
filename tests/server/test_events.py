"""Jobs and events over the wire: a real server with a worker, real websockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import TypeAdapter

from nodeflow.server import hub as hub_module
from nodeflow.server.listen import Options, serve
from nodeflow.server.schema import QueueChanged, ServerEvent
from nodeflow.server.services import Services
from tests.server.queueing import FINAL, home, recipe, run_async, settings_in, until

__all__ = ["home"]  # a fixture

EVENT: TypeAdapter[Any] = TypeAdapter(ServerEvent)


@dataclass
class Site:
    """A server that runs, and a session that may come in."""

    services: Services
    session: aiohttp.ClientSession

    def url(self, path: str) -> str:
        return self.services.address + path

    async def call(self, method: str, path: str, document: Any = None, status: int = 200) -> Any:
        body = None if method == "GET" or method == "DELETE" else ({} if document is None else document)
        async with self.session.request(method, self.url(path), json=body) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return json.loads(text) if text else None

    async def submit(self, nodes: dict[str, Any], outputs: dict[str, str] | None = None, **request: Any) -> int:
        found = await self.call("POST", "/api/jobs", {"workflow": recipe(nodes, outputs), **request}, 202)
        return int(found["jobs"][0]["id"])

    async def finished(self, job: int) -> dict[str, Any]:
        async def look() -> dict[str, Any]:
            return dict(await self.call("GET", f"/api/jobs/{job}"))

        return await until(look, lambda found: found["job"]["state"] in FINAL)

    def events(self, query: str = "") -> Any:
        return self.session.ws_connect(self.url("/api/events" + query))


@asynccontextmanager
async def site(home: Path, *, workers: bool = True) -> AsyncIterator[Site]:
    ready: asyncio.Future[Services] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(Options(port=0), settings_in(home), ready.set_result, stop, workers=workers))
    await asyncio.wait([ready, serving], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
    services = ready.result()
    headers = {"Authorization": f"Bearer {services.access.token}"}
    try:
        async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:
            yield Site(services, session)
    finally:
        stop.set()
        await serving


async def received(socket: Any) -> Any:
    """The next event, checked against the schema, or a binary frame."""
    message = await asyncio.wait_for(socket.receive(), 20)
    if message.type == aiohttp.WSMsgType.BINARY:
        return message.data
    assert message.type == aiohttp.WSMsgType.TEXT, message
    document = json.loads(message.data)
    assert EVENT.validate_python(document).model_dump(mode="json", by_alias=True) == _numbers(document)
    return document


def _numbers(document: Any) -> Any:
    return json.loads(json.dumps(document), object_hook=lambda d: d)


async def received_until(socket: Any, good: Any) -> list[dict[str, Any]]:
    """Events up to the first good one."""
    found: list[dict[str, Any]] = []
    while not (found and good(found[-1])):
        event = await received(socket)
        if isinstance(event, dict):
            found.append(event)
    return found


def over(event: dict[str, Any]) -> bool:
    return event["kind"] == "job" and event["job"]["state"] in FINAL


STEPS = {"a": ("text", {"text": "x"}), "s": ("steps", {"text": "@a.text", "steps": 10, "seconds": 0.03})}


def test_a_job_over_http_and_its_events(home: Path) -> None:
    async def main() -> None:
        async with site(home) as s, s.events() as socket:
            first = await received(socket)
            assert (first["kind"], first["queue"]["queued"]) == ("snapshot", 0)
            job = await s.submit(STEPS)
            events = await received_until(socket, over)
            assert [e["seq"] for e in events] == list(range(first["seq"] + 1, first["seq"] + 1 + len(events)))
            states = [e["job"]["state"] for e in events if e["kind"] == "job"]
            assert [x for i, x in enumerate(states) if i == 0 or states[i - 1] != x] == [
                "queued",
                "running",
                "completed",
            ]
            found = await s.finished(job)
            assert {n: x["state"] for n, x in found["nodes"].items()} == {"a": "done", "s": "done"}
            (made,) = found["job"]["artefacts"]
            async with s.session.get(s.url(f"/api/artefacts/{made['digest']}")) as answer:
                assert await answer.read() == b"x"
            page = await s.call("GET", "/api/artefacts")
            assert [item["digest"] for item in page["items"]] == [made["digest"]]

    run_async(main())


def test_who_comes_back_gets_what_was_missed_or_a_snapshot(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with site(home) as s:
            async with s.events() as socket:
                first = await received(socket)
            await s.finished(await s.submit(STEPS))
            query = f"?after={first['seq']}&epoch={first['epoch']}"
            async with s.events(query) as socket:
                assert (await received(socket))["kind"] == "resumed"
                missed = await received_until(socket, over)
                numbers = [e["seq"] for e in missed]
                assert numbers == sorted(numbers)
                assert missed[0]["job"]["state"] == "queued"
                assert {e["node"] for e in missed if e["kind"] == "node"} == {"a", "s"}
            for query in ("?after=0&epoch=another", f"?after=10000&epoch={first['epoch']}", ""):
                async with s.events(query) as socket:
                    assert (await received(socket))["kind"] == "snapshot"
            hub = s.services.hub
            for _ in range(hub_module.RING + 1):
                hub.publish(QueueChanged(seq=0, paused=False, queued=0))
            async with s.events(f"?after={first['seq']}&epoch={first['epoch']}") as socket:
                assert (await received(socket))["kind"] == "snapshot", "the ring does not reach back so far"

    run_async(main())


def test_previews_are_binary_frames(home: Path) -> None:
    async def main() -> None:
        async with site(home) as s, s.events() as socket:
            await received(socket)
            job = await s.submit(STEPS)
            while not isinstance(frame := await received(socket), bytes):
                pass
            length = int.from_bytes(frame[1:5], "big")
            header = json.loads(frame[5 : 5 + length])
            assert frame[0] == 1
            assert header == {"job": job, "node": "s", "path": "s", "media_type": "image/png"}
            assert frame[5 + length :].startswith(b"\x89PNG")

    run_async(main())


def test_a_slow_client_is_closed_with_1013_and_the_others_go_on(home: Path) -> None:
    async def main() -> None:
        async with site(home, workers=False) as s, s.events() as good:
            await received(good)
            slow = socket.socket()
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", int(s.services.address.rpartition(":")[2])))
            slow.sendall(
                (
                    f"GET /api/events HTTP/1.1\r\nHost: {s.services.address[7:]}\r\nConnection: Upgrade\r\n"
                    f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n"
                    f"Authorization: Bearer {s.services.access.token}\r\n\r\n"
                ).encode()
            )
            hub = s.services.hub
            await until(lambda: _clients(s), lambda count: count == 2)
            seen: list[int] = []

            async def read() -> None:
                async for message in good:
                    seen.append(json.loads(message.data)["seq"])

            reader = asyncio.create_task(read())
            for burst in range(400):
                for number in range(200):
                    hub.publish_node(1, f"n{burst}-{number}", {"state": "done", "text": "x" * 100})
                while len(seen) < 200 * (burst + 1):
                    await asyncio.sleep(0.001)
                if await _clients(s) == 1:
                    break
            assert await _clients(s) == 1, "the slow one is still there"
            assert seen == list(range(1, len(seen) + 1)), "the other one has lost something"
            reader.cancel()
            slow.settimeout(5)
            data = b""
            with contextlib.suppress(OSError):
                while piece := await asyncio.to_thread(slow.recv, 1 << 20):
                    data += piece
            slow.close()
            assert b"HTTP/1.1 101" in data
            assert (1013).to_bytes(2, "big") + b"too slow" in data

    run_async(main())


async def _clients(s: Site) -> int:
    return len(s.services.hub.clients)


def test_a_hundred_clients_get_the_same(home: Path) -> None:
    async def main() -> None:
        async with site(home) as s, contextlib.AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(s.events()) for _ in range(100)]
            for one in sockets:
                assert (await received(one))["kind"] == "snapshot"
            await s.submit({f"n{i}": ("number", {"value": i}) for i in range(50)}, {})
            told = await asyncio.gather(*(received_until(one, over) for one in sockets))
            assert all(events == told[0] for events in told)
            done = {e["node"] for e in told[0] if e["kind"] == "node" and e["status"]["state"] == "done"}
            assert len(done) == 50

    run_async(main())


def test_the_queue_over_http(home: Path) -> None:
    async def main() -> None:
        async with site(home, workers=False) as s:
            a, b, c = [await s.submit(STEPS) for _ in range(3)]
            assert (await s.call("POST", "/api/queue/pause"))["paused"] is True
            assert (await s.call("PATCH", f"/api/jobs/{c}", {"before": a}))["position"] < 1
            page = await s.call("GET", "/api/jobs?state=queued&limit=2")
            assert ([x["id"] for x in page["items"]], page["before"]) == ([c, a], a)
            page = await s.call("GET", f"/api/jobs?state=queued&limit=2&before={a}")
            assert ([x["id"] for x in page["items"]], page["before"]) == ([b], None)
            assert (await s.call("POST", f"/api/jobs/{b}/cancel"))["state"] == "cancelled"
            await s.call("POST", f"/api/jobs/{b}/cancel", status=409)
            await s.call("DELETE", f"/api/jobs/{a}", status=409)
            await s.call("DELETE", f"/api/jobs/{b}", status=204)
            await s.call("GET", f"/api/jobs/{b}", status=404)
            await s.call("GET", "/api/jobs/0", status=404)
            await s.call("GET", "/api/jobs?limit=1000", status=400)
            assert (await s.call("POST", "/api/queue/clear?running=1"))["cancelled"] == 2
            assert (await s.call("POST", f"/api/jobs/{a}/retry"))["state"] == "queued"
            assert await s.call("POST", "/api/queue/resume") == {"paused": False, "queued": 1, "running": []}
            problem = await s.call("POST", "/api/jobs", {"workflow": recipe({"x": ("nothing", {})})}, 422)
            assert problem["problems"][0]["code"] in ("NF102", "NF103")
            await s.call("POST", "/api/jobs", {"workflow": {"format": "nodeflow/1", "nodes": []}}, 400)
            document = await s.call("GET", f"/api/jobs/{a}/workflow")
            assert document["nodes"]["a"]["values"] == {"text": "x"}

    run_async(main())


def test_comparing_two_jobs(home: Path) -> None:
    async def main() -> None:
        async with site(home) as s:
            jobs = [await s.submit({"a": ("text", {"text": text})}) for text in ("sun", "moon")]
            for job in jobs:
                await s.finished(job)
            found = await s.call("POST", "/api/compare", {"a": jobs[0], "b": jobs[1]})
            assert any("sun → moon" in line for line in found["recipes"]), found
            assert found["results"] == ["result.0: not the same"]
            same = await s.call("POST", "/api/compare", {"a": jobs[0], "b": jobs[0]})
            assert same == {"recipes": [], "results": []}
            await s.call("POST", "/api/compare", {"a": 1, "b": 99}, 404)

    run_async(main())


def test_comparing_says_each_picture_s_difference_once(home: Path) -> None:
    def drawn(color: str, more: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        nodes = {"a": ("image/empty@1", {"width": 8, "height": 8, "color": color}), **more}
        return nodes, {name: f"{name}.image" for name in nodes}

    async def main() -> None:
        async with site(home) as s:
            same = ("image/empty@1", {"width": 4, "height": 4})
            jobs = [
                await s.submit(*drawn("black", {"same": same, "first": same})),
                await s.submit(*drawn("white", {"same": same})),
            ]
            for job in jobs:
                await s.finished(job)
            found = await s.call("POST", "/api/compare", {"a": jobs[0], "b": jobs[1]})
            largest = "largest difference 1.0000, mean 1.000000, PSNR 0.0 dB, 100.0% of the pixels"
            assert found["results"] == [f"a.0: {largest}", "first.0: only in job 1", "same.0: every pixel is equal"]

    run_async(main())


def test_metrics_have_templates_and_no_paths(home: Path) -> None:
    async def main() -> None:
        async with site(home) as s:
            job = await s.submit(STEPS)
            await s.finished(job)
            await s.call("GET", "/api/nowhere/12345", status=404)
            async with s.session.get(s.url("/metrics")) as answer:
                text = await answer.text()
            values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
            assert values["nodeflow_queue_depth"] == "0.0"
            assert values["nodeflow_worker_up" + '{worker="0"}'] == "1.0"
            assert values['nodeflow_jobs_total{state="completed"}'] == "1.0"
            assert values['nodeflow_node_seconds_count{type="fault/steps"}'] == "1.0"
            assert 'http_route="/api/jobs/{id}"' in text
            assert "12345" not in text
            async with aiohttp.ClientSession() as bare, bare.get(s.url("/metrics")) as answer:
                assert answer.status == 401

    run_async(main())


# --- the server is killed ---------------------------------------------------------------------------------------------


async def process(home: Path) -> tuple[asyncio.subprocess.Process, str]:
    """A server process, and its address."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "nodeflow", "serve", "--port", "0",
        env={**os.environ, "NODEFLOW_HOME": str(home), "NODEFLOW_OUTPUT": str(home / "output")},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert started.stdout is not None
    line = (await started.stdout.readline()).decode()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line
    return started, found.group(0)


async def killed(home: Path, times: int) -> None:
    """Submit over HTTP, kill the server while it runs, again and again; in the end all that was accepted completes."""
    accepted: list[int] = []
    for number in range(times):
        server, address = await process(home)
        headers = {"Authorization": f"Bearer {(home / 'server.token').read_text().strip()}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            with contextlib.suppress(aiohttp.ClientError):
                for index in range(3):
                    nodes = {
                        "a": ("text", {"text": f"{number} {index}"}),
                        "s": ("steps", {"text": "@a.text", "steps": 3}),
                    }
                    async with session.post(f"{address}/api/jobs", json={"workflow": recipe(nodes)}) as answer:
                        assert answer.status == 202
                        accepted += [job["id"] for job in (await answer.json())["jobs"]]
                await asyncio.sleep(0.1 * (number % 4))
        server.send_signal(signal.SIGKILL)
        await server.wait()
    server, address = await process(home)
    async with aiohttp.ClientSession(headers=headers) as session:

        async def left() -> list[dict[str, Any]]:
            async with session.get(f"{address}/api/jobs?limit=500") as answer:
                return list((await answer.json())["items"])

        jobs = await until(left, lambda found: all(job["state"] in FINAL for job in found))
        assert {job["id"] for job in jobs} >= set(accepted), "an accepted job is lost"
        unlucky = [job for job in jobs if job["state"] == "failed"]
        assert all(job["attempt"] == 3 and "the server ended while it ran" in job["error"] for job in unlucky)
        assert len(unlucky) < len(jobs) / 3
        for job in (job for job in jobs if job not in unlucky):
            assert job["state"] == "completed"
            (made,) = job["artefacts"]
            async with session.get(f"{address}/api/artefacts/{made['digest']}") as answer:
                assert answer.status == 200
    server.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(server.wait(), 20) == 0


def test_a_killed_server_loses_nothing_that_it_accepted(home: Path) -> None:
    run_async(killed(home, 2))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_killed_again_and_again_loses_nothing(home: Path) -> None:
    run_async(killed(home, 20), 850)
