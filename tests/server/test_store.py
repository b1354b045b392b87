"""The queue's store: order, leases, attempts, pages; and a model of it that must agree after every step."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nodeflow.database import DatabaseError
from nodeflow.server import history
from nodeflow.server.jobs_db import MIGRATIONS
from nodeflow.server.lockfile import HomeInUse, LockFile
from nodeflow.server.schema import ArtefactInfo
from nodeflow.server.store import MAX_ATTEMPTS, JobStore
from nodeflow.server.tasks import Finish, JobConflict, NewJob, NoSuchJob

RECIPE = b'{"format": "nodeflow/1"}'


def job(priority: int = 0, **inputs: Any) -> NewJob:
    return NewJob("Title", "0" * 64, inputs, None, priority)


def artefact(digest: str = "a" * 64, output: str = "image") -> ArtefactInfo:
    return ArtefactInfo(id=0, job=1, output=output, name="image.png", digest=digest, media_type="image/png", bytes=3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    made = JobStore(tmp_path / "jobs.db")
    yield made
    made.close()


def add(store: JobStore, *priorities: int) -> list[int]:
    return [store.add(RECIPE, [job(p)])[0] for p in priorities]


def order(store: JobStore) -> list[int]:
    return [one.id for one in history.page(store.db, "queued", None, 100_000)[0]]


def state(store: JobStore, number: int) -> tuple[str, int]:
    found = history.job(store.db, number)
    return found.state, found.attempt


# --- the queue ------------------------------------------------------------------------------------------------------


def test_the_file_is_durable_and_nobody_else_can_open_it(store: JobStore) -> None:
    values = {name: store.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert values == {"journal_mode": "wal", "synchronous": 2}
    store.add(RECIPE, [job()])
    with sqlite3.connect(store.path, timeout=0) as other, pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("SELECT * FROM jobs")
    with pytest.raises(DatabaseError, match="a nodeflow server that still runs"):
        JobStore(store.path)


def test_higher_priorities_first_then_first_come(store: JobStore) -> None:
    a, b, c, d = add(store, 0, 5, 0, 5)
    assert order(store) == [b, d, a, c]
    claimed = [store.claim(f"lease {i}") for i in range(5)]
    assert [one and one.id for one in claimed] == [b, d, a, c, None]


def test_a_claim_brings_what_is_needed_to_run_it(store: JobStore) -> None:
    store.add(RECIPE, [NewJob("T", "0" * 64, {"seed": 2**60, "prompt": "ü"}, ["image"], 0)])
    claimed = store.claim("lease")
    assert claimed is not None
    assert (claimed.recipe, claimed.inputs, claimed.targets, claimed.attempt) == (
        RECIPE,
        {"seed": 2**60, "prompt": "ü"},
        ["image"],
        1,
    )


def test_a_sweep_is_one_transaction_and_one_recipe(store: JobStore) -> None:
    numbers = store.add(RECIPE, [job(seed=i) for i in range(1000)], "sweep")
    assert numbers == list(range(1, 1001))
    assert store.db.execute("SELECT COUNT(*), COUNT(DISTINCT recipe) FROM jobs").fetchone() == (1000, 1)
    assert history.job(store.db, 7).inputs == {"seed": 6}
    with pytest.raises(TypeError):
        store.add(RECIPE, [job(), job(seed=object())])
    assert order(store) == numbers


def test_a_finished_job_has_its_artefacts_and_only_its_lease_finishes_it(store: JobStore) -> None:
    (number,) = add(store, 0)
    claimed = store.claim("right")
    assert claimed is not None
    end = Finish(
        "completed", run="r", steps=3, finished_steps=3, nodes='{"a":{"state":"done"}}', artefacts=[artefact()]
    )
    assert store.finish(number, "wrong", end) is False
    assert history.artefacts(store.db, None, 10, None) == ([], None)
    assert store.finish(number, "right", end) is True
    assert store.finish(number, "right", end) is False
    found = history.stored(store.db, number)
    assert (found.job.state, found.job.run, found.job.steps) == ("completed", "r", 3)
    assert [one.digest for one in found.job.artefacts] == ["a" * 64]
    assert found.nodes == '{"a":{"state":"done"}}'


def test_a_cancelled_job_throws_the_late_result_away(store: JobStore) -> None:
    (number,) = add(store, 0)
    store.claim("lease")
    assert store.cancel(number) == "running"
    assert store.finish(number, "lease", Finish("completed", artefacts=[artefact()])) is False
    assert (state(store, number), history.artefacts(store.db, None, 10, None)[0]) == (("cancelled", 1), [])
    with pytest.raises(JobConflict, match="is cancelled already"):
        store.cancel(number)


def test_a_dead_worker_s_job_is_queued_again_in_its_place_and_given_up_at_the_third_attempt(store: JobStore) -> None:
    first, second = add(store, 0, 0)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        claimed = store.claim(f"lease {attempt}")
        assert claimed is not None
        assert (claimed.id, claimed.attempt) == (first, attempt)
        outcome = store.give_back(first, f"lease {attempt}", "it died")
        assert outcome == ("failed" if attempt == MAX_ATTEMPTS else "queued")
    assert store.give_back(first, "lease 3", "again") is None
    assert (history.job(store.db, first).error, order(store)) == ("it died", [second])


def test_a_server_that_starts_takes_up_what_another_left(store: JobStore) -> None:
    first, second, third = add(store, 0, 0, 0)
    store.claim("a")
    store.claim("b")
    assert store.recover("the server ended") == [first, second]
    assert history.job(store.db, first).error == "the server ended; it is tried again"
    assert order(store) == [first, second, third]
    assert store.finish(first, "a", Finish("completed")) is False, "the lease of the dead process counts no more"
    store.claim("c")
    store.recover("it was stopped politely", blame=False)
    assert state(store, first) == ("queued", 1)


def test_a_job_that_three_servers_died_with_is_given_up(store: JobStore) -> None:
    (number,) = add(store, 0)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        store.claim(f"{attempt}")
        store.recover("the server ended")
    found = history.job(store.db, number)
    assert (found.state, found.error) == ("failed", "the server ended")
    assert found.finished is not None


def test_retrying_queues_at_the_end_and_counts_anew(store: JobStore) -> None:
    first, second = add(store, 0, 0)
    store.claim("lease")
    store.finish(first, "lease", Finish("failed", "a: no", artefacts=[artefact()]))
    store.retry(first)
    found = history.job(store.db, first)
    assert (found.state, found.attempt, found.error, found.artefacts) == ("queued", 0, "", [])
    assert order(store) == [second, first]
    with pytest.raises(JobConflict, match="is queued"):
        store.retry(first)


# --- reordering -----------------------------------------------------------------------------------------------------


def test_a_job_can_be_moved_before_another_and_to_the_end(store: JobStore) -> None:
    a, b, c, d = add(store, 0, 0, 0, 0)
    store.change(d, before=b)
    assert order(store) == [a, d, b, c]
    store.change(c, before=a)
    assert order(store) == [c, a, d, b]
    store.change(c, before=0)
    assert order(store) == [a, d, b, c]
    store.change(b, priority=3)
    assert order(store) == [b, a, d, c]
    store.change(c, before=b)
    assert order(store) == [c, b, a, d]
    assert history.job(store.db, c).priority == 3
    with pytest.raises(JobConflict, match="before itself"):
        store.change(a, before=a)
    with pytest.raises(JobConflict, match="has the priority 3"):
        store.change(a, priority=0, before=b)


def test_moving_often_between_the_same_two_never_runs_out_of_room(store: JobStore) -> None:
    numbers = add(store, *[0] * 4)
    a, b, c, d = numbers
    for _ in range(200):
        store.change(c, before=b)
        store.change(d, before=c)
        c, d = d, c
        found = order(store)
        assert found == [a, c, d, b]


def test_what_comes_later_stands_behind_what_was_moved(store: JobStore) -> None:
    a, b = add(store, 0, 0)
    store.change(a, before=0)
    (c,) = add(store, 0)
    assert order(store) == [b, a, c]


# --- history ---------------------------------------------------------------------------------------------------------


def test_pages_go_by_key(store: JobStore) -> None:
    numbers = store.add(RECIPE, [job(i % 3) for i in range(50)])
    seen: list[int] = []
    before = None
    while True:
        found, before = history.page(store.db, None, before, 7)
        seen += [one.id for one in found]
        if before is None:
            break
    assert seen == numbers[::-1]
    queue: list[int] = []
    after = None
    while True:
        found, after = history.page(store.db, "queued", after, 7)
        queue += [one.id for one in found]
        if after is None:
            break
    assert queue == sorted(numbers, key=lambda n: (-((n - 1) % 3), n))


def test_pages_of_the_history_use_an_index(store: JobStore) -> None:
    for query in (
        "SELECT id FROM jobs WHERE id < 5 AND state = 'failed' ORDER BY id DESC LIMIT 5",
        "SELECT id FROM jobs WHERE state = 'queued' ORDER BY priority DESC, position, id LIMIT 1",
    ):
        plan = " ".join(str(row[-1]) for row in store.db.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert "USING" in plan, plan
        assert "TEMP B-TREE" not in plan, plan


def test_removing_forgets_the_recipe_with_its_last_job(store: JobStore) -> None:
    a, b = store.add(RECIPE, [job(), job()])
    with pytest.raises(JobConflict, match="cancel it first"):
        store.remove(a)
    store.clear()
    store.remove(a)
    assert store.db.execute("SELECT body FROM recipes").fetchone() == (zlib.compress(RECIPE),)
    store.remove(b)
    assert store.db.execute("SELECT COUNT(*) FROM recipes").fetchone() == (0,)
    with pytest.raises(NoSuchJob, match="no job 1"):
        history.job(store.db, a)
    assert add(store, 0) == [3], "numbers are never given twice"


def test_pause_is_remembered(store: JobStore, tmp_path: Path) -> None:
    assert history.paused(store.db) is False
    store.set_paused(True)
    store.close()
    again = JobStore(tmp_path / "jobs.db")
    assert history.paused(again.db) is True
    again.close()


def test_a_damaged_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_bytes(b"this is no database, but long enough to look at" * 100)
    with pytest.raises(DatabaseError, match="put a backup"):
        JobStore(tmp_path / "jobs.db")


def test_a_file_of_a_newer_nodeflow_is_refused(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs.db")
    store.db.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    store.close()
    with pytest.raises(DatabaseError, match="newer nodeflow"):
        JobStore(tmp_path / "jobs.db")


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    script = (Path(__file__).parent / "jobs-v1.sql").read_text()
    old = sqlite3.connect(tmp_path / "jobs.db")
    old.executescript(script)
    old.close()
    store = JobStore(tmp_path / "jobs.db")
    first, second = history.jobs(store.db, [2, 1])
    assert (first.state, first.priority, first.inputs, first.sweep) == ("completed", 3, {"seed": 2}, "sweep")
    assert [(a.name, a.width, a.height, a.node) for a in first.artefacts] == [("image.png", 64, 32, "a")]
    assert (second.state, second.attempt) == ("running", 1)
    assert history.stored(store.db, 2).nodes == '{"a":{"state":"done"}}'
    assert history.paused(store.db) is True
    assert store.recover("the server ended") == [1]
    assert store.db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert store.add(RECIPE, [job()]) == [3]
    store.remove(2)
    store.close()
    with sqlite3.connect(tmp_path / "jobs.db.v1.bak") as backup:
        assert backup.execute("PRAGMA user_version").fetchone() == (1,)
        assert backup.execute("SELECT COUNT(*) FROM artefacts").fetchone() == (1,)
    backup.close()


def test_one_server_a_home(tmp_path: Path) -> None:
    with LockFile(tmp_path / "server.lock"), pytest.raises(HomeInUse, match="runs here already"):
        LockFile(tmp_path / "server.lock").take()
    with LockFile(tmp_path / "server.lock"):
        pass


# --- the model -------------------------------------------------------------------------------------------------------


@dataclass
class Known:
    """A job as the model has it."""

    priority: int
    position: float
    state: str = "queued"
    attempt: int = 0
    lease: str | None = None
    artefacts: int = 0


class QueueModel(RuleBasedStateMachine):
    """put, claim, finish with right and stale leases, give back, cancel, retry, move, crash: both agree."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "jobs.db"
        self.store = JobStore(self.path)
        self.jobs: dict[int, Known] = {}
        self.old_leases: list[tuple[int, str]] = []
        self.leases = 0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def some(self, pick: int, *states: str) -> int | None:
        found = [n for n, known in self.jobs.items() if known.state in states]
        return found[pick % len(found)] if found else None

    def end(self, priority: int) -> float:
        live = [k.position for k in self.jobs.values() if k.state in ("queued", "running") and k.priority == priority]
        return max(live, default=0.0)

    def queue(self) -> list[int]:
        waiting = [(-k.priority, k.position, n) for n, k in self.jobs.items() if k.state == "queued"]
        return [n for _, _, n in sorted(waiting)]

    @rule(priorities=st.lists(st.integers(-2, 2), min_size=1, max_size=4))
    def put(self, priorities: list[int]) -> None:
        numbers = self.store.add(RECIPE, [job(p) for p in priorities])
        for number, priority in zip(numbers, priorities, strict=True):
            assert number not in self.jobs
            self.jobs[number] = Known(priority, self.end(priority) + 1)

    @rule()
    def claim(self) -> None:
        self.leases += 1
        lease = f"lease {self.leases}"
        claimed = self.store.claim(lease)
        waiting = self.queue()
        assert (claimed.id if claimed else None) == (waiting[0] if waiting else None)
        if claimed is not None:
            known = self.jobs[claimed.id]
            known.state, known.lease, known.attempt = "running", lease, known.attempt + 1
            assert claimed.attempt == known.attempt
            self.old_leases.append((claimed.id, lease))

    @rule(pick=st.integers(0, 99), how=st.sampled_from(["completed", "failed"]), artefacts=st.integers(0, 2))
    def finish(self, pick: int, how: Any, artefacts: int) -> None:
        number = self.some(pick, "running")
        if number is not None:
            known = self.jobs[number]
            assert known.lease is not None
            assert self.store.finish(number, known.lease, Finish(how, artefacts=[artefact()] * artefacts))
            known.state, known.lease, known.artefacts = how, None, artefacts

    @precondition(lambda self: self.old_leases)
    @rule(pick=st.integers(0, 99))
    def finish_with_a_stale_lease(self, pick: int) -> None:
        number, lease = self.old_leases[pick % len(self.old_leases)]
        if self.jobs[number].lease != lease:
            assert self.store.finish(number, lease, Finish("completed", artefacts=[artefact()])) is False
            assert self.store.give_back(number, lease, "zombie") is None

    @rule(pick=st.integers(0, 99))
    def worker_dies(self, pick: int) -> None:
        number = self.some(pick, "running")
        if number is not None:
            known = self.jobs[number]
            assert known.lease is not None
            new = self.store.give_back(number, known.lease, "died")
            known.state, known.lease = ("failed" if known.attempt >= MAX_ATTEMPTS else "queued"), None
            assert new == known.state

    @rule(pick=st.integers(0, 99))
    def cancel(self, pick: int) -> None:
        number = self.some(pick, "queued", "running")
        if number is not None:
            assert self.store.cancel(number) == self.jobs[number].state
            self.jobs[number].state, self.jobs[number].lease = "cancelled", None

    @rule(pick=st.integers(0, 99))
    def retry(self, pick: int) -> None:
        number = self.some(pick, "failed", "cancelled")
        if number is not None:
            known = self.jobs[number]
            self.store.retry(number)
            position = self.end(known.priority) + 1
            known.state, known.attempt, known.artefacts, known.position = "queued", 0, 0, position

    @rule(pick=st.integers(0, 99), other=st.integers(0, 99))
    def move(self, pick: int, other: int) -> None:
        number, before = self.some(pick, "queued"), self.some(other, "queued")
        if number is None or before is None or number == before:
            return
        expected = [n for n in self.queue() if n != number]
        expected.insert(expected.index(before), number)
        self.store.change(number, before=before)
        assert order(self.store) == expected
        for one in history.jobs(self.store.db, expected):
            self.jobs[one.id].position, self.jobs[one.id].priority = one.position, one.priority

    @rule()
    def crash(self) -> None:
        self.store.close()
        self.store = JobStore(self.path)
        left = [n for n, known in self.jobs.items() if known.state == "running"]
        assert self.store.recover("crash") == sorted(left)
        for number in left:
            known = self.jobs[number]
            known.state, known.lease = ("failed" if known.attempt >= MAX_ATTEMPTS else "queued"), None

    @invariant()
    def they_agree(self) -> None:
        rows = self.store.db.execute(
            "SELECT id, state, attempt, lease, (SELECT COUNT(*) FROM artefacts WHERE job = jobs.id) FROM jobs"
        ).fetchall()
        assert {r[0]: tuple(r[1:]) for r in rows} == {
            n: (k.state, k.attempt, k.lease, k.artefacts) for n, k in self.jobs.items()
        }
        assert order(self.store) == self.queue()


QueueModel.TestCase.settings = settings(max_examples=25, stateful_step_count=40)
TestQueueModel = QueueModel.TestCase
