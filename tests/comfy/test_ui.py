"""UI documents: what an input is really fed by, whatever stands between."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from nodeflow.comfy import original, read_document
from nodeflow.problems import ProblemsError
from nodeflow.workflow import Workflow

from .made import OPS, node, text_to_image, ui

SUB = "0a0b0c0d-0000-0000-0000-000000000001"


def workflow(document: Any) -> Workflow:
    """The recipe, with the nodes of sub-graphs one by one; `test_fold` has them as definitions."""
    return read_document(document, ops=OPS, definitions=False).workflow


def findings(document: Any, kind: str) -> list[str]:
    return [str(f) for f in read_document(document, ops=OPS).report.of(kind)]


def test_text_to_image() -> None:
    found = read_document(text_to_image(), ops=OPS)
    nodes = found.workflow.nodes
    assert nodes["3"].op == "diffusion/sample@1"
    assert nodes["3"].values == {
        "seed": 2**63 + 1, "steps": 12, "guidance": 7.5, "sampler": "dpmpp_2m_sde", "schedule": "karras",
        "denoise": 0.8, "noise": "batch", "compat": True,
    }  # fmt: skip
    assert nodes["3"].links == {
        "model": "4.model", "positive": "6.conditioning", "negative": "7.conditioning", "latent": "5.latent",
    }  # fmt: skip
    assert nodes["5"].values == {"width": 64, "height": 96, "batch_size": 2, "channels": 4, "downscale": 8}
    assert nodes["6"].title == "Positive"
    assert nodes["9"].links == {"image": "8.image"}
    assert nodes["3"].model_extra["x-comfy"]["control"] == {"seed": "randomize"}
    assert found.workflow.layout["3"] == {"at": [100, 50]}
    assert (found.report.nodes, found.report.converted, found.report.complete) == (7, 7, True)
    assert [f.got for f in found.report.of("changed-value")] == ["'dpmpp_2m_sde_gpu'"]


def test_nothing_is_lost_by_saving() -> None:
    document = text_to_image()
    document["extra"] = {"ds": {"scale": 1.5}, "mine": [1, None, {"deep": True}], "seed": 2**64 - 1}
    saved = Workflow.parse(workflow(document).text())
    assert original(saved) == document
    assert saved.nodes["3"].values["seed"] == str(2**63 + 1)


def test_version_1() -> None:
    document = text_to_image()
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    new = {**document, "version": 1, "links": [dict(zip(names, link, strict=True)) for link in document["links"]]}
    assert workflow(new).nodes == workflow(document).nodes
    assert read_document(new, ops=OPS).report.format == "ui-1.0"


def blur(*middle: Any, links: list[Any], mode: int = 0, **more: Any) -> dict[str, Any]:
    """1 image ─▶ … ─▶ 9 invert ─▶ 10 preview; the middle begins at link 1 and ends at link 2."""
    nodes = [
        node(1, "EmptyImage", {}, ("IMAGE",), [64, 64, 1, 255]),
        *middle,
        node(9, "ImageInvert", {"image": (2, "IMAGE")}, ("IMAGE",)),
        node(10, "PreviewImage", {"images": (3, "IMAGE")}),
    ]
    return ui(nodes, [*links, [3, 9, 0, 10, 0, "IMAGE"]], **more)


def source(document: Any) -> Any:
    return workflow(document).nodes["9"].links.get("image")


def test_reroute_and_preview() -> None:
    through = node(5, "Reroute", {"": (1, "*")}, ("*",), mode=2)
    document = blur(through, links=[[1, 1, 0, 5, 0, "*"], [2, 5, 0, 9, 0, "IMAGE"]])
    found = workflow(document)
    assert found.nodes["9"].links == {"image": "1.image"}
    assert found.outputs == {"image": "10.image"}
    assert found.nodes["1"].values["color"] == "#0000ff"


def test_set_and_get() -> None:
    middle = (node(5, "SetNode", {"IMAGE": (1, "IMAGE")}, ("*",), ["pic"]), node(6, "GetNode", {}, ("*",), ["pic"]))
    assert source(blur(*middle, links=[[1, 1, 0, 5, 0, "IMAGE"], [2, 6, 0, 9, 0, "IMAGE"]])) == "1.image"


@pytest.mark.parametrize(("mode", "link"), [(0, "5.image"), (4, "1.image"), (2, None)])
def test_modes(mode: int, link: str | None) -> None:
    middle = node(5, "ImageScaleBy", {"image": (1, "IMAGE")}, ("IMAGE",), ["lanczos", 2.0], mode=mode)
    document = blur(middle, links=[[1, 1, 0, 5, 0, "IMAGE"], [2, 5, 0, 9, 0, "IMAGE"]])
    assert source(document) == link
    assert workflow(document).nodes["5"].mode == ("active" if mode == 0 else "muted")
    assert len(findings(document, "dropped-link")) == (mode == 2)


def test_a_bypassed_node_passes_the_input_of_the_wanted_type() -> None:
    lora = node(5, "LoraLoader", {"model": (1, "MODEL"), "clip": (2, "CLIP")}, ("MODEL", "CLIP"), ["x", 1, 1], mode=4)
    nodes = [
        node(1, "CheckpointLoaderSimple", {}, ("MODEL", "CLIP", "VAE"), ["sd"]),
        lora,
        node(6, "CLIPTextEncode", {"clip": (3, "CLIP")}, ("CONDITIONING",), ["hi"]),
    ]
    links = [[1, 1, 0, 5, 0, "MODEL"], [2, 1, 1, 5, 1, "CLIP"], [3, 5, 1, 6, 0, "CLIP"]]
    assert workflow(ui(nodes, links)).nodes["6"].links == {"text_encoder": "1.text_encoder"}


def test_a_primitive_becomes_a_declared_input_of_all_it_feeds() -> None:
    nodes = [
        node(1, "PrimitiveNode", {}, ("INT",), [77, "fixed"]),
        node(2, "EmptyLatentImage", {"width": (1, "INT", "width"), "height": (2, "INT", "height")}, (), [8, 8, 3]),
    ]
    found = workflow(ui(nodes, [[1, 1, 0, 2, 0, "INT"], [2, 1, 0, 2, 1, "INT"]]))
    assert found.nodes["2"].values["width"] == found.nodes["2"].values["height"] == 77
    assert found.inputs["width"].to == ["2.width", "2.height"]


def sub(values: Any = None, proxy: Any = None, link: Any = None, mode: int = 0, inner: int = 0) -> dict[str, Any]:
    """An instance (5) of a definition that lists two inputs the instance does not, around ImageScaleBy (3)."""
    definition = {
        "id": SUB,
        "version": 1,
        "name": "Bigger",
        "inputs": [
            {"name": "method", "type": "COMBO", "linkIds": [23]},
            {"name": "scale", "type": "FLOAT", "linkIds": [22]},
            {"name": "pixels", "type": "IMAGE", "linkIds": [21]},
        ],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "linkIds": [404, 24]}],
        "nodes": [
            node(
                3,
                "ImageScaleBy",
                {
                    "image": (21, "IMAGE"),
                    "upscale_method": (23, "COMBO", "upscale_method"),
                    "scale_by": (22, "FLOAT", "scale_by"),
                },
                ("IMAGE",),
                ["area", 1.25],
                mode=inner,
            )
        ],
        "links": [
            {"id": 21, "origin_id": -10, "origin_slot": 2, "target_id": 3, "target_slot": 9, "type": "IMAGE"},
            {"id": 22, "origin_id": -10, "origin_slot": 1, "target_id": 3, "target_slot": 1, "type": "FLOAT"},
            {"id": 23, "origin_id": -10, "origin_slot": 0, "target_id": 3, "target_slot": 2, "type": "COMBO"},
            {"id": 24, "origin_id": 3, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "IMAGE"},
        ],
    }
    inputs = {"pixels": (1, "IMAGE"), **({"scale": (link, "FLOAT", "scale")} if link else {})}
    instance = node(5, SUB, inputs, ("IMAGE",), values, mode=mode, properties={"proxyWidgets": proxy} if proxy else {})
    rows = [[1, 1, 0, 5, 0, "IMAGE"], [2, 5, 0, 9, 0, "IMAGE"]]
    return blur(instance, links=rows, definitions={"subgraphs": [definition]})


@pytest.mark.parametrize(
    ("more", "method", "factor"),
    [
        ({}, "area", 1.25),
        ({"values": ["bicubic", 3]}, "bicubic", 3),
        ({"values": ["bicubic"]}, "bicubic", 1.25),
        ({"proxy": [["3", "scale_by"]]}, "area", 1.25),
        ({"proxy": [["3", "scale_by"]], "values": [4]}, "area", 4),
    ],
)
def test_sub_graph_values(more: Any, method: str, factor: float) -> None:
    found = workflow(sub(**more))
    assert found.nodes["9"].links == {"image": "5-3.image"}
    assert found.nodes["5-3"].links == {"image": "1.image"}
    assert (found.nodes["5-3"].values["filter"], found.nodes["5-3"].values["factor"]) == (method, factor)


def test_a_primitive_outside_a_sub_graph_wins() -> None:
    document = sub(values=["bicubic", 3], link=8)
    document["nodes"].append(node(7, "PrimitiveNode", {}, ("FLOAT",), [5.5, "fixed"]))
    document["links"].append([8, 7, 0, 5, 1, "FLOAT"])
    found = workflow(document)
    assert found.nodes["5-3"].values["factor"] == 5.5
    assert found.inputs["factor"].to == ["5-3.factor"]


def test_two_instances_keep_their_own_values() -> None:
    document = sub(values=["bicubic", 3])
    twin = copy.deepcopy(next(n for n in document["nodes"] if n["id"] == 5))
    twin.update(id=6, widgets_values=["area", 2], inputs=[])
    document["nodes"].append(twin)
    found = workflow(document)
    assert (found.nodes["5-3"].values["factor"], found.nodes["6-3"].values["factor"]) == (3, 2)


@pytest.mark.parametrize(("mode", "inner", "link"), [(2, 0, None), (4, 0, "1.image"), (0, 4, "1.image"), (0, 2, None)])
def test_muted_and_bypassed_sub_graphs(mode: int, inner: int, link: str | None) -> None:
    document = sub(mode=mode, inner=inner)
    assert source(document) == link
    assert workflow(document).nodes["5-3"].mode == "muted"


def test_a_definition_that_contains_itself() -> None:
    document = sub()
    document["definitions"]["subgraphs"][0]["nodes"].append(node(4, SUB))
    with pytest.raises(ProblemsError, match="NF113"):
        workflow(document)


def test_very_many_instances() -> None:
    """Each definition has two instances of the next: 2^29 nodes."""
    names = [f"{i:08d}" for i in range(29)]
    graphs = [
        {"id": n, "name": n, "nodes": [node(1, m), node(2, m)], "links": []}
        for n, m in zip(names, [*names[1:], "EmptyImage"], strict=True)
    ]
    with pytest.raises(ProblemsError, match="NF115"):
        workflow(ui([node(1, names[0])], [], definitions={"subgraphs": graphs}))


def test_links_to_nowhere_and_in_circles() -> None:
    circle = (node(5, "Reroute", {"": (7, "*")}, ("*",)), node(6, "Reroute", {"": (8, "*")}, ("*",)))
    document = blur(*circle, links=[[2, 5, 0, 9, 0, "*"], [7, 6, 0, 5, 0, "*"], [8, 5, 0, 6, 0, "*"]])
    assert source(document) is None
    assert "leads in a circle" in findings(document, "dropped-link")[0]
    document = blur(links=[[2, 77, 0, 9, 0, "IMAGE"]])
    assert source(document) is None
    assert "comes from no node" in findings(document, "dropped-link")[0]


def test_values_by_name_and_in_order() -> None:
    named = node(1, "Mystery", {}, ("IMAGE",), [3, 8, "fixed"])
    named["widgets_values_named"] = {"size": 3, "seed": 7, "control_after_generate": "fixed"}
    found = workflow(ui([named, node(2, "Other", {"a": (None, "INT", "a")}, (), [5]), node(3, "X", values=[1, 2])], []))
    assert found.nodes["1"].values == {"size": 3, "seed": 8}
    assert found.nodes["2"].values == {"a": 5}
    assert found.nodes["3"].values == {"widget_0": 1, "widget_1": 2}
    assert found.nodes["1"].op == "comfyui/mystery@1"


def test_notes_groups_and_the_authors_form() -> None:
    document = text_to_image()
    document["nodes"].append(node(20, "Note", {}, (), ["read me"]))
    document["groups"] = [{"title": "Prompts", "bounding": [0, 1, 200, 300], "color": "#fff"}]
    document["extra"] = {"linearData": {"inputs": [[3, "steps"], [404, "x"]], "outputs": [9]}}
    found = workflow(document)
    assert found.layout["notes"] == [{"text": "read me", "at": [100, 50]}]
    assert found.layout["groups"] == [{"title": "Prompts", "at": [0, 1], "size": [200, 300]}]
    assert found.inputs["steps"].to == ["3.steps"]


def test_missing_models_are_named_with_address_and_hash() -> None:
    document = text_to_image()
    model = {"name": "sd15.safetensors", "url": "https://example.org/sd", "directory": "checkpoints", "hash": "abc"}
    document["nodes"][0]["properties"] = {"models": [{**model, "hash_type": "SHA256"}]}
    (line,) = findings(document, "missing-model")
    assert "node 4" in line
    assert "https://example.org/sd" in line
    assert "SHA256 abc" in line


def test_the_report_is_json_and_text() -> None:
    document = ui([node(1, "ImageSharpenMore", {}, (), [1])], [])
    report = read_document(document, ops=OPS).report
    assert "nearest: image/sharpen" in report.text()
    assert report.text().endswith("0 of 1 nodes have an equivalent; 1 repaired, 1 unknown-node")
    loaded = json.loads(json.dumps(report.to_json()))
    assert (loaded["complete"], loaded["findings"][1]["kind"]) == (False, "unknown-node")
