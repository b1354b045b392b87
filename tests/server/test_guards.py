"""Every guard, over every route, by bytes on a socket (SAFETY (c)): who is let in, and what every answer carries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodeflow.server.openapi import BYTES, JSON, Route
from tests.server.harness import Answer, Running
from tests.server.table import IDS, ROUTES, WITH_BODY, WRITING, path_of

UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def ask(server: Running, route: Route, *headers: str, host: str = "", token: bool = True) -> Answer:
    """A request that is right in all that `headers` do not say."""
    lines = [f"{route.method} {path_of(route)} HTTP/1.1", f"Host: {host or server.host}"]
    if token and not any(h.startswith("Authorization") for h in headers):
        lines.append(f"Authorization: Bearer {server.token}")
    body = b""
    if route.takes is not None:
        body = b"{}"
        lines.append(f"Content-Length: {len(body)}")
        if not any(h.startswith("Content-Type") for h in headers):
            lines.append(f"Content-Type: {route.takes}")
    return server.lines(*lines, *headers, body=body)


# --- Host -----------------------------------------------------------------------------------------------------------

HOSTS = (
    "evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost.evil.example:{port}",
    "evil@127.0.0.1:{port}", "127.0.0.1:{port}@evil.example", "127.0.0.1", "127.0.0.1:{other}", "localhost.:{port}",
    "127.0.0.1:{port}.", "127.1:{port}", "0.0.0.0:{port}", "[::ffff:127.0.0.1]:{port}", "2130706433:{port}",
    "http://127.0.0.1:{port}", "127.0.0.1:{port}/", "127.0.0.1:{port}, evil.example", "",
)  # fmt: skip


@pytest.mark.parametrize("with_origin", ["none", "matching", "ours"])
@pytest.mark.parametrize("host", HOSTS)
def test_a_name_that_is_not_ours_gets_nothing(server: Running, host: str, with_origin: str) -> None:
    """DNS rebinding: the evil name points here, and its page's Origin agrees with its Host."""
    name = host.format(port=server.port, other=server.port + 1)
    origin = {"none": (), "matching": (f"Origin: http://{name}",), "ours": (f"Origin: {server.origin}",)}[with_origin]
    for path in ("/healthz", "/api/drafts", "/login?code=x", "/"):
        answer = server.lines(f"GET {path} HTTP/1.1", f"Host: {name}", f"Authorization: Bearer {server.token}", *origin)
        assert answer.status in (400, 421), (path, answer)


def test_two_hosts_no_host_and_a_host_in_the_target(server: Running) -> None:
    token = f"Authorization: Bearer {server.token}"
    ours = f"Host: {server.host}"
    assert server.lines("GET /api/drafts HTTP/1.1", ours, "Host: evil.example", token).status == 400
    assert server.lines("GET /api/drafts HTTP/1.1", ours, ours, token).status == 400
    assert server.lines("GET /api/drafts HTTP/1.1", token).status in (400, 421)
    assert server.lines("GET /api/drafts HTTP/1.0", token).status in (400, 421)
    assert server.lines("GET http://evil.example/api/drafts HTTP/1.1", ours, token).status == 421
    assert server.lines("GET //evil.example/api/drafts HTTP/1.1", ours, token).status == 404


def test_our_names_are_answered(server: Running) -> None:
    for name in ("127.0.0.1", "localhost", "LocalHost", "[::1]"):
        assert server.request("GET", "/api/drafts", host=f"{name}:{server.port}").status == 200


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_every_route_stands_behind_the_host(server: Running, route: Route) -> None:
    assert ask(server, route, host="evil.example").status == 421


# --- Origin and Sec-Fetch-Site --------------------------------------------------------------------------------------

ORIGINS = (
    "http://evil.example", "null", "{origin}.evil.example", "{origin}@evil.example", "http://127.0.0.1:{other}",
    "https://{host}", "{origin}/", "http://127.0.0.1", "http://localhost", "file://", "{origin} {origin}", "",
    "http://evil.example/?{origin}", "HTTP://{host}", "chrome-extension://abcdefgh",
)  # fmt: skip


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_every_route_refuses_pages_of_other_sites(server: Running, route: Route) -> None:
    for origin in ORIGINS:
        text = origin.format(origin=server.origin, host=server.host, other=server.port + 1)
        assert ask(server, route, f"Origin: {text}").status == 403, text
    for site in ("cross-site", "same-site", "Same-Origin", "", "none, same-origin"):
        assert ask(server, route, f"Sec-Fetch-Site: {site}").status == 403, site
    ours = f"Origin: {server.origin}"
    assert ask(server, route, ours, "Origin: http://evil.example").status in (400, 403)
    assert ask(server, route, "Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site").status in (400, 403)


def test_our_own_pages_pass(server: Running) -> None:
    own = {"Origin": server.origin, "Sec-Fetch-Site": "same-origin"}
    assert server.request("GET", "/api/drafts", headers=own).status == 200
    typed = {"Sec-Fetch-Site": "none"}
    assert server.request("GET", "/api/drafts", headers=typed).status == 200


def test_a_websocket_of_another_site_is_refused(server: Running) -> None:
    start = ("GET /api/events HTTP/1.1", f"Host: {server.host}", *UPGRADE)
    token = f"Authorization: Bearer {server.token}"
    cookie = f"Cookie: {server.services.access.cookie}={server.services.access.session}"
    for credential in (token, cookie):
        for origin in ("http://evil.example", "null", f"{server.origin}.evil.example"):
            assert server.raw_upgrade(*start, credential, f"Origin: {origin}").status == 403
        assert server.raw_upgrade(*start, credential, "Sec-Fetch-Site: same-site").status == 403
    assert server.raw_upgrade(*start, f"Origin: {server.origin}").status == 401
    assert server.raw_upgrade("GET /api/events HTTP/1.1", "Host: evil.example", *UPGRADE, token).status == 421


# --- the token ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_every_route_but_two_wants_the_token(server: Running, route: Route) -> None:
    access = server.services.access
    token, session, cookie = access.token, access.session, access.cookie
    public = route.path in ("/healthz", "/login")
    assert route.public is public
    wrong = (
        "X-Nothing: 1",
        "Authorization: Bearer wrong",
        "Authorization: Bearer ",
        "Authorization: ",
        f"Authorization: Bearer {token[:-1]}",
        f"Authorization: Bearer {token}x",
        f"Authorization: Basic {token}",
        f"Authorization: {token}",
        f"Authorization: Bearer {session}",
        f"Cookie: {cookie}={token}",
        f"Cookie: {cookie}=",
        f"Cookie: nodeflow-{server.port + 1}={session}",
        f"Cookie: token={token}",
        f"X-Token: {token}",
    )
    for header in wrong:
        answer = ask(server, route, header, token=False)
        assert (answer.status != 401) is (public and route.path == "/healthz"), (header, answer)
    if not public:
        two = (f"Authorization: Bearer {token}", "Authorization: Bearer wrong")
        assert ask(server, route, *two, token=False).status in (400, 401)
        assert ask(server, route, "X-Nothing: 1").status != 401


def test_the_token_in_the_query_is_nothing(server: Running) -> None:
    for name in ("token", "access_token", "code", "key", "Authorization"):
        assert server.request("GET", f"/api/drafts?{name}={server.token}", token=False).status == 401


def test_what_is_not_there_is_not_told_to_strangers(server: Running) -> None:
    assert server.request("GET", "/api/nothing", token=False).status == 401
    assert server.request("PATCH", "/healthz/x", token=False).status == 401
    assert server.get("/api/nothing").status == 404


def test_the_cookie_lets_our_own_pages_write_and_nobody_else(server: Running) -> None:
    cookie = f"{server.services.access.cookie}={server.services.access.session}"
    body = b"{}"

    def links(**headers: str) -> int:
        more = {"Cookie": cookie, "Content-Type": "application/json", **headers}
        return server.request("POST", "/api/login-links", body, more, token=False).status

    assert server.request("GET", "/api/drafts", headers={"Cookie": cookie}, token=False).status == 200
    assert links() == 403  # nothing says which page it comes from
    assert links(Origin=server.origin) == 200
    assert links(**{"Sec-Fetch-Site": "same-origin"}) == 200
    assert links(Origin="null") == 403


def test_secrets_are_compared_in_constant_time() -> None:
    import inspect

    from nodeflow.server import access, guards, login

    assert "compare_digest" in inspect.getsource(access.same)
    for module in (guards, login):
        source = inspect.getsource(module)
        assert "== access.token" not in source
        assert "== access.session" not in source
    assert access.same("ä", "ä")
    assert not access.same("", "x")


# --- content type and size ------------------------------------------------------------------------------------------

TYPES = (
    "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "",
    "application/json-patch+json", "application/jsonx", "text/plain; application/json",
    "application/json; charset=utf-16",
    "application/json, text/plain", "*/*", "text/html",
)  # fmt: skip


@pytest.mark.parametrize("route", WITH_BODY, ids=[f"{r.method} {r.path}" for r in WITH_BODY])
def test_every_body_is_json_or_bytes(server: Running, route: Route) -> None:
    """What a form or a script of another site can send without asking first is refused."""
    other = JSON if route.takes == BYTES else BYTES
    for kind in (*TYPES, other):
        assert ask(server, route, f"Content-Type: {kind}").status == 415, kind
    assert ask(server, route, f"Content-Type: {route.takes}", "Content-Encoding: gzip").status == 415
    lines = (f"{route.method} {path_of(route)} HTTP/1.1", f"Host: {server.host}")
    token = f"Authorization: Bearer {server.token}"
    assert server.lines(*lines, token, "Content-Length: 2", body=b"{}").status == 415  # says nothing


@pytest.mark.parametrize("route", WRITING, ids=[f"{r.method} {r.path}" for r in WRITING])
def test_bodies_have_a_limit(server: Running, route: Route) -> None:
    if route.takes is None:
        assert server.request(route.method, path_of(route), b"x").status == 415
        return
    kind = {"Content-Type": route.takes, "Content-Length": str(route.limit + 1)}
    lines = [f"{route.method} {path_of(route)} HTTP/1.1", f"Host: {server.host}"]
    lines += [f"{name}: {value}" for name, value in kind.items()]
    assert server.lines(*lines, f"Authorization: Bearer {server.token}").status == 413


def test_a_body_that_does_not_say_how_long_it_is_is_counted(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    route = next(r for r in ROUTES if r.path == "/api/check")
    monkeypatch.setattr(route, "limit", 1000)
    head = (
        "POST /api/check HTTP/1.1", f"Host: {server.host}", f"Authorization: Bearer {server.token}",
        "Content-Type: application/json", "Transfer-Encoding: chunked",
    )  # fmt: skip
    chunk = b"200\r\n" + b" " * 512 + b"\r\n"
    assert server.lines(*head, body=chunk * 3 + b"0\r\n\r\n").status == 413
    assert server.lines(*head, body=chunk + b"0\r\n\r\n").status == 400


def test_smuggling_is_refused(server: Running) -> None:
    head = (
        "POST /api/check HTTP/1.1", f"Host: {server.host}", f"Authorization: Bearer {server.token}",
        "Content-Type: application/json",
    )  # fmt: skip
    both = ("Content-Length: 2", "Transfer-Encoding: chunked")
    assert server.lines(*head, *both, body=b"{}").status == 400
    assert server.lines(*head, "Content-Length: 2", "Content-Length: 3", body=b"{}").status == 400
    assert server.lines(*head, "Content-Length: -1", body=b"{}").status == 400
    assert server.lines(*head, "X: a\rb", "Content-Length: 2", body=b"{}").status == 400


# --- the order ------------------------------------------------------------------------------------------------------


def test_the_checks_stand_in_their_order(server: Running) -> None:
    """A request with every fault, mended one by one: 421, 403, 403, 401, 415, 413, and then the handler's own."""
    host, origin, site = "Host: evil.example", "Origin: http://evil.example", "Sec-Fetch-Site: cross-site"
    token, kind, size = "Authorization: Bearer x", "Content-Type: text/plain", "Content-Length: 99999999999"
    mended = [
        f"Host: {server.host}", f"Origin: {server.origin}", "Sec-Fetch-Site: same-origin",
        f"Authorization: Bearer {server.token}", "Content-Type: application/json", "Content-Length: 1",
    ]  # fmt: skip
    faults = [host, origin, site, token, kind, size]
    seen = []
    for count in range(len(faults) + 1):
        lines = [*mended[:count], *faults[count:]]
        seen.append(server.lines("POST /api/check HTTP/1.1", *lines, body=b"[").status)
    assert seen == [421, 403, 403, 401, 415, 413, 400]


# --- headers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_every_answer_carries_the_headers(server: Running, route: Route) -> None:
    answers = [
        ask(server, route),
        ask(server, route, token=False),
        ask(server, route, host="evil.example"),
        ask(server, route, "Origin: null"),
        ask(server, route, "Content-Type: text/plain"),
    ]
    for answer in answers:
        check_headers(answer)


def check_headers(answer: Answer) -> None:
    found = answer.headers
    assert found["x-content-type-options"] == "nosniff"
    assert found["referrer-policy"] == "no-referrer"
    assert found["cross-origin-resource-policy"] == found["cross-origin-opener-policy"] == "same-origin"
    assert found["x-frame-options"] == "DENY"
    policy = found["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    if found.get("content-type", "").startswith("text/html"):
        assert policy.startswith("default-src 'self';")
        assert "object-src 'none'; base-uri 'none'" in policy
    else:
        assert policy.startswith("default-src 'none'") or "javascript" in found["content-type"] or "self" in policy
    assert not any(name.startswith("access-control") for name in found)  # no CORS
    assert "server" not in found


def test_answers_to_nonsense_carry_the_headers_too(server: Running) -> None:
    for data in (b"NONSENSE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"):
        answer = server.raw(data)
        assert answer.status == 400
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "html" not in answer.headers["content-type"]
        assert answer.headers["server"] == "nodeflow"


def test_expect_is_answered_after_the_guards(server: Running) -> None:
    """aiohttp itself would say "100 Continue" to everybody, and answer other wishes in words of the sender's."""
    start = ("POST /api/check HTTP/1.1", "Content-Type: application/json", "Content-Length: 2")
    ours, token = f"Host: {server.host}", f"Authorization: Bearer {server.token}"
    for wish in ("100-continue", "nonsense"):
        expect = f"Expect: {wish}"
        assert server.lines(*start, "Host: evil.example", token, expect, body=b"{}").status == 421
        assert server.lines(*start, ours, "Origin: null", token, expect, body=b"{}").status == 403
        assert server.lines(*start, ours, expect, body=b"{}").status == 401
    refused = server.lines(*start, ours, token, "Expect: <script>", body=b"{}")
    assert (refused.status, b"script" in refused.body) == (417, False)
    check_headers(refused)
    let = server.lines(*start, ours, token, "Expect: 100-continue", body=b"{}")
    assert (let.status, let.body.startswith(b"HTTP/1.1 400")) == (100, True), "{} is no recipe"


def test_no_preflight_is_answered_with_leave(server: Running) -> None:
    for path in ("/api/check", "/api/uploads", "/healthz"):
        lines = (f"OPTIONS {path} HTTP/1.1", f"Host: {server.host}")
        asked = ("Origin: http://evil.example", "Access-Control-Request-Method: POST")
        answer = server.lines(*lines, *asked)
        assert answer.status == 403
        assert not any(name.startswith("access-control") for name in answer.headers)


# --- reading changes nothing ----------------------------------------------------------------------------------------


def contents(home: Path) -> dict[str, bytes]:
    kept = {"cache", "jobs.db-wal", "jobs.db-shm"}
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and not kept & {*path.relative_to(home).parts}
    }


def test_reading_changes_nothing(server: Running) -> None:
    before = contents(server.home)
    for route in ROUTES:
        if route.method == "GET" and route.path != "/login":
            ask(server, route)
    assert contents(server.home) == before


def test_errors_are_problem_documents_without_traces(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(type(server.services.described), "node_types", broken)
    answer = server.get("/api/node-types")
    assert answer.status == 500
    assert answer.problem["title"] == "Internal error"
    assert b"secret" not in answer.body
    assert b"Traceback" not in answer.body
    check_headers(answer)
    answer = server.request("PATCH", "/api/drafts", b"{}", {"Content-Type": "application/json"})
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert json.loads(answer.body)["status"] == 405
