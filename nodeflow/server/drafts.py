"""Drafts: what open tabs hold, so that nothing is lost with the browser's storage or the server's life.

A draft never touches the recipe that it was opened from. What it holds need not be a recipe: it is kept as it is.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from pydantic import Field, ValidationError

from nodeflow.server.openapi import route
from nodeflow.server.problem import HTTPProblem
from nodeflow.server.schema import Draft
from nodeflow.server.services import Services
from nodeflow.server.shelf import Shelf

DraftId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
MAX_DRAFTS = 500


def shelf_of(services: Services) -> Shelf:
    return Shelf(services.home / "drafts", ".json")


@route("GET", "/api/drafts")
async def drafts(services: Services) -> list[Draft]:
    """All drafts, the oldest first."""
    return await asyncio.to_thread(read_drafts, shelf_of(services))


def read_drafts(shelf: Shelf) -> list[Draft]:
    """The drafts of a folder; what cannot be read as one is left alone."""
    found = []
    for name in shelf.files():
        try:
            draft = Draft.model_validate_json(shelf.read(name) or b"")
        except ValidationError:
            continue
        if draft.id == name:
            found.append(draft)
    return sorted(found, key=lambda draft: (draft.modified, draft.id))


@route("PUT", "/api/drafts/{id}", errors=(409, 507))
async def put_draft(services: Services, id: DraftId, body: Draft) -> Draft:
    """Keep a draft, in place of the one that has its id."""
    if body.id != id:
        raise HTTPProblem(400, "Two ids", f"the address says {id!r}, the draft {body.id!r}")
    shelf = shelf_of(services)

    def write() -> Draft:
        names = shelf.files()
        if id not in names and len(names) >= MAX_DRAFTS:
            raise HTTPProblem(409, "Too many drafts", f"there are {MAX_DRAFTS:,}; close some tabs")
        draft = body.model_copy(update={"modified": time.time()})
        shelf.write(id, draft.model_dump_json().encode())
        return draft

    async with services.saving:
        return await asyncio.to_thread(write)


@route("DELETE", "/api/drafts/{id}")
async def remove_draft(services: Services, id: DraftId) -> None:
    """Let a draft go; nothing happens if there is none."""
    async with services.saving:
        await asyncio.to_thread(shelf_of(services).remove, id)
