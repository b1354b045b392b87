"""Two recipes, two runs or two pictures compared: what differs in nodes, values, links, models, files and versions.

`Side` is what is known of one of the two; a part that only one side knows is not compared. Recipes are compared as
documents, so that a recipe whose nodes are not installed can be compared too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nodeflow.annotations import ModelFile
from nodeflow.jsonio import canonical
from nodeflow.op import Op
from nodeflow.share.pictures import Difference, PictureError, compare, opened
from nodeflow.why import compare as compare_keys
from nodeflow.workflow import Node, Workflow

SHOWN = 20
"""So many pictures are compared at most."""


@dataclass(frozen=True)
class Change:
    """One difference. kind: node, op, mode, value, model, file, link, each, input, output, version, numeric, code,
    lock, result or cosmetic. a, b: what each side has, None: nothing."""

    kind: str
    place: str
    a: Any
    b: Any
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Made:
    """A file that a run made, or a picture that is compared: digest of its content, and the content if it is here."""

    digest: str
    media: str = ""
    data: bytes | None = field(default=None, repr=False)


@dataclass
class Side:
    """What is known of one side.

    numeric: the numeric class as text. keys: of its results by node. made: its files by output and place. lock: digest
    of the lock that it was made under.
    """

    name: str
    workflow: Workflow | None = None
    versions: Mapping[str, str] | None = None
    numeric: str | None = None
    keys: Mapping[str, str] | None = None
    made: Mapping[str, Made] | None = None
    lock: str = ""


def comparable(a: Side, b: Side) -> bool:
    """Whether there is anything that both sides know."""
    return (a.workflow is not None and b.workflow is not None) or (a.made is not None and b.made is not None)


@dataclass
class Diff:
    """What differs; pictures: how much, by name."""

    changes: list[Change] = field(default_factory=list)
    pictures: dict[str, Difference] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Nothing differs that matters: how a recipe is laid out does not."""
        return all(change.kind == "cosmetic" for change in self.changes)


def diff(
    a: Side,
    b: Side,
    find: Callable[[str], Op | None] = lambda name: None,
    parts: Callable[[str], Mapping[str, Any] | None] = lambda key: None,
) -> Diff:
    """Everything in which two sides differ.

    Args:
        find: the op of a name, if it is installed: it says which values name models.
        parts: what a key was made of, if that is on record.
    """
    found = Diff()
    if a.workflow is not None and b.workflow is not None:
        found.changes += recipe_changes(a.workflow, b.workflow, find)
    if a.versions is not None and b.versions is not None:
        found.changes += _maps("version", a.versions, b.versions)
    if a.numeric and b.numeric and a.numeric != b.numeric:
        found.changes += _maps("numeric", _numeric(a.numeric), _numeric(b.numeric))
    if a.lock and b.lock and a.lock != b.lock:
        found.changes.append(Change("lock", "", a.lock, b.lock, "that it was made under"))
    if a.keys is not None and b.keys is not None:
        found.changes += _causes(a.keys, b.keys, parts)
    if a.made is not None and b.made is not None:
        _results(a.made, b.made, found)
    return found


def recipe_changes(
    a: Workflow, b: Workflow, find: Callable[[str], Op | None] = lambda name: None, prefix: str = ""
) -> Iterator[Change]:
    """What differs between two recipes, node by node; the layout and titles last."""
    for name in _both(a.nodes, b.nodes):
        place, left, right = f"{prefix}{name}", a.nodes.get(name), b.nodes.get(name)
        if left is None or right is None:
            yield Change("node", place, left and left.op, right and right.op, "only in one")
        elif left != right:
            yield from _node(place, left, right, find)
    first, second = ({name: declared.to for name, declared in w.inputs.items()} for w in (a, b))
    yield from _maps("input", first, second, prefix=prefix)
    yield from _maps("output", a.outputs, b.outputs, prefix=prefix)
    for name in _both(a.definitions, b.definitions):
        empty = Workflow()
        left_inner, right_inner = a.definitions.get(name, empty), b.definitions.get(name, empty)
        yield from recipe_changes(left_inner, right_inner, find, f"{prefix}{name}/")
    if not prefix and a.digest() == b.digest() and a.to_json() != b.to_json():
        left_json, right_json = a.to_json(), b.to_json()
        keys = [k for k in _both(left_json, right_json) if left_json.get(k) != right_json.get(k)]
        yield Change("cosmetic", "", None, None, f"titles, texts or layout, in {', '.join(keys)}")


def _node(place: str, a: Node, b: Node, find: Callable[[str], Op | None]) -> Iterator[Change]:
    if a.op != b.op:
        yield Change("op", place, a.op, b.op)
    if a.mode != b.mode:
        yield Change("mode", place, a.mode, b.mode)
    op = find(b.op.partition("@")[0])
    for port in _both(a.values, b.values):
        if not _equal(a.values, b.values, port):
            yield Change(_kind(op, port), f"{place}.{port}", a.values.get(port), b.values.get(port))
    yield from _maps("link", a.links, b.links, prefix=f"{place}.")
    for key in ("each", "product"):
        if getattr(a, key) != getattr(b, key):
            yield Change("each", f"{place}.{key}", list(getattr(a, key)), list(getattr(b, key)))


def _kind(op: Op | None, port: str) -> str:
    """Whether a value names a model, a file, or is just a value."""
    found = op.inputs.get(port) if op is not None else None
    if found is None or not found.is_file:
        return "value"
    return "model" if found.extra(ModelFile) else "file"


def _maps(kind: str, a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> Iterator[Change]:
    for name in _both(a, b):
        if not _equal(a, b, name):
            yield Change(kind, f"{prefix}{name}", a.get(name), b.get(name))


def _both(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return sorted(a.keys() | b.keys())


def _equal(a: Mapping[str, Any], b: Mapping[str, Any], name: str) -> bool:
    if (name in a) != (name in b):
        return False
    left, right = a.get(name), b.get(name)
    return type(left) is type(right) and (
        left == right if isinstance(left, str) else canonical(left) == canonical(right)
    )


def _numeric(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (part.partition("=") for part in text.split(" "))}


def _causes(
    a: Mapping[str, str], b: Mapping[str, str], parts: Callable[[str], Mapping[str, Any] | None]
) -> Iterator[Change]:
    """Why results of the same nodes have other keys, as far as the recipe does not say it: code and files."""
    seen: set[str] = set()
    for node in _both(a, b):
        if node not in a or node not in b or a[node] == b[node] or not a[node] or not b[node]:
            continue
        item = compare_keys(parts, a[node], b[node])
        pack = item.ops[0].partition("/")[0]
        for part, left, right in item.own:
            kind, _, port = part.partition(".")
            if kind == "code" and pack not in seen:
                seen.add(pack)
                yield Change("code", pack, str(left)[:12], str(right)[:12], "the pack's source")
            elif kind == "files":
                yield Change("file", f"{node}.{port}", left, right, "the content")


def _results(a: Mapping[str, Made], b: Mapping[str, Made], found: Diff) -> None:
    for name in _both(a, b):
        left, right = a.get(name), b.get(name)
        if left is None or right is None:
            found.changes.append(Change("result", name, left and left.digest, right and right.digest, "only in one"))
        elif left.digest != right.digest:
            detail = ""
            if left.data is not None and right.data is not None and len(found.pictures) < SHOWN:
                detail = _pixels(name, left.data, right.data, found)
            if detail != _EQUAL:
                found.changes.append(Change("result", name, left.digest, right.digest, detail))


_EQUAL = "every pixel is equal"


def _pixels(name: str, a: bytes, b: bytes, found: Diff) -> str:
    try:
        left, right = opened(a), opened(b)
    except PictureError:
        return ""
    gap = compare(left, right)
    if gap is None:
        return f"{left.width}x{left.height} and {right.width}x{right.height} pixels"
    found.pictures[name] = gap
    return str(gap)
