"""Uploads and files that are given out: by what they are, never as anything that a browser would run."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from blake3 import blake3

from nodeflow.server.given_files import disposition, safe_name
from nodeflow.server.media import Media, MediaError, inspect
from nodeflow.share.embed import embed
from tests.server.harness import Answer, Running, running
from tests.server.pictures import BOMBS, HOSTILE, HTML, animation, chunk, picture, png, sound


def send(server: Running, data: bytes, name: str = "picture.png") -> Answer:
    return server.send(f"/api/uploads?name={quote(name, safe='')}", data)


@pytest.fixture
def own(tmp_path: Path):  # type: ignore[no-untyped-def]
    with running(tmp_path / "home") as found:
        yield found


# --- taking ---------------------------------------------------------------------------------------------------------

GOOD = {
    "png": (picture("PNG"), "image/png", 8, 6),
    "jpeg": (picture("JPEG"), "image/jpeg", 8, 6),
    "progressive": (picture("JPEG", progressive=True), "image/jpeg", 8, 6),
    "webp": (picture("WEBP"), "image/webp", 8, 6),
    "lossless webp": (picture("WEBP", lossless=True), "image/webp", 8, 6),
    "webp with alpha": (picture("WEBP", mode="RGBA"), "image/webp", 8, 6),
    "animated webp": (animation("WEBP", 3, (8, 6)), "image/webp", 8, 6),
    "animated png": (animation("PNG", 3, (8, 6)), "image/png", 8, 6),
    "wav": (sound(), "audio/wav", 0, 0),
    "with a recipe": (embed(picture("PNG"), {"recipe": {"format": "nodeflow/1", "nodes": {}}}), "image/png", 8, 6),
    "40 megapixels": (png(8000, 5000), "image/png", 8000, 5000),
}


@pytest.mark.parametrize("what", GOOD)
def test_pictures_and_sounds_are_taken(server: Running, what: str) -> None:
    data, kind, width, height = GOOD[what]
    answer = send(server, data, f"{what}.anything")
    assert answer.status == 201, answer.body
    found = answer.json
    assert (found["media_type"], found["width"], found["height"]) == (kind, width, height)
    assert (found["bytes"], found["digest"]) == (len(data), blake3(data).hexdigest())
    assert (server.home / "uploads" / found["name"]).read_bytes() == data
    given = server.get(f"/api/uploads/{quote(found['name'])}")
    assert given.body == data
    assert found in server.get("/api/uploads").json


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_picture_is_refused(server: Running, what: str) -> None:
    before = sorted((server.home / "uploads").glob("*")) if (server.home / "uploads").exists() else []
    for name in ("x.png", "x.html", "x.svg", "x.jpg"):
        answer = send(server, HOSTILE[what], name)
        assert answer.status == 415, (what, answer)
        assert answer.problem["detail"]
    assert sorted((server.home / "uploads").glob("*")) == before  # nothing is left behind


@pytest.mark.parametrize("what", BOMBS)
def test_bombs_are_refused_by_their_headers(server: Running, what: str) -> None:
    answer = send(server, BOMBS[what])
    assert answer.status == 413, answer
    assert "at most" in answer.problem["detail"]


def test_frames_count() -> None:
    assert inspect(animation("PNG", 3, (8, 6))) == Media("image/png", 8, 6, 3)
    assert inspect(animation("WEBP", 4, (8, 6))).frames == 4
    with pytest.raises(MediaError, match="in 3 frames"):
        inspect(BOMBS["frames"])
    inspect(png(4000, 4000, chunk(b"acTL", b"\0\0\0\x02\0\0\0\0")))


def test_every_cut_of_a_picture_is_refused_or_known() -> None:
    for data in (picture("PNG"), picture("JPEG"), picture("WEBP"), sound()):
        for end in range(len(data)):
            with contextlib.suppress(MediaError):  # and nothing else
                inspect(data[:end])


# --- names ----------------------------------------------------------------------------------------------------------

NAMES = {
    "../../evil.png": "evil.png",
    "..\\..\\evil.png": "evil.png",
    "/etc/passwd": "passwd.png",
    "C:\\Windows\\evil": "evil.png",
    "a\r\nSet-Cookie: x=1": "a__Set-Cookie_ x=1.png",
    "nul": "_nul.png",
    ".htaccess": "htaccess.png",
    "x" * 255: f"{'x' * 180}.png",
    "ünï🙂.png": "ünï🙂.png",
    "evil.html": "evil.png",
    "<img src=x onerror=alert(1)>": "_img src=x onerror=alert(1)_.png",
    "\u202egnp.exe": "_gnp.png",
    " ": "untitled.png",
}


@pytest.mark.parametrize("given", NAMES)
def test_names_are_made_harmless(own: Running, given: str) -> None:
    found = send(own, picture(), given).json
    assert found["name"] == NAMES[given]
    assert [path.name for path in (own.home / "uploads").iterdir()] == [found["name"]]
    assert own.get(f"/api/uploads/{quote(found['name'], safe='')}").body == picture()


def test_the_same_file_is_the_same_upload_and_another_gets_another_name(own: Running) -> None:
    first = send(own, picture(size=(8, 6))).json
    again = send(own, picture(size=(8, 6))).json
    other = send(own, picture(size=(6, 8))).json
    assert (first["name"], again["name"], other["name"]) == ("picture.png", "picture.png", "picture-2.png")
    assert [u["name"] for u in own.get("/api/uploads").json] == ["picture-2.png", "picture.png"]


def test_names_and_sizes_are_checked(own: Running) -> None:
    assert own.send(f"/api/uploads?name={'x' * 300}", picture()).status == 400
    assert own.send("/api/uploads?name=", picture()).status == 400
    assert own.send("/api/uploads?name=a&name=b", picture()).status == 400
    assert own.send("/api/uploads", picture()).json["name"] == "upload.png"


def test_an_upload_that_breaks_off_leaves_nothing(own: Running) -> None:
    import socket
    import time

    head = (
        f"POST /api/uploads?name=a.png HTTP/1.1\r\nHost: {own.host}\r\nAuthorization: Bearer {own.token}\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: 100000\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", own.port)) as connection:
        connection.sendall(head + picture()[:50])
        time.sleep(0.3)
    for _ in range(50):
        time.sleep(0.05)
        if not list((own.home / "uploads").iterdir()):
            break
    assert list((own.home / "uploads").iterdir()) == []
    assert own.get("/api/uploads").json == []


def test_what_a_killed_server_left_half_written_is_removed(tmp_path: Path) -> None:
    for folder in ("uploads", "workflows", "drafts"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / ".0123456789abcdef.part").write_bytes(b"half")
        (tmp_path / folder / ".mine").write_bytes(b"not ours")
    with running(tmp_path):
        assert sorted(path.name for path in tmp_path.rglob(".*")) == [".mine"] * 3


# --- giving out -----------------------------------------------------------------------------------------------------


def check_harmless(answer: Answer) -> None:
    """No browser runs anything of this answer, whatever its bytes are."""
    kind = answer.headers["content-type"].split(";")[0]
    assert kind in ("image/png", "image/jpeg", "image/webp", "audio/wav", "application/octet-stream"), answer
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; sandbox;")
    if not kind.startswith("image/"):
        assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_bytes_are_never_given_out_as_a_page(own: Running, what: str) -> None:
    """They cannot come in by the API; a run may make them, or somebody may put them there."""
    data = HOSTILE[what]
    digest = own.services.engine.artefacts.put(data)
    (own.home / "uploads").mkdir(exist_ok=True)
    for name in ("x.html", "x.svg", "x.png", "x"):
        (own.home / "uploads" / name).write_bytes(data)
        check_harmless(own.get(f"/api/uploads/{name}"))
        check_harmless(own.get(f"/api/uploads/{name}?download=1"))
    check_harmless(own.get(f"/api/artefacts/{digest}"))
    check_harmless(own.get(f"/api/artefacts/{digest}?download=true"))
    thumbnail = own.get(f"/api/artefacts/{digest}/thumbnail")
    assert thumbnail.status == 404 or thumbnail.headers["content-type"] == "image/webp"
    assert own.get("/api/uploads").status == 200


def test_what_a_file_is_called_cannot_change_a_header() -> None:
    for name in ('a"; filename="b.html', "a\r\nX: y", "a\x00b", "ä.png", "%0d%0a", "a;b", "../../x.html", "x.HTML "):
        text = disposition(name, inline=False)
        assert text.isascii()
        assert not set(text) & set("\r\n\0")
        assert text.count('"') == 2
        assert not {"%2F", "%0A", "%00", "%3A"} & {text[i : i + 3] for i, c in enumerate(text) if c == "%"}
        assert text.startswith('attachment; filename="')
        assert "/" not in safe_name(name)


def test_downloads_have_their_names_and_versions(own: Running) -> None:
    name = send(own, picture(), "fox.png").json["name"]
    shown = own.get(f"/api/uploads/{name}")
    assert shown.headers["content-disposition"] == "inline; filename=\"fox.png\"; filename*=UTF-8''fox.png"
    assert own.get(f"/api/uploads/{name}?download=1").headers["content-disposition"].startswith("attachment")
    assert own.get(f"/api/uploads/{name}", If_None_Match=shown.headers["etag"]).status == 304
    assert HTML not in shown.body


# --- traversal ------------------------------------------------------------------------------------------------------

WAYS = (
    "../canary.png", "..%2fcanary.png", "..%2Fcanary.png", "%2e%2e%2fcanary.png", "..%252fcanary.png",
    "%252e%252e%252fcanary.png", "..%5ccanary.png", "..\\canary.png", "..%c0%afcanary.png", "....//canary.png",
    "canary.png%00", "%00", "link.png", "folder", "folder/canary.png", "folder%2fcanary.png", "{home}/canary.png",
    "%2f{home}/canary.png", "C:%5ccanary.png", "file:%2f%2f{home}/canary.png", ".", "..", "%2e%2e", "~", ".hidden.png",
    "canary.png/", "CON", "..;/canary.png", "..%00/canary.png",
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_no_name_leads_out_of_a_folder(own: Running, way: str) -> None:
    canary = b"canary-" + os.urandom(8).hex().encode()
    for folder, ending in (("uploads", "png"), ("workflows", "json"), ("drafts", "json")):
        root = own.home / folder
        (root / "folder").mkdir(parents=True)
        for path in (own.home / f"canary.{ending}", root / "folder" / f"canary.{ending}", root / f".hidden.{ending}"):
            path.write_bytes(canary)
        os.symlink(own.home / f"canary.{ending}", root / f"link.{ending}")
        names = {way.format(home=own.home), way.format(home=own.home).replace(".png", "")}
        for name in names:
            answer = own.lines(
                f"GET /api/{folder}/{name} HTTP/1.1", f"Host: {own.host}", f"Authorization: Bearer {own.token}"
            )
            assert answer.status in (400, 404, 405), (folder, name, answer)
            assert canary not in answer.body
    for prefix in ("/assets/", "/", "/api/templates/", "/api/artefacts/"):
        path = prefix + way.format(home=own.home)
        answer = own.lines(f"GET {path} HTTP/1.1", f"Host: {own.host}", f"Authorization: Bearer {own.token}")
        assert canary not in answer.body
        assert answer.status in (200, 400, 404, 405)
    assert [own.get(f"/api/{folder}").json for folder in ("uploads", "workflows", "drafts")] == [[], [], []]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_written_or_removed_outside_a_folder(own: Running, way: str) -> None:
    canary = own.home / "canary.json"
    canary.write_text("{}")
    (own.home / "workflows").mkdir()
    outside = own.home / "outside.json"
    outside.write_text("{}")
    os.symlink(outside, own.home / "workflows" / "link.json")
    name = way.format(home=own.home).replace(".png", "")
    document = json.dumps({"format": "nodeflow/1", "nodes": {}}).encode()
    head = (f"Host: {own.host}", f"Authorization: Bearer {own.token}", "Content-Type: application/json")
    size = f"Content-Length: {len(document)}"
    for folder in ("workflows", "drafts"):
        own.lines(f"PUT /api/{folder}/{name} HTTP/1.1", *head, size, "If-None-Match: *", body=document)
        own.lines(f"DELETE /api/{folder}/{name} HTTP/1.1", *head[:2], "If-Match: *")
    assert canary.read_text() == outside.read_text() == "{}"
    kept = {"canary.json", "outside.json", "server.json", "server.lock", "server.token"}
    found = {str(path.relative_to(own.home)) for path in own.home.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith(("cache", "jobs.db", "workflows/"))} == kept


FILE_VALUES = (
    "../canary.png", "{home}/canary.png", "/etc/passwd", "..\\canary.png", "link.png", "folder/../../canary.png",
    "C:\\canary.png", "file://{home}/canary.png", "canary.png\0", "http://127.0.0.1:1/x.png", "\\\\host\\share\\x.png",
)  # fmt: skip


@pytest.mark.parametrize("value", FILE_VALUES)
def test_no_node_value_leads_out_of_the_uploads(own: Running, value: str) -> None:
    (own.home / "canary.png").write_bytes(picture())
    (own.home / "uploads" / "folder").mkdir(parents=True)
    os.symlink(own.home / "canary.png", own.home / "uploads" / "link.png")
    node = {"op": "image/load@1", "values": {"path": value.format(home=own.home)}}
    recipe = {"format": "nodeflow/1", "outputs": {"image": "a.image"}, "nodes": {"a": node}}
    found = own.post("/api/check", {"workflow": recipe})
    assert found.status == 200
    assert next(p["code"] for p in found.json["problems"]) in ("NF302", "NF303"), found.json
    assert own.post("/api/plan", {"workflow": recipe}).status == 422
    assert own.post("/api/jobs", {"workflow": recipe}).status == 422


def test_an_upload_can_be_named_by_a_node(own: Running) -> None:
    name = send(own, picture(), "fox.png").json["name"]
    node = {"op": "image/load@1", "values": {"path": name}}
    recipe = {"format": "nodeflow/1", "outputs": {"image": "a.image"}, "nodes": {"a": node}}
    assert own.post("/api/check", {"workflow": recipe}).json["problems"] == []
    assert len(own.post("/api/plan", {"workflow": recipe}).json["steps"]) == 1
