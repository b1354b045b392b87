"""Bytes of forgotten jobs: deleted when nothing else refers to them, never while something does or is about to."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nodeflow.cache import BlobStore, Cache
from nodeflow.cache.disk import DiskTier
from nodeflow.cache.encode import encode
from nodeflow.cache.tiers import FORMAT
from nodeflow.record import ArtefactRow, RecordStore
from nodeflow.server import forgetting
from nodeflow.server.schema import ArtefactInfo
from nodeflow.server.store import JobStore
from nodeflow.server.tasks import Finish, JobConflict, NewJob
from nodeflow.settings import Settings
from nodeflow.sweep import Sweeper, thumbnail_path
from nodeflow.types import Artefact
from tests.server.harness import Running
from tests.server.queueing import Bench, bench, home, run_async, settings_in, until

__all__ = ["home"]  # a fixture

ALL = ("completed", "failed", "cancelled")


def aged(store: BlobStore, digest: str, seconds: float = 30 * 24 * 3600) -> str:
    """A blob that was last used long ago."""
    then = time.time() - seconds
    os.utime(store.path(digest), (then, then))
    return digest


def age_all(folder: Path) -> None:
    store = BlobStore(folder / "artefacts")
    for blob in list(store.scan()):
        aged(store, blob.digest)


def info(digest: str) -> ArtefactInfo:
    return ArtefactInfo(id=0, job=1, output="x", name="x.bin", digest=digest, media_type="x/x", bytes=1)


# --- one sweep --------------------------------------------------------------------------------------------------------


def test_what_is_referred_to_or_fresh_stays(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    sweeper, store = Sweeper(settings), BlobStore(tmp_path / "artefacts")
    of_job, of_run, of_result, fresh, nobody = (store.put(name.encode()) for name in ("job", "run", "result", "f", "n"))
    with RecordStore(tmp_path / "runs.db") as records:
        records.begin("r", "{}")
        records.finish("r", "completed", artefacts=[ArtefactRow("x", 0, of_run, "x/x", "x")])
    tier = DiskTier(settings.cache / FORMAT, 1 << 20)
    outputs = {"list": [Artefact(of_result, "x/x", "x.bin", 6)], "text": nobody + "0"}
    with Cache(settings.cache, ram_bytes=1 << 20, disk_bytes=1 << 20) as cache:
        cache.put("k" * 64, outputs, 1.0, persist=True)
    assert tier.naming({of_result, nobody}) == {of_result}
    tier.close()
    small = thumbnail_path(sweeper.thumbnails, nobody)
    small.parent.mkdir(parents=True)
    small.write_bytes(b"small")
    for digest in (of_job, of_run, of_result, nobody):
        aged(store, digest)
    found = sweeper.sweep(lambda digests: {of_job} & set(digests))
    assert found.gone == {nobody}
    assert found.kept == {of_job, of_run, of_result}
    assert found.bytes == 1
    assert {blob.digest for blob in store.scan()} == {of_job, of_run, of_result, fresh}
    assert not small.exists()
    sweeper.close()


def test_nothing_that_a_run_of_another_process_has_touched_is_deleted(tmp_path: Path) -> None:
    """A run that began two hours ago holds what it has made since, however old the rest may get."""
    sweeper, store = Sweeper(settings_in(tmp_path)), BlobStore(tmp_path / "artefacts")
    made, before = aged(store, store.put(b"made"), 3600), aged(store, store.put(b"before"), 3 * 3600)
    with RecordStore(tmp_path / "runs.db") as records:
        records.begin("r", "{}")  # by this process, which is alive
        with sqlite3.connect(records.path) as db:
            db.execute("UPDATE runs SET started = ?", (time.time() - 2 * 3600,))
        db.close()
        assert sweeper.sweep(lambda _: set(), age_s=60).gone == {before}
        records.finish("r", "failed")
        assert sweeper.sweep(lambda _: set(), age_s=60).gone == {made}
        records.begin("s", "{}")
        aged(store, store.put(b"made"), 3600)
        with sqlite3.connect(records.path) as db:
            db.execute("UPDATE runs SET process = 'boot:1:1' WHERE id = 's'")  # its process is dead
        db.close()
        assert sweeper.sweep(lambda _: set(), age_s=60).gone == {made}
    sweeper.close()


def test_what_cannot_be_looked_up_is_not_deleted(tmp_path: Path) -> None:
    sweeper, store = Sweeper(settings_in(tmp_path)), BlobStore(tmp_path / "artefacts")
    digest = aged(store, store.put(b"x"))
    (tmp_path / "runs.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(Exception, match="the record of runs"):
        sweeper.sweep(lambda _: set())
    assert digest in store
    sweeper.close()


def test_a_use_between_looking_and_deleting_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = BlobStore(tmp_path)
    digest = aged(store, store.put(b"data"))
    real = os.rename

    def touched_first(source: Path, target: Path) -> None:
        store.put(b"data")  # another process, at the worst time
        real(source, target)

    monkeypatch.setattr("nodeflow.cache.store.os.rename", touched_first)
    assert store.delete_unused(digest, time.time() - 60) == 0
    assert store.read(digest) == b"data"
    monkeypatch.undo()
    assert store.delete_unused(digest, time.time() + 60) == 4
    assert digest not in store
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_kept_result_that_a_run_uses_is_touched(tmp_path: Path) -> None:
    from nodeflow.engine import KeptResults

    store = BlobStore(tmp_path / "artefacts")
    digest = aged(store, store.put(b"data"))
    with Cache(None, ram_bytes=1 << 20) as cache:
        cache.put("k" * 64, {"x": Artefact(digest, "x/x", "x", 4)}, 1.0)
        assert KeptResults(cache, store).get("k" * 64) is not None
    assert store.delete_unused(digest, time.time() - 60) == 0


# --- the store --------------------------------------------------------------------------------------------------------


def ended(store: JobStore, state: Any, *digests: str, at: float | None = None) -> int:
    (job,) = store.add(b"recipe %d" % time.perf_counter_ns(), [NewJob("T", "0" * 64, {})])
    if state != "cancelled":
        claimed = store.claim("lease")
        assert claimed is not None
        end = Finish(state, run=f"run{job}", artefacts=[info(digest) for digest in digests])
        assert store.finish(claimed.id, "lease", end)
    else:
        store.cancel(job)
    if at is not None:
        store.db.execute("UPDATE jobs SET finished = ? WHERE id = ?", (at, job))
    return job


def test_clearing_the_history_is_one_transaction(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs.db")
    now = time.time()
    done, old = ended(store, "completed", "a" * 64, "b" * 64), ended(store, "completed", "b" * 64, at=now - 1000)
    failed, cancelled = ended(store, "failed", "c" * 64), ended(store, "cancelled")
    (waiting,) = store.add(b"recipe", [NewJob("T", "0" * 64, {})])
    assert forgetting.over(store.db, ALL, now + 10) == [done, old, failed, cancelled]
    assert forgetting.over(store.db, ["completed"], now - 500) == [old]
    assert forgetting.runs_of(store.db, [done, failed, cancelled, waiting]) == [f"run{done}", f"run{failed}"]
    assert store.forget([old, waiting, 99]) == [old]
    assert forgetting.freed(store.db) == ["b" * 64]
    assert forgetting.naming(store.db, ["a" * 64, "b" * 64, "d" * 64]) == {"a" * 64, "b" * 64}
    changes: list[str] = []
    store.db.set_trace_callback(changes.append)
    assert store.forget([done, failed, cancelled]) == [done, failed, cancelled]
    store.db.set_trace_callback(None)
    assert [c for c in changes if c.startswith(("BEGIN", "COMMIT"))] == ["BEGIN IMMEDIATE", "COMMIT"]
    assert forgetting.freed(store.db) == ["a" * 64, "b" * 64, "c" * 64]
    assert forgetting.freed(store.db, "a" * 64, 1) == ["b" * 64]
    rows = [
        store.db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("jobs", "artefacts", "recipes")
    ]
    assert rows == [1, 0, 1]
    with pytest.raises(JobConflict):
        store.remove(waiting)
    store.settle(["a" * 64, "c" * 64])
    assert forgetting.freed(store.db) == ["b" * 64]
    store.close()


# --- the server -------------------------------------------------------------------------------------------------------

TEXT = {"a": ("text", {"text": "only mine"})}


async def blobs(b: Bench) -> set[bytes]:
    store = BlobStore(b.home / "artefacts")
    return {store.read(blob.digest) for blob in store.scan()} - {b""}


def test_what_only_a_forgotten_job_made_is_deleted(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            b.queue.sweeping.fresh_s = 0.0
            for _ in range(2):
                (job,) = await b.submit(TEXT)
                await b.finished(job.id)
            assert b"only mine" in await blobs(b)
            shutil.rmtree(home / "cache")  # the results that name it: they would keep it
            age_all(home)
            await b.queue.remove(1)
            assert (await b.queue.sweeping.freed()).gone == set(), "job 2 made the same"
            assert b"only mine" in await blobs(b)
            await b.queue.remove(2)
            await until(lambda: blobs(b), lambda found: b"only mine" not in found)
            await until(lambda: b.queue._call(lambda store: forgetting.freed(store.db)), lambda left: left == [])
            assert (home / "output" / "result.txt").read_text() == "only mine", "the output folder is the user's"

    run_async(main())


def test_clearing_the_history_is_told_and_leaves_what_waits_and_runs(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            await b.queue.pause()
            jobs = await b.submit(TEXT, declared={"text": "a.text"}, sweep=[{"text": f"{i}"} for i in range(4)])
            await b.queue.cancel(jobs[0].id)
            await b.queue.cancel(jobs[2].id)
            assert await b.queue.forget(["completed"], time.time()) == 0
            assert await b.queue.forget(ALL, time.time()) == 2
            left = await b.queue.page(None, None, 50)
            assert [job.id for job in left.items] == [jobs[3].id, jobs[1].id]

            async def told() -> list[Any]:
                return [e["jobs"] for e in b.events if e["kind"] == "jobs-removed"]

            await until(told, lambda found: found == [[jobs[0].id, jobs[2].id]])

    run_async(main())


def test_what_a_running_job_may_publish_is_left_alone(home: Path) -> None:
    """A long job has put what an old one made too; that one is forgotten before the long one ends."""

    async def main() -> None:
        async with bench(home) as b:
            b.queue.sweeping.fresh_s = 0.0
            (first,) = await b.submit(TEXT)
            await b.finished(first.id)
            age_all(home)
            (long,) = await b.submit({"s": ("steps", {"text": "x", "steps": 400, "seconds": 0.02})})
            await b.until(long.id, "running")
            shutil.rmtree(home / "cache")
            store = BlobStore(home / "artefacts")
            await asyncio.sleep(1.2)  # further apart than the margin
            digest = store.put(b"only mine")  # as the worker does that publishes
            await b.queue.remove(first.id)
            assert digest not in (await b.queue.sweeping.freed()).gone
            assert digest in store
            await b.queue.cancel(long.id)

    run_async(main())


def test_the_files_of_forgotten_jobs_leave_the_record_of_runs_too(home: Path) -> None:
    async def main() -> None:
        async with bench(home) as b:
            (job,) = await b.submit(TEXT)
            done = await b.finished(job.id)
            with RecordStore(home / "runs.db") as records:
                assert len(records.artefacts(done.run)) == 1
                assert records.naming([done.artefacts[0].digest, "0" * 64]) == {done.artefacts[0].digest}
                await b.queue.remove(job.id)
                assert records.artefacts(done.run) == []
                assert records.run(done.run) is not None, "that it ran, and with what keys, stays"

    run_async(main())


def test_a_record_that_cannot_be_written_does_not_keep_a_job(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with bench(home) as b:
            (job,) = await b.submit(TEXT)
            await b.finished(job.id)
            for path in home.glob("runs.db*"):
                path.unlink()
            (home / "runs.db").write_bytes(b"this is no database" * 1000)
            await b.queue.remove(job.id)
            assert (await b.queue.page(None, None, 5)).items == []
            with pytest.raises(Exception, match="the record of runs"):
                await b.queue.sweeping.freed()
            assert b"only mine" in await blobs(b), "what is not known to be nobody's stays"

    run_async(main())


KILLED = textwrap.dedent(
    """
    import asyncio, os, sys
    from pathlib import Path
    from nodeflow.server import sweeping
    from nodeflow.server.hub import Hub
    from nodeflow.server.jobs import JobQueue
    from nodeflow.settings import Settings
    from nodeflow.sweep import Sweeper

    home, where = Path(sys.argv[1]), sys.argv[2]

    def die(*_):
        os.kill(os.getpid(), 9)

    async def main():
        queue = JobQueue(Settings(home=home, cache=home / "cache", output=home / "output"), Hub())
        queue.dispatcher.workers.clear()
        await queue.start()
        queue.sweeping.fresh_s = 0.0
        if where == "before the rows":
            real = queue.sweeping.forget_files
            queue.sweeping.forget_files = lambda jobs: then_die(real, jobs)
        elif where == "after the rows":
            queue.sweeping.wake = die
        elif where == "after the bytes":
            real = Sweeper.delete
            Sweeper.delete = lambda *a: (real(*a), die())
        await queue.forget(["completed"], 1e12)
        await queue.sweeping.freed()

    async def then_die(forget_files, jobs):
        await forget_files(jobs)
        die()

    asyncio.run(main())
    """
)


@pytest.mark.parametrize("where", ["before the rows", "after the rows", "after the bytes"])
def test_a_kill_between_the_rows_and_the_bytes(tmp_path: Path, where: str) -> None:
    """No artefact row without its bytes, whenever it was killed; the next server deletes what is left."""
    home = tmp_path / "home"
    store = JobStore(home / "jobs.db")
    blob_store = BlobStore(home / "artefacts")
    digests = [aged(blob_store, blob_store.put(b"%d" % i)) for i in range(3)]
    kept = aged(blob_store, blob_store.put(b"kept"))
    with RecordStore(home / "runs.db") as records:
        for digest in digests:
            job = ended(store, "completed", digest, kept)
            records.begin(f"run{job}", "{}")
            records.finish(f"run{job}", "completed", artefacts=[ArtefactRow("x", 0, digest, "x/x", "x")])
    ended(store, "failed", kept)
    store.close()
    done = subprocess.run([sys.executable, "-c", KILLED, str(home), where], capture_output=True, text=True, timeout=60)
    assert done.returncode == -9, done.stderr
    store = JobStore(home / "jobs.db")
    rows = {row[0] for row in store.db.execute("SELECT digest FROM artefacts").fetchall()}
    assert all(digest in blob_store for digest in rows), "a row without its bytes"
    assert rows == ({*digests, kept} if where == "before the rows" else {kept})
    assert [digest in blob_store for digest in digests] == [where != "after the bytes"] * 3
    store.close()

    async def again() -> None:
        async with bench(home) as b:
            b.queue.sweeping.fresh_s = 0.0
            if where == "before the rows":
                assert await b.queue.forget(["completed"], 1e12) == 3
            b.queue.sweeping.wake()
            await until(lambda: blobs(b), lambda found: found == {b"kept"})

    run_async(again())


# --- over HTTP --------------------------------------------------------------------------------------------------------


def test_the_history_is_cleared_over_http(server: Running) -> None:
    recipe = {"format": "nodeflow/1", "nodes": {"a": {"op": "value/show@1", "values": {"value": 1}}}}
    jobs = [server.post("/api/jobs", {"workflow": recipe}).json["jobs"][0]["id"] for _ in range(3)]
    for job in jobs[:2]:
        assert server.post(f"/api/jobs/{job}/cancel").status == 200
    assert server.post("/api/jobs/clear", {"states": []}).status == 400
    assert server.post("/api/jobs/clear", {"states": ["running"]}).status == 400
    assert server.post("/api/jobs/clear", {"older_than": -1}).status == 400
    assert server.post("/api/jobs/clear", {"older_than": 3600}).json == {"jobs": 0}
    assert server.post("/api/jobs/clear", {"states": ["completed"]}).json == {"jobs": 0}
    assert server.post("/api/jobs/clear").json == {"jobs": 2}
    assert [job["id"] for job in server.get("/api/jobs").json["items"]] == [jobs[2]]


# --- the model --------------------------------------------------------------------------------------------------------


class SweepModel(RuleBasedStateMachine):
    """Jobs are queued, run, put bytes, finish, are cancelled and forgotten, results are kept and evicted, time passes,
    the server crashes, and sweeps come at any time: what is referred to, or will be, is always there."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.home = Path(self.folder.name)
        self.settings = Settings(home=self.home, cache=self.home / "cache")
        self.blobs = BlobStore(self.home / "artefacts")
        self.tier = DiskTier(self.settings.cache / FORMAT, 1 << 30)
        self.records = RecordStore(self.home / "runs.db")
        self.records.begin("first", "{}")
        self.records.finish("first", "completed")
        self.sweeper = Sweeper(self.settings)
        self.store = JobStore(self.home / "jobs.db")
        self.running: dict[int, tuple[str, set[str]]] = {}
        self.made: dict[int, set[str]] = {}
        self.results: dict[str, str] = {}

    def teardown(self) -> None:
        for one in (self.store, self.tier, self.records, self.sweeper):
            one.close()
        self.folder.cleanup()

    @rule()
    def begin(self) -> None:
        self.store.add(b"recipe", [NewJob("T", "0" * 64, {})])
        claimed = self.store.claim(os.urandom(8).hex())
        assert claimed is not None
        self.records.begin(f"run{claimed.id}-{claimed.lease}", "{}")
        self.running[claimed.id] = claimed.lease, set()

    @rule(pick=st.integers(0, 9), content=st.integers(0, 3))
    def put(self, pick: int, content: int) -> None:
        if self.running:
            job = list(self.running)[pick % len(self.running)]
            self.running[job][1].add(self.blobs.put(b"content %d" % content))

    @rule(pick=st.integers(0, 9))
    def finish(self, pick: int) -> None:
        if self.running:
            job = list(self.running)[pick % len(self.running)]
            lease, digests = self.running.pop(job)
            rows = [ArtefactRow("x", i, digest, "x/x", "x") for i, digest in enumerate(sorted(digests))]
            self.records.finish(f"run{job}-{lease}", "completed", artefacts=rows)
            end = Finish("completed", run=f"run{job}-{lease}", artefacts=[info(digest) for digest in digests])
            assert self.store.finish(job, lease, end)
            self.made[job] = digests

    @rule(pick=st.integers(0, 9))
    def cancel(self, pick: int) -> None:
        if self.running:
            job = list(self.running)[pick % len(self.running)]
            lease, _ = self.running.pop(job)
            self.store.cancel(job)
            self.records.finish(f"run{job}-{lease}", "cancelled")
            self.made[job] = set()

    @rule(picks=st.sets(st.integers(0, 9), max_size=4))
    def forget(self, picks: set[int]) -> None:
        jobs = [list(self.made)[pick % len(self.made)] for pick in picks if self.made]
        self.sweeper.forget_files(forgetting.runs_of(self.store.db, jobs))
        assert self.store.forget(jobs) == sorted(set(jobs))
        for job in set(jobs):
            del self.made[job]

    @rule(content=st.integers(0, 3))
    def keep_a_result(self, content: int) -> None:
        digest = self.blobs.put(b"content %d" % content)
        encoded = encode({"x": Artefact(digest, "x/x", "x", 9)})
        self.tier.put(f"{content}" * 64, encoded.structure, encoded.blobs, 1.0)
        self.results[f"{content}" * 64] = digest

    @rule(content=st.integers(0, 3))
    def evict_a_result(self, content: int) -> None:
        self.tier.forget(f"{content}" * 64)
        self.results.pop(f"{content}" * 64, None)

    @rule()
    def an_hour_passes(self) -> None:
        """For bytes, and for runs."""
        for blob in list(self.blobs.scan()):
            then = self.blobs.path(blob.digest).stat().st_mtime - 3600
            os.utime(self.blobs.path(blob.digest), (then, then))
        with sqlite3.connect(self.records.path) as db:
            db.execute("UPDATE runs SET started = started - 3600")
        db.close()

    @rule()
    def crash(self) -> None:
        """The server and its workers die: what ran is not running any more."""
        with sqlite3.connect(self.records.path) as db:
            db.execute("UPDATE runs SET process = 'boot:1:1'")
        db.close()
        self.store.close()
        self.store = JobStore(self.home / "jobs.db")
        self.store.recover("crash")
        self.store.clear()
        for job in self.running:
            self.made[job] = set()
        self.running.clear()

    @rule(everything=st.booleans())
    def sweep(self, everything: bool) -> None:
        digests = forgetting.freed(self.store.db)
        limit = self.sweeper.limit(60.0)
        if everything:
            digests = self.sweeper.old(limit)
        kept = forgetting.naming(self.store.db, digests) | self.sweeper.referred(digests)
        found = self.sweeper.delete(digests, kept, limit)
        self.store.settle(found.gone | found.kept)

    @invariant()
    def what_is_referred_to_is_there(self) -> None:
        wanted = set().union(*self.made.values(), *(d for _, d in self.running.values()), self.results.values())
        assert all(digest in self.blobs for digest in wanted)

    @rule()
    def in_the_end_nothing_else_is_left(self) -> None:
        if not self.running:
            age_all(self.home)
            self.sweep(True)
            with RecordStore(self.home / "runs.db") as records:
                recorded = records.naming([blob.digest for blob in self.blobs.scan()])
            wanted = set().union(*self.made.values(), self.results.values(), recorded)
            assert {blob.digest for blob in self.blobs.scan()} == wanted


SweepModel.TestCase.settings = hypothesis_settings(max_examples=20, stateful_step_count=30, deadline=None)
TestSweepModel = SweepModel.TestCase
