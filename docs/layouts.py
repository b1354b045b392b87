"""Place the nodes of workflows/*.json as the canvas's "Tidy up" does, with the sizes that they have in a browser.

`python -m docs.layouts [NAME...]` opens each in Chromium, sub-workflows too, and writes its file anew. Only `layout`
changes, which is outside every digest.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from nodeflow.workflow import Workflow

FOLDER = Path(__file__).parents[1] / "workflows"
BROWSER = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")

NOTE_WIDTH = 240
NODE_WIDTH = 248
GRID = 20
RESULT_HEIGHT = 264
"""Of a square picture in a node, with its caption (web/src/model/results.ts)."""
SIZES = """() => Object.fromEntries([...document.querySelectorAll("[data-node-id]")].map(
    (node) => [node.dataset.nodeId, [node.offsetWidth, node.offsetHeight]]))"""


def main(names: list[str]) -> None:
    for path in sorted(FOLDER.glob("*.json")):
        if not names or path.stem in names:
            document = json.loads(path.read_text("utf-8"))
            for name, inner in document.get("definitions", {}).items():
                inner["layout"] = tidied({"format": document["format"], **inner})
                print(f"{path.stem}: {name}", flush=True)
            document["layout"] = tidied(document)
            path.write_text(Workflow.from_json(document).text(), "utf-8")
            print(path.stem, flush=True)


def tidied(document: dict[str, Any]) -> dict[str, Any]:
    """The layout that the canvas gives a recipe when it is told to tidy up."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder)
        (home / "recipe.json").write_text(json.dumps(document))
        command = [sys.executable, "-m", "nodeflow", "serve", "--port", "0", str(home / "recipe.json")]
        environment = {**os.environ, "NODEFLOW_HOME": str(home)}
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert server.stdout is not None
            link = server.stdout.readline().split()[-1]
            chromium = os.environ.get("NODEFLOW_CHROMIUM") or shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER)
            page = browser.new_page(viewport={"width": 3200, "height": 2000})
            page.goto(link)
            page.locator("[data-node-id]").first.wait_for()
            page.keyboard.press("Home")  # all nodes are drawn, so that all are measured
            page.wait_for_timeout(800)
            page.keyboard.press("Shift+T")
            page.wait_for_timeout(2500)  # drafts are kept within a second
            sizes = page.evaluate(SIZES)
            browser.close()
            address = link.partition("/login")[0]
            layout = changed(address, (home / "server.token").read_text().strip())
            makers = {link.partition(".")[0] for link in document.get("outputs", {}).values()}
            return notes_below(room_for_results(layout, sizes, makers), sizes)
        finally:
            server.terminate()
            server.wait()
            time.sleep(0.1)


def changed(address: str, token: str) -> dict[str, Any]:
    request = urllib.request.Request(f"{address}/api/drafts", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:
        found: dict[str, Any] = json.load(answer)[-1]["workflow"]["layout"]
    return found


def room_for_results(layout: dict[str, Any], sizes: dict[str, list[float]], makers: set[str]) -> dict[str, Any]:
    """What stands below a node that will show its picture goes further down, in steps of the grid."""
    for name in sorted(makers & sizes.keys(), key=lambda name: layout[name]["at"][1]):
        x, y = layout[name]["at"]
        column = [e for n, e in layout.items() if n in sizes and abs(e["at"][0] - x) < NODE_WIDTH and e["at"][1] > y]
        if column:
            missing = y + sizes[name][1] + RESULT_HEIGHT + GRID - min(entry["at"][1] for entry in column)
            for entry in column:
                entry["at"] = [entry["at"][0], entry["at"][1] + GRID * max(0, -(-int(missing) // GRID))]
    return layout


def notes_below(layout: dict[str, Any], sizes: dict[str, list[float]]) -> dict[str, Any]:
    """Notes stand below the first column."""
    nodes = {name: entry["at"] for name, entry in layout.items() if name in sizes}
    left = min(at[0] for at in nodes.values())
    bottom = max(at[1] + sizes[name][1] for name, at in nodes.items() if at[0] < left + NOTE_WIDTH)
    for entry in layout.values():
        if isinstance(entry, dict) and "note" in entry:
            entry["at"] = [round(left), 20 * round((bottom + 60) / 20)]
            bottom += 200
    return layout


if __name__ == "__main__":
    main(sys.argv[1:])
