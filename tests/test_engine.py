"""The engine as clients see it: recipes in, files and records out, nothing lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest

import nodeflow
from nodeflow.cache import StoreError
from nodeflow.engine import Engine, RunFailed
from nodeflow.errors import NodeflowError
from nodeflow.events import Event, RunFinished
from nodeflow.numeric import physical_cores
from nodeflow.op import node
from nodeflow.problems import ProblemsError
from nodeflow.registry import Pack, load_pack, make_catalogue
from nodeflow.settings import Settings

CALLS: list[str] = []


@node("t/text")
def text(value: str = "hello") -> str:
    """Give a text."""
    CALLS.append(f"text {value}")
    return value


@node("t/join")
def join(a: str, b: str) -> str:
    """Join two texts."""
    CALLS.append("join")
    return f"{a} {b}"


@node("t/fail")
def fail(a: str) -> str:
    """Raise."""
    raise ValueError(f"cannot use {a}")


@node("t/slow")
def slow(seconds: float = 5.0, *, ctx: nodeflow.Context) -> str:
    """Wait, checking for cancellation."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ctx.check()
        time.sleep(0.005)
    return "done"


@node("t/count")
def count(text: str) -> int:
    """Count letters."""
    return len(text)


def catalogue() -> Any:
    ops = {op.name: op for op in (text, join, fail, slow, count)}
    return make_catalogue([Pack("t", __name__, ops=ops), load_pack("engine", "nodeflow.export")])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    CALLS.clear()
    with Engine(
        Settings(home=tmp_path / "home", cache=tmp_path / "cache", output=tmp_path / "output"), catalogue()
    ) as made:
        yield made


def again(engine: Engine) -> Engine:
    """Another process, as far as the cache can tell."""
    engine.close()
    return Engine(engine.settings, engine.catalogue)


#  hello ─┐
#         ├─ both ── output "greeting"
#  world ─┘
GREETING = {
    "format": "nodeflow/1",
    "title": "Greeting",
    "inputs": {"name": {"to": ["world.value"]}},
    "outputs": {"greeting": "both.text"},
    "nodes": {
        "hello": {"op": "t/text@1", "values": {"value": "hello"}},
        "world": {"op": "t/text@1", "values": {"value": "world"}},
        "both": {"op": "t/join@1", "links": {"a": "hello.text", "b": "world.text"}},
    },
}


def test_a_run_gives_values_and_files(engine: Engine, tmp_path: Path) -> None:
    run = nodeflow.run(GREETING, {"name": "moon"}, engine=engine, out=tmp_path / "pictures")
    assert run["greeting"] == "hello moon"
    assert run.files == {"greeting": [tmp_path / "pictures" / "greeting.txt"]}
    assert run.files["greeting"][0].read_text() == "hello moon"
    assert (run.state, run.computed, run.cached) == ("completed", 4, 0)


def test_out_may_name_the_file_and_replaces_it(engine: Engine, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "greeting.txt"
    for name in ("sun", "moon"):
        nodeflow.run(GREETING, {"name": name}, engine=engine, out=target)
    assert target.read_text() == "hello moon"
    assert os.listdir(target.parent) == ["greeting.txt"]


def test_another_content_gets_another_name_and_the_same_content_the_same(engine: Engine, tmp_path: Path) -> None:
    for name in ("sun", "moon", "sun"):
        nodeflow.run(GREETING, {"name": name}, engine=engine, out=tmp_path / "o")
    assert sorted(os.listdir(tmp_path / "o")) == ["greeting-2.txt", "greeting.txt"]


def test_a_second_process_computes_only_what_changed(engine: Engine, tmp_path: Path) -> None:
    nodeflow.run(GREETING, engine=engine, out=tmp_path / "o")
    CALLS.clear()
    with again(engine) as second:
        run = second.run(nodeflow.load(GREETING), out=tmp_path / "o", values=False)
        assert (run.computed, run.cached, CALLS) == (0, 1, [])
        nodeflow.run(GREETING, {"name": "moon"}, engine=second)
        assert CALLS.count("join") == 1


def test_a_failure_names_the_node_and_keeps_the_rest(engine: Engine, tmp_path: Path) -> None:
    document = {
        "format": "nodeflow/1",
        "outputs": {"good": "hello.text", "bad": "broken.text"},
        "nodes": {
            "hello": {"op": "t/text@1", "values": {"value": "hello"}},
            "broken": {"op": "t/fail@1", "links": {"a": "hello.text"}},
        },
    }
    with pytest.raises(RunFailed) as raised:
        nodeflow.run(document, engine=engine, out=tmp_path / "o")
    (failure,) = raised.value.failures
    assert (failure.node, failure.message, failure.inputs) == (
        "broken",
        "ValueError: cannot use hello",
        {"a": "'hello'"},
    )
    assert "in fail" in failure.traceback
    assert raised.value.run["good"] == "hello"
    assert (tmp_path / "o" / "good.txt").read_text() == "hello"
    (row,) = engine.records.runs()
    assert row.state == "failed"
    states = {n.node: n.state for n in engine.records.nodes(row.id)}
    assert states == {"hello": "computed", "broken": "failed", "export:good": "computed", "export:bad": "blocked"}


def test_problems_stop_a_run_before_it_starts(engine: Engine) -> None:
    with pytest.raises(ProblemsError) as raised:
        nodeflow.run({**GREETING, "outputs": {"x": "nobody.text"}}, engine=engine)
    assert [p.code for p in raised.value.problems] == ["NF402"]
    assert CALLS == []


def test_an_output_folder_that_cannot_be_made_is_noticed_before_the_run(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="output folder"):
        nodeflow.run(GREETING, engine=engine, out=tmp_path / "file" / "sub")
    assert CALLS == []


def test_one_file_for_several_outputs_is_refused(engine: Engine, tmp_path: Path) -> None:
    document = {**GREETING, "outputs": {"one": "both.text", "two": "hello.text"}}
    with pytest.raises(nodeflow.NodeflowError, match="several outputs"):
        nodeflow.run(document, engine=engine, out=tmp_path / "x.txt")
    assert CALLS == []
    run = nodeflow.run(document, engine=engine, out=tmp_path / "results.v2")
    assert [str(f.relative_to(tmp_path)) for f in run.files["one"]] == ["results.v2/one.txt"]


def test_names_that_nodes_give_make_folders_inside_the_output_folder(engine: Engine, tmp_path: Path) -> None:
    @node("t/save", effects=True)
    def save(name: str, *, ctx: nodeflow.Context) -> nodeflow.Artefact:
        """Save a text."""
        return ctx.save(name.encode(), name, "text/plain")

    engine.catalogue.packs["t"].ops["t/save"] = save
    for name in ("a/b.txt", "../../up.txt", "/etc/x.txt", "c:\\d.txt"):
        document = {"format": "nodeflow/1", "nodes": {"s": {"op": "t/save@1", "values": {"name": name}}}}
        (path,) = nodeflow.run(document, engine=engine, out=tmp_path / "o").files["s"]
        assert path.resolve().is_relative_to(tmp_path / "o")
    assert (tmp_path / "o" / "a" / "b.txt").read_text() == "a/b.txt"


def test_files_that_a_loop_saves_are_there_after_a_cached_run_too(tmp_path: Path) -> None:
    @node("t/save", effects=True)
    def save(text: str, index: int, *, ctx: nodeflow.Context) -> nodeflow.Artefact:
        """Save a text."""
        return ctx.save(text.encode(), f"{text}-{index}.txt", "text/plain")

    ops = {op.name: op for op in (text, save)}
    packs = [
        Pack("t", __name__, ops=ops),
        load_pack("flow", "nodeflow_nodes.flow"),
        load_pack("engine", "nodeflow.export"),
    ]
    turn = {
        "inputs": {"index": {"to": ["s.index"]}},
        "outputs": {"text": "x.text"},
        "nodes": {"x": {"op": "t/text@1"}, "s": {"op": "t/save@1", "links": {"text": "x.text"}}},
    }
    document = {
        "format": "nodeflow/1",
        "outputs": {"last": "loop.text"},
        "definitions": {"turn": turn},
        "nodes": {"loop": {"op": "flow/repeat@1", "values": {"body": "turn", "count": 3}}},
    }
    for place in ("one", "two"):
        with Engine(Settings(home=tmp_path / "h", cache=tmp_path / "c"), make_catalogue(packs)) as engine:
            nodeflow.run(document, engine=engine, out=tmp_path / place)
        assert sorted(os.listdir(tmp_path / place)) == ["hello-0.txt", "hello-1.txt", "hello-2.txt", "last.txt"]


def test_what_comes_along_a_link_obeys_ranges_too(tmp_path: Path) -> None:
    @node("t/number")
    def number(value: int) -> int:
        """Give a number."""
        return value

    @node("t/half")
    def half(value: Annotated[float, nodeflow.Range(0, 10)]) -> str:
        """Show a half."""
        return f"{type(value).__name__} {value / 2}"

    packs = [Pack("t", __name__, ops={"t/number": number, "t/half": half})]
    document = {
        "format": "nodeflow/1",
        "inputs": {"number": {"to": ["n.value"]}},
        "outputs": {"half": "h.text"},
        "nodes": {"n": {"op": "t/number@1"}, "h": {"op": "t/half@1", "links": {"value": "n.value"}}},
    }
    with Engine(Settings(home=tmp_path / "h", cache=tmp_path / "c"), make_catalogue(packs)) as engine:
        assert nodeflow.run(document, {"number": 4}, engine=engine)["half"] == "float 2.0"
        with pytest.raises(RunFailed, match="its input 'value' got 11, expected float 0 to 10"):
            nodeflow.run(document, {"number": 11}, engine=engine)


def test_a_file_gets_the_ending_of_what_it_is(engine: Engine, tmp_path: Path) -> None:
    document = {
        "format": "nodeflow/1",
        "outputs": {"number": "n.value"},
        "nodes": {"n": {"op": "t/count@1", "values": {"text": "four"}}},
    }
    assert nodeflow.run(document, engine=engine, out=tmp_path / "x.png").files == {"number": [tmp_path / "x.json"]}
    assert nodeflow.run(GREETING, engine=engine, out=tmp_path / "x.md").files == {"greeting": [tmp_path / "x.md"]}


def test_a_home_that_cannot_be_written_is_noticed_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    with Engine(Settings(home=tmp_path / "home", cache=tmp_path / "cache"), catalogue()) as engine:
        CALLS.clear()
        with pytest.raises(StoreError):
            nodeflow.run(GREETING, engine=engine, out=tmp_path / "o")
    assert CALLS == []


@pytest.mark.parametrize(("variable", "threads"), [("3", 3), ("2,4", 2), (" 5 ", 5), ("many", 0), ("", 0), ("0", 0)])
def test_openmp_decides_about_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, threads: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    monkeypatch.delitem(sys.modules, "torch", raising=False)  # in a process that has torch, what it uses counts
    engine = Engine(Settings(home=tmp_path, cache=tmp_path, device="cpu"))
    assert engine.numeric.threads == (threads or physical_cores())
    assert os.environ["OMP_NUM_THREADS"] == (variable if threads else str(physical_cores()))


def test_the_setting_decides_before_openmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the number is part of keys: torch must compute with that many
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    engine = Engine(Settings(home=tmp_path, cache=tmp_path, device="cpu", threads=3))
    assert (engine.numeric.threads, os.environ["OMP_NUM_THREADS"]) == (3, "3")


def test_a_device_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, cache=tmp_path / "c", device="gpu")
    with Engine(settings, catalogue()) as engine, pytest.raises(nodeflow.NodeflowError, match="device 'gpu'"):
        engine.plan(nodeflow.load(GREETING))


def test_a_file_that_was_deleted_from_the_store_is_made_again(engine: Engine, tmp_path: Path) -> None:
    nodeflow.run(GREETING, engine=engine, out=tmp_path / "a")
    for blob in list(engine.artefacts.scan()):
        engine.artefacts.delete(blob.digest)
    with again(engine) as second:
        run = second.run(nodeflow.load(GREETING), out=tmp_path / "b", values=False)
        assert (run.state, run.computed) == ("completed", 1)
    assert (tmp_path / "b" / "greeting.txt").read_text() == "hello world"


def test_runs_are_recorded(engine: Engine) -> None:
    run = nodeflow.run(GREETING, {"name": "moon"}, engine=engine)
    row = engine.records.run(run.id)
    assert row is not None
    assert row.state == "completed"
    assert row.versions["nodeflow"] == nodeflow.__version__
    assert '"moon"' in (engine.records.recipe(run.id) or "")
    for key in engine.records.node_keys(run.id).values():
        assert engine.records.parts(key)


def test_a_record_that_cannot_be_written_is_a_warning(engine: Engine) -> None:
    engine.settings.home.mkdir(parents=True)
    (engine.settings.home / "runs.db").mkdir()
    assert nodeflow.run(GREETING, engine=engine)["greeting"] == "hello world"
    assert any("not recorded" in w.message for w in engine.warnings)


def test_a_record_of_a_newer_nodeflow_is_a_warning(engine: Engine) -> None:
    engine.settings.home.mkdir(parents=True)
    db = sqlite3.connect(engine.settings.home / "runs.db")
    db.execute("PRAGMA user_version=99")
    db.close()
    assert nodeflow.run(GREETING, engine=engine)["greeting"] == "hello world"
    assert any("newer nodeflow" in w.message for w in engine.warnings)


def test_a_run_whose_files_cannot_be_shown_is_on_record(engine: Engine, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def spoil(event: Event) -> None:
        if isinstance(event, RunFinished):
            shutil.rmtree(out)
            out.write_text("a file in the folder's place")

    with pytest.raises(StoreError, match="it is kept as blob"):
        nodeflow.run(GREETING, engine=engine, out=out, on_event=spoil)
    assert [row.state for row in engine.records.runs()] == ["completed"]


@pytest.mark.parametrize(("recipe", "got"), [(b"{}", "a bytes"), (None, "None"), (5, "5")])
def test_what_is_no_recipe_is_told(recipe: Any, got: str) -> None:
    with pytest.raises(NodeflowError, match=f"expected a Workflow, a parsed document, or the path of .*, got {got}"):
        nodeflow.load(recipe)


def test_cancelling_stops_within_a_step(engine: Engine) -> None:
    cancel = threading.Event()
    document = {"format": "nodeflow/1", "outputs": {"x": "wait.text"}, "nodes": {"wait": {"op": "t/slow@1"}}}
    threading.Timer(0.2, cancel.set).start()
    begun = time.monotonic()
    run = nodeflow.run(document, engine=engine, cancel=cancel)
    assert run.state == "cancelled"
    assert time.monotonic() - begun < 3


def test_run_async_can_be_awaited_and_cancelled(engine: Engine) -> None:
    document = {"format": "nodeflow/1", "outputs": {"x": "wait.text"}, "nodes": {"wait": {"op": "t/slow@1"}}}

    async def scenario() -> str:
        assert (await nodeflow.run_async(GREETING, engine=engine))["greeting"] == "hello world"
        task = asyncio.create_task(nodeflow.run_async(document, engine=engine))
        await asyncio.sleep(0.2)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return "cancelled"
        return "finished"

    assert asyncio.run(scenario()) == "cancelled"


KILLED = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from nodeflow.engine import Engine
    from nodeflow.op import node
    from nodeflow.registry import Pack, make_catalogue
    from nodeflow.settings import Settings
    from nodeflow.workflow import Workflow

    home, slow = Path(sys.argv[1]), float(sys.argv[2])

    @node("k/part")
    def part(number: int, before: str = "") -> str:
        "Write down that it ran; takes a while."
        with open(home / "calls", "a") as file:
            file.write(f"{number}\\n")
        time.sleep(0.15 if number < 4 else slow)
        return f"{before}{number}"

    nodes = {f"n{i}": {"op": "k/part@1", "values": {"number": i}, "links": {"before": f"n{i-1}.text"} if i else {}}
             for i in range(6)}
    recipe = Workflow.from_json({"format": "nodeflow/1", "outputs": {"x": "n5.text"}, "nodes": nodes})
    pack = Pack("k", "k", ops={"k/part": part})
    with Engine(Settings(home=home, cache=home / "cache"), make_catalogue([pack])) as engine:
        print(engine.run(recipe)["x"])
    """
)


def test_after_kill_9_the_next_run_goes_on_from_what_was_finished(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    process = subprocess.Popen([sys.executable, str(script), str(home), "60"])
    try:
        for _ in range(600):
            if (home / "calls").exists() and "4" in (home / "calls").read_text().split():
                break
            time.sleep(0.05)
        time.sleep(0.5)  # the cache's writer works beside the run
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (home / "calls").read_text().split() == ["0", "1", "2", "3", "4"]
    done = subprocess.run([sys.executable, str(script), str(home), "0"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "012345"
    assert (home / "calls").read_text().split()[5:] == ["4", "5"]
    with Engine(Settings(home=home, cache=home / "cache")) as engine:
        assert [row.state for row in engine.records.runs()] == ["completed", "interrupted"]
