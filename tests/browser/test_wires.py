"""Interactions 1, 3 and 17: drag from port to port, drop on the empty canvas, reroute, insert, slice."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.canvas import Canvas
from tests.browser.recipes import chain, wiring


def test_accepting_ports_glow_and_all_others_dim_while_dragging(canvas: Canvas) -> None:
    canvas.open(wiring())
    canvas.grab(canvas.port("picture", "out:image"), canvas.empty(200))

    for node in ("blur", "invert"):
        expect(canvas.port(node, "in:image")).to_have_attribute("data-state", "accepts")
    for node, port in (("words", "in:a"), ("words", "in:b"), ("blur", "in:sigma"), ("number", "in:value")):
        expect(canvas.port(node, port)).to_have_attribute("data-state", "dim")
    glowing = canvas.port("blur", "in:image").evaluate("port => getComputedStyle(port).opacity")
    dimmed = canvas.port("words", "in:a").evaluate("port => getComputedStyle(port).opacity")
    assert float(dimmed) < float(glowing)

    canvas.press("Escape")
    canvas.page.mouse.up()
    expect(canvas.page.locator("[data-port]:not([data-state=idle])")).to_have_count(0)
    canvas.unchanged(canvas.document())


def test_a_drop_on_a_wired_input_replaces_its_wire_in_one_step(canvas: Canvas) -> None:
    canvas.open(wiring())
    canvas.drag(canvas.port("picture", "out:image"), canvas.port("invert", "in:image"))
    first = canvas.changed(lambda doc: doc["nodes"]["invert"].get("links") == {"image": "picture.image"})
    canvas.drag(canvas.port("blur", "out:image"), canvas.port("invert", "in:image"))
    canvas.changed(lambda doc: doc["nodes"]["invert"].get("links") == {"image": "blur.image"})
    expect(canvas.wires).to_have_count(2)

    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == first)
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc["nodes"] == wiring()["nodes"])


def test_a_refused_drop_changes_nothing_and_says_why(canvas: Canvas) -> None:
    canvas.open(wiring())
    before = canvas.document()
    canvas.drag(canvas.port("picture", "out:image"), canvas.port("words", "in:a"))
    expect(canvas.refusal).to_have_text("picture.image gives Image; words.a takes str.")
    canvas.unchanged(before)
    expect(canvas.button("Undo")).to_be_disabled()


def test_a_circle_is_refused(canvas: Canvas) -> None:
    canvas.open(chain())
    before = canvas.document()
    canvas.drag(canvas.port("c", "out:text"), canvas.port("b", "in:b"))
    expect(canvas.refusal).to_contain_text("circle")
    canvas.unchanged(before)


def test_a_wire_dropped_on_the_canvas_offers_what_fits_and_wires_it_there_in_one_step(canvas: Canvas) -> None:
    canvas.open(wiring())
    x, y = canvas.empty(400)
    canvas.drag(canvas.port("picture", "out:image"), (x, y))
    palette = canvas.dialog("Add a node")
    expect(palette).to_be_visible()
    canvas.page.keyboard.type("text")
    expect(palette.get_by_role("option", name="Join text")).to_have_count(0)
    canvas.page.keyboard.press("Control+a")
    canvas.page.keyboard.type("sharpen")
    expect(palette.get_by_role("option").first).to_contain_text("Sharpen")
    canvas.press("Enter")

    done = canvas.changed(lambda doc: len(doc["nodes"]) == 6)
    new = next(id for id in done["nodes"] if id not in wiring()["nodes"])
    assert done["nodes"][new]["op"].startswith("image/sharpen@")
    assert done["nodes"][new]["links"] == {"image": "picture.image"}
    left, top = canvas.place(new)
    assert abs(left - x) < 60
    assert abs(top - y) < 120

    canvas.press("Control+z")
    canvas.changed(lambda doc: doc["nodes"] == wiring()["nodes"])


def test_a_wire_dragged_backwards_offers_nodes_with_a_fitting_output(canvas: Canvas) -> None:
    canvas.open(wiring())
    canvas.drag(canvas.port("words", "in:b"), canvas.empty(200))
    palette = canvas.dialog("Add a node")
    canvas.page.keyboard.type("text")
    palette.get_by_role("option", name="Text", exact=True).or_(palette.get_by_role("option").first).first.click()
    done = canvas.changed(lambda doc: "b" in doc["nodes"]["words"].get("links", {}))
    source = done["nodes"]["words"]["links"]["b"].partition(".")[0]
    assert source not in wiring()["nodes"]


def test_escape_drops_the_wire(canvas: Canvas) -> None:
    canvas.open(wiring())
    before = canvas.document()
    canvas.drag(canvas.port("picture", "out:image"), canvas.empty(400))
    expect(canvas.dialog("Add a node")).to_be_visible()
    canvas.press("Escape")
    expect(canvas.dialog("Add a node")).to_have_count(0)
    canvas.unchanged(before)


def middle(canvas: Canvas, start: str, end: str) -> tuple[float, float]:
    """Half way between two ports, given as `node out:port`."""
    (x, y), (to_x, to_y) = (canvas.centre(canvas.port(*place.split(" "))) for place in (start, end))
    return (x + to_x) / 2, (y + to_y) / 2


def test_a_double_click_adds_a_reroute_which_is_layout_only(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.page.mouse.dblclick(*middle(canvas, "a out:text", "b in:a"))
    done = canvas.changed(lambda doc: doc["layout"] != chain()["layout"])
    assert done["nodes"] == chain()["nodes"]
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc["layout"] == chain()["layout"])


def test_a_node_dropped_on_a_wire_is_inserted_in_one_step(canvas: Canvas) -> None:
    document = chain()
    document["nodes"]["extra"] = {"op": "value/change_case@1"}
    document["layout"]["extra"] = {"at": [80, 480]}
    canvas.open(document)
    x, y = canvas.centre(canvas.title("extra"))
    to_x, to_y = middle(canvas, "b out:text", "c in:a")
    box = canvas.node("extra").bounding_box()
    assert box
    canvas.drag((x, y), (to_x, to_y - (box["y"] + box["height"] / 2 - y)), steps=12)

    done = canvas.changed(lambda doc: doc["nodes"]["c"]["links"]["a"] == "extra.text")
    assert done["nodes"]["extra"]["links"] == {"text": "b.text"}
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == document)


def test_a_node_whose_types_do_not_fit_is_only_moved(canvas: Canvas) -> None:
    document = chain()
    document["nodes"]["extra"] = {"op": "image/invert@1"}
    document["layout"]["extra"] = {"at": [80, 480]}
    canvas.open(document)
    canvas.drag(canvas.title("extra"), middle(canvas, "b out:text", "c in:a"), steps=12)
    done = canvas.changed(lambda doc: doc["layout"]["extra"] != document["layout"]["extra"])
    assert done["nodes"] == document["nodes"]


def test_delete_and_reconnect(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("b")
    canvas.press("Shift+Delete")
    done = canvas.changed(lambda doc: "b" not in doc["nodes"])
    assert done["nodes"]["c"]["links"] == {"a": "a.text"}
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == chain())


def test_cut_is_not_delete_and_reconnect(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("b")
    canvas.press("Control+x")
    done = canvas.changed(lambda doc: "b" not in doc["nodes"])
    assert done["nodes"]["c"].get("links", {}) == {}
    assert "value/join_text" in canvas.page.evaluate("navigator.clipboard.readText()")


def test_slicing_cuts_every_wire_crossed_as_one_step(canvas: Canvas) -> None:
    document = wiring()
    document["nodes"]["invert"]["links"] = {"image": "picture.image"}
    canvas.open(document)
    x, y = canvas.centre(canvas.port("picture", "out:image"))
    canvas.page.keyboard.down("Alt")
    canvas.drag((x + 25, y - 60), (x + 25, y + 220), steps=12)
    canvas.page.keyboard.up("Alt")
    done = canvas.changed(lambda doc: not doc["nodes"]["blur"].get("links"))
    assert not done["nodes"]["invert"].get("links")
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == document)
