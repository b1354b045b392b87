"""The documentation is true: generated pages are fresh, links lead somewhere, examples run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import nodeflow
from docs.generate import stale
from nodeflow.registry import installed
from nodeflow.workflow import Workflow

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
HAND_WRITTEN = [p for p in PAGES if "nodes" not in p.relative_to(ROOT).parts]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_generated_pages_are_fresh() -> None:
    assert installed().failures == {}
    assert stale(installed()) == [], "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=lambda p: str(p.relative_to(ROOT)))
def test_recipes_in_the_text_have_no_problems(page: Path) -> None:
    for text in blocks(page, "json"):
        document = json.loads(text)
        if (document.get("format") and "checkpoint" in document["nodes"]) or "definitions" in document:
            assert [p for p in nodeflow.check(document) if p.severity == "error"] == []


def test_the_readme_recipe_is_a_recipe() -> None:
    (text,) = blocks(ROOT / "README.md", "json")
    assert Workflow.parse(text).outputs == {"image": "decode.image"}


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "python.md"], ids=lambda p: p.name)
def test_python_examples_run(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("workflows",):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for text in blocks(page, "python"):
        exec(compile(text, str(page), "exec", dont_inherit=True), scope)
    assert "nodeflow" in scope or "node" in scope


def test_the_control_flow_example_gives_what_it_says() -> None:
    (text,) = blocks(ROOT / "docs" / "control-flow.md", "json")
    assert nodeflow.run(json.loads(text))["total"] == 16
