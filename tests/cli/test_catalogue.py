"""`nodeflow nodes`, `describe`, `models`, `doctor` and `new`: what is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from nodeflow.health import sqlite_is_affected
from tests.cli import shapes
from tests.cli.conftest import Cli, Done

Here = Callable[..., Done]


def test_nodes_by_category(cli: Cli) -> None:
    done = cli("nodes")
    assert done.code == 0
    lines = done.out.splitlines()
    at = lines.index("trial")
    assert lines[at + 1].split(None, 1) == ["trial/add@1", "Add two numbers."]
    assert "image" in lines


def test_nodes_are_found_by_words_and_by_likeness(here: Here) -> None:
    assert [
        n["op"] for n in shapes.fits(here("nodes", "trial", "two", "numbers", "--json").json, shapes.NODES)["nodes"]
    ] == ["trial/add@1"]
    assert "trial/steady@1" in here("nodes", "stedy").out
    nothing = here("nodes", "qqqqqqqqqqqq")
    assert nothing.code == 2


def test_describe(cli: Cli) -> None:
    done = cli("describe", "trial/add")
    assert done.code == 0
    assert "trial/add@1  Add" in done.out
    assert "from the pack trial (trial-pack 1.0)" in done.out
    assert "  b  float  -1000 to 1000, m, = 1.0  the second." in done.out
    assert "  a  float  required                 the first." in done.out


def test_describe_as_json(here: Here) -> None:
    document = here("describe", "trial/count@1", "--json").json
    assert document["op"] == "trial/count@1"
    assert document["inputs"][2] == {
        "name": "how",
        "type": "str",
        "required": False,
        "default": "up",
        "choices": ["up", "down"],
        "doc": "",
    }
    jsonschema.Draft202012Validator.check_schema(document["schema"])
    validator = jsonschema.Draft202012Validator(document["schema"])
    validator.validate({"number": 1, "flag": True, "how": "down"})
    assert not validator.is_valid({"how": "sideways"})
    assert not validator.is_valid({"other": 1})


def test_every_installed_node_can_be_described(here: Here) -> None:
    from nodeflow.describe import describe_op
    from nodeflow.registry import installed

    here("nodes")
    catalogue = installed()
    assert len(catalogue.ops) > 50
    for name, op in catalogue.ops.items():
        document = describe_op(op, catalogue.owner(name))
        json.dumps(document)
        jsonschema.Draft202012Validator.check_schema(document["schema"])


@pytest.mark.parametrize(
    ("name", "hint"), [("trial/ad", "trial/add"), ("add", "trial/add"), ("trial/add@9", "version 1"), ("\x1b[2J", "")]
)
def test_describe_of_what_is_not_there(here: Here, name: str, hint: str) -> None:
    done = here("describe", name)
    assert done.code == 2
    assert hint in done.err
    assert "\x1b" not in done.err


def test_models_by_folder(cli: Cli, here: Here, tmp_path: Path) -> None:
    own = tmp_path / "home" / "models" / "checkpoints"
    own.mkdir(parents=True)
    (own / "mine.safetensors").write_bytes(bytes(2048))
    done = cli("models", "checkpoints")
    assert done.code == 0
    assert any(
        line.split() == ["mine.safetensors", "2.0", "KB", str(own / "mine.safetensors")]
        for line in done.out.splitlines()
    )
    document = shapes.fits(here("models", "--json").json, shapes.MODELS)
    assert {
        "name": "mine.safetensors",
        "path": str(own / "mine.safetensors"),
        "from": str(own.parent),
        "bytes": 2048,
    } in (document["models"]["checkpoints"])
    wrong = here("models", "checkpoint")
    assert wrong.code == 2
    assert "checkpoints" in wrong.err


def test_doctor(here: Here) -> None:
    done = here("doctor")
    assert done.code == 0
    for text in ("nodeflow ", "python ", "sqlite ", "  trial ", "everything that a run needs is there"):
        assert text in done.out, text


def test_doctor_shows_packs_that_fail_with_their_traceback(cli: Cli, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    info = broken / "broken_pack-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-pack\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[nodeflow.packs]\nbroken = broken_pack\n")
    (broken / "broken_pack.py").write_text("raise RuntimeError('no \\x1b[31mluck')\n")
    path = f"{broken}:{cli.environment['PYTHONPATH']}"
    assert cli("packs", "enable", "broken", PYTHONPATH=path).code == 0
    done = cli("doctor", PYTHONPATH=path)
    assert done.code == 5
    assert "raise RuntimeError" in done.out
    assert "\x1b" not in done.out
    assert "fault: pack broken could not be loaded" in done.out
    assert "The pack broken could not be loaded: RuntimeError" in cli("nodes", PYTHONPATH=path).err


def test_doctor_finds_folders_that_cannot_be_written(
    here: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NODEFLOW_OUTPUT", str(tmp_path / "file" / "output"))
    done = here("doctor")
    assert done.code == 5
    assert "fault: the output folder" in done.out


def test_settings_that_do_not_exist(here: Here, tmp_path: Path) -> None:
    (tmp_path / "home" / "nodeflow.toml").write_text("colour = 'red'\n")
    done = here("doctor")
    assert done.code == 5
    assert "unknown setting 'colour'" in done.err


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 6, 23), False),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
    ],
)
def test_sqlite_versions(version: tuple[int, int, int], affected: bool) -> None:
    assert sqlite_is_affected(version) is affected


def test_a_new_workflow_has_no_problems(cli: Cli, here: Here) -> None:
    done = cli("new", "workflow", "first-try")
    assert (done.code, done.out) == (0, "first-try.json\n")
    assert json.loads((cli.folder / "first-try.json").read_text())["title"] == "First try"
    checked = here("check", "first-try.json", "--strict")
    assert (checked.code, checked.out) == (0, "first-try.json: no problems\n")
    again = here("new", "workflow", "first-try.json")
    assert again.code == 4
    assert "is there already" in again.err


def test_a_new_pack_works(cli: Cli, here: Here) -> None:
    done = here("new", "pack", "mine")
    assert (done.code, done.out) == (0, "mine\n")
    folder = cli.folder / "mine"
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), "tests"],
        cwd=folder,
        env={**cli.environment, "PYTHONPATH": f"{folder}:{cli.environment['PYTHONPATH']}"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert tests.returncode == 0, tests.stdout.decode()
    info = folder / "nodeflow_pack_mine-0.1.0.dist-info"  # as pip would
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nodeflow-pack-mine\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[nodeflow.packs]\nmine = mine\n")
    path = f"{folder}:{cli.environment['PYTHONPATH']}"
    assert cli("packs", "enable", "mine", PYTHONPATH=path).code == 0
    ran = cli("run", "mine/shout.json", "--set", "text=good", "--json", PYTHONPATH=path)
    assert ran.code == 0, ran.err
    assert ran.json["outputs"]["text"]["value"] == "GOOD!!!"
    assert here("new", "pack", "mine").code == 4


@pytest.mark.parametrize(("name", "code"), [("Mine", 2), ("../up", 2), ("a b", 2), ("image", 2), ("", 2)])
def test_names_that_packs_may_not_have(here: Here, cli: Cli, name: str, code: int) -> None:
    assert here("new", "pack", name).code == code
    assert list(cli.folder.iterdir()) == []


def test_new_in_a_place_that_cannot_be_written(here: Here, cli: Cli) -> None:
    cli.write("file", "")
    assert here("new", "workflow", "file/recipe").code == 4
    assert here("new", "pack", "mine", "--in", "file").code == 4
