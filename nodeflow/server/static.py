"""The canvas's own files. What is served is a table of the files that the build made; no path comes from a request.

`index.html` is asked for again each time; the other files have a hash in their names and never change.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

import nodeflow
from nodeflow.server.openapi import route
from nodeflow.server.pages import PAGE_POLICY, page
from nodeflow.server.problem import not_found

TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".ico": "image/vnd.microsoft.icon",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain",
    ".map": "application/json",
}
NOT_BUILT = (
    "The server works; its canvas has not been built in this installation.\n"
    "In the repository: cd web && npm ci && npm run build -- --outDir ../nodeflow/_web --emptyOutDir\n"
    "Or install the package anew without NODEFLOW_SKIP_WEB."
)


def folder() -> Path:
    return Path(nodeflow.__file__).parent / "_web"


def table(root: Path) -> dict[str, Path]:
    """The files of the build by their paths in it; hidden files, links and files of unknown kinds are not served."""
    if not (root / "index.html").is_file():
        return {}
    return {
        path.relative_to(root).as_posix(): path
        for path in root.rglob("*")
        if path.suffix in TYPES and path.is_file() and not path.is_symlink() and not path.name.startswith(".")
    }


class Assets:
    """The table, made anew when the build has changed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._stamp = 0
        self._files: dict[str, Path] = {}

    def find(self, name: str) -> Path | None:
        try:
            stamp = (self.root / "index.html").stat().st_mtime_ns
        except OSError:
            stamp = 0
        if stamp != self._stamp:
            self._stamp, self._files = stamp, table(self.root)
        return self._files.get(name)


_ASSETS = Assets(folder())


async def _file(name: str, cache: str) -> web.Response:
    path = await asyncio.to_thread(_ASSETS.find, name)
    if path is None:
        raise not_found("no such file belongs to the canvas")
    kind = TYPES[path.suffix]
    charset = "utf-8" if kind.startswith("text/") else None
    headers = {"Cache-Control": cache, "Content-Security-Policy": PAGE_POLICY}
    body = await asyncio.to_thread(path.read_bytes)
    return web.Response(body=body, content_type=kind, charset=charset, headers=headers)


@route("GET", "/", media="text/html")
async def index() -> web.Response:
    """The canvas."""
    if await asyncio.to_thread(_ASSETS.find, "index.html") is None:
        return page("nodeflow", NOT_BUILT, 200)
    return await _file("index.html", "no-cache")


@route("GET", "/assets/{name}", media="application/octet-stream")
async def asset(name: str) -> web.Response:
    """A file of the canvas, with a hash in its name."""
    return await _file(f"assets/{name}", "private, max-age=31536000, immutable")


@route("GET", "/{name}", media="application/octet-stream")
async def top_file(name: str) -> web.Response:
    """A file of the canvas at its root, such as its icon."""
    return await _file(name, "no-cache")
