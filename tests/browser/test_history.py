"""Interaction 5: undo and redo everything, one step per user action."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.canvas import Canvas
from tests.browser.recipes import chain, wiring


def steps(canvas: Canvas) -> int:
    """How many steps can be undone; they are all undone after this."""
    canvas.focus_pane()
    count = 0
    while canvas.button("Undo").is_enabled():
        canvas.press("Control+z")
        count += 1
        assert count < 50
    return count


def test_a_drag_is_one_step_and_redo_brings_it_back(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.drag_by(canvas.title("b"), 60, 180)
    moved = canvas.changed(lambda doc: doc["layout"]["b"] != chain()["layout"]["b"])
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == chain())
    expect(canvas.button("Undo")).to_be_disabled()
    canvas.press("Control+Shift+z")
    canvas.changed(lambda doc: doc == moved)
    assert steps(canvas) == 1


def test_a_drag_of_several_nodes_is_one_step(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("a", "b")
    canvas.drag_by(canvas.title("b"), 0, 200)
    canvas.changed(lambda doc: doc["layout"]["a"]["at"][1] > 100 and doc["layout"]["b"]["at"][1] > 100)
    assert steps(canvas) == 1
    canvas.changed(lambda doc: doc == chain())


def test_a_burst_of_typing_is_one_step_and_typing_after_undo_starts_a_new_one(canvas: Canvas) -> None:
    canvas.open(chain())
    field = canvas.field("a", "value")
    field.click()
    canvas.press("End")
    canvas.page.keyboard.type(" more words")
    canvas.changed(lambda doc: doc["nodes"]["a"]["values"]["value"] == "one more words")
    canvas.focus_pane()
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == chain())
    field.click()
    canvas.press("End")
    canvas.page.keyboard.type("!")
    canvas.changed(lambda doc: doc["nodes"]["a"]["values"]["value"] == "one!")
    assert steps(canvas) == 1


def test_deleting_a_node_with_its_wires_is_one_step_and_two_quick_deletes_are_two(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("b")
    canvas.press("Delete")
    canvas.select("c")
    canvas.press("Delete")
    canvas.changed(lambda doc: list(doc["nodes"]) == ["a"])
    canvas.press("Control+z")
    canvas.changed(lambda doc: sorted(doc["nodes"]) == ["a", "c"])
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == chain())
    expect(canvas.button("Undo")).to_be_disabled()


def test_arrow_keys_move_and_are_recorded(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("b")
    for _ in range(3):
        canvas.press("ArrowRight")
    canvas.changed(lambda doc: doc["layout"]["b"]["at"][0] > chain()["layout"]["b"]["at"][0])
    assert steps(canvas) == 1
    canvas.changed(lambda doc: doc == chain())


def test_what_changes_nothing_is_no_step(canvas: Canvas) -> None:
    canvas.open(wiring())
    canvas.select("blur")
    canvas.focus_pane()
    canvas.drag(canvas.port("picture", "out:image"), canvas.port("words", "in:a"))  # refused
    canvas.drag(canvas.port("picture", "out:image"), canvas.port("blur", "in:image"))  # there already
    canvas.title("blur").dblclick()
    canvas.press("Escape")
    canvas.command("Snap to the grid while dragging, or not")
    x, y = canvas.centre(canvas.title("blur"))
    canvas.grab((x, y), (x + 4, y + 4), steps=1)  # from here on the node follows
    canvas.page.mouse.move(x + 80, y + 80, steps=8)
    canvas.page.mouse.move(x + 4, y + 4, steps=8)
    canvas.page.mouse.up()  # dragged there and back
    expect(canvas.button("Undo")).to_be_disabled()
    canvas.unchanged(wiring())


def test_undo_does_not_bring_back_a_selection(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("a")
    canvas.drag_by(canvas.title("a"), 0, 150)
    canvas.select("c")
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == chain())
    expect(canvas.selected).to_have_count(1)
    expect(canvas.page.locator(".react-flow__node.selected [data-node-id=c]")).to_have_count(1)


def test_each_tab_has_its_own_history(canvas: Canvas) -> None:
    canvas.open({**chain(), "title": "First"})
    canvas.select("b")
    canvas.press("Delete")
    canvas.changed(lambda doc: "b" not in doc["nodes"])
    canvas.open({**wiring(), "title": "Second"})
    expect(canvas.button("Undo")).to_be_disabled()
    canvas.tab("First").click()
    expect(canvas.node("c")).to_be_visible()
    expect(canvas.button("Undo")).to_be_enabled()
