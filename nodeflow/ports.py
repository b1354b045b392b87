"""Ports: what a node's annotations mean for wires, widgets and values.

An annotation is read once into a `Port`. Edge types are small immutable values that can be compared and printed; the
rule for a legal edge is `accepts`, the rule for a literal value is `Port.parse`, the rule for a computed value is
`misfit`. This module knows types, not nodes or workflows.
"""

from __future__ import annotations

import enum
import math
import re
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal, TypeVar, Union

import annotated_types

from nodeflow.errors import NodeError
from nodeflow.types import File, TensorType, port_types

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING", "__bool__": lambda self: False})()
SAFE_INTEGER = 2**53
"""Above this, JavaScript loses integers; they are written as strings of digits."""

_PLAIN: dict[type, str] = {str: "str", int: "int", float: "float", bool: "bool", type(None): "None", dict: "dict"}


# --- what annotations may carry -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range(annotated_types.GroupedMetadata):
    """Smallest and largest value (both allowed), and the step that a widget moves by. `unit` is shown beside it."""

    ge: float | None = None
    le: float | None = None
    step: float | None = None
    unit: str = ""

    def __iter__(self) -> Iterator[annotated_types.BaseMetadata]:
        if self.ge is not None:
            yield annotated_types.Ge(self.ge)
        if self.le is not None:
            yield annotated_types.Le(self.le)


@dataclass(frozen=True)
class Multiline:
    """A hint for widgets: the text is long."""


@dataclass(frozen=True)
class SeedWidget:
    """A hint for widgets: the number is a seed (fixed, random or +1)."""


Seed = typing.Annotated[int, Range(0, 2**64 - 1), SeedWidget()]
"""A seed: 0 .. 2**64 - 1."""


@dataclass(frozen=True)
class ModelFile:
    """On a `File` port: the value names a file or folder below the model folders' `folder` (ComfyUI's folder names)."""

    folder: str


@dataclass(frozen=True)
class InputFile:
    """On a `File` port: the value is a path inside the input roots, with one of `suffixes` (lower case, with dot)."""

    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choices:
    """A list of choices known only when asked for; called each time, never at import. Must not import torch."""

    provider: Callable[[], list[str]]


class Body:
    """On a control-flow node's port: the name of one of the recipe's `definitions`, run by the node."""


# --- edge types ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EdgeType:
    """A union of members. A member is a class, `Any`, a `TypeVar`, or (`list`, EdgeType)."""

    members: tuple[Any, ...]

    def __str__(self) -> str:
        return " | ".join(_member_name(m) for m in self.members)

    @cached_property
    def is_any(self) -> bool:
        return Any in self.members

    @cached_property
    def item(self) -> EdgeType | None:
        """The item type, if this is (a union with) a list."""
        return next((m[1] for m in self.members if isinstance(m, tuple)), None)

    @cached_property
    def variable(self) -> TypeVar | None:
        return next((m for m in self.members if isinstance(m, TypeVar)), None)


ANY = EdgeType((Any,))


def _member_name(member: Any) -> str:
    if isinstance(member, tuple):
        return f"list[{member[1]}]"
    if member is Any:
        return "any"
    return _PLAIN.get(member) or str(member.__name__)


def list_of(item: EdgeType) -> EdgeType:
    return EdgeType(((list, item),))


def edge_type(annotation: Any) -> EdgeType:
    """The edge type that an annotation stands for.

    Raises:
        TypeError: if it is none (a class that is not registered, `dict[...]`, a callable, ...).
    """
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return edge_type(typing.get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        members: list[Any] = []
        for part in typing.get_args(annotation):
            members += [m for m in edge_type(part).members if m not in members]
        return EdgeType(tuple(members))
    if origin is Literal:
        kinds = {type(choice) for choice in typing.get_args(annotation)}
        return EdgeType(tuple(k for k in _PLAIN if k in kinds))
    if origin is list:
        return list_of(edge_type(typing.get_args(annotation)[0]))
    if annotation is list:
        return list_of(ANY)
    if annotation is Any:
        return ANY
    if annotation is None:
        return EdgeType((type(None),))
    if isinstance(annotation, TypeVar):
        return EdgeType((annotation,))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return EdgeType((annotation,))
    registered = port_types().get(getattr(annotation, "__name__", "")) is annotation
    if annotation in _PLAIN or annotation is Body or registered:
        return EdgeType((annotation,))
    raise TypeError(
        f"{annotation!r} is no port type: use str, int, float, bool, Literal, Enum, list[...], X | None, "
        "a class of nodeflow.types, or your own registered with @port_type"
    )


@lru_cache(maxsize=4096)
def accepts(target: EdgeType, source: EdgeType) -> bool:
    """Whether a value of type `source` may go into `target`: each member of `source` is a subclass of a member of
    `target`, or `int` where `target` takes `float`. Nothing else is coerced: `bool` is not `int`."""
    if target.is_any or target.variable is not None:
        return True
    return all(any(_member_accepts(t, s) for t in target.members) for s in source.members)


def _member_accepts(target: Any, source: Any) -> bool:
    if source is Any or isinstance(source, TypeVar):
        return True  # known only at run time: the value is checked when it arrives
    if isinstance(target, tuple) or isinstance(source, tuple):
        return isinstance(target, tuple) and isinstance(source, tuple) and accepts(target[1], source[1])
    if target is source:
        return True
    if target is float:
        return source is int
    if target in _PLAIN or source in _PLAIN:
        return target is str and issubclass(source, str) and source is not str
    return issubclass(source, target)


def misfit(value: Any, edge: EdgeType) -> str | None:
    """What is wrong with a computed `value` for `edge`, in words; None if it fits. Looks at types and shapes only."""
    members = edge.members
    if len(members) == 1:
        return _member_misfit(value, members[0])
    problems = [_member_misfit(value, m) for m in members]
    return None if None in problems else f"expected {edge}, got {describe(value)}"


def _member_misfit(value: Any, member: Any) -> str | None:
    if member is Any or isinstance(member, TypeVar):
        return None
    if isinstance(member, tuple):
        if not isinstance(value, list):
            return f"expected a list, got {describe(value)}"
        for index, item in enumerate(value):
            if problem := misfit(item, member[1]):
                return f"item {index}: {problem}"
        return None
    if issubclass(member, TensorType):
        wrong: str | None = member.problem(value)
        return wrong
    if member is float:
        return None if type(value) in (int, float) else f"expected float, got {describe(value)}"
    if type(value) is member or (isinstance(value, member) and type(value) is not bool):
        return None
    return f"expected {_member_name(member)}, got {describe(value)}"


def describe(value: Any, limit: int = 80) -> str:
    """A value in a few words, for messages: tensors by shape and dtype, the rest by its shortened repr."""
    if hasattr(value, "untyped_storage"):
        return f"a tensor {list(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if value is None or isinstance(value, (bool, int, float, str)):
        text = repr(value)
        return text if len(text) <= limit else text[: limit - 1] + "…"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"


# --- ports --------------------------------------------------------------------------------------------------------


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
        plain = all(m in _PLAIN or (isinstance(m, type) and issubclass(m, enum.Enum)) for m in self.type.members)
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
    plain = member in _PLAIN and member is not type(None)
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
