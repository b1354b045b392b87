"""The example of every node: fresh, without problems, and it runs and gives what its page shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nodeflow
from docs.examples import EXAMPLES, Example
from docs.examples.pages import nodes
from docs.examples.results import MOST_BYTES, PICTURES, digest, engine, files, recorded, strip, written
from docs.generate import SKIP
from nodeflow.engine import Engine
from nodeflow.registry import installed
from nodeflow.workflow import Workflow

ALL = [pytest.param(example, id=name) for name, example in EXAMPLES.items()]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One engine for all: the examples share a picture and a model."""
    with engine(tmp_path_factory.mktemp("examples")) as made:
        yield made


def missing(example: Example, shared: Engine) -> bool:
    """Whether it needs a model that is not here; other problems are errors."""
    problems = shared.check(example.workflow, path=example.path).problems
    assert [p for p in problems if not (example.needs and p.code == "NF301")] == []
    return bool(problems)


def test_every_node_has_an_example() -> None:
    assert EXAMPLES.keys() == installed().ops.keys() - SKIP


@pytest.mark.parametrize("example", ALL)
def test_it_is_written_as_it_is_built(example: Example) -> None:
    assert example.path.read_text("utf-8") == example.text, "run: make docs"
    assert Workflow.read(example.path).text() == example.text
    assert example.workflow.outputs
    assert example.name in {node.op.partition("@")[0] for node in nodes(example.workflow)}


def test_results_belong_to_the_examples() -> None:
    """Pictures' bits may differ between machines, so only the recipes that they were made by are compared."""
    results = recorded()
    stale = [n for n, e in EXAMPLES.items() if not e.needs and results.get(n, {}).get("recipe") != digest(e)]
    stale += [n for n, made in results.items() if n not in EXAMPLES or made["recipe"] != digest(EXAMPLES[n])]
    assert stale == [], "run: make docs"
    assert {p for p in PICTURES.rglob("*.*") if p.is_file()} == files(results)


def test_pictures_are_small() -> None:
    sizes = {path: path.stat().st_size for path in PICTURES.rglob("*.*")}
    assert {path.name: size for path, size in sizes.items() if size > MOST_BYTES} == {}
    assert sum(sizes.values()) < 1_500_000


@pytest.mark.parametrize("example", ALL)
def test_it_has_no_problems_and_gives_what_its_page_shows(example: Example, shared: Engine, tmp_path: Path) -> None:
    if missing(example, shared):
        pytest.skip(f"needs {example.needs}")
    run = nodeflow.run(example.path, engine=shared, out=tmp_path)
    assert run.outputs.keys() == example.workflow.outputs.keys()
    shown = recorded().get(example.name, {}).get("values", {})
    values = {output: plain for output, value in run.outputs.items() if (plain := written(value)) is not None}
    if example.needs or example.name.startswith("language/"):  # what a model writes changes when it is trained on
        assert example.needs or values.keys() == shown.keys()
    else:
        assert approximately(values) == shown


def approximately(value: Any) -> Any:
    """The same, with numbers that may differ in the third digit."""
    if isinstance(value, dict):
        return {key: approximately(item) for key, item in value.items()}
    if isinstance(value, list):
        return [approximately(item) for item in value]
    return pytest.approx(value, rel=0.01, abs=1e-3) if isinstance(value, float) else value


def test_a_strip_enlarges_small_pictures_all_or_none() -> None:
    import io

    from PIL import Image

    def width(*sizes: int) -> int:
        data = strip([("x", [Image.new("RGB", (size, size)) for size in sizes])])
        with Image.open(io.BytesIO(data)) as picture:
            return picture.width

    assert width(64) == 2 * 64 + 24
    assert width(64, 32) == 2 * (64 + 32) + 4 + 24
    assert width(64, 128) == 64 + 128 + 4 + 24
