"""`@node`: what a signature becomes, and what is refused."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from nodeflow.edges import edge_type
from nodeflow.errors import NodeflowError
from nodeflow.op import Context, Op, node, output_name, parse_docstring
from nodeflow.ports import MISSING
from nodeflow.types import File, Image, LanguageModel, Latent, Sampler
from tests.packs_for_tests import Split, add, brightness, each_turn, options, picture, save, split, total


def test_a_function_becomes_ports() -> None:
    assert list(add.inputs) == ["a", "b"]
    assert (add.inputs["a"].default, add.inputs["b"].default) == (MISSING, 1)
    assert (add.inputs["a"].doc, add.doc.summary, add.id, add.title) == ("one number.", "Add.", "t/add@1", "Add")
    assert list(split.outputs) == ["low", "high"]
    assert (split.returns_tuple, add.returns_tuple, save.outputs) == (True, False, {})


def test_calling_a_node_is_calling_the_function() -> None:
    assert (add(1, b=2), split(5)) == (3, Split(2, 3))

    @node("t/asks")
    def asks(value: int, *, ctx: Context) -> str:
        ctx.check()
        ctx.warn("hm")
        return ctx.device

    assert asks(1) == "cpu"
    assert list(asks.inputs) == ["value"]


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (Image, "image"),
        (LanguageModel, "language_model"),
        (int, "value"),
        (str, "text"),
        (list[Image], "images"),
        (list[int], "values"),
        (list[str], "texts"),
        (Image | Latent, "value"),
        (Any, "value"),
        (list[list[Image]], "images"),
    ],
)
def test_single_outputs_are_named_after_their_type(annotation: Any, name: str) -> None:
    assert output_name(edge_type(annotation)) == name


def test_what_counts_the_numeric_class() -> None:
    assert [op.numeric for op in (picture, brightness, add, options, total)] == [True, False, False, False, False]
    assert (each_turn.body_port, add.body_port) == ("body", None)


@pytest.mark.parametrize(
    "name", ["blend", "Image/blend", "image/", "/blend", "image/blend@1", "image blend", "", "a/b\n"]
)
def test_bad_names(name: str) -> None:
    with pytest.raises(NodeflowError, match="expected pack/name in lower case"):
        node(name)


def bad(function: Any, **options: Any) -> str:
    def make() -> Any:
        made: Op = node("t/bad", **options)(function)
        return made.inputs, made.outputs

    with pytest.raises(NodeflowError) as raised:
        make()
    return str(raised.value)


def test_bad_signatures() -> None:
    def many(*values: int) -> int: ...  # type: ignore[empty-body]
    def bare(value) -> int: ...  # type: ignore[no-untyped-def,empty-body]
    def no_return(value: int): ...  # type: ignore[no-untyped-def]
    def positional(value: int, /) -> int: ...  # type: ignore[empty-body]
    def unknown(value: set) -> int: ...  # type: ignore[type-arg,empty-body]
    def unknown_return(value: int) -> set: ...  # type: ignore[type-arg,empty-body]
    def structure(value: Sampler = Sampler("euler")) -> int: ...  # type: ignore[empty-body]  # noqa: B008
    def file(value: File = "x.png") -> int: ...  # type: ignore[assignment,empty-body]
    def fine(value: int) -> int: ...  # type: ignore[empty-body]

    assert bad(many) == "node t/bad: *values is no port; name each input"
    assert bad(bare) == "node t/bad: input 'value' has no type annotation"
    assert bad(no_return) == "node t/bad: the return type is not annotated"
    assert bad(positional) == "node t/bad: input 'value' must be usable by name; remove the /"
    assert bad(unknown).startswith("t/bad@1 (tests.test_op), value: <class 'set'> is no port type")
    assert bad(unknown_return).startswith("t/bad@1 (tests.test_op), return: <class 'set'> is no port type")
    assert "the default must be None or a plain value (a Sampler)" in bad(structure)
    assert "the default must be None or a plain value (a file has none)" in bad(file)
    assert bad(fine, lazy=("other",)) == "node t/bad: lazy names 'other', which is no input"


def test_a_docstring_in_parts() -> None:
    doc = parse_docstring(
        "Mix.\n\nLonger.\n\nArgs:\n    a: first,\n        goes on.\n    b: second.\n\n"
        "Returns:\n    low: one.\n\nRaises:\n    X: if it is wet\n        or cold.\n    Y: at night."
    )
    assert doc[:4] == ("Mix.", "Longer.", {"a": "first, goes on.", "b": "second."}, {"low": "one."})
    assert doc.raises == "It fails if it is wet or cold. It fails at night."
    assert parse_docstring("Mix.\n\nReturns:\n    The mix.").returns == {"": "The mix."}
    assert parse_docstring("") == ("", "", {}, {}, "")


class Pair(NamedTuple):
    image: Image
    seed: int


def test_outputs_of_a_named_tuple() -> None:
    @node("t/pair")
    def pair(value: int) -> Pair:
        """Two.

        Returns:
            image: a picture.
            seed: a number.
        """
        return Pair(None, 1)

    assert {name: (str(port.type), port.doc) for name, port in pair.outputs.items()} == {
        "image": ("Image", "a picture."), "seed": ("int", "a number."),
    }  # fmt: skip
