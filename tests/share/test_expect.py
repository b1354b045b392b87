"""Expectations beside workflows, each judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from nodeflow.problems import ProblemsError
from nodeflow.share.expect import Case, Expectations, read_expectations, recipe_of, unmet
from nodeflow.share.golden import fresh_run
from tests.share.world import SHIFT, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    SHIFT.update(figure=0, number=0.0)
    return World(tmp_path)


def judged(world: World, outputs: dict[str, Any], **case: Any) -> list[str]:
    path = world.folder / "recipe.expect.json"
    path.write_text(json.dumps({"format": "nodeflow-expect/1", "cases": {"one": {"outputs": outputs, **case}}}))
    expectations = read_expectations(path)
    with world.engine() as engine:
        return unmet(engine, path, expectations, expectations.cases["one"])


def test_what_is_met(world: World) -> None:
    with world.engine() as engine:
        files = fresh_run(engine, world.workflow, world.path).outputs
    ((_, picture),) = files["picture"]
    (world.folder / "golden.png").write_bytes(picture)
    ((_, said),) = files["said"]
    outputs = {
        "picture": {
            "hash": blake3(picture).hexdigest(),
            "files": 1,
            "media": "image/png",
            "size": [32, 32],
            "like": "golden.png",
            "psnr": 90,
            "max_difference": 0,
        },
        "said": {"text": said.decode(), "contains": "good", "matches": "mor.ing$"},
        "numbers": {"equals": [2, 0.6667]},
    }
    assert judged(world, outputs, seconds=60) == []
    SHIFT["figure"] = 60
    (one, two, three) = judged(world, {"picture": outputs["picture"]})
    assert one.startswith("picture: its hash is ")
    assert "expected a largest difference of at most 0" in two
    assert "expected at least 90 dB" in three
    SHIFT["figure"] = 0


def test_what_is_not_met_is_all_told(world: World) -> None:
    outputs = {
        "picture": {"files": 2, "media": "text/plain", "size": [1, 2], "like": "none.png"},
        "said": {"text": "x", "contains": "y", "matches": "z+", "equals": 1},
        "numbers": {"equals": [2, 0.7], "size": [1, 1]},
        "sad": {},
    }
    found = judged(world, outputs, seconds=1e-6, inputs={"level": 3})
    for said in (
        "picture: 1 files; expected 2",
        "picture: it is image/png; expected text/plain",
        "picture: it has 32x32 pixels; expected 1x2",
        "picture: none.png: cannot be read",
        "expected 'x'",
        "to contain 'y'",
        "a match of 'z+'",
        "expected [2,0.7]",
        "numbers: no PNG, WebP or JPEG picture",
        "sad: the recipe has no such output; did you mean said?",
        "it took ",
    ):
        assert sum(said in text for text in found) == 1, said
    assert len(found) == 12


def test_a_bad_expression_is_told(world: World) -> None:
    (said,) = judged(world, {"said": {"matches": "("}})
    assert "no regular expression" in said


def test_a_recipe_that_cannot_run(world: World) -> None:
    with pytest.raises(ProblemsError, match="NF405"):
        judged(world, {}, inputs={"nope": 1})
    (world.folder / "words.txt").unlink()
    with pytest.raises(ProblemsError, match="NF302"):
        judged(world, {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "nodeflow-expect/1", "cases": {}}',
        '{"format": "nodeflow-expect/1", "recipe": "../../x.json", "cases": {"a": {}}}',
        '{"format": "nodeflow-expect/1", "cases": {"a": {"outputs": {"x": {"like": "/etc/passwd"}}}}}',
        '{"format": "nodeflow-expect/1", "cases": {"a": {"outputs": {"x": {"more": 1}}}}}',
        '{"format": "nodeflow-expect/1", "cases": {"a": {"seconds": 0}}}',
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.expect.json"
    path.write_text(text)
    with pytest.raises(ProblemsError):
        read_expectations(path)


def test_the_recipe_lies_beside() -> None:
    expectations = Expectations(format="nodeflow-expect/1", cases={"a": Case()})
    assert recipe_of(Path("d/x.expect.json"), expectations) == Path("d/x.json")
    other = expectations.model_copy(update={"recipe": "y.json"})
    assert recipe_of(Path("d/x.expect.json"), other) == Path("d/y.json")
