"""What a plan uses, with the sub-workflows that its nodes run, found in time however often they run each other."""

from __future__ import annotations

from typing import Any

import pytest

from nodeflow.share.survey import every_step, unrepeatable
from nodeflow.steps import Plan
from tests.packs_for_tests import definition, n, planner, recipe, refused


def nested(depth: int, deepest: str) -> Plan:
    """A node that runs d, which runs all of d-1, d-2, ..., d0, which run each other: 2^depth ways down to d0."""

    def level(i: int) -> dict[str, Any]:
        turns = {f"t{j}": n("each_turn", body=f"d{j}", count=1, v="@x.value") for j in range(i)}
        return definition({"x": n("add"), **turns}, {f"v{j}": f"t{j}.v" for j in range(i)} | {"v": "x.value"}, v="x.a")

    end = definition({"x": n("add"), "y": n(deepest)}, {"v": "x.value", "w": "y.value"}, v="x.a")
    definitions = {"d0": end, **{f"d{i}": level(i) for i in range(1, depth + 1)}}
    nodes = {"r": n("each_turn", body=f"d{depth}", count=1, v=1), "s": n("add", a="@r.v")}
    return planner().plan(recipe(nodes, {"v": "s.value"}, definitions=definitions))


def test_every_step_is_told_with_its_way() -> None:
    names = [name for name, _ in every_step(planner(), nested(2, "real"))]
    assert names == [
        "r", "r/x", "r/t0", "r/t0/x", "r/t0/y", "r/t1", "r/t1/x", "r/t1/t0", "r/t1/t0/x", "r/t1/t0/y", "s",
    ]  # fmt: skip


def test_too_many_steps_are_refused() -> None:
    plan = nested(25, "real")
    (problem,) = refused(lambda: list(every_step(planner(), plan)))
    assert (problem.code, problem.message) == ("NF115", "more than 200,000 nodes with those of bodies")


@pytest.mark.parametrize(("deepest", "found"), [("real", set()), ("random", {0, 1})])
def test_what_reads_the_outside_world_deep_down_cannot_be_repeated(deepest: str, found: set[int]) -> None:
    assert unrepeatable(planner(), nested(25, deepest)) == found
