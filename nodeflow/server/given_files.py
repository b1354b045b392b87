"""How files that others made are given out: never as anything that a browser would run.

The type is told by the bytes. PNG, JPEG and WebP may be shown; everything else is a download. Each goes out with
`nosniff` and a policy that sandboxes it and loads nothing, so a file opened by its address can do nothing either.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from aiohttp import web

from nodeflow.artefacts import safe_stem
from nodeflow.server.media import PICTURES, kind_of

FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
IMMUTABLE = "private, max-age=31536000, immutable"
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,10}\Z")


def file_response(data: bytes, name: str, *, etag: str, download: bool = False, cache: str = IMMUTABLE) -> web.Response:
    """A file's bytes with the headers of every file."""
    kind = kind_of(data[:12])
    inline = kind in PICTURES and not download
    headers = {
        "Content-Type": kind or "application/octet-stream",
        "Content-Disposition": disposition(name, inline=inline),
        "Content-Security-Policy": FILE_POLICY,
        "Cache-Control": cache,
        "ETag": f'"{etag}"',
    }
    return web.Response(body=data, headers=headers)


def disposition(name: str, *, inline: bool) -> str:
    """`inline` or `attachment` with a file name that no system and no header mistakes for anything else."""
    safe = safe_name(name)
    plain = re.sub(r"[^A-Za-z0-9 ._-]", "_", safe)
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


def safe_name(name: str) -> str:
    """A file name out of anything: no path, no control characters, a short ending."""
    name = name[:500].replace("\\", "/").rpartition("/")[2]
    ending = match[0] if (match := _ENDING.search(name)) else ""
    return safe_stem(name[: len(name) - len(ending)]) + ending.lower()


def not_modified(request: web.Request, etag: str) -> web.Response | None:
    """304 if the client has this version already."""
    if request.headers.get("If-None-Match") != f'"{etag}"':
        return None
    return web.Response(status=304, headers={"ETag": f'"{etag}"', "Cache-Control": IMMUTABLE})
