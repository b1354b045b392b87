"""Locks: what stands in them, what they notice, what they refuse to be."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.problems import ProblemsError
from nodeflow.share.card import header, provenance
from nodeflow.share.drift import Drift, drift
from nodeflow.share.environment import pylock
from nodeflow.share.golden import fresh_run, with_golden
from nodeflow.share.lock import Lock, LockError, lock_path, parse_lock, read_lock
from nodeflow.share.survey import survey
from tests.share.world import RECIPE, SHIFT, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    SHIFT.update(figure=0, number=0.0)
    return World(tmp_path)


def locked(world: World, golden: bool = False) -> Lock:
    with world.engine() as engine:
        made = survey(engine, world.workflow, world.path)
        return with_golden(made, fresh_run(engine, world.workflow, world.path)) if golden else made


def drifts(world: World, lock: Lock) -> list[Drift]:
    with world.engine() as engine:
        return drift(engine, lock, world.workflow, world.path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_lock_holds_what_results_come_from(world: World) -> None:
    lock = locked(world)
    assert lock.recipe == world.workflow.digest()
    assert (list(lock.packs), lock.packs["w"].version, lock.packs["w"].distribution) == (
        ["engine", "w"],
        "1.2",
        "world-pack",
    )
    (model,) = lock.models
    assert (model.folder, model.name, model.license, model.source) == (
        "checkpoints",
        "tiny",
        "cc-by-4.0",
        "someone/tiny",
    )
    assert {f.name: f.sha256 for f in model.files} == {p.name: sha256(p) for p in world.model.iterdir()}
    assert model.size == sum(p.stat().st_size for p in world.model.iterdir())
    (file,) = lock.files
    assert (file.name, file.size, file.sha256, file.used_by) == (
        "words.txt",
        12,
        sha256(world.folder / "words.txt"),
        ["read.file"],
    )
    assert lock.seeds == {"slope": 7}
    assert {node.id for node in lock.nodes} == set(RECIPE["nodes"])
    assert not lock.golden
    assert {"nodeflow", "python", "pillow", "torch"} <= lock.versions.keys()


def test_a_saved_lock_is_the_same_lock(world: World) -> None:
    for golden in (False, True):
        lock = locked(world, golden)
        assert parse_lock(lock.text()) == lock
        assert parse_lock(lock.text()).digest() == lock.digest()
        assert parse_lock(lock.text()).text() == lock.text()


def test_nothing_drifts_by_itself(world: World) -> None:
    lock = locked(world, golden=True)
    assert drifts(world, lock) == []
    document = json.loads(world.path.read_text())
    world.write({**document, "title": "Another title", "layout": {"slope": {"at": [1, 2]}}})
    assert drifts(world, lock) == []


def _other_weights(world: World) -> None:
    (world.model / "weights.safetensors").write_bytes(b"\1" * 64)


def _no_model(world: World) -> None:
    for file in world.model.iterdir():
        file.unlink()
    world.model.rmdir()


CHANGES: list[tuple[Callable[[World], Any], str, str, str]] = [
    (_other_weights, "model", "checkpoints/tiny/weights.safetensors", "someone/tiny"),
    (_no_model, "model", "checkpoints/tiny", "it comes from someone/tiny"),
    (lambda w: (w.model / "extra.txt").write_text("x"), "model", "checkpoints/tiny/extra.txt", "someone/tiny"),
    (lambda w: (w.folder / "words.txt").write_text("good evening"), "file", "words.txt", "sha256"),
    (lambda w: (w.folder / "words.txt").unlink(), "file", "words.txt", "sha256"),
    (lambda w: w.source.write_text("# changed\n"), "pack", "w", "install world-pack==1.2"),
    (lambda w: w.write({**RECIPE, "outputs": {"said": "both.text"}}), "recipe", "", "lock it anew"),
]


@pytest.mark.parametrize(("change", "kind", "name", "advice"), CHANGES, ids=range(len(CHANGES)))
def test_each_change_is_named_with_what_to_do(
    world: World, change: Callable[[World], Any], kind: str, name: str, advice: str
) -> None:
    lock = locked(world)
    change(world)
    found = drifts(world, lock)
    assert [(d.kind, d.name) for d in found if d.kind != "version"] == [(kind, name)]
    assert advice in found[0].advice


def test_versions_packs_and_the_numeric_class_drift(world: World) -> None:
    lock = locked(world)
    other = lock.model_copy(
        update={
            "versions": {**lock.versions, "python": "3.9.1"},
            "packs": {**lock.packs, "gone": lock.packs["w"]},
            "numeric": {**lock.numeric, "threads": 64},
        }
    )
    found = {(d.kind, d.name): d for d in drifts(world, other)}
    assert found["version", "python"].advice == "use Python 3.9.1"
    assert found["pack", "gone"].found == "no such pack"
    assert found["numeric", "threads"].advice == "set NODEFLOW_THREADS=64"


def test_the_numeric_class_does_not_count_where_nothing_computes_with_tensors(world: World) -> None:
    world.write({**RECIPE, "inputs": {}, "outputs": {"said": "both.text"}})
    lock = locked(world)
    assert not lock.tensors
    assert {"nodeflow", "python", "pillow"} == lock.versions.keys()
    assert drifts(world, lock.model_copy(update={"numeric": {"threads": 64}})) == []


def _lie(lock: Lock, change: Callable[[dict[str, Any]], Any]) -> Lock:
    document = json.loads(lock.text())
    change(document)
    return parse_lock(json.dumps(document))


def test_a_lock_that_lies_is_found(world: World) -> None:
    lock = locked(world, golden=True)
    lies: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
        (lambda d: d["files"][0].update(sha256="0" * 64), "sha256"),
        (lambda d: d["files"][0].update(blake3="0" * 64), "blake3"),
        (lambda d: d["files"][0].update(size=5), "5 bytes"),
        (lambda d: d["models"][0]["files"][2].update(sha256="0" * 64), "sha256"),
        (lambda d: d["seeds"].update(slope=8), "seed slope"),
        (lambda d: d["nodes"][0].update(key="0" * 64), "key "),
        (lambda d: d["outputs"]["said"].update(key="0" * 64), "output said"),
        (lambda d: d["packs"].pop("w"), "pack w"),
        (lambda d: d.pop("models"), "model checkpoints/tiny"),
        (
            lambda d: d.update(tensors=False, versions={k: d["versions"][k] for k in ("nodeflow", "python", "pillow")}),
            "tensors",
        ),
    ]
    for lie, said in lies:
        found = drifts(world, _lie(lock, lie))
        assert any(said in str(d) for d in found), said


def test_a_model_digest_must_be_that_of_its_files(world: World) -> None:
    lock = locked(world)
    with pytest.raises(ProblemsError, match="is not that of the files listed"):
        _lie(lock, lambda d: d["models"][0].update(blake3="0" * 64))
    with pytest.raises(ProblemsError, match="is not that of the files listed"):
        _lie(lock, lambda d: d["models"][0]["files"][0].update(blake3="0" * 64))
    with pytest.raises(ProblemsError, match="size"):
        _lie(lock, lambda d: d["models"][0].update(size=1))


BAD = {
    "empty": ("", "empty"),
    "no json": ("{", "not JSON"),
    "a list": ("[]", "not a lock file"),
    "a recipe": ('{"format": "nodeflow/1", "nodes": {}}', "this is a recipe"),
    "a later one": ('{"format": "nodeflow-lock/2"}', "another version"),
    "nothing in it": ('{"format": "nodeflow-lock/1"}', "recipe"),
    "twice": ('{"format": "nodeflow-lock/1", "format": "nodeflow-lock/1"}', "stands twice"),
    "deep": ("[" * 100_000, "nest"),
    "a number": ("1" * 10_000, "digits"),
    "NaN": ('{"format": NaN}', "NaN"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_lock_is_refused(name: str) -> None:
    text, said = BAD[name]
    with pytest.raises(ProblemsError, match=said):
        parse_lock(text)


def test_hostile_values_are_refused_with_their_place(world: World) -> None:
    lock = locked(world, golden=True)
    bad: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
        (lambda d: d["models"][0].update(folder="../../etc"), "models.0.folder"),
        (lambda d: d["files"][0].update(name="a\x1b[2J"), "files.0.name"),
        (lambda d: d["files"][0].update(size=-1), "files.0.size"),
        (lambda d: d["files"][0].update(size=1.5), "files.0.size"),
        (lambda d: d["files"][0].update(sha256="z" * 64), "files.0.sha256"),
        (lambda d: d["files"][0].update(sha256="0" * 64 + "\n"), "files.0.sha256"),
        (lambda d: d.update(more=1), "more"),
        (lambda d: d["outputs"]["picture"]["files"][0].update(thumbnail="AAAA"), "thumbnail"),
        (lambda d: d["outputs"]["said"]["files"][0].update(text="x" * 5000), "text"),
    ]
    for change, place in bad:
        with pytest.raises(ProblemsError) as refused:
            _lie(lock, change)
        assert any(place in p.place for p in refused.value.problems), place


def test_names_in_a_lock_lead_nowhere_else(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.txt"
    secret.write_text("secret")
    lock = locked(world)
    for name in (str(secret), "../../../../../../etc/passwd"):
        found = drifts(world, _lie(lock, lambda d, name=name: d["files"][0].update(name=name)))  # type: ignore[misc]
        assert found[0].kind == "file"
        assert "no such file" in found[0].found
        assert sha256(secret)[:12] not in str(found)
    (model,) = lock.models
    up = model.model_copy(update={"name": "../../../words"})
    found = drifts(world, lock.model_copy(update={"models": [up]}))
    assert "no such model" in found[0].found


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_refused_with_problems_only(data: bytes) -> None:
    with pytest.raises(ProblemsError):
        parse_lock(data)


def test_reading_says_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="`nodeflow lock` makes it"):
        read_lock(tmp_path / "none.lock.json")
    with pytest.raises(LockError, match="no regular file"):
        read_lock(tmp_path)
    huge = tmp_path / "huge.lock.json"
    with open(huge, "wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(ProblemsError, match="at most"):
        read_lock(huge)
    assert lock_path(Path("a/b.json")) == Path("a/b.lock.json")


def test_what_no_two_runs_share_has_no_key(world: World) -> None:
    world.write({**RECIPE, "nodes": {**RECIPE["nodes"], "now": {"op": "w/clock@1"}}, "outputs": {"now": "now.value"}})
    lock = locked(world)
    assert [(n.id, n.key) for n in lock.nodes] == [("now", "")]
    assert lock.outputs["now"].key == ""
    assert drifts(world, lock) == []


def test_nor_has_what_runs_it_in_a_sub_workflow(world: World) -> None:
    body = {"nodes": {"c": {"op": "w/clock@1"}}, "outputs": {"now": "c.value"}}
    nodes = {"run": {"op": "w/inside@1", "values": {"body": "inner"}}}
    world.write({"format": "nodeflow/1", "nodes": nodes, "outputs": {"now": "run.now"}, "definitions": {"inner": body}})
    lock = locked(world)
    assert [(n.id, n.key) for n in lock.nodes] == [("run", "")]
    assert drifts(world, lock) == []


def test_file_names_that_no_lock_can_hold(world: World) -> None:
    (world.model / "a\nb.txt").write_text("x")
    with pytest.raises(NodeflowError, match="rename it"):
        locked(world)


def test_model_cards() -> None:
    assert header("---\nlicense: other\nlicense_name: 'own'\n---\n") == {"license": "other", "license_name": "own"}
    assert header("---\na: &x [b, c]\nb: !!python/object:os.system\nc: *x\n---\n") == {}
    assert header("license: mit") == {}
    assert header("---\nlicense: mit\n") == {}, "a header that does not end is none"


def test_where_models_come_from(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--org--name-x" / "snapshots" / ("a1" * 20)
    snapshot.mkdir(parents=True)
    (snapshot / "README.md").write_text("---\nlicense: other\nlicense_name: own\n---\n")
    assert provenance(snapshot) == ("own", f"hf:org/name-x@{'a1' * 20}")
    lone = tmp_path / "lora.safetensors"
    lone.write_bytes(b"")
    assert provenance(lone) == ("", "")
    (tmp_path / "lora.md").write_text("---\nlicense: mit\nsource: https://example.org/lora\n---\n")
    assert provenance(lone) == ("mit", "https://example.org/lora")


def test_the_environment_is_written_without_invented_hashes() -> None:
    document = tomllib.loads(pylock())
    assert (document["lock-version"], document["created-by"]) == ("1.0", "nodeflow")
    packages = {package["name"]: package for package in document["packages"]}
    assert {"pydantic", "torch", "typing-extensions", "nodeflow-engine"} <= packages.keys()
    assert len(packages) == len(document["packages"])
    assert not any({"wheels", "sdist"} & package.keys() for package in packages.values())
    assert len(packages["pydantic"]["tool"]["nodeflow"]["record-sha256"]) == 64


def test_sub_workflows_are_locked_too(world: World) -> None:
    inner = {"nodes": {"r": RECIPE["nodes"]["read"]}, "outputs": {"text": "r.text"}}
    nodes = {"part": {"op": "workflow:inner"}}
    world.write(
        {"format": "nodeflow/1", "nodes": nodes, "outputs": {"t": "part.text"}, "definitions": {"inner": inner}}
    )
    assert [f.name for f in locked(world).files] == ["words.txt"]


def test_the_engine_is_left_as_it_was(world: World) -> None:
    with world.engine() as engine:
        assert isinstance(engine, Engine)
        survey(engine, world.workflow, world.path)
        assert not (world.folder / "output").exists()
        assert engine.records.runs() == []
