"""Expansion: a checked recipe becomes a flat list of instances, each one call of one op.

Sub-workflows are put in the place of the nodes that stand for them, mapped nodes are repeated per item, muted nodes
and what needs them are left out, bypassed nodes are replaced by what they pass through. Instances come in an order in
which each follows those it is fed by. Pure: nothing is read or run.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeflow.keys import Const, External, Ref, Source, widened
from nodeflow.op import Op
from nodeflow.problems import Problem, ProblemsError
from nodeflow.rules import NodeView, Scope, bypass_inputs

MAX_INSTANCES = 200_000


@dataclass(slots=True)
class Instance:
    """One call: an op, its typed literals, where its other inputs come from, and the sub-workflow it may run."""

    id: str
    op: Op
    values: dict[str, Any]
    inputs: dict[str, Source]
    body: Scope | None = None


class _Muted:
    """Stands for the outputs of nodes that do not run."""


MUTED = _Muted()
Result = dict[str, "Source"] | _Muted


@dataclass
class Expansion:
    """instances: in execution order. outputs: the recipe's declared outputs. nodes: outputs of top-level nodes by id.
    muted: ids of nodes and outputs that do not run."""

    instances: list[Instance] = field(default_factory=list)
    outputs: dict[str, Source] = field(default_factory=dict)
    nodes: dict[str, dict[str, Source]] = field(default_factory=dict)
    muted: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    visited: int = 0


def expand(scope: Scope, bound: Mapping[str, Source] | None = None) -> Expansion:
    """Expand a checked recipe without errors.

    Args:
        bound: values or outside sources for declared inputs, replacing what the nodes hold.

    Raises:
        ProblemsError: if a declared input has no value, a mapped length is unknown, or there are too many instances.
    """
    result = Expansion()
    outputs, nodes = _expand(scope, dict(bound or {}), "", result)
    result.outputs = {k: s for k, s in outputs.items() if not isinstance(s, _Muted)}
    result.muted += [f"outputs.{k}" for k, s in outputs.items() if isinstance(s, _Muted)]
    result.nodes = {k: n for k, n in nodes.items() if not isinstance(n, _Muted)}
    if result.problems:
        raise ProblemsError(result.problems)
    return result


def _expand(
    scope: Scope, bound: dict[str, Source], prefix: str, result: Expansion
) -> tuple[dict[str, Any], dict[str, Result]]:
    done: dict[str, Result] = {}
    fed = scope.fed
    for name in scope.order:
        view = scope.nodes[name]
        node = view.node
        result.visited += 1  # also of nodes that do not run: those of a mapped sub-workflow are met again and again
        if max(len(result.instances), result.visited) > MAX_INSTANCES:
            raise ProblemsError([Problem("NF115", f"nodes.{prefix}{name}", f"more than {MAX_INSTANCES:,} node runs")])
        inputs: dict[str, Any] = {}
        muted = node.mode == "muted"
        for port, link in node.links.items():
            inputs[port] = _linked(done, link) if type(link) is str else [_linked(done, one) for one in link]
            muted = muted or inputs[port] is MUTED or (type(link) is not str and any(s is MUTED for s in inputs[port]))
        if muted:
            done[name] = MUTED
            result.muted.append(prefix + name)
            continue
        values = dict(view.values)
        if fed:
            _apply_bound(view, scope, bound, values, inputs, prefix, result)
        if node.mode == "bypassed":
            done[name] = _bypassed(view, values, inputs)
        elif not view.mapped:
            done[name] = _emit(view, prefix + name, values, inputs, result)
        else:
            done[name] = _mapped(view, prefix + name, values, inputs, result)
    outputs = {name: _linked(done, link) for name, link in scope.workflow.outputs.items()}
    return outputs, done


def _linked(done: dict[str, Result], link: str) -> Any:
    name, _, port = link.partition(".")
    outputs = done[name]
    return MUTED if isinstance(outputs, _Muted) else outputs[port]


def _apply_bound(
    view: NodeView,
    scope: Scope,
    bound: dict[str, Source],
    values: dict[str, Any],
    inputs: dict[str, Any],
    prefix: str,
    result: Expansion,
) -> None:
    for port, spec in view.interface.inputs.items():
        name = scope.fed.get((view.id, port))
        if name is None:
            continue
        if name in bound:
            values.pop(port, None)
            inputs.pop(port, None)
            source = bound[name]
            if isinstance(source, Const):
                values[port] = widened(spec, source.value)
            else:
                inputs[port] = source
        elif port not in values and port not in inputs and spec.required:
            hint = f"give one: --set {name}=…" if not prefix else "write a value or a link at the sub-workflow's node"
            place = f"inputs.{name}" if not prefix else f"nodes.{prefix.rstrip('/')}.{name}"
            if not any(p.place == place for p in result.problems):
                result.problems.append(
                    Problem("NF406", place, "the declared input has no value", str(spec.type), hint=hint)
                )


def _bypassed(view: NodeView, values: dict[str, Any], inputs: dict[str, Any]) -> Result:
    outputs: dict[str, Source] = {}
    for name, wanted in view.interface.outputs.items():
        for port in bypass_inputs(view, wanted):
            if port in inputs or port in values:
                outputs[name] = inputs[port] if port in inputs else Const(values[port])
                break
    return outputs


def _emit(view: NodeView, name: str, values: dict[str, Any], inputs: dict[str, Any], result: Expansion) -> Result:
    """Add one call of a node; returns where its outputs come from."""
    for port in [p for p, source in inputs.items() if type(source) is Const]:
        value, spec = inputs.pop(port).value, view.interface.inputs.get(port)
        values[port] = widened(spec, value) if spec else value
    if view.op is None:
        assert view.scope is not None
        bound: dict[str, Source] = {**{k: Const(v) for k, v in values.items()}, **inputs}
        return _expand(view.scope, bound, name + "/", result)[0]
    index = len(result.instances)
    body = view.scope if view.op.body_port else None
    result.instances.append(Instance(name, view.op, values, inputs, body))
    return {port: Ref(index, port) for port in view.interface.outputs}


def _mapped(view: NodeView, name: str, values: dict[str, Any], inputs: dict[str, Any], result: Expansion) -> Result:
    columns: dict[str, list[Any]] = {}
    for port in view.mapped:
        source = inputs[port] if port in inputs else Const(values.get(port))
        if isinstance(source, Const):
            items = source.value if isinstance(source.value, list) else []
            columns[port] = [Const(item) for item in items]
        elif isinstance(source, list):
            columns[port] = source
        else:
            problem = Problem("NF207", f"nodes.{name}.each", f"the length of {port!r} is known only while running")
            result.problems.append(problem)
            return {port: [] for port in view.interface.outputs}
    lengths = {port: len(items) for port, items in columns.items()}
    if not view.node.product and len(set(lengths.values())) > 1:
        got = ", ".join(f"{port}: {length}" for port, length in lengths.items())
        problem = Problem("NF206", f"nodes.{name}.each", "lists that are walked together differ in length", got=got)
        result.problems.append(problem)
        return {port: [] for port in view.interface.outputs}
    rows = itertools.product(*columns.values()) if view.node.product else zip(*columns.values(), strict=True)
    gathered: dict[str, Any] = {port: [] for port in view.interface.outputs}
    for index, row in enumerate(rows):
        chosen = dict(zip(columns, row, strict=True))
        own_values = {k: v for k, v in values.items() if k not in columns}
        own_inputs = {k: v for k, v in inputs.items() if k not in columns}
        for port, source in chosen.items():
            if isinstance(source, Const):
                own_values[port] = source.value
            else:
                own_inputs[port] = source
        outputs = _emit(view, f"{name}[{index}]", own_values, own_inputs, result)
        assert isinstance(outputs, dict)
        for port, source in outputs.items():
            gathered[port].append(source)
        if len(result.instances) > MAX_INSTANCES:
            raise ProblemsError([Problem("NF115", f"nodes.{name}", f"more than {MAX_INSTANCES:,} node runs")])
    for port, items in gathered.items():
        if any(source is MUTED for source in items):
            gathered[port] = MUTED
    return gathered


def externals(inputs: Mapping[str, Any]) -> dict[str, Source]:
    """Bindings that mark every name as coming from outside the plan."""
    return {name: External(name) for name in inputs}
