"""Sub-graphs as definitions: the nodes of each instance, which were read one by one, become a sub-workflow again.

Works on the finished document, from the innermost instance outwards, so that whatever a node became lies in the
definition of the instance it was in. What comes from outside becomes an input of the definition, what is used outside
an output; promoted values become values of the node that stands for it. Instances of which equal definitions come
share one. An instance stays flat where folding would change what is computed: a list that mixes links from inside and
outside, or a way out of it that leads back into it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeflow.comfy.convert import Converted
from nodeflow.comfy.graph import Instance
from nodeflow.comfy.report import Report
from nodeflow.comfy.text import shorten
from nodeflow.jsonio import canonical
from nodeflow.workflow import SUBWORKFLOW

KEY = "x-comfy"
MAX_FOLDED = 300
"""Of more instances the rest stay flat: each costs a walk over the whole recipe."""
Doc = dict[str, Any]


def fold(document: Doc, instances: Mapping[str, Instance], made: Converted, report: Report) -> Doc:
    """The recipe with definitions.

    Args:
        document: the flat recipe. instances: by path. made: where its nodes and values lie.
    """
    folder = _Folder(document, made, report)
    flat: set[str] = set()
    for number, path in enumerate(sorted(instances, key=lambda p: (-p.count(":"), p))):
        if path in flat or number >= MAX_FOLDED or not folder.fold(path, instances[path]):
            flat |= {path[:i] for i, c in enumerate(path) if c == ":"} | {path}
    return folder.result()


@dataclass
class _Made:
    """A definition under construction. hosted, linked: values and links of the node that stands for it. back: by port
    that is used outside, the output's name."""

    local: dict[str, str]
    inputs: dict[str, list[str]] = field(default_factory=dict)
    hosted: dict[str, Any] = field(default_factory=dict)
    linked: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    by_source: dict[str, str] = field(default_factory=dict)
    by_port: dict[str, str] = field(default_factory=dict)
    upward: dict[str, tuple[str, str]] = field(default_factory=dict)


class _Folder:
    def __init__(self, document: Doc, made: Converted, report: Report) -> None:
        self.document = document
        self.nodes: dict[str, Doc] = document["nodes"]
        self.layout: Doc = document.get("layout", {})
        self.owners = dict(made.owners)
        self.promoted = dict(made.promoted)
        self.outputs = {path: list(ports) for path, ports in made.outputs.items()}
        self.report = report
        self.definitions: dict[str, Doc] = {}
        self._known: dict[str, str] = {}

    def result(self) -> Doc:
        return {**self.document, **({"definitions": self.definitions} if self.definitions else {})}

    def fold(self, path: str, instance: Instance) -> bool:
        """Fold one instance; False if it has to stay flat."""
        members = {name for name in self.nodes if self.owners.get(name) == path}
        if not members:
            self.outputs.pop(path, None)
            return True
        if self._mixed(members) or self._returns(members):
            message = f"the nodes of the sub-graph {shorten(instance.name)!r} stay as they are, with ids {path}-…"
            self.report.add("flattened", message, path)
            return False
        made = _Made(self._local_names(members))
        nodes = {made.local[name]: self._inside(name, members, made, path) for name in sorted(members)}
        host = fresh(path.replace(":", "-"), self.nodes)
        for wanted, port in self.outputs.pop(path, ()):
            if _node(port) in members and port not in made.outputs:
                made.outputs[port] = fresh(_word(wanted), made.outputs.values())
        self._declared(members, made, host)
        self._used(members, made, host)
        self._replace(members, made, host, path, instance, nodes)
        return True

    # --- whether it can be folded ----------------------------------------------------------------------------------

    def _mixed(self, members: set[str]) -> bool:
        """Whether a list of links has some from inside and some from outside."""
        for name in members:
            for link in self.nodes[name].get("links", {}).values():
                if isinstance(link, list) and len({_node(one) in members for one in link}) > 1:
                    return True
        return False

    def _returns(self, members: set[str]) -> bool:
        """Whether something outside uses what comes from inside, and leads back into it."""
        users: dict[str, list[str]] = {}
        for name, node in self.nodes.items():
            for link in _links(node):
                users.setdefault(_node(link), []).append(name)
        todo = [user for name in members for user in users.get(name, ()) if user not in members]
        seen = set(todo)
        while todo:
            for user in users.get(todo.pop(), ()):
                if user in members:
                    return True
                if user not in seen:
                    seen.add(user)
                    todo.append(user)
        return False

    # --- the definition --------------------------------------------------------------------------------------------

    def _local_names(self, members: set[str]) -> dict[str, str]:
        local: dict[str, str] = {}
        taken: set[str] = set()
        for name in sorted(members):
            about = self.nodes[name].get(KEY, {})
            last = str(about.get("id", name)).rpartition(":")[2]
            local[name] = fresh(f"{last}-{about['part']}" if about.get("part") else last, taken)
            taken.add(local[name])
        return local

    def _inside(self, name: str, members: set[str], made: _Made, path: str) -> Doc:
        node = self.nodes[name]
        inner: Doc = {**node, "values": dict(node.get("values", {})), "links": {}}
        for port, link in node.get("links", {}).items():
            links = link if isinstance(link, list) else [link]
            if links and _node(links[0]) in members:
                moved = [f"{made.local[_node(one)]}.{one.partition('.')[2]}" for one in links]
                inner["links"][port] = moved if isinstance(link, list) else moved[0]
            else:
                self._input(made, f"{name}.{port}", port, link, str(link))
        for port in list(inner["values"]):
            above = self.promoted.get(f"{name}.{port}")
            if above is not None and (path == above[0] or path.startswith(f"{above[0]}:")):
                self._promote(made, f"{name}.{port}", above, inner["values"], port, path)
        return inner

    def _input(self, made: _Made, port: str, wanted: str, link: Any, source: str) -> None:
        """An input for what comes from outside; ports with one source share one."""
        name = made.by_source.get(source)
        if name is None:
            name = made.by_source[source] = fresh(_word(wanted), made.inputs)
            made.inputs[name] = []
            made.linked[name] = link
        made.inputs[name].append(self._local(made, port))

    def _promote(self, made: _Made, port: str, above: tuple[str, str], values: Doc, own: str, path: str) -> None:
        """A value that the instance's node has: equal ones under one name share an input."""
        value = values[own]
        name = next(
            (n for n in made.hosted if made.upward.get(n) == above and same(made.hosted[n], value)), None
        ) or fresh(_word(above[1]), made.inputs)
        made.inputs.setdefault(name, []).append(self._local(made, port))
        made.hosted[name] = value
        made.upward[name] = above
        made.by_port[port] = name
        del values[own]

    @staticmethod
    def _local(made: _Made, port: str) -> str:
        return f"{made.local[_node(port)]}.{port.partition('.')[2]}"

    def _declared(self, members: set[str], made: _Made, host: str) -> None:
        """Inputs that the recipe declares lead to the instance's node instead of into it."""
        for declared in self.document.get("inputs", {}).values():
            targets: list[str] = []
            for target in declared["to"]:
                if _node(target) not in members:
                    targets.append(target)
                    continue
                name = made.by_port.get(target)
                if name is None:
                    port = target.partition(".")[2]
                    name = made.by_port[target] = fresh(_word(port), made.inputs)
                    made.inputs[name] = [self._local(made, target)]
                    values = self.nodes[_node(target)].get("values", {})
                    if port in values:
                        made.hosted[name] = values[port]
                targets.append(f"{host}.{name}")
            declared["to"] = list(dict.fromkeys(targets))

    def _used(self, members: set[str], made: _Made, host: str) -> None:
        """Links from outside lead to the instance's outputs."""

        def moved(link: str) -> str:
            if _node(link) not in members:
                return link
            if link not in made.outputs:
                made.outputs[link] = fresh(_word(link.partition(".")[2]), made.outputs.values())
            return f"{host}.{made.outputs[link]}"

        for name, node in self.nodes.items():
            if name not in members:
                node["links"] = {
                    port: [moved(one) for one in link] if isinstance(link, list) else moved(link)
                    for port, link in node.get("links", {}).items()
                }
        for path, ports in self.outputs.items():
            self.outputs[path] = [(name, moved(port)) for name, port in ports]
        if outputs := self.document.get("outputs"):
            self.document["outputs"] = {name: moved(link) for name, link in outputs.items()}

    def _replace(
        self, members: set[str], made: _Made, host: str, path: str, instance: Instance, nodes: dict[str, Doc]
    ) -> None:
        definition: Doc = {"title": instance.name[:1000]} if instance.name else {}
        definition["inputs"] = {name: {"to": list(dict.fromkeys(to))} for name, to in made.inputs.items()}
        definition["outputs"] = {name: self._local(made, port) for port, name in made.outputs.items()}
        definition["nodes"] = {name: _bared(node) for name, node in nodes.items()}
        definition["layout"] = {made.local[n]: self.layout.pop(n) for n in sorted(members) if n in self.layout}
        definition = {k: v for k, v in definition.items() if v}
        text = canonical({k: v for k, v in definition.items() if k != "layout"})
        if text not in self._known:
            self._known[text] = fresh(_word(instance.name or "sub_graph"), self.definitions)
            self.definitions[self._known[text]] = definition
        for name in members:
            del self.nodes[name]
        node: Doc = {"op": f"{SUBWORKFLOW}{self._known[text]}", "values": made.hosted, "links": made.linked}
        if instance.title:
            node["title"] = instance.title[:1000]
        node[KEY] = {"id": path}
        self.nodes[host] = node
        self.owners[host] = path.rpartition(":")[0]
        if instance.at:
            self.layout[host] = {"at": instance.at}
        for name, above in made.upward.items():
            if above[0] != path:
                self.promoted[f"{host}.{name}"] = above


def _bared(node: Doc) -> Doc:
    """A node with the id that it has in the sub-graph, so that instances give equal definitions."""
    about = node.get(KEY)
    if not isinstance(about, dict):
        return node
    return {**node, KEY: {**about, "id": str(about.get("id", "")).rpartition(":")[2]}}


def fresh(wanted: str, taken: Collection[str]) -> str:
    """An id that is not taken yet."""
    wanted = re.sub(r"[^A-Za-z0-9_]+", "-", wanted).strip("-")[:48] or "node"
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def _word(text: str) -> str:
    """Text as a port's name, or as a definition's."""
    word = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")[:40] or "input"
    return word if not word[0].isdigit() else f"_{word}"


def _node(link: str) -> str:
    return link.partition(".")[0]


def _links(node: Doc) -> Iterable[str]:
    for link in node.get("links", {}).values():
        yield from link if isinstance(link, list) else [link]


def same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)
