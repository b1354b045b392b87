"""The catalogue over HTTP: every op with its ports, and the models that nodes can load."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from aiohttp import web
from blake3 import blake3

from nodeflow.files import Files, size_of
from nodeflow.health import model_folders
from nodeflow.server.openapi import route
from nodeflow.server.schema import ModelFileInfo, NodeTypes
from nodeflow.server.services import Services
from nodeflow.share.card import card_of, provenance

MAX_CARD = 4096
"""Bytes of a model card in which its title is looked for."""


def model_list(files: Files, folders: Iterable[str]) -> list[ModelFileInfo]:
    """The models of these folders, with what their cards say."""
    files.refresh()
    found = []
    for folder in folders:
        for name, path in sorted(files.models(folder).items()):
            licence, _ = provenance(path)
            info = ModelFileInfo(folder=folder, name=name, bytes=size_of(path), title=_heading(path), licence=licence)
            found.append(info)
    return found


def _heading(path: Path) -> str:
    """The title of a model's card, if it has one."""
    card = card_of(path)
    if card is None:
        return ""
    try:
        with open(card, encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_CARD).splitlines()
    except OSError:
        return ""
    return next((line[2:].strip()[:200] for line in lines if line.startswith("# ")), "")


# --- routes ---------------------------------------------------------------------------------------------------------


@route("GET", "/api/node-types", result=NodeTypes)
async def node_types(request: web.Request, services: Services) -> web.Response:
    """The installed ops and types. With If-None-Match: 304 if nothing has changed."""
    data = (await services.in_engine(services.described.node_types)).model_dump_json().encode()
    etag = f'"{blake3(data).hexdigest(length=16)}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=data, content_type="application/json", charset="utf-8", headers=headers)


@route("GET", "/api/models")
async def models(services: Services) -> list[ModelFileInfo]:
    """The models that nodes can load, by the names that recipes write."""
    engine = services.engine
    return await services.in_engine(lambda: model_list(engine.files(), model_folders(engine.catalogue)))
