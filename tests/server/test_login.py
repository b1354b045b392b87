"""Coming in: the token's file, one-time codes, the cookie; and that the token is nowhere else."""

from __future__ import annotations

import logging
import os
import stat
import threading
from pathlib import Path

import pytest

from nodeflow.errors import NodeflowError
from nodeflow.server.access import Access, Codes, read_token, session_of
from nodeflow.server.listen import Options, checked_options, is_loopback
from tests.server.harness import Answer, Running, running


def path_in(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def cookie_of(answer: Answer) -> tuple[str, set[str]]:
    """The cookie that an answer sets, and its attributes."""
    pair, *attributes = answer.headers["set-cookie"].split("; ")
    return pair, {a.partition("=")[0] if a.startswith("expires") else a for a in attributes}


def test_a_code_becomes_a_cookie_once(server: Running) -> None:
    path = path_in(server.services.link())
    answer = server.request("GET", path, headers={"Sec-Fetch-Site": "none"}, token=False)
    assert (answer.status, answer.headers["location"], answer.body) == (303, "/", b"")
    pair, attributes = cookie_of(answer)
    assert pair == f"nodeflow-{server.port}={server.services.access.session}"
    assert attributes == {"HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Strict"}
    assert server.token not in pair
    assert server.request("GET", "/api/drafts", headers={"Cookie": pair}, token=False).status == 200
    used = server.request("GET", path, token=False)
    assert used.status == 401
    assert b"nodeflow open" in used.body
    assert used.headers["content-type"].startswith("text/html")
    assert "set-cookie" not in used.headers
    again = server.request("GET", path, headers={"Cookie": pair}, token=False)
    assert (again.status, again.headers["location"]) == (303, "/")  # who is signed in already just goes on


def test_wrong_old_and_missing_codes_let_nobody_in(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    good = server.services.codes.make()
    for path in ("/login", "/login?code=", "/login?code=x", f"/login?code={good[:-1]}", f"/login?Code={good}"):
        assert server.request("GET", path, token=False).status == 401
    assert server.request("GET", f"/login?code={good}&code={good}", token=False).status == 400
    monkeypatch.setattr(server.services.codes, "seconds", -1.0)
    assert server.request("GET", path_in(server.services.link()), token=False).status == 401


def test_a_code_is_used_by_one_of_many(server: Running) -> None:
    path = path_in(server.services.link())
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(server.request("GET", path, token=False).status))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [303] + [401] * 7


def test_codes_lead_where_the_server_said(server: Running) -> None:
    code = server.services.codes.make("#draft=abc")
    answer = server.request("GET", f"/login?code={code}&target=//evil.example", token=False)
    assert answer.headers["location"] == "/#draft=abc"


def test_codes_are_few_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from nodeflow.server import access

    codes = Codes()
    first = codes.make()
    for _ in range(access.MAX_CODES):
        codes.make()
    assert codes.use(first) is None
    now = access.time.monotonic()
    last = codes.make()
    monkeypatch.setattr(access.time, "monotonic", lambda: now + access.CODE_SECONDS + 5)
    assert codes.use(last) is None


def test_new_links_are_for_those_with_the_token(server: Running) -> None:
    answer = server.post("/api/login-links")
    assert answer.status == 200
    assert answer.json["url"].startswith(f"http://127.0.0.1:{server.port}/login?code=")
    assert server.request("GET", path_in(answer.json["url"]), token=False).status == 303
    assert server.post("/api/login-links", {"x": 1}).status == 400


def test_the_first_page_says_how_to_sign_in(server: Running) -> None:
    answer = server.request("GET", "/", token=False)
    assert answer.status == 401
    assert b"nodeflow open" in answer.body
    assert b"<script" not in answer.body


# --- the token ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_the_token_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "server.token"
    before = os.umask(0)
    try:
        token = read_token(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(token) >= 40
    assert read_token(path) == token
    path.chmod(0o644)
    assert read_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["server.token"]


def test_a_file_without_a_token_is_told(tmp_path: Path) -> None:
    for text in ("", "short", "x" * 30 + "\nsecond line", "ä" * 40):
        (tmp_path / "server.token").write_text(text, encoding="utf-8")
        with pytest.raises(NodeflowError, match="holds no token"):
            read_token(tmp_path / "server.token")


def test_two_servers_that_begin_together_share_the_token(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(read_token(tmp_path / "t"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


def test_the_cookie_tells_neither_the_token_nor_another_ports_cookie() -> None:
    token = "t" * 43
    assert session_of(token, 1) != session_of(token, 2)
    assert session_of(token, 1) == session_of(token, 1)
    assert token not in session_of(token, 1)
    access = Access.on_port(1, token)
    assert token not in repr(access)
    assert access.session not in repr(access)


def test_the_token_is_in_no_log_and_no_other_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with running(tmp_path / "home") as server:
        secrets = {server.token, server.services.access.session}
        server.get("/api/node-types")
        server.get(f"/api/drafts?token={server.token}")
        server.raw(f"GET / HTTP/1.1\r\nAuthorization: Bearer {server.token}\0\r\n\r\n".encode())
        server.raw(f"{server.token} / HTTP/1.1\r\n\r\n".encode())
        server.post("/api/jobs", {"workflow": {"format": "nodeflow/1", "nodes": {}}})
        code = path_in(server.services.link())
        server.request("GET", code, token=False)
        metrics = server.get("/metrics").body.decode()
        assert not any(secret in metrics for secret in secrets)
        assert code.partition("=")[2] not in metrics
        secrets.add(code.partition("=")[2])
    for secret in secrets:
        assert secret not in caplog.text
        assert secret not in " ".join(os.environ.values())
        for path in (tmp_path / "home").rglob("*"):
            if path.is_file() and path.name != "server.token":
                assert secret.encode() not in path.read_bytes(), path


# --- where it listens -----------------------------------------------------------------------------------------------

FAR = ("0.0.0.0", "::", "192.168.1.5", "example.org", "", "127.0.0.1.evil.example", "8.8.8.8", "fe80::1")


@pytest.mark.parametrize("host", FAR)
def test_others_are_let_near_only_behind_tls(host: str, tmp_path: Path) -> None:
    assert not is_loopback(host)
    for public in ("", "http://gpu.example.org"):
        with pytest.raises(NodeflowError, match="--behind-tls-proxy"):
            checked_options(Options(host=host, public=public))
        with pytest.raises(NodeflowError, match="--behind-tls-proxy"), running(tmp_path, Options(host, 0, public)):
            pass
    assert checked_options(Options(host=host, public="https://gpu.example.org")).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_needs_no_leave(host: str) -> None:
    assert checked_options(Options(host=host)).host == host


@pytest.mark.parametrize(
    "public", ["gpu.example.org", "https://x/path", "https://X", "https://a b", "javascript:x", "*"]
)
def test_a_proxys_address_is_an_origin(public: str) -> None:
    with pytest.raises(NodeflowError, match="expected https://name"):
        checked_options(Options(public=public))


def test_behind_a_proxy_its_name_is_ours(tmp_path: Path) -> None:
    public = "https://gpu.example.org"
    with running(tmp_path / "home", Options(port=0, public=public)) as server:
        assert server.services.link().startswith(f"{public}/login?code=")
        path = path_in(server.services.link())
        answer = server.request("GET", path, token=False, host="gpu.example.org", headers={"Sec-Fetch-Site": "none"})
        assert answer.status == 303
        pair, attributes = cookie_of(answer)
        assert "Secure" in attributes
        own = {"Cookie": pair, "Origin": public, "Content-Type": "application/json"}
        links = ("POST", "/api/login-links", b"{}")
        assert server.request(*links, own, token=False, host="gpu.example.org").status == 200
        other = {**own, "Origin": "http://gpu.example.org"}
        assert server.request(*links, other, token=False, host="gpu.example.org").status == 403
        assert server.get("/api/drafts").status == 200
        assert server.request("GET", "/api/drafts", host="other.example.org").status == 421


def test_it_listens_on_ipv6_too(tmp_path: Path) -> None:
    import http.client
    import socket

    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with running(tmp_path / "home", Options(host="::1", port=0)) as server:
        assert server.services.address == f"http://[::1]:{server.port}"
        connection = http.client.HTTPConnection("::1", server.port)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
        connection.close()


def test_another_address_of_this_machine_is_a_name_of_the_server(tmp_path: Path) -> None:
    import sys

    if sys.platform != "linux":
        pytest.skip("elsewhere only 127.0.0.1 is there from the start")
    with running(tmp_path / "home", Options(host="127.8.8.8", port=0)) as server:
        import http.client

        connection = http.client.HTTPConnection("127.8.8.8", server.port)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b'{"status":"ok"}')
        connection.close()


def test_a_taken_port_and_a_taken_home_are_told(tmp_path: Path) -> None:
    with running(tmp_path / "home") as server:
        with pytest.raises(NodeflowError, match="cannot listen"), running(tmp_path / "b", Options(port=server.port)):
            pass
        with pytest.raises(NodeflowError, match="runs here already"), running(tmp_path / "home"):
            pass
        assert server.get("/healthz").status == 200
        assert (server.home / "server.json").exists()
    assert not (server.home / "server.json").exists()
