"""From a UI document to the nodes that run: sub-graphs are entered, virtual nodes and bypassed ones are gone round.

A walk goes instance by instance (a `Frame`), and a link is followed from the input that has it to the output that
really feeds it. Everything is looked up by the input's name and the link's row, the two things that files keep right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nodeflow.comfy.bypass import passed_on
from nodeflow.comfy.document import (
    BYPASSED,
    INPUT_SIDE,
    MUTED,
    NOTES,
    OUTPUT_SIDE,
    VIRTUAL,
    Scope,
    Socket,
    UiNode,
    ident,
    read_scopes,
    text,
)
from nodeflow.comfy.graph import MAX_STEPS, Graph, Instance, Item, Source, renamed
from nodeflow.comfy.host import MAX_NESTING, host_values
from nodeflow.comfy.report import Report
from nodeflow.comfy.text import refuse, shorten
from nodeflow.comfy.widgets import defaults, named_values

MAX_FRAMES = 10_000
MAX_NOTES = 2_000


class _Absent:
    """What an input gets that nothing feeds: its widget's value, or (cut) nothing at all."""

    def __init__(self, cut: bool) -> None:
        self.cut = cut


INNER, CUT = _Absent(False), _Absent(True)


@dataclass
class Given:
    """A value from outside: of a primitive node, or of the host of a sub-graph (its path, and the name there)."""

    value: Any
    primitive: str = ""
    host: tuple[str, str] | None = None


@dataclass
class Frame:
    """An instance of a definition, or the root. host: values for its definition's inputs; inner: for inner widgets."""

    scope: Scope
    path: str = ""
    node: UiNode | None = None
    parent: Frame | None = None
    off: bool = False
    depth: int = 0
    host: dict[str, Any] = field(default_factory=dict)
    inner: dict[tuple[str, str], Any] = field(default_factory=dict)
    children: dict[str, Frame] = field(default_factory=dict)

    def lineage(self) -> list[str]:
        return [*(self.parent.lineage() if self.parent else []), self.scope.id]


def flatten(document: dict[str, Any], report: Report) -> Graph:
    """The nodes of a UI document that run, with named inputs.

    Raises:
        ProblemsError: if a definition contains itself, or there are too many nodes.
    """
    root, definitions = read_scopes(document, report)
    return _Flattener(definitions, report).run(root, document)


class _Flattener:
    def __init__(self, definitions: dict[str, Scope], report: Report) -> None:
        self.definitions = definitions
        self.report = report
        self.graph = Graph()
        self.frames = 0
        self.steps = 0
        self.work: list[tuple[Frame, UiNode, Item]] = []

    def run(self, root: Scope, document: dict[str, Any]) -> Graph:
        top = Frame(root)
        self._enter(top)
        for frame, node, item in self.work:
            self._wire(frame, node, item)
        self._instances(top)
        self._form(document)
        self._groups(root)
        return self.graph

    # --- nodes -----------------------------------------------------------------------------------------------------

    def _enter(self, frame: Frame) -> None:
        todo = [frame]
        while todo:
            frame = todo.pop()
            for node in frame.scope.nodes.values():
                if node.type in self.definitions:
                    todo.append(self._child(frame, node))
                elif node.type in VIRTUAL:
                    if node.type in NOTES:
                        self._note(frame, node)
                else:
                    self._item(frame, node)

    def _child(self, frame: Frame, node: UiNode) -> Frame:
        scope = self.definitions[node.type]
        if scope.id in frame.lineage() or frame.depth >= MAX_NESTING:
            path = " → ".join(shorten(i, 40) for i in [*frame.lineage()[1:], scope.id][:8])
            raise refuse(f"sub-graphs contain each other or nest too deeply: {path}", code="NF113", place="definitions")
        self.frames += 1
        if self.frames > MAX_FRAMES:
            raise refuse(f"more than {MAX_FRAMES:,} instances of sub-graphs", code="NF115", place="definitions")
        path = f"{frame.path}{node.id}:"
        off = frame.off or node.mode in (MUTED, BYPASSED)
        child = Frame(scope, path, node, frame, off, frame.depth + 1)
        frame.children[node.id] = child
        child.host, child.inner = host_values(scope, self.definitions, node)
        return child

    def _item(self, frame: Frame, node: UiNode) -> None:
        key = frame.path + node.id
        item = Item(key, node.type, node.title, at=node.at, off=frame.off or node.mode in (MUTED, BYPASSED))
        sockets = [s.widget for s in node.inputs if s.widget]
        values, item.control = named_values(key, node.type, node.values, node.named, sockets, self.report)
        for (inner, name), value in frame.inner.items():
            if inner == node.id:
                values[name] = value
                item.promoted[name] = (frame.path[:-1], name)
        item.inputs = {**defaults(node.type), **values}
        if node.type.startswith(("workflow>", "workflow/")):
            hint = "open it in ComfyUI and convert it to a sub-graph"
            self.report.add("unknown-node", "group nodes are not read", key, node.type, hint=hint)
        self.graph.add(item)
        self.work.append((frame, node, item))

    # --- links -----------------------------------------------------------------------------------------------------

    def _wire(self, frame: Frame, node: UiNode, item: Item) -> None:
        for entry in node.inputs:
            if not entry.link or not entry.name:
                continue
            found = self._source(frame, entry, item)
            if isinstance(found, Source):
                item.inputs[entry.name] = found
            elif isinstance(found, Given):
                item.inputs[entry.name] = found.value
                if found.primitive:
                    item.shared[entry.name] = found.primitive
                if found.host is not None:
                    item.promoted[entry.name] = found.host
            elif found.cut:
                item.inputs.pop(entry.name, None)
                self.report.add("dropped-link", f"input {entry.name!r} came from a muted node", item.id, item.type)
            elif entry.name not in item.inputs:
                self.report.add("dropped-link", f"input {entry.name!r} has no source", item.id, item.type)
        renamed(item)

    def _source(self, frame: Frame, entry: Socket, item: Item) -> Source | Given | _Absent:
        """What feeds an input, by its link."""
        link, wanted = entry.link, entry.type
        seen: set[tuple[str, str]] = set()
        while True:
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise refuse("its links lead through too many nodes that never run", code="NF115", place="links")
            row = frame.scope.links.get(link)
            if row is None or (frame.path, link) in seen:
                what = "leads in a circle" if row else "has no row in the file"
                self.report.add("dropped-link", f"the link of input {entry.name!r} {what}", item.id, item.type)
                return INNER
            seen.add((frame.path, link))
            if row.origin == INPUT_SIDE:
                outer = self._outside(frame, row.slot)
                if not isinstance(outer, tuple):
                    return outer
                frame, link = outer
                continue
            node = frame.scope.nodes.get(row.origin)
            if node is None:
                self.report.add("dropped-link", f"input {entry.name!r} comes from no node", item.id, item.type)
                return INNER
            if node.type in VIRTUAL:
                through = self._virtual(frame, node)
                if not isinstance(through, str):
                    return through
                link = through
            elif node.mode == MUTED:
                return CUT
            elif node.mode == BYPASSED:
                passed = passed_on(node, row.slot, wanted)
                if passed is None or not passed.link:
                    return INNER
                link, wanted = passed.link, passed.type
            elif node.type in self.definitions:
                child = frame.children[node.id]
                inside = self._inside(child.scope, row.slot)
                if not inside:
                    return INNER
                frame, link = child, inside
            else:
                return Source(frame.path + node.id, max(row.slot, 0))

    def _outside(self, frame: Frame, slot: int) -> tuple[Frame, str] | Given | _Absent:
        """What feeds a definition's input: the link at the host's input of that name, else the host's value."""
        host, parent = frame.node, frame.parent
        if host is None or parent is None or not 0 <= slot < len(frame.scope.inputs):
            return INNER
        name = frame.scope.inputs[slot].name
        socket = host.socket(name)
        if socket is not None and socket.link:
            return parent, socket.link
        return Given(frame.host[name], host=(frame.path[:-1], name)) if name in frame.host else INNER

    def _inside(self, scope: Scope, slot: int) -> str:
        """The link that feeds a definition's output; the first listed one that exists."""
        if 0 <= slot < len(scope.outputs):
            for link in scope.outputs[slot].links:
                if link in scope.links:
                    return link
        rows = scope.links.items()
        return next((i for i, row in rows if row.target == OUTPUT_SIDE and row.target_slot == slot), "")

    def _virtual(self, frame: Frame, node: UiNode) -> str | Given | _Absent:
        """Through a node that never runs: the link to go on with, or a value."""
        if node.type == "PrimitiveNode":
            values = node.values if isinstance(node.values, list) else []
            return Given(values[0], frame.path + node.id) if values else INNER
        if node.type == "GetNode":
            name = node.values[0] if isinstance(node.values, list) and node.values else None
            setters = (n for n in frame.scope.nodes.values() if n.type == "SetNode")
            found = next((n for n in setters if isinstance(n.values, list) and n.values[:1] == [name]), None)
            if found is None:
                return INNER
            node = found
        return (node.inputs[0].link or INNER) if node.inputs else INNER

    def _instances(self, top: Frame) -> None:
        """The sub-graphs that run, with what comes out of each."""
        told, self.report = self.report, Report()  # what is wrong with these links is told where they are used
        todo = list(top.children.values())
        while todo:
            frame = todo.pop()
            todo += frame.children.values()
            if frame.off or frame.node is None:
                continue
            outputs = []
            for slot, boundary in enumerate(frame.scope.outputs):
                if link := self._inside(frame.scope, slot):
                    found = self._source(frame, Socket(boundary.name, boundary.type, link, ""), Item("", ""))
                    outputs += [(boundary.name, found)] if isinstance(found, Source) else []
            node = frame.node
            self.graph.instances[frame.path[:-1]] = Instance(frame.scope.name, node.title, node.at, tuple(outputs))
        self.report = told

    # --- what is only for the eye ----------------------------------------------------------------------------------

    def _note(self, frame: Frame, node: UiNode) -> None:
        values = node.values if isinstance(node.values, list) else []
        words = values[0] if values and isinstance(values[0], str) else ""
        notes = self.graph.layout.setdefault("notes", [])
        if words and len(notes) < MAX_NOTES and not frame.path:
            notes.append({"text": words[:20_000], "at": node.at or [0, 0]})

    def _groups(self, root: Scope) -> None:
        groups = []
        for group in root.groups[:MAX_NOTES]:
            box = group.get("bounding")
            if isinstance(box, list) and len(box) == 4 and all(type(v) in (int, float) for v in box):
                groups.append({"title": text(group.get("title"))[:500], "at": box[:2], "size": box[2:]})
        if groups:
            self.graph.layout["groups"] = groups

    def _form(self, document: dict[str, Any]) -> None:
        """The author's own form (`extra.linearData`)."""
        extra = document.get("extra")
        form = extra.get("linearData") if isinstance(extra, dict) else None
        for entry in (form.get("inputs") or []) if isinstance(form, dict) else []:
            if isinstance(entry, list) and len(entry) >= 2 and isinstance(entry[1], str):
                self.graph.form.append((ident(entry[0]), entry[1]))
