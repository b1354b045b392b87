"""Lineage keys: the name of a result, known before anything runs.

`key = blake3("v1" | op | version | code digest | values | inputs | numeric class)`: every field length-prefixed and
typed, so `1`, `1.0` and `True` differ and no two recipes collide. A file counts by its content. No node ids, titles,
positions or order go in. Two keys can be compared part by part (`differences`), which answers
"why did this run again?".
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from blake3 import blake3

from nodeflow.jsonio import canonical
from nodeflow.op import Op
from nodeflow.ports import Port
from nodeflow.types import File


class Ref(NamedTuple):
    """An output of a step of the same plan."""

    step: int
    port: str


class External(NamedTuple):
    """A value that comes from outside the plan: a control-flow node's input to its sub-workflow."""

    name: str


class Const(NamedTuple):
    """A literal that stands where a link could be."""

    value: Any


Source: TypeAlias = "Ref | External | Const | list[Source]"


def _field(data: bytes) -> bytes:
    return b"%d:" % len(data) + data


def typed(value: Any) -> bytes:
    """A value with its type, as bytes; equal bytes only for equal values of equal type.

    Raises:
        TypeError: for what no recipe can hold.
    """
    kind = type(value)
    if kind is str:
        return b"s" + str.encode(value, "utf-8", "surrogatepass")
    if kind is int:
        return b"i%d" % value
    if kind is float:
        return b"f" + (float.hex(value) if value else "0").encode()
    if kind is bool:
        return b"b1" if value else b"b0"
    if value is None:
        return b"n"
    if kind is list or kind is tuple:
        return b"l" + b"".join(_field(typed(v)) for v in value)
    if kind is dict:
        return b"d" + b"".join(_field(typed(k)) + _field(typed(v)) for k, v in sorted(value.items()))
    if kind is File:
        return b"F" + str.encode(value.digest)
    if isinstance(value, enum.Enum):
        return b"e" + typed(value.value)
    raise TypeError(f"a {kind.__name__} cannot be part of a key")


def value_key(value: Any) -> str:
    """The key of a literal that is handed over as if it were a result."""
    return blake3(b"value" + typed(value)).hexdigest()


def widened(port: Port, value: Any) -> Any:
    """A literal that no port has parsed: a whole number is the same number for a port of real numbers."""
    members = port.type.members
    return float(value) if type(value) is int and float in members and int not in members else value


class OpHead:
    """What the keys of all nodes of one op begin with."""

    def __init__(self, op: Op, code_digest: str, numeric: str) -> None:
        self.op = op
        self.code_digest = code_digest
        self.numeric = numeric if op.numeric else ""
        parts = ("v1", op.name, str(op.version), code_digest, self.numeric)
        self.hasher = blake3(b"".join(_field(p.encode()) for p in parts))
        self.defaults = {k: widened(p, p.default) for k, p in op.inputs.items() if not p.required}
        self.default_bytes = {k: _field(k.encode()) + _field(typed(v)) for k, v in self.defaults.items()}


def make_key(
    head: OpHead,
    values: Mapping[str, Any],
    inputs: Mapping[str, Source],
    step_keys: list[str],
    external_keys: Mapping[str, str],
    body: str = "",
    nonce: str = "",
) -> str:
    """The key of one step.

    Args:
        values: typed literals by port; ports that are neither here nor in `inputs` count with their default.
        inputs: where the other ports come from. step_keys: keys of earlier steps. external_keys: of outside values.
        body: digest of the sub-workflow a control-flow node runs. nonce: set for nodes that must not be reused.
    """
    parts: dict[str, bytes] = {}
    for port, data in head.default_bytes.items():
        if port not in values and port not in inputs:
            parts[port] = data
    for port, value in values.items():
        parts[port] = _field(port.encode()) + _field(typed(value))
    for port, source in inputs.items():
        parts[port] = _field(port.encode()) + _field(_source_bytes(source, step_keys, external_keys))
    data = b"".join([parts[port] for port in sorted(parts)])
    hasher = head.hasher.copy()
    hasher.update(data if not body and not nonce else data + _field(body.encode()) + _field(nonce.encode()))
    return hasher.hexdigest()


def _source_bytes(source: Source, step_keys: list[str], external_keys: Mapping[str, str]) -> bytes:
    if type(source) is Ref:
        return b"@" + step_keys[source.step].encode() + b"." + source.port.encode()
    if type(source) is Const:
        return typed(source.value)
    if type(source) is External:
        return b"@" + external_keys[source.name].encode()
    assert isinstance(source, list)
    return b"l" + b"".join(_field(_source_bytes(s, step_keys, external_keys)) for s in source)


def source_text(source: Source, step_keys: list[str], external_keys: Mapping[str, str]) -> Any:
    """A source as JSON, for the record: the upstream key and port."""
    if type(source) is Ref:
        return f"{step_keys[source.step]}.{source.port}"
    if type(source) is Const:
        return {"value": _plain(source.value)}
    if type(source) is External:
        return external_keys[source.name]
    assert isinstance(source, list)
    return [source_text(s, step_keys, external_keys) for s in source]


def parts_of(
    head: OpHead,
    values: Mapping[str, Any],
    inputs: Mapping[str, Source],
    step_keys: list[str],
    external_keys: Mapping[str, str],
    body: str = "",
) -> dict[str, Any]:
    """What a key was made of, as JSON: what `nodeflow why` compares."""
    defaults = {k: v for k, v in head.defaults.items() if k not in values and k not in inputs}
    everything = {**defaults, **values}
    parts: dict[str, Any] = {
        "op": head.op.name,
        "version": head.op.version,
        "code": head.code_digest,
        "values": {k: _plain(v) for k, v in everything.items() if type(v) is not File},
        "files": {k: {"name": v.name, "digest": v.digest} for k, v in everything.items() if type(v) is File},
        "inputs": {k: source_text(s, step_keys, external_keys) for k, s in inputs.items()},
        "numeric": head.numeric,
    }
    if body:
        parts["body"] = body
    return parts


def _plain(value: Any) -> Any:
    """A value as JSON that shows its type: a whole number that is a float is written as `{"float": "1.0"}`."""
    if type(value) is float and value.is_integer():
        return {"float": repr(value)}
    if type(value) is File:
        return {"file": value.name, "digest": value.digest}
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The parts in which two keys differ: (path, in a, in b), in the order op, version, code, numeric, files, values,
    inputs."""
    found: list[tuple[str, Any, Any]] = []
    for part in ("op", "version", "code", "numeric", "body"):
        if a.get(part) != b.get(part):
            found.append((part, a.get(part), b.get(part)))
    for part in ("files", "values", "inputs"):
        left, right = a.get(part, {}), b.get(part, {})
        for name in sorted(left.keys() | right.keys()):
            if canonical(left.get(name)) != canonical(right.get(name)):
                found.append((f"{part}.{name}", left.get(name), right.get(name)))
    return found
