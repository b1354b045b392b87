"""The server: accepting jobs, events of large runs, a hundred clients, memory, kills and power cuts.

Targets: time an event in a run of 10,000 nodes at most 1.5 times that at 100; idle memory at most 120 MB, no torch in
the server; no promise broken by 60 kills and 400 power cuts. Times depend on the disk's fsync, which is measured too.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from nodeflow.server.store import JobStore
from nodeflow.server.tasks import Finish, NewJob

WORKFLOW = Path(__file__).parents[1] / "workflows" / "text-to-image.json"
Row = tuple[str, ...]


def p50(call: Callable[[int], Any], count: int) -> float:
    """Milliseconds, the median of so many calls."""
    times = []
    for number in range(count):
        begun = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e3


# --- the store ----------------------------------------------------------------------------------------------------


def fsync_ms(folder: Path) -> float:
    """One write of 4 KB with fsync, appended: what a commit cannot be faster than."""
    with open(folder / "fsync", "wb") as file:

        def once(_: int) -> None:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())

        return p50(once, 200)


def store_rows(folder: Path) -> Iterator[Row]:
    base = fsync_ms(folder)
    yield "4 KB write and fsync, p50", f"{base:.2f} ms", ""
    store = JobStore(folder / "jobs.db")
    recipe = WORKFLOW.read_bytes()
    claimed: list[Any] = []

    def finish(number: int) -> None:
        assert store.finish(claimed[number].id, claimed[number].lease, Finish("completed"))

    calls = (
        ("enqueue", lambda i: store.add(recipe, [NewJob("T", "0" * 64, {"seed": i})])),
        ("claim", lambda i: claimed.append(store.claim(f"lease {i}"))),
        ("done", finish),
    )
    for name, call in calls:
        took = p50(call, 300)
        yield f"{name}, p50", f"{took:.2f} ms", f"{took / base:.1f} × fsync"
    begun = time.perf_counter()
    store.add(recipe, [NewJob("T", "0" * 64, {"seed": i}) for i in range(10_000)], "sweep")
    yield "sweep of 10,000 in one transaction", f"{time.perf_counter() - begun:.2f} s", ""
    took = p50(lambda i: store.claim(f"late {i}"), 100)
    yield "claim with 10,000 queued, p50", f"{took:.2f} ms", f"{took / base:.1f} × fsync"
    store.close()


# --- a real server ------------------------------------------------------------------------------------------------


@contextmanager
def serving(home: Path) -> Iterator[tuple[int, str, dict[str, str]]]:
    """A server process of its own: its id, its address, the headers to come in with."""
    environment = {**os.environ, "NODEFLOW_HOME": str(home), "NODEFLOW_OUTPUT": str(home / "output")}
    command = [sys.executable, "-m", "nodeflow", "serve", "--port", "0"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None
        yield process.pid, found.group(0), {"Authorization": f"Bearer {(home / 'server.token').read_text().strip()}"}
    finally:
        process.terminate()
        process.wait()


def cpu_s(pid: int) -> float:
    """CPU seconds that a process (not its children) has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def numbers(count: int, salt: int) -> dict[str, Any]:
    """A recipe of nodes that have nothing to do with each other, and not with those of other salts."""
    return {
        "format": "nodeflow/1",
        "nodes": {f"n{i}": {"op": "value/integer@1", "values": {"value": salt * 1_000_000 + i}} for i in range(count)},
    }


class Client:
    """One session, and the websockets of it."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session, self.address = session, address

    async def post(self, path: str, document: Any = None) -> Any:
        async with self.session.post(self.address + path, json=document or {}) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def run(self, document: Any, sockets: list[Any]) -> int:
        """Run a recipe; how many events all sockets got together."""

        async def listen(socket: Any) -> int:
            count = 0
            async for message in socket:
                count += 1
                if message.type is not aiohttp.WSMsgType.TEXT or '"kind":"job"' not in message.data[:20]:
                    continue
                event = json.loads(message.data)
                if event["job"]["state"] in ("completed", "failed"):
                    assert event["job"]["state"] == "completed", event
                    return count
            raise AssertionError("the socket was closed")

        listening = [asyncio.create_task(listen(socket)) for socket in sockets]
        await self.post("/api/jobs", {"workflow": document})
        return sum(await asyncio.gather(*listening))

    async def socket(self, stack: AsyncExitStack) -> Any:
        made = await stack.enter_async_context(self.session.ws_connect(f"{self.address}/api/events", max_msg_size=0))
        await made.receive()
        return made


async def server_rows(pid: int, address: str, headers: dict[str, str]) -> list[Row]:
    rows: list[Row] = []
    await asyncio.sleep(2)
    rows.append(("idle memory of the server", f"{resident_mb(pid):.0f} MB", "target 120 MB"))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session, AsyncExitStack() as stack:
        client = Client(session, address)
        await client.post("/api/queue/pause")
        document = json.loads(WORKFLOW.read_text())
        times = []
        for seed in range(100):
            begun = time.perf_counter()
            await client.post("/api/jobs", {"workflow": document, "inputs": {"seed": seed}})
            times.append(time.perf_counter() - begun)
        rows.append(("submit → accepted over HTTP, p50", f"{statistics.median(times) * 1e3:.1f} ms", ""))
        await client.post("/api/queue/clear")
        await client.post("/api/queue/resume")
        socket = await client.socket(stack)
        await client.run(numbers(100, 1), [socket])
        few = await _event_cost(client, pid, [socket], 100, range(2, 32))
        many = await _event_cost(client, pid, [socket], 10_000, range(40, 43))
        rows.append(("CPU an event, run of 100 nodes", f"{few * 1e6:.0f} µs", ""))
        rows.append(("CPU an event, run of 10,000 nodes", f"{many * 1e6:.0f} µs", f"{many / few:.2f} × (target 1.5)"))
        sockets = [socket, *[await client.socket(stack) for _ in range(99)]]
        begun, used = time.perf_counter(), cpu_s(pid)
        count = await client.run(numbers(1000, 50), sockets)
        took, used = time.perf_counter() - begun, cpu_s(pid) - used
        rate = f"{count / took:,.0f} events a second"
        rows.append(("100 clients, run of 1,000 nodes", rate, f"{used / count * 1e6:.0f} µs CPU an event"))
        rows.append(("memory of the server afterwards", f"{resident_mb(pid):.0f} MB", ""))
    torch = "yes" if "torch" in Path(f"/proc/{pid}/maps").read_text() else "no"
    rows.append(("torch in the server", torch, "target no"))
    return rows


async def _event_cost(client: Client, pid: int, sockets: list[Any], nodes: int, salts: range) -> float:
    """CPU seconds of the server for each event that it delivers."""
    used, count = cpu_s(pid), 0
    for salt in salts:
        count += await client.run(numbers(nodes, salt), sockets)
    return (cpu_s(pid) - used) / count


# --- durability ---------------------------------------------------------------------------------------------------


def durability_rows(folder: Path) -> Iterator[Row]:
    """The tests' kills and power cuts, at full length."""
    import pytest

    from tests.server.test_durability import cuts, kills, recorded

    begun = time.perf_counter()
    acks, broken = kills(folder / "kills", 60, random.Random(9))
    took = time.perf_counter() - begun
    yield "60 × kill -9", f"{acks:,} promises, {len(broken)} broken", f"{took:.0f} s"
    begun = time.perf_counter()
    with pytest.MonkeyPatch.context() as patch:
        log, baseline = recorded(folder / "home", patch)
    broken = cuts(log, baseline, folder / "cuts", 400, 9)
    yield "400 power cuts played back", f"{len(broken)} promises broken", f"{time.perf_counter() - begun:.0f} s"


def table() -> list[Row]:
    """Rows for `python -m benchmarks`."""
    rows: list[Row] = [("what", "figure", "compared")]
    with tempfile.TemporaryDirectory(prefix="nodeflow-bench-") as name:
        folder = Path(name)
        rows += store_rows(folder)
        with serving(folder / "server") as (pid, address, headers):
            rows += asyncio.run(server_rows(pid, address, headers))
        rows += durability_rows(folder)
    return rows
