"""Interactions 15 and 16: subgraphs, groups and frames."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.canvas import Canvas, Document
from tests.browser.recipes import chain, failing, wiring


def keys(canvas: Canvas, document: Document) -> set[str]:
    """The keys of the steps that a document would run."""
    status, planned, _ = canvas.server.ask("POST", "/api/plan", {"workflow": document})
    assert status == 200, planned
    return {step["key"] for step in planned["steps"]}


def make(canvas: Canvas) -> Document:
    """A subgraph of `b` and `c` of the chain."""
    canvas.open(chain())
    canvas.select("b", "c")
    canvas.press("Control+g")
    return canvas.changed(lambda doc: doc.get("definitions"))


def test_making_and_unpacking_gives_the_same_document_and_the_same_keys(canvas: Canvas) -> None:
    before = keys(canvas, chain())
    made = make(canvas)
    assert set(made["nodes"]) & {"b", "c"} == set()
    assert made["outputs"]["text"] != "c.text"
    assert keys(canvas, made) == before

    new = next(id for id in made["nodes"] if id != "a")
    canvas.select(new)
    canvas.press("Control+Shift+g")
    canvas.changed(lambda doc: doc == chain())


def test_making_is_one_step(canvas: Canvas) -> None:
    make(canvas)
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == chain())


def test_one_enters_and_leaves_by_breadcrumb_and_escape(canvas: Canvas) -> None:
    made = make(canvas)
    new = next(id for id in made["nodes"] if id != "a")
    for way in ("breadcrumb", "Escape"):
        canvas.title(new).dblclick()
        expect(canvas.node("b")).to_be_visible()
        expect(canvas.node("a")).to_have_count(0)
        if way == "breadcrumb":
            canvas.page.get_by_role("navigation", name="Subgraphs").get_by_role("button").first.click()
        else:
            canvas.focus_pane()
            canvas.press("Escape")
        expect(canvas.node("a")).to_be_visible()


def test_editing_inside_changes_the_definition_and_runs(canvas: Canvas) -> None:
    made = make(canvas)
    new = next(id for id in made["nodes"] if id != "a")
    canvas.title(new).dblclick()
    canvas.field("b", "b").fill(" changed")
    done = canvas.changed(lambda doc: " changed" in str(doc.get("definitions")))
    expect(canvas.page.get_by_role("navigation", name="Subgraphs")).to_be_visible()
    assert keys(canvas, done) != keys(canvas, made)


def test_ports_and_widgets_are_exposed_by_dragging_to_the_edge_or_by_a_command(canvas: Canvas) -> None:
    made = make(canvas)
    new = next(id for id in made["nodes"] if id != "a")
    canvas.title(new).dblclick()
    canvas.port("b", "in:separator").click(button="right")
    canvas.page.get_by_role("menuitemcheckbox", name="Make it an input of the subgraph").click()
    name = next(iter(made["definitions"]))
    done = canvas.changed(
        lambda doc: any("b.separator" in item["to"] for item in doc["definitions"][name]["inputs"].values())
    )
    canvas.focus_pane()
    canvas.press("Escape")
    exposed = next(key for key, item in done["definitions"][name]["inputs"].items() if "b.separator" in item["to"])
    expect(canvas.field(new, exposed)).to_be_visible()


def test_a_subgraph_is_used_again_from_the_palette(canvas: Canvas) -> None:
    made = make(canvas)
    name = next(iter(made["definitions"]))
    canvas.page.mouse.dblclick(*canvas.empty(300))
    canvas.page.keyboard.type(name)
    canvas.press("Enter")
    done = canvas.changed(lambda doc: len(doc["nodes"]) == 3)
    assert sum(node["op"] == f"workflow:{name}" for node in done["nodes"].values()) == 2


# --- 16: groups


def group(canvas: Canvas) -> Document:
    canvas.open(wiring())
    canvas.select("picture", "blur")
    canvas.press("Shift+g", "Enter")  # asks for a title first
    return canvas.changed(lambda doc: doc["layout"] != wiring()["layout"])


def test_a_failure_in_a_subgraph_leads_into_it_to_the_node_and_its_widget(canvas: Canvas) -> None:
    canvas.open(failing())
    canvas.select("words", "find")
    canvas.press("Control+g")
    made = canvas.changed(lambda doc: doc.get("definitions"))
    (new,) = made["nodes"]
    canvas.queue()
    canvas.expect_state(new, "failed")
    canvas.press("Alt+p")
    problems = canvas.page.get_by_role("region", name="Failed in the last run").get_by_role("button")
    expect(problems).to_have_count(1)
    expect(problems).to_contain_text(f"{new} › find")
    problems.click()
    expect(canvas.field("find", "pattern")).to_be_focused()
    canvas.expect_state("find", "failed")  # not only its recipe: how it went there in this run


def test_wires_at_the_ends_of_a_subgraph_are_sliced_and_deleted_too(canvas: Canvas) -> None:
    made = make(canvas)
    canvas.title(next(id for id in made["nodes"] if id != "a")).dblclick()
    expect(canvas.node("b")).to_be_visible()
    inside = canvas.changed(lambda doc: doc.get("definitions"))["definitions"]
    ((_, definition),) = inside.items()
    assert definition["inputs"]
    assert definition["outputs"]
    canvas.page.wait_for_timeout(400)
    left = canvas.page.locator('[data-wire^="border:interface:inputs"]')
    right = canvas.page.locator('[data-wire$="→interface:outputs.text"]')
    x, y = canvas.centre(left.first)
    canvas.page.keyboard.down("Alt")
    canvas.drag((x, y - 60), (x, y + 60))
    canvas.page.keyboard.up("Alt")
    cut = canvas.changed(lambda doc: "inputs" not in next(iter(doc["definitions"].values())))
    assert next(iter(cut["definitions"].values()))["outputs"] == definition["outputs"]
    expect(left).to_have_count(0)

    canvas.page.mouse.click(*canvas.centre(right.first), button="right")
    canvas.page.get_by_role("menu").get_by_role("menuitem", name="Delete the wire").click()
    canvas.changed(lambda doc: "outputs" not in next(iter(doc["definitions"].values())))
    canvas.press("Control+z", "Control+z")
    canvas.changed(lambda doc: doc["definitions"] == inside)


def test_a_wire_from_the_end_of_a_subgraph_dropped_on_the_canvas_adds_a_node_there(canvas: Canvas) -> None:
    made = make(canvas)
    canvas.title(next(id for id in made["nodes"] if id != "a")).dblclick()
    expect(canvas.node("b")).to_be_visible()
    canvas.page.wait_for_timeout(400)
    plus = canvas.page.locator('.react-flow__node[data-id="interface:outputs"] [data-port="in:+"]')
    x, y = canvas.centre(plus)
    canvas.drag((x, y), (x - 60, y + 160))
    expect(canvas.dialog("Add a node")).to_be_visible()
    canvas.page.keyboard.type("random integer")
    canvas.press("Enter")
    done = canvas.changed(lambda doc: "random_integer" in next(iter(doc["definitions"].values()))["nodes"])
    ((_, definition),) = done["definitions"].items()
    assert definition["outputs"]["value"] == "random_integer.value"
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc["definitions"] == made["definitions"])


def test_an_input_is_exposed_from_the_menu_of_its_widget(canvas: Canvas) -> None:
    made = make(canvas)
    new = next(id for id in made["nodes"] if id != "a")
    canvas.title(new).dblclick()
    canvas.field("b", "b").click(button="right")
    menu = canvas.page.get_by_role("menu")
    menu.get_by_role("menuitemcheckbox", name="Make it an input of the subgraph").click()
    canvas.changed(lambda doc: {"to": ["b.b"]} in next(iter(doc["definitions"].values()))["inputs"].values())
    canvas.press("Escape", "Escape")
    expect(canvas.field(new, "b")).to_have_value(" two")

    canvas.field(new, "b").click()
    canvas.field(new, "b").click(button="right")  # while one writes in it: the browser's own menu
    canvas.page.wait_for_timeout(200)
    expect(menu).to_have_count(0)


def test_a_group_is_layout_only_and_moves_no_key(canvas: Canvas) -> None:
    made = group(canvas)
    assert made["nodes"] == wiring()["nodes"]
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == wiring())


def test_a_group_moves_with_its_contents_as_one_step(canvas: Canvas) -> None:
    made = group(canvas)
    frame = canvas.page.locator("[data-frame]").first
    title = frame.locator(".nf-frame-title")
    x, y = canvas.centre(title)
    canvas.drag((x, y), (x + 50, y + 70), steps=10)
    done = canvas.changed(lambda doc: doc["layout"]["blur"] != wiring()["layout"]["blur"])
    shift = [done["layout"]["blur"]["at"][i] - wiring()["layout"]["blur"]["at"][i] for i in (0, 1)]
    assert [done["layout"]["picture"]["at"][i] - wiring()["layout"]["picture"]["at"][i] for i in (0, 1)] == shift
    assert done["layout"]["invert"] == wiring()["layout"]["invert"]
    canvas.press("Control+z")
    canvas.changed(lambda doc: doc == made)


def test_a_group_is_titled_collapsed_muted_and_copied(canvas: Canvas) -> None:
    group(canvas)
    frame = canvas.page.locator("[data-frame]").first
    frame.locator(".nf-frame-title").dblclick()
    expect(canvas.page.get_by_label("Title of the frame")).to_be_focused()
    canvas.press("Control+a")
    canvas.page.keyboard.type("Making")
    canvas.press("Enter")
    canvas.changed(lambda doc: "Making" in str(doc["layout"]))

    frame.locator(".nf-frame-title").click()
    canvas.press("Control+m")
    muted = canvas.changed(lambda doc: doc["nodes"]["blur"].get("mode") == "muted")
    assert muted["nodes"]["picture"].get("mode") == "muted"
    assert "mode" not in muted["nodes"]["invert"]
    canvas.press("Control+m")
    canvas.changed(lambda doc: "mode" not in doc["nodes"]["blur"])

    canvas.press("Control+c", "Control+v")
    copied = canvas.changed(lambda doc: len(doc["nodes"]) == 7)
    assert str(copied["layout"]).count("Making") == 2
    canvas.press("Control+z")

    frame.get_by_role("button", name="Collapse the frame").click()
    expect(canvas.node("blur")).not_to_be_visible()
    canvas.changed(lambda doc: "'collapsed': True" in str(doc["layout"]))


def test_a_group_takes_a_colour_and_fits_its_contents(canvas: Canvas) -> None:
    made = group(canvas)
    frame = canvas.page.locator("[data-frame]").first
    frame.locator(".nf-frame-title").click(button="right")
    canvas.page.get_by_role("menu").get_by_role("menuitem", name="blue", exact=True).click()
    coloured = canvas.changed(lambda doc: doc != made)
    assert coloured["nodes"] == wiring()["nodes"]
    assert [group["colour"] for group in coloured["layout"]["groups"]] == ["blue"]

    canvas.drag_by(canvas.title("blur"), 40, 60)
    canvas.changed(lambda doc: doc["layout"]["blur"] != made["layout"]["blur"])
    frame.locator(".nf-frame-title").click()
    canvas.command("Fit the frame to what it holds")
    fitted = canvas.changed(lambda doc: doc["layout"]["groups"][0]["size"] != made["layout"]["groups"][0]["size"])
    assert fitted["nodes"] == wiring()["nodes"]
