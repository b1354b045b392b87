"""Scripts in names, titles, prompts, files and addresses: no route gives any of it out as a page (CVE-2024-10099
and those after it; ComfyUI mended one route and forgot another, so this walks over all of them)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from nodeflow.server.openapi import Route
from tests.server.harness import Answer, Running, running
from tests.server.pictures import HOSTILE, picture
from tests.server.table import IDS, ROUTES

SCRIPT = "<img src=x onerror=alert(1)><script>alert(1)</script>"
RUNS = ("html", "xml", "svg", "javascript", "ecmascript", "pdf", "css")
"""Media types with these words are run or rendered by browsers."""


class Planted:
    """A server whose every corner holds a script."""

    def __init__(self, server: Running) -> None:
        self.server = server
        recipe: dict[str, Any] = {
            "format": "nodeflow/1",
            "title": SCRIPT,
            "description": SCRIPT,
            "outputs": {"x": "a.text"},
            "nodes": {"a": {"op": "value/join_text@1", "title": SCRIPT, "values": {"a": SCRIPT, "b": SCRIPT}}},
            "x-note": SCRIPT,
        }
        self.recipe = recipe
        server.post("/api/workflows/planted", recipe, method="PUT", If_None_Match="*")
        draft = {"id": "planted-draft", "title": SCRIPT, "name": SCRIPT, "workflow": recipe}
        server.post("/api/drafts/planted-draft", draft, method="PUT")
        self.job = server.post("/api/jobs", {"workflow": recipe}).json["jobs"][0]["id"]
        name = server.send(f"/api/uploads?name={quote(SCRIPT, safe='')}", picture()).json["name"]
        folder = server.home / "uploads"
        (folder / "page.html").write_bytes(HOSTILE["html"])
        (folder / "drawing.svg").write_bytes(HOSTILE["svg"])
        self.digests = [server.services.engine.artefacts.put(HOSTILE[kind]) for kind in ("html", "svg", "xhtml")]
        self.names = {
            "/api/workflows/{name}": ["planted", SCRIPT],
            "/api/templates/{name}": ["text-to-image", SCRIPT],
            "/api/templates/{name}/preview": ["text-to-image", SCRIPT],
            "/api/uploads/{name}": [name, "page.html", "drawing.svg", SCRIPT],
            "/api/drafts/{id}": ["planted-draft", SCRIPT],
            "/api/artefacts/{digest}": [*self.digests, SCRIPT],
            "/api/artefacts/{digest}/thumbnail": [*self.digests, SCRIPT],
            "/assets/{name}": [SCRIPT, "page.html"],
            "/{name}": [SCRIPT, "page.html"],
        }

    def paths(self, route: Route) -> list[str]:
        """The addresses of the route that lead to a script, or are one."""
        names = self.names.get(route.path, [str(self.job), SCRIPT] if "{id}" in route.path else [""])
        paths = [re.sub(r"{\w+}", quote(name, safe=""), route.path) for name in names]
        script = quote(SCRIPT, safe="")
        queries = ["", f"?download=1&name={script}", *(f"?{p.name}={script}" for p in route.parameters)]
        return [path + query for path in paths for query in queries]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    with running(tmp_path_factory.mktemp("planted")) as server:
        yield Planted(server)


def check(answer: Answer, where: str) -> None:
    kind = answer.headers.get("content-type", "")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"]
    assert SCRIPT not in "".join(answer.headers.values())
    if any(word in kind for word in RUNS):  # the canvas, and pages of words
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")
        assert b"alert(1)" not in answer.body, where
        assert b"onerror" not in answer.body, where
    if "alert(1)" in answer.body.decode("utf-8", "replace") and "json" not in kind:
        assert kind == "application/octet-stream" or kind.startswith("image/"), where
        assert answer.headers["content-disposition"].startswith("attachment") or kind.startswith("image/")


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_no_route_gives_a_script_out_as_a_page(planted: Planted, route: Route) -> None:
    server = planted.server
    bodies: list[bytes | None] = [None]
    if route.takes is not None:
        texts = [
            {"workflow": planted.recipe},
            {"workflow": {"format": SCRIPT}},
            planted.recipe,
            SCRIPT,
            {SCRIPT: SCRIPT},
        ]
        bodies = [json.dumps(text).encode() for text in texts] + [HOSTILE["html"], HOSTILE["svg"]]
    for path in planted.paths(route):
        for body in bodies:
            headers = {"Accept": "text/html,application/xhtml+xml"}
            if route.takes is not None:
                headers |= {"Content-Type": route.takes, "If-None-Match": "*"}
            if route.path == "/api/jobs/{id}" and route.method == "DELETE":
                continue
            check(server.request(route.method, path, body, headers), f"{route.method} {path}")
            check(server.request(route.method, path, body, headers, token=False), f"{route.method} {path}")


def test_the_scripts_were_there(planted: Planted) -> None:
    """The test above would see one: they come back as data."""
    server = planted.server
    for path in ("/api/workflows", "/api/workflows/planted", "/api/jobs", f"/api/jobs/{planted.job}"):
        assert b"onerror" in server.get(path).body, path
    assert server.get("/api/uploads/page.html").body == HOSTILE["html"]
    assert server.get(f"/api/artefacts/{planted.digests[0]}").body == HOSTILE["html"]
