"""What the installed ops are, in the API's words: ports, what may be linked to each, how types are drawn.

The canvas holds no rule: for each input the output types that fit are worked out here, by the engine's own rule, over
all types that the installed ops give out and lists of those. A single link into a list input carries one item and is
written as a list of links (`many`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from nodeflow.describe import describe_port, plain
from nodeflow.edges import ANY, EdgeType, accepts, list_of
from nodeflow.errors import NodeflowError
from nodeflow.op import Op
from nodeflow.ports import Port
from nodeflow.registry import Catalogue
from nodeflow.rules import NodeView, Scope
from nodeflow.server.drawing import drawn
from nodeflow.server.schema import InputPort, NodeType, NodeTypes, OutputPort, TypeInfo


class Described:
    """What the installed ops are, in the API's words."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.failed = {name: catalogue.packs[name].reason for name in catalogue.failures}
        self.ops: dict[str, Op] = {}
        self._accepted: dict[EdgeType, list[str]] = {}
        for name, op in sorted(catalogue.ops.items()):
            try:
                _ = op.inputs, op.outputs
            except NodeflowError as error:
                self.failed[op.name.partition("/")[0]] = str(error)
                continue
            if op.category != "engine":
                self.ops[name] = op

    @cached_property
    def offered(self) -> dict[str, EdgeType]:
        """Every type that an output may have, by name: as declared, and in a list (mapped nodes)."""
        found = {str(ANY): ANY}
        for op in self.ops.values():
            for port in op.outputs.values():
                found.setdefault(str(port.type), port.type)
        for edge in [e for e in found.values() if e.variable is None]:
            found.setdefault(str(list_of(edge)), list_of(edge))
        return dict(sorted(found.items()))

    def accepted(self, target: EdgeType, offered: Iterable[EdgeType] = ()) -> list[str]:
        """The names of the output types that may be linked to an input of this type.

        Args:
            offered: types that only occur in one recipe.
        """
        known = self._accepted.get(target)
        if known is None:
            known = self._accepted[target] = _fitting(target, self.offered)
        further = {str(edge): edge for edge in offered}
        return [*known, *_fitting(target, {n: edge for n, edge in further.items() if n not in self.offered})]

    def input(self, port: Port, offered: Iterable[EdgeType] = ()) -> InputPort:
        found = describe_port(port)
        return InputPort(
            name=port.name,
            type=str(port.type),
            accepts=self.accepted(port.type, offered),
            required=port.required,
            default=None if port.required else plain(port.default),
            min=found.get("min"),
            max=found.get("max"),
            step=found.get("step"),
            unit=found.get("unit", ""),
            choices=found.get("choices"),
            models=found.get("models", ""),
            suffixes=found.get("suffixes", []),
            widget=found.get("widget", ""),
            lazy=port.lazy,
            link_only=not port.takes_values,
            many=port.type.item is not None,
            doc=port.doc,
        )

    def node_type(self, op: Op) -> NodeType:
        body = op.body_port or ""
        hidden = {"inputs"} if body else set()  # the body's own inputs stand in its place
        return NodeType(
            op=op.id,
            name=op.name,
            version=op.version,
            title=op.title,
            category=op.category,
            summary=op.doc.summary,
            description=op.doc.body,
            pack=op.name.partition("/")[0],
            inputs=[self.input(port) for name, port in op.inputs.items() if name not in hidden],
            outputs=[] if body else [OutputPort(name=p.name, type=str(p.type), doc=p.doc) for p in op.outputs.values()],
            effects=op.effects,
            deprecated=op.deprecated,
            body=bool(body),
            body_port=body,
        )

    def node_types(self) -> NodeTypes:
        """All of it. Choices that are known only now (a folder's files) are looked up anew."""
        edges = dict(self.offered)
        for op in self.ops.values():
            edges.update({str(p.type): p.type for p in op.inputs.values()})
        types: list[TypeInfo] = [drawn(edge) for _, edge in sorted(edges.items())]
        return NodeTypes(types=types, node_types=[self.node_type(op) for op in self.ops.values()], failed=self.failed)

    # --- nodes whose ports depend on the recipe ---------------------------------------------------------------------

    def in_recipe(self, scope: Scope) -> dict[str, NodeType]:
        """By node id, the nodes whose ports are not those of their op alone: sub-workflows, control flow, mapped
        nodes, outputs whose type follows what is linked."""
        offered = [edge for view in scope.nodes.values() for edge in view.outputs.values()]
        return {name: self._placed(view, offered) for name, view in scope.nodes.items() if _depends(view)}

    def _placed(self, view: NodeView, offered: list[EdgeType]) -> NodeType:
        op = view.op
        if op is not None and op.name in self.ops:
            base = self.node_type(op)
        else:
            name = view.node.op.partition(":")[2]
            workflow = view.scope.workflow if view.scope else None
            base = NodeType(
                op=view.node.op,
                name=view.node.op,
                version=1,
                title=(workflow.title if workflow else "") or name,
                category="",
                summary=workflow.description if workflow else "",
                description="",
                pack="",
                inputs=[],
                outputs=[],
                body=True,
            )
        given = view.node.links.keys() | view.node.values.keys()
        hidden = {"index"} - given if op is not None and op.body_port else set()  # control flow fills it in itself
        ports = [
            _mapped(port) if name in view.mapped else port
            for name, port in view.interface.inputs.items()
            if name not in hidden
        ]
        docs = {p.name: p.doc for p in base.outputs}
        return base.model_copy(
            update={
                "inputs": [self.input(port, offered) for port in ports],
                "outputs": [OutputPort(name=n, type=str(t), doc=docs.get(n, "")) for n, t in view.outputs.items()],
            }
        )


def _fitting(target: EdgeType, offered: dict[str, EdgeType]) -> list[str]:
    item = target.item
    return [n for n, edge in offered.items() if accepts(target, edge) or (item is not None and accepts(item, edge))]


def _depends(view: NodeView) -> bool:
    if view.op is None or view.op.body_port is not None or view.mapped:
        return True
    return any(str(edge) != str(view.op.outputs[name].type) for name, edge in view.outputs.items())


def _mapped(port: Port) -> Port:
    """An input that is walked over takes a list of what it takes."""
    annotation: Any = list[port.annotation]  # type: ignore[name-defined]
    return Port(port.name, annotation, port.doc, port.default, port.lazy)
