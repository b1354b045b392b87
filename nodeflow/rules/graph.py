"""Rules about the graph as a whole and about what a recipe declares."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from nodeflow.edges import describe
from nodeflow.problems import did_you_mean
from nodeflow.rules.finding import Finding
from nodeflow.rules.scope import Scope, sources


def graph_findings(scope: Scope) -> Iterator[Finding]:
    """Rules about the graph as a whole: cycles, and nodes that nothing needs."""
    ordered = set(scope.order)
    if left := [name for name in scope.nodes if name not in ordered]:
        import networkx as nx

        graph = nx.DiGraph()
        for name in left:
            graph.add_edges_from((link.partition(".")[0], name) for _, link in sources(scope.nodes[name].node))
        for component in nx.strongly_connected_components(graph):
            if path := _loop(graph, component):
                message = f"these nodes feed each other: {' → '.join(path)}"
                yield Finding("NF109", f"nodes.{path[0]}", message, hint="remove a link")
    needed = needed_by(scope, targets(scope))
    for name in scope.order:
        if name not in needed and scope.nodes[name].node.mode == "active":
            message = "no output needs this node, so it does not run"
            yield Finding("NF110", f"nodes.{name}", message, hint="declare an output", severity="warning")


def _loop(graph: Any, component: set[str]) -> list[str]:
    """A shortest way from the first node of a strongly connected component (by name) back to it; empty if there is
    none. The same in every process: sets are asked, never walked."""
    start = min(component)
    came_from: dict[str, str] = {}
    todo = deque([start])
    while todo and start not in came_from:
        node = todo.popleft()
        for after in graph.successors(node):
            if after in component and after not in came_from:
                came_from[after] = node
                todo.append(after)
    path = [start] if start in came_from else []
    while path and (len(path) == 1 or path[-1] != start):
        path.append(came_from[path[-1]])
    return path[::-1]


def targets(scope: Scope) -> list[str]:
    """The nodes a run is for: those of declared outputs and those with effects; if there are none, all end points."""
    wanted = [link.partition(".")[0] for link in scope.workflow.outputs.values()]
    wanted += [name for name, view in scope.nodes.items() if view.op is not None and view.op.effects]
    if not wanted:
        used = {link.partition(".")[0] for view in scope.nodes.values() for _, link in sources(view.node)}
        wanted = [name for name in scope.nodes if name not in used]
    return list(dict.fromkeys(name for name in wanted if name in scope.nodes))


def needed_by(scope: Scope, wanted: list[str]) -> set[str]:
    """The nodes that the wanted ones need, themselves included."""
    needed: set[str] = set()
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name not in needed and name in scope.nodes:
            needed.add(name)
            todo += [link.partition(".")[0] for _, link in sources(scope.nodes[name].node)]
    return needed


def declared_findings(scope: Scope) -> Iterator[Finding]:
    """Rules about declared inputs and outputs."""
    workflow = scope.workflow
    feeds: dict[str, str] = {}
    for name, part in workflow.inputs.items():
        held: list[Any] = []
        for target in part.to:
            if (other := feeds.setdefault(target, name)) != name:
                message = f"{target!r} is fed by the declared input {other!r} already"
                yield Finding("NF108", f"inputs.{name}", message, hint="remove it from one of them")
            node, _, port = target.partition(".")
            if node not in workflow.nodes:
                hint = did_you_mean(node, scope.names)
                yield Finding(
                    "NF401", f"inputs.{name}", f"{target!r} is no input: there is no node {node!r}", hint=hint
                )
                continue
            view = scope.nodes.get(node)
            if view is not None and port not in view.interface.inputs:
                hint = did_you_mean(port, view.interface.inputs)
                yield Finding("NF401", f"inputs.{name}", f"{view.node.op} has no input {port!r}", got=target, hint=hint)
            elif view is not None and port in view.node.links:
                yield Finding("NF108", f"inputs.{name}", f"{target!r} is linked, so it cannot be a declared input too")
            if port in workflow.nodes[node].values:
                held.append(workflow.nodes[node].values[port])
        if any(value != held[0] or type(value) is not type(held[0]) for value in held[1:]):
            got = ", ".join(describe(v, 30) for v in held)
            message = "the ports it feeds hold different values; the first counts"
            yield Finding("NF403", f"inputs.{name}", message, got=got, severity="warning")
    for name, link in workflow.outputs.items():
        node, _, port = link.partition(".")
        if node not in workflow.nodes:
            hint = did_you_mean(node, scope.names)
            yield Finding("NF402", f"outputs.{name}", f"there is no node {node!r}", got=repr(link), hint=hint)
        elif (view := scope.nodes.get(node)) and port not in view.interface.outputs:
            hint = did_you_mean(port, view.interface.outputs)
            yield Finding(
                "NF402", f"outputs.{name}", f"{view.node.op} has no output {port!r}", got=repr(link), hint=hint
            )
