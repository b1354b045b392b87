"""The OpenAPI 3.1 document of the routes, made of the same annotations that the handlers are called by."""

from __future__ import annotations

import http
import inspect
import typing
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from nodeflow.server.openapi import BYTES, JSON, Parameter, Route
from nodeflow.server.problem import MEDIA as PROBLEM
from nodeflow.server.schema import Model, ProblemDocument


def document(routes: list[Route], version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 description of these routes."""
    models: list[Any] = [(m, "validation") for r in routes for m in _models(r.body)]
    models += [(m, "serialization") for r in routes for m in [*_models(r.answer), ProblemDocument]]
    names, schemas = models_json_schema(list(dict.fromkeys(models)), ref_template="#/components/schemas/{model}")
    paths: dict[str, dict[str, Any]] = {}
    for one in routes:
        operations = paths.setdefault(one.path, {})
        operations[one.method.lower()] = _operation(one, names)
        if one.head:
            operations["head"] = _without_body(operations["get"])
    return {
        "openapi": "3.1.0",
        "info": {"title": "nodeflow", "version": version, "license": {"name": "Apache-2.0"}},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _models(annotation: Any) -> list[type[Model]]:
    """The models that an annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return [annotation]
    return [m for part in typing.get_args(annotation) for m in _models(part)]


def _operation(one: Route, names: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": getattr(one.handler, "__name__", one.path), "summary": one.summary}
    if one.public:
        operation["security"] = []
    if one.parameters:
        operation["parameters"] = [_parameter(p) for p in one.parameters]
    if one.takes is not None:
        schema: dict[str, Any] = {} if one.takes == BYTES else {"type": "object", "maxProperties": 0}
        if one.takes == JSON and one.body is not None:
            schema = _schema(one.body, names, "validation")
        operation["requestBody"] = {"required": True, "content": {one.takes: {"schema": schema}}}
    nothing = one.hints.get("return") is type(None)
    good: dict[str, Any] = {"description": one.summary}
    if not nothing:
        content = {"schema": _schema(one.answer, names, "serialization")} if one.answer is not None else {}
        good["content"] = {one.media: content}
    bad = {"content": {PROBLEM: {"schema": _schema(ProblemDocument, names, "serialization")}}}
    usual = () if one.public else (401, 415, 413)
    answers = operation["responses"] = {
        str(204 if nothing else one.status): good,
        **{str(s): {"description": _reason(s), **bad} for s in sorted({400, 403, 404, 421, 500, *usual, *one.errors})},
    }
    if 416 in one.errors:
        answers["206"] = {"description": "The part that Range asks for.", "content": good["content"]}
    if one.head:
        answers["304"] = {"description": "The client has this version already."}
    if one.media == "text/html":
        answers["401"]["content"] = {"text/html": {}}  # a page that says how to sign in
    return operation


def _without_body(operation: dict[str, Any]) -> dict[str, Any]:
    """HEAD, of GET."""
    plain = {s: {"description": a["description"]} for s, a in operation["responses"].items() if s not in ("206", "416")}
    return {**operation, "operationId": f"{operation['operationId']}_head", "responses": plain}


def _reason(status: int) -> str:
    return http.HTTPStatus(status).phrase


def _parameter(parameter: Parameter) -> dict[str, Any]:
    required = parameter.default is inspect.Parameter.empty
    schema = parameter.adapter.json_schema()
    if not required and parameter.default is not None:
        schema["default"] = parameter.default
    return {"name": parameter.name, "in": parameter.where, "required": required, "schema": schema}


def _schema(annotation: Any, names: Any, mode: str) -> dict[str, Any]:
    if typing.get_origin(annotation) is list:
        return {"type": "array", "items": _schema(typing.get_args(annotation)[0], names, mode)}
    if (annotation, mode) in names:
        return dict(names[annotation, mode])
    return dict(TypeAdapter(annotation).json_schema())
