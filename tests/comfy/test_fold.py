"""Sub-graphs as definitions: the same graph, only folded; what cannot be folded without changing it stays flat."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from nodeflow.comfy import original, read_document, to_api
from nodeflow.comfy.convert import Converted
from nodeflow.comfy.fold import fold
from nodeflow.comfy.graph import Instance
from nodeflow.comfy.report import Report
from nodeflow.comfy.unfold import unfold
from nodeflow.engine import Engine
from nodeflow.problems import ProblemsError
from nodeflow.registry import installed
from nodeflow.settings import Settings
from nodeflow.workflow import Workflow

from .made import node, ui
from .test_ui import OPS, SUB, sub


def folded(document: Any) -> Workflow:
    return read_document(document, ops=OPS).workflow


def flat(document: Any) -> Workflow:
    return read_document(document, ops=OPS, definitions=False).workflow


def shape(workflow: Workflow) -> Any:
    """Nodes by the ids that they had, whatever they are called here."""
    kept = {n: (v.model_extra or {})["x-comfy"] for n, v in workflow.nodes.items()}
    names = {n: (about["id"], about.get("part", ""), workflow.nodes[n].op) for n, about in kept.items()}

    def moved(link: Any) -> Any:
        if isinstance(link, list):
            return [moved(one) for one in link]
        name, _, port = link.partition(".")
        return names[name], port

    nodes = {names[n]: (v.mode, v.values, {p: moved(k) for p, k in v.links.items()}) for n, v in workflow.nodes.items()}
    inputs = sorted(sorted(map(moved, declared.to)) for declared in workflow.inputs.values())
    return nodes, inputs, sorted(map(moved, workflow.outputs.values()))


def test_a_sub_graph_is_a_definition() -> None:
    """1 ─▶ [ 3 ] ─▶ 9, the values of 3 written at 5"""
    found = folded(sub(values=["bicubic", 3]))
    host = found.nodes["5"]
    (name,) = found.definitions
    definition = found.definitions[name]
    assert host.op == f"workflow:{name}"
    assert host.values == {"method": "bicubic", "scale": 3}
    assert list(host.links.values()) == ["1.image"]
    assert found.nodes["9"].links == {"image": "5.IMAGE"}
    assert set(definition.nodes) == {"3"}
    assert definition.inputs["scale"].to == ["3.factor"]
    assert definition.outputs == {"IMAGE": "3.image"}
    assert "factor" not in definition.nodes["3"].values
    assert "5-3" not in found.nodes
    assert found.nodes["5"].model_extra == {"x-comfy": {"id": "5"}}


@pytest.mark.parametrize(
    "more",
    [{}, {"values": ["bicubic", 3]}, {"proxy": [["3", "scale_by"]]}, {"proxy": [["3", "scale_by"]], "values": [4]}],
)
def test_folding_changes_nothing(more: Any) -> None:
    document = sub(**more)
    assert shape(unfold(folded(document))) == shape(flat(document))
    assert to_api(folded(document))[0] == to_api(flat(document))[0]
    assert original(folded(document)) == document


def test_instances_share_a_definition_and_keep_their_values() -> None:
    document = sub(values=["bicubic", 3])
    twin = copy.deepcopy(next(n for n in document["nodes"] if n["id"] == 5))
    twin.update(id=6, widgets_values=["area", 2], outputs=[])
    document["nodes"].append(twin)
    found = folded(document)
    assert len(found.definitions) == 1
    assert [found.nodes[n].values for n in ("5", "6")] == [
        {"method": "bicubic", "scale": 3},
        {"method": "area", "scale": 2},
    ]
    assert shape(unfold(found)) == shape(flat(document))


def test_a_primitive_outside_feeds_the_instance() -> None:
    document = sub(values=["bicubic", 3], link=8)
    document["nodes"].append(node(7, "PrimitiveNode", {}, ("FLOAT",), [5.5, "fixed"]))
    document["links"].append([8, 7, 0, 5, 1, "FLOAT"])
    found = folded(document)
    assert found.inputs["factor"].to == ["5.factor"]
    assert found.nodes["5"].values["factor"] == 5.5
    assert shape(unfold(found)) == shape(flat(document))


def nested() -> Any:
    """1 ─▶ 5 [ 3 [ 2 ] ] ─▶ 9; a value promoted twice"""
    document = sub(values=["bicubic", 3])
    outer = document["definitions"]["subgraphs"][0]
    inner = copy.deepcopy(outer)
    inner.update(id="inner", name="in it")
    outer["nodes"][0].update(type="inner", widgets_values=[])
    document["definitions"]["subgraphs"].append(inner)
    for socket, name in zip(outer["nodes"][0]["inputs"], ("pixels", "method", "scale"), strict=True):
        socket["name"] = name
        socket.pop("widget", None)
    return document


def test_sub_graphs_in_sub_graphs() -> None:
    document = nested()
    found = folded(document)
    assert len(found.definitions) == 2
    assert found.nodes["5"].values == {"method": "bicubic", "scale": 3}
    outer = found.definitions[found.nodes["5"].op.removeprefix("workflow:")]
    (host,) = outer.nodes.values()
    assert host.op.startswith("workflow:")
    assert shape(unfold(found)) == shape(flat(document))


def test_keys_are_the_same(tmp_path: Path) -> None:
    """blank ─▶ [ scaled ] ─▶ shown"""
    document = sub(values=["area", 2])
    for part in document["nodes"]:
        if part["id"] == 1:
            part.update(type="EmptyImage", inputs=[], widgets_values=[16, 8, 1, 255])
    folders = {"home": tmp_path / "home", "cache": tmp_path / "cache", "output": tmp_path / "out"}
    with Engine(Settings(**folders), installed()) as engine:
        plans = [engine.plan(made(document)) for made in (folded, flat)]
    assert plans[0].steps
    assert {s.key for s in plans[0].steps} == {s.key for s in plans[1].steps}


# --- what stays flat ------------------------------------------------------------------------------------------------


def converted(owners: dict[str, str]) -> Converted:
    return Converted(Workflow(), owners, {}, {})


def part(op: str, item: str, **links: Any) -> dict[str, Any]:
    return {"op": op, "values": {}, "links": links, "x-comfy": {"id": item, "type": "X"}}


def test_a_way_out_that_leads_back_stays_flat() -> None:
    """5 [ a ] ─▶ x ─▶ 5 [ b ]: as one node it would feed itself"""
    nodes = {
        "5-a": part("x/a@1", "5:a"),
        "x": part("x/x@1", "x", i="5-a.o"),
        "5-b": part("x/b@1", "5:b", i="x.o"),
    }
    document = {"format": "nodeflow/1", "nodes": copy.deepcopy(nodes)}
    report = Report()
    owners = {"5-a": "5", "x": "", "5-b": "5"}
    assert fold(document, {"5": Instance("round")}, converted(owners), report)["nodes"] == nodes
    assert "stay as they are" in str(report.of("flattened")[0])


def test_a_list_of_both_stays_flat_and_so_does_what_it_lies_in() -> None:
    """7 [ y, 5 [ a, list(a, x) ] ]"""
    nodes = {
        "x": part("x/x@1", "x"),
        "7-y": part("x/y@1", "7:y"),
        "7-5-a": part("x/a@1", "7:5:a"),
        "7-5-l": part("image/batch@1", "7:5:l", images=["7-5-a.o", "x.o"]),
    }
    document = {"format": "nodeflow/1", "nodes": copy.deepcopy(nodes)}
    owners = {"x": "", "7-y": "7", "7-5-a": "7:5", "7-5-l": "7:5"}
    instances = {"7": Instance("outer"), "7:5": Instance("inner")}
    assert fold(document, instances, converted(owners), Report())["nodes"] == nodes


def test_a_list_from_outside_is_one_input() -> None:
    nodes = {"x": part("x/x@1", "x"), "5-l": part("image/batch@1", "5:l", images=["x.o", "x.o"])}
    document = {"format": "nodeflow/1", "nodes": nodes, "outputs": {"made": "5-l.image"}}
    found = Workflow.from_json(fold(document, {"5": Instance("both")}, converted({"5-l": "5", "x": ""}), Report()))
    assert found.nodes["5"].links == {"images": ["x.o", "x.o"]}
    assert found.outputs == {"made": "5.image"}
    assert unfold(found).nodes["5-l"].links == {"images": ["x.o", "x.o"]}


# --- unfolding ------------------------------------------------------------------------------------------------------


def test_definitions_that_are_missing_or_contain_themselves() -> None:
    host = {"op": "workflow:a"}
    missing = {"format": "nodeflow/1", "nodes": {"h": host}, "definitions": {"b": {"nodes": {}}}}
    with pytest.raises(ProblemsError, match="NF112"):
        unfold(Workflow.from_json(missing))
    endless = {"format": "nodeflow/1", "nodes": {"h": host}, "definitions": {"a": {"nodes": {"x": host, "y": host}}}}
    with pytest.raises(ProblemsError, match="NF115"):
        unfold(Workflow.from_json(endless))


def test_what_cannot_be_unfolded_stays() -> None:
    definition = {"nodes": {"n": {"op": "value/integer@1"}}, "inputs": {"v": {"to": ["n.value"]}}}
    nodes = {
        "muted": {"op": "workflow:a", "mode": "muted"},
        "mapped": {"op": "workflow:a", "values": {"v": [1, 2]}, "each": ["v"]},
        "plain": {"op": "workflow:a", "values": {"v": 3}},
    }
    found = unfold(Workflow.from_json({"format": "nodeflow/1", "nodes": nodes, "definitions": {"a": definition}}))
    assert set(found.nodes) == {"muted", "mapped", "plain-n"}
    assert found.nodes["plain-n"].values == {"value": 3}


def test_a_placeholder_in_a_definition_is_one_problem() -> None:
    document = sub(values=["bicubic", 3])
    document["definitions"]["subgraphs"][0]["nodes"][0]["type"] = "Mystery"
    found = read_document(document).workflow
    assert SUB
    with Engine() as engine:
        codes = [p.code for p in engine.check(found).problems if p.severity == "error"]
    assert codes.count("NF102") == 1
    assert set(codes) <= {"NF102", "NF301", "NF302"}


def test_empty_sub_graphs() -> None:
    document = ui([node(1, "abc", {}, ())], [], definitions={"subgraphs": [{"id": "abc", "name": "", "nodes": []}]})
    assert folded(document).nodes == {}


def test_declared_outputs_are_saved_in_comfyui() -> None:
    """Without a node that saves or shows, ComfyUI would say that the prompt has no outputs."""
    nodes = {
        "blank": {"op": "image/empty@1"},
        "turned": {"op": "image/invert@1", "links": {"image": "blank.image"}},
        "saved": {"op": "image/save@1", "links": {"image": "turned.image"}},
        "seven": {"op": "value/integer@1", "values": {"value": 7}},
    }
    outputs = {"made": "blank.image", "kept": "turned.image", "number": "seven.value"}
    prompt, _ = to_api(Workflow.from_json({"format": "nodeflow/1", "nodes": nodes, "outputs": outputs}))
    assert prompt["made"] == {"class_type": "SaveImage", "inputs": {"filename_prefix": "made", "images": ["blank", 0]}}
    assert prompt["number"] == {"class_type": "PreviewAny", "inputs": {"source": ["seven", 0]}}
    assert "kept" not in prompt
    again = read_document(prompt, ops=OPS)
    assert again.workflow.nodes["made"].op == "image/save@1"
