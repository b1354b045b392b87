"""Results and the canvas's own files: by hash and by table, never by path."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from nodeflow.server import static
from tests.server.harness import Running, running
from tests.server.pictures import BOMBS, animation, picture, png, sound
from tests.server.test_guards import check_headers
from tests.server.test_uploads import check_harmless


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "home") as found:
        yield found


# --- results --------------------------------------------------------------------------------------------------------


def test_results_are_given_by_their_hash_and_kept_by_browsers(own: Running) -> None:
    data = picture("PNG", (300, 200))
    digest = own.services.engine.artefacts.put(data)
    answer = own.get(f"/api/artefacts/{digest}")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, data, "image/png")
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["content-disposition"].startswith("inline")
    check_harmless(answer)
    assert own.get(f"/api/artefacts/{digest}", If_None_Match=answer.headers["etag"]).status == 304
    named = own.get(f"/api/artefacts/{digest}?download=1").headers["content-disposition"]
    assert named.startswith(f'attachment; filename="{digest[:12]}')


def test_a_damaged_or_missing_result_is_not_given(own: Running) -> None:
    digest = own.services.engine.artefacts.put(picture())
    path = own.services.engine.artefacts.path(digest)
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(bytes(data))
    assert own.get(f"/api/artefacts/{digest}").status == 404
    path.unlink()
    assert own.get(f"/api/artefacts/{digest}").status == 404
    assert own.get(f"/api/artefacts/{digest}/thumbnail").status == 404
    assert own.get("/api/artefacts").json == {"items": [], "before": None}


@pytest.mark.parametrize(
    "data",
    [picture("PNG", (1000, 500)), picture("JPEG", (1000, 500)), picture("WEBP", (1000, 500)),
     picture("PNG", (1000, 500), "RGBA"), animation("WEBP", 3, (1000, 500)), png(1000, 500)],
)  # fmt: skip
def test_thumbnails_are_small_and_kept(own: Running, data: bytes) -> None:
    digest = own.services.engine.artefacts.put(data)
    answer = own.get(f"/api/artefacts/{digest}/thumbnail")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/webp")
    with Image.open(io.BytesIO(answer.body)) as small:
        assert small.size == (256, 128)
        assert not small.info.get("exif")
    (kept,) = (own.home / "cache" / "thumbnails").rglob("*.webp")
    assert kept.read_bytes() == answer.body
    own.services.engine.artefacts.path(digest).unlink()
    assert own.get(f"/api/artefacts/{digest}/thumbnail").body == answer.body
    assert own.get(f"/api/artefacts/{digest}/thumbnail", If_None_Match=answer.headers["etag"]).status == 304


@pytest.mark.parametrize("what", [*BOMBS, "sound", "cut off"])
def test_what_has_no_thumbnail_says_so(own: Running, what: str) -> None:
    data = {"sound": sound(), "cut off": picture("PNG", (64, 64))[:60]}.get(what) or BOMBS[what]
    digest = own.services.engine.artefacts.put(data)
    answer = own.get(f"/api/artefacts/{digest}/thumbnail")
    if what in ("frames", "text"):  # one frame of it is small, and texts are not read
        assert answer.status in (200, 404)
    else:
        assert answer.status == 404
        assert answer.problem["detail"]


def test_a_small_thumbnail_is_not_blown_up(own: Running) -> None:
    digest = own.services.engine.artefacts.put(picture("PNG", (20, 10)))
    with Image.open(io.BytesIO(own.get(f"/api/artefacts/{digest}/thumbnail").body)) as small:
        assert small.size == (20, 10)


# --- the canvas -----------------------------------------------------------------------------------------------------


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "web"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>canvas</title>")
    (root / "assets" / "index-abc123.js").write_text("1")
    (root / "assets" / "index-abc123.css").write_text("a{}")
    (root / "icon.svg").write_text("<svg/>")
    (root / "build.sha256").write_text("0")
    (root / ".secret.js").write_text("0")
    (tmp_path / "outside.js").write_text("0")
    (root / "assets" / "link.js").symlink_to(tmp_path / "outside.js")
    monkeypatch.setattr(static, "_ASSETS", static.Assets(root))
    return root


def test_the_canvas_is_served_from_a_table(server: Running, build: Path) -> None:
    page = server.get("/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["content-security-policy"].startswith("default-src 'self'; img-src 'self' blob:;")
    check_headers(page)
    script = server.get("/assets/index-abc123.js")
    assert (script.body, script.headers["content-type"]) == (b"1", "text/javascript; charset=utf-8")
    assert "immutable" in script.headers["cache-control"]
    assert server.get("/assets/index-abc123.css").headers["content-type"] == "text/css; charset=utf-8"
    assert server.get("/icon.svg").headers["content-type"] == "image/svg+xml"
    for path in (
        "/build.sha256",
        "/.secret.js",
        "/assets/link.js",
        "/outside.js",
        "/assets/",
        "/assets/..%2findex.html",
    ):
        assert server.get(path).status == 404, path
    (build / "assets" / "new.js").write_text("2")
    assert server.get("/assets/new.js").status == 404
    import os

    os.utime(build / "index.html", ns=(1, 1))  # built anew
    assert server.get("/assets/new.js").status == 200


def test_without_the_canvas_the_page_says_how_to_build_it(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static, "_ASSETS", static.Assets(tmp_path / "nothing"))
    answer = server.get("/")
    assert answer.status == 200
    assert b"npm" in answer.body
    assert server.get("/assets/x.js").status == 404


# --- the server itself ----------------------------------------------------------------------------------------------


def test_the_state_of_the_server(server: Running) -> None:
    found = server.get("/api/system").json
    assert found["device"] == "cpu"
    assert found["memory_bytes"] > 10_000_000
    assert found["worker"] == "dead"  # this server has none
    assert found["cache_budget"] == 20 << 30
    assert server.get("/healthz").json == {"status": "ok"}
