"""Interactions 10 and 11: drop files, copy and paste as JSON."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable

import pytest
from PIL import Image, PngImagePlugin
from playwright.sync_api import BrowserContext, expect

from nodeflow.share.embed import embed, extract
from tests.browser.canvas import Canvas, Document, recipe
from tests.browser.recipes import chain, picture, wiring
from tests.browser.watch import Watch

FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


def test_a_json_file_opens_in_a_new_tab_and_nothing_runs(canvas: Canvas) -> None:
    before = canvas.server.get("/api/jobs?limit=1")["items"]
    canvas.open({**chain(), "title": "One"})
    canvas.open({**wiring(), "title": "Two"})
    expect(canvas.tab()).to_have_count(2)
    expect(canvas.page.get_by_role("tab", selected=True)).to_contain_text("Two")
    assert canvas.server.get("/api/jobs?limit=1")["items"] == before


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_result_dropped_opens_the_workflow_that_made_it(canvas: Canvas, kind: str) -> None:
    document = recipe(
        {
            "picture": {"op": "image/empty@1", "values": {"width": 16, "height": 16}},
            "save": {"op": "image/save@1", "values": {"format": kind}, "links": {"image": "picture.image"}},
        }
    )
    job = canvas.server.finished(canvas.server.run(document)[0])
    assert job["state"] == "completed", job
    found = next(item for item in job["artefacts"] if item["media_type"] == FORMATS[kind])
    _, content, _ = canvas.server.ask("GET", f"/api/artefacts/{found['digest']}")
    canvas.drop(f"result.{kind}", content, FORMATS[kind])
    expect(canvas.node("save")).to_be_visible()
    assert canvas.changed(lambda doc: len(doc["nodes"]) == 2)["nodes"] == document["nodes"]


def test_a_picture_that_would_not_come_out_the_same_here_warns_and_opens_all_the_same(canvas: Canvas) -> None:
    document = recipe({"picture": {"op": "image/empty@1", "values": {"width": 16, "height": 16}}})
    document["outputs"] = {"image": "picture.image"}
    job = canvas.server.finished(canvas.server.run(document)[0])
    _, content, _ = canvas.server.ask("GET", f"/api/artefacts/{job['artefacts'][0]['digest']}")
    canvas.drop("same.png", content, "image/png")
    expect(canvas.tab()).to_have_count(1)
    expect(canvas.page.get_by_role("dialog")).to_have_count(0)

    carried = extract(content)
    before = canvas.server.get("/api/jobs?limit=1")["items"]
    for change, words in (
        ({"versions": {**carried["versions"], "nodeflow": "0.0.1"}}, r"nodeflow: made with 0\.0\.1, here it is "),
        ({"numeric": "another-machine"}, "made with another-machine, here it is .* may differ in its last digits"),
    ):
        canvas.drop("older.png", embed(content, {**carried, "key": "0" * 64, **change}), "image/png")
        report = canvas.dialog("Not as it was when it was made")
        expect(report).to_contain_text("older.png, a picture")
        expect(report).to_contain_text(re.compile(words))
        report.get_by_role("button", name="Close").last.click()
    expect(canvas.tab()).to_have_count(3)
    expect(canvas.node("picture")).to_be_visible()
    assert canvas.server.get("/api/jobs?limit=1")["items"] == before


def test_unknown_nodes_are_kept_with_values_and_links(canvas: Canvas) -> None:
    document = chain()
    document["nodes"]["b"] |= {"op": "from_a_pack_that_is_not_here/thing@3", "values": {"b": " two", "odd": [1, "x"]}}
    canvas.open(document)
    placeholder = canvas.node("b")
    expect(placeholder).to_contain_text("from_a_pack_that_is_not_here/thing")
    expect(canvas.wires).to_have_count(2)
    canvas.drag_by(canvas.title("a"), 0, 60)
    changed = canvas.changed(lambda doc: doc["layout"] != document["layout"])
    assert changed["nodes"] == document["nodes"]


def test_a_picture_without_a_recipe_and_other_files_say_so_and_open_nothing(canvas: Canvas, watch: Watch) -> None:
    watch.expect("400")
    canvas.open(chain())
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=PngImagePlugin.PngInfo())
    for name, content, kind in (
        ("plain.png", file.getvalue(), "image/png"),
        ("broken.json", b"{ no json", "application/json"),
        ("page.html", b"<script>alert(1)</script>", "text/html"),
    ):
        canvas.drop(name, content, kind)
        expect(canvas.page.get_by_text(name).first).to_be_visible()
    expect(canvas.tab()).to_have_count(1)


def test_a_comfyui_workflow_is_converted_with_a_report(canvas: Canvas) -> None:
    comfy: Document = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "shapes-64"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red star", "clip": ["1", 1]}},
        "3": {"class_type": "SomethingElse", "inputs": {"x": ["2", 0]}},
    }
    canvas.drop("comfy.json", json.dumps(comfy).encode())
    expect(canvas.nodes).to_have_count(3)
    expect(canvas.page.get_by_text("SomethingElse").first).to_be_visible()


# --- 11: the clipboard


def copied(canvas: Canvas) -> Document:
    found: Document = json.loads(canvas.page.evaluate("navigator.clipboard.readText()"))
    return found


def test_copy_and_paste_within_a_tab_renames_ids_and_keeps_inner_links(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("b", "c")
    canvas.press("Control+c")
    assert json.dumps(copied(canvas)).count("value/join_text") == 2
    canvas.press("Control+v")
    done = canvas.changed(lambda doc: len(doc["nodes"]) == 5)
    canvas.press("Home")
    new = [id for id in done["nodes"] if id not in chain()["nodes"]]
    links = {id: done["nodes"][id].get("links", {}) for id in new}
    assert sorted(links.values(), key=str) == sorted([{}, {"a": f"{new[0]}.text"}], key=str) or sorted(
        links.values(), key=str
    ) == sorted([{}, {"a": f"{new[1]}.text"}], key=str)
    expect(canvas.selected).to_have_count(2)
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == chain())


def test_paste_with_shift_keeps_incoming_wires(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("b")
    canvas.press("Control+c", "Control+Shift+V")
    done = canvas.changed(lambda doc: len(doc["nodes"]) == 4)
    new = next(id for id in done["nodes"] if id not in chain()["nodes"])
    assert done["nodes"][new]["links"] == {"a": "a.text"}


def test_paste_across_tabs_and_from_other_programs(canvas: Canvas, new_context: Callable[..., BrowserContext]) -> None:
    canvas.open({**chain(), "title": "One"})
    canvas.select("a")
    canvas.press("Control+c")
    canvas.open({**wiring(), "title": "Two"})
    canvas.focus_pane()
    canvas.press("Control+v")
    canvas.changed(lambda doc: len(doc["nodes"]) == 6)

    written = {"format": "nodeflow/1", "nodes": {"words": {"op": "value/text@1", "values": {"value": "by hand"}}}}
    canvas.page.evaluate("text => navigator.clipboard.writeText(text)", json.dumps(written))
    canvas.press("Control+v")
    done = canvas.changed(lambda doc: len(doc["nodes"]) == 7)
    assert done["nodes"]["words"] == wiring()["nodes"]["words"]
    assert any(node.get("values", {}).get("value") == "by hand" for node in done["nodes"].values())


@pytest.mark.parametrize("foreign", ["hello", '{"some": "json"}', "[1, 2, 3]", "", '{"nodes": 3}'])
def test_foreign_text_is_ignored(canvas: Canvas, foreign: str) -> None:
    canvas.open(chain())
    canvas.page.evaluate("text => navigator.clipboard.writeText(text)", foreign)
    canvas.focus_pane()
    canvas.press("Control+v")
    canvas.unchanged(chain())


def test_alt_drag_duplicates(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.page.keyboard.down("Alt")
    canvas.drag_by(canvas.title("b"), 0, 220)
    canvas.page.keyboard.up("Alt")
    done = canvas.changed(lambda doc: len(doc["nodes"]) == 4)
    assert done["layout"]["b"] == chain()["layout"]["b"]
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == chain())


def test_alt_drag_duplicates_notes_and_frames_with_what_they_hold(canvas: Canvas) -> None:
    document = wiring()
    document["layout"] |= {
        "notes": [{"text": "by hand", "at": [680, 200], "size": [240, 120]}],
        "groups": [{"title": "Making", "at": [300, -60], "size": [340, 320]}],
    }
    canvas.open(document)
    note, frame = canvas.page.locator(".react-flow__node-note"), canvas.page.locator("[data-frame]")
    canvas.page.keyboard.down("Alt")
    canvas.drag_by(note, 60, 120)
    canvas.page.keyboard.up("Alt")
    expect(note).to_have_count(2)
    done = canvas.changed(lambda doc: len(doc["layout"]["notes"]) == 2)
    assert done["layout"]["notes"][0] == document["layout"]["notes"][0]
    assert done["layout"]["notes"][1]["text"] == "by hand"
    assert done["layout"]["notes"][1]["at"] != document["layout"]["notes"][0]["at"]

    canvas.page.keyboard.down("Alt")
    canvas.drag_by(frame.locator(".nf-frame-title"), 20, -100)
    canvas.page.keyboard.up("Alt")
    expect(frame).to_have_count(2)
    done = canvas.changed(lambda doc: len(doc["layout"]["groups"]) == 2 and "blur_2" in doc["nodes"])
    assert done["layout"]["groups"][0] == document["layout"]["groups"][0]
    assert done["layout"]["blur"] == document["layout"]["blur"]
    by = [done["layout"]["groups"][1]["at"][i] - document["layout"]["groups"][0]["at"][i] for i in (0, 1)]
    assert [done["layout"]["blur_2"]["at"][i] - document["layout"]["blur"]["at"][i] for i in (0, 1)] == by
    assert done["nodes"]["blur_2"] == document["nodes"]["blur"]
    canvas.press("Control+z", "Control+z")
    canvas.changed(lambda doc: doc == document)


def test_every_output_of_a_run_carries_its_workflow(canvas: Canvas) -> None:
    job = canvas.server.finished(canvas.server.run(picture(steps=2))[0])
    digest = job["artefacts"][0]["digest"]
    _, content, _ = canvas.server.ask("GET", f"/api/artefacts/{digest}")
    status, imported, _ = canvas.server.ask("POST", "/api/import", content)
    assert status == 200
    assert imported["workflow"]["nodes"] == picture(steps=2)["nodes"]
