"""A dropped file made a recipe: a recipe's JSON, a picture that carries one, ComfyUI's JSON or pictures, a crate.

Nothing of it is run, installed, unpacked or fetched. What is not as it was when a picture or a crate was made is said.
"""

from __future__ import annotations

import io
from typing import Any

from nodeflow.comfy import is_comfy
from nodeflow.comfy import read as read_comfy
from nodeflow.comfy.media import texts
from nodeflow.engine import Engine
from nodeflow.export import export
from nodeflow.planner import with_exports
from nodeflow.problems import Problem, ProblemsError
from nodeflow.recorder import versions
from nodeflow.server.openapi import read_json, route
from nodeflow.server.problem import items
from nodeflow.server.schema import Imported
from nodeflow.server.services import Services
from nodeflow.share.archive import ArchiveError
from nodeflow.share.carried import Carried, from_document
from nodeflow.share.drift import drift
from nodeflow.share.embed import extract, is_picture
from nodeflow.share.unpack import inspect, is_crate
from nodeflow.workflow import Workflow

LIMIT = 256 << 20
MAX_REPORT = 1000


@route("POST", "/api/import", limit=LIMIT)
async def import_file(services: Services, body: bytes) -> Imported:
    """The recipe in a file, and what was changed or could not be converted."""
    return await services.in_engine(imported, services.engine, body)


def imported(engine: Engine, data: bytes) -> Imported:
    """What a file becomes.

    Raises:
        ProblemsError: if it holds nothing that can be made a recipe.
    """
    if is_crate(data):
        return _crate(engine, data)
    if is_picture(data):
        try:
            document = extract(data)
        except ProblemsError:
            if not texts(data):
                raise
            return _comfy(engine, data)
        return _picture(engine, document)
    document = read_json(data)
    if is_comfy(document):
        return _comfy(engine, data)
    return _finished(engine, Workflow.from_json(document), "recipe", [])


def _finished(engine: Engine, workflow: Workflow, kind: Any, report: list[str]) -> Imported:
    problems = items(engine.check(workflow).problems)
    return Imported(workflow=workflow.to_json(), kind=kind, report=report[:MAX_REPORT], problems=problems)


def _comfy(engine: Engine, data: bytes) -> Imported:
    found = read_comfy(data, ops=engine.catalogue.ops, files=engine.files())
    return _finished(engine, found.workflow, "comfyui", found.report.text().splitlines())


def _picture(engine: Engine, document: Any) -> Imported:
    found = from_document(document)
    return _finished(engine, found.workflow, "picture", _changes(engine, found))


def _changes(engine: Engine, found: Carried) -> list[str]:
    """Why a run here may not give the picture that the recipe came in."""
    planner = engine.planner()
    try:  # with the steps that write files: a picture's key is that of such a step
        plan, _ = with_exports(planner.plan(found.workflow), planner, export)
    except ProblemsError:
        return []
    if not found.key or any(step.key == found.key for step in plan.steps):
        return []
    here = versions(engine.catalogue)
    lines = [
        f"{name}: made with {version}, here it is {here[name]}"
        for name, version in found.versions.items()
        if here.get(name, version) != version
    ]
    if found.numeric and found.numeric != plan.numeric:
        head = f"made with {found.numeric[:200]}, here it is {plan.numeric}: the result may differ in its last digits"
    else:
        head = "models, files or nodes are not what they were when the picture was made: the result may differ"
    return [head, *lines]


def _crate(engine: Engine, data: bytes) -> Imported:
    try:
        found = inspect(io.BytesIO(data))
    except ArchiveError as error:
        raise ProblemsError([Problem("NF003", "", f"the crate cannot be read: {error}")]) from None
    report = [str(change) for change in drift(engine, found.lock, found.workflow)]
    return _finished(engine, found.workflow, "crate", report)
