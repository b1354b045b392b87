"""The recipe document: its shape, what is refused, and that saving loses nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from nodeflow.problems import Problem
from nodeflow.workflow import Node, Workflow, printable
from tests.packs_for_tests import n, recipe, refused
from tests.strategies import documents, workflows

FORMAT = {"format": "nodeflow/1"}


def shape_problems(**document: Any) -> list[Problem]:
    return refused(lambda: Workflow.from_json({**FORMAT, **document}))


@given(workflows)
def test_save_then_load_is_the_same_document(workflow: Workflow) -> None:
    text = workflow.text()
    again = Workflow.parse(text)
    assert again == workflow
    assert again.text() == text
    assert Workflow.parse(text.encode()).digest() == workflow.digest()


@given(documents())
def test_the_saved_form_does_not_depend_on_order_where_order_means_nothing(document: dict[str, Any]) -> None:
    def turned(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            pairs = value.items() if key in ("inputs", "outputs") else reversed(value.items())
            return {k: turned(v, k if key not in ("nodes", "inputs", "layout") else "") for k, v in pairs}
        return value

    assert Workflow.from_json(turned(document)).text() == Workflow.from_json(document).text()


def test_the_canonical_text() -> None:
    workflow = recipe(
        {"b": n("add", a="@a.value", b=1.0), "a": {"op": "t/number@1", "values": {"value": 2}, "x-note": "hm"}},
        {"sum": "b.value"},
        layout={"b": {"at": [1.5, 2]}},
        inputs={"n": {"to": ["a.value"]}},
    )
    assert workflow.text() == (
        """{
  "format": "nodeflow/1",
  "inputs": {
    "n": {
      "to": [
        "a.value"
      ]
    }
  },
  "outputs": {
    "sum": "b.value"
  },
  "nodes": {
    "a": {
      "op": "t/number@1",
      "values": {
        "value": 2
      },
      "x-note": "hm"
    },
    "b": {
      "op": "t/add@1",
      "values": {
        "b": 1
      },
      "links": {
        "a": "a.value"
      }
    }
  },
  "layout": {
    "b": {
      "at": [
        1.5,
        2
      ]
    }
  }
}
"""
    )


def test_the_digest_leaves_out_what_is_cosmetic() -> None:
    plain = recipe({"a": n("number", value=1)}, {"x": "a.value"})
    dressed = recipe(
        {"a": {**n("number", value=1, title="One"), "x-colour": "red"}},
        {"x": "a.value"},
        title="T",
        description="D",
        layout={"a": {"at": [0, 0]}},
        **{"x-tool": 1},
    )
    assert dressed.digest() == plain.digest()
    assert recipe({"a": n("number", value=2)}, {"x": "a.value"}).digest() != plain.digest()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], Problem("NF003", "", "the document is no recipe", "an object", "list")),
        ({}, Problem("NF003", "format", "not a recipe of this version", "'nodeflow/1'", "no format")),
        (
            {"format": "nodeflow/9"},
            Problem(
                "NF003", "format", "not a recipe of this version", "'nodeflow/1'", "'nodeflow/9'",
                "made by a newer nodeflow? upgrade with: pip install -U nodeflow-engine",
            ),
        ),
        ({"format": 1}, Problem("NF003", "format", "not a recipe of this version", "'nodeflow/1'", "1")),
    ],
)  # fmt: skip
def test_wrong_format(document: Any, expected: Problem) -> None:
    assert refused(lambda: Workflow.from_json(document)) == [expected]


@pytest.mark.parametrize("document", [{"last_node_id": 3, "nodes": []}, {"3": {"class_type": "KSampler"}}])
def test_a_comfyui_workflow_is_recognised(document: dict[str, Any]) -> None:
    (found,) = refused(lambda: Workflow.from_json(document))
    assert (found.code, "ComfyUI" in found.hint) == ("NF003", True)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a b", "", "a\n", "\x1b[31m", "-a", "a" * 65, "é", "a.b", "a/b", "C:\\x", "\x00"]
)
def test_ids_that_are_paths_or_control_characters(name: str) -> None:
    (found,) = shape_problems(nodes={name: {"op": "t/number@1"}})
    assert (found.code, found.message) == ("NF005", "an id has letters, digits, _ and - only, at most 64 of them")
    assert found.place.startswith("nodes.")
    assert found.place.isprintable()
    assert found.got == repr(name)[:79] + ("…" if len(repr(name)) > 80 else repr(name)[79:80])


@pytest.mark.parametrize("link", ["b", "b.", ".value", "b.value.c", "../b.value", "b value", 5, None, {}, [5], ["b"]])
def test_links_that_are_none(link: Any) -> None:
    found = shape_problems(nodes={"a": {"op": "t/add@1", "links": {"a": link}}})
    assert {p.code for p in found} == {"NF004"}
    assert all(p.place.startswith("nodes.a.links.a") for p in found)


@pytest.mark.parametrize(
    ("part", "place", "message"),
    [
        ({"nodes": []}, "nodes", "input should be a valid dictionary"),
        ({"nodes": {"a": 5}}, "nodes.a", "input should be a valid dictionary or instance of Node"),
        ({"nodes": {"a": {}}}, "nodes.a.op", "this key is missing"),
        ({"nodes": {"a": {"op": 5}}}, "nodes.a.op", "input should be a valid string"),
        ({"nodes": {"a": {"op": "t/a@1", "mode": "off"}}}, "nodes.a.mode", "not one of the allowed words"),
        ({"nodes": {"a": {"op": "t/a@1", "each": "x"}}}, "nodes.a.each", "input should be a valid list"),
        ({"title": 5}, "title", "input should be a valid string"),
        ({"inputs": {"x": {"to": []}}}, "inputs.x.to", "list should have at least 1 item after validation, not 0"),
        ({"outputs": {"x": "a"}}, "outputs.x", "not a link"),
        ({"definitions": {"d": {"nodes": {"a": {}}}}}, "definitions.d.nodes.a.op", "this key is missing"),
        ({"layout": 5}, "layout", "input should be a valid dictionary"),
    ],
)
def test_malformed(part: dict[str, Any], place: str, message: str) -> None:
    (found,) = shape_problems(**part)
    assert (found.code, found.place, found.message) == ("NF004", place, message)


def test_unknown_keys_are_refused_with_the_nearest() -> None:
    found = shape_problems(nodes={"a": {"op": "t/number@1", "value": {}}}, nodse={}, **{"x-mine": 1})
    assert found == [
        Problem("NF004", "nodse", "unknown key", hint="did you mean nodes?; keys of your own begin with x-"),
        Problem("NF004", "nodes.a.value", "unknown key", hint="did you mean values?; keys of your own begin with x-"),
    ]


def test_all_shape_problems_at_once() -> None:
    nodes = {f"bad {i}": {"op": "t/number@1"} for i in range(5)} | {f"n{i}": {"mode": "off"} for i in range(5)}
    assert len(shape_problems(nodes=nodes, title=5)) == 16


def test_too_many_nodes() -> None:
    one = Node.model_construct(op="t/number@1")
    found = shape_problems(nodes=dict.fromkeys(map(str, range(100_001)), one))
    assert [(p.code, p.place) for p in found] == [("NF004", "nodes")]


@pytest.mark.parametrize("cut", range(1, 200, 7))
def test_truncated_files_are_refused(cut: int, tmp_path: Path) -> None:
    text = recipe({"a": n("number", value=1), "b": n("add", a="@a.value")}, {"x": "b.value"}).text()
    file = tmp_path / "cut.json"
    file.write_text(text[: -min(cut, len(text) - 1) - 1])
    assert [p.code for p in refused(lambda: Workflow.read(file))] == ["NF001"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    expected = Problem("NF001", "", "cannot read the file: No such file or directory", hint="is the path right?")
    assert refused(lambda: Workflow.read(tmp_path / "none.json")) == [expected]
    assert [p.code for p in refused(lambda: Workflow.read(tmp_path))] == ["NF001"]


def test_declared_inputs_are_set_where_they_lead() -> None:
    workflow = recipe(
        {"a": n("add", a=1, b=2), "b": n("add", a="@a.value", b=3)},
        inputs={"x": {"to": ["a.a", "b.a"]}, "y": {"to": ["b.b"]}},
    )
    changed = workflow.with_inputs({"x": 10})
    assert (changed.nodes["a"].values, changed.nodes["b"].values) == ({"a": 10, "b": 2}, {"a": 10, "b": 3})
    assert changed.nodes["b"].links == {}
    assert workflow.nodes["a"].values == {"a": 1, "b": 2}
    assert (workflow.input_value("x"), changed.input_value("x"), workflow.input_value("y")) == (1, 10, 3)


def test_a_value_for_an_input_that_is_not_declared() -> None:
    workflow = recipe({"a": n("add", a=1)}, inputs={"seed": {"to": ["a.a"]}})
    expected = Problem("NF405", "inputs.sede", "no such declared input", hint="did you mean seed?")
    assert refused(lambda: workflow.with_inputs({"sede": 1})) == [expected]


@pytest.mark.parametrize("text", ["a\u202eb", "a\x1b[1m", "a\u200bb", "a b", "a\nb", "\x7f", "\ud800", "\ufeff"])
def test_printable_text_has_no_tricks(text: str) -> None:
    assert "?" in printable(text)
    assert printable("héllo-漢字") == "héllo-漢字"


def test_documents_are_plain_json() -> None:
    workflow = recipe({"a": n("number", value=2**60)})
    assert json.loads(workflow.text())["nodes"]["a"]["values"] == {"value": "1152921504606846976"}
