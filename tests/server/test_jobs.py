"""The queue as a whole: order, pause, cancel, retry, sweeps, restarts, and what is told about it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from nodeflow.cache import BlobStore, StoreError
from nodeflow.problems import ProblemsError
from nodeflow.server import jobs as jobs_module
from nodeflow.server.acceptance import accepted
from nodeflow.server.schema import JobChange, JobRequest, Snapshot
from nodeflow.server.services import server_engine
from nodeflow.server.store import JobStore
from nodeflow.server.tasks import JobConflict
from nodeflow.share.embed import extract
from tests.server.queueing import Bench, bench, home, recipe, run_async, settings_in, until

__all__ = ["home"]  # a fixture

TEXT = {"a": ("text", {"text": "hello"})}


def slow(steps: int = 400) -> dict[str, Any]:
    return {"s": ("steps", {"text": "x", "steps": steps, "seconds": 0.02})}


async def order(b: Bench) -> list[int]:
    return [job.id for job in (await b.queue.page("queued", None, 500)).items]


async def running(b: Bench) -> list[int]:
    return [job.id for job in (await b.queue.queue()).running]


# --- a job ------------------------------------------------------------------------------------------------------------


def test_a_job_runs_and_all_of_it_is_kept(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            nodes = {
                "a": ("text", {"text": "one two"}),
                "s": ("steps", {"text": "@a.text", "steps": 12, "seconds": 0.05}),
                "w": ("say", {"text": "@s.text"}),
            }
            (job,) = await b.submit(nodes)
            assert (job.state, job.title) == ("queued", "Test")
            done = await b.finished(job.id)
            assert (done.state, done.attempt, done.error) == ("completed", 1, "")
            assert (done.steps, done.finished_steps, done.cached_steps) == (4, 4, 0)
            (made,) = done.artefacts
            assert (made.output, made.node, made.name, made.media_type) == ("result", "w", "result.txt", "text/plain")
            assert BlobStore(home / "artefacts").read(made.digest) == b"one two"
            assert (home / "output" / "result.txt").read_text() == "one two"
            assert "".join(e["piece"] for e in b.of("text", job.id)) == "one two "
            assert b.states(job.id, "s") == ["running", "done"]
            progress = [e["status"]["done"] for e in b.of("node", job.id) if e["node"] == "s"]
            assert len(progress) > 3
            assert progress == sorted(progress)
            assert 2 <= len(b.previews) <= 8, "about eight a second"
            detail = await b.queue.detail(job.id)
            assert {n: s.state for n, s in detail.nodes.items()} == {"a": "done", "s": "done", "w": "done"}
            assert detail.nodes["w"].warnings == ["that was all"]
            assert detail.workflow["nodes"]["a"]["values"] == {"text": "one two"}
            engine = server_engine(settings_in(home))
            assert engine.records.run(done.run) is not None, "the record of runs has it too"
            engine.close()

    run_async(main())


def test_inputs_are_written_in_and_the_same_again_is_cached(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            for _ in range(2):
                await b.submit(TEXT, declared={"text": "a.text"}, inputs={"text": "moon"})
            first, second = await b.finished(1), await b.finished(2)
            assert [a.digest for a in first.artefacts] == [a.digest for a in second.artefacts]
            assert (second.cached_steps, second.finished_steps) == (2, 2)
            assert first.digest == second.digest
            detail = await b.queue.detail(2)
            assert detail.workflow["nodes"]["a"]["values"] == {"text": "moon"}
            assert detail.nodes["a"].state == "cached"
            assert detail.job.inputs == {"text": "moon"}

    run_async(main())


def test_what_nodes_show_is_kept_without_a_file_also_when_cached_and_in_subgraphs(home: Path) -> None:
    black = ("image/empty@1", {"width": 8, "height": 4})
    wide = ("image/empty@1", {"width": 16, "height": 4})
    inner = recipe({"wide": wide, "look": ("image/preview@1", {"image": "@wide.image"})}, {"image": "wide.image"})
    nodes = {
        "black": black,
        "look": ("image/preview@1", {"image": "@black.image"}),
        "same": ("image/preview@1", {"image": "@look.image"}),
        "note": ("value/show@1", {"value": 3}),
        "sub": ("workflow:inner", {}),
    }

    async def main() -> None:
        async with bench(home) as b:
            for _ in range(2):
                await b.submit(nodes, {"image": "sub.image", "same": "same.image"}, definitions={"inner": inner})
            first, second = await b.finished(1), await b.finished(2)
            made = [(a.output, a.node, a.name, a.width, a.height) for a in first.artefacts]
            assert made == [
                ("image", "sub/wide", "image.png", 16, 4),
                ("same", "same", "same.png", 8, 4),
                ("look", "look", "look.png", 8, 4),
                ("note", "note", "note.txt", 0, 0),
                ("sub/look", "sub/look", "look.png", 16, 4),
            ]
            assert (await b.queue.detail(2)).nodes["look"].state == "cached"
            assert [a.digest for a in second.artefacts] == [a.digest for a in first.artefacts]
            blobs = BlobStore(home / "artefacts")
            assert blobs.read(first.artefacts[3].digest) == b"3"
            assert extract(blobs.read(first.artefacts[2].digest))["recipe"]["title"] == "Test"
            assert [path.name for path in sorted((home / "output").iterdir())] == ["image.png", "same.png"]

    run_async(main())


def test_a_failure_names_the_node_and_keeps_what_was_made(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            nodes = {
                "a": ("text", {"text": "x"}),
                "bad": ("fail", {"text": "@a.text"}),
                "after": ("text", {"text": "@bad.text"}),
            }
            (job,) = await b.submit(nodes, {"good": "a.text", "worse": "after.text"})
            done = await b.finished(job.id)
            assert (done.state, done.error) == ("failed", "bad: ValueError: cannot use x")
            assert [a.output for a in done.artefacts] == ["good"]
            detail = await b.queue.detail(job.id)
            assert {n: s.state for n, s in detail.nodes.items()} == {"a": "done", "bad": "failed", "after": "blocked"}
            assert "cannot use x" in detail.nodes["bad"].message
            assert (await b.queue.retry(job.id)).state == "queued"
            again = await b.finished(job.id)
            assert (again.state, again.cached_steps) == ("failed", 2), "what had been computed was not computed again"
            assert b.states(job.id, "bad")[-3:] in (["failed", "pending", "failed"], ["pending", "running", "failed"])

    run_async(main())


def test_nodes_of_sub_workflows_and_mapped_nodes_light_the_node_people_see(home: Path) -> None:
    inner = {
        "nodes": {"x": {"op": "fault/steps@1", "values": {"text": "t", "steps": 3, "seconds": 0.05}}},
        "outputs": {"text": "x.text"},
        "inputs": {"text": {"to": ["x.text"]}},
    }

    async def main() -> None:
        async with bench(home) as b:
            nodes = {
                "many": ("workflow:inner", {"text": ["p", "q", "r"], "each": ["text"]}),
                "all": ("join", {"parts": "@many.text"}),
            }
            (job,) = await b.submit(nodes, definitions={"inner": inner})
            done = await b.finished(job.id)
            assert (done.state, done.error) == ("completed", "")
            detail = await b.queue.detail(job.id)
            assert set(detail.nodes) == {"many", "many/x", "all"}
            assert (detail.nodes["many"].done, detail.nodes["many"].total) == (3, 3)
            assert {e["node"] for e in b.of("node", job.id)} == {"many", "many/x", "all"}
            header = b.previews[0][5 : 5 + int.from_bytes(b.previews[0][1:5], "big")]
            assert b'"node": "many", "path": "many/x"' in header

    run_async(main())


# --- the queue --------------------------------------------------------------------------------------------------------


def test_priorities_moves_and_pause(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            assert (await b.queue.pause()).paused
            for priority in (0, 0, 5):
                await b.submit(TEXT, priority=priority)
            await asyncio.sleep(0.2)
            assert await order(b) == [3, 1, 2]
            assert (await b.queue.queue()).queued == 3
            await b.queue.change(2, JobChange(before=1))
            assert await order(b) == [3, 2, 1]
            await b.queue.change(3, JobChange(priority=-1))
            assert await order(b) == [2, 1, 3]
            await b.queue.resume()
            ended = [await b.finished(number) for number in (1, 2, 3)]
            begun = sorted(ended, key=lambda job: job.started or 0)
            assert [job.id for job in begun] == [2, 1, 3]
            with pytest.raises(JobConflict, match="only a queued job can be moved"):
                await b.queue.change(1, JobChange(priority=1))
            assert [e["paused"] for e in b.of("queue")][-1] is False

    run_async(main())


def test_a_queued_job_is_cancelled_at_once_and_a_finished_one_not(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            await b.queue.pause()
            (job,) = await b.submit(TEXT)
            assert (await b.queue.cancel(job.id)).state == "cancelled"
            with pytest.raises(JobConflict):
                await b.queue.cancel(job.id)
            await b.queue.remove(job.id)
            assert (await b.queue.page(None, None, 10)).items == []
            await until(lambda: _told(b, "job-removed"), bool)

    run_async(main())


async def _told(b: Bench, kind: str) -> list[dict[str, Any]]:
    return b.of(kind)


def test_clear_all(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            (job,) = await b.submit(slow())
            await b.until(job.id, "running")
            await b.submit(TEXT, declared={"text": "a.text"}, sweep=[{"text": f"{i}"} for i in range(5)])
            assert await b.queue.clear() == 5
            assert await running(b) == [job.id]
            await b.submit(TEXT)
            assert await b.queue.clear(running=True) == 2
            states = {j.id: j.state for j in (await b.queue.page(None, None, 50)).items}
            assert set(states.values()) == {"cancelled"}
            assert (await b.queue.queue()).queued == 0

    run_async(main())


def test_a_sweep_is_told_in_part_and_queued_whole(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "TOLD", 10)

    async def main() -> None:
        async with bench(home) as b:
            await b.queue.pause()
            jobs = await b.submit(TEXT, declared={"text": "a.text"}, sweep=[{"text": f"{i}"} for i in range(50)])
            assert len({job.sweep for job in jobs}) == 1
            assert len({job.digest for job in jobs}) == 50
            assert await order(b) == [job.id for job in jobs]
            await until(lambda: _told(b, "queue"), lambda found: found[-1]["queued"] == 50)
            assert len(b.of("job")) == 10
            client, snapshot = await b.queue.snapshot()
            assert (len(snapshot.queued), snapshot.queue.queued, snapshot.queue.paused) == (10, 50, True)
            b.hub.disconnect(client)

    run_async(main())


def test_a_result_is_written_as_soon_as_the_disk_takes_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, refusals = JobStore.finish, iter([True, True])

    def finish(self: JobStore, *arguments: Any) -> bool:
        if next(refusals, False):
            raise sqlite3.OperationalError("database or disk is full")
        return real(self, *arguments)

    async def main() -> None:
        async with bench(home) as b:
            monkeypatch.setattr(JobStore, "finish", finish)
            (job,) = await b.submit(TEXT)
            done = await b.finished(job.id)
            assert (done.state, done.attempt, len(done.artefacts)) == ("completed", 1, 1)

    run_async(main())


def test_what_cannot_be_written_is_not_accepted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def add(*_: Any) -> Any:
        raise sqlite3.OperationalError("database or disk is full")

    async def main() -> None:
        async with bench(home) as b:
            with monkeypatch.context() as patch:
                patch.setattr(JobStore, "add", add)
                with pytest.raises(StoreError, match="disk is full"):
                    await b.submit(TEXT)
            (job,) = await b.submit(TEXT)
            assert (await b.finished(job.id)).id == 1

    run_async(main())


# --- restarts ---------------------------------------------------------------------------------------------------------


def test_what_ran_when_the_server_stopped_runs_again_without_blame(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            (job,) = await b.submit(slow(8))
            (other,) = await b.submit(TEXT)
            await b.until(job.id, "running")
        async with bench(home) as b:
            first, second = await b.finished(job.id), await b.finished(other.id)
            assert (first.state, first.attempt, second.state) == ("completed", 1, "completed")
            assert (first.started or 0) < (second.started or 0), "it kept its place"

    run_async(main())


def test_a_paused_queue_stays_paused_and_a_second_server_is_kept_out(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            await b.queue.pause()
            await b.submit(TEXT)
            with pytest.raises(Exception, match="a nodeflow server runs here already"):
                async with bench(home):
                    pass
        async with bench(home) as b:
            await asyncio.sleep(0.3)
            assert (await b.queue.queue()).paused
            assert await order(b) == [1]

    run_async(main())


# --- what is told -----------------------------------------------------------------------------------------------------


def test_a_snapshot_has_what_runs_and_its_nodes(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            (job,) = await b.submit(slow())
            await b.submit(TEXT)
            await until(lambda: _told(b, "node"), lambda found: len(found) > 3)
            client, snapshot = await b.queue.snapshot()
            assert [j.id for j in snapshot.queue.running] == [job.id]
            assert snapshot.nodes[job.id]["s"].state == "running"
            assert [j.id for j in snapshot.queued] == [2]
            assert Snapshot.model_validate_json(snapshot.model_dump_json()) == snapshot
            detail = await b.queue.detail(job.id)
            assert detail.nodes["s"].done >= snapshot.nodes[job.id]["s"].done
            assert detail.seq >= snapshot.seq
            b.hub.disconnect(client)
            await b.queue.cancel(job.id)

    run_async(main())


def test_ten_thousand_nodes_are_told_one_by_one_and_the_server_stays_awake(home: Path) -> None:
    count = 10_000
    nodes = {f"n{i}": ("number", {"value": i}) for i in range(count)}

    async def main() -> None:
        async with bench(home) as b:
            (job,) = await b.submit(nodes, {})
            longest = 0.0
            while (found := await b.queue.get(job.id)).state not in ("completed", "failed"):
                before = time.perf_counter()
                await asyncio.sleep(0.01)
                longest = max(longest, time.perf_counter() - before)
            assert found.state == "completed"
            await b.finished(job.id)
            assert {e["node"] for e in b.of("node", job.id) if e["status"]["state"] == "done"} == set(nodes)
            assert not b.client.ended.is_set()
            assert longest < 2.0, "the event loop was held up"
            assert len((await b.queue.detail(job.id)).nodes) == count

    run_async(main())


# --- what may be queued -----------------------------------------------------------------------------------------------


def test_a_sweep_is_checked_as_if_each_were_checked_alone(home: Path) -> None:
    engine = server_engine(settings_in(home))
    document = recipe(
        {"n": ("number", {"value": 1}), "s": ("steps", {"text": "x"})},
        {"x": "s.text", "y": "n.value"},
        {"value": "n.value", "seconds": "s.seconds", "text": "s.text"},
    )
    values: list[dict[str, Any]] = [
        {"value": 1, "seconds": 0.5}, {"value": True, "seconds": 1}, {"value": 2.5}, {"value": "3"}, {"seconds": None},
        {"value": [1]}, {"text": "y"}, {"text": 4}, {"nothing": 1}, {"value": 10**30, "seconds": 2.0}, {"value": 2},
    ]  # fmt: skip
    alone = set()
    for inputs in values:
        try:
            accepted(engine, JobRequest(workflow=document, inputs=inputs))
        except ProblemsError as error:
            alone |= set(error.problems)
    with pytest.raises(ProblemsError) as error:
        accepted(engine, JobRequest(workflow=document, sweep=values))
    assert set(error.value.problems) == alone
    assert len(alone) >= 5
    engine.close()


def test_only_what_can_run_is_accepted_with_all_that_is_wrong(home: Path) -> None:
    engine = server_engine(settings_in(home))
    nodes = {
        "a": {"op": "value/text@1", "values": {"value": 3}},
        "b": {"op": "value/nothing@1"},
    }
    with pytest.raises(ProblemsError) as error:
        accepted(engine, JobRequest(workflow={"format": "nodeflow/1", "nodes": nodes}))
    assert len({p.code for p in error.value.problems}) == 2
    good = recipe({"a": ("value/text@1", {"value": "x"})}, {"x": "a.text"}, {"text": "a.value"})
    with pytest.raises(ProblemsError) as error:
        accepted(engine, JobRequest(workflow=good, sweep=[{"text": "x"}, {"text": 5}, {"test": "y"}]))
    assert {p.code for p in error.value.problems} == {"NF204", "NF405"}
    accepted(engine, JobRequest(workflow=good, inputs={"text": "y"}, sweep=[{}, {"text": "x"}]))
    with pytest.raises(ProblemsError) as error:
        accepted(engine, JobRequest(workflow=good, targets=["nowhere"]))
    assert [p.code for p in error.value.problems] == ["NF407"]
    engine.close()
