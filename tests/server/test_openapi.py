"""The description of the API: valid, complete, strict; and what is made from it is fresh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from nodeflow.server import schema
from nodeflow.server.app import description
from nodeflow.server.typescript import typescript
from tests.server.harness import Running
from tests.server.table import IDS, ROUTES

ROOT = Path(__file__).parents[2]


def test_it_is_valid_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(description()).validate()


def test_it_is_served_as_it_is_made(server: Running) -> None:
    answer = server.get("/api/openapi.json")
    assert answer.status == 200
    assert answer.json == description()


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_every_route_is_described(route: Any) -> None:
    found = description()["paths"][route.path][route.method.lower()]
    assert found["summary"].endswith(".")
    for status, answer in found["responses"].items():
        if int(status) >= 400:
            (media,) = answer["content"]
            page = route.media == "text/html" and status == "401"  # how to sign in
            assert media == ("text/html" if page else "application/problem+json")
    if not route.public:
        assert {"401", "403", "421"} <= found["responses"].keys()
    if route.takes:
        (media,) = found["requestBody"]["content"]
        assert media == route.takes


def test_names_of_operations_differ() -> None:
    names = [o["operationId"] for path in description()["paths"].values() for o in path.values()]
    assert len(set(names)) == len(names)


def test_every_model_refuses_what_it_does_not_know() -> None:
    for name, found in description()["components"]["schemas"].items():
        assert found.get("additionalProperties") is False, name


def test_no_setting_can_be_changed_over_http() -> None:
    """Nothing that decides about safety, folders or code is in the API (CVE-2025-67303, CVE-2026-22777)."""
    from dataclasses import fields

    from nodeflow.settings import Settings

    bodies = [route.body for route in ROUTES if isinstance(route.body, type) and issubclass(route.body, schema.Model)]
    sent = {name for body in bodies for name in body.model_fields}
    sent |= {parameter.name for route in ROUTES for parameter in route.parameters}
    assert {"workflow", "inputs", "priority"} <= sent
    assert not sent & {field.name for field in fields(Settings)}
    assert not sent & {"install", "pip", "package", "token", "password", "origin", "cors", "path", "url", "command"}
    assert not any("settings" in path or "config" in path for path in description()["paths"])


def test_the_canvas_has_the_types_of_now() -> None:
    text = (ROOT / "web" / "src" / "api" / "types.ts").read_text("utf-8")
    assert text == typescript(), "run: .venv/bin/python -m nodeflow.server.typescript > web/src/api/types.ts"


def test_typescript_has_every_model() -> None:
    text = typescript()
    models = [m for m in vars(schema).values() if isinstance(m, type) and issubclass(m, schema.Model)]
    for model in models:
        if model is not schema.Model:
            assert f"export interface {model.__name__} {{" in text
            assert all(f"  {name}: " in text for name in model.model_fields)
    assert "?:" not in text
    assert "any" not in text.replace("anybody", "").split()


def test_parameters_are_checked(server: Running) -> None:
    cases = {
        "/api/jobs?limit=0": 400,
        "/api/jobs?limit=x": 400,
        "/api/jobs?limit=1&limit=2": 400,
        "/api/jobs?limit=9999999999999999999999": 400,
        "/api/jobs?state=unknown": 400,
        "/api/jobs?before=-1": 400,
        "/api/jobs/0": 404,
        "/api/jobs/x": 404,
        "/api/jobs/1e3": 404,
        f"/api/jobs/{10**30}": 404,
        "/api/artefacts?limit=501": 400,
        "/api/artefacts/" + "A" * 64: 404,
        "/api/artefacts/" + "a" * 63: 404,
        "/api/artefacts/" + "a" * 64: 404,
        "/api/jobs?limit=5&unknown=1": 200,
    }
    for path, status in cases.items():
        answer = server.get(path)
        assert answer.status == status, (path, answer)
        if status >= 400:
            assert answer.problem["title"]


CRLF = ("a\r\nX-Evil: 1", "a%0d%0aX-Evil: 1", "a%0aX-Evil:%201", "a\u0085b", "%E5%98%8A%E5%98%8DX-Evil: 1")


@pytest.mark.parametrize("text", CRLF)
def test_no_text_of_a_request_becomes_a_header(server: Running, text: str) -> None:
    from urllib.parse import quote

    from tests.server.pictures import picture

    for value in (quote(text, safe=""), text.replace("\r", "").replace("\n", "").replace(" ", "%20")):
        for path in (f"/api/uploads/{value}", f"/api/workflows/{value}", f"/login?code={value}", f"/{value}"):
            answer = server.request("GET", path.encode("ascii", "ignore").decode())
            assert "x-evil" not in answer.headers
    made = server.send(f"/api/uploads?name={quote(text, safe='')}.png", picture())
    assert "x-evil" not in made.headers
    if made.status == 201:
        given = server.get(f"/api/uploads/{quote(made.json['name'], safe='')}?download=1")
        assert "x-evil" not in given.headers
        assert given.status == 200


def test_the_documentation_has_every_route() -> None:
    text = (ROOT / "docs" / "http.md").read_text("utf-8")
    told = {line.split("`")[1] for line in text.splitlines() if line.startswith(("| `GET", "| `P", "| `DELETE"))}
    assert told == set(IDS)
