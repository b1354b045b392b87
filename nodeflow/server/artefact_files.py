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
import time
from pathlib import Path
from typing import IO, Annotated

from aiohttp import web
from blake3 import blake3
from pydantic import Field

from nodeflow.cache import BlobStore
from nodeflow.cache.errors import BadBlob
from nodeflow.server.given_files import IMMUTABLE, Given, give, lasting, not_modified
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


@route("GET", "/api/artefacts/{digest}", head=True, media="application/octet-stream", errors=(416,))
async def artefact(
    request: web.Request, services: Services, digest: Digest, download: bool = False
) -> web.StreamResponse:
    """A result's bytes, or a part of them: pictures may be shown, everything else is a download."""
    if digest in services.engine.artefacts and (fresh := not_modified(request, digest)):
        return fresh
    known = await services.queue.artefact(digest)
    name = known.name if known else digest[:12]

    def opened() -> Given:
        try:
            content = _VERIFIED.open(services.engine.artefacts, digest)
        except BadBlob:
            raise not_found("no result of this digest is kept") from None
        return Given(content, os.fstat(content.fileno()).st_size, name, digest, download=download)

    return await give(request, opened)


class Verified:
    """Opens blobs whose bytes are what their digest says. Large ones are hashed again only after `seconds`, so that
    a player that asks for a film in a hundred parts does not have it hashed a hundred times."""

    def __init__(self, large: int = 4 << 20, seconds: float = 600.0, kept: int = 256) -> None:
        self.large, self.seconds, self._kept = large, seconds, kept
        self._seen: dict[tuple[str, int, int], float] = {}
        self._lock = threading.Lock()

    def open(self, store: BlobStore, digest: str) -> IO[bytes]:
        """The blob, open for reading.

        Raises:
            BadBlob: it is missing or damaged.
        """
        try:
            file = open(store.path(digest), "rb")  # noqa: SIM115 (it is closed by who gives it out)
        except OSError as error:
            raise BadBlob(f"blob {digest} cannot be read: {error.strerror}") from error
        try:
            state = os.fstat(file.fileno())
            seen = digest, state.st_ino, state.st_size
            now = time.monotonic()
            if state.st_size < self.large or self._seen.get(seen, -self.seconds) <= now - self.seconds:
                hasher = blake3()
                while piece := file.read(1 << 20):
                    hasher.update(piece)
                if hasher.hexdigest() != digest:
                    raise BadBlob(f"blob {digest} is damaged")
                with self._lock:
                    self._seen.pop(seen, None)
                    self._seen[seen] = now
                    while len(self._seen) > self._kept:
                        del self._seen[next(iter(self._seen))]
        except BaseException:
            file.close()
            raise
        return file


_VERIFIED = Verified()


async def _bytes(services: Services, digest: str) -> bytes:
    try:
        return await asyncio.to_thread(services.engine.artefacts.read, digest)
    except BadBlob:
        raise not_found("no result of this digest is kept") from None


@route("GET", "/api/artefacts/{digest}/thumbnail", head=True, media="image/webp")
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
    return web.Response(body=small, content_type="image/webp", headers=lasting(f"{digest}-{SIDE}", IMMUTABLE))


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
