"""Parts of files, HEAD and versions: what players and browsers ask for, behind the same guards as the whole."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeflow.cache import BadBlob, BlobStore
from nodeflow.server import artefact_files
from nodeflow.server.artefact_files import Verified
from tests.server.harness import Answer, Running, running
from tests.server.pictures import HOSTILE, picture, sound
from tests.server.table import ROUTES, path_of
from tests.server.test_guards import check_headers
from tests.server.test_uploads import check_harmless


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("ranges")) as found:
        yield found


SOUND = sound()
Place = Callable[[Running], str]


def as_result(server: Running) -> str:
    return f"/api/artefacts/{server.services.engine.artefacts.put(SOUND)}"


def as_upload(server: Running) -> str:
    return f"/api/uploads/{server.send('/api/uploads?name=sound', SOUND).json['name']}"


PLACES = pytest.mark.parametrize("place", [as_result, as_upload])
SIZE = len(SOUND)
PARTS = {
    "bytes=0-0": (0, 1),
    "bytes=10-19": (10, 20),
    f"bytes={SIZE - 1}-": (SIZE - 1, SIZE),
    "bytes=12-": (12, SIZE),
    "bytes=-5": (SIZE - 5, SIZE),
    f"bytes=-{10**17}": (0, SIZE),
    f"bytes=5-{10**17}": (5, SIZE),
    "Bytes = 3-4": (3, 5),
}
WHOLE = (
    "bytes=9-3", "bytes=-", "bytes=", "bytes", "items=0-3", "bytes=0-1,4-5", "bytes=a-b", "bytes=0x1-2", "bytes=+1-2",
    "bytes=1-2-3", "bytes=٣-٤", f"bytes={10**30}-", "none", "",
)  # fmt: skip
NONE = (f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0")


@PLACES
def test_parts(own: Running, place: Place) -> None:
    path = place(own)
    whole = own.get(path)
    assert (whole.status, whole.body, whole.headers["accept-ranges"]) == (200, SOUND, "bytes")
    assert whole.headers["content-type"] == "audio/wav"
    for text, (start, end) in PARTS.items():
        found = own.get(path, Range=text)
        if end - start == SIZE:
            assert (found.status, found.body) == (200, SOUND), text
            continue
        assert (found.status, found.body) == (206, SOUND[start:end]), text
        assert found.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
        assert found.headers["content-length"] == str(end - start)
        assert found.headers["etag"] == whole.headers["etag"]
        check_harmless(found)
        check_headers(found)


@PLACES
def test_what_is_no_part_is_the_whole_or_refused(own: Running, place: Place) -> None:
    path = place(own)
    for text in WHOLE:
        head = [f"GET {path} HTTP/1.1", f"Host: {own.host}", f"Authorization: Bearer {own.token}"]
        lines = "\r\n".join([*head, f"Range: {text}", "Connection: close", "", ""])
        found = own.raw(lines.encode("utf-8"))
        assert found.status in (200, 400), (text, found)
        assert found.status == 400 or found.body == SOUND
        assert found.status == 200 or not text.isascii()
    for text in NONE:
        found = own.get(path, Range=text)
        assert found.status == 416, (text, found)
        assert found.headers["content-range"] == f"bytes */{SIZE}"
        assert found.problem["title"]
        check_headers(found)


@PLACES
def test_versions(own: Running, place: Place) -> None:
    path = place(own)
    tag = own.get(path).headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', f'{tag} ,"y"', "*"):
        found = own.get(path, If_None_Match=known)
        assert (found.status, found.body) == (304, b""), known
        assert found.headers["etag"] == tag
        # a browser takes the headers of a 304 over into what it has kept
        assert found.headers["content-security-policy"].startswith("default-src 'none'; sandbox;")
        check_headers(found)
    for unknown in (f'"{"0" * 64}"', tag.strip('"'), tag[:-2] + '"', ""):
        assert own.get(path, If_None_Match=unknown).status == 200, unknown
    assert own.get(path, If_None_Match=tag, Range="bytes=0-3").status == 304
    assert own.get(path, If_Range=tag, Range="bytes=0-3").status == 206
    for other in (f"W/{tag}", '"other"', "Sun, 22 Nov 2026 06:00:00 GMT"):
        assert own.get(path, If_Range=other, Range="bytes=0-3").body == SOUND


@PLACES
def test_head_is_get_without_the_body(own: Running, place: Place) -> None:
    path = place(own)
    whole, head = own.get(path), own.request("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    differ = {"date", "connection"}
    assert {k: v for k, v in head.headers.items() if k not in differ} == {
        k: v for k, v in whole.headers.items() if k not in differ
    }
    assert head.headers["content-length"] == str(SIZE)
    assert own.request("HEAD", path, headers={"Range": "bytes=0-3"}).headers["content-length"] == str(SIZE)
    assert own.request("HEAD", path, headers={"If-None-Match": whole.headers["etag"]}).status == 304
    missing = own.request("HEAD", path[:-4] + "0000")
    assert (missing.status, missing.body) == (404, b"")


def test_head_stands_behind_the_same_guards_and_elsewhere_is_no_method(own: Running) -> None:
    for route in ROUTES:
        if route.method != "GET":
            continue
        path = path_of(route)
        assert own.request("HEAD", path, host="evil.example").status == 421
        assert own.request("HEAD", path, headers={"Origin": "null"}).status == 403
        if not route.head:
            answer = own.request("HEAD", path)
            assert answer.status == 405, path
            check_headers(answer)
            continue
        assert own.request("HEAD", path, token=False).status == 401
        assert own.request("HEAD", path).status == 404
    code = own.services.link().partition("?")[2]
    assert own.request("HEAD", f"/login?{code}", token=False).status in (401, 405)
    assert own.request("GET", f"/login?{code}", token=False).status == 303, "looking at the link has not used it up"
    assert {route.path for route in ROUTES if route.head} == {
        "/api/artefacts/{digest}", "/api/artefacts/{digest}/thumbnail", "/api/uploads/{name}",
    }  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_parts_of_hostile_files_are_never_pages(own: Running, what: str) -> None:
    """Not even a part that begins where the file behind a picture does."""
    data = HOSTILE[what]
    digest = own.services.engine.artefacts.put(data)
    for start in {0, 1, 8, max(0, data.find(b"<"))}:
        found = own.get(f"/api/artefacts/{digest}", Range=f"bytes={start}-")
        if found.status != 416:
            check_harmless(found)


def test_thumbnails_of_which_the_client_has_this_version(own: Running) -> None:
    digest = own.services.engine.artefacts.put(picture("PNG", (40, 30)))
    small = own.get(f"/api/artefacts/{digest}/thumbnail")
    check_harmless(small)
    head = own.request("HEAD", f"/api/artefacts/{digest}/thumbnail")
    assert (head.status, head.headers["content-length"]) == (200, str(len(small.body)))
    again = own.get(f"/api/artefacts/{digest}/thumbnail", If_None_Match=small.headers["etag"])
    assert again.status == 304
    assert "sandbox" in again.headers["content-security-policy"]


# --- large files ------------------------------------------------------------------------------------------------------


def test_a_large_file_is_sent_in_pieces(own: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(3_000_001)
    digest = own.services.engine.artefacts.put(data)
    assert own.get(f"/api/artefacts/{digest}").body == data
    assert own.get(f"/api/artefacts/{digest}", Range="bytes=1000000-").body == data[1_000_000:]


def test_a_client_that_goes_away_leaves_nothing_open(own: Running) -> None:
    data = os.urandom(8_000_000)
    digest = own.services.engine.artefacts.put(data)
    path = str(own.services.engine.artefacts.path(digest))
    head = f"GET /api/artefacts/{digest} HTTP/1.1\r\nHost: {own.host}\r\nAuthorization: Bearer {own.token}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", own.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(head.encode())
        connection.recv(1000)
    for _ in range(200):
        if path not in {os.path.realpath(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")}:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the file is still open")
    assert own.get("/healthz").status == 200


def test_large_files_are_hashed_once_in_a_while_and_never_believed_unhashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, hashed = BlobStore(tmp_path), []
    real = artefact_files.blake3

    def counting() -> Any:
        hashed.append(1)
        return real()

    monkeypatch.setattr(artefact_files, "blake3", counting)
    verified = Verified(large=1000, seconds=60.0, kept=2)
    small, large = store.put(b"x" * 999), store.put(b"y" * 1000)
    for digest, count in ((small, 1), (small, 2), (large, 3), (large, 3)):
        verified.open(store, digest).close()
        assert len(hashed) == count, digest
    store.path(large).unlink()
    with pytest.raises(BadBlob):
        verified.open(store, large)
    store.path(large).write_bytes(b"z" * 1000)  # another file of that size: another inode
    with pytest.raises(BadBlob):
        Verified(large=1000).open(store, large)
    now = time.monotonic()
    monkeypatch.setattr(artefact_files.time, "monotonic", lambda: now + 61)
    with pytest.raises(BadBlob):
        verified.open(store, large)


def test_what_answers_look_like_to_tests() -> None:
    """`check_harmless` sees a file that is given out as a page."""
    with pytest.raises(AssertionError):
        check_harmless(Answer(206, {"content-type": "text/html", "x-content-type-options": "nosniff"}, b""))
