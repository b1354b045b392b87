"""What was promised survives: kill -9 at any time, and power cuts played back on a disk that forgets.

A process kill does not test fsync; the playback does. Both look at the same things: the database is sound, no accepted
job and no finished one is lost, a job is done if and only if its artefact is there, and no artefact lacks its bytes.
"""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nodeflow.cache import BlobStore
from nodeflow.server.jobs_db import PRAGMAS
from nodeflow.server.schema import ArtefactInfo
from nodeflow.server.store import JobStore
from nodeflow.server.tasks import Finish, NewJob

powercut = pytest.importorskip("tests.server.powercut", reason="needs apsw and /proc", exc_type=ImportError)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and signals")

CHILD = Path(__file__).parent / "durable_child.py"


def look(home: Path, added: set[int], done: dict[int, str]) -> list[str]:
    """What of the promises is broken."""
    broken: list[str] = []
    try:
        with sqlite3.connect(home / "jobs.db") as db:
            sound = db.execute("PRAGMA integrity_check").fetchone()[0]
            states = dict(db.execute("SELECT id, state FROM jobs").fetchall())
            made = db.execute("SELECT job, digest FROM artefacts").fetchall()
        db.close()
    except sqlite3.Error as error:
        return [f"the database cannot be read: {error}"]
    if sound != "ok":
        broken.append(f"integrity_check: {sound}")
    broken += [f"accepted job {job} is lost" for job in added if job not in states]
    broken += [f"finished job {job} is {states.get(job)}" for job in done if states.get(job) != "completed"]
    broken += [f"finished job {job} has lost its artefact" for job, d in done.items() if (job, d) not in made]
    complete = {job for job, state in states.items() if state == "completed"}
    if complete != {job for job, _ in made}:
        broken.append(f"completed {complete}, but artefacts of { {job for job, _ in made} }")
    blobs = BlobStore(home / "artefacts")
    for job, digest in made:
        try:
            blobs.read(digest)
        except Exception as error:
            broken.append(f"job {job}: {error}")
    return broken


# --- kill -9 ----------------------------------------------------------------------------------------------------------


def kills(home: Path, count: int, dice: random.Random) -> tuple[int, list[str]]:
    """Kill the child so often; how many promises it had made, and those that were broken."""
    added: set[int] = set()
    done: dict[int, str] = {}
    broken: list[str] = []
    for number in range(count):
        child = subprocess.Popen(
            [sys.executable, str(CHILD), str(home), str(number)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        lines = [child.stdout.readline() for _ in range(dice.randrange(40))]
        time.sleep(dice.uniform(0.0, 0.02))
        child.kill()
        for line in [*lines, *child.stdout.read().splitlines(keepends=True)]:
            word, *rest = line.split()
            if not line.endswith("\n"):
                continue  # it was being said
            if word == "added":
                added.update(map(int, rest))
            else:
                done[int(rest[0])] = rest[1]
        child.wait()
        child.stdout.close()
        broken += [f"kill {number}: {one}" for one in look(home, added, done)]
    return len(added) + len(done), broken


def test_kills_break_no_promise(tmp_path: Path) -> None:
    acks, broken = kills(tmp_path, 6, random.Random(1))
    assert broken == []
    assert acks > 20


@pytest.mark.slow
def test_sixty_kills_break_no_promise(tmp_path: Path) -> None:
    acks, broken = kills(tmp_path, 60, random.Random(2))
    assert broken == []
    assert acks > 1000


# --- power cuts -------------------------------------------------------------------------------------------------------


def recorded(
    home: Path, monkeypatch: pytest.MonkeyPatch, pragmas: tuple[str, ...] = PRAGMAS, *, fsync: bool = True
) -> Any:
    """A log of some work on a store and its blobs, and what was durable before it."""
    home.mkdir()
    path = home / "jobs.db"
    JobStore(path).close()
    (home / "artefacts" / "tmp").mkdir(parents=True)
    log = powercut.Log(home)
    baseline = powercut.files_below(home)
    connection, vfs = powercut.logged_connection(path, log, pragmas)
    connection.execute("PRAGMA wal_autocheckpoint=8").fetchall()
    store, blobs, dice = JobStore(path, connection=connection), BlobStore(home / "artefacts"), random.Random(3)
    with powercut.logged_blobs(log, monkeypatch, fsync=fsync):
        for number in range(40):
            log.ack(("added", store.add(b"%d" % (number % 7) * 400, [NewJob("T", "0" * 64, {})] * dice.choice([1, 3]))))
            claimed = store.claim(f"lease {number}")
            assert claimed is not None
            if number % 5 == 4:
                store.cancel(claimed.id)
                continue
            digest = blobs.put(dice.randbytes(dice.randrange(1, 5000)))
            info = ArtefactInfo(id=0, job=claimed.id, output="x", name="x", digest=digest, media_type="x/x", bytes=1)
            assert store.finish(claimed.id, claimed.lease, Finish("completed", artefacts=[info]))
            log.ack(("done", claimed.id, digest))
    store.close()
    del vfs
    return log, baseline


def cuts(log: Any, baseline: dict[Path, bytes], target: Path, count: int, seed: int) -> list[str]:
    """Play so many power cuts back; the promises that were broken."""
    dice = random.Random(seed)
    broken = []
    for number in range(count):
        ops = log.ops[: dice.randrange(1, len(log.ops) + 1)]
        added = {job for op in ops if op[0] == "ack" and op[1][0] == "added" for job in op[1][1]}
        done = {op[1][1]: op[1][2] for op in ops if op[0] == "ack" and op[1][0] == "done"}
        place = target / str(number)
        powercut.lay_out(powercut.after_cut(ops, baseline, set(), dice), log.root, place)
        broken += [f"cut {number} after {len(ops)} operations: {one}" for one in look(place, added, done)]
    return broken


def test_power_cuts_break_no_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, baseline = recorded(tmp_path / "home", monkeypatch)
    kinds = {op[0] for op in log.ops}
    assert kinds >= {"write", "sync", "rename", "sync folder", "mkdir", "ack"}, kinds
    assert any(op[0] == "write" and op[1].name == "jobs.db" for op in log.ops), "a checkpoint was hit"
    assert cuts(log, baseline, tmp_path / "cuts", 60, 1) == []


@pytest.mark.slow
def test_four_hundred_power_cuts_break_no_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, baseline = recorded(tmp_path / "home", monkeypatch)
    assert cuts(log, baseline, tmp_path / "cuts", 400, 2) == []


@pytest.mark.parametrize("synchronous", ["OFF", "NORMAL"])
def test_the_playback_catches_a_database_that_does_not_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synchronous: str
) -> None:
    pragmas = tuple(p.replace("synchronous=FULL", f"synchronous={synchronous}") for p in PRAGMAS)
    log, baseline = recorded(tmp_path / "home", monkeypatch, pragmas)
    assert cuts(log, baseline, tmp_path / "cuts", 20, 1) != []


def test_the_playback_catches_blobs_that_are_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, baseline = recorded(tmp_path / "home", monkeypatch, fsync=False)
    broken = cuts(log, baseline, tmp_path / "cuts", 20, 1)
    assert any("blob" in one for one in broken)
