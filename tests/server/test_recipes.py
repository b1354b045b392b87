"""Recipes over HTTP: checked, planned, imported, saved with versions, drafted; and JSON that would hurt."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeflow.server.shelf import Shelf
from nodeflow.share.embed import embed
from nodeflow.workflow import Workflow
from tests.server.harness import JSON, Answer, Running, running
from tests.server.pictures import picture

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "workflows").glob("*.json"))
EMPTY: dict[str, Any] = {"format": "nodeflow/1", "nodes": {}}
COMPARE: dict[str, Any] = {
    "format": "nodeflow/1",
    "title": "Compare",
    "inputs": {"a": {"to": ["same.a"], "title": "First"}},
    "outputs": {"same": "same.value"},
    "nodes": {"same": {"op": "value/compare@1", "values": {"a": 1.0, "b": 2}}},
}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "home") as found:
        yield found


# --- check and plan -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_what_ships_is_checked_and_keeps_its_bytes(server: Running, path: Path) -> None:
    text = path.read_text("utf-8")
    answer = server.post("/api/check", {"workflow": json.loads(text)})
    assert answer.status == 200
    found = answer.json
    assert found["text"] == text
    assert found["digest"] == Workflow.read(path).digest()
    assert [field["name"] for field in found["inputs"]] == [*json.loads(text)["inputs"]]
    assert all(field["port"] is not None for field in found["inputs"])
    assert server.get(f"/api/templates/{path.stem}").body.decode() == text
    if path.stem != "stable-diffusion-1-5":
        assert found["problems"] == []
        plan = server.post("/api/plan", {"workflow": json.loads(text)})
        assert plan.status == 200
        assert plan.json["cached"] == 0
        assert {step["node"].partition("/")[0] for step in plan.json["steps"]} <= json.loads(text)["nodes"].keys()


def test_a_form_has_its_ports_and_values(server: Running) -> None:
    form = server.post("/api/check", {"workflow": COMPARE}).json
    (field,) = form["inputs"]
    assert (field["name"], field["title"], field["value"], field["port"]["name"]) == ("a", "First", 1, "a")
    assert form["outputs"][0]["name"] == "same"


def test_problems_are_told_all_at_once_with_their_places(server: Running) -> None:
    nodes = {
        "a": {"op": "value/nothing@1"},
        "b": {"op": "image/blend@1", "values": {"amount": 7}, "links": {"a": "c.image"}},
    }
    answer = server.post("/api/check", {"workflow": {**EMPTY, "nodes": nodes}})
    assert answer.status == 200
    found = {(p["code"], p["place"]) for p in answer.json["problems"]}
    assert {("NF102", "nodes.a.op"), ("NF202", "nodes.b.values.amount"), ("NF107", "nodes.b.links.a")} <= found
    assert answer.json["text"]
    refused = server.post("/api/plan", {"workflow": {**EMPTY, "nodes": nodes}})
    assert refused.status == 422
    assert {p["code"] for p in refused.problem["problems"]} >= {"NF102", "NF202"}


def test_what_is_no_recipe_is_a_problem_document(server: Running) -> None:
    for document in ({}, {"format": "other/1"}, {**EMPTY, "extra": 1}, {**EMPTY, "nodes": []}):
        answer = server.post("/api/check", {"workflow": document})
        assert answer.status == 400, document
        assert answer.problem["problems"]
    for body in ([], {"workflow": []}, {}, {"workflow": EMPTY, "more": 1}, {"workflow": EMPTY, "targets": "x"}):
        answer = server.post("/api/check", body)
        assert answer.status == 400, body
        assert answer.problem["problems"][0]["code"].startswith("NF")


def test_ports_that_depend_on_the_recipe_are_told(server: Running) -> None:
    loop = json.loads((ROOT / "workflows" / "feedback-loop.json").read_text())
    found = server.post("/api/check", {"workflow": loop}).json["node_types"]
    repeat = found["loop"]
    body = loop["definitions"][loop["nodes"]["loop"]["values"]["body"]]
    names = [port["name"] for port in repeat["inputs"]]
    assert {"body", "count", *(set(body["inputs"]) - {"index"})} <= set(names)
    assert not {"inputs", "index"} & set(names)
    assert {port["name"] for port in repeat["outputs"]} == set(body["outputs"])
    assert all(port["accepts"] for port in repeat["inputs"] if port["link_only"])


def test_mapped_nodes_give_lists(server: Running) -> None:
    nodes = {"a": {"op": "value/compare@1", "values": {"a": [1, 2, 3], "b": 2}, "each": ["a"]}}
    found = server.post("/api/check", {"workflow": {**EMPTY, "nodes": nodes, "outputs": {"x": "a.value"}}}).json
    (output,) = found["node_types"]["a"]["outputs"]
    assert output["type"].startswith("list[")
    assert next(p for p in found["node_types"]["a"]["inputs"] if p["name"] == "a")["many"]


def test_recipes_cannot_read_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nodeflow.server.services import server_engine
    from nodeflow.settings import Settings

    monkeypatch.chdir(tmp_path)
    engine = server_engine(Settings(home=tmp_path / "home", cache=tmp_path / "cache", input_roots=(tmp_path / "in",)))
    assert engine.files().input_roots == (tmp_path / "home" / "uploads", tmp_path / "in")


# --- the catalogue --------------------------------------------------------------------------------------------------


def test_the_catalogue_says_what_fits(server: Running) -> None:
    from nodeflow.edges import accepts
    from nodeflow.registry import installed

    answer = server.get("/api/node-types")
    assert server.get("/api/node-types", If_None_Match=answer.headers["etag"]).status == 304
    found = {one["op"]: one for one in answer.json["node_types"]}
    ops = installed().ops
    outputs = {str(p.type): p.type for op in ops.values() for p in op.outputs.values()}
    assert {one["name"] for one in found.values()} == ops.keys() - {"engine/export"}
    for one in found.values():
        for port in one["inputs"]:
            target = ops[one["name"]].inputs[port["name"]].type
            item = target.item
            fits = {n for n, t in outputs.items() if accepts(target, t) or (item is not None and accepts(item, t))}
            assert fits == set(port["accepts"]) & outputs.keys()
    blend = {port["name"]: port for port in found["image/blend@1"]["inputs"]}
    assert "Image" in blend["a"]["accepts"]
    assert not {"Latent", "str", "list[Image]"} & set(blend["a"]["accepts"])
    assert {"int", "float"} <= set(blend["amount"]["accepts"])
    assert "bool" not in blend["amount"]["accepts"]


def test_every_type_that_is_named_is_drawn(server: Running) -> None:
    from nodeflow.server.drawing import COLOURS

    answer = server.get("/api/node-types").json
    drawn = {one["name"]: one for one in answer["types"]}
    for one in answer["node_types"]:
        for port in one["inputs"] + one["outputs"]:
            assert port["type"] in drawn
            assert set(port.get("accepts", [])) <= drawn.keys()
    assert {one["colour"] for one in drawn.values()} <= set(COLOURS)
    assert drawn["list[Image]"]["colour"] == drawn["Image"]["colour"]
    assert drawn["list[Image]"]["shape"] == "ring"
    known = [(drawn[n]["colour"], drawn[n]["shape"]) for n in drawn if n[0].isupper() and n.isalpha() and len(n) > 1]
    handled = [pair for pair in known if pair not in (("grey", "circle"), ("brown", "circle"))]
    assert len(set(handled)) == len(handled)  # colour and shape together tell types apart


SEEN = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "no red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
}
"""How linear sRGB looks to eyes without one sort of cone (Machado, Oliveira and Fernandes 2009, severity 1)."""


def lab(colour: str, eyes: str) -> Any:
    """CIELAB (D65) of a colour as such eyes see it."""
    import numpy as np

    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(SEEN[eyes]) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
    f = np.array([c ** (1 / 3) if c > 0.008856 else 7.787 * c + 16 / 116 for c in xyz / (0.95047, 1, 1.08883)])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_types_of_one_shape_are_told_apart_without_red_or_green() -> None:
    import itertools
    import re

    import numpy as np

    from nodeflow.server.drawing import COLOURS, TABLE

    found = re.findall(r"--type-(\w+): (#[0-9a-f]{6});", (ROOT / "web/src/styles/tokens.css").read_text("utf-8"))
    themes = [dict(found[: len(COLOURS)]), dict(found[len(COLOURS) :])]
    assert all(theme.keys() == set(COLOURS) for theme in themes)
    for theme, eyes in itertools.product(themes, SEEN):
        for (_, (a, shape)), (_, (b, other)) in itertools.combinations(TABLE.items(), 2):
            if shape == other and a != b:
                distance = float(np.linalg.norm(lab(theme[a], eyes) - lab(theme[b], eyes)))
                assert distance >= 4, (a, b, shape, eyes)


def test_types_of_other_packs_are_drawn_always_alike() -> None:
    from nodeflow.edges import EdgeType
    from nodeflow.server.drawing import drawn
    from nodeflow.types import TensorType, WeightsHandle

    mesh = type("Mesh", (TensorType,), {})
    handle = type("Tagger", (WeightsHandle,), {})
    assert drawn(EdgeType((mesh,))) == drawn(EdgeType((mesh,)))
    assert (drawn(EdgeType((mesh,))).shape, drawn(EdgeType((handle,))).shape) == ("square", "hexagon")


def test_models_are_listed_with_their_cards(server: Running) -> None:
    found = {(one["folder"], one["name"]): one for one in server.get("/api/models").json}
    shapes = found["checkpoints", "shapes-64"]
    assert (shapes["licence"], shapes["title"]) == ("apache-2.0", "shapes-64")
    assert shapes["bytes"] > 1_000_000


# --- JSON that would hurt -------------------------------------------------------------------------------------------

BOMBS = {
    "depth": b"[" * 200_000,
    "depth in a value": b'{"workflow": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
    "digits": b'{"workflow": {"x": ' + b"9" * 10_000 + b"}}",
    "fraction": b'{"workflow": {"x": 1e99999}}',
    "duplicate": b'{"workflow": {}, "workflow": {}}',
    "duplicate inside": b'{"workflow": {"format": "nodeflow/1", "nodes": {}, "nodes": {}}}',
    "NaN": b'{"workflow": {"x": NaN}}',
    "infinity": b'{"workflow": {"x": -Infinity}}',
    "half a character": b'{"workflow": {"title": "\\ud800"}}',
    "not UTF-8": b'{"workflow": {"title": "\xff"}}',
    "UTF-16": '{"workflow": {}}'.encode("utf-16"),
    "empty": b"",
    "cut off": b'{"workflow": {',
    "two documents": b"{} {}",
    "comment": b'{"workflow": {} /* x */}',
    "NUL": b'{"workflow": {}}\0',
}


@pytest.mark.parametrize("what", BOMBS)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/check"), ("POST", "/api/jobs"), ("PUT", "/api/workflows/x"), ("PUT", "/api/drafts/draft-0000")],
)
def test_json_that_would_hurt_is_a_problem(server: Running, what: str, method: str, path: str) -> None:
    answer = server.request(method, path, BOMBS[what], {**JSON, "If-None-Match": "*"})
    assert answer.status == 400, answer
    assert answer.problem["problems"][0]["code"] in ("NF001", "NF002")
    answer = server.send("/api/import", BOMBS[what])
    assert answer.status in (400, 422)
    assert answer.problem["problems"]


def test_a_body_of_millions_of_values_is_not_read(server: Running) -> None:
    for value in (b"[]", b"0", b"{}"):
        body = b'{"workflow": {"format": "nodeflow/1", "layout": {"x": [' + b",".join([value] * 2_100_000) + b"]}}}"
        assert server.request("POST", "/api/check", body, JSON).status == 413
        assert server.send("/api/import", body).status == 413


def test_a_large_recipe_is_no_bomb(server: Running) -> None:
    nodes = {f"n{i}": {"op": "value/compare@1", "values": {"a": i, "b": 1}} for i in range(10_000)}
    answer = server.post("/api/check", {"workflow": {**EMPTY, "nodes": nodes, "outputs": {"x": "n0.value"}}})
    assert answer.status == 200
    assert len(answer.json["problems"]) <= 1000


# --- saved recipes --------------------------------------------------------------------------------------------------


def put(server: Running, name: str, document: Any, **headers: str) -> Answer:
    return server.post(f"/api/workflows/{name}", document, method="PUT", **headers)


def test_a_recipe_is_saved_read_and_removed(own: Running) -> None:
    made = put(own, "my%20test", COMPARE, If_None_Match="*")
    assert made.status == 200, made.body
    info = made.json
    assert (info["name"], info["title"]) == ("my test", "Compare")
    assert made.headers["etag"] == f'"{info["etag"]}"'
    text = Workflow.from_json(COMPARE).text()
    assert (own.home / "workflows" / "my test.json").read_text("utf-8") == text
    read = own.get("/api/workflows/my%20test")
    assert (read.body.decode(), read.headers["etag"]) == (text, made.headers["etag"])
    assert own.get("/api/workflows").json == [info]
    again = put(own, "my%20test", json.loads(text), If_Match=made.headers["etag"])
    assert (again.status, again.headers["etag"]) == (200, made.headers["etag"])  # nothing edited: the same bytes
    assert own.request("DELETE", "/api/workflows/my%20test", headers={"If-Match": info["etag"]}).status == 204
    assert own.get("/api/workflows").json == []
    assert own.get("/api/workflows/my%20test").status == 404


def test_nobody_overwrites_what_they_have_not_seen(own: Running) -> None:
    assert put(own, "a", COMPARE).status == 428
    assert put(own, "a", COMPARE, If_Match='"0123"').status == 412
    first = put(own, "a", COMPARE, If_None_Match="*")
    assert put(own, "a", COMPARE, If_None_Match="*").status == 412
    other = {**COMPARE, "title": "Other"}
    second = put(own, "a", other, If_Match=first.headers["etag"])
    assert second.status == 200
    stale = put(own, "a", COMPARE, If_Match=first.headers["etag"])
    assert stale.status == 412
    assert own.get("/api/workflows/a").headers["etag"] == second.headers["etag"]
    assert own.request("DELETE", "/api/workflows/a").status == 428
    assert own.request("DELETE", "/api/workflows/a", headers={"If-Match": first.headers["etag"]}).status == 412
    assert own.get("/api/workflows/a").status == 200


def test_of_writers_at_the_same_time_one_wins(own: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file = Shelf.write

    def slowly(shelf: Shelf, name: str, data: bytes) -> None:
        time.sleep(0.05)
        write_file(shelf, name, data)

    monkeypatch.setattr(Shelf, "write", slowly)
    put(own, "a", COMPARE, If_None_Match="*")
    etag = own.get("/api/workflows/a").headers["etag"]
    statuses: list[int] = []

    def write(number: int) -> None:
        statuses.append(put(own, "a", {**COMPARE, "title": str(number)}, If_Match=etag).status)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [412] * 11


def test_what_is_saved_may_have_problems_but_must_be_a_recipe(own: Running) -> None:
    unknown = {**EMPTY, "nodes": {"a": {"op": "other/thing@3", "values": {"x": 1}}}}
    assert put(own, "a", unknown, If_None_Match="*").status == 200
    assert put(own, "b", {"format": "x"}, If_None_Match="*").status == 400
    assert [one["name"] for one in own.get("/api/workflows").json] == ["a"]


@pytest.mark.parametrize("name", ["-a", "_a", "a%0a", "a%00", "%C3%A4", "a" * 101, "a%2fb", ".a", "%20a", "a%3Cb%3E"])
def test_names_of_recipes_are_plain(own: Running, name: str) -> None:
    assert put(own, name, COMPARE, If_None_Match="*").status in (400, 404)
    assert own.get("/api/workflows").json == []


def test_large_integers_and_real_numbers_survive(own: Running) -> None:
    seed = 2**64 - 1
    recipe = {**EMPTY, "nodes": {"a": {"op": "latent/noise@1", "values": {"seed": seed, "x": 1e21, "y": 0.1}}}}
    put(own, "a", recipe, If_None_Match="*")
    saved = own.get("/api/workflows/a").json["nodes"]["a"]["values"]
    assert saved == {"seed": str(seed), "x": 1e21, "y": 0.1}
    draft = {"id": "draft-0001", "title": "", "workflow": recipe}
    assert own.post("/api/drafts/draft-0001", draft, method="PUT").json["workflow"] == recipe
    assert own.get("/api/drafts").json[0]["workflow"] == recipe


def test_others_are_told_of_what_was_saved(own: Running) -> None:
    before = own.services.hub.seq
    put(own, "a", COMPARE, If_None_Match="*")
    own.request("DELETE", "/api/workflows/a", headers={"If-Match": "*"})
    events = [json.loads(sent.text) for sent in own.services.hub.missed(before)]
    assert [(e["kind"], e["name"], bool(e["etag"])) for e in events] == [
        ("workflow", "a", True),
        ("workflow", "a", False),
    ]


def test_a_file_that_somebody_broke_does_no_harm(own: Running) -> None:
    (own.home / "workflows").mkdir()
    (own.home / "workflows" / "broken.json").write_text("{")
    (own.home / "workflows" / "list.json").write_text("[1]")
    assert [one["name"] for one in own.get("/api/workflows").json] == ["broken", "list"]
    assert own.get("/api/workflows/broken").body == b"{"


# --- templates ------------------------------------------------------------------------------------------------------


def test_templates_have_pictures(server: Running) -> None:
    found = {one["name"]: one for one in server.get("/api/templates").json}
    assert found.keys() == {path.stem for path in SHIPPED}
    for name, one in found.items():
        assert one["title"]
        assert bool(one["preview"]) is (name != "stable-diffusion-1-5"), f"{name}: run python -m docs.previews {name}"
        if one["preview"]:
            answer = server.get(one["preview"])
            assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
            assert len(answer.body) <= 30_000
    assert {path.stem for path in (ROOT / "workflows" / "previews").iterdir()} <= found.keys()


# --- drafts ---------------------------------------------------------------------------------------------------------


def test_drafts_outlive_the_server(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(home) as first:
        for number in range(3):
            draft = {"id": f"draft-000{number}", "title": f"Tab {number}", "workflow": {"half": ["done"]}}
            kept = first.post(f"/api/drafts/{draft['id']}", draft, method="PUT")
            assert kept.status == 200
            assert kept.json["modified"] > 0
        token = first.token
    with running(home) as second:
        found = second.get("/api/drafts").json
        assert [one["title"] for one in found] == ["Tab 0", "Tab 1", "Tab 2"]
        assert found[0]["workflow"] == {"half": ["done"]}
        assert second.token == token
        assert second.request("DELETE", "/api/drafts/draft-0001").status == 204
        assert second.request("DELETE", "/api/drafts/draft-0001").status == 204
        assert len(second.get("/api/drafts").json) == 2


def test_drafts_are_checked(own: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    from nodeflow.server import drafts

    good = {"id": "draft-0000", "title": "", "workflow": {}}
    assert own.post("/api/drafts/draft-0001", good, method="PUT").status == 400
    for name in ("x", "a" * 65, "draft_0000", "draft%2f000"):
        assert own.post(f"/api/drafts/{name}", {**good, "id": name}, method="PUT").status in (400, 404)
    monkeypatch.setattr(drafts, "MAX_DRAFTS", 1)
    assert own.post("/api/drafts/draft-0000", good, method="PUT").status == 200
    assert own.post("/api/drafts/draft-0000", good, method="PUT").status == 200
    assert own.post("/api/drafts/draft-0002", {**good, "id": "draft-0002"}, method="PUT").status == 409
    (own.home / "drafts" / "broken-0000.json").write_text("{")
    assert len(own.get("/api/drafts").json) == 1


# --- import ---------------------------------------------------------------------------------------------------------

COMFY = {
    "1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "2": {"class_type": "SaveSomething", "inputs": {"latent": ["1", 0]}},
}


def test_recipes_come_in_by_every_door(server: Running) -> None:
    text = (ROOT / "workflows" / "text-to-image.json").read_text()
    recipe = json.loads(text)
    found = server.send("/api/import", text.encode()).json
    assert (found["kind"], found["workflow"], found["problems"]) == ("recipe", recipe, [])
    for kind in ("PNG", "JPEG", "WEBP"):
        made = embed(picture(kind, (16, 16)), {"recipe": recipe, "key": "0" * 64, "numeric": "device=other"})
        found = server.send("/api/import", made).json
        assert (found["kind"], found["workflow"]) == ("picture", recipe)
        assert "may differ" in found["report"][0]
    found = server.send("/api/import", json.dumps(COMFY).encode()).json
    assert found["kind"] == "comfyui"
    assert any("SaveSomething" in line for line in found["report"])
    assert found["problems"]  # the placeholder stands for a node that is not installed


def test_a_picture_made_here_says_nothing(server: Running) -> None:
    recipe = json.loads((ROOT / "workflows" / "text-to-image.json").read_text())
    step = server.post("/api/plan", {"workflow": recipe}).json["steps"][-1]
    made = embed(picture(), {"recipe": recipe, "key": step["key"], "numeric": "x"})
    assert server.send("/api/import", made).json["report"] == []


def test_what_holds_no_recipe_is_refused(server: Running) -> None:
    for data in (b"", b"x", b"{}", b"[]", picture(), b"PK\x03\x04" + b"\0" * 50, b"\x80\x04pickle", b"<html>"):
        answer = server.send("/api/import", data)
        assert answer.status in (400, 422), data
        assert answer.problem["problems"][0]["message"]


def test_importing_runs_and_keeps_nothing(own: Running) -> None:
    from tests.server.test_guards import contents

    own.send("/api/import", (ROOT / "workflows" / "lora.json").read_bytes())
    before = contents(own.home)
    own.send("/api/import", json.dumps(COMFY).encode())
    own.send("/api/import", embed(picture(), {"recipe": COMPARE}))
    assert contents(own.home) == before
    assert own.get("/api/jobs").json["items"] == []
