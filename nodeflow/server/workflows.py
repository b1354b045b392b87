"""Saved recipes, and the templates that ship.

A recipe is saved as its canonical text in `<home>/workflows/NAME.json`, for people and for git as much as for the
canvas. Nobody overwrites what they have not seen: writing and removing name the version that they replace
(`If-Match`), or that there is none (`If-None-Match: *`).
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from aiohttp import web
from blake3 import blake3
from pydantic import Field

from nodeflow.jsonio import parse_json
from nodeflow.problems import ProblemsError
from nodeflow.server.openapi import json_response, route
from nodeflow.server.problem import HTTPProblem, not_found
from nodeflow.server.schema import Document, WorkflowChanged, WorkflowInfo
from nodeflow.server.services import Services
from nodeflow.server.shelf import Shelf
from nodeflow.workflow import Workflow

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")]


def etag_of(data: bytes) -> str:
    return blake3(data).hexdigest(length=16)


@lru_cache(maxsize=4096)
def _texts(path: str, modified: int, size: int) -> tuple[str, str, str]:
    """(title, description, etag) of a recipe's file, as long as it has not changed."""
    try:
        data = Path(path).read_bytes()
    except OSError:
        return "", "", ""
    try:
        document = parse_json(data)
    except ProblemsError:
        return "", "", etag_of(data)
    texts = [document.get(key) if isinstance(document, dict) else "" for key in ("title", "description")]
    title, description = (text if isinstance(text, str) else "" for text in texts)
    return title, description, etag_of(data)


def _listed(shelf: Shelf) -> list[WorkflowInfo]:
    found = []
    for name, state in sorted(shelf.files().items()):
        title, description, etag = _texts(str(shelf.root / f"{name}.json"), state.st_mtime_ns, state.st_size)
        if etag:
            info = WorkflowInfo(name=name, title=title or name, description=description, etag=etag)
            found.append(info.model_copy(update={"modified": state.st_mtime}))
    return found


def saved(services: Services) -> Shelf:
    return Shelf(services.home / "workflows", ".json")


def _document(data: bytes, *, cache: str = "no-cache") -> web.Response:
    headers = {"ETag": f'"{etag_of(data)}"', "Cache-Control": cache}
    return web.Response(body=data, content_type="application/json", charset="utf-8", headers=headers)


@route("GET", "/api/workflows")
async def workflows(services: Services) -> list[WorkflowInfo]:
    """The saved recipes, by name."""
    return await asyncio.to_thread(_listed, saved(services))


@route("GET", "/api/workflows/{name}", media="application/json")
async def workflow(services: Services, name: Name) -> web.Response:
    """A saved recipe, byte for byte, with its ETag."""
    data = await asyncio.to_thread(saved(services).read, name)
    if data is None:
        raise not_found(f"no saved recipe is called {name!r}")
    return _document(data)


@route("PUT", "/api/workflows/{name}", result=WorkflowInfo, errors=(412, 428, 507))
async def save_workflow(request: web.Request, services: Services, name: Name, body: Document) -> web.Response:
    """Save a recipe in its canonical form. Needs If-Match (the version it replaces) or If-None-Match: *."""
    made = Workflow.from_json(body)
    data = made.text().encode()
    shelf = saved(services)

    def write() -> WorkflowInfo:
        _check_version(request, shelf.read(name), name)
        shelf.write(name, data)
        modified = shelf.files()[name].st_mtime
        title = made.title or name
        return WorkflowInfo(name=name, title=title, description=made.description, etag=etag_of(data), modified=modified)

    async with services.saving:
        info = await asyncio.to_thread(write)
    _tell(services, name, info.etag)
    return json_response(info, headers={"ETag": f'"{info.etag}"'})


@route("DELETE", "/api/workflows/{name}", errors=(412, 428))
async def remove_workflow(request: web.Request, services: Services, name: Name) -> None:
    """Remove a saved recipe. Needs If-Match."""
    shelf = saved(services)

    def remove() -> None:
        data = shelf.read(name)
        if data is None:
            raise not_found(f"no saved recipe is called {name!r}")
        _check_version(request, data, name)
        shelf.remove(name)

    async with services.saving:
        await asyncio.to_thread(remove)
    _tell(services, name, "")


def _tell(services: Services, name: str, etag: str) -> None:
    services.hub.publish(WorkflowChanged(seq=0, name=name, etag=etag))


def _check_version(request: web.Request, now: bytes | None, name: str) -> None:
    """Whether the request names the version that is there.

    Raises:
        HTTPProblem: 428 if it names none, 412 if it is another.
    """
    wanted, absent = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if wanted is None and absent is None:
        raise HTTPProblem(428, "Say which version you replace", "send If-Match with its ETag, or If-None-Match: *")
    if absent is not None and (absent.strip() != "*" or now is not None):
        raise HTTPProblem(412, "There is one already", f"a recipe called {name!r} was saved meanwhile")
    if wanted is not None:
        tags = {tag.strip().removeprefix("W/").strip('"') for tag in wanted.split(",")}
        if now is None or not tags & {"*", etag_of(now)}:
            raise HTTPProblem(412, "It was changed elsewhere", f"{name!r} is not the version that you opened any more")


# --- templates ------------------------------------------------------------------------------------------------------


def templates_folder() -> Path:
    """The recipes that ship: in an installed package, or beside it in the repository."""
    import nodeflow

    package = Path(nodeflow.__file__).parent
    packaged = package / "_workflows"
    return packaged if packaged.is_dir() else package.parent / "workflows"


def shipped() -> Shelf:
    return Shelf(templates_folder(), ".json")


def previews() -> Shelf:
    return Shelf(templates_folder() / "previews", ".png")


@route("GET", "/api/templates")
async def templates() -> list[WorkflowInfo]:
    """The recipes that ship, each with a picture that it makes."""

    def read() -> list[WorkflowInfo]:
        pictures = previews().files()
        return [
            info.model_copy(update={"preview": f"/api/templates/{info.name}/preview"})
            if info.name in pictures
            else info
            for info in _listed(shipped())
        ]

    return await asyncio.to_thread(read)


@route("GET", "/api/templates/{name}", media="application/json")
async def template(name: Name) -> web.Response:
    """A recipe that ships."""
    data = await asyncio.to_thread(shipped().read, name)
    if data is None:
        raise not_found(f"no template is called {name!r}")
    return _document(data)


@route("GET", "/api/templates/{name}/preview", media="image/png")
async def template_preview(name: Name) -> web.Response:
    """A picture that the template makes."""
    data = await asyncio.to_thread(previews().read, name)
    if data is None:
        raise not_found(f"no template called {name!r} has a picture")
    return web.Response(body=data, content_type="image/png", headers={"Cache-Control": "private, max-age=3600"})
