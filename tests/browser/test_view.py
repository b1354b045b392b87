"""Interactions 12 and 21: pan, zoom, fit, minimap."""

from __future__ import annotations

import io
import re

from PIL import Image
from playwright.sync_api import Locator, expect

from tests.browser.canvas import Canvas
from tests.browser.recipes import chain, failing, many, picture, wiring


def view(canvas: Canvas) -> tuple[float, float, float]:
    """x, y and zoom of the viewport."""
    style = canvas.page.locator(".react-flow__viewport").evaluate("element => element.style.transform")
    x, y, zoom = (float(part) for part in re.findall(r"-?[\d.]+(?:e-?\d+)?", style)[:3])
    return x, y, zoom


def settled(canvas: Canvas) -> tuple[float, float, float]:
    before = view(canvas)
    while True:
        canvas.page.wait_for_timeout(80)
        if (after := view(canvas)) == before:
            return after
        before = after


def test_middle_drag_and_space_drag_pan_and_change_no_document(canvas: Canvas) -> None:
    canvas.open(chain())
    x, y, zoom = settled(canvas)
    mouse = canvas.page.mouse
    mouse.move(*canvas.centre(canvas.title("b")))  # even over a node
    mouse.down(button="middle")
    mouse.move(canvas.centre(canvas.title("b"))[0] + 90, canvas.centre(canvas.title("b"))[1] + 40, steps=6)
    mouse.up(button="middle")
    moved = settled(canvas)
    assert (round(moved[0] - x), round(moved[1] - y), moved[2]) == (90, 40, zoom)

    canvas.focus_pane()
    place = canvas.empty()
    canvas.page.keyboard.down("Space")
    canvas.drag(place, (place[0] + 70, place[1] - 30))
    canvas.page.keyboard.up("Space")
    again = settled(canvas)
    assert (round(again[0] - moved[0]), round(again[1] - moved[1])) == (70, -30)
    canvas.unchanged(chain())


def test_a_drag_on_the_pane_selects_by_a_box(canvas: Canvas) -> None:
    canvas.open(chain())
    before = settled(canvas)
    box, last = canvas.node("a").bounding_box(), canvas.node("b").bounding_box()
    assert box
    assert last
    canvas.drag((box["x"] - 20, box["y"] - 20), (last["x"] + last["width"] + 10, last["y"] + last["height"] + 20))
    expect(canvas.selected).to_have_count(2)
    assert settled(canvas) == before


def test_the_wheel_zooms_at_the_cursor(canvas: Canvas) -> None:
    canvas.open(chain())
    x, y = canvas.centre(canvas.title("b"))
    zoom = settled(canvas)[2]
    canvas.page.mouse.move(x, y)
    canvas.page.mouse.wheel(0, 240)
    assert settled(canvas)[2] < zoom
    to_x, to_y = canvas.centre(canvas.title("b"))
    assert abs(to_x - x) < 12
    assert abs(to_y - y) < 12


def test_a_setting_makes_the_wheel_pan_and_pinch_still_zooms(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.button("Settings").click()
    canvas.dialog("Settings").get_by_role("button", name="Moves").click()
    canvas.press("Escape")
    x, y, zoom = settled(canvas)
    canvas.page.mouse.move(*canvas.empty(200))
    canvas.page.mouse.wheel(30, 120)
    after = settled(canvas)
    assert after[2] == zoom
    assert after[1] < y
    assert after[0] < x
    canvas.page.keyboard.down("Control")  # a pinch arrives as a wheel with Control
    canvas.page.mouse.wheel(0, 120)
    canvas.page.keyboard.up("Control")
    assert settled(canvas)[2] < zoom


def test_only_a_focused_widget_takes_the_wheel(canvas: Canvas) -> None:
    document = chain()
    document["nodes"]["a"]["values"]["value"] = "\n".join(f"line {n}" for n in range(60))
    canvas.open(document)
    field = canvas.field("a", "value")
    zoom = settled(canvas)[2]

    def turn(target: Locator) -> None:
        canvas.page.mouse.move(*canvas.centre(target))
        canvas.page.mouse.wheel(0, 60)

    turn(field)
    zoomed = settled(canvas)[2]
    assert zoomed != zoom
    field.click()
    canvas.press("Control+Home")
    turn(field)
    assert settled(canvas)[2] == zoomed
    assert field.evaluate("field => field.scrollTop") > 0

    canvas.open({**wiring(), "title": "Numbers"})
    number = canvas.field("number", "value")
    before = settled(canvas)[2]
    turn(number)
    assert settled(canvas)[2] != before
    assert canvas.document()["nodes"]["number"] == wiring()["nodes"]["number"]


def test_a_dot_fits_the_selection_and_home_fits_all(canvas: Canvas) -> None:
    canvas.open(many(80))
    canvas.focus_pane()
    canvas.press("Home")
    far = settled(canvas)[2]
    canvas.page.mouse.click(*canvas.centre(canvas.node("n0")))
    canvas.press(".")
    assert settled(canvas)[2] > far
    x, y = canvas.centre(canvas.node("n0"))
    box = canvas.pane.bounding_box()
    assert box
    assert abs(x - box["x"] - box["width"] / 2) < 40
    assert abs(y - box["y"] - box["height"] / 2) < 40
    canvas.press("Home")
    assert abs(settled(canvas)[2] - far) < 0.01


def test_the_minimap_drags_zooms_shows_failures_and_hides(canvas: Canvas) -> None:
    canvas.open(picture(steps=3000, seed=51))
    minimap = canvas.page.locator(".react-flow__minimap")
    expect(minimap).to_be_visible()
    x, y, zoom = settled(canvas)
    centre = canvas.centre(minimap)
    canvas.drag(centre, (centre[0] + 30, centre[1] + 20))
    moved = settled(canvas)
    assert moved[:2] != (x, y)
    canvas.page.mouse.move(*centre)
    canvas.page.mouse.wheel(0, 200)
    assert settled(canvas)[2] != zoom

    canvas.queue()
    expect(minimap.locator('[data-state="running"]')).to_have_count(1, timeout=60_000)
    canvas.button("Cancel current").click()
    canvas.focus_pane()
    canvas.command("Show or hide the minimap")
    expect(minimap).to_have_count(0)


def test_the_minimap_shows_a_failed_and_a_running_node_among_hundreds_that_are_out_of_view(canvas: Canvas) -> None:
    """By its pixels: a spot of their colour, also where the map is dimmed because it shows what is not in view."""
    document, faulty = picture(steps=4000, seed=52), failing()
    others = many(200)
    document["nodes"] |= faulty["nodes"] | others["nodes"]
    document["layout"] |= others["layout"] | {"words": {"at": [9000, 3000]}, "find": {"at": [9400, 3000]}}
    document["outputs"] |= {"found": "find.texts"}
    canvas.open(document)
    minimap = canvas.page.locator(".react-flow__minimap")
    canvas.queue()
    for state in ("running", "failed"):
        expect(minimap.locator(f'[data-state="{state}"]')).to_have_count(1, timeout=60_000)
    canvas.press("Escape")
    for _ in range(14):
        canvas.press("Control+=")
    settled(canvas)
    expect(canvas.node("find")).to_have_count(0)

    def spots() -> tuple[int, int]:
        map = Image.open(io.BytesIO(minimap.screenshot())).convert("RGB")
        pixels = [map.getpixel((x, y)) for x in range(map.width) for y in range(map.height)]
        red = sum(r > 110 and r > 1.5 * g and r > 1.5 * b for r, g, b in pixels)
        violet = sum(b > 130 and b > 1.2 * g for r, g, b in pixels)
        return red, violet

    red, violet = spots()
    assert red >= 9
    assert violet >= 9
    canvas.button("Cancel current").click()
