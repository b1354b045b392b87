"""Keyboard and screen readers: axe finds nothing, in dark and in light, on the first page, graph, form and gallery."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.canvas import Canvas
from tests.browser.recipes import chain, picture
from tests.browser.server import Server
from tests.browser.test_results import coloured, gallery

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"


def violations(page: Page) -> list[str]:
    """What axe finds, one line each."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text())  # by the debugger, which the content policy does not concern
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{item['id']}: {item['help']}: {', '.join(json.dumps(node['target']) for node in item['nodes'][:4])}"
        for item in found
    ]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing(server: Server, new_context: Callable[..., BrowserContext], scheme: str) -> None:
    page = new_context(server, color_scheme=scheme).new_page()
    page.goto("/")
    canvas = Canvas(page, server)
    expect(page.get_by_role("button", name="Open Text to image", exact=True)).to_be_visible()
    found = {"first page": violations(page)}

    server.finished(server.run(coloured("#334455"))[0])
    canvas.open(picture(steps=2))
    canvas.select("sample")
    found["graph"] = violations(page)
    canvas.page.mouse.dblclick(*canvas.empty(200))
    expect(canvas.dialog("Add a node")).to_be_visible()
    found["palette"] = violations(page)
    canvas.press("Escape")
    gallery(canvas)
    found["gallery"] = violations(page)
    canvas.tab().first.click()
    canvas.button("Form").click()
    found["form"] = violations(page)
    assert {place: lines for place, lines in found.items() if lines} == {}


def test_everything_is_reached_by_keyboard(canvas: Canvas) -> None:
    """From the first page to a run without a mouse."""
    page = canvas.page
    card = page.get_by_role("button", name="Open Text to image", exact=True)
    expect(card).to_be_visible()
    for _ in range(60):
        canvas.press("Tab")
        if card.evaluate("card => card === document.activeElement"):
            break
    expect(card).to_be_focused()
    canvas.press("Enter")
    expect(canvas.node("sample")).to_be_visible()
    canvas.press("Control+Enter")
    canvas.server.until(lambda: canvas.server.get("/api/jobs?limit=1")["items"], bool)


def test_what_happens_is_said(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("b")
    canvas.press("Delete")
    canvas.press("Control+z")
    expect(canvas.status.filter(has_text="Undone").first).to_be_attached()


def test_nodes_and_ports_have_names(canvas: Canvas) -> None:
    canvas.open(chain())
    named = canvas.page.evaluate(
        """() => [...document.querySelectorAll('[data-port]')].map((port) =>
             [port.getAttribute('role'), port.getAttribute('aria-label')])"""
    )
    assert named
    assert all(role == "button" and label for role, label in named)
