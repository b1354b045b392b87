"""`@route`: a typed handler becomes a route of the table that `api_document` describes as OpenAPI 3.1.

    @route("POST", "/api/jobs", status=202, summary="Queue a recipe.")
    async def submit(request: web.Request, services: Services, body: JobRequest) -> Accepted: ...

Names in the path are path parameters, `body` is the body, `request` and `services` are handed in, and what is left is
the query. All are checked by pydantic against their annotations before the handler runs; what it gives back is written
as JSON. `body: bytes` takes `application/octet-stream` of at most `limit` bytes; `body: Incoming` reads it piecewise.

The table is filled by importing the modules that have handlers (`app.MODULES`). Nothing here knows what they do.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import typing
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from nodeflow.jsonio import parse_json
from nodeflow.server.problem import HTTPProblem, shape_items
from nodeflow.server.schema import Model

if TYPE_CHECKING:
    from nodeflow.server.services import Services

JSON = "application/json"
BYTES = "application/octet-stream"
JSON_LIMIT = 32 << 20
"""Bytes of a JSON body; a recipe of 100,000 nodes fits."""
IN_LOOP = 64 << 10
"""JSON up to this size is parsed on the event loop, which takes less than handing it to a thread."""

MAX_VALUES = 2_000_000
"""Values in a JSON body: twenty for each of 100,000 nodes. More take memory and time out of all proportion."""

Handler = Callable[..., Awaitable[Any]]
ROUTES: list[Route] = []


class Incoming:
    """A body that is read in pieces, never more than the route's limit."""

    def __init__(self, request: web.Request, limit: int) -> None:
        self._request, self._limit = request, limit

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes as they come.

        Raises:
            HTTPProblem: 413 once there are more than allowed.
        """
        size = 0
        async for piece in self._request.content.iter_chunked(1 << 18):
            size += len(piece)
            if size > self._limit:
                raise too_large(self._limit)
            yield piece


def too_large(limit: int) -> HTTPProblem:
    return HTTPProblem(413, "The body is too large", f"at most {limit:,} bytes are taken here")


async def read_all(request: web.Request, limit: int) -> bytes:
    """The whole body, at most `limit` bytes."""
    return b"".join([piece async for piece in Incoming(request, limit).pieces()])


def read_json(data: bytes) -> Any:
    """A JSON document from outside.

    Raises:
        ProblemsError: it is none, or would hurt. HTTPProblem: 413 if it has too many values.
    """
    if len(data) > MAX_VALUES and data.count(b",") + data.count(b"[") + data.count(b"{") > MAX_VALUES:
        raise HTTPProblem(413, "The body is too large", f"it has more than {MAX_VALUES:,} values")
    return parse_json(data)


@dataclass(frozen=True)
class Parameter:
    """A path or query parameter of a handler."""

    name: str
    where: str
    annotation: Any
    default: Any
    adapter: TypeAdapter[Any]

    def read(self, request: web.Request) -> Any:
        """Its value in a request.

        Raises:
            HTTPProblem: 400 (404 in a path: there is nothing of that name) if it does not fit.
        """
        if self.where == "path":
            text = request.match_info[self.name]
        else:
            given = request.query.getall(self.name, [])
            if not given:
                if self.default is inspect.Parameter.empty:
                    raise HTTPProblem(400, "A parameter is missing", f"the query needs {self.name}=…")
                return self.default
            if len(given) > 1:
                raise HTTPProblem(400, "A parameter is given twice", self.name)
            text = given[0]
        try:
            return self.adapter.validate_python(text)
        except ValidationError as error:
            if self.where == "path":
                raise HTTPProblem(404, "Not found", f"no {self.name} is written like this") from None
            raise HTTPProblem(400, "A parameter does not fit", problems=shape_items(error, self.name)) from None


@dataclass(eq=False)
class Route:
    """A handler with its place in the API.

    public: needs no token. takes: the media type of the body, if it has one. limit: bytes of the body. media: of an
    answer that is not JSON. errors: statuses that it answers with besides those that every route has. head: a GET that
    answers HEAD too, without its body.
    """

    method: str
    path: str
    handler: Handler
    status: int = 200
    summary: str = ""
    public: bool = False
    limit: int = JSON_LIMIT
    media: str = JSON
    errors: tuple[int, ...] = ()
    result: Any = None
    head: bool = False

    @cached_property
    def hints(self) -> dict[str, Any]:
        return typing.get_type_hints(self.handler, include_extras=True)

    @cached_property
    def body(self) -> Any:
        """The annotation of the body, or None."""
        return self.hints.get("body")

    @property
    def takes(self) -> str | None:
        if self.body is None:
            return JSON if self.method in ("POST", "PUT", "PATCH") else None
        return BYTES if self.body in (bytes, Incoming) else JSON

    @cached_property
    def parameters(self) -> list[Parameter]:
        in_path = set(re.findall(r"{(\w+)", self.path))
        found = []
        for name, parameter in inspect.signature(self.handler).parameters.items():
            if name not in ("request", "services", "body"):
                where = "path" if name in in_path else "query"
                hint = self.hints[name]
                found.append(Parameter(name, where, hint, parameter.default, TypeAdapter(hint)))
        return found

    @cached_property
    def answer(self) -> Any:
        """The model of the answer; None: nothing, or bytes."""
        found = self.result or self.hints.get("return")
        plain = isinstance(found, type) and issubclass(found, (web.StreamResponse, type(None)))
        return None if plain else found

    @cached_property
    def _body_adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.body)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(inspect.signature(self.handler).parameters)

    async def __call__(self, request: web.Request, services: Services) -> web.StreamResponse:
        """Read the parameters and the body, run the handler, write its answer."""
        arguments: dict[str, Any] = {p.name: p.read(request) for p in self.parameters}
        if "request" in self._names:
            arguments["request"] = request
        if "services" in self._names:
            arguments["services"] = services
        if self.body is not None:
            arguments["body"] = await self._read_body(request)
        elif self.takes == JSON and request.can_read_body:
            await self._empty(request)
        return self.respond(await self.handler(**arguments))

    async def _read_body(self, request: web.Request) -> Any:
        if self.body is Incoming:
            return Incoming(request, self.limit)
        data = await read_all(request, self.limit)
        if self.body is bytes:
            return data
        document = read_json(data) if len(data) <= IN_LOOP else await asyncio.to_thread(read_json, data)
        try:
            return self._body_adapter.validate_python(document, strict=True)
        except ValidationError as error:
            raise HTTPProblem(400, "The body does not fit", problems=shape_items(error)) from None

    async def _empty(self, request: web.Request) -> None:
        """A request without content still says `{}`: a form of another site cannot send that."""
        if parse_json(await read_all(request, 1024)) != {}:
            raise HTTPProblem(400, "The body does not fit", "this takes an empty object: {}")

    def respond(self, result: Any) -> web.StreamResponse:
        if isinstance(result, web.StreamResponse):
            return result
        if result is None:
            return web.Response(status=204)
        return json_response(result, status=self.status)


def json_response(result: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Models, or lists of them, as JSON. Integers are written in full: the canvas reads them as BigInt."""
    if isinstance(result, Model):
        data = result.model_dump_json().encode()
    else:
        data = b"[" + b",".join(item.model_dump_json().encode() for item in result) + b"]"
    return web.Response(body=data, status=status, content_type=JSON, charset="utf-8", headers=headers)


def route(
    method: str,
    path: str,
    *,
    status: int = 200,
    summary: str = "",
    public: bool = False,
    limit: int = JSON_LIMIT,
    media: str = JSON,
    errors: tuple[int, ...] = (),
    result: Any = None,
    head: bool = False,
) -> Callable[[Handler], Handler]:
    """Put a handler into the table; see the module's docstring.

    Args:
        status: of the answer, if the handler gives a model back. public: needs no token.
        limit: bytes of the body. media: the media type of an answer that is a `web.Response`.
        errors: statuses that it answers with besides 400, 401, 403, 421 and 500.
        result: the model of the answer, where the handler makes the response itself (for headers).
        head: HEAD is answered too, as GET but without the body.
    """

    def decorate(handler: Handler) -> Handler:
        text = summary or (inspect.getdoc(handler) or "").partition("\n")[0]
        ROUTES.append(Route(method, path, handler, status, text, public, limit, media, errors, result, head))
        return handler

    return decorate
