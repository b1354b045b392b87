"""No code of another package runs before the user has enabled it; what was enabled is pinned to its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Done, recipe

CODE = '''
import pathlib
pathlib.Path({ran!r}).write_text("ran")

from nodeflow import node


@node("other/twice")
def twice(text: str) -> str:
    """Say a text twice.

    Args:
        text: what to say.
    """
    return text * 2
'''


class Other:
    """A package of others in a folder of its own, installed as pip would; its code leaves a mark when it runs."""

    def __init__(self, folder: Path, cli: Cli) -> None:
        self.folder = folder
        self.mark = folder / "ran"
        self._cli = cli
        self._path = f"{folder / 'site'}:{cli.environment['PYTHONPATH']}"
        package = folder / "site" / "other_pack"
        (package / "models").mkdir(parents=True)
        self.file = package / "__init__.py"
        self.file.write_text(CODE.format(ran=str(self.mark)))
        (package / "models" / "__init__.py").write_text("")
        info = folder / "site" / "other_pack-2.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-pack\nVersion: 2.0\n")
        self.points = info / "entry_points.txt"
        self.points.write_text(
            "[nodeflow.packs]\nother = other_pack\n[nodeflow.models]\nother = other_pack.models\n", encoding="utf-8"
        )

    def __call__(self, *arguments: str) -> Done:
        return self._cli(*arguments, PYTHONPATH=self._path)

    @property
    def ran(self) -> bool:
        return self.mark.exists()

    def state(self) -> dict[str, object]:
        (found,) = (p for p in self("packs", "--json").json["packages"] if p["package"] == "other-pack")
        return dict(found)


@pytest.fixture
def other(tmp_path: Path, cli: Cli) -> Other:
    cli.write("twice.json", recipe({"a": {"op": "other/twice@1", "values": {"text": "ha"}}}, {"text": "a.text"}))
    return Other(tmp_path / "other", cli)


@pytest.mark.parametrize(
    "command",
    [
        ("nodes",),
        ("check", "twice.json"),
        ("plan", "twice.json"),
        ("run", "twice.json"),
        ("describe", "other/twice"),
        ("doctor",),
        ("models",),
        ("packs",),
    ],
    ids=lambda c: c[0],
)
def test_code_that_was_not_enabled_does_not_run(other: Other, command: tuple[str, ...]) -> None:
    done = other(*command)
    assert not other.ran
    if command[0] in ("nodes", "check", "run", "describe", "doctor", "packs"):
        assert "nodeflow packs enable other-pack" in done.out + done.err


def test_check_says_how_to_enable_it(other: Other) -> None:
    done = other("check", "twice.json")
    assert done.code != 0
    assert "NF116" in done.out + done.err
    assert "other-pack is installed but not enabled" in done.out + done.err


def test_enabled_it_runs_until_it_changes(other: Other) -> None:
    done = other("packs", "enable", "other")
    assert (done.code, other.ran) == (0, False), done.err
    ran = other("run", "twice.json", "--json")
    assert ran.json["outputs"]["text"]["value"] == "haha"
    other.mark.unlink()
    other.file.write_text(other.file.read_text() + "\n# a change\n")
    done = other("run", "twice.json")
    assert done.code != 0
    assert "other-pack has changed since it was enabled" in done.err
    assert not other.ran
    assert other("packs", "enable", "other-pack").code == 0
    assert other("run", "twice.json").code == 0


def test_disabled_it_is_off_again(other: Other) -> None:
    other("packs", "enable", "other")
    assert other.state()["enabled"] is True
    assert other("packs", "disable", "other").code == 0
    assert other.state()["enabled"] is False
    assert other("run", "twice.json").code != 0
    assert not other.ran


def test_a_pin_that_is_not_the_expected_one_enables_nothing(other: Other) -> None:
    pin = str(other.state()["pin"])
    assert pin.startswith("blake3:")
    done = other("packs", "enable", "other", "--pin", "blake3:" + "0" * 64)
    assert done.code == 5
    assert other.state()["enabled"] is False
    assert other("packs", "enable", "other", "--pin", pin).code == 0
    assert other.state()["enabled"] is True


def test_one_that_is_edited_is_pinned_to_its_folder(other: Other) -> None:
    url = {"url": "file:///somewhere/other", "dir_info": {"editable": True}}
    (other.points.parent / "direct_url.json").write_text(json.dumps(url))
    assert other("packs", "enable", "other").code == 0
    other.file.write_text(other.file.read_text() + "\n# a change\n")
    assert other("run", "twice.json").code == 0
    (other.points.parent / "direct_url.json").write_text(json.dumps({**url, "url": "file:///elsewhere"}))
    assert other("run", "twice.json").code != 0


def test_a_refused_package_takes_no_name_from_others(other: Other) -> None:
    other.points.write_text("[nodeflow.packs]\nimage = other_pack\n")
    done = other("describe", "image/blend")
    assert done.code == 0
    assert not other.ran


def test_nodeflows_own_packs_need_no_consent(here: Callable[..., Done]) -> None:
    assert "nodeflow's own" in here("packs").out
    for verb in ("enable", "disable"):
        done = here("packs", verb, "image")
        assert (done.code, "always enabled" in done.err) == (2, True)
        assert here("packs", verb, "nowhere").code == 2


@pytest.mark.parametrize("text", ["[", "[1, 2]", '"x"', "\xff"], ids=["torn", "list", "text", "bytes"])
def test_a_bad_list_of_consents_enables_nothing_and_says_so(other: Other, cli: Cli, text: str) -> None:
    file = Path(cli.environment["NODEFLOW_HOME"]) / "packs.json"
    file.write_bytes(text.encode("latin-1"))
    done = other("run", "twice.json")
    assert done.code == 5
    assert "packs.json" in done.err
    assert "Traceback" not in done.err
    assert not other.ran
    assert file.read_bytes() == text.encode("latin-1")
