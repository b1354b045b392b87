"""Interaction 13: parameter widgets."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.canvas import Canvas, recipe
from tests.browser.recipes import chain, picture


def adjust() -> dict[str, object]:
    return recipe(
        {
            "picture": {"op": "image/empty@1", "values": {"width": 64, "height": 64, "color": "#ff0000"}},
            "blur": {"op": "image/blur@1", "values": {"sigma": 5.0}, "links": {"image": "picture.image"}},
        }
    )


def test_a_number_is_scrubbed_within_its_range_as_one_step(canvas: Canvas) -> None:
    canvas.open(adjust())
    field = canvas.field("picture", "width")
    x, y = canvas.centre(field)
    canvas.drag((x, y), (x + 60, y), steps=12)
    done = canvas.changed(lambda doc: doc["nodes"]["picture"]["values"]["width"] > 64)
    assert isinstance(done["nodes"]["picture"]["values"]["width"], int)
    x, y = canvas.centre(field)
    canvas.drag((x, y), (x - 900 if x > 900 else 2, y), steps=20)
    canvas.changed(lambda doc: doc["nodes"]["picture"]["values"]["width"] == 1)
    canvas.focus_pane()
    canvas.press("Control+z", "Control+z")
    canvas.changed(lambda doc: doc == adjust())
    expect(canvas.button("Undo")).to_be_disabled()


def test_a_number_is_typed_and_a_value_out_of_range_is_not_taken_silently(canvas: Canvas) -> None:
    canvas.open(adjust())
    field = canvas.field("picture", "width")
    field.dblclick()
    canvas.press("Control+a")
    canvas.page.keyboard.type("128")
    canvas.press("Enter")
    canvas.changed(lambda doc: doc["nodes"]["picture"]["values"]["width"] == 128)
    field.press("ArrowUp")
    canvas.changed(lambda doc: doc["nodes"]["picture"]["values"]["width"] > 128)


def test_reset_takes_the_value_out_of_the_document(canvas: Canvas) -> None:
    canvas.open(adjust())
    canvas.node("blur").hover()
    canvas.node("blur").get_by_role("button", name="Reset sigma").click()
    canvas.changed(lambda doc: "sigma" not in doc["nodes"]["blur"].get("values", {}))


def test_a_choice_is_searched(canvas: Canvas) -> None:
    canvas.open(picture())
    canvas.combo("sample", "sampler").click()
    canvas.page.keyboard.type("2msde")  # fuzzy
    options = canvas.page.get_by_role("listbox", name="sampler").get_by_role("option")
    expect(options.first).to_have_text("dpmpp_2m_sde")
    canvas.press("Enter")
    canvas.changed(lambda doc: doc["nodes"]["sample"]["values"]["sampler"] == "dpmpp_2m_sde")
    expect(canvas.combo("sample", "sampler")).to_be_focused()
    canvas.press("Enter")
    canvas.page.keyboard.type("zzz")
    expect(options).to_have_count(0)
    canvas.press("Escape")
    expect(canvas.page.get_by_role("listbox")).to_have_count(0)


def test_a_model_is_chosen_from_those_that_are_there(canvas: Canvas) -> None:
    canvas.open(picture())
    canvas.combo("checkpoint", "model").click()
    expect(canvas.page.get_by_role("option", name="shapes-64").first).to_be_visible()


def test_a_prompt_has_several_lines(canvas: Canvas) -> None:
    canvas.open(chain())
    field = canvas.field("a", "value")
    field.click()
    canvas.press("Control+a")
    canvas.page.keyboard.type("first")
    canvas.press("Enter")
    canvas.page.keyboard.type("second")
    canvas.changed(lambda doc: doc["nodes"]["a"]["values"]["value"] == "first\nsecond")


def test_a_slider_and_a_checkbox(canvas: Canvas) -> None:
    canvas.open(picture())
    denoise = canvas.field("sample", "denoise", "spinbutton")
    x, y = canvas.centre(denoise)
    canvas.drag((x, y), (x - 40, y), steps=8)
    done = canvas.changed(lambda doc: doc["nodes"]["sample"]["values"].get("denoise", 1) < 1)
    assert 0.3 < done["nodes"]["sample"]["values"]["denoise"] < 0.95  # it follows the pointer over the field's width
    expect(canvas.node("sample").locator("[data-slider]").first).to_be_visible()
    canvas.field("sample", "compat", "switch").click()
    canvas.changed(lambda doc: doc["nodes"]["sample"]["values"].get("compat") is True)


def test_the_tooltip_is_the_docstring(canvas: Canvas) -> None:
    canvas.open(picture())
    field = canvas.field("sample", "guidance", "spinbutton")
    expect(field).to_have_attribute("aria-description", re.compile("how strongly to follow the prompt.*0 to 100", re.S))
    named = canvas.page.get_by_role("spinbutton", name="guidance", exact=True)
    widget = canvas.node("sample").locator(".nf-widget").filter(has=named)
    expect(widget).to_have_attribute("title", re.compile("how strongly"))


def test_a_wired_widget_shows_its_source_and_is_read_only(canvas: Canvas) -> None:
    canvas.open(chain())
    expect(canvas.node("b").get_by_role("status", name="a, from a.text")).to_contain_text("a.text")
    expect(canvas.field("b", "a", "textbox")).to_have_count(0)
    expect(canvas.field("b", "b")).to_be_editable()
