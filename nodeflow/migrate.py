"""Migrations: older documents and older node versions are brought up to date by small pure functions, in order.

Formats: one function per step in `_FORMATS`, from the older format's name to the next document. Nodes: a pack
registers `@migration("pack/name", 1)`, a function from the JSON of a node at version 1 to that at version 2; they are
applied one after another until the installed version is reached. Each has a test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from nodeflow.errors import NodeflowError
from nodeflow.problems import Problem, ProblemsError

FORMAT: Literal["nodeflow/1"] = "nodeflow/1"

DocumentStep = Callable[[dict[str, Any]], dict[str, Any]]
NodeStep = Callable[[dict[str, Any]], dict[str, Any]]

_FORMATS: dict[str, DocumentStep] = {}
_NODES: dict[tuple[str, int], NodeStep] = {}


def migration(op: str, version: int) -> Callable[[NodeStep], NodeStep]:
    """Register how the JSON of a node `op@version` becomes that of `op@(version + 1)`.

    The function gets the node as a dict with `values`, `links`, ... and returns a new one; `op` is set for it. Ports
    that were renamed are put under `"renamed_outputs": {old: new}` and `"renamed_inputs": {old: new}`, so that links
    from the node and declared inputs go on; its own values and links are the function's to rename.
    """

    def register(step: NodeStep) -> NodeStep:
        _NODES[op, version] = step
        return step

    return register


def migrate_document(document: Any, *, source: str = "") -> dict[str, Any]:
    """Bring a document to the current format.

    Raises:
        ProblemsError: NF003 if it is no recipe, or of an unknown or newer format.
    """
    if not isinstance(document, dict):
        problem = Problem("NF003", "", "the document is no recipe", "an object", type(document).__name__)
        raise ProblemsError([problem], source)
    found = document.get("format")
    seen = 0
    while isinstance(found, str) and found in _FORMATS and seen < len(_FORMATS):
        document = _FORMATS[found](document)
        found = document.get("format")
        seen += 1
    if found != FORMAT:
        raise ProblemsError([_wrong_format(document, found)], source)
    return dict(document)


def _wrong_format(document: dict[str, Any], found: Any) -> Problem:
    got = "no format" if found is None else repr(found)[:80]
    hint = ""
    if isinstance(found, str) and found.startswith("nodeflow/"):
        hint = "made by a newer nodeflow? upgrade with: pip install -U nodeflow-engine"
    elif isinstance(document.get("nodes"), list) or any(
        isinstance(v, dict) and "class_type" in v for v in document.values()
    ):
        hint = "this is a ComfyUI workflow; make a recipe of it with: nodeflow import FILE"
    return Problem("NF003", "format", "not a recipe of this version", repr(FORMAT), got, hint)


def migrate_node(op: str, version: int, installed: int, node: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON of a node at the installed version, with all `renamed_...`; None if no chain of migrations leads there.

    Raises:
        NodeflowError: if a migration fails on this node.
    """
    renamed: dict[str, dict[str, str]] = {"renamed_inputs": {}, "renamed_outputs": {}}
    while version < installed:
        step = _NODES.get((op, version))
        if step is None:
            return None
        try:
            node = {"values": {}, "links": {}, **step({"values": {}, "links": {}, **node})}
        except Exception as error:
            raise NodeflowError(f"the migration of {op}@{version} failed: {type(error).__name__}: {error}") from error
        version += 1
        node["op"] = f"{op}@{version}"
        for kind in renamed:
            renamed[kind] = _composed(renamed[kind], node.pop(kind, {}))
    return {**node, **renamed} if version == installed else None


def _composed(first: dict[str, str], then: dict[str, str]) -> dict[str, str]:
    """Renaming twice."""
    taken = set(first.values())
    return {
        **{old: then.get(new, new) for old, new in first.items()},
        **{old: new for old, new in then.items() if old not in taken and old not in first},
    }
