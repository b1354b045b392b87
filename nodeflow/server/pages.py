"""Pages of words, for browsers that have no canvas to show yet. What they say is text, never HTML."""

from __future__ import annotations

from html import escape

from aiohttp import web

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


def page(title: str, text: str, status: int = 200) -> web.Response:
    """A heading and one paragraph a line."""
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in text.split("\n"))
    head = f'<meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
    body = f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{paragraphs}</body></html>'
    headers = {"Content-Security-Policy": PAGE_POLICY}
    return web.Response(text=body, status=status, content_type="text/html", headers=headers)


def sign_in_page() -> web.Response:
    """What a browser without the cookie is shown."""
    text = "This browser is not signed in, or its link was used already or is too old.\nRun: nodeflow open"
    return page("Sign in to nodeflow", text, 401)
