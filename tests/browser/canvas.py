"""The canvas as a test sees and handles it: by roles and names, by `data-node-id` and `data-port`, and by what its
draft on the server says. Nothing in the page is there only for tests.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.server import Server

Document = dict[str, Any]

DROP = """([name, type, text, x, y]) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const target = document.elementFromPoint(x, y) ?? document.body;
  const event = { dataTransfer: data, bubbles: true, cancelable: true, clientX: x, clientY: y };
  for (const kind of ["dragenter", "dragover", "drop"]) target.dispatchEvent(new DragEvent(kind, event));
}"""


class Canvas:
    """A page with the canvas."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server

    # --- documents

    def drop(self, name: str, content: bytes, kind: str = "application/json", at: tuple[int, int] = (640, 400)) -> None:
        """Drop a file on the page."""
        self.page.evaluate(DROP, [name, kind, base64.b64encode(content).decode(), *at])

    def open(self, document: Document, *, form: bool = False) -> Canvas:
        """Open a recipe in a tab of its own, by dropping its file, and wait until it is drawn (or its form is)."""
        self.drop("recipe.json", json.dumps(document).encode())
        expect(self.form if form else self.nodes.first).to_be_visible(timeout=20_000)
        self.changed(lambda found: found["nodes"].keys() == document["nodes"].keys(), seconds=20)
        return self

    def document(self) -> Document:
        """What the tab that was changed last holds."""
        drafts = self.server.get("/api/drafts")
        return max(drafts, key=lambda draft: draft["modified"])["workflow"] if drafts else {"nodes": {}}

    def changed(self, good: Callable[[Document], Any], seconds: float = 4) -> Document:
        """The document, as soon as it is good."""
        found: Document = self.server.until(self.document, good, seconds)
        return found

    def moved(self, good: Callable[[Document], Any]) -> Document:
        """The document after a resize, when no later draft comes: a slow one may be drafted while it lasts."""
        found = self.changed(good)
        while True:
            time.sleep(0.9)
            if (after := self.document()) == found:
                return found
            found = after

    def unchanged(self, document: Document) -> None:
        """The document is this one, and stays it for longer than a draft takes."""
        time.sleep(1.2)
        assert self.document() == document

    # --- parts

    @property
    def form(self) -> Locator:
        return self.page.get_by_role("region", name="Inputs")

    @property
    def pane(self) -> Locator:
        return self.page.locator(".react-flow__pane")

    @property
    def nodes(self) -> Locator:
        return self.page.locator("[data-node-id]")

    @property
    def selected(self) -> Locator:
        return self.page.locator(".react-flow__node.selected")

    @property
    def wires(self) -> Locator:
        return self.page.locator(".react-flow__edge")

    @property
    def status(self) -> Locator:
        """What the page says aloud."""
        return self.page.get_by_role("status")

    @property
    def refusal(self) -> Locator:
        """Why something was not done."""
        return self.page.locator(".nf-refusal p")

    def node(self, id: str) -> Locator:
        return self.page.locator(f'[data-node-id="{id}"]')

    def title(self, id: str) -> Locator:
        """The part of a node that it is dragged by."""
        return self.node(id).locator(".nf-head")

    def port(self, id: str, port: str) -> Locator:
        """A handle: `port` is `in:positive` or `out:latent`."""
        return self.node(id).locator(f'[data-port="{port}"]')

    def field(self, id: str, name: str, role: Any = None) -> Locator:
        """The control of an input."""
        if role:
            return self.node(id).get_by_role(role, name=name, exact=True)
        return self.node(id).get_by_label(name, exact=True)

    def combo(self, id: str, name: str) -> Locator:
        """The button that opens a choice."""
        return self.node(id).get_by_role("button", name=re.compile(f"^{re.escape(name)} "))

    def dialog(self, name: str) -> Locator:
        return self.page.get_by_role("dialog", name=name)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def tab(self, title: str = "") -> Locator:
        """The tab of an open document; without a title, of all."""
        tabs = self.page.get_by_role("tablist", name="Open workflows").get_by_role("tab")
        return tabs.filter(has_text=title) if title else tabs

    @property
    def queue_length(self) -> Locator:
        return self.page.get_by_role("button", name=re.compile("^Queue length"))

    def expect_queue(self, waiting: int, running: int, seconds: float = 10) -> None:
        name = f"Queue length: {waiting} waiting, {running} running"
        expect(self.queue_length).to_have_accessible_name(name, timeout=seconds * 1000)

    # --- hands

    def queue(self) -> None:
        """Press the button that queues the open recipe, and wait for the server's answer."""
        with self.page.expect_response(lambda answer: answer.url.endswith("/api/jobs")):
            self.page.get_by_role("toolbar", name="Run").get_by_role("button", name="Queue", exact=True).click()

    def run(self, start: Callable[[], None] | None = None) -> Document:
        """Queue the open recipe (or do `start`) and wait for its job to end."""
        items = self.server.get("/api/jobs?limit=1")["items"]
        last = items[0]["id"] if items else 0
        (start or self.queue)()
        new = self.server.until(
            lambda: [job["id"] for job in self.server.get("/api/jobs?limit=1")["items"] if job["id"] > last], bool, 20
        )
        return self.server.finished(new[0])

    def expect_state(self, id: str, *states: str, seconds: float = 60) -> None:
        """A node gets into one of these states. The first run waits for the worker, which loads torch."""
        pattern = re.compile(f"^({'|'.join(states)})$")
        expect(self.node(id)).to_have_attribute("data-state", pattern, timeout=seconds * 1000)

    def command(self, title: str) -> None:
        """Do a command by its title, from the command palette."""
        self.press("Control+k")
        commands = self.dialog("All commands")
        expect(commands).to_be_visible()
        self.page.keyboard.type(title)
        expect(commands.get_by_role("option", selected=True)).to_contain_text(title)
        self.press("Enter")
        expect(commands).to_have_count(0)

    def open_saved(self, title: str) -> None:
        """Open a saved recipe from the start page."""
        self.button("Start page").click()
        self.page.get_by_role("list", name="Your workflows").get_by_role("button").filter(has_text=title).first.click()
        expect(self.nodes.first).to_be_visible()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def place(self, id: str) -> tuple[float, float]:
        """Where a node is on the screen."""
        box = self.node(id).bounding_box()
        assert box
        return box["x"], box["y"]

    def centre(self, target: Locator) -> tuple[float, float]:
        box = target.bounding_box()
        assert box, f"{target} is not on the screen"
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def empty(self, dx: float = 0, dy: float = 0) -> tuple[float, float]:
        """A place on the pane where no node is: near its lower left corner."""
        box = self.pane.bounding_box()
        assert box
        return box["x"] + 60 + dx, box["y"] + box["height"] - 90 + dy

    def grab(self, start: Locator | tuple[float, float], end: Locator | tuple[float, float], steps: int = 8) -> None:
        """Press at the start and go to the end, without letting go."""
        mouse = self.page.mouse
        mouse.move(*(start if isinstance(start, tuple) else self.centre(start)))
        mouse.down()
        mouse.move(*(end if isinstance(end, tuple) else self.centre(end)), steps=steps)

    def drag(self, start: Locator | tuple[float, float], end: Locator | tuple[float, float], steps: int = 8) -> None:
        self.grab(start, end, steps)
        self.page.mouse.up()

    def drag_by(self, start: Locator, dx: float, dy: float) -> None:
        x, y = self.centre(start)
        self.drag((x, y), (x + dx, y + dy))

    def select(self, *ids: str) -> None:
        for place, id in enumerate(ids):
            self.title(id).click(modifiers=["Shift"] if place else [])
            expect(self.selected).to_have_count(place + 1)

    def focus_pane(self) -> None:
        """Click where nothing is: nothing is selected, and keys go to the graph."""
        self.page.mouse.click(*self.empty())


def recipe(nodes: Document, **parts: Any) -> Document:
    """A document; nodes without a place stand in a row."""
    layout = {id: {"at": [80 + 340 * place, 80]} for place, id in enumerate(nodes)}
    layout.update(parts.pop("layout", {}))
    return copy.deepcopy({"format": "nodeflow/1", "title": "Test", "nodes": nodes, "layout": layout, **parts})
