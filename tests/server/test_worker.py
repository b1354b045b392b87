"""Workers that die, hang and do not listen: the job ends with a message in words, the server lives, the next runs."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nodeflow.cache import BlobStore
from nodeflow.server import frames
from nodeflow.server.worker import _short
from nodeflow.server.worker_process import Limits, death
from nodeflow.settings import Settings
from tests.server.queueing import Bench, bench, extend_fault_pack, home, run_async, until

__all__ = ["home"]  # a fixture

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")


def dying(how: str, **more: Any) -> dict[str, Any]:
    return {"a": ("text", {"text": "x"}), "bad": ("die", {"text": "@a.text", "how": how, **more})}


async def next_job_runs(b: Bench) -> None:
    (job,) = await b.submit({"a": ("text", {"text": "still here"})})
    assert (await b.finished(job.id)).state == "completed"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("kill", "killed by signal 9 while it computed bad, most likely out of memory"),
        ("abort", "crashed (SIGABRT, signal 6) while it computed bad, in native code"),
        ("null", "crashed (SIGSEGV, signal 11) while it computed bad, in native code"),
        ("exit", "ended with exit code 7 while it computed bad"),
    ],
)
def test_a_node_that_takes_the_process_with_it(home: Path, how: str, words: str, tmp_path: Path) -> None:
    counter = tmp_path / "counter"

    async def main() -> None:
        async with bench(home) as b:
            (job,) = await b.submit(dying(how, counter=str(counter)))
            found = await b.finished(job.id)
            assert (found.state, found.attempt) == ("failed", 3), "a poison job stops at the third attempt"
            assert words in found.error
            assert found.error.endswith("(attempt 3 of 3)")
            assert len(counter.read_text()) == 3
            detail = await b.queue.detail(job.id)
            assert detail.nodes["bad"].state == "failed"
            assert words in detail.nodes["bad"].message
            await next_job_runs(b)
            assert b.queue.dispatcher.workers[0].starts == 4

    run_async(main())


def test_a_job_whose_worker_died_twice_completes_the_third_time(home: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            (job,) = await b.submit(dying("kill", until=2, counter=str(tmp_path / "counter")))
            found = await b.finished(job.id)
            assert (found.state, found.attempt, found.error) == ("completed", 3, "")
            assert len(found.artefacts) == 1
            told = [e["job"]["state"] for e in b.of("job", job.id)]
            assert [s for i, s in enumerate(told) if i == 0 or told[i - 1] != s] == [
                "queued", "running", "queued", "running", "queued", "running", "completed"
            ]  # fmt: skip
            errors = {e["job"]["error"] for e in b.of("job", job.id) if e["job"]["state"] == "queued"}
            assert any("it is tried again" in error for error in errors)

    run_async(main())


@pytest.mark.parametrize("how", ["stop", "hold"])
def test_a_worker_that_hangs_is_ended(home: Path, how: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(home, Limits(heartbeat_s=2.0, start_s=60.0)) as b:
            (job,) = await b.submit(dying(how, until=1, counter=str(tmp_path / "counter")))
            found = await b.until(job.id, "queued", "failed")
            while "hung" not in found.error:
                found = await b.queue.get(job.id)
                await asyncio.sleep(0.05)
            assert "hung while it computed bad: it was silent for 2 s, and was ended (attempt 1 of 3)" in found.error
            assert (await b.finished(job.id)).state == "completed"

    run_async(main())


def test_kill_between_the_blob_s_rename_and_the_job_s_end(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            (job,) = await b.submit({"a": ("between", {"text": "kept"})})
            found = await b.finished(job.id)
            assert (found.state, found.artefacts) == ("failed", [])
            blobs = [blob for blob in BlobStore(home / "artefacts").scan() if blob.size]
            assert len(blobs) == 1, "the bytes are whole, and nobody's"
            assert (await b.queue.artefacts()) == ([], None)

    run_async(main())


def test_a_kill_from_outside_while_idle_is_repaired_without_a_job(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            worker = b.queue.dispatcher.workers[0]
            await until(lambda: ready(worker), bool)
            first = worker.pid
            os.kill(first, signal.SIGKILL)
            await until(lambda: ready(worker), lambda up: up and worker.pid != first)
            await next_job_runs(b)

    run_async(main())


async def ready(worker: Any) -> bool:
    return bool(worker.state == "idle" and worker.alive)


def test_cancel_stops_within_a_step(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            (job,) = await b.submit({"s": ("steps", {"text": "x", "steps": 400, "seconds": 0.05})})
            await until(lambda: seen(b, job.id), bool)
            pid = b.queue.dispatcher.workers[0].pid
            begun = time.monotonic()
            cancelled = await b.queue.cancel(job.id)
            assert cancelled.state == "cancelled"
            await until(lambda: ready(b.queue.dispatcher.workers[0]), bool)
            assert time.monotonic() - begun < 1.0
            assert b.queue.dispatcher.workers[0].pid == pid, "it stopped by itself"
            detail = await b.queue.detail(job.id)
            assert (detail.job.state, detail.nodes["s"].state) == ("cancelled", "cancelled")
            assert b.states(job.id, "s")[-1] == "cancelled"
            await next_job_runs(b)

    run_async(main())


async def seen(b: Bench, job: int) -> bool:
    return bool(b.of("node", job))


def test_a_cancelled_run_that_does_not_stop_is_ended(home: Path) -> None:
    async def main() -> None:
        async with bench(home, Limits(grace_s=0.5, start_s=60.0)) as b:
            (job,) = await b.submit({"s": ("stubborn", {"text": "x"})})
            await until(lambda: seen(b, job.id), bool)
            pid = b.queue.dispatcher.workers[0].pid
            await b.queue.cancel(job.id)
            await next_job_runs(b)
            assert b.queue.dispatcher.workers[0].pid != pid
            found = await b.queue.get(job.id)
            assert (found.state, found.attempt) == ("cancelled", 1)

    run_async(main())


def test_two_workers_share_the_queue_and_every_job_ends(home: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(home, devices=("cpu", "cpu")) as b:
            jobs = []
            for number in range(6):
                nodes = dying("kill", until=1, counter=str(tmp_path / f"c{number}")) if number % 3 == 0 else {
                    "s": ("steps", {"text": f"{number}", "steps": 5, "seconds": 0.05})
                }  # fmt: skip
                jobs += await b.submit(nodes)
            ended = [await b.finished(job.id) for job in jobs]
            assert [job.state for job in ended] == ["completed"] * 6
            assert len({worker.pid for worker in b.queue.dispatcher.workers}) == 2

    run_async(main())


def test_a_worker_ends_with_the_server_even_if_native_code_holds_it_up(home: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "from nodeflow.server import frames, worker_process\n"
        "from nodeflow.settings import Settings\n"
        "p = subprocess.Popen(worker_process.COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "p.stdin.write(frames.pack({'kind': 'settings', 'settings': frames.settings_json(Settings.load()),\n"
        " 'box': sys.argv[1]}))\n"
        "p.stdin.flush(); frames.read(p.stdout)\n"
        'recipe = b\'{"format":"nodeflow/1","nodes":{"a":{"op":"fault/die@1",\'\n'
        'recipe += b\'"values":{"text":"x","how":"hold"}}}}\'\n'
        "header = {'kind': 'run', 'job': 1, 'inputs': {}, 'targets': None}\n"
        "p.stdin.write(frames.pack(header, recipe)); p.stdin.flush()\n"
        "frames.read(p.stdout); print(p.pid, flush=True); sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(home.parent / "box")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ},
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").exists() and ") Z" not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < end, "the worker outlived its server"
        time.sleep(0.02)
    for stream in (parent.stdin, parent.stdout):
        if stream is not None:
            stream.close()


def test_what_nodes_print_does_not_disturb_the_frames(home: Path, tmp_path: Path) -> None:
    extend_fault_pack(
        tmp_path,
        "@node('fault/prints')\ndef prints(text: str) -> str:\n    '''Print.'''\n"
        "    import sys, subprocess\n    print('to stdout ' * 1000)\n    sys.stdout.flush()\n"
        "    subprocess.run(['echo', 'from a child'])\n    assert sys.stdin.read() == ''\n    return text\n",
    )

    async def main() -> None:
        async with bench(home) as b:
            (job,) = await b.submit({"p": ("prints", {"text": "x"})})
            assert (await b.finished(job.id)).state == "completed"
            assert "from a child" in b.queue.dispatcher.workers[0].last_words

    run_async(main())


# --- words and frames -----------------------------------------------------------------------------------------------


def test_deaths_in_words() -> None:
    assert str(death(-9)) + death(-9).advice == (
        "the worker process was killed by signal 9, most likely out of memory: use smaller pictures or batches, "
        "lower the budgets in nodeflow.toml"
    )
    assert "ended from outside (SIGTERM, signal 15)" in str(death(-15))
    assert "signal 250" in str(death(-250))


def test_frames_are_read_as_they_were_written_and_nothing_else_is() -> None:
    data = frames.pack({"kind": "x", "text": "ü\ud800"}, b"\0\xff") + frames.pack({"kind": "y"})
    file = io.BytesIO(data)
    assert frames.read(file) == ({"kind": "x", "text": "ü?"}, b"\0\xff")
    assert frames.read(file) == ({"kind": "y"}, b"")
    assert frames.read(file) is None
    for broken in (
        data[:5],
        data[:20],
        b"Hello, this is a library that prints\n" * 3,
        frames._LENGTHS.pack(2, 0) + b"[]",
    ):
        with pytest.raises(frames.BrokenFrame):
            frames.read(io.BytesIO(broken))


def test_settings_travel_whole() -> None:
    given = Settings(
        home=Path("/a"), model_folders=(Path("/m"), Path("/n")), ram_budget=5, device="cuda:1", deadline=2.5
    )
    assert frames.settings_from(frames.settings_json(given)) == given


def test_loaded_weights_have_short_names() -> None:
    assert _short(repr(("diffusion/vae", "eae95782f4c1d448" * 4, [], []))) == "diffusion/vae eae95782f4c1"
    assert _short("something else") == "something else"
