"""Interactions 18, 19, 25 and 26: history and gallery, viewer and compare, mask painting, the form view."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, expect

from tests.browser.canvas import Canvas, Document, recipe
from tests.browser.recipes import picture
from tests.browser.server import Server


def coloured(colour: str, size: int = 64) -> Document:
    """A picture of one colour, in no time."""
    return recipe(
        {"made": {"op": "image/empty@1", "values": {"color": colour, "height": size, "width": size}}},
        title=f"All {colour}",
        inputs={"colour": {"to": ["made.color"]}},
        outputs={"image": "made.image"},
    )


def gallery(canvas: Canvas) -> None:
    canvas.button("Gallery").click()


def test_the_gallery_is_newest_first_with_parameters_and_reopens_the_workflow(canvas: Canvas) -> None:
    for colour in ("#ff0000", "#00ff00"):
        canvas.server.finished(canvas.server.run(coloured(colour))[0])
    gallery(canvas)
    pictures = canvas.page.get_by_role("region", name="Gallery").locator("img")
    newest = canvas.server.get("/api/artefacts?limit=2")["items"]
    for place, item in enumerate(newest):
        expect(pictures.nth(place)).to_have_attribute("src", re.compile(item["digest"]))
    pictures.first.click()
    viewer = canvas.page.get_by_role("dialog")
    expect(viewer).to_contain_text("#00ff00")
    viewer.get_by_role("button", name="Open workflow").click()
    expect(canvas.node("made")).to_be_visible()
    assert canvas.changed(lambda doc: doc["nodes"])["nodes"]["made"]["values"]["color"] == "#00ff00"


def test_the_gallery_is_paged(canvas: Canvas) -> None:
    canvas.server.run(coloured("#000000", 16), sweep=[{"colour": f"#0000{n:02x}"} for n in range(70)])
    canvas.server.until(lambda: canvas.server.get("/api/queue")["queued"], lambda n: n == 0, 60)
    gallery(canvas)
    pictures = canvas.page.get_by_role("region", name="Gallery").locator("img")
    expect(pictures.nth(20)).to_be_attached()
    first = pictures.count()
    pictures.last.scroll_into_view_if_needed()
    canvas.page.mouse.wheel(0, 20_000)
    expect(pictures.nth(first)).to_be_attached()


def test_runs_are_forgotten_at_once_in_every_list(canvas: Canvas) -> None:
    jobs = [canvas.server.run(coloured(colour))[0] for colour in ("#123456", "#654321")]
    for job in jobs:
        canvas.server.finished(job)
    gallery(canvas)
    canvas.button("Runs").click()
    runs = canvas.page.get_by_role("list", name="Runs, newest first").get_by_role("listitem")
    expect(runs).not_to_have_count(0)
    canvas.button("Forget runs").click()
    canvas.page.get_by_role("menuitem", name="Forget failed and cancelled runs").click()
    expect(canvas.page.get_by_text(re.compile(r"^\d+ runs? forgotten$"))).to_be_visible()
    assert {job["id"] for job in canvas.server.get("/api/jobs")["items"]} >= set(jobs)
    canvas.button("Forget runs").click()
    canvas.page.get_by_role("menuitem", name="Forget all runs").click()
    expect(runs).to_have_count(0)
    assert canvas.server.get("/api/jobs")["items"] == []
    canvas.button("Results").click()
    expect(canvas.page.get_by_role("region", name="Gallery").locator("img")).to_have_count(0)


def test_two_runs_are_compared_by_what_differs(canvas: Canvas) -> None:
    for colour in ("#ff0000", "#00ff00"):
        canvas.server.finished(canvas.server.run(coloured(colour))[0])
    gallery(canvas)
    pictures = canvas.page.get_by_role("region", name="Gallery").get_by_role("listitem")
    for place in (0, 1):
        pictures.nth(place).get_by_role("checkbox").check()
    canvas.button("Compare").click()
    compare = canvas.dialog("Compare")
    expect(compare).to_contain_text("#ff0000")
    expect(compare).to_contain_text("#00ff00")
    wipe = compare.get_by_role("slider", name="Wipe")
    expect(wipe).to_have_attribute("aria-valuenow", "50")
    wipe.press("ArrowLeft")
    expect(wipe).to_have_attribute("aria-valuenow", "49")
    x, y = canvas.centre(wipe)
    canvas.drag((x, y), (x - 100, y))
    assert int(wipe.get_attribute("aria-valuenow") or 0) < 49
    compare.get_by_role("button", name="Side by side").click()
    images = compare.locator("img:visible")
    expect(images).to_have_count(2)
    before = images.first.get_attribute("data-scale")
    canvas.page.mouse.move(*canvas.centre(images.first))
    canvas.page.mouse.wheel(0, -300)
    expect(images.first).not_to_have_attribute("data-scale", str(before))
    expect(images.last).to_have_attribute("data-scale", str(images.first.get_attribute("data-scale")))
    canvas.drag_by(images.first, 40, 30)  # both are moved
    assert images.first.evaluate("image => image.style.transform") == images.last.evaluate(
        "image => image.style.transform"
    )
    lines = compare.get_by_role("complementary", name="Details").get_by_role("listitem")
    assert sum("largest difference" in line for line in lines.all_inner_texts()) == 1


def test_the_viewer_goes_by_arrows_closes_by_escape_and_shows_pixels_as_they_are(canvas: Canvas) -> None:
    for colour in ("#ff0000", "#00ff00"):
        canvas.server.finished(canvas.server.run(coloured(colour))[0])
    gallery(canvas)
    canvas.page.get_by_role("region", name="Gallery").locator("img").first.click()
    viewer = canvas.page.get_by_role("dialog")
    image = viewer.locator("img").first
    first = image.get_attribute("src")
    canvas.press("ArrowRight")
    expect(image).not_to_have_attribute("src", str(first))
    canvas.press("ArrowLeft")
    expect(image).to_have_attribute("src", str(first))
    canvas.press("1")
    assert image.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    assert image.bounding_box()["width"] == 64  # type: ignore[index]
    canvas.press("Escape")
    expect(viewer).to_have_count(0)


@pytest.mark.parametrize("ratio", [1.25, 2])
def test_one_to_one_is_one_pixel_of_any_screen_without_smoothing(
    new_context: Callable[..., BrowserContext], server: Server, ratio: float
) -> None:
    """A picture of noise: each pixel of the screen has the colour of one pixel of the picture."""
    noise = Image.effect_noise((101, 67), 200).convert("RGB")
    file = io.BytesIO()
    noise.save(file, "PNG")
    _, upload, _ = server.ask("POST", "/api/uploads?name=noise.png", file.getvalue())
    nodes = {"load": {"op": "image/load@1", "values": {"path": upload["name"]}}}
    job = server.finished(server.run(recipe(nodes, outputs={"image": "load.image"}))[0])
    assert job["state"] == "completed", job
    page = new_context(device_scale_factor=ratio).new_page()
    page.goto("/")
    canvas = Canvas(page, server)
    gallery(canvas)
    page.get_by_role("region", name="Gallery").locator("img").first.click()
    image = page.get_by_role("dialog").locator("img").first
    canvas.press("1")
    page.wait_for_timeout(300)
    box = image.bounding_box()
    assert box
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    left, top = round(box["x"] * ratio), round(box["y"] * ratio)
    assert shown.crop((left, top, left + noise.width, top + noise.height)).tobytes() == noise.tobytes()


# --- 25: masks and touch


def test_a_mask_is_painted_undone_and_stored_as_an_upload(canvas: Canvas) -> None:
    _, uploaded, _ = canvas.server.ask("POST", "/api/uploads?name=square.png", square())
    document = recipe(
        {
            "photo": {"op": "image/load@1", "values": {"path": uploaded["name"]}},
            "hole": {"op": "image/load@1", "values": {"path": uploaded["name"]}},
        }
    )
    canvas.open(document)
    canvas.node("hole").get_by_role("button", name="Paint a mask on path").click()
    painter = canvas.dialog("Paint a mask")
    surface = painter.locator("canvas").last
    surface.hover()  # waits until it stands still and takes the pointer
    x, y = canvas.centre(surface)
    canvas.drag((x - 30, y), (x + 30, y), steps=10)
    painter.get_by_role("button", name="Undo stroke").click()
    expect(painter.get_by_role("button", name="Undo stroke")).to_be_disabled()
    canvas.drag((x - 30, y), (x + 30, y), steps=10)
    before = len(canvas.server.get("/api/uploads"))
    painter.get_by_role("button", name="Eraser").click()
    canvas.drag((x, y - 20), (x, y + 20), steps=10)
    painter.get_by_role("button", name="Save mask").click()
    canvas.server.until(lambda: len(canvas.server.get("/api/uploads")), lambda n: n == before + 1)
    canvas.changed(lambda doc: doc["nodes"]["hole"]["values"]["path"] != uploaded["name"])


def square() -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (128, 128), "teal").save(file, "PNG")
    return file.getvalue()


def test_on_a_phone_one_views_and_queues_pinches_and_long_presses(
    server: Server, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context(server, viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto("/")
    canvas = Canvas(page, server).open(coloured("#123456"), form=True)  # on a phone the form comes first
    canvas.button("Graph").click()
    expect(canvas.nodes.first).to_be_visible()
    session = context.new_cdp_session(page)
    viewport = page.locator(".react-flow__viewport")
    before = viewport.evaluate("element => element.style.transform")
    box = canvas.pane.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] - 80

    def touch(kind: str, *points: tuple[float, float]) -> None:
        session.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": px, "y": py} for px, py in points]}
        )

    touch("touchStart", (x - 20, y), (x + 20, y))
    for step in range(1, 6):
        touch("touchMove", (x - 20 - 12 * step, y), (x + 20 + 12 * step, y))
    touch("touchEnd")
    page.wait_for_timeout(200)
    assert viewport.evaluate("element => element.style.transform") != before

    touch("touchStart", (x, y))
    page.wait_for_timeout(800)
    touch("touchEnd")
    expect(page.get_by_role("menu")).to_be_visible()
    canvas.press("Escape")

    assert canvas.run()["state"] == "completed"


# --- 26: the form view


def test_the_form_shows_the_declared_inputs_in_order_on_the_same_document(canvas: Canvas) -> None:
    document = picture(steps=2)
    canvas.open(document)
    canvas.button("Form").click()
    form = canvas.form
    expect(form).to_be_visible()
    expect(canvas.nodes).to_have_count(0)
    places = []
    for name in document["inputs"]:
        box = form.get_by_label(name, exact=True).first.bounding_box()
        assert box
        places.append(box["y"])
    assert places == sorted(places)
    expect(form.get_by_text("ampler")).to_have_count(0)

    form.get_by_label("prompt", exact=True).fill("a small green heart at the top on a white background")
    canvas.changed(lambda doc: "green heart" in doc["nodes"]["positive"]["values"]["text"])
    done = canvas.run()
    assert done["state"] == "completed"
    results = canvas.page.get_by_role("region", name="Results")
    expect(results.locator(f'img[src*="{done["artefacts"][0]["digest"]}"]').first).to_be_visible()
    ran = canvas.server.get(f"/api/jobs/{done['id']}/workflow")
    assert ran["nodes"] == canvas.document()["nodes"]
