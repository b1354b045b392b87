"""From the nodes that run to a recipe: each by its rule, or kept as a placeholder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nodeflow.comfy.graph import Graph, Item, Source
from nodeflow.comfy.maker import Maker, rule_for
from nodeflow.comfy.placeholder import nearest_ops, port_names
from nodeflow.comfy.report import Report, shown
from nodeflow.comfy.widgets import defaults
from nodeflow.workflow import Workflow


@dataclass(frozen=True)
class Converted:
    """A recipe, still flat. owners: by node, the path of the sub-graph's instance that it lies in, or "". promoted: by
    port, the instance whose value it has, and that value's name there. outputs: by instance, its outputs' names and the
    ports that they are of."""

    workflow: Workflow
    owners: dict[str, str]
    promoted: dict[str, tuple[str, str]]
    outputs: dict[str, list[tuple[str, str]]]


def convert(graph: Graph, report: Report, ops: Iterable[str], title: str = "") -> Converted:
    """A recipe of a graph's nodes. What cannot be converted is a placeholder and a finding.

    Args:
        ops: names of the ops there are, for "the nearest is". title: of the recipe.
    """
    maker = Maker(graph, report)
    ops = list(ops)
    active = [item for item in graph.items.values() if not item.off]
    reasons: dict[str, str] = {}
    for item in graph.items.values():
        rule, reason = rule_for(item, graph)
        if rule is not None:
            maker.rules[item.id] = rule
        else:
            reasons[item.id] = reason
    report.nodes = len(active)
    report.converted = sum(item.id in maker.rules for item in active)
    for item in graph.items.values():
        if item.off:
            report.add("left-out", "it is muted or bypassed, or in a sub-graph that is", item.id, item.type)
            if item.id not in maker.rules:
                continue
        _make(maker, item, reasons, ops, report)
    maker.finish()
    document = {"format": "nodeflow/1", "nodes": maker.nodes, "layout": _layout(maker)}
    if title:
        document["title"] = title[:1000]
    document["outputs"] = _outputs(maker, active)
    document["inputs"] = _inputs(maker)
    workflow = Workflow.from_json({k: v for k, v in document.items() if v or k == "nodes"})
    owners = {name: item.rpartition(":")[0] for item, names in maker.parts.items() for name in names}
    placed = ((port, graph.items[item].promoted.get(name)) for (item, name), port in maker.placed.items())
    outputs = {
        path: [(name, link) for name, source in instance.outputs if (link := maker.link(source)) is not None]
        for path, instance in graph.instances.items()
    }
    return Converted(workflow, owners, {port: where for port, where in placed if where is not None}, outputs)


def _make(maker: Maker, item: Item, reasons: dict[str, str], ops: list[str], report: Report) -> None:
    rule = maker.rules.get(item.id)
    if rule is None:
        near = nearest_ops(item.type, ops)
        hint = f"nearest: {', '.join(near)}" if near else ""
        report.add("unknown-node", reasons[item.id], item.id, item.type, hint=hint)
        maker.placeholder(item)
        return
    if rule.note and not item.off:
        report.add("changed-meaning", rule.note, item.id, item.type)
    if rule.build is None:
        maker.node(item, rule.ports, {})
    else:
        rule.build(maker, item)
    if item.off:
        for name in maker.parts.get(item.id, ()):
            maker.nodes[name]["mode"] = "muted"
    _lost(item, maker, report)


def _lost(item: Item, maker: Maker, report: Report) -> None:
    """Inputs that nothing was made of, unless they have no influence or their usual value."""
    rule = maker.rules[item.id]
    usual = defaults(item.type)
    known = {*rule.ports, *rule.ignores.split(), *(usual if rule.build else ())}
    for name, value in item.inputs.items():
        built = rule.build is not None and isinstance(value, Source)
        if name in known or built or usual.get(name, object()) == value:
            continue
        if not isinstance(value, Source) and value in (None, "", "image", False):
            continue
        got = "a link" if isinstance(value, Source) else shown(value)
        report.add("lost-input", f"{name!r} is not an input here", item.id, item.type, got=got)


def _layout(maker: Maker) -> dict[str, Any]:
    layout: dict[str, Any] = dict(maker.graph.layout)
    for item in maker.graph.items.values():
        for index, name in enumerate(maker.parts.get(item.id, ()) if item.at else ()):
            at = item.at or [0, 0]
            layout[name] = {"at": [at[0] + 30 * index, at[1] + 30 * index]}
    return layout


def _outputs(maker: Maker, active: list[Item]) -> dict[str, str]:
    """What viewing nodes show; if nothing is shown or saved, what ends are."""
    result: dict[str, str] = {}
    for item in active:
        rule = maker.rules.get(item.id)
        if rule is not None and rule.show and maker.id_of(item.id) in maker.nodes:
            result[_fresh(rule.show, result)] = maker.port(item, "", rule.show)
    return result


def _fresh(name: str, taken: Iterable[str]) -> str:
    taken = set(taken)
    number, fresh = 2, name
    while fresh in taken:
        fresh, number = f"{name}_{number}", number + 1
    return fresh


def _inputs(maker: Maker) -> dict[str, Any]:
    """What primitive nodes give to several inputs, and the author's own form, as declared inputs."""
    result: dict[str, Any] = {}
    declared: set[str] = set()

    def declare(name: str, links: list[str]) -> None:
        links = [link for link in dict.fromkeys(links) if link not in declared and _valued(maker, link)]
        values = [maker.nodes[n]["values"][p] for n, _, p in (link.partition(".") for link in links)]
        if links and all(v == values[0] and type(v) is type(values[0]) for v in values):
            declared.update(links)
            name = next(iter(port_names([name]).values()))
            result[_fresh(name, result)] = {"to": links}

    for targets in maker.mapped.values():
        declare(targets[0][1], [link for link, _ in targets])
    for item, name in maker.graph.form:
        if (item, name) in maker.placed:
            declare(name, [maker.placed[item, name]])
    return result


def _valued(maker: Maker, link: str) -> bool:
    node, _, port = link.partition(".")
    return port in maker.nodes.get(node, {}).get("values", {}) and not maker.nodes[node]["op"].startswith("comfyui/")
