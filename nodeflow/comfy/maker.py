"""The recipe under construction: ids, links and values of the nodes that ComfyUI's nodes become.

Where an output is, is decided for all nodes before the first one is made; so nodes are made in any order, and a link
through nodes that live on in others (`<input`) is followed to the node that really gives it.
"""

from __future__ import annotations

import re
from typing import Any

from nodeflow.comfy.graph import MAX_STEPS, Graph, Item, Source
from nodeflow.comfy.placeholder import op_of, port_names
from nodeflow.comfy.report import Report, shown
from nodeflow.comfy.rule import NoEquivalent, Rule
from nodeflow.comfy.rules import BY_TYPE
from nodeflow.comfy.text import pack, refuse
from nodeflow.comfy.widgets import defaults

KEY = "x-comfy"


class Maker:
    """Makes a recipe's nodes out of a graph."""

    def __init__(self, graph: Graph, report: Report) -> None:
        self.graph = graph
        self.report = report
        self.nodes: dict[str, dict[str, Any]] = {}
        self.rules: dict[str, Rule] = {}
        self.mapped: dict[str, list[tuple[str, str]]] = {}
        """By PrimitiveNode: the ports that it gives a value to."""
        self.placed: dict[tuple[str, str], str] = {}
        """By (item, input): the port that its value went to."""
        self.parts: dict[str, list[str]] = {}
        """By item: the nodes that it became."""
        self._ids: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()
        self._steps = 0
        self._late: list[tuple[str, str, Source, Item]] = []
        for item in graph.items.values():
            self.id_of(item.id)

    # --- names -----------------------------------------------------------------------------------------------------

    def id_of(self, item: str, part: str = "") -> str:
        """The recipe's id for an item, or for a part of one that becomes several nodes."""
        if (item, part) not in self._ids:
            wanted = re.sub(r"[^A-Za-z0-9_]+", "-", f"{item}-{part}" if part else item).strip("-")[:48] or "node"
            name, number = wanted, 2
            while name in self._taken:
                name, number = f"{wanted}-{number}", number + 1
            self._taken.add(name)
            self._ids[item, part] = name
        return self._ids[item, part]

    def rule(self, item: Item) -> Rule:
        return self.rules[item.id]

    def port(self, item: Item, part: str, port: str) -> str:
        return f"{self.id_of(item.id, part)}.{port}"

    def link(self, source: Source) -> str | None:
        """The recipe's link for an output of an item; None if that output does not exist."""
        for _ in range(len(self.graph.items) + 1):
            item = self.graph.items.get(source.node)
            rule = self.rules.get(source.node)
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise refuse("its links lead through too many nodes", code="NF115", place="links")
            if item is None or (item.off and rule is None):
                return None
            if rule is None:
                return f"{self.id_of(item.id)}.output_{source.slot}"
            if source.slot >= len(rule.outputs) or rule.outputs[source.slot] == "-":
                return None
            part, _, port = rule.outputs[source.slot].rpartition(".")
            if not port.startswith("<"):
                return self.port(item, part, port)
            through = item.inputs.get(port[1:])
            if not isinstance(through, Source):
                return None
            source = through
        return None

    # --- nodes -----------------------------------------------------------------------------------------------------

    def node(
        self,
        item: Item,
        ports: dict[str, str],
        values: dict[str, Any],
        *,
        part: str = "",
        op: str = "",
        links: dict[str, Any] | None = None,
        constants: dict[str, Any] | None = None,
        remember: dict[str, Any] | None = None,
    ) -> None:
        """Add a node: inputs of the item by `ports` (theirs → ours), and values and links of its own."""
        rule = self.rules[item.id]
        fixed = (dict(rule.constants) if not part else {}) if constants is None else constants
        document: dict[str, Any] = {"op": f"{op or rule.op}@1", "values": {**fixed, **values}, "links": {}}
        for theirs, ours in ports.items():
            if theirs in item.inputs and not (op and ours in document["values"]):
                self._put(item, theirs, ours, document, rule, part)
        document["links"].update(links or {})
        memory: dict[str, Any] = {"id": item.id, "type": item.type, **(remember or {})}
        if part:
            memory["part"] = part
        if item.control and not part:
            memory["control"] = item.control
        document[KEY] = memory
        if item.title and not part:
            document["title"] = item.title[:1000]
        self._add(item, part, document)

    def _put(self, item: Item, theirs: str, ours: str, document: dict[str, Any], rule: Rule, part: str) -> None:
        value = item.inputs[theirs]
        convert = rule.converts.get(theirs)
        if isinstance(value, Source):
            link = self.link(value)
            if link is None:
                self._dropped(item, theirs)
            else:
                document["values"].pop(ours, None)
                document["links"][ours] = link
                if convert is not None and convert.linked:
                    self.report.add(
                        "changed-value",
                        f"{theirs!r} is linked; its values are written differently here",
                        item.id,
                        item.type,
                    )
            return
        if value is None:
            return
        value = self._coerced(item, theirs, value)
        if convert is not None:
            try:
                new = convert.there(value)
            except NoEquivalent:
                message = f"{theirs!r} has a value without an equivalent"
                self.report.add("unknown-value", message, item.id, item.type, got=shown(value))
                new = value
            else:
                if convert.told(value, new):
                    note = convert.note or "it does not mean quite the same"
                    used = shown(new)
                    self.report.add(
                        "changed-value", f"{theirs!r}: {note}", item.id, item.type, got=shown(value), used=used
                    )
            value = new
        document["values"][ours] = value
        if not part:
            self.placed[item.id, theirs] = self.port(item, part, ours)
            if primitive := item.shared.get(theirs):
                self.mapped.setdefault(primitive, []).append((self.port(item, part, ours), ours))

    def _coerced(self, item: Item, name: str, value: Any) -> Any:
        """ComfyUI turns values into their input's type; so do we, and say it."""
        default = defaults(item.type).get(name)
        new = value
        if isinstance(default, bool) and not isinstance(value, bool) and isinstance(value, (str, int, float)):
            new = bool(value)
        elif isinstance(default, (int, float)) and not isinstance(default, bool) and isinstance(value, (str, bool)):
            new = _number(value)
        elif isinstance(default, str) and isinstance(value, (int, float)):
            new = str(value)
        if new is not value and (new != value or type(new) is not type(value)):
            message = f"{name!r} has another type; ComfyUI would take it for this value too"
            self.report.add("changed-value", message, item.id, item.type, got=shown(value), used=shown(new))
        return new

    def _add(self, item: Item, part: str, document: dict[str, Any]) -> None:
        name = self.id_of(item.id, part)
        self.nodes[name] = document
        self.parts.setdefault(item.id, []).append(name)

    def _dropped(self, item: Item, name: str) -> None:
        if not item.off:
            message = f"input {name!r} comes from an output without an equivalent"
            self.report.add("dropped-link", message, item.id, item.type)

    def change(self, item: Item, part: str, values: dict[str, Any], links: dict[str, str] | None = None) -> None:
        """Set more values or links of a node that was made."""
        node = self.nodes[self.id_of(item.id, part)]
        node["values"].update(values)
        node["links"].update(links or {})

    def late_link(self, loader: str, port: str, source: Source, item: Item) -> None:
        """A link that belongs to another item's node, which may not be made yet."""
        self._late.append((loader, port, source, item))

    def finish(self) -> None:
        for loader, port, source, item in self._late:
            node, link = self.nodes.get(self.id_of(loader)), self.link(source)
            rule = self.rules.get(loader)
            if node is not None and link and rule is not None and rule.type == "ControlNetLoader":
                node["links"].setdefault(port, link)
            else:
                self.report.add("lost-input", f"{port!r} cannot be given to what it is for", item.id, item.type)

    def placeholder(self, item: Item) -> None:
        """Keep a node that has no equivalent, with every value and link."""
        names = port_names(item.inputs)
        values: dict[str, Any] = {}
        links: dict[str, Any] = {}
        for theirs, ours in names.items():
            value = item.inputs[theirs]
            if isinstance(value, Source):
                if link := self.link(value):
                    links[ours] = link
                else:
                    self._dropped(item, theirs)
            else:
                values[ours] = pack(value)
                self.placed[item.id, theirs] = f"{self.id_of(item.id)}.{ours}"
                if primitive := item.shared.get(theirs):
                    self.mapped.setdefault(primitive, []).append((f"{self.id_of(item.id)}.{ours}", ours))
        memory: dict[str, Any] = {"id": item.id, "type": item.type}
        if renamed := {ours: theirs for theirs, ours in names.items() if ours != theirs}:
            memory["names"] = renamed
        if item.control:
            memory["control"] = item.control
        document = {"op": op_of(item.type), "values": values, "links": links, KEY: memory}
        if item.title:
            document["title"] = item.title[:1000]
        self._add(item, "", document)


def _number(value: Any) -> Any:
    try:
        number = float(value)
    except ValueError:
        return value
    if isinstance(value, bool) or number != number or number in (float("inf"), float("-inf")):
        return int(value) if isinstance(value, bool) else value
    try:
        return int(value)
    except ValueError:
        return number


def rule_for(item: Item, graph: Graph) -> tuple[Rule | None, str]:
    """The rule for an item, or why there is none."""
    rule = BY_TYPE.get(item.type)
    if rule is None:
        return None, "no node here does the same"
    reason = rule.fits(item, graph) if rule.fits else ""
    return (None, reason) if reason else (rule, "")
