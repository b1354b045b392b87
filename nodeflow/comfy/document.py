"""ComfyUI's UI documents (0.4, 1.0, sub-graphs) as typed parts. Shapes only; `flatten` gives them their meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nodeflow.comfy.report import Report
from nodeflow.comfy.text import refuse, shorten

NOTES = ("Note", "MarkdownNote")
VIRTUAL = ("Reroute", "PrimitiveNode", "SetNode", "GetNode", *NOTES)
MUTED, BYPASSED = 2, 4
INPUT_SIDE, OUTPUT_SIDE = "-10", "-20"
MAX_LIST = 100_000


class Row(NamedTuple):
    """A link: from which output of which node."""

    origin: str
    slot: int
    target: str
    target_slot: int


class Socket(NamedTuple):
    name: str
    type: Any
    link: str
    widget: str


@dataclass
class UiNode:
    id: str
    type: str
    mode: int
    title: str
    inputs: list[Socket]
    outputs: list[Any]
    values: Any
    named: Any
    properties: dict[str, Any]
    at: list[float] | None

    def socket(self, name: str) -> Socket | None:
        return next((s for s in self.inputs if s.name == name), None)


class Boundary(NamedTuple):
    """An input or output of a definition."""

    name: str
    type: Any
    links: list[str]


@dataclass
class Scope:
    """The root graph, or a definition."""

    id: str
    name: str
    nodes: dict[str, UiNode] = field(default_factory=dict)
    links: dict[str, Row] = field(default_factory=dict)
    inputs: list[Boundary] = field(default_factory=list)
    outputs: list[Boundary] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)


def is_ui(document: Any) -> bool:
    """Whether a parsed document has ComfyUI's UI format."""
    if not isinstance(document, dict) or not isinstance(document.get("nodes"), list) or "format" in document:
        return False
    known = ("last_node_id", "last_link_id", "links", "state", "extra", "groups", "config", "version")
    return any(key in document for key in known) or any(
        isinstance(n, dict) and "type" in n for n in document["nodes"][:10]
    )


def version_of(document: dict[str, Any]) -> str:
    """`ui-0.4` or `ui-1.0`, by the shape of the links."""
    links = document.get("links")
    first = links[0] if isinstance(links, list) and links else None
    if first is None:
        return "ui-1.0" if document.get("version") == 1 else "ui-0.4"
    return "ui-1.0" if isinstance(first, dict) else "ui-0.4"


def read_scopes(document: dict[str, Any], report: Report) -> tuple[Scope, dict[str, Scope]]:
    """The root graph and the definitions by id."""
    if "version" not in document:
        report.add("repaired", f"the file does not say its version; by its links it is {version_of(document)}")
    definitions: dict[str, Scope] = {}
    found = document.get("definitions")
    listed = found.get("subgraphs") if isinstance(found, dict) else None
    for part in _items(listed):
        scope = _scope(part, report)
        if scope.id:
            definitions[scope.id] = scope
    return _scope(document, report), definitions


def _items(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list) and len(value) > MAX_LIST:
        raise refuse(f"a list has {len(value):,} items; at most {MAX_LIST:,} are read", code="NF115")
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def ident(value: Any) -> str:
    """An id, which may be a number or a text, as text; empty if it is neither."""
    return str(value) if type(value) is int or (isinstance(value, str) and len(value) <= 500) else ""


def whole(value: Any, default: int = 0) -> int:
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    return value if type(value) is int else default


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _scope(part: dict[str, Any], report: Report) -> Scope:
    scope = Scope(text(part.get("id")), text(part.get("name")))
    for node in _items(part.get("nodes")):
        read = _node(node)
        if not read.id or not isinstance(node.get("type"), str):
            report.add("repaired", "a node without an id or a type is left out", read.id)
        elif read.id in scope.nodes:
            report.add("repaired", "two nodes have this id; the last one counts", read.id, read.type)
            scope.nodes[read.id] = read
        else:
            scope.nodes[read.id] = read
    links = part.get("links")
    if isinstance(links, list) and len(links) > MAX_LIST:
        raise refuse(f"a list has {len(links):,} items; at most {MAX_LIST:,} are read", code="NF115")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, list) and len(link) >= 5:
            scope.links[ident(link[0])] = Row(ident(link[1]), whole(link[2]), ident(link[3]), whole(link[4]))
        elif isinstance(link, dict):
            scope.links[ident(link.get("id"))] = Row(
                ident(link.get("origin_id")),
                whole(link.get("origin_slot")),
                ident(link.get("target_id")),
                whole(link.get("target_slot")),
            )
        elif link is not None:
            report.add("repaired", "a link of an unknown shape is left out", got=shorten(repr(link)))
    scope.inputs = [_boundary(b) for b in _items(part.get("inputs"))]
    scope.outputs = [_boundary(b) for b in _items(part.get("outputs"))]
    scope.groups = _items(part.get("groups"))
    return scope


def _boundary(part: dict[str, Any]) -> Boundary:
    links = part.get("linkIds")
    return Boundary(
        text(part.get("name")), part.get("type"), [ident(i) for i in links] if isinstance(links, list) else []
    )


def _node(part: dict[str, Any]) -> UiNode:
    inputs = []
    for entry in _items(part.get("inputs")):
        widget = entry.get("widget")
        name = text(entry.get("name"))
        inputs.append(
            Socket(
                name,
                entry.get("type"),
                ident(entry.get("link")),
                (text(widget.get("name")) or name) if isinstance(widget, dict) else "",
            )
        )
    properties = part.get("properties")
    return UiNode(
        ident(part.get("id")),
        text(part.get("type")),
        whole(part.get("mode")),
        text(part.get("title")),
        inputs,
        [entry.get("type") for entry in _items(part.get("outputs"))],
        part.get("widgets_values"),
        part.get("widgets_values_named"),
        properties if isinstance(properties, dict) else {},
        pair(part.get("pos")),
    )


def pair(value: Any) -> list[float] | None:
    """`[x, y]` or `{"0": x, "1": y}`."""
    if isinstance(value, dict):
        value = [value.get("0"), value.get("1")]
    if isinstance(value, list) and len(value) >= 2 and all(type(v) in (int, float) for v in value[:2]):
        return [v if abs(v) < 1e9 else 0 for v in value[:2]]
    return None
