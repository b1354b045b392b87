"""`nodeflow backup`: whole copies of the queue, also while the server has it open for itself."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from nodeflow.database import DatabaseError
from nodeflow.record import RecordStore
from nodeflow.server import backup as module
from nodeflow.server.backup import backed_up, copy
from nodeflow.server.lockfile import HomeInUse, LockFile
from nodeflow.server.store import JobStore
from nodeflow.server.tasks import NewJob
from nodeflow.settings import Settings
from tests.server.harness import running
from tests.server.test_serve import first_line, run, started

RECIPE = {"format": "nodeflow/1", "nodes": {"a": {"op": "value/show@1", "values": {"value": 1}}}}


def test_a_server_copies_what_it_has_accepted(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with RecordStore(home / "runs.db") as records:
        records.begin("r", "{}")
    with running(home) as server:
        job = server.post("/api/jobs", {"workflow": RECIPE}).json["jobs"][0]["id"]
        answer = server.post("/api/backup")
        assert answer.status == 201, answer.body
        jobs, runs = map(Path, answer.json["files"])
        assert (jobs.parent, runs.parent) == (home / "backups", home / "backups")
        with sqlite3.connect(runs) as db:
            assert db.execute("SELECT id FROM runs").fetchall() == [("r",)]
        db.close()
        server.post("/api/jobs", {"workflow": RECIPE})
        assert server.post("/api/backup", {"path": "/tmp/x"}).status == 400
    assert sorted(path.name for path in (home / "backups").iterdir()) == sorted([jobs.name, runs.name])
    for path in home.glob("jobs.db*"):
        path.unlink()
    jobs.rename(home / "jobs.db")
    with running(home) as server:
        assert [one["id"] for one in server.get("/api/jobs").json["items"]] == [job], "as it was then"
        assert json.loads(server.get(f"/api/jobs/{job}/workflow").body)["nodes"] == RECIPE["nodes"]


def test_without_a_server_the_command_copies_itself(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, cache=tmp_path / "cache")
    assert backed_up(settings) == []
    assert not (tmp_path / "jobs.db").exists()
    JobStore(tmp_path / "jobs.db").close()
    (made,) = backed_up(settings)
    with sqlite3.connect(made) as db:
        assert db.execute("SELECT COUNT(*) FROM jobs").fetchone() == (0,)
    db.close()
    with LockFile(tmp_path / "server.lock"), pytest.raises(HomeInUse):
        backed_up(settings)


def test_only_the_latest_copies_are_kept_and_nothing_else_is_touched(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs.db")
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "mine.db").write_bytes(b"mine")
    (tmp_path / "backups" / ".jobs-0123.part").write_bytes(b"a killed server left this")
    made = [copy(store.db, tmp_path, "jobs") for _ in range(module.KEPT + 2)]
    assert sorted((tmp_path / "backups").iterdir()) == sorted([*made[2:], tmp_path / "backups" / "mine.db"])
    store.close()


def test_a_damaged_queue_is_told_and_the_good_copies_stay(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    store = JobStore(path)
    for number in range(300):
        store.add(b"recipe %d" % number, [NewJob("T" * 500, "0" * 64, {})])
    good = copy(store.db, tmp_path, "jobs")
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    store.close()
    data = bytearray(path.read_bytes())
    for place in range(4096 * 5, len(data), 4096):
        data[place : place + 64] = b"\xff" * 64
    path.write_bytes(bytes(data))
    with pytest.raises(Exception, match=r"damaged|malformed|no copy") as error:
        backed_up(Settings(home=tmp_path, cache=tmp_path / "cache"))
    assert isinstance(error.value, (DatabaseError, module.StoreError))
    assert list((tmp_path / "backups").iterdir()) == [good]


def test_the_command_asks_the_server_that_runs(own_home: Path) -> None:
    with started(own_home) as process:
        assert first_line(process).startswith("NODEFLOW READY")
        done = run(own_home, "backup")
        assert done.returncode == 0, done.stderr
        made = [Path(line) for line in done.stdout.split()]
    assert [path.name.partition("-")[0] for path in made] == ["jobs"]
    with sqlite3.connect(made[0]) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
