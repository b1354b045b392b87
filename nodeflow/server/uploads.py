"""Uploads: pictures and sounds that recipes may name. They lie in `<home>/uploads`, an input root of the server.

A file is taken by what it is, not by what it is called; it gets the ending of its kind, a name that is free, and is
durable before the answer. The same bytes under the same name are the same upload.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
from functools import lru_cache
from pathlib import Path
from typing import IO, Annotated

from aiohttp import web
from blake3 import blake3
from pydantic import Field

from nodeflow.artefacts import safe_stem
from nodeflow.server.given_files import Given, give, not_modified
from nodeflow.server.media import SUFFIXES, Media, MediaError, inspect, kind_of
from nodeflow.server.openapi import Incoming, route
from nodeflow.server.problem import HTTPProblem, not_found, refused
from nodeflow.server.schema import Upload
from nodeflow.server.services import Services
from nodeflow.server.shelf import Shelf

LIMIT = 256 << 20
MAX_NAMES = 10_000
FileName = Annotated[str, Field(min_length=1, max_length=255)]


def shelf_of(services: Services) -> Shelf:
    return Shelf(services.home / "uploads")


@route("POST", "/api/uploads", status=201, limit=LIMIT, errors=(507,))
async def upload(services: Services, body: Incoming, name: FileName = "upload") -> Upload:
    """Keep a picture (PNG, JPEG, WebP; at most 40 million pixels) or a sound (WAV) for recipes to name."""
    shelf = shelf_of(services)
    temporary = await asyncio.to_thread(shelf.temporary)
    try:
        digest = await _receive(body, temporary)
        return await asyncio.to_thread(_keep, shelf, temporary, digest, name)
    except MediaError as error:
        raise refused(error.status, str(error)) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


async def _receive(body: Incoming, temporary: Path) -> str:
    """Write the body to a file; its digest. What begins like no known kind is refused at once."""
    hasher = blake3()
    start = b""
    with open(temporary, "xb") as file:
        async for piece in body.pieces():
            if len(start) < 12:
                start = (start + piece)[:12]
                if len(start) == 12 and not kind_of(start):
                    raise MediaError("the file is no PNG, JPEG or WebP picture and no WAV sound")
            hasher.update(piece)
            await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(_sync, file)
    return hasher.hexdigest()


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _keep(shelf: Shelf, temporary: Path, digest: str, name: str) -> Upload:
    media = _inspected(temporary)
    suffix = SUFFIXES[media.media_type]
    given = name[:500].replace("\\", "/").rpartition("/")[2]
    stem = safe_stem(given.rpartition(".")[0] or given)
    for number in range(1, MAX_NAMES):
        final = f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}"
        state = shelf.files().get(final)
        if state is not None and state.st_size == temporary.stat().st_size:
            found = described(shelf, final, state)
            if found.digest == digest:
                return found
        if state is None:
            with contextlib.suppress(FileExistsError):
                shelf.add(temporary, final)
                return described(shelf, final, shelf.files()[final])
    raise HTTPProblem(409, "No name is free", f"there are {MAX_NAMES:,} files called {stem!r}")


def _inspected(path: Path) -> Media:
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise MediaError("the file is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return inspect(mapped)


@lru_cache(maxsize=4096)
def _digest(path: str, inode: int, modified: int, size: int) -> str:
    """The digest of a file, as long as it has not changed."""
    hasher = blake3()
    hasher.update_mmap(path)
    return hasher.hexdigest()


@lru_cache(maxsize=4096)
def _media(path: str, inode: int, modified: int, size: int) -> Media:
    """The kind of a file, as long as it has not changed."""
    return _inspected(Path(path))


def described(shelf: Shelf, name: str, state: os.stat_result) -> Upload:
    """An upload as the API has it.

    Raises:
        MediaError: it is no known kind of file (somebody else put it there).
    """
    seen = str(shelf.root / name), state.st_ino, state.st_mtime_ns, state.st_size
    digest, media = _digest(*seen), _media(*seen)
    return Upload(
        name=name,
        digest=digest,
        bytes=state.st_size,
        media_type=media.media_type,
        width=media.width,
        height=media.height,
        modified=state.st_mtime,
    )


@route("GET", "/api/uploads")
async def uploads(services: Services) -> list[Upload]:
    """The uploads, newest first."""

    def read() -> list[Upload]:
        shelf = shelf_of(services)
        found = []
        for name, state in shelf.files().items():
            with contextlib.suppress(MediaError, OSError):
                found.append(described(shelf, name, state))
        return sorted(found, key=lambda one: (-one.modified, one.name))

    return await asyncio.to_thread(read)


@route("GET", "/api/uploads/{name}", head=True, media="application/octet-stream", errors=(416,))
async def uploaded(
    request: web.Request, services: Services, name: FileName, download: bool = False
) -> web.StreamResponse:
    """An upload's bytes, or a part of them: pictures may be shown, everything else is a download."""
    found = await asyncio.to_thread(_opened, shelf_of(services), name, download)
    if fresh := not_modified(request, found.etag, found.cache):
        found.content.close()
        return fresh
    return await give(request, lambda: found)


def _opened(shelf: Shelf, name: str, download: bool) -> Given:
    file = shelf.open(name)
    if file is None:
        raise not_found(f"no upload is called {name!r}")
    try:
        state = os.fstat(file.fileno())
        digest = _digest(str(shelf.root / name), state.st_ino, state.st_mtime_ns, state.st_size)
        return Given(file, state.st_size, name, digest, "no-cache", download)
    except BaseException:
        file.close()
        raise
