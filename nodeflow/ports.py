"""Ports: what a node's annotations mean for wires, widgets and values.

An annotation is read once into a `Port`; the rule for a literal value is `Port.parse`. This module knows types, not
nodes or workflows.
"""

from __future__ import annotations

import enum
import math
import re
import types
import typing
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar, Union

import annotated_types

from nodeflow.annotations import Body
from nodeflow.edges import PLAIN, EdgeType, describe, edge_type
from nodeflow.errors import NodeError
from nodeflow.types import File

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING", "__bool__": lambda self: False})()
SAFE_INTEGER = 2**53
"""Above this, JavaScript loses integers; they are written as strings of digits."""


@dataclass(frozen=True)
class Port:
    """One input or output of a node."""

    name: str
    annotation: Any
    doc: str = ""
    default: Any = MISSING
    lazy: bool = False
    metadata: tuple[Any, ...] = field(default=(), repr=False)

    @cached_property
    def type(self) -> EdgeType:
        return edge_type(self.annotation)

    @property
    def required(self) -> bool:
        return self.default is MISSING

    def extra(self, kind: Any) -> Any:
        """The first metadata object of class `kind` on the annotation, or None."""
        return next((m for m in self.metadata if isinstance(m, kind)), None)

    @cached_property
    def is_file(self) -> bool:
        return File in self.type.members

    @cached_property
    def takes_values(self) -> bool:
        """Whether a literal value can be written in the recipe (otherwise the port needs a link)."""
        return any(_literal(m) for m in self.type.members)

    @cached_property
    def choices(self) -> tuple[Any, ...] | None:
        """The allowed values, if they are known from the annotation."""
        return _choices(self.annotation)

    @cached_property
    def _adapter(self) -> Any:
        from pydantic import ConfigDict, TypeAdapter

        return TypeAdapter(
            _json_annotation(self.annotation, self.metadata), config=ConfigDict(strict=True, allow_inf_nan=False)
        )

    def parse(self, value: Any) -> Any:
        """A literal value from a recipe as this port's type: `5` is 5.0 for a float port, a string of digits beyond
        2**53 is an integer for an int port; nothing else is converted.

        Raises:
            pydantic.ValidationError: if it does not fit.
        """
        return self._adapter.validate_python(_revived(value, self.type))

    @cached_property
    def _checks_linked(self) -> bool:
        plain = all(m in PLAIN or (isinstance(m, type) and issubclass(m, enum.Enum)) for m in self.type.members)
        return plain and (self.type.members == (float,) or self.choices is not None or bool(self.metadata))

    def received(self, value: Any) -> Any:
        """A computed value as this port takes it: an int for a float becomes a float, and ranges and choices hold for
        what comes along a link as for what is written.

        Raises:
            NodeError: if the value is out of range or not among the choices.
        """
        if not self._checks_linked or value is None or isinstance(value, enum.Enum):
            return value
        try:
            return self.parse(value)
        except ValueError:
            wanted = f"one of {', '.join(map(str, self.choices))}" if self.choices else f"{self.type} {self.range_text}"
            raise NodeError(f"its input {self.name!r} got {describe(value)}, expected {wanted.strip()}") from None

    @property
    def range_text(self) -> str:
        """`0 to 1`, `at least 0`, `at most 1`, or nothing."""
        low = next((m.ge for m in self.metadata if getattr(m, "ge", None) is not None), None)
        high = next((m.le for m in self.metadata if getattr(m, "le", None) is not None), None)
        if low is not None and high is not None:
            return f"{low} to {high}"
        return f"at least {low}" if low is not None else f"at most {high}" if high is not None else ""

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the literal values this port takes."""
        if not self.takes_values:
            return {"description": f"needs a link of type {self.type}", "not": {}}
        return dict(self._adapter.json_schema())


def _literal(member: Any) -> bool:
    if isinstance(member, tuple):
        return any(_literal(m) for m in member[1].members)
    if member is Any or isinstance(member, TypeVar) or member is File or member is Body:
        return True
    plain = member in PLAIN and member is not type(None)
    return plain or (isinstance(member, type) and issubclass(member, enum.Enum))


def _choices(annotation: Any) -> tuple[Any, ...] | None:
    if typing.get_origin(annotation) is typing.Annotated:
        return _choices(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is Literal:
        return typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return tuple(member.value for member in annotation)
    return None


def _revived(value: Any, edge: EdgeType) -> Any:
    """Integers beyond 2**53, which are saved as strings of digits or come as real numbers, as integers again."""
    if type(value) is list and edge.item is not None:
        return [_revived(item, edge.item) for item in value]
    takes = edge.members
    if type(value) is str and len(value) > 15 and str not in takes and (int in takes or float in takes):
        if re.fullmatch(r"-?[1-9][0-9]{15,30}", value) and abs(int(value)) > SAFE_INTEGER:
            return int(value)
    elif type(value) is float and int in takes and float not in takes and abs(value) > SAFE_INTEGER:
        return int(value) if math.isfinite(value) else value
    return value


def _json_annotation(annotation: Any, metadata: tuple[Any, ...] = ()) -> Any:
    """The annotation with what cannot be written in JSON taken out, and files and bodies as strings."""
    kinds = (annotated_types.BaseMetadata, annotated_types.GroupedMetadata)
    constraints = tuple(m for m in metadata if isinstance(m, kinds))
    if constraints:
        return typing.Annotated[(_json_annotation(annotation), *constraints)]
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        base, *rest = typing.get_args(annotation)
        return _json_annotation(base, tuple(rest))
    if origin in (Union, types.UnionType):
        members = typing.get_args(annotation)
        parts = [a for a in members if a is type(None) or any(_literal(m) for m in edge_type(a).members)]
        return Union[tuple(_json_annotation(a) for a in parts)]  # noqa: UP007
    if origin is list:
        return list[_json_annotation(typing.get_args(annotation)[0])]  # type: ignore[misc]
    if annotation is File or annotation is Body:
        return str
    if isinstance(annotation, TypeVar):
        return Any
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        from pydantic import Strict

        return typing.Annotated[annotation, Strict(False)]  # a recipe has the value, not the member
    return annotation


def make_port(name: str, annotation: Any, *, doc: str = "", default: Any = MISSING, lazy: bool = False) -> Port:
    """Read an annotation into a port; raises `TypeError` where the annotation is no port type."""
    metadata: tuple[Any, ...] = ()
    base = annotation
    if typing.get_origin(annotation) in (Union, types.UnionType):
        annotated = [a for a in typing.get_args(annotation) if typing.get_origin(a) is typing.Annotated]
        if len(annotated) == 1:
            metadata = typing.get_args(annotated[0])[1:]
    while typing.get_origin(base) is typing.Annotated:
        metadata = (*typing.get_args(base)[1:], *metadata)
        base = typing.get_args(base)[0]
    edge_type(base)
    return Port(name, base, doc, default, lazy, metadata)
