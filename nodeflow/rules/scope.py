"""Scopes: a recipe resolved against the installed ops, before any rule is applied.

Each node becomes a `NodeView` with its `Interface` (its ports, from its op or from the sub-workflow it stands for), and
each recipe or definition a `Scope` with the order in which its nodes can run. This module finds out; it judges only
what makes a node unusable: an op or a sub-workflow that cannot be found.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from nodeflow.edges import ANY, EdgeType, accepts, describe, edge_type, list_of
from nodeflow.errors import NodeflowError
from nodeflow.files import Files
from nodeflow.op import OP_NAME, OP_VERSION, Op
from nodeflow.ports import Port
from nodeflow.problems import Names, Problem, did_you_mean
from nodeflow.registry import Catalogue
from nodeflow.workflow import SUBWORKFLOW, Node, Workflow


class Interface(NamedTuple):
    """The ports of a node, wherever they come from."""

    inputs: dict[str, Port]
    outputs: dict[str, EdgeType]


@dataclass(slots=True)
class NodeView:
    """A node with what is known about it: its op or sub-workflow, ports, typed values and actual output types."""

    id: str
    node: Node
    interface: Interface
    op: Op | None = None
    scope: Scope | None = None
    values: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, EdgeType] = field(default_factory=dict)

    @property
    def mapped(self) -> tuple[str, ...]:
        return tuple(self.node.each or self.node.product)


@dataclass
class Scope:
    """A recipe or a definition, checked: its nodes, the order they can run in, and its interface.

    fed: by (node, port), the declared input that feeds it. height: how deep the definitions in it nest.
    """

    workflow: Workflow
    place: str
    nodes: dict[str, NodeView] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    definitions: dict[str, Scope] = field(default_factory=dict)
    fed: dict[tuple[str, str], str] = field(default_factory=dict)
    height: int = 0
    interface: Interface = field(default_factory=lambda: Interface({}, {}))

    @cached_property
    def used_outputs(self) -> dict[str, set[str]]:
        """By node, the outputs that another node or a declared output takes; asked for once all nodes are resolved."""
        used: dict[str, set[str]] = {}
        links = (link for view in self.nodes.values() for _, link in sources(view.node))
        for link in itertools.chain(links, self.workflow.outputs.values()):
            node, _, port = link.partition(".")
            used.setdefault(node, set()).add(port)
        return used

    @cached_property
    def names(self) -> Names:
        """The ids of its nodes, to look for what may have been meant."""
        return Names(self.workflow.nodes)

    @cached_property
    def has_effects(self) -> bool:
        """Whether a node in it, or in a sub-workflow that it uses, writes files; asked for once all is checked."""
        views = self.nodes.values()
        return any(v.op is not None and v.op.effects for v in views) or any(
            v.scope is not None and v.scope.has_effects for v in views
        )


class Session(NamedTuple):
    """What rules may look at besides the recipe."""

    catalogue: Catalogue
    files: Files


def resolve(
    name: str,
    node: Node,
    session: Session,
    definition: Callable[[str, str], Scope | None],
    problems: list[Problem],
    place: str,
) -> NodeView | None:
    """The node with its ports; None (and a problem) if its op cannot be found."""
    where = f"nodes.{name}.op"
    if node.op.startswith(SUBWORKFLOW):
        inner = definition(node.op.removeprefix(SUBWORKFLOW), where)
        return NodeView(name, node, inner.interface, scope=inner) if inner else None
    op_name, _, version = node.op.partition("@")
    op = session.catalogue.find(op_name)
    if op is None or version != str(op.version):
        problems.append(_op_problem(place + where, node.op, op, session.catalogue))
        return None
    try:
        body = op.body_port
        interface = _op_interface(op)
    except NodeflowError as error:
        problems.append(Problem("NF116", place + where, str(error)))
        return None
    if body is None:
        return NodeView(name, node, interface, op)
    inputs = {k: p for k, p in op.inputs.items() if k != "inputs"}
    chosen = node.values.get(body)
    inner = definition(chosen, f"nodes.{name}.values.{body}") if isinstance(chosen, str) else None
    if inner is None:
        return NodeView(
            name,
            node,
            Interface({**{k: Port(k, Any, default=None) for k in (*node.links, *node.values)}, **inputs}, {}),
            op,
        )
    over = node.values.get("over", []) if "over" in inputs else None
    ports, outputs = inner.interface
    for key, port in ports.items():
        in_list = isinstance(over, list) and key in over
        if key == "index":  # the control-flow node fills it in
            port = replace(port, default=0)
        inputs[key] = Port(key, list[port.annotation], port.doc) if in_list else port  # type: ignore[name-defined]
    if over is not None:
        outputs = {k: list_of(t) for k, t in outputs.items()}
    return NodeView(name, node, Interface(inputs, outputs), op, inner)


_INTERFACES: dict[int, tuple[Op, Interface]] = {}


def _op_interface(op: Op) -> Interface:
    cached = _INTERFACES.get(id(op))
    if cached is None:
        cached = op, Interface(op.inputs, {k: p.type for k, p in op.outputs.items()})
        _INTERFACES[id(op)] = cached
    return cached[1]


def _op_problem(place: str, written: str, op: Op | None, catalogue: Catalogue) -> Problem:
    """What is wrong with an op that is not installed as it is written."""
    name, _, version = written.partition("@")
    if not OP_NAME.fullmatch(name) or not OP_VERSION.fullmatch(version):
        hint = f"did you mean {op.id}?" if op else ""
        return Problem("NF101", place, "not an op", "pack/name@version", describe(written), hint)
    if op is not None:
        newer = int(version) > op.version
        hint = "upgrade its pack" if newer else "no migration is known"
        return Problem("NF103", place, f"{name} is installed in another version", f"@{op.version}", f"@{version}", hint)
    pack = name.partition("/")[0]
    if pack in catalogue.packs and catalogue.packs[pack].error:
        reason = catalogue.packs[pack].reason
        return Problem("NF116", place, f"the pack {pack!r} could not be loaded: {reason}", hint="see: nodeflow doctor")
    hint = did_you_mean(name, catalogue.ops) or "is its pack installed? see: nodeflow nodes"
    return Problem("NF102", place, f"no installed pack has {name!r}", hint=hint)


def sources(node: Node) -> Iterator[tuple[str, str]]:
    """(port, link) for every link of a node, lists of links one by one."""
    for port, link in node.links.items():
        if type(link) is str:
            yield port, link
        else:
            for one in link:
                yield port, one


def topological(scope: Scope) -> list[str]:
    """Node ids so that each comes after those it is fed by; what is in a cycle, or behind one, is left out."""
    waiting: dict[str, int] = {}
    feeds: dict[str, list[str]] = {}
    for name, view in scope.nodes.items():
        count = 0
        for _, link in sources(view.node):
            source = link.partition(".")[0]
            if source in scope.nodes:
                feeds.setdefault(source, []).append(name)
                count += 1
        waiting[name] = count
    ready = deque(name for name, count in waiting.items() if count == 0)
    order: list[str] = []
    while ready:
        name = ready.popleft()
        order.append(name)
        for target in feeds.get(name, ()):
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    return order


def output_types(view: NodeView, scope: Scope) -> dict[str, EdgeType]:
    """Output types with type variables filled in from what is linked, as lists where the node is mapped."""
    outputs = view.interface.outputs
    if any(_variable(t) is not None for t in outputs.values()):
        known: dict[Any, EdgeType] = {}
        for port, link in view.node.links.items():
            target = view.interface.inputs.get(port)
            if target is not None and port not in view.mapped:
                first = link if isinstance(link, str) else link[0] if link else ""
                offered = source_type(scope, first)
                _bind(target.type, list_of(offered) if offered and isinstance(link, list) else offered, known)
        for port, value in view.node.values.items():
            target = view.interface.inputs.get(port)
            if target is not None and port not in view.mapped and type(value) in (str, int, float, bool):
                _bind(target.type, edge_type(type(value)), known)
        outputs = {name: _filled_in(t, known) for name, t in outputs.items()}
    if view.mapped:
        outputs = {k: list_of(t) for k, t in outputs.items()}
    return outputs


def _variable(edge: EdgeType) -> Any:
    """The type variable in an edge type or in its items, if there is one."""
    return edge.variable or (edge.item.variable if edge.item else None)


def _bind(target: EdgeType, offered: EdgeType | None, known: dict[Any, EdgeType]) -> None:
    """Note what a type variable of an input stands for, given what is offered to that input."""
    if offered is not None and target.item is not None and offered.item is not None:
        target, offered = target.item, offered.item
    if offered is not None and target.variable is not None:
        known.setdefault(target.variable, offered)


def _filled_in(edge: EdgeType, known: dict[Any, EdgeType]) -> EdgeType:
    if edge.variable is not None:
        return known.get(edge.variable, ANY)
    if edge.item is not None and edge.item.variable is not None:
        return list_of(known.get(edge.item.variable, ANY))
    return edge


def source_type(scope: Scope, link: str) -> EdgeType | None:
    source, _, port = link.partition(".")
    view = scope.nodes.get(source)
    return view.outputs.get(port) if view else None


def interface_of(scope: Scope) -> Interface:
    """The ports that a recipe has when it is used as a node. What leads to a node whose op is not known (that is a
    problem already) takes and gives anything, so that one missing op is one problem."""
    inputs: dict[str, Port] = {}
    for name, part in scope.workflow.inputs.items():
        node, _, port = part.to[0].partition(".")
        view = scope.nodes.get(node)
        target = view.interface.inputs.get(port) if view else None
        if view is None or target is None:
            if view is None and node in scope.workflow.nodes:
                inputs[name] = Port(name, Any, part.description, default=None)
            continue
        default = scope.workflow.input_value(name, target.default)
        annotation = list[target.annotation] if port in view.mapped else target.annotation  # type: ignore[name-defined]
        metadata = () if port in view.mapped else target.metadata
        inputs[name] = Port(name, annotation, part.description or target.doc, default, metadata=metadata)
    types = {
        name: ANY if _unknown(scope, link) else source_type(scope, link)
        for name, link in scope.workflow.outputs.items()
    }
    return Interface(inputs, {name: t for name, t in types.items() if t is not None})


def _unknown(scope: Scope, link: str) -> bool:
    """Whether a link comes from a node that is there, and whose op is not known."""
    source = link.partition(".")[0]
    return source in scope.workflow.nodes and source not in scope.nodes


def bypass_inputs(view: NodeView, wanted: EdgeType) -> list[str]:
    """The inputs that could be passed through as an output of the wanted type; the first that has something is."""
    return [name for name, port in view.interface.inputs.items() if accepts(wanted, port.type)]
