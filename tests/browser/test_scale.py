"""A thousand nodes: what is mounted is counted, which is exact; times are in `benchmarks/canvas.py`."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.canvas import Canvas
from tests.browser.recipes import chain, many
from tests.browser.test_view import settled


def show_all(canvas: Canvas) -> None:
    """All nodes in view, from afar."""
    canvas.focus_pane()
    canvas.press("Home")
    canvas.page.wait_for_function(
        "() => new DOMMatrix(document.querySelector('.react-flow__viewport').style.transform).a < 0.4"
    )
    settled(canvas)


def test_only_visible_nodes_are_mounted_and_far_ones_have_no_widgets(canvas: Canvas) -> None:
    canvas.page.set_default_timeout(60_000)
    canvas.open(many(1000))
    show_all(canvas)
    expect(canvas.nodes).to_have_count(1000)
    assert (
        canvas.page.locator("[data-node-id] :is(input, textarea, select, button:not([data-port]), .nf-widget)").count()
        == 0
    )
    # a handle for each port, where it is at any zoom, or wires would jump
    far = {port: canvas.port("n41", port).bounding_box() for port in ("in:a", "in:b", "out:text")}
    assert all(far.values())

    canvas.page.mouse.click(*canvas.centre(canvas.node("n41")))
    canvas.press(".")
    canvas.page.wait_for_function(
        "() => new DOMMatrix(document.querySelector('.react-flow__viewport').style.transform).a >= 1"
    )
    settled(canvas)
    box = canvas.pane.bounding_box()
    assert box
    visible = canvas.page.evaluate(
        """() => { const pane = document.querySelector(".react-flow").getBoundingClientRect();
          return [...document.querySelectorAll("[data-node-id]")].filter((node) => {
            const box = node.getBoundingClientRect();
            return box.right > pane.left && box.left < pane.right && box.bottom > pane.top && box.top < pane.bottom;
          }).length; }"""
    )
    assert 0 < visible <= 40
    assert visible <= canvas.nodes.count() <= 2 * visible
    assert canvas.page.locator("[data-node-id] .nf-widget").count() > 0


def test_from_afar_wires_are_one_drawing_and_are_handled_as_near_ones(canvas: Canvas) -> None:
    document = many(1000)
    canvas.page.set_default_timeout(60_000)
    canvas.open(document)
    show_all(canvas)
    every = sum(len(node.get("links", {})) for node in document["nodes"].values())
    expect(canvas.wires).to_have_count(every)
    assert canvas.page.locator(".react-flow__edges svg").count() == 0
    assert canvas.page.locator("svg.react-flow__edges").count() == 1

    middle = canvas.page.locator('[data-reach="n64.text→n65.a#0"]').evaluate(
        """wire => { const { a, d, e, f } = wire.getScreenCTM();
          const { x, y } = wire.getPointAtLength(wire.getTotalLength() / 2);
          return [x * a + e, y * d + f]; }"""
    )
    canvas.page.mouse.click(*middle)
    expect(canvas.page.locator('path[data-wire="n64.text→n65.a#0"][data-selected]')).to_have_count(1)
    expect(canvas.wires).to_have_count(every)
    canvas.press("Delete")
    canvas.changed(lambda doc: "links" not in doc["nodes"]["n65"] or not doc["nodes"]["n65"]["links"], seconds=20)
    expect(canvas.wires).to_have_count(every - 1)

    x, y = canvas.place("n81")
    box = canvas.node("n81").bounding_box()
    assert box
    canvas.drag((x - 3, y + 2), (x + box["width"] + 3, y + box["height"] - 3))
    expect(canvas.selected).to_have_count(1)
    expect(canvas.page.locator("path[data-wire][data-selected]")).to_have_count(2)


def test_a_drag_is_in_the_document_when_it_ends(canvas: Canvas) -> None:
    canvas.open(chain())
    start = canvas.centre(canvas.title("b"))
    x, y = canvas.place("b")
    canvas.grab(start, (start[0] + 80, start[1] + 60))
    canvas.unchanged(chain())
    shown = canvas.place("b")
    assert shown[0] > x + 40
    assert shown[1] > y + 30
    canvas.page.mouse.up()
    done = canvas.changed(lambda doc: doc["layout"]["b"] != chain()["layout"]["b"])
    assert canvas.place("b") == shown
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == chain())
    canvas.press("Control+Shift+z")
    canvas.changed(lambda doc: doc == done)


def test_dragging_one_of_a_thousand_draws_only_that_one(canvas: Canvas) -> None:
    canvas.page.set_default_timeout(60_000)
    canvas.open(many(1000))
    show_all(canvas)
    x, y = canvas.centre(canvas.node("n41"))
    canvas.grab((x, y), (x + 6, y + 6), steps=3)
    canvas.page.evaluate(
        """() => {
          window.__seen = new Set();
          window.__observer = new MutationObserver((records) => {
            for (const { target } of records) {
              const node = (target.nodeType === 1 ? target : target.parentElement)?.closest(".react-flow__node");
              if (node) window.__seen.add(node.dataset.id);
            }
          });
          window.__observer.observe(document.querySelector(".react-flow__nodes"),
                                    { subtree: true, childList: true, attributes: true, characterData: true });
        }"""
    )
    canvas.page.mouse.move(x + 60, y + 40, steps=10)
    assert canvas.page.evaluate("() => [...window.__seen]") == ["n41"]
    canvas.page.mouse.up()
