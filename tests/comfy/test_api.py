"""The API format: read, converted node by node, and written back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nodeflow.comfy import original, read_document, to_api
from nodeflow.comfy.export import installed_defaults
from nodeflow.comfy.rule import NoEquivalent, Rule
from nodeflow.comfy.rules import RULES
from nodeflow.comfy.widgets import table
from nodeflow.files import Files
from nodeflow.problems import ProblemsError
from nodeflow.registry import installed
from nodeflow.rules import check
from nodeflow.workflow import Workflow

BESIDE = Path(__file__).parents[3] / "shared" / "parity"
CASES = Path(os.environ.get("NODEFLOW_PARITY", BESIDE)) / "cases.json"
GRAPHS = (
    {n: c["graph"] for n, c in json.loads(CASES.read_text())["cases"].items() if "graph" in c} if CASES.exists() else {}
)
recorded = pytest.mark.skipif(not GRAPHS, reason="the recorded graphs (parity/cases.json) are not here")


def n(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def nodes(document: Any) -> Any:
    return read_document(document).workflow.nodes


def errors(workflow: Workflow) -> list[str]:
    return [str(p) for p in check(workflow, installed(), Files()).errors if p.code not in ("NF301", "NF302", "NF303")]


# --- the table ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.type)
def test_rules_name_ops_and_ports_that_exist(rule: Rule) -> None:
    op = installed().ops[rule.op]
    assert op.version == 1
    assert set(rule.ports.values()) <= op.inputs.keys()
    for output in rule.outputs:
        if "." not in output and output[0] not in "<-":
            assert output in op.outputs
    for name, value in rule.constants.items():
        assert op.inputs[name].parse(value) == value
    for theirs in rule.converts:
        assert theirs in rule.ports
    for name, widget in ((w.name, w) for w in table().get(rule.type, ())):
        known = {*rule.ports, *rule.ignores.split()}
        assert rule.build is not None or name in known, name
        convert = rule.converts.get(name)
        if widget.default is not None and name in rule.ports and rule.build is None:
            value = convert.there(widget.default) if convert else widget.default
            assert op.inputs[rule.ports[name]].parse(value) == value
            if convert:
                assert convert.back(value) == widget.default


def test_a_rule_for_each_type() -> None:
    assert len({rule.type for rule in RULES}) == len(RULES)
    assert len(RULES) >= 90


# --- the recorded graphs --------------------------------------------------------------------------------------------


@recorded
@pytest.mark.parametrize("name", GRAPHS)
def test_recorded_graphs_convert_check_and_come_back(name: str) -> None:
    found = read_document(GRAPHS[name])
    assert found.report.complete, found.report.text()
    assert errors(found.workflow) == []
    back, report = to_api(Workflow.parse(found.workflow.text()))
    assert back == GRAPHS[name]
    assert report.findings == []
    assert original(found.workflow) == GRAPHS[name]


@recorded
def test_recorded_values() -> None:
    control = nodes(GRAPHS["control"])
    (apply,) = [k for k, node in control.items() if node.op == "diffusion/apply_control_net@1" and "negative" not in k]
    assert control[apply].values["strength"] == 1 or 0 < control[apply].values["strength"] <= 10
    sampler = next(node for node in control.values() if node.op == "diffusion/sample@1")
    assert sampler.links["positive"] == f"{apply}.conditioning"
    assert sampler.links["negative"] == f"{apply}-negative.conditioning"
    skipped = nodes(GRAPHS["clipskip2"])
    assert [x.values["clip_skip"] for x in skipped.values() if x.op == "diffusion/encode_prompt@1"] == [2, 2]
    lora = next(x for x in nodes(GRAPHS["lora"]).values() if x.op == "diffusion/apply_lora@1")
    assert lora.values["compat"] is True
    area = next(x for x in nodes(GRAPHS["cond_area"]).values() if x.op == "diffusion/set_area@1")
    assert area.values["width"] >= 8


@recorded
def test_the_base_case() -> None:
    base = nodes(GRAPHS["base_image"])
    assert base["3"].values == {
        "seed": 42, "steps": 8, "guidance": 7.5, "sampler": "euler", "schedule": "normal", "denoise": 1,
        "noise": "batch", "compat": True,
    }  # fmt: skip
    assert base["6"].values == {"text": "a photo of a red fox in the snow"}
    assert base["8"].links == {"latent": "3.latent", "vae": "4.vae"}


# --- single nodes ---------------------------------------------------------------------------------------------------


def test_nodes_that_become_two() -> None:
    clip = ["1", 1]
    document = {
        "1": n("CheckpointLoaderSimple", ckpt_name="a\\b.safetensors"),
        "2": n("CLIPTextEncodeSDXL", clip=clip, width=1024, height=512, crop_w=1, crop_h=2, target_width=8,
               target_height=9, text_g="big", text_l="small"),
        "3": n("CLIPTextEncodeFlux", clip=clip, clip_l="l", t5xxl="t", guidance=3),
        "4": n("ConditioningCombine", conditioning_1=["2", 0], conditioning_2=["3", 0]),
    }  # fmt: skip
    found = nodes(document)
    assert found["1"].values == {"model": "a/b.safetensors"}
    assert found["2"].values == {"clip_g": "big", "clip_l": "small"}
    assert found["2-sizes"].values["crop_left"] == 1
    assert found["2-sizes"].links == {"conditioning": "2.conditioning"}
    assert found["3"].values == {"clip_l": "l", "t5": "t"}
    assert found["4"].links == {"first": "2-sizes.conditioning", "second": "3-guidance.conditioning"}


def test_custom_sampling() -> None:
    document = {
        "1": n("CheckpointLoaderSimple", ckpt_name="x"),
        "2": n("CLIPTextEncode", text="t", clip=["1", 1]),
        "3": n("KSamplerSelect", sampler_name="sample_euler"),
        "4": n("BasicScheduler", model=["1", 0], scheduler="beta", steps=4, denoise=0.5),
        "5": n("EmptyLatentImage", width=64, height=64, batch_size=1),
        "6": n("SamplerCustom", model=["1", 0], add_noise=False, noise_seed=5, cfg=2.5, positive=["2", 0],
               negative=["2", 0], sampler=["3", 0], sigmas=["4", 0], latent_image=["5", 0]),
        "7": n("VAEDecodeTiled", samples=["6", 1], vae=["1", 2], tile_size=512, overlap=64),
    }  # fmt: skip
    found = read_document(document)
    made = found.workflow.nodes
    assert made["3"].values == {"name": "euler"}
    assert made["6-noise"].values == {"seed": 5, "layout": "none"}
    assert made["6-guider"].values == {"guidance": 2.5}
    assert made["6"].links == {
        "noise": "6-noise.noise", "guider": "6-guider.guider", "sampler": "3.sampler", "sigmas": "4.sigmas",
        "latent": "5.latent",
    }  # fmt: skip
    assert made["7"].links["latent"] == "6.denoised"
    assert made["7"].values == {"tile": 64, "overlap": 8}
    assert errors(found.workflow) == []
    back, _ = to_api(found.workflow)
    assert back["6"]["class_type"] == "SamplerCustomAdvanced"
    again = read_document(back).workflow
    assert again.nodes["6"].values == made["6"].values


def test_pictures_and_masks() -> None:
    document = {
        "1": n("LoadImage", image="a.png [input]", upload="image"),
        "2": n("LoadImageMask", image="a.png", channel="alpha"),
        "3": n("ImageBlur", image=["1", 0], blur_radius=4, sigma=0.5),
        "4": n("ImageSharpen", image=["3", 0], sharpen_radius=2, sigma=1, alpha=0.5),
        "5": n("ImageBatch", image1=["4", 0], image2=["1", 0]),
        "6": n("MaskComposite", destination=["2", 0], source=["1", 1], x=0, y=0, operation="and"),
        "7": n("JoinImageWithAlpha", image=["5", 0], alpha=["6", 0]),
        "8": n("SaveImage", images=["7", 0], filename_prefix="x"),
        "9": n("LatentBlend", samples1=["10", 0], samples2=["10", 0], blend_factor=0.25),
        "10": n("EmptySD3LatentImage", width=64, height=64, batch_size=1),
    }
    found = read_document(document)
    made = found.workflow.nodes
    assert made["1"].values == {"path": "a.png"}
    assert made["2-mask"].values == {"mark": "transparent"}
    assert made["3"].values == {"method": "gaussian", "radius": 4, "sigma": 2}
    assert made["4"].values == {"amount": 5, "sigma": 2}
    assert made["5"].links == {"images": ["4.image", "1.image"]}
    assert made["6"].values["mode"] == "intersect"
    assert made["9"].values == {"t": 0.75}
    assert made["10"].values["channels"] == 16
    assert errors(found.workflow) == []


def test_a_batch_of_many_is_written_as_a_chain() -> None:
    recipe = {
        "format": "nodeflow/1",
        "nodes": {
            **{k: {"op": "image/empty@1", "values": {"color": "#ff0000"}} for k in "abcd"},
            "all": {"op": "image/batch@1", "links": {"images": [f"{k}.image" for k in "abcd"]}},
        },
    }
    prompt, _ = to_api(Workflow.from_json(recipe))
    kinds = sorted(node["class_type"] for node in prompt.values())
    assert kinds == ["EmptyImage"] * 4 + ["ImageBatch"] * 3
    assert prompt["a"]["inputs"] == {"width": 512, "height": 512, "batch_size": 1, "color": 0xFF0000}
    inner = prompt[prompt["all"]["inputs"]["image1"][0]]["inputs"]
    assert prompt[inner["image1"][0]]["inputs"] == {"image1": ["a", 0], "image2": ["b", 0]}


def test_what_is_not_the_same_is_told() -> None:
    document = {
        "1": n("UNETLoader", unet_name="m", weight_dtype="fp8_e4m3fn"),
        "2": n("GrowMask", mask=["3", 0], expand=-4, tapered_corners=True),
        "3": n("SolidMask", value="0.5", width=8, height=8),
        "4": n("KSamplerSelect", sampler_name="unheard_of"),
        "5": n("CLIPLoader", clip_name="c", type="wan"),
        "6": n("LatentUpscaleBy", samples=["7", 3], upscale_method="bislerp", scale_by=2),
        "7": n("EmptyLatentImage", width=64, height=64, batch_size=1),
    }
    report = read_document(document).report
    seen = {(f.kind, f.node) for f in report.findings}
    assert {
        ("changed-value", "1"), ("unknown-node", "2"), ("changed-value", "3"), ("unknown-value", "5"),
        ("changed-value", "6"), ("dropped-link", "6"),
    } <= seen  # fmt: skip
    assert nodes(document)["2"].values == {"expand": -4, "tapered_corners": True}


def test_placeholders_are_reported_by_check_and_written_back() -> None:
    document = {
        "12:7": n("Mystery Node!", **{"a.b": 1, "a b": [1, 2, 3], "seed": 2**63}, image=["x", 0]),
        "x": n("ImageInvert", image=["12:7", 4]),
    }
    document["12:7"]["inputs"]["a b"] = {"__value__": [1, 2, 3]}
    found = read_document(document)
    assert found.workflow.nodes["12-7"].op == "comfyui/mystery_node@1"
    (error,) = [e for e in errors(found.workflow) if "NF102" in e]
    assert "comfyui/mystery_node" in error
    assert to_api(Workflow.parse(found.workflow.text()))[0] == document
    assert not found.report.complete


def test_writing_refuses_what_does_not_exist_there() -> None:
    recipe = Workflow.from_json(
        {
            "format": "nodeflow/1",
            "nodes": {
                "a": {"op": "image/empty@1"},
                "b": {"op": "image/histogram@1", "links": {"image": "a.image"}},
                "c": {"op": "image/invert@1", "links": {"image": "a.image"}},
            },
        }
    )
    with pytest.raises(ProblemsError, match=r"nodes\.b"):
        to_api(recipe)
    prompt, report = to_api(recipe, leave_out=True)
    assert {k: v["class_type"] for k, v in prompt.items()} == {"a": "EmptyImage", "c": "ImageInvert"}
    assert report.of("unknown-node")
    assert report.of("unknown-value") == []  # "black" is a number there


def test_writing_tells_what_differs() -> None:
    recipe = {"format": "nodeflow/1", "nodes": {"s": {"op": "diffusion/sample@1", "values": {"seed": "7"}}}}
    prompt, report = to_api(Workflow.from_json(recipe), installed_defaults())
    assert prompt["s"]["inputs"]["seed"] == 7
    assert prompt["s"]["inputs"]["cfg"] == 3.0
    assert any("'noise' is always 'batch'" in f.message for f in report.of("changed-meaning"))


def test_odd_files_are_read() -> None:
    document = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8}, "is_changed": None, "_meta": {"title": "Red"}},
        "2": n("ImageInvert", image=[1, 0]),
        "3": n("ImageInvert", image=["404", 0]),
        "4": "what",
        "5": {"class_type": "ImageInvert", "inputs": None},
    }
    found = read_document({"prompt": document, "client_id": "x"})
    made = found.workflow.nodes
    assert made["2"].links == {"image": "1.image"}
    assert made["1"].title == "Red"
    assert len(found.report.of("repaired")) == 3
    assert len(found.report.of("dropped-link")) == 1


def test_a_choice_that_is_no_word() -> None:
    rule = next(r for r in RULES if r.type == "MaskComposite")
    with pytest.raises(NoEquivalent):
        rule.converts["operation"].there(["list"])
