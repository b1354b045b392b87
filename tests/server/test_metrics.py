"""Every figure of /metrics is fed by what it names, and the log says which job, node and trace a line is about."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from nodeflow.server import logs
from nodeflow.server.logs import Printed, configure
from nodeflow.server.metrics import Metrics
from nodeflow.server.reporting import device_bytes
from nodeflow.server.worker_process import WorkerProcess
from nodeflow.settings import Settings
from tests.server.queueing import Bench, bench, extend_fault_pack, home, run_async, until
from tests.server.test_logs import log_as_before

__all__ = ["home", "log_as_before"]  # fixtures


def figures(metrics: Metrics) -> dict[str, float]:
    """Every sample as `name{label="value"}`, in order of the labels."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def seen(b: Bench) -> dict[str, float]:
    return figures(b.queue.metrics)


def test_jobs_nodes_and_the_queue(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            await until(lambda: seen(b), lambda f: f['nodeflow_worker_up{worker="0"}'] == 1)
            await b.queue.pause()
            jobs = [
                await b.submit({"a": ("text", {"text": f"{i}"}), "b": ("text", {"text": "@a.text"})}) for i in (1, 2)
            ]
            assert (await seen(b))["nodeflow_queue_depth"] == 2
            assert (await seen(b))["nodeflow_jobs_submitted_total"] == 2
            await b.queue.cancel(jobs[1][0].id)
            await b.queue.resume()
            await b.finished(jobs[0][0].id)
            (fails,) = await b.submit({"a": ("text", {"text": "x"}), "f": ("fail", {"text": "@a.text"})})
            await b.finished(fails.id)
            (slow,) = await b.submit({"s": ("steps", {"text": "x", "steps": 400, "seconds": 0.02})})
            await until(lambda: seen(b), lambda f: f["nodeflow_jobs_running"] == 1)
            await b.until(slow.id, "running")
            await b.queue.cancel(slow.id)
            await until(lambda: seen(b), lambda f: f["nodeflow_jobs_running"] == 0)
            (dies,) = await b.submit({"d": ("die", {"text": "x"})})
            await b.finished(dies.id)
            found = await until(lambda: seen(b), lambda f: f.get('nodeflow_jobs_total{state="failed"}') == 2)
            assert found["nodeflow_queue_depth"] == 0
            assert found['nodeflow_jobs_total{state="completed"}'] == 1
            assert found['nodeflow_jobs_total{state="cancelled"}'] == 2
            counts = {
                s: found[f'nodeflow_job_seconds_count{{state="{s}"}}'] for s in ("completed", "failed", "cancelled")
            }
            assert counts == {"completed": 1, "failed": 2, "cancelled": 1}, "one was cancelled before it was started"
            assert found['nodeflow_node_seconds_count{type="fault/text"}'] >= 3
            assert found['nodeflow_worker_starts{worker="0"}'] >= 4

    run_async(main())


def test_the_worker_is_down_when_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with bench(home) as b:
            worker = b.queue.dispatcher.workers[0]
            up = await until(lambda: seen(b), lambda f: f['nodeflow_worker_memory_bytes{worker="0"}'] > 1e6)
            assert up['nodeflow_worker_up{worker="0"}'] == 1

            async def never(*_: Any) -> None:
                raise AssertionError("not again")

            monkeypatch.setattr(WorkerProcess, "start", never)
            worker.kill()
            down = await until(lambda: seen(b), lambda f: f['nodeflow_worker_up{worker="0"}'] == 0)
            assert down['nodeflow_worker_memory_bytes{worker="0"}'] == 0
            assert down['nodeflow_vram_bytes{worker="0"}'] == 0
            for task in b.queue.dispatcher._tasks:
                task.cancel()

    run_async(main())


def test_the_cache_is_counted_by_tier(home: Path) -> None:
    """The second time from RAM; in another worker from disk."""

    async def main() -> None:
        async with bench(home) as b:
            nodes = {"a": ("text", {"text": "kept"})}
            for _ in range(2):
                (job,) = await b.submit(nodes)
                await b.finished(job.id)
            found = await until(lambda: seen(b), lambda f: f.get('nodeflow_cache_hits_total{tier="ram"}', 0) > 0)
            misses = found['nodeflow_cache_misses_total{tier="ram"}']
            assert misses == found['nodeflow_cache_misses_total{tier="disk"}']
            assert found['nodeflow_cache_hits_total{tier="disk"}'] == 0
            assert found['nodeflow_cache_bytes{tier="ram",worker="0"}'] > 0
            worker, first = b.queue.dispatcher.workers[0], b.queue.dispatcher.workers[0].pid
            worker.kill()
            (job,) = await b.submit(nodes)
            await b.finished(job.id)
            assert worker.pid != first
            again = await until(lambda: seen(b), lambda f: f['nodeflow_cache_hits_total{tier="disk"}'] > 0)
            assert again['nodeflow_cache_hits_total{tier="ram"}'] >= found['nodeflow_cache_hits_total{tier="ram"}']
            assert again['nodeflow_cache_misses_total{tier="ram"}'] > misses, "what was on disk was not in RAM"
            assert again['nodeflow_cache_bytes{tier="disk",worker="0"}'] > 0

    run_async(main())


def test_counters_go_on_when_a_worker_begins_anew() -> None:
    metrics = Metrics()
    worker = WorkerProcess(Settings(), lambda *_: None)

    def ended(pid: int, loads: int, hits: int, misses: int) -> None:
        worker.pid = pid
        metrics.run(worker, {"loads": loads, "tiers": {"ram": {"bytes": 1, "hits": hits, "misses": misses}}})

    for said in ((10, 1, 2, 3), (10, 3, 2, 7), (11, 1, 1, 1), (11, 1, 1, 1)):
        ended(*said)
    found = figures(metrics)
    assert found["nodeflow_model_loads_total"] == 4
    assert found['nodeflow_cache_hits_total{tier="ram"}'] == 3
    assert found['nodeflow_cache_misses_total{tier="ram"}'] == 8


def test_models_that_are_read_are_counted(home: Path, tmp_path: Path) -> None:
    extend_fault_pack(
        tmp_path,
        "from nodeflow.types import Vae\nfrom nodeflow.weights import weights_loader\n"
        "@weights_loader('fault/weights')\ndef load(handle, device):\n    return object()\n\n"
        "@node('fault/loads', cacheable=False)\ndef loads(text: str, *, ctx: Context) -> str:\n    '''Load.'''\n"
        "    with ctx.weights.use(Vae('fault/weights', '/x', text)):\n        return text\n",
    )

    async def main() -> None:
        async with bench(home) as b:
            for text in ("a", "b", "a"):
                (job,) = await b.submit({"l": ("loads", {"text": text})})
                done = await b.finished(job.id)
                assert done.state == "completed", done.error
            assert (await seen(b))["nodeflow_model_loads_total"] == 2
            assert 'nodeflow_weights_bytes{worker="0"}' in await seen(b)

    run_async(main())


def test_memory_of_accelerators(monkeypatch: pytest.MonkeyPatch) -> None:
    def torch(initialised: bool, mps: bool) -> Any:
        allocated = {0: 5, 1: 7}
        cuda = SimpleNamespace(
            is_initialized=lambda: initialised, device_count=lambda: 2, memory_allocated=allocated.__getitem__
        )
        backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps))
        return SimpleNamespace(cuda=cuda, backends=backends, mps=SimpleNamespace(current_allocated_memory=lambda: 100))

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert device_bytes() == 0
    assert "torch" not in sys.modules
    for initialised, mps, total in ((False, False, 0), (True, False, 12), (True, True, 112)):
        monkeypatch.setitem(sys.modules, "torch", torch(initialised, mps))
        assert device_bytes() == total
    broken = torch(True, False)
    broken.cuda.memory_allocated = lambda _: 1 // 0
    monkeypatch.setitem(sys.modules, "torch", broken)
    assert device_bytes() == 0


# --- the log ----------------------------------------------------------------------------------------------------------


def test_each_line_says_what_it_is_about(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from tests.server.test_tracing import in_memory

    extend_fault_pack(
        tmp_path,
        "@node('fault/prints')\ndef prints(text: str) -> str:\n    '''Print.'''\n"
        "    print('a line', flush=True)\n    time.sleep(0.5)\n    print('{\"level\": \"error\"}', flush=True)\n"
        "    time.sleep(0.3)\n    return text\n",
    )
    monkeypatch.setenv("NODEFLOW_LOG", "json")

    async def main() -> None:
        configure()
        traces, _ = in_memory()
        async with bench(home, tracing=traces) as b:
            nodes = {"p": ("prints", {"text": "x"}), "bad": ("fail", {"text": "@p.text"})}
            (job,) = await b.submit(nodes)
            await b.finished(job.id)
            (job,) = await b.submit({"d": ("die", {"text": "y"})})
            await b.finished(job.id)

    run_async(main())
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    printed = [line for line in lines if line["logger"] == "nodeflow.worker" and line.get("job") == 1]
    assert [(line["message"], line["node"]) for line in printed] == [("a line", "p"), ('{"level": "error"}', "p")]
    assert {line["level"] for line in printed} == {"info"}, "what is printed is a message, whatever it looks like"
    failed = [line for line in lines if line.get("node") == "bad"]
    assert [(line["job"], line["level"]) for line in failed] == [(1, "warning")]
    assert "cannot use x" in failed[0]["message"]
    died = [line for line in lines if line.get("job") == 2 and "killed by signal 9" in line["message"]]
    assert {line.get("node") for line in died if line["level"] == "warning"} == {"d"}
    traces = {
        line["job"]: {x["trace"] for x in lines if x.get("job") == line["job"]} for line in lines if "job" in line
    }
    assert len(traces[1]) == 1
    assert len(traces[2]) == 3, "each attempt is a trace of its own"
    assert all(len(trace) == 32 for found in traces.values() for trace in found)


def test_printed_lines_are_whole_and_bounded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NODEFLOW_LOG", "json")
    configure()
    printed = Printed()
    for piece in ("one\ntw", "o\n\n", "x" * 20_000, "y", "\nend"):
        printed.write(piece, 3, "n")
    printed.end()
    found = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert found == ["one", "two", "x" * logs.MAX_LINE, "y", "end"]
    monkeypatch.delenv("NODEFLOW_LOG")
    Printed().write("as it is \x1b[1m")
    assert capsys.readouterr().err == "as it is \x1b[1m"
