"""Plans: pruned, in order, complete; and the exports that are added to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from nodeflow.executor import STATES, Executor
from nodeflow.export import export
from nodeflow.files import Files
from nodeflow.planner import Planner, with_exports
from nodeflow.registry import Catalogue, Pack
from tests.packs_for_tests import Memory, catalogue, keys, n, planner, recipe, refused, run
from tests.strategies import sums


def test_steps_know_what_they_need() -> None:
    #  a ── s ── sum          c is asked for only if the switch wants it
    #   ╲ c ─╱
    plan = planner().plan(
        recipe(
            {
                "a": n("number", value=1),
                "c": n("add", a="@a.value"),
                "s": n("switch", condition=True, on_true="@a.value", on_false="@c.value"),
                "sum": n("total", items=["@s.value", "@a.value", "@s.value"]),
                "lost": n("add", a="@a.value"),
            },
            {"x": "sum.value"},
        )
    )
    assert [(step.id, step.needs, step.on_demand) for step in plan.steps] == [
        ("a", (), ()),
        ("c", (0,), ()),
        ("s", (), (0, 1)),
        ("sum", (2, 0), ()),
    ]
    assert (plan.targets, list(plan.outputs), [w.place for w in plan.warnings]) == ([3], ["x"], ["nodes.lost"])


@given(sums())
def test_every_step_follows_what_feeds_it(graph: dict[str, dict[str, object]]) -> None:
    for step in planner().plan(recipe(graph)).steps:
        assert all(need < step.index for need in (*step.needs, *step.on_demand))


@given(sums())
def test_the_same_recipe_is_the_same_plan(graph: dict[str, dict[str, object]]) -> None:
    assert keys(recipe(graph)) == keys(recipe(graph))


def test_a_file_that_is_gone_between_checking_and_planning(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()

    def gone(path: Path) -> str:
        raise FileNotFoundError(2, "No such file or directory")

    made = planner(files=Files((), (tmp_path,), gone))
    (found,) = refused(lambda: made.plan(recipe({"r": n("read", file="a.txt")})))
    assert (found.code, found.place) == ("NF302", "nodes.r.values.file")


def exporting() -> Planner:
    packs = [*catalogue().packs.values(), Pack("engine", "nodeflow.export", ops={"engine/export": export})]
    return Planner(Catalogue(packs), Files(), "cpu")


@pytest.mark.parametrize("values", [True, False])
def test_exports_are_steps_of_their_own(values: bool) -> None:
    graph = recipe(
        {"a": n("number", value=1), "b": n("work", name="b", a="@a.value"), "c": n("add", a=5, mode="bypassed")},
        {"x": "b.value", "c": "c.value"},
    )
    made, results = exporting(), Memory()
    plan, exports = with_exports(made.plan(graph), made, export, values=values)
    assert [step.id for step in plan.steps] == ["a", "b", "export:x", "export:c"]
    outcome = Executor(made, results).run(plan)
    assert {name: outcome.values[index]["artefacts"][0].media for name, index in exports.items()} == {
        "x": "application/json",
        "c": "application/json",
    }
    again = Executor(made, results).run(plan)
    wanted = ["pending", "cached" if values else "pending", "cached", "cached"]
    assert [STATES[state] for state in again.states] == wanted


def test_one_target_need_not_be_a_list() -> None:
    graph = recipe({"a": n("number", value=1), "b": n("number", value=2)}, {"first": "a.value", "second": "b.value"})
    assert [step.id for step in planner().plan(graph, targets="second").steps] == ["b"]


def test_a_plan_may_be_run_again_and_at_once() -> None:
    graph = recipe({"l": n("listed", count=3), "s": n("total", items="@l.values")}, {"s": "s.value"})
    made = planner()
    plan = made.plan(graph)
    executor = Executor(made)
    assert [executor.run(plan).output(plan.outputs["s"]) for _ in range(3)] == [3, 3, 3]
    assert run(graph).values == {"s": 3}
