"""Interaction 7, its end: a node shows inside itself what its run made, for as long as that is what it made."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.browser.canvas import Canvas, Document, recipe
from tests.browser.recipes import picture


def with_preview(**more: int) -> Document:
    document = picture(**more)
    document["nodes"]["look"] = {"op": "image/preview@1", "links": {"image": "decode.image"}}
    document["layout"]["look"] = {"at": [1280, 100]}
    return document


def shown(canvas: Canvas, id: str) -> Locator:
    """The pictures of its result that a node shows."""
    return canvas.node(id).get_by_role("region", name=f"Result of {id}").get_by_role("img")


def expect_picture(canvas: Canvas, id: str) -> None:
    """A picture that is there, inside the node's box."""
    image = shown(canvas, id)
    expect(image).to_have_count(1, timeout=20_000)
    canvas.page.wait_for_function("image => image.complete && image.naturalWidth === 64", arg=image.element_handle())
    node, inner = canvas.node(id).bounding_box(), image.bounding_box()
    assert node
    assert inner
    assert inner["width"] > node["width"] * 0.8
    assert node["y"] < inner["y"]
    assert inner["y"] + inner["height"] <= node["y"] + node["height"]


def test_a_node_shows_the_picture_that_it_made_after_a_reload_and_from_the_cache_too(canvas: Canvas) -> None:
    canvas.open(with_preview(seed=71))
    expect(shown(canvas, "decode")).to_have_count(0)
    canvas.run()
    for id in ("decode", "look"):
        expect_picture(canvas, id)
    for id in ("sample", "checkpoint", "positive"):
        expect(shown(canvas, id)).to_have_count(0)
    canvas.unchanged(with_preview(seed=71))

    canvas.page.reload()
    for id in ("decode", "look"):
        expect_picture(canvas, id)

    again = canvas.run()
    assert again["cached_steps"] > 0
    canvas.expect_state("look", "cached")
    expect_picture(canvas, "look")
    digests = {item["digest"] for item in again["artefacts"] if item["node"] == "look"}
    source = shown(canvas, "look").get_attribute("src")
    assert source
    assert any(digest in source for digest in digests)


def test_a_click_on_the_picture_shows_it_in_full_size_among_those_of_its_run(canvas: Canvas) -> None:
    canvas.open(with_preview(seed=72))
    canvas.run()
    expect_picture(canvas, "look")
    shown(canvas, "look").click()
    viewer = canvas.dialog("look.png")
    expect(viewer).to_be_visible()
    expect(viewer).to_contain_text("2 of 2")
    canvas.press("ArrowLeft")
    expect(canvas.page.get_by_role("dialog")).to_contain_text("1 of 2")
    canvas.press("Escape")
    expect(canvas.page.get_by_role("dialog")).to_have_count(0)
    canvas.unchanged(with_preview(seed=72))


def test_the_picture_can_be_hidden_as_one_step_and_is_not_drawn_from_afar(canvas: Canvas) -> None:
    canvas.open(with_preview(seed=73))
    canvas.run()
    expect_picture(canvas, "decode")
    height = canvas.node("decode").bounding_box()
    canvas.node("decode").get_by_role("button", name="Hide the result").click()
    canvas.changed(lambda doc: doc["layout"]["decode"].get("hide_result") is True)
    expect(shown(canvas, "decode")).to_have_count(0)
    less = canvas.node("decode").bounding_box()
    assert height
    assert less
    assert less["height"] < height["height"] * 0.7
    canvas.focus_pane()
    canvas.press("Control+z")
    canvas.changed(lambda doc: "hide_result" not in doc["layout"]["decode"])
    expect_picture(canvas, "decode")

    for _ in range(8):
        canvas.press("Control+-")
    expect(canvas.node("decode")).to_have_attribute("data-far", "true")
    expect(shown(canvas, "decode")).to_have_count(0)


def test_several_pictures_are_four_and_how_many_more_and_a_text_is_a_line(canvas: Canvas) -> None:
    document = picture(seed=74)
    document["nodes"]["latent"]["values"]["batch_size"] = 6
    document["nodes"]["count"] = {"op": "value/show@1", "values": {"value": 42, "label": "answer"}}
    document["layout"]["count"] = {"at": [960, -200]}
    canvas.open(document)
    canvas.run()
    expect(shown(canvas, "decode")).to_have_count(4, timeout=20_000)
    expect(canvas.node("decode")).to_contain_text("+2")
    expect(canvas.node("decode")).to_contain_text("6 results")
    expect(canvas.node("count").get_by_role("region", name="Result of count")).to_contain_text("answer: 42")


def test_what_an_earlier_run_made_is_marked_until_the_new_is_there(canvas: Canvas) -> None:
    canvas.open(with_preview(seed=75))
    canvas.run()
    expect_picture(canvas, "decode")
    part = canvas.node("decode").get_by_role("region", name="Result of decode")
    expect(part).not_to_have_attribute("data-earlier", "true")
    steps = canvas.field("sample", "steps")
    steps.fill("3000")
    canvas.press("Enter")
    canvas.changed(lambda doc: doc["nodes"]["sample"]["values"]["steps"] == 3000)
    canvas.queue()
    canvas.expect_state("sample", "running")
    expect(part).to_have_attribute("data-earlier", "true")
    expect(part).to_contain_text("earlier run")
    expect(shown(canvas, "decode")).to_be_visible()
    canvas.button("Cancel current").click()
    canvas.expect_state("sample", "cancelled", seconds=20)


def test_inside_a_subgraph_its_nodes_show_what_they_made_and_outside_the_subgraph_does(canvas: Canvas) -> None:
    inner = {
        "nodes": {
            "empty": {"op": "image/empty@1", "values": {"width": 64, "height": 64}},
            "look": {"op": "image/preview@1", "links": {"image": "empty.image"}},
        },
        "outputs": {"image": "empty.image"},
        "layout": {"empty": {"at": [0, 0]}, "look": {"at": [340, 0]}},
    }
    canvas.open(recipe({"sub": {"op": "workflow:inner"}}, definitions={"inner": inner}))
    canvas.run()
    expect_picture(canvas, "sub")
    canvas.title("sub").dblclick()
    expect(canvas.node("look")).to_be_visible()
    expect_picture(canvas, "look")
    expect(canvas.node("empty")).to_have_attribute("data-state", re.compile("done|cached"))
