"""Building a recipe in Python: nodes called inside `build` make a graph instead of computing.

    with nodeflow.build("Text to image") as graph:
        prompt = graph.input("prompt", "a red star")
        checkpoint = load_checkpoint(model="shapes-64")
        positive = encode_prompt(text=prompt, text_encoder=checkpoint.text_encoder)
        ...
        graph.output("image", decode(latent=latent, vae=checkpoint.vae))
    graph.workflow.text()

What is built is the same document that the canvas and the CLI read and write.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodeflow.edges import describe
from nodeflow.errors import NodeflowError
from nodeflow.op import Op, current_builder
from nodeflow.ports import SAFE_INTEGER
from nodeflow.problems import did_you_mean
from nodeflow.workflow import Input, Node, Workflow


@dataclass(frozen=True)
class Output:
    """One output of a node in a graph under construction."""

    graph: Graph = field(repr=False)
    node: str
    port: str

    def __str__(self) -> str:
        return f"{self.node}.{self.port}"

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{self} is an output in a recipe, not a value; run the recipe to get values")

    __bool__ = __iter__


@dataclass(frozen=True)
class Outputs:
    """The outputs of a node that has several, by attribute."""

    outputs: dict[str, Output]

    def __getattr__(self, name: str) -> Output:
        try:
            return self.outputs[name]
        except KeyError:
            raise AttributeError(f"no output {name!r}; it has {', '.join(self.outputs)}") from None

    def __iter__(self) -> Iterator[Output]:
        return iter(self.outputs.values())


@dataclass(frozen=True)
class Placeholder:
    """A declared input: pass it where a value would go."""

    name: str
    default: Any


_UNSET: Any = object()


class Graph:
    """A recipe under construction."""

    def __init__(self, title: str = "", description: str = "") -> None:
        self.title = title
        self.description = description
        self._nodes: dict[str, Node] = {}
        self._inputs: dict[str, Input] = {}
        self._outputs: dict[str, str] = {}
        self._definitions: dict[str, Workflow] = {}

    def input(self, name: str, default: Any = _UNSET, *, title: str = "", description: str = "") -> Placeholder:
        """Declare an input. Without a default it must be given when the recipe runs."""
        self._inputs[name] = Input.model_construct(to=[], title=title, description=description)
        return Placeholder(name, default)

    def output(self, name: str, source: Output) -> None:
        """Declare an output."""
        if not isinstance(source, Output):
            raise NodeflowError(f"output {name!r}: expected a node's output, got {type(source).__name__}")
        self._outputs[name] = str(source)

    def define(self, name: str, workflow: Workflow) -> str:
        """Add a sub-workflow; returns its name, for control-flow nodes."""
        self._definitions[name] = workflow
        return name

    def call(self, definition: str, **inputs: Any) -> Outputs:
        """Use one of the definitions as a node."""
        inner = self._definitions[definition]
        name = self._add(definition, f"workflow:{definition}", inputs)
        return Outputs({port: Output(self, name, port) for port in inner.outputs})

    def add(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Called by an op that is used as a function while this graph is being built."""
        options = {key: kwargs.pop(key) for key in ("each", "product") if key in kwargs and key not in op.inputs}
        ports = list(op.inputs)
        if len(args) > len(ports):
            raise NodeflowError(f"{op.id} has {len(ports)} inputs, got {len(args)} values")
        given = dict(zip(ports, args, strict=False))
        for port, value in kwargs.items():
            if port in given:
                raise NodeflowError(f"{op.id}: the input {port!r} is given twice")
            if port not in op.inputs and op.body_port is None:
                raise NodeflowError(f"{op.id} has no input {port!r}; {did_you_mean(port, op.inputs)}")
            given[port] = value
        name = self._add(op.name.rpartition("/")[2], op.id, given, **options)
        if op.body_port is not None:
            inner = self._definitions.get(given.get(op.body_port, ""))
            return Outputs({port: Output(self, name, port) for port in (inner.outputs if inner else {})})
        outputs = {port: Output(self, name, port) for port in op.outputs}
        if not op.returns_tuple and len(outputs) == 1:
            return next(iter(outputs.values()))
        return Outputs(outputs)

    def _add(self, base: str, op: str, given: dict[str, Any], **options: Any) -> str:
        name, count = base, 1
        while name in self._nodes:
            count += 1
            name = f"{base}_{count}"
        values: dict[str, Any] = {}
        links: dict[str, Any] = {}
        for port, value in given.items():
            if isinstance(value, Placeholder):
                declared = self._inputs[value.name]
                self._inputs[value.name] = declared.model_copy(update={"to": [*declared.to, f"{name}.{port}"]})
                if value.default is not _UNSET:
                    values[port] = _literal(value.default, f"input {value.name!r}")
            elif isinstance(value, Output):
                self._own(value)
                links[port] = str(value)
            elif isinstance(value, Outputs):
                raise NodeflowError(f"{op}: input {port!r}: name one of the outputs {', '.join(value.outputs)}")
            elif isinstance(value, (list, tuple)) and value and all(isinstance(v, Output) for v in value):
                links[port] = [str(self._own(v)) for v in value]
            elif isinstance(value, (list, tuple)) and any(isinstance(v, (Output, Outputs, Placeholder)) for v in value):
                raise NodeflowError(f"{op}: input {port!r}: a list holds either outputs of nodes or plain values only")
            else:
                values[port] = _literal(value, f"{op}: input {port!r}")
        self._nodes[name] = Node(op=op, values=values, links=links, **options)
        return name

    def _own(self, output: Output) -> Output:
        if output.graph is not self:
            raise NodeflowError(f"{output} belongs to another graph")
        return output

    @property
    def workflow(self) -> Workflow:
        """The recipe as it stands.

        Raises:
            ProblemsError: if what was built is no recipe (an input that is used nowhere, ...).
        """
        unused = [name for name, part in self._inputs.items() if not part.to]
        if unused:
            raise NodeflowError(f"declared inputs that no node uses: {', '.join(unused)}")
        return Workflow.from_json(
            Workflow.model_construct(
                format="nodeflow/1",
                title=self.title,
                description=self.description,
                inputs=self._inputs,
                outputs=self._outputs,
                nodes=self._nodes,
                definitions=self._definitions,
                layout={},
            ).to_json()
        )


def _literal(value: Any, place: str) -> Any:
    """A value as a recipe can hold it: enums by their value, paths as text, tuples as lists."""
    if isinstance(value, enum.Enum):
        return _literal(value.value, place)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_literal(item, place) for item in value]
    if isinstance(value, dict):
        return {key: _literal(item, place) for key, item in value.items()}
    if type(value) is float and value.is_integer() and abs(value) <= SAFE_INTEGER:
        return int(value)  # as it is read from a file
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise NodeflowError(f"{place}: expected a plain value or a node's output, got {describe(value)}")


@contextmanager
def build(title: str = "", description: str = "") -> Iterator[Graph]:
    """Collect the nodes that are called inside the block into a recipe."""
    graph = Graph(title, inspect.cleandoc(description))
    token = current_builder.set(graph)
    try:
        yield graph
    finally:
        current_builder.reset(token)
