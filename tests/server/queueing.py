"""A real queue with real workers in a home of its own, and recipes of the fault pack to run in it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from nodeflow.registry import installed
from nodeflow.server.hub import Client, Hub
from nodeflow.server.jobs import JobQueue
from nodeflow.server.schema import Job, JobRequest
from nodeflow.server.tracing import Tracing
from nodeflow.server.worker_process import Limits
from nodeflow.settings import Settings
from nodeflow.workflow import Workflow
from tests.installing import enable, install

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FINAL = ("completed", "failed", "cancelled")
QUICK = Limits(heartbeat_s=3.0, grace_s=1.0, start_s=60.0, stop_s=5.0)
T = TypeVar("T")


def install_fault_pack(folder: Path) -> str:
    """Install the pack below `folder`, and enable it in the home there and in the one that the environment names; the
    PYTHONPATH that finds it."""
    site = folder / "site"
    install(site, HERE / "fault_pack.py", "fault")
    for home in (folder / "home", Path(os.environ["NODEFLOW_HOME"])):
        enable(home, site, "fault")
    return os.pathsep.join([str(site), str(ROOT), str(ROOT / "nodes")])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home; this process and the workers that it starts have the fault pack."""
    monkeypatch.setenv("PYTHONPATH", install_fault_pack(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.syspath_prepend(tmp_path / "site")
    installed.cache_clear()
    yield tmp_path / "home"
    installed.cache_clear()
    sys.modules.pop("fault_pack", None)


def extend_fault_pack(folder: Path, code: str) -> None:
    """Add to the pack that `install_fault_pack` put below `folder`."""
    with open(folder / "site" / "fault_pack.py", "a", encoding="utf-8") as file:
        file.write(f"\n\n{code}")


def settings_in(home: Path, **more: Any) -> Settings:
    return Settings(home=home, cache=home / "cache", output=home / "output", threads=1, device="cpu", **more)


def run_async(main: Coroutine[Any, Any, T], seconds: float = 120.0) -> T:
    """Run a coroutine to its end, or fail after so long."""

    async def limited() -> T:
        return await asyncio.wait_for(main, seconds)

    return asyncio.run(limited())


class Bench:
    """A queue that runs, and what it published."""

    def __init__(self, queue: JobQueue, home: Path) -> None:
        self.queue = queue
        self.home = home
        self.hub = queue.hub
        self.client: Client = self.hub.connect()
        self.events: list[dict[str, Any]] = []
        self.previews: list[bytes] = []
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while (message := await self.client.take()) is not None:
            if isinstance(message, bytes):
                self.previews.append(message)
            else:
                self.events.append(json.loads(message))

    async def submit(self, nodes: dict[str, Any], outputs: dict[str, str] | None = None, **request: Any) -> list[Job]:
        """Queue a recipe of these nodes; its outputs are the first output of the last one."""
        document = recipe(nodes, outputs, request.pop("declared", None), request.pop("definitions", None))
        return await self.queue.submit(JobRequest(workflow=document, **request), Workflow.from_json(document))

    async def until(self, job: int, *states: str) -> Job:
        """The job when it is in one of these states."""
        return await until(lambda: self.queue.get(job), lambda found: found.state in states)

    async def finished(self, job: int) -> Job:
        """The job when it is over, and everybody has been told."""
        found = await self.until(job, *FINAL)

        async def told() -> list[str]:
            return [e["job"]["state"] for e in self.of("job", job)]

        await until(told, lambda states: states[-1:] == [found.state])
        return found

    def of(self, kind: str, job: int | None = None) -> list[dict[str, Any]]:
        """The events of a kind, about a job."""
        found = [e for e in self.events if e["kind"] == kind]
        if job is None:
            return found
        return [e for e in found if (e["job"]["id"] if isinstance(e["job"], dict) else e["job"]) == job]

    def states(self, job: int, node: str) -> list[str]:
        """The states that a node of a job went through."""
        told = [e["status"]["state"] for e in self.of("node", job) if e["node"] == node]
        return [state for i, state in enumerate(told) if i == 0 or told[i - 1] != state]

    def close(self) -> None:
        self._listening.cancel()


def recipe(
    nodes: dict[str, Any],
    outputs: dict[str, str] | None = None,
    inputs: dict[str, str] | None = None,
    definitions: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A recipe of nodes written `("steps", {"text": "@a.text", "steps": 3})`."""
    made = {}
    for name, (op, ports) in nodes.items():
        links = {p: v[1:] for p, v in ports.items() if isinstance(v, str) and v.startswith("@")}
        links |= {p: [x[1:] for x in v] for p, v in ports.items() if isinstance(v, list) and str(v[:1])[2:3] == "@"}
        values = {p: v for p, v in ports.items() if p not in links and p != "each"}
        made[name] = {"op": op if "/" in op or ":" in op else f"fault/{op}@1", "values": values, "links": links}
        if "each" in ports:
            made[name]["each"] = ports["each"]
    document: dict[str, Any] = {"format": "nodeflow/1", "title": "Test", "nodes": made}
    if outputs is None:
        outputs = {"result": f"{list(nodes)[-1]}.text"}
    document["outputs"] = outputs
    if inputs:
        document["inputs"] = {name: {"to": [target]} for name, target in inputs.items()}
    if definitions:
        document["definitions"] = definitions
    return document


async def until(look: Callable[[], Awaitable[T]], good: Callable[[T], bool], seconds: float = 60.0) -> T:
    """What `look` sees once it is good."""
    end = asyncio.get_running_loop().time() + seconds
    while not good(found := await look()):
        assert asyncio.get_running_loop().time() < end, f"not within {seconds} s: {found}"
        await asyncio.sleep(0.02)
    return found


@asynccontextmanager
async def bench(
    home: Path, limits: Limits = QUICK, devices: tuple[str, ...] = (), tracing: Tracing | None = None, **more: Any
) -> AsyncIterator[Bench]:
    """A started queue."""
    queue = JobQueue(settings_in(home, **more), Hub(), limits=limits, devices=devices, tracing=tracing)
    await queue.start()
    made = Bench(queue, home)
    try:
        yield made
    finally:
        made.close()
        await queue.stop()
