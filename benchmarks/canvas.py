"""The canvas with 1,000 nodes in Chromium, against React Flow as one gets it (`web/bench`): loading, panning, dragging.

Target: at most 0.4 of React Flow's time an event, at working zoom (zoom 1) and with all nodes in view ("fit"), and 60
frames a second at working zoom. An event is one move of the mouse, its cost the main thread's processor time, which a
busy machine changes less than the clock; frames are medians, and of no use on a busy machine.
"""

from __future__ import annotations

import functools
import http.server
import json
import math
import shutil
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.canvas import Canvas
from tests.browser.conftest import FLAGS, chromium
from tests.browser.recipes import many
from tests.browser.server import Server

ROOT = Path(__file__).parents[1]
COLUMNS, COUNT = 40, 1000
EVENTS = 60
VIEW = {"width": 1600, "height": 900}
LOADED = """(count) => new Promise((done) => {
  const look = () => document.querySelectorAll(".react-flow__node").length >= count
    ? requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())))
    : requestAnimationFrame(look);
  look();
})"""
FRAMES = """() => { window.__frames = []; let last = performance.now();
  const tick = (now) => { window.__frames.push(now - last); last = now; window.__going = requestAnimationFrame(tick); };
  window.__going = requestAnimationFrame(tick); }"""


@dataclass(frozen=True)
class Cost:
    """Of one event: main thread and script in ms; the median frame in ms."""

    task: float
    script: float
    frame: float


def document() -> dict[str, Any]:
    """A thousand nodes with four ports and three widgets each, and about one and a half wires a node."""
    made = many(COUNT)
    for place in range(COLUMNS + 1, COUNT, 2):
        node = made["nodes"][f"n{place}"]
        del node["values"]["b"]
        node.setdefault("links", {})["b"] = f"n{place - COLUMNS}.text"
    return made


def moves(page: Page, start: tuple[float, float], what: str) -> Cost:
    """Press at `start`, move in a circle, let go: what a move costs. `what`: the part that must be dragged by it."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> dict[str, float]:
        return {item["name"]: item["value"] for item in session.send("Performance.getMetrics")["metrics"]}

    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + 8, start[1] + 8, steps=3)
    page.wait_for_timeout(300)
    if page.locator(f"{what}.dragging").count() != 1:
        raise RuntimeError(f"no {what} is dragged from {start}")
    before = spent()
    page.evaluate(FRAMES)
    for step in range(EVENTS):
        page.mouse.move(start[0] + 8 + 3 * (step % 20), start[1] + 8 + 2 * (step % 15))
    frames = page.evaluate("() => { cancelAnimationFrame(window.__going); return window.__frames; }")
    after = spent()
    page.mouse.up()
    session.detach()
    cost = {name: 1000 * (after[name] - before[name]) / EVENTS for name in ("TaskDuration", "ScriptDuration")}
    return Cost(cost["TaskDuration"], cost["ScriptDuration"], statistics.median(frames[1:]))


def still(page: Page) -> None:
    """Wait until the view no longer moves."""
    page.evaluate(
        """() => new Promise((done) => { let [last, same] = ["", 0];
          const look = () => {
            const now = document.querySelector(".react-flow__viewport").style.transform;
            same = now === last ? same + 1 : 0;
            last = now;
            if (same < 20) requestAnimationFrame(look); else done();
          };
          look(); })"""
    )


def on_node(page: Page) -> tuple[float, float]:
    """The header of a node well inside the view."""
    x, y = page.evaluate(
        """() => { const { innerWidth, innerHeight } = window;
          for (const node of document.querySelectorAll(".react-flow__node")) {
            const box = (node.querySelector("header") ?? node).getBoundingClientRect();
            const [x, y] = [box.x + box.width / 2, box.y + Math.min(box.height / 2, 12)];
            if (x > innerWidth * 0.3 && y > innerHeight * 0.3 && x < innerWidth * 0.8 && y < innerHeight * 0.8)
              if (node.contains(document.elementFromPoint(x, y))) return [x, y];
          } }"""
    )
    return x, y


def on_pane(page: Page) -> tuple[float, float]:
    """A place between nodes, well inside the view."""
    x, y = page.evaluate(
        """() => { for (let y = innerHeight * 0.4; y < innerHeight * 0.8; y += 3)
          for (let x = innerWidth * 0.4; x < innerWidth * 0.8; x += 3)
            if (document.elementFromPoint(x, y)?.classList.contains("react-flow__pane")) return [x, y]; }"""
    )
    return x, y


def zoom_to_one(page: Page) -> None:
    """Turn the wheel until the zoom is 1, as React Flow's page has it."""
    page.mouse.move(VIEW["width"] / 2, VIEW["height"] / 2)
    scale = "() => new DOMMatrix(getComputedStyle(document.querySelector('.react-flow__viewport')).transform).a"
    while abs(math.log2(zoom := page.evaluate(scale))) > 0.02:
        page.mouse.wheel(0, max(-100, min(100, math.log2(zoom) * 300)))
        page.wait_for_timeout(150)


Look = Callable[[Page, bool], float]
"""Opens the graph in a page, all of it in view or not; gives the ms it took."""


@contextmanager
def defaults() -> Iterator[Look]:
    """React Flow's page, built and served."""
    with tempfile.TemporaryDirectory() as folder:
        build = ["npx", "vite", "build", "--config", "bench/vite.config.ts", "--outDir", folder, "--emptyOutDir"]
        subprocess.run(build, cwd=ROOT / "web", check=True, capture_output=True)
        handler = functools.partial(Quiet, directory=folder)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
            threading.Thread(target=served.serve_forever, daemon=True).start()

            def look(page: Page, fit: bool) -> float:
                page.goto(f"http://127.0.0.1:{served.server_port}/{'?fit' if fit else ''}")
                return float(page.evaluate(LOADED, COUNT))

            yield look
            served.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def ours() -> Iterator[Look]:
    """The canvas, with the graph as a saved recipe."""
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:

        def look(page: Page, fit: bool) -> float:
            server.clean()
            server.save("many", document())
            page.context.add_cookies([server.cookie])
            page.goto(server.origin)
            canvas = Canvas(page, server)
            card = page.get_by_role("list", name="Your workflows").get_by_role("button").first
            card.wait_for()
            begun = page.evaluate("performance.now()")
            card.evaluate("card => setTimeout(() => card.click())")
            took = float(page.evaluate(LOADED, 1)) - begun
            canvas.focus_pane()
            canvas.press("Home")
            page.wait_for_timeout(800)
            if not fit:
                zoom_to_one(page)
            return took

        yield look


def measure(browser: Browser, look: Look, pan: str) -> dict[str, Cost | float]:
    """All figures of one canvas. `pan`: the mouse button that pans it."""
    found: dict[str, Cost | float] = {}
    loads = []
    for view in ("work", "fit"):
        context = browser.new_context(viewport=VIEW)  # type: ignore[arg-type]
        page = context.new_page()
        loads.append(look(page, view == "fit"))
        page.wait_for_timeout(500)
        still(page)
        found[f"drag, {view}"] = moves(page, on_node(page), ".react-flow__node")
        if pan == "space":
            page.keyboard.down("Space")
        found[f"pan, {view}"] = moves(page, on_pane(page), ".react-flow__pane")
        context.close()
    found["load"] = statistics.median(loads)
    return found


def table() -> list[tuple[str, ...]]:
    """Ours, React Flow's defaults, and the ratio."""
    path = chromium()
    if path is None or not shutil.which("npx") or not (ROOT / "web/node_modules").exists():
        return [("needs",), ("Chromium, npm and web/node_modules (make lint-web)",)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        with ours() as look:
            mine = measure(browser, look, "space")
        with defaults() as look:
            theirs = measure(browser, look, "left")
        browser.close()
    rows: list[tuple[str, ...]] = [("1,000 nodes", "canvas", "React Flow's defaults", "ratio")]
    for name in ("load", "pan, work", "drag, work", "pan, fit", "drag, fit"):
        one, other = mine[name], theirs[name]
        if isinstance(one, float) and isinstance(other, float):
            rows.append((name, f"{one:.0f} ms", f"{other:.0f} ms", f"{one / other:.2f}"))
        elif isinstance(one, Cost) and isinstance(other, Cost):
            texts = [f"{c.task:.1f} ms (JS {c.script:.1f}), frame {c.frame:.0f} ms" for c in (one, other)]
            rows.append((name, *texts, f"{one.task / other.task:.2f}"))
    return rows


if __name__ == "__main__":
    print(json.dumps(table(), indent=1))
