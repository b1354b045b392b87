"""The JSON Schema of recipes, made from the document's own classes; the committed copy is in `docs/schema/`."""

from __future__ import annotations

from typing import Any

from nodeflow.migrate import FORMAT
from nodeflow.workflow import Workflow

ID = "urn:nodeflow:schema:nodeflow-1"


def recipe_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a recipe: keys that it does not know are refused unless they begin with `x-`."""
    made = Workflow.model_json_schema()
    parts: dict[str, Any] = made["$defs"]
    for name in ("Input", "Node", "Workflow"):
        _strict(parts[name])
    whole = {**parts["Workflow"], "required": ["format"]}
    parts["Workflow"]["description"] = "A sub-workflow: a recipe within a recipe."
    parts["Sub-workflow"] = parts.pop("Workflow")
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        **whole,
        "title": f"A nodeflow recipe ({FORMAT})",
        "description": "What to compute: nodes, the links between them, declared inputs and outputs.",
        "$defs": parts,
    }
    result = _moved(document)
    assert isinstance(result, dict)
    return result


def _strict(part: dict[str, Any]) -> None:
    part["additionalProperties"] = False
    part["patternProperties"] = {"^x-": {}}
    for prop in part["properties"].values():
        prop.pop("title", None)
        if "patternProperties" in prop:
            prop["additionalProperties"] = False


def _moved(value: Any) -> Any:
    """The schema with references to the class's name leading to that of the schema's part."""
    if isinstance(value, dict):
        return {
            key: "#/$defs/Sub-workflow" if key == "$ref" and item == "#/$defs/Workflow" else _moved(item)
            for key, item in value.items()
        }
    return [_moved(item) for item in value] if isinstance(value, list) else value
