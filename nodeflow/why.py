"""Why two results differ: their keys compared part by part, and back through what fed them to the root cause."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeflow.keys import differences

Parts = Mapping[str, Any]


@dataclass
class Compared:
    """Two keys: the op that each is a result of, the path of inputs that leads to them, and where they differ.

    differences: (part, in a, in b) as `keys.differences` gives them; empty where one of the two is not on record.
    """

    a: str
    b: str
    path: tuple[str, ...]
    ops: tuple[str, str] = ("", "")
    differences: list[tuple[str, Any, Any]] = field(default_factory=list)

    @property
    def own(self) -> list[tuple[str, Any, Any]]:
        """Differences that are not merely those of what fed it: a root cause, if there are any."""
        return [d for d in self.differences if not list(_fed(d))]

    @property
    def known(self) -> bool:
        return all(self.ops)


def compare(parts: Callable[[str], Parts | None], a: str, b: str, path: tuple[str, ...] = ()) -> Compared:
    """Compare two keys, and not what fed them; arguments as `explain`'s."""
    left, right = parts(a), parts(b)
    changes = [] if left is None or right is None else differences(left, right)
    return Compared(a, b, path, (_op(left), _op(right)), changes)


def explain(parts: Callable[[str], Parts | None], a: str, b: str) -> list[Compared]:
    """Compare two keys, and those of their inputs that differ, breadth first; each pair once.

    Args:
        parts: what a key was made of, None if no recorded run had it.
    """
    found: list[Compared] = []
    todo: deque[tuple[str, str, tuple[str, ...]]] = deque([(a, b, ())])
    seen = {(a, b)}
    while todo:
        item = compare(parts, *todo.popleft())
        found.append(item)
        for change in item.differences:
            for name, x, y in _fed(change):
                if (x, y) not in seen:
                    seen.add((x, y))
                    todo.append((x, y, (*item.path, name)))
    return found


def root_causes(compared: list[Compared]) -> list[Compared]:
    """The pairs with differences of their own: what everything else follows from."""
    return [item for item in compared if item.own or (not item.known and item.path)]


def _op(parts: Parts | None) -> str:
    return f"{parts['op']}@{parts['version']}" if parts is not None else ""


def _fed(change: tuple[str, Any, Any]) -> Iterator[tuple[str, str, str]]:
    """(input, key, key) for each pair of upstream results that an input's difference comes from."""
    part, left, right = change
    kind, _, name = part.partition(".")
    if kind == "inputs":
        yield from _pairs(name, left, right)


def _pairs(name: str, left: Any, right: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(left, str) and isinstance(right, str):
        (x, _, port), (y, _, other) = left.partition("."), right.partition(".")
        if x != y and port == other and len(x) == len(y) == 64:
            yield name, x, y
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (x, y) in enumerate(zip(left, right, strict=True)):
            if x != y:
                yield from _pairs(f"{name}.{index}", x, y)
