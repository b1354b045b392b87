"""The executor: what runs, what does not, in which order, and that nothing hangs or lies."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow.errors import NodeError
from nodeflow.events import (
    NodeBlocked,
    NodeFailed,
    NodeFinished,
    NodeProgress,
    NodeStarted,
    NodeWarning,
    RunFinished,
    RunStarted,
)
from nodeflow.executor import CACHED, DeviceGate, Executor, NodeFailure, NoResults
from nodeflow.op import Context, node
from nodeflow.steps import Step
from nodeflow.types import Image, Latent, Sampler
from tests.packs_for_tests import CALLS, FakeTensor, Memory, Ran, Split, called, definition, n, planner, recipe, run


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    CALLS.clear()


# --- what runs ------------------------------------------------------------------------------------------------------


def test_a_diamond() -> None:
    #      ┌── left ──┐
    #  a ──┤          ├── sum
    #      └── right ─┘
    ran = run(
        recipe(
            {
                "a": n("number", value=1),
                "left": n("add", a="@a.value", b=10),
                "right": n("add", a="@a.value", b=20),
                "sum": n("add", a="@left.value", b="@right.value"),
            },
            {"sum": "sum.value"},
        )
    )
    assert (ran.state, ran.value("sum")) == ("completed", 32)
    assert ran.states == dict.fromkeys(("a", "left", "right", "sum"), "computed")


def test_events_tell_the_story_in_order_with_rising_numbers() -> None:
    ran = run(recipe({"a": n("number", value=1), "b": n("add", a="@a.value")}, {"x": "b.value"}))
    kinds = [type(event) for event in ran.events]
    assert kinds == [RunStarted, NodeStarted, NodeFinished, NodeStarted, NodeFinished, RunFinished]
    assert [event.seq for event in ran.events] == [1, 2, 3, 4, 5, 6]
    assert ran.events[0][2:] == (2, 0)
    assert [event.node for event in ran.events[1:5]] == ["a", "a", "b", "b"]
    assert ran.events[5].state == "completed"


def test_events_of_many_threads_come_one_at_a_time_with_rising_numbers() -> None:
    nodes = {f"n{i}": n("work", a=i, seconds=0.0005) for i in range(200)}
    inside = threading.Lock()
    seen: list[int] = []

    def listen(event: Any) -> None:
        assert inside.acquire(blocking=False), "two at a time"
        seen.append(event.seq)
        inside.release()

    run(recipe(nodes), workers=8, on_event=listen)
    assert seen == list(range(1, 403))


def test_only_what_targets_need_runs() -> None:
    graph = recipe(
        {"a": n("work", name="a"), "b": n("work", name="b", a="@a.value"), "c": n("work", name="c", a="@a.value")},
        {"x": "b.value", "y": "c.value"},
    )
    ran = run(graph, targets=["y"])
    assert (ran.values, dict(CALLS)) == ({"y": 2}, {"work a": 1, "work c": 1})


def test_targets_may_be_nodes_their_outputs_or_a_generator() -> None:
    graph = recipe(
        {"s": n("split", value=5), "t": n("work", a="@s.low"), "u": n("work", a="@t.value")}, {"u": "u.value"}
    )
    assert set(run(graph, targets=["s.high"]).states) == {"s"}
    assert set(run(graph, targets=["t"]).states) == {"s", "t"}
    assert run(graph, targets=(name for name in ["u"])).values == {"u": 4}


def test_no_outputs_means_every_end_point() -> None:
    graph = recipe({"a": n("work", name="a"), "b": n("work", name="b", a="@a.value"), "c": n("work", name="c")})
    assert run(graph).states == dict.fromkeys("abc", "computed")


def test_nodes_with_effects_run_without_being_asked_for() -> None:
    run(recipe({"a": n("number", value=1), "s": n("save", value="@a.value")}, {"a": "a.value"}))
    assert CALLS == {"save x 1": 1}


def test_what_is_written_twice_runs_once() -> None:
    #  a ── b ──┐
    #  c ── d ──┴ sum      c and d say the same as a and b
    nodes = {
        "a": n("work", name="x", a=1),
        "b": n("work", name="y", a="@a.value"),
        "c": n("work", name="x", a=1),
        "d": n("work", name="y", a="@c.value"),
        "sum": n("add", a="@b.value", b="@d.value"),
    }
    ran = run(recipe(nodes, {"sum": "sum.value", "b": "b.value", "d": "d.value"}))
    assert ran.values == {"sum": 6, "b": 3, "d": 3}
    assert ran.states == {"a": "computed", "b": "computed", "c": "cached", "d": "cached", "sum": "computed"}
    assert CALLS == {"work x": 1, "work y": 1}
    finished = [(e.node, e.cached) for e in ran.events if isinstance(e, NodeFinished)]
    assert sorted(finished) == [("a", False), ("b", False), ("c", True), ("d", True), ("sum", False)]


def test_twins_share_a_failure_too() -> None:
    nodes = {"a": n("work", fail=True), "b": n("work", fail=True), "c": n("add", a="@b.value")}
    ran = run(recipe(nodes, {"c": "c.value"}), targets=["a", "c"])
    assert ran.states == {"a": "failed", "b": "blocked", "c": "blocked"}
    assert [(e.node, e.cause) for e in ran.events if isinstance(e, NodeBlocked)] == [("b", "a"), ("c", "a")]


def test_twins_that_write_files_both_run() -> None:
    run(recipe({"a": n("number", value=1), "s": n("save", value="@a.value"), "t": n("save", value="@a.value")}))
    assert sum(CALLS.values()) == 2


def chain(length: int) -> dict[str, Any]:
    nodes: dict[str, Any] = {"n0": n("number", value=0)}
    for i in range(1, length):
        nodes[f"n{i}"] = n("add", a=f"@n{i - 1}.value")
    return nodes


def test_a_chain_of_ten_thousand() -> None:
    nodes = chain(10_000)
    results = Memory()
    graph = recipe(nodes, {"end": "n9999.value"})
    assert run(graph, results=results).value("end") == 9999
    again = run(graph, results=results)
    assert again.value("end") == 9999
    assert again.outcome.count(CACHED) == 1, "a cached run reaches back no further than it must"


def test_a_fan_of_five_thousand() -> None:
    nodes: dict[str, Any] = {"a": n("number", value=1)}
    nodes |= {f"n{i}": n("add", a="@a.value", b=i) for i in range(5000)}
    nodes["sum"] = n("total", items=[f"@n{i}.value" for i in range(5000)])
    assert run(recipe(nodes, {"sum": "sum.value"})).value("sum") == 5000 + sum(range(5000))


def test_a_ladder_of_two_thousand_rungs() -> None:
    # a0 ── a1 ── a2 …   each rung needs both sides of the one before
    #    ╳     ╳
    # b0 ── b1 ── b2 …
    nodes: dict[str, Any] = {"a0": n("number", value=0), "b0": n("number", value=0)}
    for i in range(1, 2000):
        for side in "ab":
            nodes[f"{side}{i}"] = n("work", a=f"@a{i - 1}.value", b=0)
            nodes[f"{side}{i}"]["links"]["c"] = f"b{i - 1}.value"
            nodes[f"{side}{i}"]["values"] = {"name": "x"} if side == "a" else {"name": "y"}
    plan_only = run(recipe(nodes), targets=["a1"])
    assert plan_only.states == {"a0": "computed", "b0": "cached", "a1": "computed"}, "b0 is what a0 is"
    assert run(recipe(nodes)).state == "completed"


# --- cached = computed ----------------------------------------------------------------------------------------------


def test_what_is_stored_is_not_computed_again() -> None:
    graph = recipe({"a": n("work", name="a"), "b": n("work", name="b", a="@a.value")}, {"x": "b.value"})
    results = Memory()
    first, second = run(graph, results=results), run(graph, results=results)
    assert first.values == second.values == {"x": 2}
    assert second.states == {"a": "pending", "b": "cached"}
    assert CALLS == {"work a": 1, "work b": 1}


def test_a_bad_entry_is_a_miss_and_a_warning() -> None:
    graph = recipe(
        {"a": n("work", name="a"), "b": n("work", name="b", a="@a.value"), "c": n("work", name="c", a="@b.value")},
        {"x": "c.value"},
    )
    results = Memory()
    first = run(graph, results=results)
    keys = {step.id: step.key for step in first.plan.steps}
    for bad in ({"c"}, {"b", "c"}, {"a", "b", "c"}):
        results.bad |= {keys[i] for i in bad}
        again = run(graph, results=results)
        assert (again.state, again.values) == ("completed", first.values)
        assert {node for node, _ in again.outcome.warnings} == bad
        assert {event.node for event in again.told(NodeWarning)} == bad


def test_a_stored_result_with_other_outputs_is_a_miss() -> None:
    graph = recipe({"a": n("work", name="a"), "b": n("work", name="b", a="@a.value")}, {"x": "b.value"})
    results = Memory()
    key = run(graph, results=results).plan.steps[1].key
    results.kept[key] = {"other": 5}
    assert run(graph, results=results).values == {"x": 2}


def test_nodes_that_read_the_outside_world_run_each_time() -> None:
    graph = recipe({"r": n("random"), "x": n("add", a="@r.value")}, {"x": "x.value"})
    results = Memory()
    assert [run(graph, results=results).value("x") for _ in range(3)] == [2, 3, 4]


def test_values_are_let_go_of_at_their_last_consumer() -> None:
    alive: list[int] = []

    @node("t/hold")
    def hold(value: int, before: Image | None = None) -> Image:
        made = FakeTensor((1, 3, 1, 1), value)
        held.append(weakref.ref(made))
        alive.append(sum(ref() is not None for ref in held))
        return made

    held: list[Any] = []
    nodes: dict[str, Any] = {"n0": n("hold", value=0)}
    for i in range(1, 20):
        nodes[f"n{i}"] = n("hold", value=i, before=f"@n{i - 1}.image")
    made = recipe(nodes, {"x": "n19.image"})
    plan = planner(hold).plan(made)
    Executor(planner(hold), NoResults()).run(plan)
    assert max(alive) <= 3


# --- failures -------------------------------------------------------------------------------------------------------


def test_a_failure_blocks_what_depends_on_it_and_nothing_else() -> None:
    #  bad ── after ── later         good ── fine
    ran = run(
        recipe(
            {
                "bad": n("work", name="bad", a=1, fail=True),
                "after": n("work", a="@bad.value"),
                "later": n("work", a="@after.value"),
                "good": n("work"),
                "fine": n("work", a="@good.value", seconds=0.02),
            },
            {"x": "later.value", "y": "fine.value"},
        )
    )
    assert ran.state == "failed"
    assert ran.states == {
        "bad": "failed", "after": "blocked", "later": "blocked", "good": "computed", "fine": "computed",
    }  # fmt: skip
    assert ran.values == {"y": 2}
    (failure,) = ran.outcome.failures
    assert (failure.node, failure.op, failure.message) == ("bad", "t/work@1", "ValueError: bad was told to fail")
    assert failure.inputs == {"name": "'bad'", "a": "1", "fail": "True"}
    assert "raise ValueError" in failure.traceback
    assert [(e.node, e.cause) for e in ran.told(NodeBlocked)] == [("after", "bad"), ("later", "bad")]
    assert [(e.node, e.message) for e in ran.told(NodeFailed)] == [("bad", "ValueError: bad was told to fail")]


def test_every_failed_node_is_reported() -> None:
    nodes = {f"n{i}": n("work", name=f"n{i}", fail=True) for i in range(5)}
    assert sorted(f.node for f in run(recipe(nodes)).outcome.failures) == sorted(nodes)


def test_fail_fast_stops_at_the_first_and_leaves_the_callers_event_alone() -> None:
    nodes = {"bad": n("work", name="bad", fail=True)}
    nodes |= {f"n{i:02}": n("work", name=f"n{i}", seconds=0.01) for i in range(50)}
    cancel = threading.Event()
    ran = run(recipe(nodes), fail_fast=True, workers=1, cancel=cancel)
    assert (ran.state, len(ran.outcome.failures), cancel.is_set()) == ("failed", 1, False)
    assert list(ran.states.values()).count("cancelled") > 40 or ran.states["n00"] == "computed"


def test_a_sweep_finishes_its_first_item_first() -> None:
    #  x[i] → y[i] → z[i]: depth first, so that few values are held and a cancelled sweep has finished items
    nodes = {
        "x": n("work", a=[0, 10, 20, 30], each=["a"]),
        "y": n("work", a="@x.value", each=["a"]),
        "z": n("work", a="@y.value", each=["a"]),
    }
    ran = run(recipe(nodes, {"z": "z.value"}), workers=1)
    assert [event.node for event in ran.told(NodeStarted)] == [f"{name}[{i}]" for i in range(4) for name in "xyz"]


def test_fail_fast_holds_in_sub_workflows_too() -> None:
    #  bad    slow → after
    CALLS.clear()
    nodes = {
        "bad": n("work", name="bad", fail=True),
        "slow": n("work", name="slow", seconds=0.3),
        "after": n("work", name="after", a="@slow.value"),
    }
    body = definition(nodes, {"x": "bad.value", "y": "after.value"})
    ran = run(recipe({"r": n("each_turn", body="b", count=1)}, {"x": "r.x"}, definitions={"b": body}), fail_fast=True)
    assert (ran.state, CALLS["work bad"], CALLS["work after"]) == ("failed", 1, 0)


def test_a_nodes_own_error_is_shown_without_a_traceback() -> None:
    @node("t/picky")
    def picky(value: int) -> int:
        raise NodeError(f"{value} is too small; give at least 10")

    (failure,) = run(recipe({"p": n("picky", value=3)}), picky).outcome.failures
    assert failure == NodeFailure("p", "t/picky@1", "3 is too small; give at least 10", {"value": "3"}, "", True)
    assert str(failure) == "p (t/picky@1): 3 is too small; give at least 10\n  its inputs were\n    value: 3"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
def test_a_base_exception_ends_the_node_not_the_run(error: BaseException) -> None:
    @node("t/quit", device=True)
    def quits(value: int) -> int:
        raise error

    ran = run(recipe({"q": n("quit", value=1), "d": n("device"), "w": n("work")}), quits)
    assert ran.states == {"q": "failed", "d": "computed", "w": "computed"}
    assert ran.outcome.failures[0].message.startswith(type(error).__name__)


def test_an_exception_that_cannot_be_printed() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    @node("t/odd")
    def odd(value: int) -> int:
        raise Odd

    assert run(recipe({"o": n("odd", value=1)}), odd).outcome.failures[0].message == "Odd (it cannot be printed)"


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("text", "its output 'value' does not fit its declaration: expected int, got 'text'"),
        (True, "its output 'value' does not fit its declaration: expected int, got True"),
        (None, "its output 'value' does not fit its declaration: expected int, got None"),
        (1.0, "its output 'value' does not fit its declaration: expected int, got 1.0"),
    ],
)
def test_a_node_that_returns_the_wrong_type(returned: Any, message: str) -> None:
    @node("t/liar")
    def liar(value: int) -> int:
        return returned  # type: ignore[no-any-return]

    ran = run(recipe({"l": n("liar", value=1), "after": n("add", a="@l.value")}), liar)
    assert ran.states == {"l": "failed", "after": "blocked"}
    assert ran.outcome.failures[0].message == message


def test_a_node_that_returns_too_few_outputs() -> None:
    @node("t/short")
    def short(value: int) -> Split:
        return (1,)  # type: ignore[return-value]

    (failure,) = run(recipe({"s": n("short", value=1)}), short).outcome.failures
    assert failure.message == "it returned a tuple of 1, but declares the outputs low, high"


def test_a_picture_of_the_wrong_shape() -> None:
    @node("t/flat")
    def flat(value: int) -> Image:
        return FakeTensor((3, 2, 2), 0)

    (failure,) = run(recipe({"f": n("flat", value=1)}), flat).outcome.failures
    expected = "its output 'image' does not fit its declaration: expected a tensor [B, C, H, W], got shape [3, 2, 2]"
    assert failure.message == expected


# --- inputs that are changed in place -------------------------------------------------------------------------------


@node("t/writes")
def writes(image: Image) -> Image:
    """Writes into its input."""
    image.add_(1.0)
    return image


def test_writing_into_an_input_tensor_fails_and_nobody_sees_the_changed_value() -> None:
    #  p ──┬── bad (writes into it)
    #      └── look (afterwards)
    @node("t/look")
    def look(image: Image, after: float) -> float:
        return float(image.value) + after

    @node("t/wait")
    def wait(seconds: float) -> float:
        time.sleep(seconds)
        return 0.0

    graph = recipe(
        {
            "p": n("picture", value=5.0),
            "bad": n("writes", image="@p.image"),
            "wait": n("wait", seconds=0.1),
            "look": n("look", image="@p.image", after="@wait.value"),
        },
        {"seen": "look.value", "bad": "bad.image"},
    )
    made = planner(writes, look, wait)
    plan = made.plan(graph)
    ran = Ran(plan, Executor(made, NoResults(), workers=4).run(plan), [])
    assert ran.states == {"p": "computed", "bad": "failed", "wait": "computed", "look": "computed"}
    assert ran.value("seen") == 5.0
    assert ran.outcome.failures[0].node == "bad"
    assert ran.outcome.failures[0].message == (
        "its input 'image' was changed in place while it ran; a node must copy what it writes into (x = x.clone()), "
        "because others use the same value"
    )


def test_writing_into_a_tensor_inside_a_structure_fails() -> None:
    @node("t/writes_latent")
    def writes_latent(latent: Latent) -> int:
        latent.samples.add_(1)
        return 1

    ran = run(recipe({"l": n("latent"), "w": n("writes_latent", latent="@l.latent")}), writes_latent)
    assert ran.states == {"l": "computed", "w": "failed"}
    assert "'latent' was changed in place" in ran.outcome.failures[0].message


def test_changing_a_dict_inside_a_structure_fails() -> None:
    @node("t/writes_options")
    def writes_options(sampler: Sampler) -> int:
        sampler.options["eta"] = 2.0
        return 1

    ran = run(recipe({"s": n("sampler", name="x"), "w": n("writes_options", sampler="@s.sampler")}), writes_options)
    assert ran.states == {"s": "computed", "w": "failed"}


def test_lists_and_dicts_are_handed_out_as_copies() -> None:
    @node("t/empties")
    def empties(items: list[int]) -> int:
        count = len(items)
        items.clear()
        return count

    @node("t/empties_nested")
    def empties_nested(table: dict) -> int:  # type: ignore[type-arg]
        table["rows"].clear()
        return 0

    graph = recipe(
        {
            "l": n("listed", count=3),
            "a": n("empties", items="@l.values"),
            "b": n("empties", items="@l.values"),
            "c": n("empties", items=[7, 8]),
            "d": n("empties_nested", table={"rows": [1]}),
            "sum": n("total", items="@l.values"),
        },
        {"l": "l.values", "a": "a.value", "b": "b.value", "c": "c.value", "d": "d.value", "sum": "sum.value"},
    )
    ran = run(graph, empties, empties_nested, workers=1)
    assert ran.values == {"l": [0, 1, 2], "a": 3, "b": 3, "c": 2, "d": 0, "sum": 3}
    literals = {step.id: step.values for step in ran.plan.steps}
    assert (literals["c"], literals["d"]) == ({"items": [7, 8]}, {"table": {"rows": [1]}})


def test_a_copy_may_be_written_into() -> None:
    @node("t/copies")
    def copies(image: Image) -> Image:
        made = image.clone()
        made.add_(1.0)
        return made

    graph = recipe(
        {"p": n("picture", value=1.0), "c": n("copies", image="@p.image"), "b": n("brightness", image="@c.image")}
    )
    assert run(graph, copies).states == {"p": "computed", "c": "computed", "b": "computed"}


def test_real_tensors_count_their_writes() -> None:
    torch = pytest.importorskip("torch")

    @node("t/zeros")
    def zeros(size: int) -> Image:
        return torch.zeros(1, 3, size, size)

    @node("t/crops_and_writes")
    def crops_and_writes(image: Image) -> Image:
        part = image[:, :, :1]
        part += 1
        return part.clone()

    @node("t/inference")
    def inference(image: Image) -> Image:
        with torch.inference_mode():
            return image * 2

    graph = recipe(
        {
            "z": n("zeros", size=2),
            "w": n("crops_and_writes", image="@z.image"),
            "i": n("inference", image="@z.image"),
            "j": n("inference", image="@i.image"),
        }
    )
    ran = run(graph, zeros, crops_and_writes, inference, workers=1)
    assert ran.states["w"] == "failed"
    assert "'image' was changed in place" in ran.outcome.failures[0].message


# --- deadlines and cancelling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["hangs", "hangs_on_device"])
def test_a_node_past_its_deadline_is_left_behind(op: str) -> None:
    release = threading.Event()

    @node("t/hangs")
    def hangs(value: int) -> int:
        release.wait(20)
        called("came back")
        return 1

    @node("t/hangs_on_device", device=True)
    def hangs_on_device(value: int) -> int:
        release.wait(20)
        called("came back")
        return 1

    nodes = {
        "h": n(op, value=1),
        "after": n("add", a="@h.value"),
        "d1": n("device"),
        "d2": n("device", a="@d1.value"),
        "w1": n("work"),
        "w2": n("work", a="@w1.value"),
    }
    begun = time.perf_counter()
    ran = run(recipe(nodes), hangs, hangs_on_device, deadline=0.3, workers=1)
    assert time.perf_counter() - begun < 5
    assert ran.states == {
        "h": "failed", "after": "blocked", "d1": "computed", "d2": "computed", "w1": "computed", "w2": "computed",
    }  # fmt: skip
    (failure,) = ran.outcome.failures
    assert (failure.node, failure.message) == ("h", "it took longer than its deadline of 0.3 s")
    told = len(ran.events)
    release.set()
    for _ in range(200):
        if CALLS["came back"]:
            break
        time.sleep(0.005)
    time.sleep(0.02)
    assert (CALLS["came back"], len(ran.events)) == (1, told), "it comes back to nothing"


def test_a_node_past_its_deadline_stops_when_it_next_asks() -> None:
    stopped = threading.Event()

    @node("t/steps")
    def steps(value: int, *, ctx: Context) -> int:
        try:
            for i in range(1000):
                time.sleep(0.01)
                ctx.progress(i, 1000)
        finally:
            stopped.set()
        return 1

    ran = run(recipe({"s": n("steps", value=1)}), steps, deadline=0.1)
    assert ran.states == {"s": "failed"}
    assert stopped.wait(2)
    assert ran.events[-1] == ran.told(RunFinished)[0], "nothing is told after the end"


def test_waiting_for_the_device_does_not_count_for_the_deadline() -> None:
    gate = DeviceGate()
    gate.enter("another run")
    threading.Timer(0.4, gate.leave, ("another run",)).start()
    assert run(recipe({"d": n("device")}), deadline=0.2, device_gate=gate).states == {"d": "computed"}


def test_control_flow_may_take_longer_than_a_nodes_deadline() -> None:
    graph = recipe(
        {"loop": n("each_turn", body="turn", count=6, x=0)},
        {"x": "loop.x"},
        definitions={"turn": definition({"w": n("work", seconds=0.1)}, {"x": "w.value"}, x="w.a")},
    )
    ran = run(graph, deadline=0.4)
    assert (ran.state, ran.value("x")) == ("completed", 6)


def test_cancelling_in_the_middle() -> None:
    cancel = threading.Event()

    @node("t/cancels")
    def cancels(a: int, *, ctx: Context) -> int:
        ctx.progress(1, 3)
        cancel.set()
        ctx.progress(2, 3)
        raise AssertionError("it goes on after cancelling")

    graph = recipe({"a": n("number", value=1), "c": n("cancels", a="@a.value"), "d": n("add", a="@c.value")})
    ran = run(graph, cancels, cancel=cancel)
    assert (ran.state, ran.outcome.failures) == ("cancelled", [])
    assert ran.states == {"a": "computed", "c": "cancelled", "d": "cancelled"}
    assert len(ran.told(NodeProgress)) == 1


def test_cancelling_before_the_start() -> None:
    cancel = threading.Event()
    cancel.set()
    ran = run(recipe({"a": n("work", name="a"), "b": n("work", a="@a.value")}), cancel=cancel)
    assert (ran.state, ran.states) == ("cancelled", {"a": "cancelled", "b": "cancelled"})
    assert not CALLS


def test_what_is_finished_when_cancel_comes_is_completed() -> None:
    cancel = threading.Event()
    graph = recipe({"a": n("work", name="a")}, {"x": "a.value"})
    results = Memory()
    run(graph, results=results)
    cancel.set()
    assert run(graph, results=results, cancel=cancel).state == "completed"


def test_a_cancelled_run_goes_on_from_what_was_finished() -> None:
    results, cancel = Memory(), threading.Event()
    nodes = chain(5)
    nodes["n2"] = n("work", a="@n1.value", name="n2")

    @node("t/cancels_once")
    def cancels_once(a: int, *, ctx: Context) -> int:
        if CALLS["cancelled"] == 0:
            called("cancelled")
            cancel.set()
        ctx.check()
        return a

    nodes["n3"] = n("cancels_once", a="@n2.value")
    graph = recipe(nodes, {"x": "n4.value"})
    assert run(graph, cancels_once, results=results, cancel=cancel).state == "cancelled"
    again = run(graph, cancels_once, results=results)
    assert (again.state, again.states["n2"], CALLS["work n2"]) == ("completed", "cached", 1)


# --- lazy inputs ----------------------------------------------------------------------------------------------------


def choice(condition: bool, **more: Any) -> dict[str, Any]:
    #          ┌── yes ──┐
    #  up ─────┤         ├── s
    #          └── no ───┘
    return {
        "up": n("work", name="up"),
        "yes": n("work", name="yes", a="@up.value"),
        "no": n("work", name="no", a="@up.value", b=10),
        "s": n("switch", condition=condition, on_true="@yes.value", on_false="@no.value"),
        **more,
    }


@pytest.mark.parametrize(("condition", "ran_too", "left", "value"), [(True, "yes", "no", 2), (False, "no", "yes", 12)])
def test_a_switch_evaluates_one_branch(condition: bool, ran_too: str, left: str, value: int) -> None:
    ran = run(recipe(choice(condition), {"x": "s.value"}))
    assert ran.value("x") == value
    assert ran.states == {"up": "computed", ran_too: "computed", left: "pending", "s": "computed"}
    assert [event.node for event in ran.told(NodeStarted)].count("s") == 1


@pytest.mark.parametrize("keep", [True, False])
def test_branches_share_an_upstream_that_was_used_long_before(keep: bool) -> None:
    #  up ── first (finished early) ; the switch asks late for a branch that needs up again
    nodes = choice(True, first=n("work", name="first", a="@up.value"))
    nodes["late"] = n("truth", value=True)
    nodes["s"] = n("switch", condition="@gate.value", on_true="@yes.value", on_false="@no.value")

    @node("t/gate")
    def gate(after: int) -> bool:
        time.sleep(0.03)
        return True

    nodes["gate"] = n("gate", after="@first.value")
    graph = recipe(nodes, {"x": "s.value", "first": "first.value"})
    made = planner(gate)
    plan = made.plan(graph)
    outcome = Executor(made, Memory() if keep else NoResults()).run(plan)
    assert Ran(plan, outcome, []).values == {"x": 2, "first": 2}
    assert CALLS["work up"] == 1, "a value that a lazy input may still need is held"


def test_a_written_value_at_a_lazy_input_is_asked_for_like_any_other() -> None:
    graph = recipe(
        {"a": n("work", name="a"), "s": n("switch", condition=False, on_true="@a.value", on_false=7)}, {"x": "s.value"}
    )
    ran = run(graph)
    assert (ran.value("x"), ran.states) == (7, {"a": "pending", "s": "computed"})


def test_a_cached_branch() -> None:
    results = Memory()
    run(recipe(choice(True), {"x": "yes.value"}), results=results)
    CALLS.clear()
    ran = run(recipe(choice(True), {"x": "s.value"}), results=results)
    assert (ran.value("x"), ran.states["yes"], dict(CALLS)) == (2, "cached", {"switch": 2})


def test_a_cached_branch_that_cannot_be_read() -> None:
    results = Memory()
    first = run(recipe(choice(True), {"x": "yes.value"}), results=results)
    results.bad |= {step.key for step in first.plan.steps}
    ran = run(recipe(choice(True), {"x": "s.value"}), results=results)
    assert (ran.value("x"), ran.states["yes"], ran.states["up"]) == (2, "computed", "computed")


def test_a_failing_branch_blocks_the_switch_that_asks_for_it() -> None:
    nodes = choice(True)
    nodes["yes"]["values"]["fail"] = True
    ran = run(recipe(nodes, {"x": "s.value"}))
    assert ran.states == {"up": "computed", "yes": "failed", "no": "pending", "s": "blocked"}
    assert [(e.node, e.cause) for e in ran.told(NodeBlocked)] == [("s", "yes")]
    assert run(recipe(choice(False) | {"yes": nodes["yes"]}, {"x": "s.value"})).state == "completed"


def test_a_failed_branch_that_was_computed_before_blocks_too() -> None:
    nodes = choice(True)
    nodes["yes"]["values"]["fail"] = True
    nodes["s"] = n("switch", condition="@wait.value", on_true="@yes.value", on_false="@no.value")

    @node("t/slow_truth")
    def slow_truth(seconds: float) -> bool:
        time.sleep(seconds)
        return True

    nodes["wait"] = n("slow_truth", seconds=0.05)
    ran = run(recipe(nodes, {"x": "s.value", "y": "yes.value"}), slow_truth)
    assert (ran.states["yes"], ran.states["s"]) == ("failed", "blocked")


def test_a_chain_of_two_thousand_switches_needs_no_thread_each() -> None:
    nodes: dict[str, Any] = {"s0": n("number", value=5)}
    for i in range(1, 2000):
        nodes[f"s{i}"] = n("switch", condition=True, on_true=f"@s{i - 1}.value", on_false=0)
    threads = threading.active_count()
    ran = run(recipe(nodes, {"x": "s1999.value"}))
    assert ran.value("x") == 5
    assert threading.active_count() - threads < 20


# --- control flow ---------------------------------------------------------------------------------------------------


TURN = {"turn": definition({"w": n("work", name="w")}, {"x": "w.value"}, x="w.a")}


def test_a_loop_caches_each_turn_by_its_own_key() -> None:
    results = Memory()

    def looped(count: int) -> Ran:
        graph = recipe({"loop": n("each_turn", body="turn", count=count, x=0)}, {"x": "loop.x"}, definitions=TURN)
        return run(graph, results=results)

    assert (looped(3).value("x"), CALLS["work w"]) == (3, 3)
    assert (looped(5).value("x"), CALLS["work w"]) == (5, 5), "a longer loop repeats nothing"
    assert (looped(5).states["loop"], CALLS["work w"]) == ("cached", 5)
    nodes = [event.node for event in looped(6).told(NodeFinished)]
    assert nodes == ["loop/w"] * 6 + ["loop"]


def test_a_failure_inside_a_loop_names_the_inner_node() -> None:
    inner = definition({"w": n("work", name="w", fail=True)}, {"x": "w.value"}, x="w.a")
    graph = recipe(
        {"loop": n("each_turn", body="turn", count=3, x=0), "after": n("add", a="@loop.x")},
        {"x": "after.value"},
        definitions={"turn": inner},
    )
    ran = run(graph)
    assert ran.states == {"loop": "failed", "after": "blocked"}
    assert [(f.node, f.message) for f in ran.outcome.failures] == [
        ("loop/w", "ValueError: w was told to fail"),
        ("loop", "its sub-workflow 'turn' failed at loop/w"),
    ]


def test_cancelling_inside_a_loop() -> None:
    cancel = threading.Event()

    @node("t/cancels_at")
    def cancels_at(a: int) -> int:
        if a == 2:
            cancel.set()
        return a + 1

    graph = recipe(
        {"loop": n("each_turn", body="turn", count=100, x=0)},
        {"x": "loop.x"},
        definitions={"turn": definition({"w": n("cancels_at")}, {"x": "w.value"}, x="w.a")},
    )
    ran = run(graph, cancels_at, cancel=cancel)
    assert (ran.state, ran.states, ran.outcome.failures) == ("cancelled", {"loop": "cancelled"}, [])


def test_warnings_inside_a_loop_are_kept() -> None:
    @node("t/warns")
    def warns(a: int, *, ctx: Context) -> int:
        ctx.warn(f"{a} is odd") if a % 2 else None
        return a + 1

    graph = recipe(
        {"loop": n("each_turn", body="turn", count=2, x=0)},
        definitions={"turn": definition({"w": n("warns")}, {"x": "w.value"}, x="w.a")},
    )
    assert run(graph, warns).outcome.warnings == [("loop/w", "1 is odd")]


def test_a_body_that_passes_an_input_through() -> None:
    body = definition({"s": n("add", a=0, b=1, mode="bypassed")}, {"x": "s.value"}, x="s.a")
    graph = recipe({"loop": n("each_turn", body="turn", count=2, x=7)}, {"x": "loop.x"}, definitions={"turn": body})
    assert run(graph).value("x") == 7


def test_many_loops_at_once_take_few_threads() -> None:
    nodes = {f"l{i}": n("each_turn", body="turn", count=2, x=i) for i in range(100)}
    before = threading.active_count()
    most = 0

    def watch(event: Any) -> None:
        nonlocal most
        most = max(most, threading.active_count() - before)

    assert run(recipe(nodes, definitions=TURN), on_event=watch).state == "completed"
    assert most < 200


# --- async nodes, lanes, lifecycles, listeners ----------------------------------------------------------------------


@node("t/sleeps")
async def sleeps(a: int, seconds: float = 0.05) -> int:
    await asyncio.sleep(seconds)
    return a + 1


def test_async_nodes_wait_together() -> None:
    nodes = {f"n{i}": n("sleeps", a=i, seconds=0.2) for i in range(40)}
    nodes["sum"] = n("total", items=[f"@n{i}.value" for i in range(40)])
    begun = time.perf_counter()
    ran = run(recipe(nodes, {"sum": "sum.value"}), sleeps, workers=1)
    assert ran.value("sum") == sum(range(1, 41))
    assert time.perf_counter() - begun < 4, "not 40 × 0.2 s"


def test_an_async_node_is_cancelled_where_it_waits() -> None:
    cancel = threading.Event()
    threading.Timer(0.1, cancel.set).start()
    begun = time.perf_counter()
    ran = run(recipe({"a": n("sleeps", a=1, seconds=30.0)}), sleeps, cancel=cancel)
    assert (ran.state, time.perf_counter() - begun < 5) == ("cancelled", True)


def test_an_async_node_past_its_deadline() -> None:
    ran = run(recipe({"a": n("sleeps", a=1, seconds=30.0), "b": n("sleeps", a=1)}), sleeps, deadline=0.3)
    assert ran.states == {"a": "failed", "b": "computed"}


def test_the_device_takes_one_node_at_a_time_also_of_two_runs() -> None:
    gate = DeviceGate()
    graph = recipe({f"d{i}": n("device", a=i, seconds=0.01) for i in range(6)})
    other = threading.Thread(target=run, args=(graph,), kwargs={"device_gate": gate})
    other.start()
    assert run(graph, device_gate=gate).state == "completed"
    other.join()
    assert CALLS["at once on the device"] == 1


def test_the_cpu_lane_has_as_many_threads_as_it_is_given() -> None:
    busy, most, lock = 0, 0, threading.Lock()

    @node("t/busy")
    def busy_node(a: int) -> int:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.03)
        with lock:
            busy -= 1
        return a

    run(recipe({f"n{i}": n("busy", a=i) for i in range(12)}), busy_node, workers=3)
    assert 2 <= most <= 3


class Notes:
    """A lifecycle that writes down what it is told, and may fail."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.told: list[Any] = []

    def after(self, step: Step, outputs: dict[str, Any], seconds: float, cached: bool) -> None:
        self.told.append((step.id, outputs, cached))
        if self.fails == "after":
            raise OSError("the disk is full")

    def failed(self, step: Step, failure: NodeFailure) -> None:
        self.told.append((step.id, failure.message))
        if self.fails == "failed":
            raise OSError("the disk is full")


def test_lifecycles_are_told_once_of_each_step() -> None:
    results, notes = Memory(), Notes()
    graph = recipe({"a": n("number", value=1), "b": n("work", name="b", fail=True)})
    run(graph, results=results, lifecycles=[notes])
    assert sorted(notes.told) == [("a", {"value": 1}, False), ("b", "ValueError: b was told to fail")]
    notes = Notes()
    run(recipe({"a": n("number", value=1)}), results=results, lifecycles=[notes])
    assert notes.told == [("a", {"value": 1}, True)]


def test_lifecycles_are_told_once_although_another_target_is_read_again() -> None:
    results, notes = Memory(), Notes()
    graph = recipe({"a": n("number", value=1), "b": n("number", value=2)})
    keys = {step.id: step.key for step in run(graph, results=results).plan.steps}
    results.bad.add(keys["b"])
    run(graph, results=results, lifecycles=[notes])
    assert sorted(notes.told) == [("a", {"value": 1}, True), ("b", {"value": 2}, False)]


@pytest.mark.parametrize("cached", [False, True])
def test_a_lifecycle_that_fails_fails_the_step(cached: bool) -> None:
    graph = recipe({"a": n("number", value=1)}, {"x": "a.value"})
    results = Memory()
    if cached:
        run(graph, results=results)
    ran = run(graph, results=results, lifecycles=[Notes(fails="after")])
    assert (ran.state, ran.states) == ("failed", {"a": "failed"})
    assert ran.outcome.failures[0].message == "OSError: the disk is full"


def test_a_lifecycle_that_fails_to_hear_of_a_failure_is_a_warning() -> None:
    ran = run(recipe({"b": n("work", name="b", fail=True)}), lifecycles=[Notes(fails="failed")])
    assert ran.states == {"b": "failed"}
    assert ran.outcome.warnings == [("b", "Notes was not told of its failure: OSError: the disk is full")]


@pytest.mark.parametrize("at", range(1, 7))
def test_a_listener_that_raises_is_told_no_more_and_the_run_goes_on(at: int) -> None:
    seen: list[Any] = []

    def listen(event: Any) -> None:
        seen.append(event)
        if event.seq == at:
            raise RuntimeError("the terminal is gone")

    ran = run(recipe({"a": n("number", value=1), "b": n("add", a="@a.value")}, {"x": "b.value"}), on_event=listen)
    assert (ran.state, ran.value("x"), len(seen)) == ("completed", 2, at)
    told = [text for _, text in ran.outcome.warnings]
    expected = ["nobody was told the rest of the events: RuntimeError: the terminal is gone"]
    assert told == (expected if at < 6 else [])


def test_threads_end_with_the_run() -> None:
    before = threading.active_count()
    for _ in range(5):
        run(recipe({f"n{i}": n("work", a=i) for i in range(20)}), workers=8)
        run(recipe({"a": n("sleeps", a=1, seconds=0.0)}), sleeps)
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.01)
    assert threading.active_count() <= before


# --- races: any graph, any timing, against a sequential model -------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """Random DAGs of nodes that take their time and may fail; some are switches."""
    size = draw(st.integers(1, 12))
    nodes: dict[str, dict[str, Any]] = {}
    for i in range(size):
        kind = draw(st.sampled_from(["work"] * 4 + ["switch"])) if i else "work"
        name = f"n{i}"
        sources = [f"@n{draw(st.integers(0, i - 1))}.value" for _ in range(draw(st.integers(0, 3)))] if i else []
        if kind == "switch" and len(sources) >= 2:
            nodes[name] = n("switch", condition=draw(st.booleans()), on_true=sources[0], on_false=sources[1])
        else:
            seconds = draw(st.sampled_from([0.0, 0.0, 0.0, 0.0005, 0.002]))
            fail = draw(st.integers(0, 9)) == 0
            nodes[name] = n("work", name=name, seconds=seconds, fail=fail, **dict(zip("abc", sources, strict=False)))
    return nodes


def model(nodes: dict[str, dict[str, Any]], wanted: list[str]) -> tuple[dict[str, str], dict[str, int]]:
    """What a sequential evaluation gives: states and values by node."""
    states, values = dict.fromkeys(nodes, "pending"), {}

    def visit(name: str) -> str:
        if states[name] == "pending":
            links = {port: link.partition(".")[0] for port, link in nodes[name]["links"].items()}
            given = nodes[name]["values"]
            if "condition" in given:
                chosen = links["on_true"] if given["condition"] else links["on_false"]
                good = visit(chosen) == "computed"
                states[name] = "computed" if good else "blocked"
                if good:
                    values[name] = values[chosen]
            elif {"computed"} != {visit(source) for source in links.values()} | {"computed"}:
                states[name] = "blocked"
            elif given["fail"]:
                states[name] = "failed"
            else:
                states[name] = "computed"
                values[name] = sum(values[source] for source in links.values()) + 1
        return states[name]

    for name in wanted:
        visit(name)
    return states, values


@settings(max_examples=200)
@given(graphs(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_parallel_is_serial_and_cached_is_computed(nodes: dict[str, Any], workers: int, random: Any) -> None:
    wanted = sorted(random.sample(sorted(nodes), random.randint(1, len(nodes))))
    graph = recipe(nodes, {name: f"{name}.value" for name in wanted})
    states, values = model(nodes, wanted)
    results = Memory()
    ran = run(graph, results=results, workers=workers)
    kept = {name: states[name] for name in ran.states}
    assert ran.states == kept
    assert ran.values == {name: values[name] for name in wanted if name in values}
    assert ran.state == ("failed" if "failed" in kept.values() else "completed")
    assert sorted(event.seq for event in ran.events) == [event.seq for event in ran.events]

    CALLS.clear()
    stored = {step.id for step in ran.plan.steps if step.key in results.kept}
    bad = {key for key in results.kept if random.random() < 0.3}
    results.bad = set(bad)
    again = run(graph, results=results, workers=workers)
    assert again.values == ran.values
    if not bad:
        assert not [name for name in stored if CALLS[f"work {name}"]]


@settings(max_examples=40)
@given(graphs(), st.integers(1, 4), st.floats(0, 0.01))
def test_cancelling_at_any_time_ends_the_run_and_loses_nothing(
    nodes: dict[str, Any], workers: int, after: float
) -> None:
    graph = recipe(nodes, {name: f"{name}.value" for name in nodes})
    cancel, results = threading.Event(), Memory()
    timer = threading.Timer(after, cancel.set)
    timer.start()
    ran = run(graph, results=results, workers=workers, cancel=cancel)
    timer.join()
    assert ran.state in ("completed", "failed", "cancelled")
    assert not set(ran.states.values()) & {"waiting", "ready", "running"}
    again = run(graph, results=results)
    _, values = model(nodes, list(nodes))
    assert again.values == values
