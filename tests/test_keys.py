"""Keys: equal for what is the same computation, different for what is not, and explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nodeflow.files import Files
from nodeflow.keys import OpHead, differences, make_key, typed
from nodeflow.op import Op, node
from nodeflow.planner import Planner
from nodeflow.registry import Catalogue, Pack
from nodeflow.types import File
from tests.packs_for_tests import ALL, Colour, keys, n, planner, recipe
from tests.strategies import renamed, sums, values


def test_one_and_one_point_zero_and_true_differ() -> None:
    written = [1, 1.0, True, "1", [1], {"1": 1}, None, "", "n", [], {}, [[]], [1, 1], ["1", "1"], Colour.RED, "red"]
    assert len({typed(value) for value in written}) == len(written)
    ids = {repr(v): keys(recipe({"x": n("anything", value=v)}))["x"] for v in (1, 1.5, True, "1", None, [1], {"a": 1})}
    assert len(set(ids.values())) == len(ids)


def test_minus_zero_is_zero() -> None:
    assert typed(-0.0) == typed(0.0) != typed(0)


def test_a_file_counts_by_content() -> None:
    assert typed(File("a", "/x/a", "d1")) == typed(File("b", "/y/b", "d1")) != typed(File("a", "/x/a", "d2"))


def test_what_no_recipe_can_hold() -> None:
    with pytest.raises(TypeError, match="a set cannot be part of a key"):
        typed({1})


@given(values, values)
def test_different_values_have_different_bytes(a: Any, b: Any) -> None:
    def marked(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: marked(v) for k, v in value.items()}
        return (
            [marked(v) for v in value]
            if isinstance(value, list)
            else (type(value).__name__, value or 0, str(value or 0))
        )

    assert (typed(a) == typed(b)) == (marked(a) == marked(b))


@given(sums(), st.randoms(use_true_random=False))
def test_ids_order_titles_and_layout_leave_keys_as_they_are(graph: dict[str, Any], random: Any) -> None:
    order = list(graph)
    random.shuffle(order)
    names = {old: f"other_{i}" for i, old in enumerate(order)}
    dressed = recipe(
        {name: {**part, "title": name.upper(), "x-note": 1} for name, part in renamed(graph, names).items()},
        title="T",
        layout={name: {"at": [1, 2]} for name in names.values()},
    )
    plain, changed = keys(recipe(graph)), keys(dressed)
    # nodes without outputs of their own to want are pruned alike
    assert {names[old]: key for old, key in plain.items()} == changed


def downstream(graph: dict[str, Any], start: str) -> set[str]:
    found = {start}
    for name, part in graph.items():  # in order: each node follows what feeds it
        links = [one for to in part["links"].values() for one in (to if isinstance(to, list) else [to])]
        if any(link.partition(".")[0] in found for link in links):
            found.add(name)
    return found


@given(sums(), st.data())
def test_a_changed_value_changes_the_keys_downstream_and_no_other(graph: dict[str, Any], data: st.DataObject) -> None:
    places = [(name, port) for name, part in graph.items() for port in part["values"]]
    name, port = data.draw(st.sampled_from(places))
    changed = {**graph, name: {**graph[name], "values": {**graph[name]["values"], port: 77}}}
    before, after = keys(recipe(graph)), keys(recipe(changed))
    assert {x for x in before if before[x] != after[x]} == downstream(graph, name) & before.keys()


@given(sums(), st.data())
def test_a_changed_link_changes_the_keys_downstream_and_no_other(graph: dict[str, Any], data: st.DataObject) -> None:
    places = [(name, port) for name, part in graph.items() for port in part["links"]]
    assume(places)
    name, port = data.draw(st.sampled_from(places))
    link = "new.value" if isinstance(graph[name]["links"][port], str) else ["new.value"]
    new = n("number", value=1234)
    wanted = {x: f"{x}.{'low' if graph[x]['op'] == 't/split@1' else 'value'}" for x in graph}
    changed = {"new": new, **graph, name: {**graph[name], "links": {**graph[name]["links"], port: link}}}
    before, after = keys(recipe(graph, wanted)), keys(recipe(changed, wanted))
    assert {x for x in before if before[x] != after[x]} == downstream(graph, name)


def test_a_default_written_out_is_the_default() -> None:
    left_out = keys(recipe({"r": n("real"), "o": n("options"), "a": n("add", a=1)}))
    written = keys(
        recipe(
            {
                "r": n("real", value=1),
                "o": n("options", amount=0.5, speed="fast", colour="red", seed=0, flag=False, note=None),
                "a": n("add", a=1, b=1),
            }
        )
    )
    assert left_out == written


def test_a_value_is_no_link() -> None:
    key = keys(recipe({"a": n("text", value="b"), "t": n("anything", value="@a.text")}))
    assert keys(recipe({"t": n("anything", value=f"{key['a']}.text")}))["t"] != key["t"]


def catalogue_of(ops: tuple[Op, ...], folder: Path | None = None) -> Catalogue:
    return Catalogue([Pack("t", "x", ops={op.name: op for op in ops}, folder=folder)])


def test_code_version_and_numeric_class_count_where_they_should(tmp_path: Path) -> None:
    graph = recipe({"a": n("number", value=1), "p": n("picture", value=1.0)})

    def made(folder: Path, numeric: str = "cpu") -> dict[str, str]:
        plan = Planner(catalogue_of(ALL, folder), Files(), numeric).plan(graph)
        return {step.id: step.key for step in plan.steps}

    for name in ("one", "two", "same"):
        (tmp_path / name / "pack").mkdir(parents=True)
        (tmp_path / name / "pack" / "code.py").write_text("x = 2" if name == "two" else "x = 1")
    first = made(tmp_path / "one" / "pack")
    assert made(tmp_path / "same" / "pack") == first
    other = made(tmp_path / "two" / "pack")
    assert (other["a"] != first["a"], other["p"] != first["p"]) == (True, True)
    threads = made(tmp_path / "one" / "pack", "cpu threads=2")
    assert (threads["a"] == first["a"], threads["p"] != first["p"]) == (True, True)

    def body(value: int) -> int:
        return value

    heads = [OpHead(node("t/x", version=v)(body), "code", "") for v in (1, 2)]
    assert make_key(heads[0], {"value": 1}, {}, [], {}) != make_key(heads[1], {"value": 1}, {}, [], {})


def test_the_content_of_a_file_counts_and_its_name_does_not(tmp_path: Path) -> None:
    for name, text in (("a.txt", "one"), ("b.txt", "one"), ("c.txt", "two")):
        (tmp_path / name).write_text(text)
    files = Files((), (tmp_path,), lambda path: path.read_text())
    made = {x: keys(recipe({"r": n("read", file=x)}), files=files)["r"] for x in ("a.txt", "b.txt", "c.txt")}
    assert made["a.txt"] == made["b.txt"] != made["c.txt"]


def test_nodes_that_read_the_outside_world_have_a_new_key_each_time() -> None:
    graph = recipe({"r": n("random"), "x": n("add", a="@r.value"), "y": n("number", value=1)})
    first, second = keys(graph), keys(graph)
    assert {x for x in first if first[x] == second[x]} == {"y"}


def test_two_keys_are_explained() -> None:
    def parts(**values: Any) -> dict[str, Any]:
        graph = recipe({"a": n("number", value=values.pop("up", 1)), "x": n("add", a="@a.value", **values)})
        plan = planner(numeric=values.pop("numeric", "cpu")).plan(graph)
        return plan.parts(plan.steps[-1])

    assert differences(parts(), parts()) == []
    assert differences(parts(), parts(b=1)) == []
    assert differences(parts(b=1), parts(b=2)) == [("values.b", 1, 2)]
    ((part, before, after),) = differences(parts(), parts(up=2))
    assert (part, before != after) == ("inputs.a", True)
    real = [planner().plan(recipe({"r": n("anything", value=v)})) for v in (1, 1.5, float("inf"))]
    assert differences(*(p.parts(p.steps[0]) for p in real[:2])) == [("values.value", 1, 1.5)]
