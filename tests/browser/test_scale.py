"""A thousand nodes: what is mounted is counted, which is exact; times are in `benchmarks/canvas.py`."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.canvas import Canvas
from tests.browser.recipes import many
from tests.browser.test_view import settled


def test_only_visible_nodes_are_mounted_and_far_ones_have_no_widgets(canvas: Canvas) -> None:
    canvas.page.set_default_timeout(60_000)
    canvas.open(many(1000))
    canvas.focus_pane()
    canvas.press("Home")
    assert settled(canvas)[2] < 0.4
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
    assert settled(canvas)[2] >= 1
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


def test_dragging_one_of_a_thousand_draws_only_that_one(canvas: Canvas) -> None:
    canvas.page.set_default_timeout(60_000)
    canvas.open(many(1000))
    canvas.focus_pane()
    canvas.press("Home")
    settled(canvas)
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
