"""TypeScript types out of `schema`: `python -m nodeflow.server.typescript > web/src/api/types.ts`.

Each model becomes an interface of the same name with all its keys, as answers have them. A test checks that the file in
the repository is what this prints.
"""

from __future__ import annotations

import json
import sys
from typing import Any, get_args

from pydantic import TypeAdapter

from nodeflow.server import schema

HEAD = """/** Made from nodeflow/server/schema.py by `python -m nodeflow.server.typescript`. Do not edit. */

export type Document = { [key: string]: unknown };
"""
UNIONS = {"JobState": schema.JobState, "NodeState": schema.NodeState}
"""Types that are not models and have names of their own."""


def typescript() -> str:
    """The file's text."""
    models = [m for m in vars(schema).values() if isinstance(m, type) and issubclass(m, schema.Model)]
    models.remove(schema.Model)
    parts = [HEAD]
    parts += [f"export type {name} = {_union(_values(kind))};\n" for name, kind in UNIONS.items()]
    for model in models:
        found = TypeAdapter(model).json_schema(mode="serialization", ref_template="{model}")
        parts.append(_interface(model.__name__, found))
    events = TypeAdapter(schema.ServerEvent).json_schema(mode="serialization", ref_template="{model}")
    parts.append(f"export type ServerEvent = {_type(events)};\n")
    return "\n".join(parts)


def _values(kind: Any) -> list[Any]:
    return list(get_args(kind))


def _interface(name: str, found: dict[str, Any]) -> str:
    lines = [*_comment(found.get("description", ""), ""), f"export interface {name} {{"]
    for key, part in found.get("properties", {}).items():
        mark = "" if key in found.get("required", ()) else "?"
        lines += [*_comment(part.get("description", ""), "  "), f"  {key}{mark}: {_type(part)};"]
    return "\n".join([*lines, "}", ""])


def _comment(text: str, indent: str) -> list[str]:
    if not text:
        return []
    lines = text.replace("*/", "* /").splitlines()
    if len(lines) == 1:
        return [f"{indent}/** {lines[0]} */"]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]


_NAMED = {json.dumps(_values(kind)): name for name, kind in UNIONS.items()}
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def _union(values: list[Any]) -> str:
    return " | ".join(json.dumps(value) for value in values)


def _type(part: dict[str, Any]) -> str:
    """A JSON Schema as a TypeScript type."""
    if "$ref" in part:
        return str(part["$ref"])
    if "const" in part:
        return json.dumps(part["const"])
    if "enum" in part:
        return _NAMED.get(json.dumps(part["enum"])) or _union(part["enum"])
    if choices := part.get("anyOf") or part.get("oneOf"):
        return " | ".join(dict.fromkeys(_type(choice) for choice in choices))
    kind = part.get("type")
    if kind == "array":
        item = _type(part.get("items", {}))
        return f"({item})[]" if " | " in item else f"{item}[]"
    if kind == "object":
        inner = part.get("additionalProperties", True)
        return f"{{ [key: string]: {'unknown' if inner is True else _type(inner)} }}"
    return _PLAIN.get(str(kind), "unknown")


if __name__ == "__main__":
    sys.stdout.write(typescript())
