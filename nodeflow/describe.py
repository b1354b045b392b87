"""Ops in words and as JSON: what clients show of the catalogue. Never imports what the nodes compute with."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

from nodeflow.annotations import Choices, InputFile, ModelFile, Multiline, Range, SeedWidget
from nodeflow.op import Op
from nodeflow.ports import Port
from nodeflow.problems import nearest
from nodeflow.registry import Catalogue, Pack


def describe_op(op: Op, pack: Pack | None = None) -> dict[str, Any]:
    """Everything about an op that is not code: ports with types, ranges, defaults and texts; flags; JSON Schema.

    `schema` describes a node's `values`: ports that need a link are not in it.
    """
    takes = {name: port for name, port in op.inputs.items() if port.takes_values}
    return {
        "op": op.id,
        "name": op.name,
        "version": op.version,
        "title": op.title,
        "category": op.category,
        "summary": op.doc.summary,
        "description": op.doc.body,
        "raises": op.doc.raises,
        "pack": {"name": pack.name, "distribution": pack.distribution, "version": pack.version} if pack else None,
        "inputs": [describe_port(port) for port in op.inputs.values()],
        "outputs": [{"name": p.name, "type": str(p.type), "doc": p.doc} for p in op.outputs.values()],
        "cacheable": op.cacheable,
        "effects": op.effects,
        "device": op.device,
        "deprecated": op.deprecated,
        "schema": {
            "type": "object",
            "properties": {name: port_schema(port) for name, port in takes.items()},
            "additionalProperties": op.body_port is not None,
        },
    }


def describe_port(port: Port) -> dict[str, Any]:
    """An input port as JSON; keys that say nothing are left out."""
    span: Range | None = port.extra(Range)
    model: ModelFile | None = port.extra(ModelFile)
    file: InputFile | None = port.extra(InputFile)
    widget = "seed" if port.extra(SeedWidget) else "multiline" if port.extra(Multiline) else None
    found = {
        "name": port.name,
        "type": str(port.type),
        "required": port.required,
        "default": None if port.required else plain(port.default),
        "min": span.ge if span else _limit(port, "ge"),
        "max": span.le if span else _limit(port, "le"),
        "step": span.step if span else None,
        "unit": span.unit if span else None,
        "choices": choices_of(port),
        "models": model.folder if model else None,
        "suffixes": list(file.suffixes) if file and file.suffixes else None,
        "widget": widget,
        "lazy": port.lazy or None,
        "link_only": None if port.takes_values else True,
        "doc": port.doc,
    }
    kept = {"name", "type", "required", "doc"} | (set() if port.required else {"default"})
    return {key: value for key, value in found.items() if key in kept or value not in (None, "", [])}


def _limit(port: Port, name: str) -> Any:
    return next((getattr(m, name) for m in port.metadata if getattr(m, name, None) is not None), None)


def choices_of(port: Port) -> list[Any] | None:
    """The values a port may have now, if they are a list."""
    if port.choices is not None:
        return list(port.choices)
    provider: Choices | None = port.extra(Choices)
    return list(provider.provider()) if provider else None


def port_schema(port: Port) -> dict[str, Any]:
    """JSON Schema of a port's literal values, with its text and default."""
    schema = port.json_schema()
    if choices := (None if port.choices else choices_of(port)):
        schema["enum"] = choices
    if port.doc:
        schema["description"] = port.doc
    if not port.required:
        schema["default"] = plain(port.default)
    return schema


def plain(value: Any) -> Any:
    """A default as a recipe writes it."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def search(catalogue: Catalogue, query: str = "") -> list[Op]:
    """Ops that fit a query, best first: every word in the name, title or summary; else names that look alike."""
    ops = {name: op for name, op in catalogue.ops.items() if op.category != "engine"}  # that one is the engine's own
    words = query.lower().split()
    if not words:
        return [op for _, op in sorted(ops.items())]
    ranked = []
    for name, op in ops.items():
        text = f"{name} {op.title} {op.doc.summary}".lower()
        if all(word in text for word in words):
            ranked.append((not all(word in name for word in words), op.deprecated is not None, name))
    names = [name for *_, name in sorted(ranked)] or _alike(query, ops)
    return [ops[name] for name in names]


def _alike(query: str, names: Iterable[str]) -> list[str]:
    """Names that look like the query, whole or in their last part."""
    tails: dict[str, list[str]] = {}
    for name in names:
        tails.setdefault(name.rpartition("/")[2], []).append(name)
    wanted = query.lower().replace(" ", "_")
    found = [name for tail in nearest(wanted, tails, limit=6) for name in tails.get(tail, [])]
    return list(dict.fromkeys([*nearest(wanted, names, limit=6), *found]))
