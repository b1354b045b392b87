"""How files that others made are given out: never as anything that a browser would run.

The type is told by the bytes. PNG, JPEG and WebP may be shown; everything else is a download (which `<audio>` and
`<video>` play all the same). Each goes out with `nosniff` and a policy that sandboxes it and loads nothing, so a file
opened by its address can do nothing either. A part can be asked for (`Range`, RFC 9110 §14), so that players can seek.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO
from urllib.parse import quote

from aiohttp import web

from nodeflow.artefacts import safe_stem
from nodeflow.server.media import PICTURES, kind_of
from nodeflow.server.problem import refused

FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
IMMUTABLE = "private, max-age=31536000, immutable"
PIECE = 1 << 18
"""Bytes that are read and sent at a time."""
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,10}\Z")
_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[^"]*")')


@dataclass(frozen=True)
class Given:
    """A file to be given out. content: open for reading, and known to be what `etag` says."""

    content: IO[bytes]
    size: int
    name: str
    etag: str
    cache: str = IMMUTABLE
    download: bool = False


async def give(request: web.Request, opened: Callable[[], Given]) -> web.StreamResponse:
    """A file, or the part of it that the request asks for; only the headers for HEAD.

    Args:
        opened: opens the file; called on another thread. What it raises passes through.
    """
    given = await asyncio.to_thread(opened)
    try:
        start, end = _part(request, given)
        headers = await asyncio.to_thread(_headers, given)
        answer = web.StreamResponse(status=200, headers=headers)
        if (start, end) != (0, given.size):
            answer.set_status(206)
            answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{given.size}"
        answer.content_length = end - start
        await answer.prepare(request)
        if request.method != "HEAD":
            while start < end and (
                piece := await asyncio.to_thread(_read, given.content, start, min(end, start + PIECE))
            ):
                await answer.write(piece)
                start += len(piece)
        await answer.write_eof()
        return answer
    finally:
        given.content.close()


def _headers(given: Given) -> dict[str, str]:
    kind = kind_of(_read(given.content, 0, 12))
    inline = kind in PICTURES and not given.download
    return {
        "Content-Type": kind or "application/octet-stream",
        "Content-Disposition": disposition(given.name, inline=inline),
        "Accept-Ranges": "bytes",
        **lasting(given.etag, given.cache),
    }


def lasting(etag: str, cache: str) -> dict[str, str]:
    """What 304 says too: a browser takes these over into what it has kept, the policy with them."""
    return {"Content-Security-Policy": FILE_POLICY, "Cache-Control": cache, "ETag": f'"{etag}"'}


def _read(content: IO[bytes], start: int, end: int) -> bytes:
    content.seek(start)
    return content.read(end - start)


def _part(request: web.Request, given: Given) -> tuple[int, int]:
    """The bytes that are asked for, from and up to; everything if that is not understood, or several parts are.

    Raises:
        HTTPProblem: 416 if the file has no such bytes.
    """
    wanted = _RANGE.fullmatch(request.headers.get("Range", "")) if request.method == "GET" else None
    only_of = request.headers.get("If-Range")
    if wanted is None or wanted[1] == wanted[2] == "" or (only_of is not None and only_of != f'"{given.etag}"'):
        return 0, given.size
    first, last = (int(text) if text else None for text in wanted.groups())
    if first is None:
        start, end = max(0, given.size - (last or 0)), given.size
    elif last is not None and last < first:
        return 0, given.size
    else:
        start, end = first, given.size if last is None else min(last + 1, given.size)
    if start >= end:
        headers = {"Content-Range": f"bytes */{given.size}", "Accept-Ranges": "bytes"}
        raise refused(416, f"the file has {given.size:,} bytes", headers=headers)
    return start, end


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


def not_modified(request: web.Request, etag: str, cache: str = IMMUTABLE) -> web.Response | None:
    """304 if the client has this version already."""
    known = ",".join(request.headers.getall("If-None-Match", []))
    if known.strip() != "*" and f'"{etag}"' not in _TAG.findall(known):
        return None
    return web.Response(status=304, headers=lasting(etag, cache))
