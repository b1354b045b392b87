"""Interactions 2 and 23: the palette, the keyboard map and the command palette."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.canvas import Canvas
from tests.browser.recipes import chain


@pytest.mark.parametrize("opened_by", ["double click", "Control+Space", "Tab"])
def test_the_node_lands_under_the_cursor_and_focus_returns(canvas: Canvas, opened_by: str) -> None:
    canvas.open(chain())
    x, y = canvas.empty(120, -20)
    canvas.page.mouse.move(x, y)
    if opened_by == "double click":
        canvas.page.mouse.dblclick(x, y)
    else:
        canvas.page.mouse.click(x, y)
        canvas.press(opened_by)
    palette = canvas.dialog("Add a node")
    expect(palette.get_by_role("combobox")).to_be_focused()
    canvas.page.keyboard.type("gausblr")  # fuzzy: not a piece of any title
    canvas.page.keyboard.press("Control+a")
    canvas.page.keyboard.type("blur")
    expect(palette.get_by_role("option", selected=True)).to_contain_text("Blur")
    canvas.press("Enter")

    done = canvas.changed(lambda doc: len(doc["nodes"]) == 4)
    new = next(id for id in done["nodes"] if id not in chain()["nodes"])
    assert done["nodes"][new]["op"].startswith("image/blur@")
    box = canvas.node(new).bounding_box()
    assert box
    assert box["x"] - 40 <= x <= box["x"] + box["width"]
    assert box["y"] - 40 <= y <= box["y"] + box["height"]
    expect(palette).to_have_count(0)
    assert canvas.page.evaluate("document.activeElement.closest('[data-canvas]') !== null")
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == chain())


def test_search_is_fuzzy_over_title_op_and_category_and_arrows_move(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.page.mouse.dblclick(*canvas.empty(120))
    palette = canvas.dialog("Add a node")
    for typed, wanted in (("smpl", "Sample"), ("image/canny", "Canny"), ("mask invert", "Invert")):
        canvas.page.keyboard.press("Control+a")
        canvas.page.keyboard.type(typed)
        expect(palette.get_by_role("option").filter(has_text=wanted).first).to_be_visible()
    first = palette.get_by_role("option", selected=True).get_attribute("id")
    canvas.press("ArrowDown")
    assert palette.get_by_role("option", selected=True).get_attribute("id") != first
    canvas.press("ArrowUp")
    assert palette.get_by_role("option", selected=True).get_attribute("id") == first
    canvas.press("Escape")
    expect(palette).to_have_count(0)
    canvas.unchanged(chain())


def test_what_was_used_last_comes_first(canvas: Canvas) -> None:
    canvas.open(chain())
    for place, name in enumerate(("sharpen", "rotate")):
        canvas.page.mouse.dblclick(*canvas.empty(120 + 300 * place))
        canvas.page.keyboard.type(name)
        canvas.press("Enter")
    canvas.changed(lambda doc: len(doc["nodes"]) == 5)
    canvas.page.mouse.dblclick(*canvas.empty(750))
    expect(canvas.dialog("Add a node").get_by_role("option").nth(0)).to_contain_text("Rotate")
    expect(canvas.dialog("Add a node").get_by_role("option").nth(1)).to_contain_text("Sharpen")


def test_tab_opens_the_palette_only_while_the_pane_has_focus(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.field("a", "value").click()
    canvas.press("Tab")
    expect(canvas.dialog("Add a node")).to_have_count(0)


def test_the_keyboard_map_and_the_command_palette_show_the_same_commands(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.focus_pane()
    canvas.press("?")
    keys = canvas.dialog("Keyboard")
    expect(keys).to_contain_text("Undo")
    expect(keys).to_contain_text("Mute")
    canvas.press("Escape")
    expect(keys).to_have_count(0)

    canvas.press("Control+k")
    commands = canvas.dialog("All commands")
    canvas.page.keyboard.type("select all")
    expect(commands.get_by_role("option").first).to_contain_text("Select all")
    canvas.press("Enter")
    expect(commands).to_have_count(0)
    expect(canvas.selected).to_have_count(3)


def test_shortcuts_can_be_changed_and_are_kept(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.focus_pane()
    canvas.press("?")
    keys = canvas.dialog("Keyboard")
    keys.get_by_role("button", name="Keys of “Mute: does not run”").click()
    canvas.press("Alt+m")
    canvas.press("Escape")
    canvas.select("b")
    canvas.press("Control+m")
    canvas.unchanged(chain())
    canvas.press("Alt+m")
    canvas.changed(lambda doc: doc["nodes"]["b"].get("mode") == "muted")

    canvas.page.reload()
    expect(canvas.node("b")).to_be_visible()
    canvas.select("b")
    canvas.press("Alt+m")
    canvas.changed(lambda doc: "mode" not in doc["nodes"]["b"])


def test_no_shortcut_fires_while_typing(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("a")
    canvas.field("a", "value").click()
    canvas.press("Control+a", "Delete")
    canvas.page.keyboard.type("a ? . n")
    done = canvas.changed(lambda doc: doc["nodes"]["a"]["values"]["value"] == "a ? . n")
    assert done["nodes"].keys() == chain()["nodes"].keys()
    expect(canvas.page.get_by_role("dialog")).to_have_count(0)
    canvas.press("Backspace", "Control+m")
    canvas.changed(lambda doc: doc["nodes"]["a"]["values"]["value"] == "a ? . ")
    canvas.unchanged(canvas.document())
