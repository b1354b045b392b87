"""Interaction 4: never lose work. Every open tab is drafted within a second, also on the server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.browser.canvas import Canvas
from tests.browser.recipes import chain, wiring
from tests.browser.server import Server
from tests.browser.watch import Watch


def test_a_change_is_drafted_within_a_second(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("b")
    canvas.press("Delete")
    canvas.changed(lambda doc: "b" not in doc["nodes"], seconds=1)


def test_a_reload_and_a_new_browser_bring_back_every_tab(
    canvas: Canvas, new_context: Callable[..., BrowserContext]
) -> None:
    canvas.open({**chain(), "title": "First"})
    canvas.open({**wiring(), "title": "Second"})
    canvas.select("blur")
    canvas.press("Delete")
    canvas.changed(lambda doc: "blur" not in doc["nodes"])
    canvas.page.reload()
    expect(canvas.tab()).to_have_count(2)
    expect(canvas.node("invert")).to_be_visible()
    expect(canvas.node("blur")).to_have_count(0)

    canvas.page.context.close()  # browser storage is gone; the server's drafts are not
    other = new_context(canvas.server).new_page()
    other.goto("/")
    other.get_by_text("Second").first.click()
    expect(other.locator('[data-node-id="invert"]')).to_be_visible()
    expect(other.locator('[data-node-id="blur"]')).to_have_count(0)


def test_a_killed_page_loses_nothing(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.field("a", "value").fill("typed just now")
    canvas.page.wait_for_timeout(1000)
    other = canvas.page.context.new_page()
    canvas.page.close(run_before_unload=False)
    other.goto("/")
    other.get_by_text("Test").first.click()
    expect(other.locator('[data-node-id="a"]').get_by_label("value", exact=True)).to_have_value("typed just now")


def test_a_killed_server_loses_nothing(
    start_server: Callable[[], Server], new_context: Callable[..., BrowserContext], watch: Watch
) -> None:
    watch.expect("ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket connection|Failed to fetch")
    server = start_server()
    page = new_context(server).new_page()
    page.goto(server.origin)
    canvas = Canvas(page, server).open(chain())
    canvas.field("a", "value").fill("before")
    canvas.changed(lambda doc: doc["nodes"]["a"]["values"]["value"] == "before")
    server.kill()
    expect(page.get_by_text("connect", exact=False).first).to_be_visible(timeout=10_000)
    canvas.field("a", "value").fill("while it was away")

    server.__enter__()  # on the same port, in the same home
    canvas.changed(lambda doc: doc["nodes"]["a"]["values"]["value"] == "while it was away", seconds=15)
    page.reload()
    expect(canvas.field("a", "value")).to_have_value("while it was away")


def test_a_draft_never_overwrites_the_named_file(canvas: Canvas) -> None:
    canvas.server.save("kept", chain())
    before = canvas.server.ask("GET", "/api/workflows/kept")
    canvas.open_saved("kept")
    canvas.select("b")
    canvas.press("Delete")
    canvas.changed(lambda doc: doc["nodes"] and "b" not in doc["nodes"])
    assert canvas.server.ask("GET", "/api/workflows/kept")[1] == before[1]

    canvas.press("Control+s")
    canvas.server.until(lambda: canvas.server.get("/api/workflows/kept"), lambda doc: "b" not in doc["nodes"])


def test_saving_over_a_file_that_changed_elsewhere_asks(canvas: Canvas, watch: Watch) -> None:
    watch.expect("412")
    etag = canvas.server.save("shared", chain())
    canvas.open_saved("shared")
    canvas.select("b")
    canvas.press("Delete")
    other = {**chain(), "title": "Written elsewhere"}
    status, _, _ = canvas.server.ask("PUT", "/api/workflows/shared", other, If_Match=f'"{etag.strip(chr(34))}"')
    assert status in (200, 204)
    canvas.press("Control+s")
    expect(canvas.dialog("Saved elsewhere in the meantime")).to_contain_text("your version is kept")
    assert canvas.server.get("/api/workflows/shared")["title"] == "Written elsewhere"


def test_two_windows_never_share_a_draft(canvas: Canvas) -> None:
    canvas.open(chain())
    other = Canvas(canvas.page.context.new_page(), canvas.server)
    other.page.goto("/")
    other.open({**wiring(), "title": "Of the other window"})
    other.select("blur")
    other.press("Delete")
    canvas.server.until(
        lambda: {d["title"]: sorted(d["workflow"]["nodes"]) for d in canvas.server.get("/api/drafts")},
        lambda found: (
            found == {"Test": ["a", "b", "c"], "Of the other window": ["invert", "number", "picture", "words"]}
        ),
    )
    canvas.select("b")
    canvas.press("Delete")
    canvas.server.until(
        lambda: {d["title"]: sorted(d["workflow"]["nodes"]) for d in canvas.server.get("/api/drafts")},
        lambda found: found == {"Test": ["a", "c"], "Of the other window": ["invert", "number", "picture", "words"]},
    )


def test_saving_writes_the_file(canvas: Canvas, tmp_path: Path) -> None:
    canvas.open(chain())
    canvas.press("Control+s")
    dialog = canvas.dialog("Save as")
    dialog.get_by_label("Name").fill("my first")
    dialog.get_by_role("button", name="Save").click()
    canvas.server.until(
        lambda: [info["name"] for info in canvas.server.get("/api/workflows")], lambda names: names == ["my first"]
    )
    assert json.loads(json.dumps(canvas.server.get("/api/workflows/my first"))) == chain()
    expect(canvas.tab("Test")).to_have_attribute("data-dirty", "false")
