"""A recipe without definitions: each node that stands for one is replaced by the definition's nodes.

The opposite of `fold`, for formats that have no sub-graphs. Nodes that are mapped over a list, muted or bypassed stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nodeflow.comfy.fold import KEY, fresh
from nodeflow.problems import Problem, ProblemsError
from nodeflow.workflow import SUBWORKFLOW, Workflow

MAX_NODES = 20_000
MAX_DEPTH = 40
Doc = dict[str, Any]
Targets = dict[str, dict[str, list[str]]]
Links = dict[str, dict[str, str]]


def unfold(workflow: Workflow) -> Workflow:
    """The recipe with the nodes of its definitions in the place of those that stand for them.

    Raises:
        ProblemsError: NF112 or NF115: a definition is missing or contains itself, or there are too many nodes.
    """
    if not workflow.definitions:
        return workflow
    document = workflow.to_json()
    inputs: Targets = {}
    outputs: Links = {}
    known = document.pop("definitions")
    todo = [(name, known, 0) for name in document["nodes"]]
    while todo:
        name, around, depth = todo.pop()
        node = document["nodes"][name]
        if not _stands(node):
            continue
        definition = around.get(node["op"].removeprefix(SUBWORKFLOW))
        if definition is None:
            raise ProblemsError([Problem("NF112", f"nodes.{name}", "no such definition", got=node["op"])])
        inner, inputs[name], outputs[name] = _replaced(document["nodes"], name, node, definition)
        if own := definition.get("definitions"):
            around = {**around, **own}
        todo += [(each, around, depth + 1) for each in inner]
        if depth > MAX_DEPTH or len(document["nodes"]) > MAX_NODES:
            message = f"more than {MAX_NODES:,} nodes, or definitions that nest too deeply or contain themselves"
            raise ProblemsError([Problem("NF115", "definitions", message)])
    _relinked(document, inputs, outputs)
    document.pop("layout", None)
    return Workflow.from_json(document)


def _stands(node: Doc) -> bool:
    plain = not node.get("each") and not node.get("product") and node.get("mode", "active") == "active"
    return plain and str(node["op"]).startswith(SUBWORKFLOW)


def _replaced(
    nodes: dict[str, Doc], host: str, node: Doc, definition: Doc
) -> tuple[list[str], dict[str, list[str]], dict[str, str]]:
    """Put a definition's nodes in the place of the one that stands for it: their names, the ports that each of its
    inputs leads to, and where each of its outputs comes from."""
    del nodes[host]
    about = node.get(KEY)
    above = str(about.get("id", host)) if isinstance(about, dict) else host
    names: dict[str, str] = {}
    for inner, part in definition.get("nodes", {}).items():
        names[inner] = fresh(f"{host}-{inner}", nodes)
        made = {**part, "values": dict(part.get("values", {})), "links": dict(part.get("links", {}))}
        if isinstance(memory := part.get(KEY), dict):
            made[KEY] = {**memory, "id": f"{above}:{memory.get('id', inner)}"}
        nodes[names[inner]] = made

    def inside(link: str) -> str:
        name, _, port = link.partition(".")
        return f"{names.get(name, name)}.{port}"

    for name in names.values():
        _relink(nodes[name], inside)
    targets = {n: [inside(t) for t in declared["to"]] for n, declared in definition.get("inputs", {}).items()}
    for given, places in targets.items():
        for place in places:
            name, _, port = place.partition(".")
            if name not in nodes:
                continue
            if given in node.get("links", {}):
                nodes[name]["links"][port] = node["links"][given]
                nodes[name]["values"].pop(port, None)
            elif given in node.get("values", {}):
                nodes[name]["values"][port] = node["values"][given]
                nodes[name]["links"].pop(port, None)
    return list(names.values()), targets, {n: inside(k) for n, k in definition.get("outputs", {}).items()}


def _relinked(document: Doc, inputs: Targets, outputs: Links) -> None:
    """What led to nodes that stood for definitions leads to what is in their place."""

    def source(link: str) -> str:
        for _ in range(MAX_DEPTH + 2):
            name, _, port = link.partition(".")
            if port not in outputs.get(name, {}):
                break
            link = outputs[name][port]
        return link

    def targets(place: str, depth: int = 0) -> list[str]:
        name, _, port = place.partition(".")
        if port not in inputs.get(name, {}) or depth > MAX_DEPTH:
            return [place]
        return [end for inner in inputs[name][port] for end in targets(inner, depth + 1)]

    for node in document["nodes"].values():
        _relink(node, source)
    if "outputs" in document:
        document["outputs"] = {n: source(k) for n, k in document["outputs"].items()}
    for declared in document.get("inputs", {}).values():
        declared["to"] = list(dict.fromkeys(end for place in declared["to"] for end in targets(place)))


def _relink(node: Doc, moved: Callable[[str], str]) -> None:
    links = node.get("links", {})
    node["links"] = {p: [moved(o) for o in k] if isinstance(k, list) else moved(k) for p, k in links.items()}
