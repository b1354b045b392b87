"""`@node`: a plain typed function becomes a node.

The signature is the only port list. The decorated object is still the function: calling it calls the body (in a test,
in a notebook), unless a graph builder is active, when it adds a node to that graph and returns its outputs.
An `Op` knows what a node *is*; how it is run, cached or drawn is known elsewhere.
"""

from __future__ import annotations

import enum
import inspect
import re
import typing
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from nodeflow.annotations import Body
from nodeflow.edges import EdgeType, describe
from nodeflow.errors import NodeflowError
from nodeflow.ports import MISSING, Port, make_port
from nodeflow.types import holds_tensors

OP_NAME = re.compile(r"[a-z][a-z0-9_]*(?:/[a-z][a-z0-9_]*)+")
OP_VERSION = re.compile(r"[1-9][0-9]{0,5}")


class Context(Protocol):
    """What a node may ask of the run it is part of. Injected as the keyword `ctx`; never a port."""

    device: str
    """Where tensors should be computed: "cpu", "cuda:0", "mps"."""

    @property
    def weights(self) -> Any:
        """The weights pool: `with ctx.weights.use(handle) as module: ...`."""

    def check(self) -> None:
        """Raise `Cancelled` (or `DeadlineExceeded`) if the run should stop. Call at every step or token."""

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Report that `done` of `total` steps are finished; also checks for cancellation."""

    def preview(self, image: Any) -> None:
        """Show an intermediate picture: a tensor [C, H, W] or [B, C, H, W], 0..1, or PNG/JPEG bytes."""

    def text(self, piece: str) -> None:
        """Stream a piece of generated text (a token)."""

    def warn(self, message: str) -> None:
        """Put a warning into the run's record."""

    def save(self, data: bytes, name: str, media: str) -> Any:
        """Keep bytes as an artefact, with a readable name in the output folder; returns the `Artefact`."""

    def run(self, body: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        """Run a sub-workflow (`Body` port) with these inputs; returns its outputs by name. Each call is cached by its
        own key."""

    def outputs_of(self, body: Any) -> list[str]:
        """The names of a sub-workflow's outputs."""


@dataclass(frozen=True, eq=False)
class Op:
    """A node as it is installed: a name, a version, ports and a function."""

    name: str
    version: int
    function: Callable[..., Any]
    cacheable: bool = True
    effects: bool = False
    device: bool = False
    lazy: tuple[str, ...] = ()
    deprecated: str | None = None
    title: str = ""
    pack: list[str] = field(default_factory=lambda: [""], repr=False)

    @property
    def id(self) -> str:
        """Name and version as a recipe writes them: `image/blend@1`."""
        return f"{self.name}@{self.version}"

    @property
    def category(self) -> str:
        return self.name.rpartition("/")[0]

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return typing.get_type_hints(self.function, include_extras=True)

    @cached_property
    def inputs(self) -> dict[str, Port]:
        """Input ports by name, in the signature's order.

        Raises:
            NodeflowError: if an annotation is no port type.
        """
        docs = self.doc.args
        ports = {}
        for name, parameter in inspect.signature(self.function).parameters.items():
            if name != "ctx":
                default = MISSING if parameter.default is inspect.Parameter.empty else parameter.default
                ports[name] = self._port(name, docs.get(name, ""), default, name in self.lazy)
                self._check_default(ports[name])
        return ports

    def _check_default(self, port: Port) -> None:
        """A default goes into keys without being parsed, so it must be a plain value, and of the port's own type."""
        if port.default is None or port.default is MISSING:
            return
        plain = isinstance(port.default, (bool, int, float, str, enum.Enum, list, dict))
        if not plain or port.is_file:
            raise NodeflowError(
                f"{self.id} ({self.function.__module__}), {port.name}: the default must be None or a plain value "
                f"({'a file has none' if port.is_file else describe(port.default)}); set it in the body"
            )

    @cached_property
    def outputs(self) -> dict[str, Port]:
        """Output ports by name. A single output is named after its type (`image`, `latent`, `value` for plain ones).

        Raises:
            NodeflowError: if an annotation is no port type.
        """
        annotation = self._hint("return")
        if annotation is type(None):
            return {}
        docs = self.doc.returns
        if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
            hints = typing.get_type_hints(annotation, include_extras=True)
            return {name: make_port(name, hints[name], doc=docs.get(name, "")) for name in hints}
        port = self._port("return", docs.get("", ""))
        name = output_name(port.type)
        return {name: Port(name, port.annotation, port.doc, metadata=port.metadata)}

    def _hint(self, name: str) -> Any:
        try:
            return self._hints[name]
        except Exception as error:
            raise NodeflowError(
                f"{self.id} ({self.function.__module__}): an annotation cannot be read: {error}"
            ) from error

    def _port(self, name: str, doc: str, default: Any = MISSING, lazy: bool = False) -> Port:
        try:
            return make_port(name, self._hint(name), doc=doc, default=default, lazy=lazy)
        except TypeError as error:
            raise NodeflowError(f"{self.id} ({self.function.__module__}), {name}: {error}") from error

    @cached_property
    def returns_tuple(self) -> bool:
        annotation = self._hints["return"]
        return isinstance(annotation, type) and issubclass(annotation, tuple)

    @cached_property
    def doc(self) -> Doc:
        return parse_docstring(inspect.getdoc(self.function) or "")

    @cached_property
    def wants_context(self) -> bool:
        return "ctx" in inspect.signature(self.function).parameters

    @cached_property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @cached_property
    def body_port(self) -> str | None:
        """The port that names the sub-workflow this node runs, if it is a control-flow node."""
        return next((p.name for p in self.inputs.values() if Body in p.type.members), None)

    @cached_property
    def numeric(self) -> bool:
        """Whether its results depend on the numeric class: it gives out tensors, or is a control-flow node."""
        types = [p.type for p in self.outputs.values()]
        return self.device or any(_numeric(t) for t in types)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        builder = current_builder.get()
        if builder is not None:
            return builder.add(self, args, kwargs)
        if self.wants_context and "ctx" not in kwargs:
            kwargs["ctx"] = default_context()
        return self.function(*args, **kwargs)


def _numeric(edge: EdgeType) -> bool:
    return any(_numeric(m[1]) if isinstance(m, tuple) else holds_tensors(m) for m in edge.members)


def output_name(edge: EdgeType) -> str:
    """The name of a single unnamed output: its type's name in snake case, `value` for plain values and unions."""
    member = edge.members[0]
    if isinstance(member, tuple):
        inner = output_name(member[1])
        return inner if inner.endswith("s") else inner + "s"
    if member is Any or len(edge.members) > 1 or not isinstance(member, type) or member.__module__ == "builtins":
        return "text" if edge.members == (str,) else "value"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", member.__name__).lower()


def node(
    name: str,
    *,
    version: int = 1,
    cacheable: bool = True,
    effects: bool = False,
    device: bool = False,
    lazy: tuple[str, ...] = (),
    deprecated: str | None = None,
    title: str = "",
) -> Callable[[Callable[..., Any]], Op]:
    """Make a node of a typed function.

    Args:
        name: `pack/name`, lower case; the first part is the pack's prefix.
        version: raise it when the meaning of ports or values changes, and register a migration.
        cacheable: False if it reads the outside world, so that its result must not be reused.
        effects: True if it writes something that people want, such as a file.
        device: True if it wants the accelerator's lane.
        lazy: inputs that are evaluated only if the body asks for them: it gets a function to call in their place, also
            for a value that is written in the recipe; a default arrives as it is.
        deprecated: what to use instead.
        title: for people; made from the name if left out.

    Raises:
        NodeflowError: if the name is not of that form, or the function lacks annotations.
    """
    if not OP_NAME.fullmatch(name):
        raise NodeflowError(f"node name {name!r}: expected pack/name in lower case, such as image/blend")

    def decorate(function: Callable[..., Any]) -> Op:
        parameters = inspect.signature(function).parameters
        for parameter in parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise NodeflowError(f"node {name}: *{parameter.name} is no port; name each input")
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise NodeflowError(f"node {name}: input {parameter.name!r} must be usable by name; remove the /")
            if parameter.annotation is parameter.empty and parameter.name != "ctx":
                raise NodeflowError(f"node {name}: input {parameter.name!r} has no type annotation")
        if "return" not in function.__annotations__:
            raise NodeflowError(f"node {name}: the return type is not annotated")
        for port in lazy:
            if port not in parameters:
                raise NodeflowError(f"node {name}: lazy names {port!r}, which is no input")
        text = title or name.rpartition("/")[2].replace("_", " ").capitalize()
        return Op(name, version, function, cacheable, effects, device, lazy, deprecated, text)

    return decorate


class Doc(NamedTuple):
    """A docstring in parts: the first line, the rest, a text per argument and per output, and when the node fails, in
    whole sentences."""

    summary: str
    body: str
    args: dict[str, str]
    returns: dict[str, str]
    raises: str


_SECTION = re.compile(r"^(Args|Returns|Raises):\s*$")


def parse_docstring(text: str) -> Doc:
    """Read a Google-style docstring."""
    sections: dict[str, list[str]] = {"": []}
    current = ""
    for line in text.splitlines():
        if match := _SECTION.match(line):
            current = match[1]
            sections[current] = []
        elif current and line and not line[0].isspace():
            current = ""
            sections[""].append(line)
        else:
            sections[current].append(line)
    summary, _, body = "\n".join(sections[""]).strip().partition("\n")
    returns = _entries(sections.get("Returns", []))
    if not returns and (plain := " ".join(line.strip() for line in sections.get("Returns", [])).strip()):
        returns = {"": plain}
    raises = " ".join(f"It fails {when}" for when in _entries(sections.get("Raises", [])).values())
    return Doc(summary.strip(), body.strip(), _entries(sections.get("Args", [])), returns, raises)


def _entries(lines: list[str]) -> dict[str, str]:
    entries: dict[str, str] = {}
    name = ""
    indent = None
    for line in lines:
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        indent = depth if indent is None else indent
        match = re.match(r"\s*([A-Za-z_][A-Za-z0-9_]*):\s+(.*)", line)
        if match and depth == indent:
            name = match[1]
            entries[name] = match[2].strip()
        elif name:
            entries[name] += " " + line.strip()
    return entries


class Builder(Protocol):
    """Collects nodes called while it is active."""

    def add(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...


current_builder: ContextVar[Builder | None] = ContextVar("current_builder", default=None)


def default_context() -> Context:
    """The context a node gets when it is called as a function: this process, the CPU, a weights pool of its own."""
    from nodeflow.context import StandaloneContext

    return StandaloneContext()
