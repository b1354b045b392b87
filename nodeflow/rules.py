"""The rules: everything about a recipe that can be known before it runs, all problems at once.

`check` resolves each node to an `Interface` (its ports, from its op or from the sub-workflow it stands for), walks the
graph once in topological order, and applies every row of `RULES` to every node. What it learnt on the way (typed
values, orders, interfaces) goes into `Checked`, which the plan is made from. Nothing is imported, opened or run here,
except that model folders are listed and files are looked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from nodeflow.files import FileProblem, Files
from nodeflow.migrate import migrate_node
from nodeflow.node import OP_NAME, Op
from nodeflow.ports import (
    ANY,
    MISSING,
    Choices,
    EdgeType,
    Port,
    accepts,
    describe,
    edge_type,
    list_of,
)
from nodeflow.problems import Problem, did_you_mean
from nodeflow.registry import Catalogue
from nodeflow.workflow import SUBWORKFLOW, Node, Workflow

MAX_NESTING = 32


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
    """A recipe or a definition, checked: its nodes, the order they can run in, and its interface."""

    workflow: Workflow
    place: str
    nodes: dict[str, NodeView] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    definitions: dict[str, Scope] = field(default_factory=dict)
    fed: dict[tuple[str, str], str] = field(default_factory=dict)
    interface: Interface = Interface({}, {})


@dataclass
class Checked:
    """The outcome of checking: all problems, and what the plan needs to know."""

    scope: Scope
    problems: list[Problem]

    @property
    def errors(self) -> list[Problem]:
        return [p for p in self.problems if p.severity == "error"]

    @property
    def ok(self) -> bool:
        return not self.errors


class Session(NamedTuple):
    """What rules may look at besides the recipe."""

    catalogue: Catalogue
    files: Files


Finding = tuple[str, str, str, str, str, str, Literal["error", "warning"]]


def found(
    code: str,
    place: str,
    message: str,
    expected: str = "",
    got: str = "",
    hint: str = "",
    severity: Literal["error", "warning"] = "error",
) -> Finding:
    return code, place, message, expected, got, hint, severity


def check(workflow: Workflow, catalogue: Catalogue, files: Files | None = None) -> Checked:
    """Apply all rules to a recipe and its definitions.

    Args:
        catalogue: the installed ops. files: where models and inputs are looked for.
    """
    problems: list[Problem] = []
    scope = _check_scope(workflow, Session(catalogue, files or Files()), {}, "", (), problems)
    if not workflow.nodes:
        problems.append(Problem("NF404", "nodes", "the recipe has no nodes", hint="add a node and declare an output"))
    return Checked(scope, problems)


def _check_scope(
    workflow: Workflow,
    session: Session,
    outer: dict[str, Workflow],
    place: str,
    stack: tuple[int, ...],
    problems: list[Problem],
) -> Scope:
    """Check one recipe or definition; those it uses are checked first, each once."""
    scope = Scope(workflow, place)
    available = {**outer, **workflow.definitions}
    stack = (*stack, id(workflow))

    def definition(name: str, where: str) -> Scope | None:
        if name in scope.definitions:
            return scope.definitions[name]
        inner = available.get(name)
        if inner is None:
            hint = did_you_mean(name, available)
            problems.append(Problem("NF112", place + where, f"the recipe defines no sub-workflow {name!r}", hint=hint))
            return None
        if id(inner) in stack or len(stack) > MAX_NESTING:
            message = f"the sub-workflow {name!r} contains itself, or nests deeper than {MAX_NESTING}"
            problems.append(Problem("NF113", place + where, message))
            return None
        at = f"{place}definitions.{name}."
        scope.definitions[name] = _check_scope(inner, session, available, at, stack, problems)
        return scope.definitions[name]

    for name, part in workflow.inputs.items():
        for target in part.to:
            node, _, port = target.partition(".")
            scope.fed[node, port] = name
    for name, node in workflow.nodes.items():
        view = _resolve(name, node, session, definition, problems, place)
        if view is not None:
            scope.nodes[name] = view
    scope.order = _topological(scope)
    problems += [Problem(f[0], place + f[1], *f[2:]) for f in _scope_findings(scope)]
    for name in scope.order:
        view = scope.nodes[name]
        view.outputs = _output_types(view, scope)
        for rule in RULES:
            for f in rule(view, scope, session):
                problems.append(Problem(f[0], place + f[1], *f[2:]))
    scope.interface = _interface(scope)
    problems += [Problem(f[0], place + f[1], *f[2:]) for f in _declared(scope)]
    return scope


# --- resolving ----------------------------------------------------------------------------------------------------


def _resolve(
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
    op = session.catalogue.ops.get(op_name)
    if op is None or version != str(op.version):
        outcome = _other_version(node, op_name, version, op, session.catalogue)
        if isinstance(outcome, Problem):
            problems.append(Problem(outcome.code, place + where, *_texts(outcome)))
            return None
        assert op is not None
        node = outcome
    body = op.body_port
    if body is None:
        return NodeView(name, node, _op_interface(op), op)
    inputs = {k: p for k, p in op.inputs.items() if k != "inputs"}
    chosen = node.values.get(body)
    inner = definition(chosen, f"nodes.{name}.values.{body}") if isinstance(chosen, str) else None
    if inner is None:
        return NodeView(name, node, Interface({**inputs, **{k: Port(k, Any) for k in node.links}}, {}), op)
    over = node.values.get("over", []) if "over" in inputs else None
    ports, outputs = inner.interface
    for key, port in ports.items():
        in_list = isinstance(over, list) and key in over
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


def _other_version(node: Node, op_name: str, version: str, op: Op | None, catalogue: Catalogue) -> Node | Problem:
    """The node migrated to the installed version, or what is wrong with its op."""
    if not OP_NAME.fullmatch(op_name) or not version.isdigit():
        hint = f"did you mean {op.id}?" if op else ""
        return Problem("NF101", "", "not an op", "pack/name@version", repr(node.op)[:80], hint)
    if op is None:
        pack = op_name.partition("/")[0]
        if pack in catalogue.failures:
            reason = catalogue.failures[pack].strip().splitlines()[-1]
            return Problem("NF116", "", f"the pack {pack!r} could not be loaded: {reason}", hint="see: nodeflow doctor")
        hint = did_you_mean(op_name, catalogue.ops) or "is its pack installed? see: nodeflow nodes"
        return Problem("NF102", "", f"no installed pack has {op_name!r}", hint=hint[:300])
    migrated = migrate_node(op_name, int(version), op.version, node.to_json()) if len(version) < 7 else None
    if migrated is None:
        hint = "upgrade the pack" if len(version) > 6 or int(version) > op.version else "no migration is known"
        return Problem("NF103", "", f"{op_name} is installed in another version", f"@{op.version}", f"@{version}", hint)
    migrated.pop("renamed_outputs", None)
    return Node.model_validate(migrated)


def _texts(problem: Problem) -> tuple[str, str, str, str]:
    return problem.message, problem.expected, problem.got, problem.hint


def sources(node: Node) -> Iterator[tuple[str, str]]:
    """(port, link) for every link of a node, lists of links one by one."""
    for port, link in node.links.items():
        if type(link) is str:
            yield port, link
        else:
            for one in link:
                yield port, one


def _topological(scope: Scope) -> list[str]:
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


def _output_types(view: NodeView, scope: Scope) -> dict[str, EdgeType]:
    """Output types with type variables filled in from what is linked, as lists where the node is mapped."""
    outputs = view.interface.outputs
    if any(t.variable is not None for t in outputs.values()):
        known: dict[Any, EdgeType] = {}
        for port, link in sources(view.node):
            target = view.interface.inputs.get(port)
            variable = target.type.variable if target else None
            source_type = _source_type(scope, link)
            if variable is not None and source_type is not None:
                known.setdefault(variable, source_type)
        for port, value in view.node.values.items():
            target = view.interface.inputs.get(port)
            if target and target.type.variable is not None and type(value) in (str, int, float, bool):
                known.setdefault(target.type.variable, edge_type(type(value)))
        outputs = {k: known.get(t.variable, ANY) if t.variable is not None else t for k, t in outputs.items()}
    if view.mapped:
        outputs = {k: list_of(t) for k, t in outputs.items()}
    return outputs


def _source_type(scope: Scope, link: str) -> EdgeType | None:
    source, _, port = link.partition(".")
    view = scope.nodes.get(source)
    return view.outputs.get(port) if view else None


def _interface(scope: Scope) -> Interface:
    """The ports that a recipe has when it is used as a node."""
    inputs: dict[str, Port] = {}
    for name, part in scope.workflow.inputs.items():
        node, _, port = part.to[0].partition(".")
        view = scope.nodes.get(node)
        target = view.interface.inputs.get(port) if view else None
        if view is None or target is None:
            continue
        default = scope.workflow.input_value(name, target.default)
        annotation = list[target.annotation] if port in view.mapped else target.annotation  # type: ignore[name-defined]
        metadata = () if port in view.mapped else target.metadata
        inputs[name] = Port(name, annotation, part.description or target.doc, default, metadata=metadata)
    types = {name: _source_type(scope, link) for name, link in scope.workflow.outputs.items()}
    return Interface(inputs, {name: t for name, t in types.items() if t is not None})


# --- rules: one concern each --------------------------------------------------------------------------------------

Rule = Callable[[NodeView, Scope, Session], Iterator[Finding]]


def known_ports(view: NodeView, scope: Scope, session: Session) -> Iterator[Finding]:
    """Every value and link goes to an input that exists, and no input has both."""
    inputs = view.interface.inputs
    for key, ports in (("values", view.node.values), ("links", view.node.links)):
        for port in ports:
            if port not in inputs:
                hint = did_you_mean(port, inputs)
                yield found("NF104", f"nodes.{view.id}.{key}.{port}", f"{view.node.op} has no such input", hint=hint)
    for port in view.node.values.keys() & view.node.links.keys():
        yield found(
            "NF108", f"nodes.{view.id}.links.{port}", "the input has both a value and a link", hint="remove one"
        )


def required_ports(view: NodeView, scope: Scope, session: Session) -> Iterator[Finding]:
    """Every required input has a value, a link, or is fed by a declared input."""
    if view.node.mode == "muted":
        return
    node = view.node
    for name, port in view.interface.inputs.items():
        if port.required and name not in node.links and name not in node.values and (view.id, name) not in scope.fed:
            if node.mode == "bypassed" and port.type not in view.interface.outputs.values():
                continue
            yield found(
                "NF105", f"nodes.{view.id}.{name}", f"{node.op} needs the input {name!r}", f"{port.type}", "nothing"
            )


def values_fit(view: NodeView, scope: Scope, session: Session) -> Iterator[Finding]:
    """Every written value has its port's type, range and choices; remembers it in its typed form."""
    for name, value in view.node.values.items():
        port = view.interface.inputs.get(name)
        if port is None:
            continue
        place = f"nodes.{view.id}.values.{name}"
        if name in view.mapped:
            if not isinstance(value, list) or not value:
                yield found("NF206", place, "a mapped input takes a list", f"a list of {port.type}", describe(value))
                continue
            items = []
            for index, item in enumerate(value):
                problem, typed = _parse(port, item)
                items.append(typed)
                if problem:
                    yield (problem[0], f"{place}.{index}", *problem[2:])
            view.values[name] = items
        else:
            problem, view.values[name] = _parse(port, value)
            if problem:
                yield (problem[0], place, *problem[2:])


def _parse(port: Port, value: Any) -> tuple[Finding | None, Any]:
    if not port.takes_values:
        return found(
            "NF205", "", "this input takes no written value", f"a link of type {port.type}", describe(value)
        ), None
    try:
        typed = port.parse(value)
    except ValueError as error:
        return _value_finding(port, value, error), None
    if choices := port.extra(Choices):
        allowed = choices.provider()
        if typed not in allowed:
            hint = did_you_mean(str(typed), allowed)
            return found("NF203", "", "not one of the choices now", _listing(allowed), describe(typed), hint), None
    return None, typed


def _value_finding(port: Port, value: Any, error: Any) -> Finding:
    details = error.errors(include_url=False)
    first = next((d for d in details if "than_equal" in d["type"] or "_than" in d["type"]), details[0])
    if port.choices is not None:
        hint = did_you_mean(str(value), map(str, port.choices))
        return found("NF203", "", "not one of the choices", _listing(port.choices), describe(value), hint)
    if "than" in first["type"] or "multiple" in first["type"] or "too_" in first["type"]:
        return found("NF202", "", "the value is out of range", _range_text(port) or first["msg"], describe(value))
    return found(
        "NF204", "", "the value has the wrong type", str(port.type), describe(value), _conversion_hint(port, value)
    )


def _range_text(port: Port) -> str:
    low = next((m.ge for m in port.metadata if getattr(m, "ge", None) is not None), None)
    high = next((m.le for m in port.metadata if getattr(m, "le", None) is not None), None)
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f"at least {low}" if low is not None else f"at most {high}" if high is not None else ""


def _conversion_hint(port: Port, value: Any) -> str:
    if isinstance(value, str) and port.type.members in ((int,), (float,)):
        try:
            return f"write {float(value):g} without quotes"
        except ValueError:
            return ""
    return ""


def _listing(items: Any) -> str:
    texts = [str(item) for item in items]
    return ", ".join(texts[:20]) + (f", … ({len(texts)} in all)" if len(texts) > 20 else "")


def links_fit(view: NodeView, scope: Scope, session: Session) -> Iterator[Finding]:
    """Every link comes from an output that exists and has a type that the input accepts."""
    for name, link in view.node.links.items():
        port = view.interface.inputs.get(name)
        target = port.type if port else ANY
        place = f"nodes.{view.id}.links.{name}"
        if type(link) is list and name not in view.mapped:
            if target.item is None and not target.is_any:
                yield found("NF201", place, "only a list input takes several links", str(target), f"{len(link)} links")
                continue
            target = target.item or ANY
        for one in [link] if type(link) is str else link:
            yield from _link_findings(view, scope, one, target, place, port is not None and name in view.mapped)


def _link_findings(
    view: NodeView, scope: Scope, link: str, target: EdgeType, place: str, mapped: bool
) -> Iterator[Finding]:
    source, _, output = link.partition(".")
    origin = scope.nodes.get(source)
    if origin is None:
        if source not in scope.workflow.nodes:
            hint = did_you_mean(source, scope.workflow.nodes)
            yield found("NF107", place, f"the link comes from {source!r}, which is no node", got=repr(link), hint=hint)
        return
    offered = origin.outputs.get(output)
    if offered is None:
        if origin.interface.outputs or origin.op is None or origin.op.body_port is None:
            hint = did_you_mean(output, origin.interface.outputs)
            message = f"{source} ({origin.node.op}) has no output {output!r}"
            yield found("NF106", place, message, got=repr(link), hint=hint)
        return
    if mapped:
        if not isinstance(view.node.links.get(place.rpartition(".")[2]), list):
            if offered.item is None:
                yield found("NF206", place, "a mapped input takes a list", f"list[{target}]", str(offered))
                return
            if not origin.mapped:
                hint = "write the list as a value, or use flow/map"
                yield found("NF207", place, "the length of this list is known only while running", hint=hint)
                return
            offered = offered.item
    if not accepts(target, offered):
        yield found(
            "NF201", place, f"{link} does not fit {view.id}", str(target), str(offered), _type_hint(target, offered)
        )


def _type_hint(target: EdgeType, offered: EdgeType) -> str:
    if offered.item is not None and accepts(target, offered.item):
        return 'the output is a list: map this node over it with "each", or pick one item'
    if target.item is not None and accepts(target.item, offered):
        return 'the input is a list: write the link as a list, ["node.output"]'
    return ""


def mapping_fits(view: NodeView, scope: Scope, session: Session) -> Iterator[Finding]:
    """Mapped inputs exist, have something to walk over, and those walked together have one length."""
    if not view.mapped:
        return
    place = f"nodes.{view.id}.each" if view.node.each else f"nodes.{view.id}.product"
    if view.node.each and view.node.product:
        yield found("NF206", place, "a node is mapped either by each or by product", hint="remove one")
    lengths: dict[str, int] = {}
    for name in view.mapped:
        if name not in view.interface.inputs:
            yield found(
                "NF104", place, f"{view.node.op} has no input {name!r}", hint=did_you_mean(name, view.interface.inputs)
            )
        elif name in view.node.values and isinstance(view.node.values[name], list):
            lengths[name] = len(view.node.values[name])
        elif isinstance(links := view.node.links.get(name), list):
            lengths[name] = len(links)
        elif name not in view.node.links and (view.id, name) not in scope.fed:
            yield found("NF206", place, f"the mapped input {name!r} has no list", hint="write a list as its value")
    if view.node.each and len(set(lengths.values())) > 1:
        got = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        yield found("NF206", place, "lists that are walked together differ in length", "one length", got)


def files_exist(view: NodeView, scope: Scope, session: Session) -> Iterator[Finding]:
    """Every file that is named can be found, inside the folders that recipes may read."""
    if view.node.mode != "active":
        return
    for name, value in view.values.items():
        port = view.interface.inputs.get(name)
        if port is None or not port.is_file:
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                try:
                    session.files.find(port, item)
                except FileProblem as error:
                    p = error.problem(f"nodes.{view.id}.values.{name}")
                    yield found(p.code, p.place, *_texts(p))


def bypass_possible(view: NodeView, scope: Scope, session: Session) -> Iterator[Finding]:
    """A bypassed node has, for each output that is used, an input of the same type to pass through."""
    if view.node.mode != "bypassed":
        return
    used = {
        link.partition(".")[2]
        for v in scope.nodes.values()
        for _, link in sources(v.node)
        if link.startswith(f"{view.id}.")
    }
    used |= {link.partition(".")[2] for link in scope.workflow.outputs.values() if link.startswith(f"{view.id}.")}
    for name in sorted(used & view.interface.outputs.keys()):
        if bypass_input(view, view.interface.outputs[name]) is None:
            message = f"bypassed, but it has no {view.interface.outputs[name]} input to pass through as {name!r}"
            yield found("NF114", f"nodes.{view.id}.mode", message, hint="mute it, or take it out")


def bypass_input(view: NodeView, wanted: EdgeType) -> str | None:
    """The first input with something to pass through of the wanted type."""
    for name, port in view.interface.inputs.items():
        if (name in view.node.links or name in view.node.values) and accepts(wanted, port.type):
            return name
    return None


def not_deprecated(view: NodeView, scope: Scope, session: Session) -> Iterator[Finding]:
    """Warns of ops that are going away."""
    if view.op is not None and view.op.deprecated:
        yield found(
            "NF111", f"nodes.{view.id}.op", f"{view.op.id} is deprecated: {view.op.deprecated}", severity="warning"
        )


RULES: tuple[Rule, ...] = (
    known_ports,
    required_ports,
    values_fit,
    links_fit,
    mapping_fits,
    files_exist,
    bypass_possible,
    not_deprecated,
)


def _scope_findings(scope: Scope) -> Iterator[Finding]:
    """Rules about the graph as a whole: cycles, and nodes that nothing needs."""
    left = [name for name in scope.nodes if name not in set(scope.order)]
    if left:
        import networkx as nx

        graph = nx.DiGraph()
        for name in left:
            graph.add_edges_from((link.partition(".")[0], name) for _, link in sources(scope.nodes[name].node))
        graph.remove_nodes_from([n for n in graph if n not in left])
        for component in nx.strongly_connected_components(graph):
            if len(component) > 1 or any(graph.has_edge(n, n) for n in component):
                loop = nx.find_cycle(graph.subgraph(component), min(component))
                path = " → ".join([edge[0] for edge in loop] + [loop[0][0]])
                yield found(
                    "NF109", f"nodes.{loop[0][0]}", f"these nodes feed each other: {path}", hint="remove a link"
                )
    needed = needed_by(scope, targets(scope))
    for name in scope.order:
        if name not in needed and scope.nodes[name].node.mode == "active":
            message = "no output needs this node, so it does not run"
            yield found("NF110", f"nodes.{name}", message, hint="declare an output", severity="warning")


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


def _declared(scope: Scope) -> Iterator[Finding]:
    """Rules about declared inputs and outputs."""
    workflow = scope.workflow
    for name, part in workflow.inputs.items():
        held: list[Any] = []
        for target in part.to:
            node, _, port = target.partition(".")
            if node not in workflow.nodes:
                hint = did_you_mean(node, workflow.nodes)
                yield found("NF401", f"inputs.{name}", f"{target!r} is no input: there is no node {node!r}", hint=hint)
                continue
            view = scope.nodes.get(node)
            if view is not None and port not in view.interface.inputs:
                hint = did_you_mean(port, view.interface.inputs)
                yield found("NF401", f"inputs.{name}", f"{view.node.op} has no input {port!r}", got=target, hint=hint)
            elif view is not None and port in view.node.links:
                yield found("NF108", f"inputs.{name}", f"{target!r} is linked, so it cannot be a declared input too")
            if port in workflow.nodes[node].values:
                held.append(workflow.nodes[node].values[port])
        if any(value != held[0] or type(value) is not type(held[0]) for value in held[1:]):
            got = ", ".join(describe(v, 30) for v in held)
            message = "the ports it feeds hold different values; the first counts"
            yield found("NF403", f"inputs.{name}", message, got=got, severity="warning")
    for name, link in workflow.outputs.items():
        node, _, port = link.partition(".")
        if node not in workflow.nodes:
            hint = did_you_mean(node, workflow.nodes)
            yield found("NF402", f"outputs.{name}", f"there is no node {node!r}", got=repr(link), hint=hint)
        elif (view := scope.nodes.get(node)) and port not in view.interface.outputs:
            hint = did_you_mean(port, view.interface.outputs)
            yield found("NF402", f"outputs.{name}", f"{view.node.op} has no output {port!r}", got=repr(link), hint=hint)


def is_missing(value: Any) -> bool:
    return value is MISSING
