"""From events to the nodes that people see: sub-workflows, mapped nodes, loops, exports, and what was not needed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from nodeflow.events import NodeFinished, NodePreview, NodeProgress, NodeStarted, RunStarted
from nodeflow.executor import Executor
from nodeflow.op import Context, node
from nodeflow.server.previews import Throttle, encoded
from nodeflow.server.reporting import joined
from nodeflow.server.tracker import Tracker
from tests.packs_for_tests import Memory, definition, n, planner, recipe


@node("t/shows")
def shows(a: int = 0, steps: int = 3, *, ctx: Context) -> int:
    """Reports its progress and shows pictures."""
    for step in range(steps):
        ctx.progress(step + 1, steps, "going")
        ctx.preview(b"\xff\xd8\xff picture")
    ctx.warn("mind the gap")
    return a + 1


def track(workflow: Any, results: Memory | None = None, **options: Any) -> tuple[Tracker, list[dict[str, Any]], Any]:
    """The tracker after a run, what it told after each event, and the outcome."""
    made = planner(shows)
    plan = made.plan(workflow)
    tracker = Tracker(plan)
    told: list[dict[str, Any]] = []

    def take(event: Any) -> None:
        if not isinstance(event, NodePreview):
            tracker.take(event)
            told.append(tracker.drain())

    outcome = Executor(made, results or Memory(), workers=1).run(plan, on_event=take, **options)
    tracker.close(outcome)
    return tracker, told, outcome


def states(tracker: Tracker) -> dict[str, str]:
    return {path: status["state"] for path, status in tracker.statuses().items()}


def test_plain_nodes() -> None:
    tracker, told, _ = track(recipe({"a": n("number", value=1), "b": n("shows", a="@a.value")}, {"x": "b.value"}))
    assert states(tracker) == {"a": "done", "b": "done"}
    status = tracker.statuses()["b"]
    assert (status["done"], status["total"], status["warnings"]) == (3, 3, ["mind the gap"])
    progress = [t["b"] for t in told if "b" in t]
    assert [(p["state"], p.get("done", 0)) for p in progress] == [
        ("running", 0), ("running", 1), ("running", 2), ("running", 3), ("running", 3), ("done", 3)
    ]  # fmt: skip
    assert tracker.finished_steps == tracker.steps == 2


def test_a_mapped_node_counts_its_items() -> None:
    document = recipe({"many": n("shows", a=[1, 2, 3, 4], each=["a"]), "sum": n("total", items="@many.value")})
    tracker, told, _ = track(document)
    status = tracker.statuses()["many"]
    assert (status["state"], status["done"], status["total"]) == ("done", 4, 4)
    shown = [t["many"] for t in told if "many" in t]
    assert all(one["state"] == "running" for one in shown[:-1])
    assert {one.get("done", 0) for one in shown} == {0, 1, 2, 3, 4}
    assert "1/3 going" in {one.get("text", "") for one in shown}


def test_nodes_of_a_sub_workflow_count_for_it_and_for_themselves() -> None:
    inner = definition({"x": n("number", value=1), "y": n("add", a="@x.value")}, {"out": "y.value"}, seed="x.value")
    document = recipe({"s": n("workflow:inner", seed=3)}, {"out": "s.out"}, definitions={"inner": inner})
    tracker, _, _ = track(document)
    assert states(tracker) == {"s": "done", "s/x": "done", "s/y": "done"}
    assert (tracker.statuses()["s"]["done"], tracker.statuses()["s"]["total"]) == (2, 2)
    assert (tracker.root("s/y"), tracker.path("s/y")) == ("s", "s/y")


def test_a_loop_has_a_state_of_its_own_and_so_have_the_nodes_it_runs() -> None:
    turn = definition({"x": n("shows", steps=2)}, {"a": "x.value"}, a="x.a")
    document = recipe(
        {"loop": n("each_turn", body="turn", count=3, a=1)}, {"out": "loop.a"}, definitions={"turn": turn}
    )
    tracker, told, _ = track(document)
    assert states(tracker) == {"loop": "done", "loop/x": "done"}
    inner = [t["loop/x"]["state"] for t in told if "loop/x" in t]
    assert inner.count("done") == 3
    assert tracker.finished_steps == 1
    assert all(t["loop"]["state"] == "running" for t in told[:-2] if "loop" in t)


def test_a_failure_blocks_and_says_why() -> None:
    document = recipe(
        {
            "bad": n("work", name="bad", fail=True),
            "after": n("add", a="@bad.value"),
            "other": n("number", value=1),
        }
    )
    tracker, _, outcome = track(document)
    assert outcome.state == "failed"
    assert states(tracker) == {"bad": "failed", "after": "blocked", "other": "done"}
    assert "bad was told to fail" in tracker.statuses()["bad"]["message"]
    assert tracker.statuses()["after"]["message"] == "it needs bad, which failed"


def test_what_a_cached_result_made_unnecessary_counts_as_cached() -> None:
    results = Memory()
    document = recipe({"a": n("number", value=5), "b": n("add", a="@a.value")}, {"x": "b.value"})
    first, _, _ = track(document, results)
    again, _, _ = track(document, results)
    assert states(first) == {"a": "done", "b": "done"}
    assert states(again) == {"a": "cached", "b": "cached"}
    assert (again.cached_steps, again.finished_steps, again.steps) == (2, 2, 2)


def test_the_branch_that_was_not_chosen_stays_pending() -> None:
    document = recipe(
        {
            "yes": n("number", value=1),
            "no": n("number", value=2),
            "which": n("switch", condition=True, on_true="@yes.value", on_false="@no.value"),
        },
        {"x": "which.value"},
    )
    tracker, _, _ = track(document)
    assert states(tracker) == {"yes": "done", "no": "pending", "which": "done"}


def test_what_was_begun_when_the_run_stopped_is_cancelled() -> None:
    made = planner(shows)
    plan = made.plan(recipe({"a": n("number", value=1), "b": n("shows", a="@a.value")}, {"x": "b.value"}))
    tracker = Tracker(plan)
    for event in (
        RunStarted(1, "r", 2, 0), NodeStarted(2, "a", "t/number"), NodeFinished(3, "a", False, 0.1),
        NodeStarted(4, "b", "t/shows"), NodeProgress(5, "b", 1, 3, "")
    ):  # fmt: skip
        tracker.take(event)
    tracker.close(None)
    assert states(tracker) == {"a": "done", "b": "cancelled"}


def test_an_event_costs_the_same_in_a_large_recipe() -> None:
    def cost(count: int) -> float:
        nodes = {f"n{i}": n("number", value=i) for i in range(count)}
        tracker = Tracker(planner().plan(recipe(nodes)))
        begun = time.perf_counter()
        for i in range(count):
            tracker.take(NodeStarted(2 * i, f"n{i}", "t/number"))
            tracker.take(NodeFinished(2 * i + 1, f"n{i}", False, 0.1))
            tracker.drain()
        return (time.perf_counter() - begun) / count

    small = min(cost(100) for _ in range(10))
    assert cost(5000) < 4 * small + 20e-6


def test_pieces_of_text_are_joined() -> None:
    assert joined([("a", "x"), ("a", "y"), ("b", "z"), ("a", "w")]) == [("a", "xy"), ("b", "z"), ("a", "w")]


# --- previews --------------------------------------------------------------------------------------------------------


def test_a_node_s_previews_are_throttled_and_other_nodes_are_not_held_up() -> None:
    throttle = Throttle(60.0)
    assert [throttle("a"), throttle("a"), throttle("b")] == [True, False, True]


def test_pictures_are_encoded_small() -> None:
    torch = pytest.importorskip("torch")
    import io

    from PIL import Image

    for shape, media, size in (
        ((2, 3, 16, 12), "image/webp", (12, 16)),
        ((3, 600, 1200), "image/jpeg", (512, 256)),
        ((1, 100, 100), "image/jpeg", (100, 100)),
    ):
        found = encoded(torch.rand(shape))
        assert found is not None
        assert found[0] == media
        assert Image.open(io.BytesIO(found[1])).size == size
    assert encoded(b"\xff\xd8\xff whatever") == ("image/jpeg", b"\xff\xd8\xff whatever")
    assert encoded(b"<svg onload=alert(1)>") is None, "only pictures that a browser decodes as such"
    assert encoded(torch.rand(5)) is None
    assert encoded("text") is None
