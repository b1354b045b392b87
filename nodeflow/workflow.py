"""The recipe: a `Workflow` document, what people and the canvas write and save as JSON.

Data only. The document is checked for its *shape* here (ids, keys, link syntax); whether it makes sense with the
installed nodes is for `rules`. Links are keyed by their target (`links: {port: "node.output"}`), so an input cannot
have two links. Unknown keys that begin with `x-` are kept; other unknown keys are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from nodeflow.jsonio import canonical, dump_json, key_order, parse_json
from nodeflow.migrate import FORMAT, migrate_document
from nodeflow.problems import Problem, ProblemsError, did_you_mean

ID = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}"
NodeId = Annotated[str, StringConstraints(pattern=f"^{ID}$")]
PortName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Link = Annotated[str, StringConstraints(pattern=rf"^{ID}\.[A-Za-z_][A-Za-z0-9_]{{0,63}}$")]
OpId = Annotated[str, StringConstraints(max_length=200)]
Text = Annotated[str, StringConstraints(max_length=100_000)]
MAX_NODES = 100_000

SUBWORKFLOW = "workflow:"
"""Prefix of the op of a node that stands for one of the recipe's `definitions`."""


class _Part(BaseModel):
    """A part of the document: unknown keys are refused (by `_unknown_keys`) unless they begin with `x-`."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)

    def extras(self) -> dict[str, Any]:
        extra = self.model_extra or {}
        return {key: _sorted(extra[key]) for key in sorted(extra, key=key_order)}


class Input(_Part):
    """A declared input: a name for one or more ports, which get the same value."""

    to: Annotated[list[Link], Field(min_length=1)]
    title: Text = ""
    description: Text = ""


class Node(_Part):
    """A node: an op, the values written at its inputs, and the links that feed the others.

    mode: "muted": neither it nor what needs it runs; "bypassed": it passes the input of the same type through.
    each: inputs whose lists are walked together, one run of the node per item; product: every combination.
    """

    op: OpId
    title: Text = ""
    mode: Literal["active", "muted", "bypassed"] = "active"
    values: dict[PortName, Any] = {}
    links: dict[PortName, Link | list[Link]] = {}
    each: list[PortName] = []
    product: list[PortName] = []

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"op": self.op}
        if self.title:
            document["title"] = self.title
        if self.mode != "active":
            document["mode"] = self.mode
        if self.values:
            document["values"] = _sorted(self.values)
        if self.links:
            document["links"] = dict(sorted(self.links.items()))
        for key in ("each", "product"):
            if names := getattr(self, key):
                document[key] = list(names)
        return {**document, **self.extras()}


class Workflow(_Part):
    """A recipe. Immutable: editing methods return a new one."""

    format: Literal["nodeflow/1"] = FORMAT
    title: Text = ""
    description: Text = ""
    inputs: dict[PortName, Input] = {}
    outputs: dict[PortName, Link] = {}
    nodes: Annotated[dict[NodeId, Node], Field(max_length=MAX_NODES)] = {}
    definitions: dict[NodeId, Workflow] = {}
    layout: dict[str, Any] = {}

    @classmethod
    def from_json(cls, document: Any, *, source: str = "") -> Workflow:
        """Check a parsed document's shape, bringing older formats up to date.

        Raises:
            ProblemsError: with everything that is wrong with the shape.
        """
        document = migrate_document(document, source=source)
        problems = list(_unknown_keys(document))
        try:
            workflow = cls.model_validate(document)
        except ValidationError as error:
            shapes = {p.place: p for p in map(_shape_problem, reversed(error.errors(include_url=False)))}
            problems += reversed(shapes.values())
        if problems:
            raise ProblemsError(problems, source)
        return workflow

    @classmethod
    def parse(cls, text: str | bytes, *, source: str = "") -> Workflow:
        """Read a recipe's JSON text."""
        return cls.from_json(parse_json(text, source=source), source=source)

    @classmethod
    def read(cls, path: str | Path) -> Workflow:
        """Read a recipe from a JSON file.

        Raises:
            ProblemsError: if the file cannot be read or is no recipe.
        """
        try:
            with open(path, "rb") as file:
                data = file.read(64 * 1024 * 1024 + 1)
        except OSError as error:
            problem = Problem("NF001", "", f"cannot read the file: {error.strerror}", hint="is the path right?")
            raise ProblemsError([problem], str(path)) from None
        return cls.parse(data, source=str(path))

    def to_json(self, *, top: bool = True) -> dict[str, Any]:
        """The document in canonical key order."""
        document: dict[str, Any] = {"format": self.format} if top else {}
        for key in ("title", "description"):
            if text := getattr(self, key):
                document[key] = text
        if self.inputs:
            document["inputs"] = {name: _input_json(part) for name, part in self.inputs.items()}
        if self.outputs:
            document["outputs"] = dict(self.outputs)
        document["nodes"] = {name: part.to_json() for name, part in sorted(self.nodes.items())}
        if self.definitions:
            document["definitions"] = {n: d.to_json(top=False) for n, d in sorted(self.definitions.items())}
        if self.layout:
            document["layout"] = _sorted(self.layout)
        return {**document, **self.extras()}

    def text(self) -> str:
        """The saved form: canonical, two-space indent, newline at the end."""
        return dump_json(self.to_json()) + "\n"

    def digest(self) -> str:
        """blake3 of the recipe without what is cosmetic (titles, layout, `x-` keys): what it computes."""
        return blake3(canonical(_bare(self)).encode()).hexdigest()

    def with_inputs(self, values: Mapping[str, Any]) -> Workflow:
        """The same recipe with other values at its declared inputs.

        Raises:
            ProblemsError: NF405 for a name that is not declared.
        """
        unknown = [
            Problem("NF405", f"inputs.{name}"[:120], "no such declared input", hint=did_you_mean(name, self.inputs))
            for name in values
            if name not in self.inputs
        ]
        if unknown:
            raise ProblemsError(unknown)
        changed: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            for target in self.inputs[name].to:
                node, _, port = target.partition(".")
                changed.setdefault(node, {})[port] = value
        nodes = dict(self.nodes)
        for node, ports in changed.items():
            if old := nodes.get(node):
                links = {p: link for p, link in old.links.items() if p not in ports}
                nodes[node] = old.model_copy(update={"values": {**old.values, **ports}, "links": links})
        return self.model_copy(update={"nodes": nodes})

    def input_value(self, name: str, default: Any = None) -> Any:
        """The value a declared input has now: that of its first port that holds one."""
        for target in self.inputs[name].to:
            node, _, port = target.partition(".")
            if node in self.nodes and port in self.nodes[node].values:
                return self.nodes[node].values[port]
        return default


def _input_json(part: Input) -> dict[str, Any]:
    document: dict[str, Any] = {"to": list(part.to)}
    for key in ("title", "description"):
        if text := getattr(part, key):
            document[key] = text
    return {**document, **part.extras()}


def _bare(workflow: Workflow) -> dict[str, Any]:
    nodes = {
        name: {k: v for k, v in part.to_json().items() if k != "title" and not k.startswith("x-")}
        for name, part in workflow.nodes.items()
    }
    return {
        "inputs": {name: part.to for name, part in workflow.inputs.items()},
        "outputs": workflow.outputs,
        "nodes": nodes,
        "definitions": {name: _bare(part) for name, part in workflow.definitions.items()},
    }


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=key_order)}
    return [_sorted(v) for v in value] if isinstance(value, list) else value


_UNPRINTABLE = re.compile(r"[^\x21-\x7e\u00a1-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\ud7ff\uf900-\ufefe\uff00-\ufffd]")


def printable(text: str, limit: int = 80) -> str:
    """Text from outside, fit for a terminal: control and direction characters and blanks replaced, shortened."""
    return _UNPRINTABLE.sub("?", text[:limit])


def _unknown_keys(document: Any, place: str = "") -> Iterator[Problem]:
    """NF004 for each key that no part of the document has. Leaves everything else to the model."""
    if not isinstance(document, dict):
        return
    parts: list[tuple[str, Any, type[_Part]]] = [(place, document, Workflow)]
    sections: tuple[tuple[str, type[_Part]], ...] = (("inputs", Input), ("nodes", Node))
    for section, model in sections:
        if isinstance(entries := document.get(section), dict):
            parts += [(f"{place}{section}.{name}.", part, model) for name, part in entries.items()]
    for where, part, kind in parts:
        if isinstance(part, dict) and (unknown := part.keys() - kind.model_fields.keys()):
            for key in sorted(k for k in unknown if not k.startswith("x-")):
                hint = f"{did_you_mean(key, kind.model_fields)}; keys of your own begin with x-"
                yield Problem("NF004", printable(where + key, 160), "unknown key", hint=hint.removeprefix("; "))
    if isinstance(definitions := document.get("definitions"), dict):
        for name, part in definitions.items():
            yield from _unknown_keys(part, f"{place}definitions.{name}.")


def _shape_problem(error: Any) -> Problem:
    """A pydantic error as a problem."""
    location = [str(part) for part in error["loc"]]
    if location and location[-1] == "[key]":
        location.pop()
        code = "NF005"
    else:
        code = "NF004"
    place = ".".join(
        printable(part) for part in location if not part.endswith("constrained-str]") and part != "constrained-str"
    )
    kind, context = error["type"], error.get("ctx", {})
    got = repr(error.get("input"))
    got = got if len(got) <= 80 else got[:79] + "…"
    if code == "NF005":
        return Problem(code, place, "an id has letters, digits, _ and - only, at most 64 of them", got=got)
    if kind == "string_pattern_mismatch":
        return Problem(code, place, "not a link", expected='"node.output"', got=got)
    if kind == "literal_error":
        return Problem(code, place, "not one of the allowed words", expected=str(context.get("expected", "")), got=got)
    if kind == "value_error":
        return Problem(code, place, str(context.get("error", error["msg"])))
    if kind == "missing":
        return Problem(code, place, "this key is missing")
    return Problem(code, place, error["msg"][0].lower() + error["msg"][1:], got=got)
