"""Rules about inputs and the values written at them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nodeflow.annotations import Choices
from nodeflow.edges import describe
from nodeflow.files import FileProblem
from nodeflow.ports import Port
from nodeflow.problems import did_you_mean
from nodeflow.rules.finding import Finding
from nodeflow.rules.scope import NodeView, Scope, Session

MAX_BITS = 10_000
"""Longer whole numbers cannot be written into a recipe: Python reads and writes 4,300 digits."""


def known_ports(view: NodeView, scope: Scope, session: Session) -> Iterator[Finding]:
    """Every value and link goes to an input that exists, and no input has both."""
    inputs = view.interface.inputs
    for key, ports in (("values", view.node.values), ("links", view.node.links)):
        for port in ports:
            if port not in inputs:
                hint = did_you_mean(port, inputs)
                yield Finding("NF104", f"nodes.{view.id}.{key}.{port}", f"{view.node.op} has no such input", hint=hint)
    for port in sorted(view.node.values.keys() & view.node.links.keys()):
        yield Finding(
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
            yield Finding(
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
            if not isinstance(value, list):
                yield Finding("NF206", place, "a mapped input takes a list", f"a list of {port.type}", describe(value))
                continue
            items = []
            for index, item in enumerate(value):
                problem, typed = _parse(port, item)
                items.append(typed)
                if problem:
                    yield problem._replace(place=f"{place}.{index}")
            view.values[name] = items
        else:
            problem, view.values[name] = _parse(port, value)
            if problem:
                yield problem._replace(place=place)


def _parse(port: Port, value: Any) -> tuple[Finding | None, Any]:
    if type(value) is int and value.bit_length() > MAX_BITS:
        return Finding("NF202", "", "the number has too many digits", f"at most {MAX_BITS} bits", describe(value)), None
    if not port.takes_values:
        return Finding(
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
            return Finding("NF203", "", "not one of the choices now", _listing(allowed), describe(typed), hint), None
    return None, typed


def _value_finding(port: Port, value: Any, error: Any) -> Finding:
    details = error.errors(include_url=False)
    first = next((d for d in details if "than_equal" in d["type"] or "_than" in d["type"]), details[0])
    if port.choices is not None:
        hint = did_you_mean(str(value), map(str, port.choices))
        return Finding("NF203", "", "not one of the choices", _listing(port.choices), describe(value), hint)
    if "than" in first["type"] or "multiple" in first["type"] or "too_" in first["type"]:
        return Finding("NF202", "", "the value is out of range", port.range_text or first["msg"], describe(value))
    return Finding(
        "NF204", "", "the value has the wrong type", str(port.type), describe(value), _conversion_hint(port, value)
    )


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
                    yield Finding(error.code, f"nodes.{view.id}.values.{name}", *error.texts)


def not_deprecated(view: NodeView, scope: Scope, session: Session) -> Iterator[Finding]:
    """Warns of ops that are going away."""
    if view.op is not None and view.op.deprecated:
        yield Finding(
            "NF111", f"nodes.{view.id}.op", f"{view.op.id} is deprecated: {view.op.deprecated}", severity="warning"
        )
