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
from tests.browser.watch import Watch

EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"
IMPOSSIBLE = "img[src='x'], script:not([src]), iframe, object, embed"


def hostile() -> Document:
    """Valid, with HTML wherever a text may stand."""
    return {
        "format": "nodeflow/1",
        "title": EVIL,
        "description": EVIL,
        "inputs": {"prompt": {"to": ["plain.value"], "title": EVIL, "description": EVIL}},
        "outputs": {"text": "plain.text"},
        "nodes": {
            "plain": {"op": "value/text@1", "title": EVIL, "values": {"value": EVIL}},
            "unknown": {"op": "img_onerror/alert@1", "values": {"x": EVIL}, "links": {"y": "plain.text"}},
            "find": {
                "op": "value/regex_find@1",
                "values": {"pattern": f"({EVIL}"},
                "links": {"text": "plain.text"},
            },
            "file": {"op": "image/load@1", "values": {"path": "javascript:alert(5)"}},
        },
        "layout": {
            "plain": {"at": [0, 0], "colour": "url(https://evil.example/x)"},
            "unknown": {"at": [340, 0], "colour": "red;background:url(//evil.example)"},
            "find": {"at": [680, 0]},
            "file": {"at": [340, 300]},
            "note": {"at": [0, 300], "note": EVIL},
            "groups": [{"title": EVIL, "at": [-40, -40], "size": [900, 300], "colour": "red;background:url(//x)"}],
        },
    }


def refused() -> Document:
    """Ids that are none: the server refuses them, and says their names."""
    return {
        "format": "nodeflow/1",
        "nodes": {EVIL: {"op": f"{EVIL}@1", "values": {EVIL: EVIL}}, "javascript:alert(4)": {"op": "value/text@1"}},
        "definitions": {EVIL: {"nodes": {"inner": {"op": "value/text@1"}}}},
    }


def is_text(canvas: Canvas) -> None:
    assert canvas.page.locator(IMPOSSIBLE).count() == 0


def test_a_recipe_full_of_html_is_text_in_every_view(canvas: Canvas, watch: Watch) -> None:
    watch.expect("404.*api/uploads/javascript")  # there is no such upload
    canvas.drop("evil<img src=x onerror=alert(6)>.json", json.dumps(hostile()).encode())
    expect(canvas.node("plain")).to_be_visible()
    expect(canvas.node("plain")).to_contain_text("<img src=x")
    expect(canvas.page.get_by_role("tab", selected=True)).to_contain_text("<img")
    expect(canvas.page.locator("[data-frame]")).to_contain_text("<img")
    is_text(canvas)
    canvas.press("Alt+p")
    expect(canvas.page.get_by_role("region", name="2 problems")).to_contain_text("unknown")
    is_text(canvas)
    canvas.page.mouse.dblclick(*canvas.empty(200))
    canvas.page.keyboard.type("img")
    is_text(canvas)
    canvas.press("Escape")
    canvas.button("Form").click()
    is_text(canvas)


def test_what_is_refused_is_text(canvas: Canvas, watch: Watch) -> None:
    watch.expect("400")
    name = "evil<img src=x onerror=alert(6)>.json"
    canvas.drop(name, json.dumps(refused()).encode())
    expect(canvas.page.get_by_role("region", name="Notices")).to_contain_text(name)
    is_text(canvas)
    expect(canvas.tab()).to_have_count(0)


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


def test_a_picture_whose_metadata_is_hostile(canvas: Canvas, watch: Watch) -> None:
    watch.expect("400")
    import io

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
