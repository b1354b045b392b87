"""Crates: what was packed comes out again, equal contents give equal bytes, and another program finds them valid."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodeflow.problems import ProblemsError
from nodeflow.share.archive import ArchiveError
from nodeflow.share.crate import Contents, CrateError, add_models, of_recipe, of_run
from nodeflow.share.drift import drift
from nodeflow.share.lock import read_lock
from nodeflow.share.pack import pack
from nodeflow.share.unpack import METADATA, inspect, unpack
from nodeflow.share.verify import EQUAL, verify
from nodeflow.workflow import Workflow
from tests.share.world import RECIPE, SHIFT, World

ROOT = Path(__file__).parents[2]
VALIDATOR = ROOT / ".venv/crate/bin/python"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def packed(world: World, name: str = "a.crate.zip", **more: Any) -> Path:
    with world.engine() as engine:
        contents = of_recipe(engine, world.workflow, world.path)
    contents.moment = 1_700_000_000
    pack(contents, world.folder / name, **more)
    return world.folder / name


def respelt(crate: Path, change: Callable[[dict[str, bytes]], None], *, honest: bool = True) -> Path:
    """The crate with other files in it; honest: its description has their sizes and hashes."""
    with zipfile.ZipFile(crate) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    if honest:
        document = json.loads(files[METADATA])
        for entity in document["@graph"]:
            if (data := files.get(entity["@id"])) is not None and "sha256" in entity:
                entity |= {"contentSize": str(len(data)), "sha256": hashlib.sha256(data).hexdigest()}
        files[METADATA] = json.dumps(document).encode()
    target = crate.with_name("changed.crate.zip")
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target


def test_what_is_packed_comes_out_and_is_verified_elsewhere(world: World) -> None:
    crate = packed(world)
    found = unpack(crate, world.folder / "there/stars")
    there = world.folder / "there/stars"
    names = {p.relative_to(there).as_posix() for p in there.rglob("*") if p.is_file()}
    assert names == {
        "recipe.json",
        "recipe.lock.json",
        "recipe.run.json",
        "pylock.recipe.toml",
        "words.txt",
        "model-cards/checkpoints/tiny.md",
        "outputs/said.txt",
        "outputs/picture.png",
        "outputs/numbers.json",
        "ro-crate-metadata.json",
        "ro-crate-preview.html",
    }
    assert set(found.sizes) == names
    assert [p for p in there.parent.iterdir() if p.name != "stars"] == []
    (world.folder / "words.txt").unlink()  # the input beside the crate's recipe is what counts
    lock = read_lock(there / "recipe.lock.json")
    workflow = Workflow.read(there / "recipe.json")
    with world.engine() as engine:
        assert drift(engine, lock, workflow, there / "recipe.json") == []
        result = verify(engine, lock, workflow, there / "recipe.json", made=there / "outputs")
    assert [v.state for v in result.outputs] == [EQUAL] * 3
    assert "model-cards/checkpoints/tiny.md" in names
    assert not any(str(world.folder) in (there / n).read_text("utf-8", "replace") for n in names - {"words.txt"})


def test_equal_contents_give_equal_bytes(world: World) -> None:
    with world.engine() as engine:
        contents = of_recipe(engine, world.workflow, world.path)
        pack(contents, world.folder / "a.zip")
        pack(contents, world.folder / "b.zip")
    data = (world.folder / "a.zip").read_bytes()
    assert data == (world.folder / "b.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist()[0] == METADATA
        assert archive.namelist()[1:] == sorted(archive.namelist()[1:])


def test_a_locked_recipe_is_not_run_again(world: World) -> None:
    with world.engine() as engine:
        first = of_recipe(engine, world.workflow, world.path)
        (world.folder / "recipe.lock.json").write_text(first.lock.text())
        again = of_recipe(engine, world.workflow, world.path, first.lock, locked_at=1_700_000_000.0)
        assert (again.ran.ended, again.moment, again.outputs) == (0.0, 1_700_000_000.0, first.outputs)
        pack(again, world.folder / "a.zip")
        pack(of_recipe(engine, world.workflow, world.path, first.lock, locked_at=1.7e9), world.folder / "b.zip")
        assert (world.folder / "a.zip").read_bytes() == (world.folder / "b.zip").read_bytes()
        (world.folder / "words.txt").write_text("good evening")
        with pytest.raises(CrateError, match="not as it was locked") as refused:
            of_recipe(engine, world.workflow, world.path, first.lock)
        assert [d.kind for d in refused.value.drifts] == ["file"]


def test_a_lock_whose_results_are_gone_is_made_anew_or_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.engine() as engine:
        lock = of_recipe(engine, world.workflow, world.path).lock
    for blob in (world.folder / "home/artefacts").rglob("*"):
        if blob.is_file():
            blob.unlink()
    with world.engine() as engine:
        assert of_recipe(engine, world.workflow, world.path, lock).ran.ended > 0
    for blob in (world.folder / "home/artefacts").rglob("*"):
        if blob.is_file():
            blob.unlink()
    monkeypatch.setitem(SHIFT, "figure", 3)
    with world.engine() as engine, pytest.raises(CrateError, match="nodeflow verify"):
        of_recipe(engine, world.workflow, world.path, lock)


def test_a_recorded_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.folder)
    with world.engine() as engine:
        run = engine.run(world.workflow.with_inputs({"level": 30}), path=world.path, out=world.folder / "out")
        contents = of_run(engine, run.id[:10])
        pack(contents, world.folder / "run.crate.zip", license="CC-BY-4.0", author="A. Painter")
        assert contents.ran.id == run.id
        assert contents.ran.started
        partial = engine.run(world.workflow, path=world.path, out=world.folder / "out", targets=["said"])
        with pytest.raises(CrateError, match=r"did not make picture, numbers"):
            of_run(engine, partial.id)
        with pytest.raises(CrateError, match="no single run"):
            of_run(engine, "0123456789")
        (world.folder / "words.txt").write_text("good evening")
        with pytest.raises(CrateError, match="changed since") as refused:
            of_run(engine, run.id)
        assert {d.name for d in refused.value.drifts} == {"read", "both"}
    found = unpack(world.folder / "run.crate.zip", world.folder / "there")
    assert found.workflow.input_value("level") == 30
    record = json.loads((world.folder / "there/recipe.run.json").read_text())
    assert record["id"] == run.id
    assert {n["state"] for n in record["nodes"]} == {"computed"}
    with world.engine() as engine:
        path = world.folder / "there/recipe.json"
        result = verify(engine, found.lock, found.workflow, path)
    assert [v.state for v in result.outputs] == [EQUAL] * 3


def test_inputs_from_elsewhere_get_a_place_in_the_crate(world: World) -> None:
    other = world.folder / "elsewhere"
    other.mkdir()
    (other / "words.txt").write_text("from afar")
    (world.folder / "outputs").mkdir()
    (world.folder / "outputs/words.txt").write_text("an own folder of that name")
    document = json.loads(json.dumps(RECIPE))
    document["nodes"]["read"]["values"]["file"] = str(other / "words.txt")
    document["nodes"]["second"] = {"op": "w/read@1", "values": {"file": "outputs/words.txt"}}
    document["outputs"]["second"] = "second.text"
    world.write(document)
    found = unpack(packed(world), world.folder / "there")
    assert [f.name for f in found.lock.files] == ["inputs/words-2.txt", "inputs/words.txt"]
    read = {name: found.workflow.nodes[name].values["file"] for name in ("read", "second")}
    assert sorted(read.values()) == ["inputs/words-2.txt", "inputs/words.txt"]
    assert (world.folder / "there" / read["read"]).read_text() == "from afar"
    assert (world.folder / "there" / read["second"]).read_text() == "an own folder of that name"
    path = world.folder / "there/recipe.json"
    with world.engine() as engine:
        assert drift(engine, found.lock, found.workflow, path) == []


def test_models_are_named_and_packed_only_on_request(world: World) -> None:
    with world.engine() as engine:
        contents = of_recipe(engine, world.workflow, world.path)
        pack(contents, world.folder / "a.crate.zip")
        assert not any(n.startswith("models/") for n in inspect(world.folder / "a.crate.zip").sizes)
        add_models(engine, contents, world.path)
        pack(contents, world.folder / "b.crate.zip")
    with zipfile.ZipFile(world.folder / "a.crate.zip") as archive:
        graph = {e["@id"]: e for e in json.loads(archive.read(METADATA))["@graph"]}
    model = graph["#model-checkpoints/tiny"]
    assert (model["license"], model["isBasedOn"]) == ("cc-by-4.0", "someone/tiny")
    assert len(model["sha256"]) == 3
    found = unpack(world.folder / "b.crate.zip", world.folder / "there")
    packed_model = world.folder / "there/models/checkpoints/tiny/weights.safetensors"
    assert packed_model.read_bytes() == world.model.joinpath("weights.safetensors").read_bytes()
    assert found.lock.models[0].blake3


def test_another_program_finds_it_valid(world: World) -> None:
    if not VALIDATOR.exists():
        pytest.fail("roc-validator is not installed: make install puts it into .venv/crate")
    crate = packed(world, license="CC-BY-4.0", author="A. Painter")
    assert validated(crate) == []

    def no_instrument(files: dict[str, bytes]) -> None:
        document = json.loads(files[METADATA])
        for entity in document["@graph"]:
            if entity["@type"] == "CreateAction":
                entity.pop("instrument")
        files[METADATA] = json.dumps(document).encode()

    assert any("instrument" in text for text in validated(respelt(crate, no_instrument)))


def test_steps_of_mapped_nodes_have_ids_that_are_addresses(world: World) -> None:
    """three levels ─▶ three slopes"""
    document = json.loads(json.dumps(RECIPE))
    document["nodes"]["slope"] |= {"values": {"level": [1, 2, 3]}, "each": ["level"]}
    document["inputs"] = {}
    world.write(document)
    with zipfile.ZipFile(packed(world)) as archive:
        ids = {entity["@id"] for entity in json.loads(archive.read(METADATA))["@graph"]}
        names = archive.namelist()
    assert {"#step-slope%5B0%5D", "#action-slope%5B2%5D"} <= ids
    assert not any(set(i) & set("[] <>") for i in ids)
    assert {f"outputs/picture-{i}.png" for i in range(3)} <= set(names)


def validated(crate: Path) -> list[str]:
    command = [VALIDATOR, Path(__file__).with_name("validate_crate.py"), crate, "provenance-run-crate-0.5", "REQUIRED"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["passed"] == (not result["issues"])
    return [issue["message"] for issue in result["issues"]]


# --- crates that lie ------------------------------------------------------------------------------------------------


def set_json(name: str, **changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        files[name] = json.dumps({**json.loads(files[name]), **changes}).encode()

    return change


def put(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.__setitem__(name, data)


def drop(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        del files[name]

    return change


LIES: dict[str, tuple[Callable[[dict[str, bytes]], None], bool, str]] = {
    "another input than its hash": (put("words.txt", b"good evening"), False, "'words.txt' is not what its"),
    "another size than it says": (put("words.txt", b"good morning!"), False, "has 13 bytes; its description says '12'"),
    "an input that the lock does not tell of": (put("words.txt", b"evil"), True, "'words.txt' is another file than"),
    "another recipe than the lock's": (
        set_json("recipe.json", nodes={}, inputs={}, outputs={}),
        True,
        "another recipe",
    ),
    "another environment": (put("pylock.recipe.toml", b"#"), True, "not the environment that the lock tells of"),
    "another result": (put("outputs/said.txt", b"good evening"), True, "file 0 of the output 'said'"),
    "a file more": (put("autorun.sh", b"rm -rf /"), True, "'autorun.sh', which its description does not list"),
    "a file less": (drop("recipe.run.json"), True, "'recipe.run.json', which is not in it"),
    "no description": (drop(METADATA), False, f"it has no {METADATA}"),
    "no graph": (put(METADATA, b"[]"), False, "no description of a crate"),
    "no lock": (drop("recipe.lock.json"), False, "it has no lock|which is not in it"),
    "no recipe": (drop("recipe.json"), False, "no nodeflow recipe"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_crate_that_lies_changes_nothing(world: World, lie: str) -> None:
    crate = packed(world)
    change, honest, message = LIES[lie]
    changed = respelt(crate, change, honest=honest)
    before = sorted(world.folder.rglob("*"))
    with pytest.raises(ArchiveError, match=message) as refused:
        unpack(changed, world.folder / "there")
    assert "nothing was unpacked" in str(refused.value)
    assert sorted(world.folder.rglob("*")) == before


def test_parts_that_are_not_well_formed(world: World) -> None:
    crate = packed(world)
    before = sorted(world.folder.rglob("*"))
    for name, data, code in (
        ("recipe.json", b'{"format": "nodeflow/1", "nodes": {}, "nodes": {}}', "NF002"),
        ("recipe.lock.json", b"{}", "NF003"),
        (METADATA, b'{"@graph": [NaN]}', "NF001"),
    ):
        changed = respelt(crate, put(name, data), honest=name != METADATA)
        with pytest.raises(ProblemsError) as refused:
            unpack(changed, world.folder / "there")
        assert refused.value.problems[0].code == code
        changed.unlink()
        assert sorted(world.folder.rglob("*")) == before


def test_a_folder_that_is_there_is_left_alone(world: World) -> None:
    crate = packed(world)
    there = world.folder / "there"
    there.mkdir()
    (there / "mine").write_text("mine")
    with pytest.raises(ArchiveError, match="there already"):
        unpack(crate, there)
    assert [p.name for p in there.iterdir()] == ["mine"]
    (world.folder / "link").symlink_to(world.folder / "nowhere")
    with pytest.raises(ArchiveError, match="there already"):
        unpack(crate, world.folder / "link")


def test_inspecting_writes_nothing(world: World) -> None:
    crate = packed(world)
    before = sorted(world.folder.rglob("*"))
    found = inspect(io.BytesIO(crate.read_bytes()), name="upload")
    assert (found.name, found.recipe) == ("upload", "recipe.json")
    assert sorted(world.folder.rglob("*")) == before


def test_a_title_that_is_html_stays_text(world: World) -> None:
    world.write({**RECIPE, "title": "<script>alert(1)</script>", "description": "\"'><img src=x onerror=alert(1)>"})
    with zipfile.ZipFile(packed(world)) as archive:
        page = archive.read("ro-crate-preview.html").decode()
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;" in page


def test_contents_name_files_apart(world: World) -> None:
    with world.engine() as engine:
        contents: Contents = of_recipe(engine, world.workflow, world.path)
    contents.outputs = {"a": [("image/png", b"1"), ("image/png", b"2")], "b": [("x/y", b"3")]}
    names = [contents.file_name("outputs", n, i, m) for n, f in contents.outputs.items() for i, (m, _) in enumerate(f)]
    assert names == ["outputs/a-0.png", "outputs/a-1.png", "outputs/b.bin"]
