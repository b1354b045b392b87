"""Differences between recipes, runs and pictures."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.share.diff import Made, Side, diff, recipe_changes
from nodeflow.workflow import Workflow
from tests.share.world import OPS, RECIPE


def recipe(**changes: Any) -> Workflow:
    return Workflow.from_json({**RECIPE, **changes})


def node(name: str, **changes: Any) -> dict[str, Any]:
    return {"nodes": {**RECIPE["nodes"], name: {**RECIPE["nodes"].get(name, {}), **changes}}}


def found(b: Workflow, a: Workflow | None = None) -> list[tuple[str, str, Any, Any]]:
    return [(c.kind, c.place, c.a, c.b) for c in recipe_changes(a or recipe(), b, OPS.get)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (recipe(), []),
        (recipe(**node("slope", values={"seed": 8})), [("value", "slope.seed", 7, 8)]),
        (recipe(**node("slope", values={"seed": 7.5})), [("value", "slope.seed", 7, 7.5)]),
        (recipe(**node("slope", values={"seed": True})), [("value", "slope.seed", 7, True)]),
        (recipe(**node("slope", values={})), [("value", "slope.seed", 7, None)]),
        (recipe(**node("load", values={"model": "big"})), [("model", "load.model", "tiny", "big")]),
        (recipe(**node("read", values={"file": "b.txt"})), [("file", "read.file", "words.txt", "b.txt")]),
        (recipe(**node("both", links={"a": "load.text"})), [("link", "both.b", "read.text", None)]),
        (recipe(**node("slope", op="w/figure@2")), [("op", "slope", "w/figure@1", "w/figure@2")]),
        (recipe(**node("slope", mode="muted")), [("mode", "slope", "active", "muted")]),
        (recipe(**node("thirds", each=["value"])), [("each", "thirds.each", [], ["value"])]),
        (recipe(**node("more", op="w/clock@1")), [("node", "more", None, "w/clock@1")]),
        (recipe(inputs={}), [("input", "level", ["slope.level"], None)]),
        (recipe(outputs={**RECIPE["outputs"], "said": "load.text"}), [("output", "said", "both.text", "load.text")]),
        (recipe(title="Another"), [("cosmetic", "", None, None)]),
        (
            recipe(definitions={"inner": {"nodes": {"c": {"op": "w/clock@1"}}, "outputs": {}}}),
            [("node", "inner/c", None, "w/clock@1")],
        ),
    ],
    ids=range(16),
)
def test_each_part_of_a_recipe(changed: Workflow, said: list[Any]) -> None:
    assert found(changed) == said


@given(st.dictionaries(st.sampled_from(["level", "size", "seed"]), st.integers(0, 3) | st.floats(0, 3) | st.booleans()))
def test_a_recipe_is_as_itself_and_differences_go_both_ways(values: dict[str, Any]) -> None:
    other = recipe(**node("slope", values=values))
    assert found(other, other) == []
    assert [(k, p, b, a) for k, p, a, b in found(other)] == found(recipe(), other)


def png(*levels: int, size: tuple[int, int] = (4, 1)) -> bytes:
    from PIL import Image

    picture = Image.new("L", size)
    picture.putdata(list(levels))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def sides(a: bytes, b: bytes) -> Any:
    return diff(Side("a", made={"p": Made("0" * 64, "", a)}), Side("b", made={"p": Made("1" * 64, "", b)}))


def test_pictures_are_measured() -> None:
    small = sides(png(0, 0, 0, 0), png(0, 0, 0, 51))
    (gap,) = small.pictures.values()
    assert (round(gap.maximum, 6), round(gap.mean, 6), round(gap.psnr or 0, 4), gap.differing) == (
        0.2,
        0.05,
        20.0,
        0.25,
    )
    assert not small.same
    equal = sides(png(1, 2, 3, 4), png(1, 2, 3, 4))
    assert equal.same
    assert equal.pictures["p"].psnr is None
    (change,) = sides(png(0, 0, 0, 0), png(0, 0, size=(2, 1))).changes
    assert change.detail == "4x1 and 2x1 pixels"
    assert not sides(png(0, 0, 0, 0), b"junk").same


def test_runs_versions_code_and_files() -> None:
    parts: dict[str, dict[str, Any]] = {
        "1" * 64: {"op": "w/read", "version": 1, "code": "a", "files": {"file": {"name": "x", "digest": "1"}}},
        "2" * 64: {"op": "w/read", "version": 1, "code": "b", "files": {"file": {"name": "x", "digest": "2"}}},
    }
    a = Side("a", versions={"torch": "1"}, numeric="device=cpu threads=1", keys={"read": "1" * 64}, made={})
    b = Side("b", versions={"torch": "2"}, numeric="device=cpu threads=2", keys={"read": "2" * 64}, made={})
    changes = [(c.kind, c.place, c.a, c.b) for c in diff(a, b, parts=parts.get).changes]
    assert changes[:3] == [("version", "torch", "1", "2"), ("numeric", "threads", "1", "2"), ("code", "w", "a", "b")]
    assert changes[3][:2] == ("file", "read.file")
    assert diff(a, Side("c"), parts=parts.get).same, "what only one side knows is not compared"


def test_keys_of_a_long_chain_are_looked_up_once_each() -> None:
    # every node's key differs, because the first one's code does
    def key(side: str, i: int) -> str:
        return f"{side}{i:063x}"

    def made_of(text: str) -> dict[str, Any]:
        side, i = text[0], int(text[1:], 16)
        inputs = {"a": f"{key(side, i - 1)}.value"} if i else {}
        code = side * 64 if not i else "c" * 64
        return {"op": "w/add", "version": 1, "code": code, "values": {}, "files": {}, "inputs": inputs, "numeric": ""}

    asked: list[str] = []

    def parts(text: str) -> dict[str, Any]:
        asked.append(text)
        return made_of(text)

    a, b = (Side(s, keys={f"n{i}": key(s, i) for i in range(1000)}, made={}) for s in "ab")
    assert [(c.kind, c.place, c.a, c.b) for c in diff(a, b, parts=parts).changes] == [("code", "w", "a" * 12, "b" * 12)]
    assert len(asked) == 2000
