"""A worker as the server sees it: a process that is started, sent jobs, watched, and replaced when it dies.

It counts as hung when nothing has been heard of it for `heartbeat_s`; a cancelled run may take `grace_s` to stop. In
both cases the process is killed. A death ends the job that ran, with a message in words, and nothing else.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from nodeflow.server import frames
from nodeflow.server.blackbox import last_nodes
from nodeflow.server.logs import Printed
from nodeflow.server.tasks import Claimed
from nodeflow.settings import Settings

State = Literal["starting", "idle", "running", "dead"]
COMMAND: Final = (sys.executable, "-m", "nodeflow.server.worker")
TICK_S: Final = 0.5
TAIL_BYTES: Final = 4000


class WorkerDied(Exception):
    """The process is gone; the message says why, as far as can be told.

    advice: what to do, to be added after a comma. nodes: those that were being computed.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice
        self.nodes: list[str] = []


@dataclass(frozen=True)
class Limits:
    """Seconds: how long a worker may be silent, a cancelled run may go on, a process may take to start or to stop."""

    heartbeat_s: float = 60.0
    grace_s: float = 10.0
    start_s: float = 120.0
    stop_s: float = 4.0


@dataclass
class WorkerProcess:
    """One worker process at a time, for one device.

    on_news: called with each frame about the job that runs, but for its end. slot: its number among the workers.
    """

    settings: Settings
    on_news: Callable[[dict[str, Any], bytes], None]
    limits: Limits = field(default_factory=Limits)
    slot: int = 0
    state: State = "dead"
    pid: int = 0
    starts: int = 0
    device: str = ""
    numeric: str = ""
    memory_bytes: int = 0
    vram_bytes: int = 0
    inventory: dict[str, Any] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None
    _ready: asyncio.Future[None] | None = None
    _gone: asyncio.Future[WorkerDied] | None = None
    _finished: asyncio.Future[dict[str, Any]] | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _heard: float = 0.0
    _about: tuple[int, str] = (0, "")
    _cancelled: float | None = None
    _killed: WorkerDied | None = None
    _tail: deque[bytes] = field(default_factory=deque)

    @property
    def _box(self) -> Path:
        return self.settings.home / f"worker-{self.slot}.nodes"

    @property
    def alive(self) -> bool:
        return self._gone is not None and not self._gone.done()

    async def start(self) -> None:
        """Start the process if there is none, and wait until it is ready.

        Raises:
            WorkerDied: it could not be started.
        """
        if self.alive:
            return
        self.state, self._killed = "starting", None
        self.starts += 1
        self._tail.clear()
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *COMMAND,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=os.name != "nt",  # Ctrl-C in a terminal is for the server
            )
        except OSError as error:
            self.state = "dead"
            raise WorkerDied(f"the worker process could not be started: {error}") from error
        loop = asyncio.get_running_loop()
        self.pid, self._heard = process.pid, time.monotonic()
        self._gone, self._ready = loop.create_future(), loop.create_future()
        self._tasks = [asyncio.create_task(self._listen(process)), asyncio.create_task(self._relay(process))]
        self._send({"kind": "settings", "settings": frames.settings_json(self.settings), "box": str(self._box)})
        either: list[asyncio.Future[Any]] = [self._ready, self._gone]
        await asyncio.wait(either, timeout=self.limits.start_s, return_when="FIRST_COMPLETED")
        if not self._ready.done():
            self._kill(f"the worker process was not ready after {self.limits.start_s:g} s and was ended")
            raise await self._gone
        self.state = "idle"

    async def run(self, job: Claimed, trace: str = "", parent: str = "") -> dict[str, Any]:
        """Run a job to its end; how it ended, as the worker says.

        Args:
            trace: the id of its trace, for the log. parent: the `traceparent` of its span.

        Raises:
            WorkerDied: the process died before that.
        """
        if self._gone is None:
            raise WorkerDied("no worker process was started")
        self._finished = asyncio.get_running_loop().create_future()
        self._cancelled = None
        self.state, self._heard = "running", time.monotonic()
        header = {"kind": "run", "job": job.id, "inputs": job.inputs, "targets": job.targets, "trace": parent}
        self._about = job.id, trace
        self._send(header, job.recipe)
        last = time.monotonic()
        either: list[asyncio.Future[Any]] = [self._finished, self._gone]
        while True:
            await asyncio.wait(either, timeout=TICK_S, return_when="FIRST_COMPLETED")
            if self._finished.done():
                self.state = "idle"
                return self._finished.result()
            if self._gone.done():
                raise self._gone.result()
            now = time.monotonic()
            if now - last > 10 * TICK_S:  # this process did not run either: nothing can be said
                self._heard = now
            last = now
            self._watch(now)

    def _watch(self, now: float) -> None:
        limits = self.limits
        if self._cancelled is not None and now - self._cancelled > limits.grace_s:
            self._kill(f"the worker process was ended: the cancelled run did not stop within {limits.grace_s:g} s")
        elif now - self._heard > limits.heartbeat_s:
            self._kill("the worker process hung", f": it was silent for {limits.heartbeat_s:g} s, and was ended")

    def cancel(self, job: int) -> None:
        """Ask the run to stop at its next step; the process is killed if it does not."""
        if self._finished is not None and not self._finished.done() and self._cancelled is None:
            self._cancelled = time.monotonic()
            self._send({"kind": "cancel", "job": job})

    async def stop(self) -> None:
        """End the process: politely first."""
        process, gone = self._process, self._gone
        if process is None or gone is None:
            return
        if not gone.done():
            self._send({"kind": "stop"})
            await asyncio.wait({gone}, timeout=self.limits.stop_s)
            if not gone.done():
                self._kill("the worker process was stopped")
                await gone
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def gone(self) -> None:
        """Wait until the process has ended."""
        if self._gone is not None:
            await asyncio.wait([self._gone])

    def kill(self) -> None:
        """End the process at once."""
        self._kill("the worker process was stopped")

    # --- the two ends of the pipes -----------------------------------------------------------------------------------

    def _send(self, header: dict[str, Any], data: bytes = b"") -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self._process.stdin.write(frames.pack(header, data))

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Take what the worker says until it is gone; then say why."""
        assert process.stdout is not None
        assert self._gone is not None
        reason = ""
        try:
            while (frame := await frames.receive(process.stdout)) is not None:
                self._heard = time.monotonic()
                self._take(*frame)
                await asyncio.sleep(0)  # frames that are there already come without a pause: let others have their turn
        except frames.BrokenFrame as error:
            reason = f"the worker process sent what is no frame ({error})"
        except Exception as error:  # a fault of this process must not leave a job hanging
            reason = f"the server could not use what the worker sent: {type(error).__name__}: {error}"
        if reason and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        code = await process.wait()
        self.state, self.memory_bytes, self.vram_bytes, self.inventory = "dead", 0, 0, {}
        if process.stdin is not None:
            process.stdin.close()
        died = self._killed or (WorkerDied(reason) if reason else death(code))
        died.nodes = last_nodes(self._box)
        self._gone.set_result(died)

    def _take(self, header: dict[str, Any], data: bytes) -> None:
        kind = header["kind"]
        if kind == "beat":
            self.memory_bytes, self.vram_bytes = header["memory"], header["vram"]
        elif kind == "ready":
            self.device, self.numeric, self.memory_bytes = header["device"], header["numeric"], header["memory"]
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(None)
        elif kind == "finished":
            self.inventory = {name: header[name] for name in ("weights", "tiers")}
            self.memory_bytes, self.vram_bytes = header["memory"], header["vram"]
            if self._finished is not None and not self._finished.done():
                self._finished.set_result(header)
        else:
            self.on_news(header, data)

    async def _relay(self, process: asyncio.subprocess.Process) -> None:
        """What the worker and its nodes print goes to this process's standard error."""
        assert process.stderr is not None
        printed, decoder = Printed(), codecs.getincrementaldecoder("utf-8")("replace")
        while data := await process.stderr.read(1 << 16):
            self._tail.append(data[-TAIL_BYTES:])
            while len(self._tail) > 1 and sum(map(len, self._tail)) > TAIL_BYTES:
                self._tail.popleft()
            nodes = last_nodes(self._box) if self.state == "running" else []
            job, trace = self._about if self.state == "running" else (0, "")
            printed.write(decoder.decode(data), job, nodes[0] if len(nodes) == 1 else "", trace)
        printed.end()

    @property
    def last_words(self) -> str:
        """The end of what the process wrote to its standard error."""
        return b"".join(self._tail)[-TAIL_BYTES:].decode("utf-8", "replace")

    def _kill(self, reason: str, advice: str = "") -> None:
        if self._process is not None and self.alive:
            self._killed = self._killed or WorkerDied(reason, advice)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def death(code: int) -> WorkerDied:
    """Why a process is gone that ended with this code (negative: by a signal)."""
    if code >= 0:
        return WorkerDied(f"the worker process ended with exit code {code}")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGKILL":
        advice = ", most likely out of memory: use smaller pictures or batches, lower the budgets in nodeflow.toml"
        return WorkerDied("the worker process was killed by signal 9", advice)
    if name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE"):
        advice = ", in native code: the server's log says where"
        return WorkerDied(f"the worker process crashed ({name}, signal {-code})", advice)
    return WorkerDied(f"the worker process was ended from outside ({name}, signal {-code})")
