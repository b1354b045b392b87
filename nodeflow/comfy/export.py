"""Writing ComfyUI's API format: for recipes whose nodes exist on both sides.

Each node is written by the rule that made it, or by the first one for its op whose constants it has. Placeholders are
written back as they were. What cannot be written is listed, and nothing is written unless leaving it out is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodeflow.comfy.maker import KEY
from nodeflow.comfy.placeholder import PREFIX
from nodeflow.comfy.report import Report, shown
from nodeflow.comfy.rule import NoEquivalent, Rule
from nodeflow.comfy.rules import BY_TYPE, RULES
from nodeflow.comfy.text import unpack
from nodeflow.comfy.unfold import unfold
from nodeflow.problems import Problem, ProblemsError
from nodeflow.workflow import SUBWORKFLOW, Node, Workflow

Prompt = dict[str, dict[str, Any]]
_MISSING: Any = object()


def to_api(
    workflow: Workflow, defaults: Mapping[str, Mapping[str, Any]] | None = None, *, leave_out: bool = False
) -> tuple[Prompt, Report]:
    """A recipe as a prompt in API format, and what is different about it.

    Args:
        defaults: by op, the values of inputs that are not written (of the ops that are installed).
        leave_out: write the rest if some nodes have no equivalent.

    Raises:
        ProblemsError: NF102 for each node that has no equivalent; or its definitions cannot be put in their place.
    """
    return _Writer(unfold(workflow), defaults if defaults is not None else installed_defaults()).run(leave_out)


def installed_defaults() -> dict[str, dict[str, Any]]:
    from nodeflow.registry import installed

    ops = installed().ops
    names = {rule.op for rule in RULES} & ops.keys()
    return {name: {p.name: p.default for p in ops[name].inputs.values() if not p.required} for name in names}


class _Writer:
    def __init__(self, workflow: Workflow, defaults: Mapping[str, Mapping[str, Any]]) -> None:
        self.workflow = workflow
        self.defaults = defaults
        self.report = Report("api")
        self.problems: list[Problem] = []
        self.prompt: Prompt = {}
        self.nodes = {n: node for n, node in workflow.nodes.items() if node.mode == "active"}
        self.rules: dict[str, Rule] = {}
        self.ids: dict[str, str] = {}
        self._taken: set[str] = set()

    def run(self, leave_out: bool) -> tuple[Prompt, Report]:
        for name, node in sorted(self.nodes.items(), key=lambda pair: bool(memory(pair[1]).get("part"))):
            self._choose(name, node)
        if self.problems and not leave_out:
            raise ProblemsError(self.problems)
        for problem in self.problems:
            self.report.add("unknown-node", problem.message, problem.place)
        for name in self.ids:
            self._write(name, self.nodes[name])
        for name, link in self.workflow.outputs.items():
            self._output(name, link)
        self.report.nodes, self.report.converted = len(self.nodes), len(self.ids)
        return self.prompt, self.report

    def _choose(self, name: str, node: Node) -> None:
        op = node.op.partition("@")[0]
        reason = ""
        if node.each or node.product:
            reason = "mapping over a list"
        elif node.op.startswith(SUBWORKFLOW):
            reason = "a sub-workflow"
        elif op.startswith(PREFIX) and isinstance(memory(node).get("type"), str):
            pass
        elif (rule := self._rule(op, node)) is not None:
            self.rules[name] = rule
        else:
            reason = op
        if reason:
            message = f"{reason} has no equivalent in ComfyUI"
            self.problems.append(Problem("NF102", f"nodes.{name}", message, hint="leave it out, or replace it"))
            return
        twin = self._twin(name, node)
        self.ids[name] = twin or self._fresh(
            str(memory(node).get("id", name)) if not memory(node).get("part") else name
        )

    def _rule(self, op: str, node: Node) -> Rule | None:
        made = BY_TYPE.get(str(memory(node).get("type")))
        rules = [rule for rule in ([made] if made else []) + list(RULES) if rule.op == op and rule.export]
        values = {**self.defaults.get(op, {}), **node.values}
        alike = (r for r in rules if all(same(values.get(k, _MISSING), v) for k, v in r.constants.items()))
        if op == "image/batch" or op == "latent/batch":
            return BY_TYPE["ImageBatch" if op == "image/batch" else "LatentBatch"]
        return next(alike, None) or next(iter(rules), None)

    def _twin(self, name: str, node: Node) -> str:
        """The id of the node that this one was made with, if they are still alike (`ControlNetApplyAdvanced`)."""
        about = memory(node)
        if about.get("type") != "ControlNetApplyAdvanced" or about.get("part") != "negative":
            return ""
        for other, main in self.nodes.items():
            it = memory(main)
            if it.get("id") == about.get("id") and not it.get("part") and other in self.ids:
                mine = {k: v for k, v in node.links.items() if k != "conditioning"}
                theirs = {k: v for k, v in main.links.items() if k != "conditioning"}
                if mine == theirs and node.values == main.values:
                    return self.ids[other]
        return ""

    def _fresh(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name

    def link(self, link: str) -> list[Any] | None:
        name, _, port = link.partition(".")
        if name not in self.ids:
            return None
        node, rule = self.nodes[name], self.rules.get(name)
        if rule is None:
            number = port.removeprefix("output_")
            return [self.ids[name], int(number)] if number.isdecimal() and len(number) < 6 else None
        if memory(node).get("part") == "negative" and self._twin(name, node):
            return [self.ids[name], 1]
        return [self.ids[name], rule.outputs.index(port)] if port in rule.outputs else None

    def _write(self, name: str, node: Node) -> None:
        if name not in self.rules:
            self._placeholder(name, node)
            return
        rule = self.rules[name]
        if memory(node).get("part") == "negative" and self._twin(name, node):
            self._input(
                name,
                self.prompt.setdefault(self.ids[name], _new(rule.type)),
                "negative",
                node.links.get("conditioning"),
            )
            return
        entry = self.prompt.setdefault(self.ids[name], _new(rule.type))
        entry["class_type"] = rule.type
        if node.title:
            entry["_meta"] = {"title": node.title}
        values = {**self.defaults.get(rule.op, {}), **node.values}
        written = set(rule.constants)
        for theirs, ours in rule.ports.items():
            written.add(ours)
            if ours in node.links:
                self._input(name, entry, theirs, node.links[ours])
            elif ours in values and values[ours] is not None:
                entry["inputs"][theirs] = self._value(name, rule, theirs, values[ours])
        if rule.type in ("ImageBatch", "LatentBatch"):
            written |= self._chain(name, node, entry, rule)
        if rule.type == "CLIPTextEncode":
            written |= self._skip(name, node, entry)
        if (
            rule.type == "ControlNetApplyAdvanced"
            and "negative" not in entry["inputs"]
            and "positive" in entry["inputs"]
        ):
            entry["inputs"]["negative"] = entry["inputs"]["positive"]
        self._differences(name, node, rule, written)

    def _output(self, name: str, link: str) -> None:
        """A declared output that no node shows or saves: ComfyUI runs only what leads to a node that does."""
        source, rule = self.link(link), self.rules.get(link.partition(".")[0])
        if source is None or (rule is not None and rule.show):
            return
        users = [e["class_type"] for e in self.prompt.values() if source in e["inputs"].values()]
        if any(user.startswith(("Save", "Preview")) for user in users):
            return
        if link.partition(".")[2] == "image":
            entry = {"class_type": "SaveImage", "inputs": {"filename_prefix": name, "images": source}}
        else:
            entry = {"class_type": "PreviewAny", "inputs": {"source": source}}
        self.prompt[self._fresh(name)] = entry

    def _value(self, name: str, rule: Rule, theirs: str, value: Any) -> Any:
        if theirs in ("seed", "noise_seed") and isinstance(value, str) and value.isdecimal() and len(value) < 30:
            value = int(value)
        convert = rule.converts.get(theirs)
        if convert is None:
            return {"__value__": value} if isinstance(value, list) else value
        try:
            return convert.back(value)
        except NoEquivalent:
            self.report.add("unknown-value", f"{theirs!r} has no equivalent", name, rule.type, got=shown(value))
            return value

    def _input(self, name: str, entry: dict[str, Any], theirs: str, link: Any) -> None:
        found = self.link(link) if isinstance(link, str) else None
        if found is not None:
            entry["inputs"][theirs] = found
        elif link is not None:
            self.report.add("dropped-link", f"{theirs!r} comes from what is not written", name, entry["class_type"])

    def _differences(self, name: str, node: Node, rule: Rule, written: set[str]) -> None:
        """Inputs that ComfyUI's node does not have, where they are not at what it does anyway."""
        usual = self.defaults.get(rule.op, {})
        values = {**usual, **node.values}
        for port, value in rule.constants.items():
            if port not in rule.ports.values() and not same(values.get(port, _MISSING), value):
                got = shown(values.get(port))
                message = f"{port!r} is always {value!r} in ComfyUI"
                self.report.add("changed-meaning", message, name, rule.type, got=got)
        for port in [*node.values, *node.links]:
            if port not in written and not (port in node.values and same(usual.get(port, _MISSING), node.values[port])):
                self.report.add("lost-input", f"{port!r} is not an input in ComfyUI", name, rule.type)

    def _chain(self, name: str, node: Node, entry: dict[str, Any], rule: Rule) -> set[str]:
        """A list of links as nodes of two."""
        port = "images" if rule.type == "ImageBatch" else "latents"
        links = node.links.get(port, [])
        found = [self.link(link) for link in (links if isinstance(links, list) else [links])]
        sources = [source for source in found if source is not None]
        first, second = rule.ignores.split()
        while len(sources) > 2:
            key = self._fresh(f"{self.ids[name]}_{len(sources)}")
            self.prompt[key] = {"class_type": rule.type, "inputs": {first: sources[0], second: sources[1]}}
            sources = [[key, 0], *sources[2:]]
        entry["inputs"].update(zip((first, second), sources, strict=False))
        return {port, "sizes", "filter"}

    def _skip(self, name: str, node: Node, entry: dict[str, Any]) -> set[str]:
        skip = node.values.get("clip_skip", 0)
        if type(skip) is int and skip > 0 and "clip" in entry["inputs"]:
            source = entry["inputs"]["clip"]
            wanted = str(memory(node).get("clip_skip_node") or f"{self.ids[name]}_layer")
            made = {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -skip, "clip": source}}
            if self.prompt.get(wanted) != made:
                wanted = self._fresh(wanted)
                self.prompt[wanted] = made
            entry["inputs"]["clip"] = [wanted, 0]
        return {"clip_skip"}

    def _placeholder(self, name: str, node: Node) -> None:
        about = memory(node)
        names = about.get("names")
        names = names if isinstance(names, dict) else {}
        entry = self.prompt.setdefault(self.ids[name], _new(str(about["type"])))
        if node.title:
            entry["_meta"] = {"title": node.title}
        for port, value in node.values.items():
            value = unpack(value)
            entry["inputs"][str(names.get(port, port))] = {"__value__": value} if isinstance(value, list) else value
        for port, link in node.links.items():
            self._input(name, entry, str(names.get(port, port)), link)


def _new(kind: str) -> dict[str, Any]:
    return {"class_type": kind, "inputs": {}}


def memory(node: Node) -> dict[str, Any]:
    """What a node remembers of the one it was made of."""
    kept = (node.model_extra or {}).get(KEY)
    return kept if isinstance(kept, dict) else {}


def same(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)
