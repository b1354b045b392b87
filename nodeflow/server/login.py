"""Signing a browser in: a one-time code becomes a cookie.

`nodeflow serve` prints a link with a code. Opening it gives the browser a cookie (HttpOnly, SameSite=Strict, named
after the port, since cookies know no ports) and leads on to the clean address.
"""

from __future__ import annotations

from aiohttp import web

from nodeflow.server.access import same
from nodeflow.server.openapi import route
from nodeflow.server.pages import sign_in_page
from nodeflow.server.schema import Health, LoginLink
from nodeflow.server.services import Services

COOKIE_SECONDS = 30 * 24 * 3600


@route("GET", "/healthz", public=True)
async def healthz() -> Health:
    """Whether the server answers."""
    return Health()


@route("GET", "/login", public=True, status=303, media="text/html", errors=(401,))
async def login(request: web.Request, services: Services, code: str = "") -> web.Response:
    """Exchange a one-time code for the cookie and go to the canvas."""
    access = services.access
    target = services.codes.use(code)
    if target is None:
        if same(request.cookies.get(access.cookie, ""), access.session):
            return web.Response(status=303, headers={"Location": "/"})
        return sign_in_page()
    answer = web.Response(status=303, headers={"Location": f"/{target}"})
    secure = access.public == f"https://{request.headers['Host'].lower()}"
    answer.set_cookie(
        access.cookie, access.session, max_age=COOKIE_SECONDS, httponly=True, samesite="Strict", secure=secure
    )
    return answer


@route("POST", "/api/login-links")
async def login_link(services: Services) -> LoginLink:
    """A new one-time link (what `nodeflow open` asks for)."""
    return LoginLink(url=services.link(), seconds=services.codes.seconds)
