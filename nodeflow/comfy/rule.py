"""What a conversion rule is: a node type, the op it becomes, and what inputs and outputs are called there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodeflow.comfy.graph import Graph, Item
    from nodeflow.comfy.maker import Maker


class NoEquivalent(ValueError):
    """A value that cannot be written here."""


@dataclass(frozen=True)
class Convert:
    """A value in the other's writing and back.

    It is told where a value does not come back as it was, or is one that `differs`; note: what is different then.
    """

    there: Callable[[Any], Any]
    back: Callable[[Any], Any]
    note: str = ""
    differs: tuple[Any, ...] = ()
    linked: bool = False
    """Whether a value that comes by a link would be wrong."""

    def told(self, theirs: Any, ours: Any) -> bool:
        """Whether a value that was written as `ours` means something else than `theirs`."""
        try:
            return any(theirs is d for d in self.differs) or self.back(ours) != theirs
        except NoEquivalent:
            return True


def choice(pairs: Mapping[Any, Any], note: str = "", differs: tuple[Any, ...] = ()) -> Convert:
    """A word for a word; words that are equal on both sides are listed too. Back, the first that fits counts."""
    back: dict[Any, Any] = {}
    for theirs, ours in pairs.items():
        back.setdefault(ours, theirs)

    def look(table: Mapping[Any, Any], value: Any) -> Any:
        try:
            return table[value]
        except (KeyError, TypeError):
            raise NoEquivalent from None

    return Convert(
        lambda v: look(pairs, v), lambda v: look(back, v), note, differs, any(a != b for a, b in pairs.items())
    )


@dataclass(frozen=True)
class Rule:
    """A node type with an equivalent.

    takes: `theirs>ours` or one name for both, separated by blanks. gives: output ports in the order of slots;
    `part.port` is a port of a second node, `<input` passes an input on, `-` is nothing.
    constants: values that make the op do exactly what the node does. ignores: inputs without influence.
    fits: why this very node has no equivalent, or nothing. build: makes the nodes, if one plain node is not enough.
    show: the output port that a viewing node (`PreviewImage`) declares as an output of the recipe.
    """

    type: str
    op: str
    takes: str = ""
    gives: str = ""
    constants: Mapping[str, Any] = field(default_factory=dict)
    converts: Mapping[str, Convert] = field(default_factory=dict)
    ignores: str = ""
    note: str = ""
    show: str = ""
    fits: Callable[[Item, Graph], str] | None = None
    build: Callable[[Maker, Item], None] | None = None
    export: bool = True

    @cached_property
    def ports(self) -> dict[str, str]:
        """Their input → our port."""
        pairs = (word.partition(">") for word in self.takes.split())
        return {theirs: ours or theirs for theirs, _, ours in pairs}

    @cached_property
    def outputs(self) -> list[str]:
        return self.gives.split()


def scaled(factor: int, note: str = "") -> Convert:
    """Another unit: theirs is `factor` of ours; whole numbers stay whole."""

    def number(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise NoEquivalent
        return value

    def there(value: Any) -> Any:
        return number(value) // factor if type(value) is int else number(value) / factor

    return Convert(there, lambda v: number(v) * factor, note, linked=True)
