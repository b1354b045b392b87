"""Names, ids, titles, errors and pictures that try to become HTML: they are text, everywhere. (SAFETY, part c.)

No dialog opens, no request leaves, no policy is met: `watch` sees to that in every test.
"""

from __future__ import annotations

import json
from typing import Any

from PIL import Image, PngImagePlugin
from playwright.sync_api import expect

from tests.browser.canvas import Canvas, Document
from tests.browser.test_results import coloured, gallery

EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"
IMPOSSIBLE = "img[src='x'], script:not([src]), iframe, object, embed"


def hostile() -> Document:
    return {
        "format": "nodeflow/1",
        "title": EVIL,
        "description": EVIL,
        "inputs": {"prompt": {"to": ["plain.value"], "title": EVIL, "description": EVIL}},
        "outputs": {"text": "plain.text"},
        "nodes": {
            "plain": {"op": "value/text@1", "title": EVIL, "values": {"value": EVIL, EVIL: EVIL}},
            "evil<img src=x onerror=alert(3)>": {"op": "value/text@1"},
            "unknown": {"op": f"{EVIL}/x@1", "values": {EVIL: EVIL}, "links": {EVIL: "plain.text"}},
            "find": {
                "op": "value/regex_find@1",
                "values": {"pattern": f"({EVIL}"},
                "links": {"text": "plain.text"},
            },
            "javascript:alert(4)": {"op": "image/load@1", "values": {"path": "javascript:alert(5)"}},
        },
        "definitions": {EVIL: {"nodes": {"inner": {"op": "value/text@1"}}}},
        "layout": {
            "plain": {"at": [0, 0], "colour": "url(https://evil.example/x)"},
            "note": {"at": [0, 400], "note": EVIL},
            "groups": [{"title": EVIL, "at": [0, 0], "size": [900, 300], "colour": "red;background:url(//x)"}],
        },
    }


def is_text(canvas: Canvas) -> None:
    assert canvas.page.locator(IMPOSSIBLE).count() == 0


def test_a_recipe_full_of_html_is_text_in_every_view(canvas: Canvas) -> None:
    canvas.drop("evil<img src=x onerror=alert(6)>.json", json.dumps(hostile()).encode())
    expect(canvas.node("plain")).to_be_visible()
    expect(canvas.node("plain")).to_contain_text("<img src=x")
    expect(canvas.page.get_by_role("tab", selected=True)).to_contain_text("<img")
    is_text(canvas)
    canvas.press("Home")
    is_text(canvas)
    canvas.page.mouse.dblclick(*canvas.empty(200))
    canvas.page.keyboard.type("img")
    is_text(canvas)
    canvas.press("Escape")
    canvas.button("Form").click()
    is_text(canvas)


def test_errors_and_history_are_text(canvas: Canvas) -> None:
    document = coloured("#111111") | {"title": EVIL}
    canvas.server.finished(canvas.server.run(document)[0])
    failing: dict[str, Any] = {
        "format": "nodeflow/1",
        "title": EVIL,
        "nodes": {"find": {"op": "value/regex_find@1", "values": {"text": "x", "pattern": f"({EVIL}"}}},
        "outputs": {"found": "find.texts"},
    }
    canvas.open(failing | {"layout": {"find": {"at": [0, 0]}}})
    canvas.queue()
    canvas.expect_state("find", "failed", seconds=60)
    is_text(canvas)
    gallery(canvas)
    is_text(canvas)
    assert canvas.page.title()


def test_a_picture_whose_metadata_is_hostile(canvas: Canvas) -> None:
    import io

    _, found, _ = canvas.server.ask("GET", "/api/templates")
    assert found
    info = PngImagePlugin.PngInfo()
    for key in ("nodeflow", "workflow", "prompt", "parameters"):
        info.add_text(key, json.dumps(hostile()) if key == "nodeflow" else EVIL)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    canvas.drop(f"{EVIL}.png", file.getvalue(), "image/png")
    canvas.page.wait_for_timeout(800)
    is_text(canvas)


def test_saved_and_uploaded_names_are_text(canvas: Canvas) -> None:
    import io

    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    canvas.server.ask("POST", "/api/uploads?name=%3Cimg%20src%3Dx%20onerror%3Dalert(7)%3E.png", file.getvalue())
    canvas.page.reload()
    is_text(canvas)
