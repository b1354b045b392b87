"""The record of runs: all or nothing, explained keys, interrupted runs, pages, pruning, migrations."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from nodeflow.database import connect, migrate, transaction, version
from nodeflow.process import is_alive, own_identity
from nodeflow.record import ArtefactRow, NodeRow, RecordError, RecordStore, RunRow
from nodeflow.record_schema import MIGRATIONS


def key(name: object) -> str:
    return blake3(str(name).encode()).hexdigest()


@pytest.fixture
def records(tmp_path: Path) -> Iterator[RecordStore]:
    with RecordStore(tmp_path / "home" / "runs.db") as store:
        yield store


def record(records: RecordStore, run: str, recipe: str = "{}", nodes: int = 0, state: str = "completed") -> None:
    records.begin(run, recipe)
    rows = [NodeRow(f"n{i}", "test/op@1", key((recipe, i)), "computed", 0.1) for i in range(nodes)]
    records.finish(run, state, nodes=rows, parts=[(row.key, {"op": row.op, "of": recipe}) for row in rows])


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    with RecordStore(tmp_path / "home" / "runs.db") as records:
        assert records.runs() == []
        assert records.run("x") is None
        assert records.parts(key(1)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_comes_back_as_it_was_recorded(records: RecordStore) -> None:
    before = time.time()
    number = records.begin("abc123", '{"é": 1}', numeric="cpu", versions={"torch": "2.13"}, seeds={"noise": 2**64 - 1})
    running = records.run("abc123")
    assert running is not None
    assert (running.state, running.ended) == ("running", None)
    nodes = [
        NodeRow("a", "x/y@1", key("a"), "computed", 0.5),
        NodeRow("b", "x/y@2", key("b"), "failed", 0.1, 'Traceback: "\ud800"'),
        NodeRow("c", "x/y@2", key("c"), "blocked"),
    ]
    files = [ArtefactRow("image", i, key(i), "image/png", f"star-{i}.png") for i in range(2)]
    records.finish("abc123", "failed", error="b failed", nodes=nodes, artefacts=files, parts=[(key("a"), {"v": 1})])
    with RecordStore(records.path) as again:
        run = again.run("abc123")
        assert run is not None
        assert run == RunRow(
            number, "abc123", blake3('{"é": 1}'.encode()).hexdigest(), run.started, run.ended, "failed", "cpu",
            {"torch": "2.13"}, {"noise": 2**64 - 1}, "b failed",
        )  # fmt: skip
        assert run.ended is not None
        assert before <= run.started <= run.ended <= time.time()
        assert again.recipe("abc123") == '{"é": 1}'
        assert again.nodes("abc123")[0::2] == nodes[0::2]
        assert again.nodes("abc123")[1].error == 'Traceback: "\\ud800"'
        assert again.node_keys("abc123") == {"a": key("a"), "b": key("b"), "c": key("c")}
        assert again.artefacts("abc123") == files
        assert again.parts(key("a")) == {"v": 1}
        assert again.parts(key("b")) is None
        assert again.run("abc") == run


def test_history_is_paged_by_number(records: RecordStore) -> None:
    for i in range(7):
        record(records, f"run{i}")
    page = records.runs(limit=3)
    assert [run.id for run in page] == ["run6", "run5", "run4"]
    assert [run.id for run in records.runs(before=page[-1].number, limit=3)] == ["run3", "run2", "run1"]
    assert records.run("run") is None  # more than one begins so
    assert records.run("") is None


def test_recipes_and_parts_are_stored_once(records: RecordStore) -> None:
    for i in range(5):
        record(records, f"run{i}", recipe="same", nodes=3)
    db = sqlite3.connect(records.path)
    counts = [db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("recipes", "parts", "nodes")]
    db.close()
    assert counts == [1, 3, 15]
    keys = [key(("same", i)) for i in range(3)]
    assert records.without_parts([*keys, key("new")]) == {key("new")}
    assert records.keys_like(keys[0][:9]) == [keys[0]]
    assert len(records.keys_like("0")) == sum(k[0] == "0" for k in keys)
    assert records.keys_like("") == records.keys_like("xyz") == records.keys_like("0" * 65) == []


def test_ten_thousand_nodes_take_one_transaction(records: RecordStore) -> None:
    records.begin("run", "{}")
    rows = [NodeRow(f"n{i}", "test/op@1", key(i), "computed", 1e-5) for i in range(10_000)]
    started = time.perf_counter()
    records.finish("run", "completed", nodes=rows, parts=((row.key, {"op": row.op}) for row in rows))
    assert time.perf_counter() - started < 6  # 0.1 s measured on a quiet machine
    assert len(records.node_keys("run")) == 10_000
    assert len(records.without_parts(key(i) for i in range(10_001))) == 1


def test_a_finish_that_fails_changes_nothing(records: RecordStore) -> None:
    records.begin("run", "{}")
    with pytest.raises((RecordError, TypeError)):
        records.finish("run", "completed", nodes=[NodeRow("a", None, key("a"), "computed")])  # type: ignore[arg-type]
    run = records.run("run")
    assert run is not None
    assert run.state == "running"
    with pytest.raises(RecordError, match="no run 'other' has begun"):
        records.finish("other", "completed")
    with pytest.raises(RecordError, match="recorded already"):
        records.begin("run", "{}")


def test_prune_keeps_the_latest_and_what_they_need(records: RecordStore) -> None:
    for i in range(6):
        record(records, f"run{i}", recipe=f"recipe{i % 3}", nodes=2)
    records.begin("running", "recipe9")
    assert records.prune(keep=3) == 4
    assert [run.id for run in records.runs()] == ["running", "run5", "run4"]
    assert records.recipe("run5") == "recipe2"
    assert records.parts(key(("recipe2", 0))) is not None
    assert records.parts(key(("recipe0", 0))) is None
    assert records.prune(keep=0) == 2
    assert [run.id for run in records.runs()] == ["running"]
    record(records, "next")
    assert records.runs()[0].number > 6  # numbers are never used twice


KILLED = """
import sys, time
from nodeflow.record import RecordStore, NodeRow
records = RecordStore(sys.argv[1])
for i in range(10_000):
    run = f"{sys.argv[2]}-{i}"
    records.begin(run, "{}")
    print("begun", run, flush=True)
    records.finish(run, "completed", nodes=[NodeRow(f"n{j}", "op", "00" * 32, "computed") for j in range(50)])
    print("done", run, flush=True)
"""


def test_kill_9_loses_nothing_acknowledged_and_marks_the_rest_interrupted(records: RecordStore) -> None:
    said: list[str] = []
    for kill in range(6):
        command = [sys.executable, "-c", KILLED, str(records.path), str(kill)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said.append(process.stdout.readline().strip())
        time.sleep(0.02 * kill)
        process.kill()
        said += process.communicate()[0].split("\n")[:-1]
    records.begin("own", "{}")
    runs = {run.id: run.state for run in records.runs(limit=100_000)}
    assert runs.pop("own") == "running"
    assert set(runs.values()) <= {"completed", "interrupted"}
    assert "interrupted" in runs.values()
    for line in said:
        event, run = line.split()
        assert runs[run] == "completed" if event == "done" else run in runs
    for run, state in runs.items():
        assert len(records.node_keys(run)) == (50 if state == "completed" else 0)
    db = sqlite3.connect(records.path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_runs_of_living_processes_stay_running(records: RecordStore) -> None:
    command = [sys.executable, "-c", KILLED.replace("    records.finish", "    time.sleep(60)\n    records.finish")]
    process = subprocess.Popen([*command, str(records.path), "x"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    records.begin("a", "{}")
    states = {run.id: run.state for run in records.runs()}
    process.kill()
    process.communicate()
    records.begin("b", "{}")
    later = {run.id: run.state for run in records.runs()}
    assert (states["x-0"], later["x-0"]) == ("running", "interrupted")
    assert later["a"] == "running"


def test_processes_are_told_apart() -> None:
    own = own_identity()
    assert is_alive(own)
    boot, pid, started = own.split(":")
    assert pid == str(os.getpid())
    assert not is_alive(f"{boot}:{pid}:{int(started) + 1}")
    assert not is_alive(f"another boot:{pid}:{started}")
    assert not is_alive(f"{boot}:{2**22 + 1}:1")
    assert not is_alive("")
    assert not is_alive("x:y:z")


def damage(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)


def occupy(path: Path) -> None:
    path.mkdir()


def newer(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    db.close()


@pytest.mark.parametrize(
    ("trouble", "words"),
    [(damage, "damaged: put a backup"), (occupy, "could not .* the record of runs"), (newer, "newer nodeflow")],
)
def test_trouble_is_explained(records: RecordStore, trouble: Any, words: str) -> None:
    records.path.parent.mkdir()
    trouble(records.path)
    for use in (lambda: records.begin("run", "{}"), records.runs):
        with pytest.raises(RecordError, match=f"runs.db: .*{words}"):
            use()


def test_a_full_disk_is_explained(tmp_path: Path) -> None:
    code = """
import resource, sys
from nodeflow.record import NodeRow, RecordError, RecordStore
with RecordStore(sys.argv[1]) as records:
    records.begin("run", "{}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        records.finish("run", "completed", nodes=[NodeRow(f"n{i}", "op", "00" * 32, "x") for i in range(10_000)])
    except RecordError as error:
        print("there is space" in str(error))
    print(records.run("run").state)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "runs.db")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "running"]


def test_old_databases_are_brought_up_after_a_backup(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    first = "CREATE TABLE things (name TEXT);\nINSERT INTO things VALUES ('a;b');\n"
    second = "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7;\n"
    db = connect(path, "FULL")
    migrate(db, path, (first,))
    assert version(db) == 1
    assert list(tmp_path.glob("*.bak")) == []
    migrate(db, path, (first, second))
    assert version(db) == 2
    assert db.execute("SELECT * FROM things").fetchall() == [("a;b", 7)]
    backup = sqlite3.connect(tmp_path / "some.db.v1.bak")
    assert backup.execute("SELECT * FROM things").fetchall() == [("a;b",)]
    backup.close()
    broken = "ALTER TABLE things ADD COLUMN more TEXT;\nALTER TABLE nowhere ADD COLUMN x;\n"
    with pytest.raises(sqlite3.Error):
        migrate(db, path, (first, second, broken))
    assert version(db) == 2
    assert db.execute("SELECT * FROM things").fetchall() == [("a;b", 7)]
    with pytest.raises(ValueError, match="middle of a statement"):
        migrate(db, path, (first, second, "SELECT 1"))
    db.close()


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    db = connect(tmp_path / "some.db", "NORMAL")
    db.execute("CREATE TABLE things (name TEXT)")

    def half() -> None:
        with transaction(db):
            db.execute("INSERT INTO things VALUES ('a')")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert db.execute("SELECT * FROM things").fetchall() == []
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()
