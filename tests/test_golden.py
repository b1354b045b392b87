"""Golden keys: every workflow that ever shipped still loads, migrates, checks, plans, and keeps its keys.

Keys here are made without what may differ between machines and releases: code digests, the contents of model files, and
the numeric class. What is left is the meaning of the recipe. If a change moves a key on purpose (a node's version, a
default), write the new ones with `python -m tests.test_golden` and say in the changelog that keys move.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import pytest
from blake3 import blake3

from nodeflow.files import Files
from nodeflow.jsonio import dump_json
from nodeflow.planner import Planner
from nodeflow.registry import Catalogue, installed
from nodeflow.workflow import Workflow

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden"
KEYS = GOLDEN / "keys.json"


@cache
def planner() -> Planner:
    """A planner for which all code is the same, and a file is its name."""
    real = installed()

    class SameCode(Catalogue):
        def code_digest(self, op: str) -> str:
            return "code"

    catalogue = SameCode(real.packs.values(), real.model_folders)
    files = Files(tuple(real.model_folders), (ROOT,), lambda path: blake3(path.name.encode()).hexdigest())
    return Planner(catalogue, files, "golden")


def keys(path: Path) -> dict[str, str]:
    """The keys of a recipe's declared outputs, shortened."""
    plan = planner().plan(Workflow.read(path))
    return {name: plan.key_of(source).partition(".")[0][:16] for name, source in plan.outputs.items()}


ELSEWHERE = {"stable-diffusion-1-5.json"}
"""Workflows for models that do not ship: they cannot be planned without them."""


def shipped() -> list[Path]:
    return [path for path in sorted((ROOT / "workflows").glob("*.json")) if path.name not in ELSEWHERE]


def test_every_shipped_workflow_is_in_the_corpus() -> None:
    for path in shipped():
        assert (GOLDEN / path.name).exists(), "run: python -m tests.test_golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*-*.json")), ids=lambda p: p.stem)
def test_it_keeps_its_keys(path: Path) -> None:
    assert keys(path) == json.loads(KEYS.read_text("utf-8"))[path.name]


def main() -> int:
    """Take what ships now into the corpus, and write down all keys."""
    for path in shipped():
        (GOLDEN / path.name).write_bytes(path.read_bytes())
    found = {path.name: keys(path) for path in sorted(GOLDEN.glob("*-*.json"))}
    KEYS.write_text(dump_json(found) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
