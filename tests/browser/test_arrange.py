"""Interactions 22 and 24: align, distribute, snap, tidy up; themes and sticky notes."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.canvas import Canvas, Document
from tests.browser.recipes import chain, wiring


def scattered() -> Document:
    document = wiring()
    for place, id in enumerate(document["nodes"]):
        document["layout"][id] = {"at": [(place * 217) % 600, (place * 389) % 500]}
    return document


def places(document: Document) -> dict[str, list[float]]:
    return {id: document["layout"][id]["at"] for id in document["nodes"]}


def test_tidy_up_is_left_to_right_deterministic_and_one_step(canvas: Canvas) -> None:
    canvas.open(scattered())
    canvas.focus_pane()
    canvas.command("Tidy up")
    done = canvas.changed(lambda doc: places(doc) != places(scattered()))
    assert places(done)["picture"][0] < places(done)["blur"][0]
    assert done["nodes"] == scattered()["nodes"]
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == scattered())
    canvas.command("Tidy up")
    canvas.changed(lambda doc: doc == done)
    canvas.command("Tidy up")
    canvas.unchanged(done)


def test_tidy_up_on_a_selection_leaves_the_rest(canvas: Canvas) -> None:
    document = chain()
    document["layout"] = {"a": {"at": [500, 0]}, "b": {"at": [0, 200]}, "c": {"at": [700, 300]}}
    canvas.open(document)
    canvas.select("a", "b")
    canvas.command("Tidy up")
    done = canvas.changed(lambda doc: places(doc) != places(document))
    assert places(done)["c"] == places(document)["c"]
    assert places(done)["a"][0] < places(done)["b"][0]


def test_align_and_distribute(canvas: Canvas) -> None:
    document = chain()
    document["layout"] = {"a": {"at": [0, 0]}, "b": {"at": [310, 40]}, "c": {"at": [700, 90]}}
    canvas.open(document)
    canvas.select("a", "b", "c")
    canvas.command("Align top sides")
    done = canvas.changed(lambda doc: len({at[1] for at in places(doc).values()}) == 1)
    canvas.command("Distribute horizontally")
    done = canvas.changed(lambda doc: doc != done)
    (a, b, c) = (places(done)[id][0] for id in "abc")
    sizes = {id: canvas.node(id).bounding_box()["width"] for id in "abc"}  # type: ignore[index]
    if sizes["a"] == sizes["b"]:
        assert abs((b - a) - (c - b)) <= 1


def test_snapping_is_a_setting(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.button("Settings").click()
    snap = canvas.dialog("Settings").get_by_role("checkbox", name="Snap nodes to the grid")
    expect(snap).to_be_checked()
    canvas.press("Escape")
    canvas.drag_by(canvas.title("b"), 37, 53)
    done = canvas.changed(lambda doc: doc["layout"]["b"] != chain()["layout"]["b"])
    x, y = done["layout"]["b"]["at"]
    assert (x % 20, y % 20) == (0, 0)

    canvas.button("Settings").click()
    canvas.dialog("Settings").get_by_text("Snap nodes to the grid").click()
    expect(snap).not_to_be_checked()
    canvas.press("Escape")
    canvas.drag_by(canvas.title("b"), 37, 53)
    free = canvas.changed(lambda doc: doc["layout"]["b"] != done["layout"]["b"])
    to_x, to_y = free["layout"]["b"]["at"]
    assert (to_x % 20, to_y % 20) != (0, 0)


def test_themes_are_dark_light_or_the_systems(canvas: Canvas) -> None:
    page = canvas.open(chain()).page
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.emulate_media(color_scheme="light")
    expect(page.locator("body")).not_to_have_css("background-color", dark)
    canvas.button("Settings").click()
    canvas.dialog("Settings").get_by_role("button", name="Dark").click()
    expect(page.locator("body")).to_have_css("background-color", dark)
    page.reload()
    expect(canvas.node("a")).to_be_visible()
    expect(page.locator("body")).to_have_css("background-color", dark)


def test_ports_show_their_type_by_colour_and_by_shape(canvas: Canvas) -> None:
    canvas.open(wiring())
    looks = {}
    for name, node, port in (
        ("Image", "picture", "out:image"),
        ("str", "words", "out:text"),
        ("int", "number", "in:value"),
    ):
        handle = canvas.port(node, port)
        colour = handle.evaluate("port => getComputedStyle(port).getPropertyValue('--c')")
        looks[name] = (colour, handle.locator("path").get_attribute("d"))
    assert len(set(looks.values())) == 3, looks
    known = {info["name"]: info for info in canvas.server.get("/api/node-types")["types"]}
    shapes = {known[name]["shape"] for name in looks}
    assert len({drawn for _, drawn in looks.values()}) == len(shapes) > 1, looks


def test_a_sticky_note_is_layout_only(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.page.mouse.move(*canvas.empty(200))
    canvas.command("Add a note")
    canvas.page.keyboard.type("Remember this")
    canvas.focus_pane()
    done = canvas.changed(lambda doc: "Remember this" in str(doc["layout"]))
    assert done["nodes"] == chain()["nodes"]
    canvas.page.reload()
    expect(canvas.page.get_by_text("Remember this")).to_be_visible()
