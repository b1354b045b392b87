"""Files named with `--set` are those of the working folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Cli, recipe


@pytest.fixture
def far(cli: Cli) -> str:
    """recipes/size.json, with a photo.png of its own beside it.   load ─▶ size ─▶ width"""
    folder = cli.folder / "recipes"
    folder.mkdir()
    nodes = {
        "load": {"op": "image/load@1", "values": {"path": "photo.png"}},
        "size": {"op": "image/size@1", "links": {"image": "load.image"}},
    }
    document = recipe(nodes, {"width": "size.width"}, inputs={"photo": {"to": ["load.path"]}})
    (folder / "size.json").write_text(json.dumps(document))
    Image.new("L", (3, 3)).save(folder / "photo.png")
    return "recipes/size.json"


def width(cli: Cli, *arguments: str) -> int:
    done = cli("run", *arguments, "--json")
    assert done.code == 0, done.err + done.out
    return int(done.json["outputs"]["width"]["value"])


def test_a_typed_name_means_the_working_folder(cli: Cli, far: str) -> None:
    assert width(cli, far, "--set", "photo=photo.png") == 3  # only beside the recipe
    Image.new("L", (7, 7)).save(cli.folder / "photo.png")
    assert width(cli, far, "--set", "photo=photo.png") == 7
    assert width(cli, far) == 3  # what the recipe says itself still lies beside it
    assert width(cli, far, "--set", f"photo={cli.folder / 'recipes/photo.png'}") == 3
    sub = cli.folder / "sub"
    sub.mkdir()
    Image.new("L", (5, 5)).save(sub / "other.png")
    assert width(cli, far, "--set", "photo=sub/other.png") == 5
    linked = cli.folder / "linked.png"
    linked.symlink_to(Path("recipes/photo.png"))
    assert width(cli, far, "--set", "photo=linked.png") == 3


def test_a_name_that_leads_out_is_refused_all_the_same(cli: Cli, far: str, tmp_path: Path) -> None:
    Image.new("L", (9, 9)).save(tmp_path / "secret.png")
    done = cli("run", far, "--set", "photo=../secret.png")
    assert done.code == 3
    assert "NF303" in done.err
