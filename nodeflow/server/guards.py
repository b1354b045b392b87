"""What stands before every request and websocket upgrade, in this order: Host (421), Origin (403), Sec-Fetch-Site
(403), token (401), content type (415), size (413). And the headers of every response.

Host and Origin are compared with exact sets, never with patterns, so that a page of another site, of another port of
this machine, or of a name that was made to point here gets nothing. There is no CORS. The token is read from
`Authorization: Bearer` or from the cookie that `login` gave; never from the query.
"""

from __future__ import annotations

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler

from nodeflow.server.access import Access, same
from nodeflow.server.openapi import Route, too_large
from nodeflow.server.pages import sign_in_page
from nodeflow.server.problem import HTTPProblem, refused
from nodeflow.server.services import SERVICES

SAFE_METHODS = ("GET", "HEAD")

DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


def check_host(request: web.Request, access: Access) -> None:
    """One Host, and one of ours: a name that was made to point here (DNS rebinding) is not."""
    given = request.headers.getall("Host", [])
    if not request.raw_path.startswith("/"):  # `GET http://name/…` would put a name in the Host's place
        raise refused(421, "the request's target must be a path")
    if len(given) != 1 or given[0].lower() not in access.hosts:
        raise refused(421, "this server does not answer under that name")


def check_origin(request: web.Request, access: Access) -> None:
    """No Origin, or exactly one of ours; `null` is not."""
    given = request.headers.getall("Origin", [])
    if len(given) > 1 or any(origin not in access.origins for origin in given):
        raise refused(403, "the request comes from a page of another site")


def check_fetch_site(request: web.Request) -> None:
    """Browsers say where a request comes from. `same-site` means another port of this machine: refused."""
    given = request.headers.getall("Sec-Fetch-Site", [])
    if len(given) > 1 or any(site not in ("same-origin", "none") for site in given):
        raise refused(403, "a page of another site led here; paste the address into the browser instead")


def check_token(request: web.Request, access: Access) -> None:
    """The token as a Bearer, or the cookie; with the cookie, what changes something must say where it comes from."""
    given = request.headers.getall("Authorization", [])
    if given:
        kind, _, secret = given[0].partition(" ")
        if len(given) == 1 and kind.lower() == "bearer" and same(secret.strip(), access.token):
            return
        raise _unknown()
    if not same(request.cookies.get(access.cookie, ""), access.session):
        raise _unknown()
    if request.method not in SAFE_METHODS and not {"Origin", "Sec-Fetch-Site"} & request.headers.keys():
        raise refused(403, "the request does not say which page it comes from")


def _unknown() -> HTTPProblem:
    detail = "open the link that `nodeflow serve` or `nodeflow open` prints, or send the token (Authorization: Bearer)"
    return refused(401, detail, headers={"WWW-Authenticate": 'Bearer realm="nodeflow"'})


def check_content_type(request: web.Request, route: Route) -> None:
    """JSON or bytes, as the route wants it: forms and plain text, which any page may send anywhere, are refused."""
    expected = route.takes
    if expected is None:
        if request.body_exists:
            raise refused(415, "this takes no body")
        return
    kind, _, parameters = request.headers.get("Content-Type", "").partition(";")
    charset = parameters.strip().lower()
    if kind.strip().lower() != expected or charset not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise refused(415, f"the body must be {expected}", headers={"Accept-Post": expected})
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise refused(415, "compressed bodies are not taken")


def check_size(request: web.Request, route: Route) -> None:
    """What says that it is too large is not read at all; what does not say is counted while it is read."""
    if (request.content_length or 0) > route.limit:
        raise too_large(route.limit)


async def wait_with_expect(request: web.Request) -> None:
    """aiohttp would answer `Expect` before anything is checked; `check_expect` does, after."""


async def check_expect(request: web.Request) -> None:
    """Ask for the body of a request that waits with it."""
    wish = request.headers.get("Expect", "")
    if wish and wish.lower() != "100-continue":
        raise refused(417, "only 100-continue can be expected")
    if wish and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer has not begun


def route_of(request: web.Request) -> Route | None:
    """The route that the request leads to, if there is one."""
    found = getattr(request.match_info.handler, "route", None)
    return found if isinstance(found, Route) else None


@web.middleware
async def guard_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The checks, in their order, before anything of the request is read."""
    access = request.app[SERVICES].access
    route = route_of(request)
    check_host(request, access)
    check_origin(request, access)
    check_fetch_site(request)
    if route is None or not route.public:
        try:
            check_token(request, access)
        except HTTPProblem as problem:
            if problem.status == 401 and route is not None and route.media == "text/html":
                return sign_in_page()
            raise
    if request.method not in SAFE_METHODS and route is not None:
        check_content_type(request, route)
        check_size(request, route)
    await check_expect(request)
    return await handler(request)


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """The headers of every response, whatever made it."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Content-Security-Policy", DATA_POLICY)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.popall("Server", None)
