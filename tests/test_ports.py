"""Ports: edge types, legal edges, literal values, computed values."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nodeflow.annotations import Choices, ModelFile, Range, Seed
from nodeflow.edges import ANY, EdgeType, accepts, describe, edge_type, list_of, misfit
from nodeflow.ports import Port, make_port
from nodeflow.types import File, Image, Latent, Mask, Model, Sigmas, WeightsHandle, port_type
from tests.packs_for_tests import Colour, FakeTensor

T = TypeVar("T")


class Named(str, enum.Enum):  # noqa: UP042
    A = "a"


TYPES = [str, int, float, bool, Image, Mask, Latent, Model, list[int], list[Image], Any, T, int | None, Colour, dict]


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (str, "str"),
        (None, "None"),
        (int | None, "int | None"),
        (list[Image], "list[Image]"),
        (list, "list[any]"),
        (Any, "any"),
        (T, "T"),
        (Literal["a", "b"], "str"),
        (Literal[1, "a"], "str | int"),
        (Annotated[int, Range(0, 1)], "int"),
        (Colour, "Colour"),
        (Seed, "int"),
        (Image | Latent, "Image | Latent"),
        (list[int | None], "list[int | None]"),
        (dict, "dict"),
        (File, "File"),
    ],
)
def test_edge_types_by_name(annotation: Any, text: str) -> None:
    assert str(edge_type(annotation)) == text


@pytest.mark.parametrize("annotation", [object, set, dict[str, int], tuple[int, int], bytes, WeightsHandle, len, "int"])
def test_what_is_no_port_type(annotation: Any) -> None:
    with pytest.raises(TypeError, match="is no port type: use str, int"):
        edge_type(annotation)


LEGAL = [
    (float, int),
    (int | None, int),
    (float, float),
    (Any, Image),
    (T, Latent),
    (Image, Any),
    (list[float], list[int]),
    (str | int, str),
    (str, Named),
    (list[Any], list[int]),
    (Image | Latent, Latent),
    (float | None, int | None),
]
ILLEGAL = [
    (int, float),
    (int, bool),
    (float, bool),
    (str, int),
    (int, str),
    (bool, int),
    (Image, Mask),
    (Mask, Image),
    (int, int | None),
    (Image, list[Image]),
    (list[Image], Image),
    (list[int], list[float]),
    (Latent, Model),
    (str, Colour),
    (Named, str),
    (dict, list[int]),
    (Image | Latent, Image | Model),
]


@pytest.mark.parametrize(("target", "source"), LEGAL)
def test_legal_edges(target: Any, source: Any) -> None:
    assert accepts(edge_type(target), edge_type(source))


@pytest.mark.parametrize(("target", "source"), ILLEGAL)
def test_illegal_edges(target: Any, source: Any) -> None:
    assert not accepts(edge_type(target), edge_type(source))


@given(st.sampled_from(TYPES).map(edge_type), st.sampled_from(TYPES).map(edge_type))
def test_edges_are_reflexive_and_lists_follow_their_items(a: EdgeType, b: EdgeType) -> None:
    assert accepts(a, a)
    assert accepts(ANY, a)
    assert accepts(list_of(a), list_of(b)) == accepts(a, b)


@pytest.mark.parametrize(
    ("annotation", "value", "parsed"),
    [
        (float, 5, 5.0),
        (float, 0.5, 0.5),
        (int, 5, 5),
        (str, "5", "5"),
        (bool, True, True),
        (Any, [1, "a"], [1, "a"]),
        (int, str(2**60), 2**60),
        (int, "-18446744073709551616", -(2**64)),
        (float, str(2**60), float(2**60)),
        (list[int], [1, str(2**60)], [1, 2**60]),
        (int | None, None, None),
        (int | None, str(2**60), 2**60),
        (str, str(2**60), str(2**60)),
        (str | int, str(2**60), str(2**60)),
        (Any, str(2**60), str(2**60)),
        (int, 1e19, 10**19),
        (Colour, "red", Colour.RED),
        (Colour | None, "blue", Colour.BLUE),
        (list[Colour], ["red"], [Colour.RED]),
        (Literal["a", 1], 1, 1),
        (File, "x.png", "x.png"),
        (dict, {"a": 1}, {"a": 1}),
        (list[list[int]], [[1], []], [[1], []]),
    ],
)
def test_values_that_fit(annotation: Any, value: Any, parsed: Any) -> None:
    found = make_port("x", annotation).parse(value)
    assert (found, type(found)) == (parsed, type(parsed))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "5"),
        (int, 5.5),
        (int, True),
        (int, None),
        (float, "0.5"),
        (float, True),
        (float, float("nan")),
        (float, float("inf")),
        (str, 5),
        (bool, 1),
        (bool, "true"),
        (int, str(2**53)),
        (int, "00000000000000000001"),
        (Colour, "green"),
        (Colour, 1),
        (Literal["a"], "b"),
        (list[int], 5),
        (list[int], ["5"]),
        (list[int], None),
        (Annotated[int, Range(0, 9)], 10),
        (Annotated[int, Range(0, 9)] | None, -1),
        (Annotated[float, Range(le=1)], 1.5),
        (Seed, -1),
        (Seed, str(2**64)),
        (dict, []),
        (File, 5),
    ],
)
def test_values_that_do_not_fit(annotation: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        make_port("x", annotation).parse(value)


@pytest.mark.parametrize("annotation", [Image, Latent, list[Image], Model | None])
def test_ports_that_need_a_link(annotation: Any) -> None:
    port = make_port("x", annotation)
    assert not port.takes_values
    assert port.json_schema()["not"] == {}


def test_the_schema_of_a_port() -> None:
    port = make_port("x", Annotated[float, Range(0, 1, step=0.1, unit="share")], default=0.5)
    assert port.json_schema() == {"type": "number", "minimum": 0, "maximum": 1}
    assert (port.required, port.extra(Range)) == (False, Range(0, 1, 0.1, "share"))
    assert make_port("x", Literal["a", "b"]).json_schema() == {"type": "string", "enum": ["a", "b"]}
    assert make_port("x", Annotated[File, ModelFile("vae")]).extra(ModelFile) == ModelFile("vae")
    assert make_port("x", Annotated[str, Choices(lambda: ["a"])]).extra(Choices).provider() == ["a"]
    assert make_port("x", Colour).choices == ("red", "blue")


PICTURE = FakeTensor((1, 3, 8, 8), 0)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 1),
        (float, 1),
        (float, 0.5),
        (str, "a"),
        (int | None, None),
        (list[int], []),
        (Image, PICTURE),
        (T, object()),
        (Latent, Latent(PICTURE)),
        (list[Image], [PICTURE]),
        (Colour, Colour.RED),
        (Sigmas, FakeTensor((4,), 0)),
        (Any, None),
    ],
)
def test_computed_values_that_fit(annotation: Any, value: Any) -> None:
    assert misfit(value, edge_type(annotation)) is None


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (int, True, "expected int, got True"),
        (float, True, "expected float, got True"),
        (str, 1, "expected str, got 1"),
        (int | None, "a", "expected int | None, got 'a'"),
        (list[int], (1,), "expected a list, got a tuple of 1"),
        (list[int], [1, "a"], "item 1: expected int, got 'a'"),
        (Image, "a", "expected a tensor [B, C, H, W], got str"),
        (Image, FakeTensor((1, 2, 8, 8), 0), "expected 1 or 3 or 4 channels in [B, C, H, W], got shape [1, 2, 8, 8]"),
        (Mask, PICTURE, "expected 1 channels in [B, C, H, W], got shape [1, 3, 8, 8]"),
        (Sigmas, PICTURE, "expected a tensor [N], got shape [1, 3, 8, 8]"),
        (
            Latent,
            PICTURE,
            "expected Latent, got a tensor [1, 3, 8, 8] <class 'tests.packs_for_tests.FakeTensor.dtype'>",
        ),
        (Latent, Model("a", "b", "c"), "expected Latent, got a Model"),
    ],
)
def test_computed_values_that_do_not_fit(annotation: Any, value: Any, problem: str) -> None:
    assert misfit(value, edge_type(annotation)) == problem


@pytest.mark.parametrize(
    ("value", "text"),
    [("a" * 200, "'" + "a" * 78 + "…"), ([1, 2], "a list of 2"), ({}, "a dict"), (None, "None"), (1.0, "1.0")],
)
def test_values_in_a_few_words(value: Any, text: str) -> None:
    assert describe(value) == text


def test_two_port_types_of_one_name() -> None:
    with pytest.raises(Exception, match="two port types are named Image"):
        port_type(type("Image", (), {"__module__": "elsewhere"}))


def test_a_port_is_a_value() -> None:
    assert Port("x", int) == Port("x", int) != Port("x", float)
