"""Errors over HTTP: problem documents (RFC 9457), for every status from 400 on. Never a traceback.

`HTTPProblem` is what handlers raise; the middleware turns it, what the engine and the queue raise, aiohttp's own errors
and bugs into documents. What a bug says goes to the log only.
"""

from __future__ import annotations

import http
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import ValidationError

from nodeflow.cache.errors import BadBlob, StoreError
from nodeflow.problems import Problem, ProblemsError
from nodeflow.server.schema import ProblemDocument, ProblemItem
from nodeflow.server.tasks import JobConflict, NoSuchJob

LOG = logging.getLogger("nodeflow.server")
MEDIA = "application/problem+json"
MAX_ITEMS = 1000
"""So many problems are told at most; a recipe of 100,000 nodes may have more."""
_SHAPE = ("NF001", "NF002", "NF003", "NF004", "NF005")


class HTTPProblem(Exception):
    """Ends a request with a problem document."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        problems: Sequence[ProblemItem] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status, self.title, self.detail = status, title, detail
        self.problems, self.headers = list(problems), headers or {}


def items(problems: Iterable[Problem]) -> list[ProblemItem]:
    """The engine's problems as the API has them."""
    found: list[ProblemItem] = []
    for p in problems:
        if len(found) == MAX_ITEMS:
            break
        found.append(
            ProblemItem(
                code=p.code,
                name=p.name,
                place=p.place,
                message=p.message,
                expected=p.expected,
                got=p.got,
                hint=p.hint,
                severity=p.severity,
            )
        )
    return found


def shape_items(error: ValidationError, place: str = "") -> list[ProblemItem]:
    """What is wrong with the shape of a body or a parameter."""
    found: list[ProblemItem] = []
    for one in error.errors(include_url=False, include_context=False)[:MAX_ITEMS]:
        where = ".".join([*([place] if place else []), *(str(part)[:80] for part in one["loc"])])
        got = repr(one.get("input"))
        message = one["msg"][:1].lower() + one["msg"][1:]
        found.append(ProblemItem(code="NF004", name="malformed", place=where[:300], message=message, got=got[:80]))
    return found


def response(problem: HTTPProblem) -> web.Response:
    document = ProblemDocument(
        title=problem.title, status=problem.status, detail=problem.detail, problems=problem.problems
    )
    body = document.model_dump_json().encode("utf-8", "replace")
    return web.Response(body=body, status=problem.status, content_type=MEDIA, headers=problem.headers)


def of_exception(error: Exception) -> HTTPProblem:
    """The problem document's content for anything that was raised."""
    if isinstance(error, HTTPProblem):
        return error
    if isinstance(error, ProblemsError):
        shape = any(p.code in _SHAPE for p in error.problems)
        title = "This is no recipe" if shape else "The recipe has problems"
        return HTTPProblem(400 if shape else 422, title, problems=items(error.problems))
    if isinstance(error, web.HTTPException):
        status = error.status
        kept = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return HTTPProblem(status, http.HTTPStatus(status).phrase, headers=kept)
    if isinstance(error, NoSuchJob):
        return not_found(str(error))
    if isinstance(error, JobConflict):
        return refused(409, str(error))
    if isinstance(error, BadBlob):
        return HTTPProblem(404, "Not found", "it is not kept any more")
    if isinstance(error, StoreError):
        LOG.error("%s", error)
        return HTTPProblem(507, "It cannot be stored", "the disk is full or cannot be written; the log has more")
    LOG.error("a request failed", exc_info=error)
    return HTTPProblem(500, "Internal error", "this is a fault of nodeflow; the server's log has more")


@web.middleware
async def problems_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns everything that is raised into problem documents."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return response(of_exception(error))
    except ConnectionError:  # the client went away
        raise
    except Exception as error:
        return response(of_exception(error))


def not_found(what: str) -> HTTPProblem:
    return HTTPProblem(404, "Not found", what)


def refused(status: int, detail: str, **more: Any) -> HTTPProblem:
    """A refusal with the status's own name as its title."""
    return HTTPProblem(status, http.HTTPStatus(status).phrase, detail, **more)
