"""JSON Schemas of what `--json` prints: programs rely on it."""

from __future__ import annotations

from typing import Any

import jsonschema

TEXT = {"type": "string"}
KEY = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
COUNT = {"type": "integer", "minimum": 0}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _list(item: Any) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _by_name(item: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": item}


PROBLEM = _object(
    {"name": TEXT, "code": {"pattern": "^NF[0-9]{3}$"}, "message": TEXT, "severity": {"enum": ["error", "warning"]}},
    {"place": TEXT, "expected": TEXT, "got": TEXT, "hint": TEXT},
)
FAILURE = _object({"node": TEXT, "op": TEXT, "message": TEXT, "inputs": _by_name(TEXT), "traceback": TEXT})
COUNTS = _object(dict.fromkeys(("steps", "computed", "cached", "failed", "blocked", "cancelled", "not_needed"), COUNT))
RUN = _object(
    {
        "run": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "state": {"enum": ["completed", "failed", "cancelled"]},
        "exit_code": COUNT,
        "seconds": {"type": "number"},
        "counts": COUNTS,
        "outputs": _by_name(_object({"key": TEXT, "files": _list(TEXT)}, {"value": {}})),
        "saved": _by_name(_list(TEXT)),
        "failures": _list(FAILURE),
        "warnings": _list(_object({"node": TEXT, "message": TEXT})),
        "problems": _list(PROBLEM),
    }
)
REFUSED = _object({"state": {"const": "refused"}, "exit_code": COUNT, "problems": _list(PROBLEM)})
CHECK = _object(
    {
        "ok": {"type": "boolean"},
        "files": _list(_object({"file": TEXT, "ok": {"type": "boolean"}, "problems": _list(PROBLEM)})),
    }
)
DIFFERENCE = _object({"part": TEXT, "then": {}, "now": {}})
PLAN = _object(
    {
        "numeric": TEXT,
        "steps": _list(
            _object(
                {
                    "id": TEXT,
                    "op": TEXT,
                    "key": KEY,
                    "state": {"enum": ["cached", "run", "if asked", "not needed"]},
                    "why": TEXT,
                    "changed": _list(DIFFERENCE),
                    "inputs": _by_name(_list(TEXT)),
                }
            )
        ),
        "outputs": _by_name(TEXT),
        "targets": _list(TEXT),
        "muted": _list(TEXT),
        "warnings": _list(PROBLEM),
        "counts": _by_name(COUNT),
    }
)
WHY = _object(
    {
        "a": KEY,
        "b": KEY,
        "same": {"type": "boolean"},
        "compared": _list(
            _object(
                {
                    "a": KEY,
                    "b": KEY,
                    "path": _list(TEXT),
                    "ops": _list(TEXT),
                    "known": {"type": "boolean"},
                    "root_cause": {"type": "boolean"},
                    "differences": _list(_object({"part": TEXT, "a": {}, "b": {}})),
                }
            )
        ),
    }
)
NODES = _object(
    {
        "nodes": _list(_object({"op": TEXT, "title": TEXT, "category": TEXT, "summary": TEXT, "pack": TEXT})),
        "failed_packs": _list(TEXT),
    }
)
MODELS = _object(
    {
        "folders": _list(TEXT),
        "models": _by_name(_list(_object({"name": TEXT, "path": TEXT, "from": TEXT, "bytes": COUNT}))),
    }
)
CACHE = _object({"path": TEXT, "entries": COUNT, "bytes": COUNT, "budget": COUNT})


def fits(document: Any, schema: dict[str, Any]) -> Any:
    """The document, if it has the shape."""
    jsonschema.validate(document, schema)
    return document
