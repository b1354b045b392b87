"""Load, edit nothing, save: the same bytes and the same keys, for every shipped workflow; and numbers that JavaScript
cannot hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.canvas import Canvas
from tests.browser.recipes import SHIPPED


def steps(canvas: Canvas, document: dict[str, Any]) -> Any:
    status, planned, _ = canvas.server.ask("POST", "/api/plan", {"workflow": document})
    return {step["node"]: step["key"] for step in planned["steps"]} if status == 200 else planned


def saved_again(canvas: Canvas, name: str, content: bytes) -> bytes:
    """The bytes of a saved recipe after it was opened and saved in the canvas."""
    status, info, _ = canvas.server.ask("PUT", f"/api/workflows/{name}", json.loads(content), If_None_Match="*")
    assert status in (200, 201), info
    before = canvas.server.get(f"/api/workflows/{name}")
    canvas.page.reload()
    canvas.open_saved(name)
    canvas.press("Control+Shift+s")
    canvas.dialog("Save as").get_by_label("Name").fill("again")
    canvas.press("Enter")
    canvas.server.until(lambda: canvas.server.ask("GET", "/api/workflows/again")[0], lambda status: status == 200)
    assert canvas.server.ask("GET", f"/api/workflows/{name}")[1] == before
    content_after: bytes = canvas.page.request.get("/api/workflows/again").body()
    return content_after


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.json")))
def test_a_shipped_workflow_is_saved_as_it_was(canvas: Canvas, name: str) -> None:
    content = (SHIPPED / f"{name}.json").read_bytes()
    again = saved_again(canvas, name, content)
    assert again == content
    assert steps(canvas, json.loads(again)) == steps(canvas, json.loads(content))


def test_numbers_that_javascript_cannot_hold_are_kept(canvas: Canvas) -> None:
    content = json.dumps(
        {
            "format": "nodeflow/1",
            "nodes": {
                "big": {"op": "value/seed@1", "values": {"value": 9007199254740993}},
                "seed": {"op": "value/seed@1", "values": {"value": 18446744073709551615}},
                "tiny": {"op": "value/float@1", "values": {"value": 1e-7}},
                "whole": {"op": "value/float@1", "values": {"value": 1.0}},
                "constructor": {"op": "value/text@1", "values": {"value": '\u2028 \U0001f600 \\ " </script>'}},
                "__proto__": {"op": "value/text@1", "values": {"value": "own"}},
            },
        }
    ).encode()
    again = saved_again(canvas, "numbers", content)
    assert again == canvas.page.request.get("/api/workflows/numbers").body()
    assert steps(canvas, json.loads(again)) == steps(canvas, json.loads(content))
    assert json.loads(again)["nodes"].keys() == json.loads(content)["nodes"].keys()
    assert b"9007199254740993" in again
    assert b"18446744073709551615" in again
