"""Results: listed from the history, their bytes and thumbnails from the store, by the hash of their content.

Clients never name a path. Bytes are verified against the hash before they go out.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import secrets
import threading
from pathlib import Path
from typing import Annotated

from aiohttp import web
from pydantic import Field

from nodeflow.cache.errors import BadBlob
from nodeflow.server.given_files import IMMUTABLE, file_response, not_modified
from nodeflow.server.media import PICTURES, MediaError, inspect
from nodeflow.server.openapi import route
from nodeflow.server.problem import not_found
from nodeflow.server.schema import ArtefactPage, Digest, JobId
from nodeflow.server.services import Services
from nodeflow.sweep import thumbnail_path

SIDE = 256
"""Pixels of a thumbnail's longer side, at most."""
_ONE_AT_A_TIME = threading.Lock()


@route("GET", "/api/artefacts")
async def artefacts(
    services: Services,
    before: JobId | None = None,
    limit: Annotated[int, Field(ge=1, le=500)] = 60,
    job: JobId | None = None,
) -> ArtefactPage:
    """Results, newest first; `before` of a page asks for the next."""
    items, more = await services.queue.artefacts(before, limit, job)
    return ArtefactPage(items=items, before=more)


@route("GET", "/api/artefacts/{digest}", media="application/octet-stream")
async def artefact(request: web.Request, services: Services, digest: Digest, download: bool = False) -> web.Response:
    """A result's bytes: pictures may be shown, everything else is a download."""
    if fresh := not_modified(request, digest):
        return fresh
    data = await _bytes(services, digest)
    known = await services.queue.artefact(digest)
    return file_response(data, known.name if known else digest[:12], etag=digest, download=download)


async def _bytes(services: Services, digest: str) -> bytes:
    try:
        return await asyncio.to_thread(services.engine.artefacts.read, digest)
    except BadBlob:
        raise not_found("no result of this digest is kept") from None


@route("GET", "/api/artefacts/{digest}/thumbnail", media="image/webp")
async def thumbnail(request: web.Request, services: Services, digest: Digest) -> web.Response:
    """A small WebP of a picture."""
    if fresh := not_modified(request, f"{digest}-{SIDE}"):
        return fresh
    path = thumbnail_path(services.settings.cache / "thumbnails", digest)
    try:
        small = await asyncio.to_thread(path.read_bytes)
    except OSError:
        data = await _bytes(services, digest)
        small = await asyncio.to_thread(_made, data, path)
    headers = {"ETag": f'"{digest}-{SIDE}"', "Cache-Control": IMMUTABLE}
    return web.Response(body=small, content_type="image/webp", headers=headers)


def _made(data: bytes, path: Path) -> bytes:
    """A thumbnail, kept at `path` if that can be written."""
    with _ONE_AT_A_TIME:  # a large picture takes a lot of memory
        small = shrunk(data)
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(small)
        os.replace(temporary, path)
    return small


def shrunk(data: bytes) -> bytes:
    """A picture of at most `SIDE` pixels a side as WebP, without what the original carries.

    Raises:
        HTTPProblem: 404 if it is no picture, damaged, or too large to decode.
    """
    from PIL import Image

    try:
        if inspect(data).media_type not in PICTURES:
            raise not_found("this result is no picture")
        with Image.open(io.BytesIO(data), formats=("PNG", "WEBP", "JPEG")) as picture:
            picture.draft("RGB", (2 * SIDE, 2 * SIDE))
            has_alpha = "A" in picture.getbands() or "transparency" in picture.info
            small = picture.convert("RGBA" if has_alpha else "RGB")
            small.thumbnail((SIDE, SIDE), reducing_gap=3.0)
            out = io.BytesIO()
            small.save(out, "WEBP", quality=82)
            return out.getvalue()
    except (MediaError, OSError, ValueError, SyntaxError) as error:
        raise not_found(f"there is no thumbnail of this result: {error}"[:300]) from None
