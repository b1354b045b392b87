"""Interactions 6, 7, 8 and 9: the queue, live progress, errors where they happen, seeds."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, expect

from tests.browser.canvas import Canvas
from tests.browser.recipes import chain, failing, faulty, picture, seeded
from tests.browser.watch import Watch


def test_a_run_lights_its_nodes_and_says_what_was_cached(canvas: Canvas) -> None:
    canvas.open(picture(steps=60))
    canvas.focus_pane()
    canvas.press("Control+Enter")
    sample = canvas.node("sample")
    canvas.expect_state("sample", "running")
    expect(sample).to_contain_text(re.compile(r"\d+\s*(/|of)\s*60"))
    expect(canvas.page).to_have_title(re.compile(r"\d+\s?%"))
    canvas.expect_state("decode", "done", seconds=30)
    expect(sample).to_contain_text(re.compile(r"\d s|\d ms|\d\.\d"))
    expect(canvas.page).not_to_have_title(re.compile("%"))

    canvas.press("Control+Enter")
    for id in ("sample", "decode", "checkpoint"):
        expect(canvas.node(id)).to_have_attribute("data-state", "cached", timeout=20_000)
    expect(sample).to_contain_text("cached")
    canvas.unchanged(picture(steps=60))


def test_the_running_node_shows_a_preview(canvas: Canvas) -> None:
    canvas.open(picture(steps=2000, seed=11))
    canvas.queue()
    image = canvas.node("sample").locator("img")
    expect(image).to_be_visible(timeout=60_000)
    first = image.get_attribute("src")
    assert first is not None
    assert first.startswith("blob:")
    expect(image).not_to_have_attribute("src", first)
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") >= 16
    canvas.button("Cancel current").click()
    canvas.expect_state("sample", "cancelled", seconds=20)


def test_the_queue_button_stays_and_the_queue_can_be_cancelled_and_cleared(canvas: Canvas) -> None:
    canvas.open(picture(steps=3000, seed=21))
    run = canvas.page.get_by_role("toolbar", name="Run").get_by_role("button", name="Queue", exact=True)
    place = run.bounding_box()
    canvas.page.get_by_label("Batch count").fill("3")
    run.click()
    canvas.expect_queue(2, 1)
    canvas.button("Gallery").click()
    canvas.expect_queue(2, 1)
    assert run.bounding_box() == place

    canvas.page.reload()
    canvas.expect_queue(2, 1)
    canvas.tab().first.click()
    assert run.bounding_box() == place

    canvas.expect_state("sample", "running")
    canvas.button("Cancel current").click()
    canvas.expect_queue(1, 1, seconds=20)
    canvas.button("Clear all").click()
    canvas.expect_queue(0, 0, seconds=20)
    assert run.bounding_box() == place
    states = [job["state"] for job in canvas.server.get("/api/jobs?limit=3")["items"]]
    assert states == ["cancelled"] * 3


def test_a_run_survives_a_reload(canvas: Canvas) -> None:
    canvas.open(picture(steps=1500, seed=31))
    canvas.queue()
    sample = canvas.node("sample")
    canvas.expect_state("sample", "running")
    canvas.page.reload()
    canvas.expect_state("sample", "running")
    expect(sample).to_contain_text(re.compile(r"\d+ of \d+"))
    expect(canvas.node("checkpoint")).to_have_attribute("data-state", re.compile("done|cached"))
    canvas.button("Cancel current").click()
    canvas.expect_state("sample", "cancelled", seconds=20)


def anew(canvas: Canvas, new_context: Callable[..., BrowserContext]) -> Canvas:
    """The canvas in a new profile: no reload, the storage of the old one is gone."""
    page = new_context().new_page()
    page.goto("/")
    return Canvas(page, canvas.server)


def test_a_run_goes_on_while_the_page_is_killed_and_its_progress_is_there_in_a_new_one(
    canvas: Canvas, new_context: Callable[..., BrowserContext]
) -> None:
    canvas.open(picture(steps=3000, seed=32))
    canvas.queue()
    canvas.expect_state("sample", "running")
    job = canvas.server.get("/api/queue")["running"][0]["id"]
    canvas.page.context.close()

    def far() -> int:
        return int(canvas.server.get(f"/api/jobs/{job}")["nodes"]["sample"].get("done", 0))

    first = far()
    canvas.server.until(far, lambda done: done > first + 20, 30)
    again = anew(canvas, new_context)
    again.expect_state("sample", "running")
    said = again.node("sample").get_by_text(re.compile(r"^\d+ of \d+$"))
    assert int(said.inner_text().split()[0]) > first
    expect(again.page).to_have_title(re.compile(r"\d+% "))
    again.expect_queue(0, 1)
    again.button("Cancel current").click()
    again.expect_state("sample", "cancelled", seconds=20)


def test_a_run_that_ends_while_no_page_is_open_shows_its_result_in_a_new_one(
    canvas: Canvas, new_context: Callable[..., BrowserContext]
) -> None:
    canvas.open(picture(steps=100, seed=33))
    canvas.queue()
    canvas.expect_state("sample", "running", "done")
    canvas.server.until(lambda: canvas.server.get("/api/drafts")[0]["job"], bool)
    canvas.page.context.close()
    job = canvas.server.get("/api/jobs?limit=1")["items"][0]["id"]
    assert canvas.server.finished(job)["state"] == "completed"
    again = anew(canvas, new_context)
    again.expect_state("decode", "done")
    expect(again.node("decode").get_by_role("region", name="Result of decode").get_by_role("img")).to_be_visible()
    expect(again.page.get_by_role("region", name="Latest results").get_by_role("img")).to_be_visible()


def test_a_failed_node_says_what_failed_and_the_problem_leads_to_it(canvas: Canvas) -> None:
    canvas.open(failing())
    canvas.queue()
    find = canvas.node("find")
    canvas.expect_state("find", "failed")
    expect(find.get_by_role("alert")).to_contain_text("unterminated subpattern")
    canvas.press("Alt+p")
    problem = canvas.page.get_by_role("region", name="Failed in the last run").get_by_role("button").first
    expect(problem).to_contain_text("find")
    expect(problem).to_contain_text("pattern")
    canvas.page.keyboard.press("Home")
    problem.click()
    expect(canvas.page.locator(".react-flow__node.selected [data-node-id=find]")).to_be_visible()
    expect(canvas.field("find", "pattern")).to_be_focused()


def test_all_problems_show_before_anything_runs_and_lead_to_the_widget(canvas: Canvas, watch: Watch) -> None:
    watch.expect("422")
    canvas.open(faulty())
    for place in ("blur", "invert", "empty"):
        expect(canvas.node(place)).to_have_attribute("data-problem", "error")
    canvas.press("Alt+p")
    problems = canvas.page.get_by_role("region", name="3 problems")
    for place in ("blur › image", "invert › image", "empty › width"):
        expect(problems.get_by_role("button").filter(has_text=place)).to_be_visible()
    problems.get_by_role("button").filter(has_text="width").first.click()
    expect(canvas.field("empty", "width")).to_be_focused()

    canvas.press("Escape")
    canvas.node("empty").get_by_role("button", name=re.compile("problem", re.IGNORECASE)).click()
    expect(canvas.field("empty", "width")).to_be_focused()

    before = canvas.server.get("/api/jobs?limit=1")["items"]
    canvas.press("Escape")
    canvas.press("Control+Enter")
    canvas.page.wait_for_timeout(500)
    assert canvas.server.get("/api/jobs?limit=1")["items"] == before


def used(canvas: Canvas) -> int:
    """The seed of the latest job."""
    job = canvas.server.get("/api/jobs?limit=1")["items"][0]["id"]
    return int(canvas.server.get(f"/api/jobs/{job}/workflow")["nodes"]["draw"]["values"]["seed"])


def run(canvas: Canvas) -> None:
    canvas.run(lambda: canvas.press("Control+Enter"))


def test_a_seed_is_drawn_before_queueing_and_never_changes_after(canvas: Canvas) -> None:
    canvas.open(seeded())
    seed = canvas.field("draw", "seed")
    modes = canvas.node("draw").get_by_role("group", name="What happens to seed before a run")
    canvas.focus_pane()
    run(canvas)
    assert used(canvas) == 5
    canvas.unchanged(seeded())

    modes.get_by_role("button", name="+1").click()
    canvas.focus_pane()
    run(canvas)
    assert used(canvas) == 6
    canvas.changed(lambda doc: doc["nodes"]["draw"]["values"]["seed"] == 6)
    expect(seed).to_have_value("6")

    modes.get_by_role("button", name="Random").click()
    canvas.focus_pane()
    run(canvas)
    drawn = used(canvas)
    assert drawn != 6
    done = canvas.changed(lambda doc: doc["nodes"]["draw"]["values"]["seed"] == drawn)
    expect(seed).to_have_value(str(drawn))
    canvas.unchanged(done)

    run(canvas)
    last = used(canvas)
    assert last != drawn
    canvas.node("draw").get_by_role("button", name="Draw a new seed now").click()
    canvas.changed(lambda doc: doc["nodes"]["draw"]["values"]["seed"] != last)
    canvas.node("draw").get_by_role("button", name=f"Reuse the last seed, {last}").click()
    canvas.changed(lambda doc: doc["nodes"]["draw"]["values"]["seed"] == last)
    expect(modes.get_by_role("button", name="Fixed")).to_have_attribute("aria-pressed", "true")


def test_a_seed_above_2_to_the_53_is_shown_run_and_kept_exactly(canvas: Canvas) -> None:
    document = seeded()
    document["nodes"]["draw"]["values"]["seed"] = 18446744073709551615
    canvas.open(document)
    expect(canvas.field("draw", "seed")).to_have_value("18446744073709551615")
    canvas.drag_by(canvas.title("draw"), 40, 40)
    canvas.changed(lambda doc: doc["layout"] != document["layout"])
    assert canvas.document()["nodes"] == document["nodes"]
    canvas.focus_pane()
    run(canvas)
    assert used(canvas) == 18446744073709551615


def test_a_batch_draws_a_seed_for_each_run(canvas: Canvas) -> None:
    canvas.open(seeded())
    canvas.node("draw").get_by_role("button", name="+1").click()
    canvas.page.get_by_label("Batch count").fill("3")
    items = canvas.server.get("/api/jobs?limit=1")["items"]
    last = items[0]["id"] if items else 0
    canvas.queue()
    new = canvas.server.until(
        lambda: [job["id"] for job in canvas.server.get("/api/jobs?limit=3")["items"] if job["id"] > last],
        lambda found: len(found) == 3,
    )
    documents = [canvas.server.get(f"/api/jobs/{job}/workflow") for job in new]
    assert [doc["nodes"]["draw"]["values"]["seed"] for doc in reversed(documents)] == [6, 7, 8]
    canvas.changed(lambda doc: doc["nodes"]["draw"]["values"]["seed"] == 8)


def test_progress_renders_one_node_and_touches_no_document(canvas: Canvas) -> None:
    """One node view is drawn per progress event: counted by the DOM changes of all nodes while one of them runs."""
    canvas.open(picture(steps=400, seed=41))
    canvas.focus_pane()
    canvas.press("Control+Enter")
    canvas.expect_state("sample", "running", seconds=60)
    changed = canvas.page.evaluate(
        """() => new Promise((done) => {
          const seen = new Set();
          const observer = new MutationObserver((records) => {
            for (const { target } of records) {
              const element = target.nodeType === 1 ? target : target.parentElement;
              seen.add(element?.closest("[data-node-id]")?.dataset.nodeId);
            }
          });
          observer.observe(document.querySelector(".react-flow__nodes"),
                           { subtree: true, childList: true, attributes: true, characterData: true });
          setTimeout(() => { observer.disconnect(); done([...seen]); }, 1500);
        })"""
    )
    assert changed == ["sample"]
    canvas.button("Cancel current").click()
    canvas.expect_state("sample", "cancelled", seconds=20)


def test_muted_nodes_do_not_run_and_the_rest_does(canvas: Canvas) -> None:
    canvas.open(chain())
    canvas.focus_pane()
    canvas.press("Control+Enter")
    expect(canvas.node("c")).to_have_attribute("data-state", re.compile("done|cached"), timeout=30_000)
