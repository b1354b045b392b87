"""Coming in, and the first click that gives a picture."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.canvas import Canvas
from tests.browser.recipes import SHIPPED, shipped
from tests.browser.server import Server
from tests.browser.watch import Watch


def test_the_one_time_link_lets_a_browser_in_once(
    start_server: Callable[[], Server], browser: Browser, watch: Watch
) -> None:
    watch.expect("401")
    server = start_server()
    link = server.ask("POST", "/api/login-links")[1]["url"]
    contexts = [browser.new_context(), browser.new_context()]
    try:
        for context in contexts:
            watch.follow(context, server.origin)
        first, second = (context.new_page() for context in contexts)
        first.goto(link)
        assert first.url == server.origin + "/"
        expect(first).to_have_title(re.compile("nodeflow"))
        answer = second.goto(link)
        assert answer is not None
        assert answer.status == 401
        expect(second.locator("body")).to_contain_text("nodeflow open")
    finally:
        for context in contexts:
            context.close()


def test_the_first_page_offers_every_shipped_workflow(page: Page) -> None:
    templates = page.get_by_role("list", name="Templates")
    for path in SHIPPED.glob("*.json"):
        expect(templates.get_by_role("button", name=f"Open {shipped(path.stem)['title']}", exact=True)).to_be_visible()
    pictures = templates.locator("img")
    expect(pictures).not_to_have_count(0)
    for place in range(3):
        assert pictures.nth(place).evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_the_first_click_gives_a_picture(canvas: Canvas) -> None:
    canvas.page.get_by_role("textbox", name="Prompt").fill("a small green ring on a white background")
    done = canvas.run(lambda: canvas.button("Draw").click())
    assert done["state"] == "completed", done
    digest = done["artefacts"][0]["digest"]
    expect(canvas.page.locator(f'img[src*="{digest}"]').first).to_be_visible()


def test_a_page_of_another_width_does_not_scroll_sideways(
    server: Server, new_context: Callable[..., BrowserContext]
) -> None:
    for width in (360, 768, 1920):
        page = new_context(server, viewport={"width": width, "height": 700}).new_page()
        page.goto("/")
        expect(page.get_by_role("button", name="Open Text to image", exact=True)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
