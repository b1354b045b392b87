"""Rules about links, mapping and bypassing."""

from __future__ import annotations

from collections.abc import Iterator

from nodeflow.edges import ANY, EdgeType, accepts
from nodeflow.problems import did_you_mean
from nodeflow.rules.finding import Finding
from nodeflow.rules.scope import NodeView, Scope, Session, bypass_inputs


def links_fit(view: NodeView, scope: Scope, session: Session) -> Iterator[Finding]:
    """Every link comes from an output that exists and has a type that the input accepts."""
    for name, link in view.node.links.items():
        port = view.interface.inputs.get(name)
        target = port.type if port else ANY
        place = f"nodes.{view.id}.links.{name}"
        if type(link) is list and name not in view.mapped:
            if target.item is None and not target.is_any:
                yield Finding(
                    "NF201", place, "only a list input takes several links", str(target), f"{len(link)} links"
                )
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
            hint = did_you_mean(source, scope.names)
            yield Finding(
                "NF107", place, f"the link comes from {source!r}, which is no node", got=repr(link), hint=hint
            )
        return
    offered = origin.outputs.get(output)
    if offered is None:
        if origin.interface.outputs or origin.op is None or origin.op.body_port is None:
            hint = did_you_mean(output, origin.interface.outputs)
            message = f"{source} ({origin.node.op}) has no output {output!r}"
            yield Finding("NF106", place, message, got=repr(link), hint=hint)
        return
    if mapped and not isinstance(view.node.links.get(place.rpartition(".")[2]), list):
        if offered.item is None:
            yield Finding("NF206", place, "a mapped input takes a list", f"list[{target}]", str(offered))
            return
        if not origin.mapped:
            hint = "write the list as a value, or use flow/map"
            yield Finding("NF207", place, "the length of this list is known only while running", hint=hint)
            return
        offered = offered.item
    if not accepts(target, offered):
        yield Finding(
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
        yield Finding("NF206", place, "a node is mapped either by each or by product", hint="remove one")
    lengths: dict[str, int] = {}
    for name in view.mapped:
        if name not in view.interface.inputs:
            yield Finding(
                "NF104", place, f"{view.node.op} has no input {name!r}", hint=did_you_mean(name, view.interface.inputs)
            )
        elif view.op is not None and name in (view.op.body_port, "over"):
            yield Finding("NF206", place, f"{name!r} cannot be mapped: it decides which inputs the node has")
        elif name in view.node.values and isinstance(view.node.values[name], list):
            lengths[name] = len(view.node.values[name])
        elif isinstance(links := view.node.links.get(name), list):
            lengths[name] = len(links)
        elif name not in view.node.links and name not in view.node.values and (view.id, name) not in scope.fed:
            yield Finding("NF206", place, f"the mapped input {name!r} has no list", hint="write a list as its value")
    if view.node.each and len(set(lengths.values())) > 1:
        got = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        yield Finding("NF206", place, "lists that are walked together differ in length", "one length", got)


def bypass_possible(view: NodeView, scope: Scope, session: Session) -> Iterator[Finding]:
    """A bypassed node has, for each output that is used, an input of the same type to pass through."""
    if view.node.mode != "bypassed":
        return
    used = scope.used_outputs.get(view.id, set())
    for name in sorted(used & view.interface.outputs.keys()):
        given = view.node.links.keys() | view.node.values.keys()
        if not any(p in given or (view.id, p) in scope.fed for p in bypass_inputs(view, view.interface.outputs[name])):
            message = f"bypassed, but it has no {view.interface.outputs[name]} input to pass through as {name!r}"
            yield Finding("NF114", f"nodes.{view.id}.mode", message, hint="mute it, or take it out")
