"""Expansion: mapped nodes, sub-workflows, muted and bypassed nodes give the plans that one would write by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.keys import Const
from nodeflow.workflow import Workflow
from tests.packs_for_tests import Memory, definition, keys, n, planner, problems, recipe, refused, run
from tests.strategies import sums


def same_plan(written: Workflow, by_hand: Workflow) -> None:
    """Both compute the same, step by step."""
    assert sorted(keys(written).values()) == sorted(keys(by_hand).values())
    assert run(written).values == run(by_hand).values


def test_each_is_one_node_per_item() -> None:
    #  x[i] = add(i, 10)    s = total(x)
    mapped = recipe(
        {"x": n("add", a=[1, 2, 3], b=10, each=["a"]), "s": n("total", items="@x.value")},
        {"s": "s.value", "x": "x.value"},
    )
    by_hand = recipe(
        {
            **{f"x{i}": n("add", a=i, b=10) for i in (1, 2, 3)},
            "s": n("total", items=["@x1.value", "@x2.value", "@x3.value"]),
        },
        {"s": "s.value"},
    )
    assert sorted(keys(mapped).values()) == sorted(keys(by_hand).values())
    assert run(mapped).values == {"s": 36, "x": [11, 12, 13]}
    assert [step.id for step in planner().plan(mapped).steps] == ["x[0]", "x[1]", "x[2]", "s"]


def test_each_walks_several_together_and_links_too() -> None:
    mapped = recipe(
        {"a": n("number", value=5), "x": n("add", a=["@a.value", "@a.value"], b=[1, 2], each=["a", "b"])},
        {"x": "x.value"},
    )
    assert run(mapped).values == {"x": [6, 7]}


def test_product_is_every_combination_the_last_fastest() -> None:
    mapped = recipe({"x": n("add", a=[10, 20], b=[1, 2], product=["a", "b"])}, {"x": "x.value"})
    assert run(mapped).values == {"x": [11, 12, 21, 22]}


def test_mapped_nodes_in_a_row() -> None:
    mapped = recipe(
        {"x": n("add", a=[1, 2], each=["a"]), "y": n("add", a="@x.value", b=[5, 6], each=["a", "b"])}, {"y": "y.value"}
    )
    by_hand = recipe(
        {f"{name}{i}": part for i in (0, 1) for name, part in {
            "x": n("add", a=i + 1), "y": n("add", a=f"@x{i}.value", b=5 + i)}.items()}
    )  # fmt: skip
    assert run(mapped).values == {"y": [7, 9]}
    assert sorted(keys(mapped).values()) == sorted(keys(by_hand).values())


def test_an_empty_list_is_walked_in_no_steps() -> None:
    #  x over []    y over x    s = total(y)
    nodes = {
        "x": n("add", a=[], each=["a"]),
        "y": n("add", a="@x.value", each=["a"]),
        "z": n("add", a=[], b=[1, 2], product=["a", "b"]),
        "s": n("total", items="@y.value"),
    }
    assert run(recipe(nodes, {"x": "x.value", "z": "z.value", "s": "s.value"})).values == {"x": [], "z": [], "s": 0}


def test_lengths_that_differ_are_found_where_they_are_known() -> None:
    workflow = recipe({"x": n("add", a=[1, 2], each=["a"]), "y": n("add", a="@x.value", b=[1, 2, 3], each=["a", "b"])})
    (found,) = refused(lambda: planner().plan(workflow))
    assert (found.code, found.place, found.got) == ("NF206", "nodes.y.each", "a: 2, b: 3")


INNER = definition(
    {"a": n("add", b=10), "b": n("add", a="@a.value", b=100)}, {"y": "b.value", "half": "a.value"}, x="a.a", more="b.b"
)


def test_a_sub_workflow_is_its_nodes() -> None:
    nested = recipe(
        {"s": n("number", value=1), "d": n("workflow:d", x="@s.value"), "t": n("add", a="@d.y", b="@d.half")},
        {"t": "t.value"},
        definitions={"d": INNER},
    )
    flat = recipe(
        {
            "s": n("number", value=1),
            "a": n("add", a="@s.value", b=10),
            "b": n("add", a="@a.value", b=100),
            "t": n("add", a="@b.value", b="@a.value"),
        },
        {"t": "t.value"},
    )
    same_plan(nested, flat)
    assert [step.id for step in planner().plan(nested).steps] == ["s", "d/a", "d/b", "t"]


def test_values_of_a_sub_workflows_inputs() -> None:
    nested = recipe({"d": n("workflow:d", x=1, more=7)}, {"y": "d.y"}, definitions={"d": INNER})
    same_plan(nested, recipe({"a": n("add", a=1, b=10), "b": n("add", a="@a.value", b=7)}, {"y": "b.value"}))


def test_a_whole_number_for_a_declared_input_of_real_numbers() -> None:
    inner = definition(
        {"i": n("number", value=0), "r": n("real")}, {"r": "r.value", "i": "i.value"}, v=["i.value", "r.value"]
    )
    nested = recipe({"d": n("workflow:d", v=5)}, {"r": "d.r", "i": "d.i"}, definitions={"d": inner})
    same_plan(nested, recipe({"i": n("number", value=5), "r": n("real", value=5)}, {"r": "r.value", "i": "i.value"}))


def test_a_mapped_sub_workflow() -> None:
    mapped = recipe({"d": n("workflow:d", x=[1, 2], each=["x"])}, {"y": "d.y"}, definitions={"d": INNER})
    assert run(mapped).values == {"y": [111, 112]}
    assert [step.id for step in planner().plan(mapped).steps] == ["d[0]/a", "d[0]/b", "d[1]/a", "d[1]/b"]


@given(sums(), st.data())
def test_any_part_of_a_graph_may_be_a_sub_workflow(graph: dict[str, Any], data: st.DataObject) -> None:
    """The first nodes of a graph put into a definition: the same keys."""
    names = list(graph)
    cut = data.draw(st.integers(0, len(names) - 1))
    inside, outside = names[: cut + 1], names[cut + 1 :]
    ports = {x: ("low", "high") if graph[x]["op"] == "t/split@1" else ("value",) for x in graph}
    outputs = {f"{x}_{port}": f"{x}.{port}" for x in inside for port in ports[x]}

    def link(text: str) -> str:
        node, _, port = text.partition(".")
        return f"d.{node}_{port}" if node in inside else text

    def relinked(links: dict[str, Any]) -> dict[str, Any]:
        return {port: [link(one) for one in to] if isinstance(to, list) else link(to) for port, to in links.items()}

    moved = {x: {**graph[x], "links": relinked(graph[x]["links"])} for x in outside}
    wanted = {x: f"{x}.{ports[x][0]}" for x in graph}
    nested = recipe(
        {"d": n("workflow:d"), **moved},
        {x: link(to) for x, to in wanted.items()},
        definitions={"d": definition({x: graph[x] for x in inside}, outputs)},
    )
    flat = recipe(graph, wanted)
    assert {i.removeprefix("d/"): key for i, key in keys(nested).items()} == keys(flat)


def test_a_body_has_the_keys_of_the_flat_graph() -> None:
    #  s → loop(one turn of w)   is   s → w
    looped = recipe(
        {"s": n("number", value=1), "loop": n("each_turn", body="t", count=1, x="@s.value")},
        {"x": "loop.x"},
        definitions={"t": definition({"w": n("work", name="w")}, {"x": "w.value"}, x="w.a")},
    )
    results = Memory()
    assert run(looped, results=results).values == {"x": 2}
    flat = recipe({"s": n("number", value=1), "w": n("work", name="w", a="@s.value")}, {"x": "w.value"})
    assert run(flat, results=results).states == {"s": "pending", "w": "cached"}


def test_a_body_counts_by_what_it_computes() -> None:
    def looped(name: str, part: dict[str, Any]) -> str:
        made = recipe(
            {"loop": n("each_turn", body=name, count=1, x=1)}, {"x": "loop.x"},
            definitions={name: definition({"w": part}, {"x": "w.value"}, x="w.a")},
        )  # fmt: skip
        return keys(made)["loop"]

    assert looped("t", n("add")) == looped("other", n("add"))
    assert looped("t", n("add")) != looped("t", n("add", b=5))


@pytest.mark.parametrize("deepest", ["add", "save"])
def test_bodies_that_run_all_deeper_ones_are_planned_once_each(deepest: str) -> None:
    # d25 runs d24, d23, ..., d0; d24 runs d23, ..., d0; and so on: 2^25 ways down
    def level(i: int) -> dict[str, Any]:
        turns = {f"t{j}": n("each_turn", body=f"d{j}", count=1, v="@x.value") for j in range(i)}
        return definition({"x": n("add"), **turns}, {"v": f"t{i - 1}.v"}, v="x.a")

    end = definition(
        {"x": n("add"), "y": n(deepest, **{"a" if deepest == "add" else "value": "@x.value"})}, {}, v="x.a"
    )
    definitions = {"d0": {**end, "outputs": {"v": "x.value"}}, **{f"d{i}": level(i) for i in range(1, 26)}}
    workflow = recipe({"r": n("each_turn", body="d25", count=1, v=1)}, {"v": "r.v"}, definitions=definitions)
    (step,) = planner().plan(workflow).steps
    assert step.has_effects is (deepest == "save")


def test_effects_in_a_body_count() -> None:
    def looped(name: str) -> str:
        body = definition({"w": n("add"), "s": n("save", name=name, value="@w.value")}, {"x": "w.value"}, x="w.a")
        made = recipe({"loop": n("each_turn", body="t", count=1, x=1)}, {"x": "loop.x"}, definitions={"t": body})
        return keys(made)["loop"]

    assert looped("one") != looped("two")


def test_muted_nodes_and_what_needs_them_do_not_run() -> None:
    #  a ── off (muted) ── behind        a ── on
    workflow = recipe(
        {
            "a": n("number", value=1),
            "off": n("add", a="@a.value", mode="muted"),
            "behind": n("add", a="@off.value"),
            "on": n("add", a="@a.value"),
        },
        {"x": "behind.value", "y": "on.value"},
    )
    assert run(workflow).values == {"y": 2}
    plan = planner().plan(workflow)
    assert (sorted(plan.muted), [step.id for step in plan.steps]) == (["behind", "off", "outputs.x"], ["a", "on"])


def test_if_all_outputs_are_muted_nothing_runs() -> None:
    workflow = recipe({"a": n("work", name="a"), "off": n("add", a="@a.value", mode="muted")}, {"x": "off.value"})
    assert planner().plan(workflow).steps == []
    assert run(workflow).state == "completed"


@pytest.mark.parametrize("each", [False, True])
def test_muted_outputs_of_a_sub_workflow(each: bool) -> None:
    inner = definition(
        {"a": n("add"), "off": n("add", a="@a.value", mode="muted")}, {"x": "off.value", "y": "a.value"}, v="a.a"
    )
    use = n("workflow:d", v=[1, 2], each=["v"]) if each else n("workflow:d", v=1)
    after = n("total", items="@d.x") if each else n("add", a="@d.x")
    workflow = recipe(
        {"d": use, "after": after}, {"x": "d.x", "y": "d.y", "z": "after.value"}, definitions={"d": inner}
    )
    assert run(workflow).values == {"y": [2, 3] if each else 2}


def test_a_bypassed_node_passes_its_first_input_of_the_type_through() -> None:
    graph = {
        "a": n("picture", value=1.0),
        "b": n("picture", value=2.0),
        "x": n("blend", image="@a.image", other="@b.image", mode="bypassed"),
        "y": n("brightness", image="@x.image"),
    }
    without = {"a": graph["a"], "y": n("brightness", image="@a.image")}
    assert keys(recipe(graph, {"y": "y.value"})) == keys(recipe(without, {"y": "y.value"}))


def test_a_bypassed_literal() -> None:
    workflow = recipe(
        {"x": n("add", a=5, mode="bypassed"), "y": n("real", value="@x.value")}, {"x": "x.value", "y": "y.value"}
    )
    plan = planner().plan(workflow)
    assert plan.outputs["x"] == Const(5)
    assert plan.steps[0].values == {"value": 5.0}
    assert run(workflow).values == {"x": 5, "y": 5.0}


def test_a_bypassed_node_that_is_fed_from_outside() -> None:
    inner = definition({"x": n("add", b=1, mode="bypassed")}, {"y": "x.value"}, v="x.a")
    workflow = recipe({"d": n("workflow:d", v=7), "e": n("add", a="@d.y")}, {"e": "e.value"}, definitions={"d": inner})
    assert problems(workflow) == []
    assert run(workflow).values == {"e": 8}
