"""Edge types: what may flow along a link.

An edge type is a small immutable value made from an annotation, that can be compared and printed; the rule for a legal
edge is `accepts`, the rule for a computed value is `misfit`. This module knows types, not nodes or workflows.
"""

from __future__ import annotations

import enum
import types
import typing
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal, TypeVar, Union

from nodeflow.annotations import Body
from nodeflow.types import TensorType, port_types

PLAIN: dict[type, str] = {str: "str", int: "int", float: "float", bool: "bool", type(None): "None", dict: "dict"}
"""Types that JSON has, by name."""


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
    return PLAIN.get(member) or str(member.__name__)


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
        return EdgeType(tuple(k for k in PLAIN if k in kinds))
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
    if annotation in PLAIN or annotation is Body or registered:
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
    if target in PLAIN or source in PLAIN:
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
    if type(value) is int and value.bit_length() > 1000:
        return f"a whole number of about {value.bit_length() * 0.30103:.0f} digits"  # Python refuses to write long ones
    if value is None or isinstance(value, (bool, int, float, str)):
        text = repr(value)
        return text if len(text) <= limit else text[: limit - 1] + "…"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
