"""Every workflow that ships: canonical, without problems, and it runs and gives what it declares."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nodeflow
from nodeflow.engine import Engine
from nodeflow.jsonio import canonical
from nodeflow.settings import Settings
from nodeflow.workflow import Workflow

FOLDER = Path(__file__).parents[1] / "workflows"
NEEDS_A_FILE = {"stable-diffusion-1-5": "v1-5-pruned-emaonly-fp16.safetensors"}
"""Workflows for checkpoints that do not ship: what each looks for in `checkpoints`."""
SHIPPED = sorted(FOLDER.glob("*.json"))
RUNNABLE = [path for path in SHIPPED if path.stem not in NEEDS_A_FILE]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One engine for all: what several workflows need is computed once, as it would be for a user."""
    home = tmp_path_factory.mktemp("engine")
    with Engine(Settings(home=home, cache=home / "cache")) as engine:
        yield engine


def test_there_are_workflows() -> None:
    assert FOLDER / "text-to-image.json" in SHIPPED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_saving_changes_nothing(path: Path) -> None:
    assert Workflow.read(path).text() == path.read_text("utf-8")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_it_has_no_problems_and_an_interface(path: Path, engine: Engine) -> None:
    workflow = nodeflow.load(path)
    missing = ["NF301"] if path.stem in NEEDS_A_FILE else []
    assert [p.code for p in nodeflow.check(path, engine=engine)] == missing
    assert workflow.title
    assert workflow.description
    assert workflow.inputs
    assert workflow.outputs
    assert "note" in canonical(workflow.layout), "a note tells the reader what to try"


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda p: p.stem)
def test_it_runs_and_is_cached(path: Path, engine: Engine, tmp_path: Path) -> None:
    run = nodeflow.run(path, engine=engine, out=tmp_path)
    assert run.state == "completed"
    assert run.files.keys() >= set(nodeflow.load(path).outputs)
    assert all(file.stat().st_size for files in run.files.values() for file in files)
    again = nodeflow.run(path, engine=engine, out=tmp_path)
    assert again.computed == 0
    assert again.files == run.files


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS_A_FILE)
def test_a_graph_for_a_real_checkpoint_runs_with_one_of_its_shape(name: str, tmp_path: Path) -> None:
    from benchmarks import parity

    if parity.data_folder() is None:
        pytest.skip("needs the parity data beside the repository, to make a checkpoint of SD 1.5's layout")
    folder = tmp_path / "home" / "models" / "checkpoints"
    folder.mkdir(parents=True)
    shutil.copyfile(parity.checkpoint("sd15_tiny"), folder / NEEDS_A_FILE[name])
    with Engine(Settings(home=tmp_path / "home", cache=tmp_path / "cache")) as engine:
        small = {"width": 64, "height": 64, "steps": 3}
        assert list(nodeflow.run(FOLDER / f"{name}.json", small, engine=engine)["image"].shape) == [1, 3, 64, 64]


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda p: p.stem)
def test_permuted_and_renamed_it_keeps_its_keys(path: Path, engine: Engine) -> None:
    workflow = nodeflow.load(path)
    keys = {step.key for step in engine.plan(workflow, path=path).steps}
    document = workflow.to_json()
    renamed = Workflow.from_json({**document, **_renamed(document)})
    backwards = renamed.model_copy(update={"nodes": dict(reversed(renamed.nodes.items()))})
    assert {step.key for step in engine.plan(backwards, path=path).steps} == keys


def _renamed(document: dict[str, Any]) -> dict[str, Any]:
    """The parts of a document that name nodes, with other ids."""

    def link(value: Any) -> Any:
        return [link(v) for v in value] if isinstance(value, list) else f"z_{value}"

    nodes = {
        f"z_{name}": {**part, "links": {port: link(value) for port, value in part.get("links", {}).items()}}
        for name, part in document["nodes"].items()
    }
    inputs = {name: {**part, "to": link(part["to"])} for name, part in document["inputs"].items()}
    return {
        "nodes": nodes,
        "inputs": inputs,
        "outputs": {k: link(v) for k, v in document["outputs"].items()},
        "layout": {},
    }
