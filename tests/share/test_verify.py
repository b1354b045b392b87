"""Verifying: a locked recipe run again, and what came out compared."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeflow.share.golden import fresh_run, value_digest, with_golden
from nodeflow.share.lock import Lock, parse_lock
from nodeflow.share.pictures import PictureError, compare, opened, reduced
from nodeflow.share.survey import survey
from nodeflow.share.verify import Verification, _text, number_gap, verify
from nodeflow.types import File, Model
from tests.share.world import RECIPE, SHIFT, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    SHIFT.update(figure=0, number=0.0)
    yield World(tmp_path)
    SHIFT.update(figure=0, number=0.0)


def locked(world: World) -> Lock:
    with world.engine() as engine:
        made = survey(engine, world.workflow, world.path)
        return parse_lock(with_golden(made, fresh_run(engine, world.workflow, world.path)).text())


def verified(world: World, lock: Lock, **options: Any) -> Verification:
    with world.engine() as engine:
        return verify(engine, lock, world.workflow, world.path, **options)


def states(found: Verification) -> dict[str, str]:
    return {verdict.name: verdict.state for verdict in found.outputs}


def forget_results(world: World) -> None:
    """Another machine: nothing is left of the run but the lock."""
    for file in (world.folder / "home/artefacts").rglob("*"):
        if file.is_file():
            file.unlink()


def test_the_same_is_bit_equal(world: World) -> None:
    found = verified(world, locked(world))
    assert states(found) == {"said": "bit-equal", "picture": "bit-equal", "numbers": "bit-equal"}
    assert {node.state for node in found.nodes} == {"bit-equal"}
    assert found.ok
    assert (found.drifts, found.first, found.why) == ([], "", [])


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_small_difference_is_measured(world: World, elsewhere: bool) -> None:
    lock = locked(world)
    if elsewhere:
        forget_results(world)
    SHIFT["figure"], SHIFT["number"] = 2, 1e-6
    found = verified(world, lock)
    assert states(found) == {"said": "bit-equal", "picture": "within tolerance", "numbers": "within tolerance"}
    (picture,) = (v for v in found.outputs if v.name == "picture")
    assert picture.difference is not None
    assert picture.difference.maximum == pytest.approx(2 / 255)
    assert picture.difference.mean == pytest.approx(2 / 255 / 1024)
    assert picture.difference.psnr == pytest.approx(10 * math.log10(1024 / (2 / 255) ** 2), abs=1e-3)
    assert found.ok
    assert "not deterministic" in found.why[0]
    assert {n.name for n in found.nodes if n.state == "different"} == {"slope", "thirds"}
    strict = verified(world, lock, tolerance=0.0)
    assert states(strict)["picture"] == states(strict)["numbers"] == "different"
    assert not strict.ok


def test_a_difference_is_explained(world: World) -> None:
    lock = locked(world)
    (world.folder / "words.txt").write_text("good evening")
    found = verified(world, lock)
    assert states(found) == {"said": "different", "picture": "bit-equal", "numbers": "bit-equal"}
    (said,) = (v for v in found.outputs if v.name == "said")
    assert "'morning' → 'evening'" in said.detail
    assert found.first == "read"
    assert "file words.txt" in found.why[0]


def test_a_large_picture_is_compared_as_a_thumbnail_elsewhere(world: World) -> None:
    slope = {"op": "w/figure@1", "values": {"size": 200}}
    world.write({**RECIPE, "nodes": {**RECIPE["nodes"], "slope": slope}})
    lock = locked(world)
    forget_results(world)
    SHIFT["figure"] = 90
    found = {v.name: v for v in verified(world, lock).outputs}
    assert found["picture"].state == "different"
    assert "as thumbnails" in found["picture"].detail


def test_another_size_is_different(world: World) -> None:
    lock = locked(world)
    slope = {"op": "w/figure@1", "values": {"size": 16, "seed": 7}}
    world.write({**RECIPE, "nodes": {**RECIPE["nodes"], "slope": slope}})
    found = verified(world, lock)
    assert states(found)["picture"] == "different"
    assert found.why[0].startswith("recipe: locked")


def test_a_lock_that_lies_about_its_outputs_is_found(world: World) -> None:
    document = json.loads(locked(world).text())
    files = document["outputs"]
    files["said"]["files"][0]["digest"] = "0" * 64
    other = verified(world, parse_lock(json.dumps(document)))
    assert states(other)["said"] == "different"
    document = json.loads(locked(world).text())
    picture = document["outputs"]["picture"]["files"][0]
    buffer = io.BytesIO()
    opened_small = opened(_png_of(picture["thumbnail"])).point(lambda v: 255 - v)
    opened_small.save(buffer, "PNG")
    picture["thumbnail"] = _base64(buffer.getvalue())
    found = {v.name: v for v in verified(world, parse_lock(json.dumps(document))).outputs}
    assert found["picture"].state == "different"
    assert "thumbnail is of another" in found["picture"].detail


def _png_of(text: str) -> bytes:
    import base64

    return base64.b64decode(text)


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


def test_what_differs_each_time_is_named(world: World) -> None:
    nodes = {**RECIPE["nodes"], "now": {"op": "w/clock@1"}}
    world.write({**RECIPE, "nodes": nodes, "outputs": {"now": "now.value"}})
    found = verified(world, locked(world), tolerance=0.0)
    assert states(found) == {"now": "different"}
    assert found.why == ["now: gives another result each time, and what follows from it too"]


def test_digests_of_values() -> None:
    assert value_digest(1) != value_digest(1.0) != value_digest(True)
    assert value_digest(["ab", "c"]) != value_digest(["a", "bc"])
    assert value_digest(File("a", "/x", "0" * 64)) == value_digest(File("b", "/y", "0" * 64))
    assert value_digest(Model("l", "/x", "0" * 64)) == value_digest(Model("l", "/y", "0" * 64))
    assert value_digest(object()) == ""
    endless: list[Any] = []
    endless.append(endless)
    assert value_digest(endless) == ""


def test_number_gap() -> None:
    assert number_gap([1, {"a": 2.0}], [1, {"a": 2.0}]) == 0
    assert number_gap([1.0], [1.1]) == pytest.approx(0.1 / 1.1)
    assert number_gap(1, True) == number_gap([1], [1, 2]) == number_gap({"a": 1}, {"b": 1}) == math.inf


def test_pictures_that_are_none() -> None:
    for data in (b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"\xff\xd8\xff\xe0junk"):
        with pytest.raises(PictureError):
            opened(data)


def test_pictures_that_are_too_large_are_not_decoded() -> None:
    import struct
    import zlib

    body = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    bomb += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(PictureError):
        opened(bomb)


def test_thumbnails_keep_small_pictures() -> None:
    from PIL import Image

    small, large = Image.new("RGB", (64, 10)), Image.new("RGB", (640, 10))
    assert reduced(small) is small
    assert reduced(large).size == (64, 1)
    assert compare(small, large) is None


def test_the_builtin_text_to_image_workflow(tmp_path: Path) -> None:
    from nodeflow.api import load
    from nodeflow.engine import Engine

    workflow = load(Path(__file__).parents[2] / "workflows/text-to-image.json").with_inputs({"steps": 2})
    with Engine(cache=False) as engine:
        lock = with_golden(survey(engine, workflow), fresh_run(engine, workflow))
        assert lock.tensors
        assert {n.id for n in lock.nodes if n.outputs} == {
            "checkpoint", "latent", "negative", "positive", "sample", "decode",
        }  # fmt: skip
        (model,) = lock.models
        assert (model.name, model.license) == ("shapes-64", "apache-2.0")
        assert model.source.startswith("package nodeflow-engine==")
        found = verify(engine, parse_lock(lock.text()), workflow)
        assert (states(found), found.drifts) == ({"image": "bit-equal"}, [])
        other = verify(engine, lock, workflow.with_inputs({"seed": 8}))
        assert states(other) == {"image": "different"}
        assert other.first == "sample"


def test_where_texts_differ_is_said_by_line_and_character() -> None:
    verdict = _text("said", "one\ntwo\nthree", "one\ntwo\nthrew", "text/plain", 0.0)
    assert verdict.detail == "from line 3, character 5: 'e' → 'w'"
