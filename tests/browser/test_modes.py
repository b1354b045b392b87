"""Interactions 14 and 20: mute, bypass, collapse, resize, hide unused ports."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.canvas import Canvas
from tests.browser.recipes import chain, wiring


def test_mute_and_bypass_are_stored_and_differ_by_shape(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("b")
    canvas.press("Control+m")
    canvas.changed(lambda doc: doc["nodes"]["b"].get("mode") == "muted")
    expect(canvas.node("b")).to_have_attribute("data-mode", "muted")
    muted = canvas.node("b").get_by_role("img", name="muted").locator("path").get_attribute("d")
    canvas.press("Control+b")
    canvas.changed(lambda doc: doc["nodes"]["b"].get("mode") == "bypassed")
    bypassed = canvas.node("b").get_by_role("img", name="bypassed").locator("path").get_attribute("d")
    assert bypassed != muted
    canvas.press("Control+b")
    done = canvas.changed(lambda doc: "mode" not in doc["nodes"]["b"])
    assert done == chain()


def test_a_bypassed_node_passes_its_input_through_and_a_muted_one_stops_what_follows(canvas: Canvas) -> None:
    document = chain()
    document["nodes"]["show"] = {"op": "value/show@1", "links": {"value": "c.text"}}
    document["outputs"] = {"shown": "show.text"}
    canvas.open(document)
    canvas.select("b")
    canvas.press("Control+b")
    canvas.changed(lambda doc: doc["nodes"]["b"].get("mode") == "bypassed")
    canvas.focus_pane()
    job = canvas.run(lambda: canvas.press("Control+Enter"))
    canvas.expect_state("show", "done", "cached")
    _, content, _ = canvas.server.ask("GET", f"/api/artefacts/{job['artefacts'][0]['digest']}")
    assert "one,  three" in str(content)

    canvas.select("b")
    canvas.press("Control+m")
    canvas.changed(lambda doc: doc["nodes"]["b"].get("mode") == "muted")
    last = canvas.run(lambda: canvas.press("Control+Enter"))
    assert last["artefacts"] == []
    assert not {"b", "c", "show"} & canvas.server.get(f"/api/jobs/{last['id']}")["nodes"].keys()


def test_collapsing_keeps_wires_attached_and_is_layout_only(canvas: Canvas) -> None:
    canvas.open(chain())
    height = canvas.node("b").bounding_box()["height"]  # type: ignore[index]
    canvas.select("b")
    canvas.press("Alt+c")
    done = canvas.changed(lambda doc: doc["layout"]["b"].get("collapsed") is True)
    assert done["nodes"] == chain()["nodes"]
    assert canvas.node("b").bounding_box()["height"] < height  # type: ignore[index]
    expect(canvas.wires).to_have_count(2)
    assert attached(canvas, "a", "b")
    canvas.press("Alt+c")
    canvas.changed(lambda doc: doc == chain())


def attached(canvas: Canvas, source: str, target: str) -> bool:
    """Whether the wire between two nodes ends at their boxes."""
    ends = canvas.page.evaluate(
        """() => [...document.querySelectorAll(".react-flow__edge-path")].map((path) => {
          const matrix = path.getScreenCTM();
          return [0, path.getTotalLength()].map((at) => {
            const { x, y } = path.getPointAtLength(at).matrixTransform(matrix);
            return [x, y];
          });
        })"""
    )
    boxes = [canvas.node(id).bounding_box() for id in (source, target)]

    def near(point: list[float], box: object) -> bool:
        assert isinstance(box, dict)
        inside_x = box["x"] - 12 <= point[0] <= box["x"] + box["width"] + 12
        return inside_x and box["y"] - 12 <= point[1] <= box["y"] + box["height"] + 12

    return any(near(start, boxes[0]) and near(end, boxes[1]) for start, end in ends)


def test_a_node_is_resized_and_keeps_its_size(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.select("a")
    box = canvas.node("a").bounding_box()
    assert box
    corner = canvas.page.locator(".react-flow__node.selected .nf-grip")
    canvas.drag_by(corner.first, 80, 60)
    done = canvas.moved(lambda doc: "size" in doc["layout"]["a"])
    assert done["nodes"] == chain()["nodes"]
    size = done["layout"]["a"]["size"]
    canvas.page.reload()
    again = canvas.node("a").bounding_box()
    assert again
    assert again["width"] > box["width"]
    assert attached(canvas, "a", "b")
    assert canvas.document()["layout"]["a"]["size"] == size


def test_unused_ports_are_hidden_and_wires_stay(canvas: Canvas) -> None:
    canvas.open(wiring())
    canvas.select("blur")
    ports = canvas.node("blur").locator("[data-port]:visible").count()
    canvas.press("Alt+u")
    canvas.changed(lambda doc: doc["layout"]["blur"].get("hide_unused") is True)
    assert canvas.node("blur").locator("[data-port]:visible").count() < ports
    expect(canvas.port("blur", "in:image")).to_be_visible()
    assert attached(canvas, "picture", "blur")
