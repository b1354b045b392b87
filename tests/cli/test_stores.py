"""`nodeflow cache` and `nodeflow runs`: what is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.cli import shapes
from tests.cli.conftest import Cli, Done, recipe

Here = Callable[..., Done]


def test_cache(cli: Cli, here: Here, hello: str, tmp_path: Path) -> None:
    assert here("cache", "path").out == f"{tmp_path / 'home' / 'cache'}\n"
    assert shapes.fits(here("cache", "--json").json, shapes.CACHE)["entries"] == 0
    here("run", hello)
    kept = shapes.fits(here("cache", "--json").json, shapes.CACHE)
    assert kept["entries"] >= 2
    assert f"results  {kept['entries']}" in cli("cache").out
    cleared = here("cache", "clear")
    assert (cleared.code, cleared.out.startswith(f"deleted {kept['entries']} results")) == (0, True)
    assert here("cache", "--json").json["entries"] == 0
    assert here("run", hello, "--json").json["counts"]["cached"] == 0


def test_runs(cli: Cli, here: Here, hello: str) -> None:
    assert "No runs are recorded." in here("runs").err
    here("run", hello)
    here("run", hello, "--set", "n=4")
    listed = here("runs", "--json").json["runs"]
    assert [(row["number"], row["state"]) for row in listed] == [(2, "completed"), (1, "completed")]
    table = cli("runs").out.splitlines()
    assert [line.split()[0] for line in table] == ["number", "2", "1"]
    assert here("runs", "-n", "1").out.splitlines()[1].split()[0] == "2"
    shown = here("runs", "show", listed[0]["id"][:6])
    assert shown.code == 0
    assert any(line.split()[:3] == ["sum", "trial/add@1", "computed"] for line in shown.out.splitlines())
    assert "output/sum-2.json" in shown.out


def test_old_runs_are_forgotten(here: Here, cli: Cli, hello: str) -> None:
    assert here("runs", "prune", "--keep", "1").out == "forgot 0 runs\n"
    assert not (cli.folder.parent / "home" / "runs.db").exists()
    for n in range(3):
        here("run", hello, "--set", f"n={n}")
    assert here("runs", "prune", "--keep", "2").out == "forgot 1 run\n"
    assert [row["number"] for row in here("runs", "--json").json["runs"]] == [3, 2]
    assert here("runs", "prune").code == 2  # how many stay is for the user to say


def test_a_run_that_was_killed_is_not_shown_as_running(cli: Cli, here: Here) -> None:
    cli.write("long.json", recipe({"slow": {"op": "trial/slow@1", "values": {"text": "x"}}}, {"out": "slow.text"}))
    process = cli.start("run", "long.json")
    started = Path(cli.environment["TRIAL_STARTED"])
    while not started.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    assert [row["state"] for row in here("runs", "--json").json["runs"]] == ["running"]
    process.kill()
    process.communicate()
    assert [row["state"] for row in here("runs", "--json").json["runs"]] == ["interrupted"]
    assert here("runs", "prune", "--keep", "0").out == "forgot 1 run\n"


def test_a_run_can_be_run_again(here: Here, cli: Cli, hello: str) -> None:
    here("run", hello, "--set", "n=39")
    run = here("runs", "--json").json["runs"][0]["id"]
    cli.write("again.json", here("runs", "show", run, "--recipe").out)
    again = here("run", "again.json", "--json")
    assert again.json["outputs"]["sum"]["value"] == 41
    assert again.json["counts"]["computed"] == 0
    everything = here("runs", "show", run, "--json").json
    assert everything["recipe"]["nodes"]["sum"]["values"]["b"] == 39
    assert {a["output"] for a in everything["artefacts"]} == {"said", "sum"}


def test_runs_that_are_not_there(here: Here) -> None:
    for name in ("deadbeef", "", "\x1b[31m"):
        done = here("runs", "show", name)
        assert done.code == 2
        assert "\x1b" not in done.err


def test_a_damaged_record_is_a_fault_of_the_installation(here: Here, tmp_path: Path, hello: str) -> None:
    here("run", hello)
    (tmp_path / "home" / "runs.db").write_bytes(b"no database" * 100)
    for name in ("runs.db-wal", "runs.db-shm"):
        (tmp_path / "home" / name).unlink(missing_ok=True)
    done = here("runs")
    assert done.code == 5
    assert "is damaged" in done.err
    assert "Traceback" not in done.err
    ran = here("run", hello)  # a run does not need the record
    assert ran.code == 0
    assert "warning" in ran.err


def test_results_that_nothing_refers_to_are_swept(here: Here, hello: str, tmp_path: Path) -> None:
    from nodeflow.cache import BlobStore
    from nodeflow.server.lockfile import LockFile

    home = tmp_path / "home"
    here("run", hello)
    store = BlobStore(home / "artefacts")
    mine = {blob.digest for blob in store.scan() if blob.size}
    orphan = store.put(b"nobody's")
    for blob in list(store.scan()):
        os.utime(store.path(blob.digest), (1e9, 1e9))
    (home / "jobs.db").unlink(missing_ok=True)
    assert here("cache", "sweep", "--days", "-1").code == 2
    with LockFile(home / "server.lock"):
        busy = here("cache", "sweep")
        assert "a nodeflow server runs here already" in busy.err
        assert busy.code != 0
    done = here("cache", "sweep")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("deleted ")
    assert orphan not in store
    assert {blob.digest for blob in store.scan()} == mine, "the record of runs and the cache name these"
    assert not (home / "jobs.db").exists()
