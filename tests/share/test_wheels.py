"""Asking the index for wheels: the real pip, with a folder for an index."""

from __future__ import annotations

import hashlib
import json
import tomllib
import zipfile
from pathlib import Path

import pytest

from nodeflow.share.environment import pins, pylock
from nodeflow.share.wheels import Wheel, WheelsError, read_report, resolve


def wheel(folder: Path, name: str, version: str) -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes its wheels from, and nothing else."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def test_what_an_index_has_and_what_it_has_not(index: Path) -> None:
    made = wheel(index, "little_thing", "1.2")
    found = resolve({"little-thing": "1.2", "not-there": "9"})
    assert found == {"little-thing": Wheel(made.name, "", hashlib.sha256(made.read_bytes()).hexdigest())}
    assert resolve({"not-there": "9"}) == {}
    assert resolve({}) == {}


def test_a_failure_of_pip_is_told(index: Path) -> None:
    (index / "broken-1-py3-none-any.whl").write_bytes(b"no wheel")
    with pytest.raises(WheelsError, match="pip cannot say which wheels there are"):
        resolve({"broken": "1"})


def report(url: str, sha256: str = "a" * 64) -> str:
    about = {"url": url, "archive_info": {"hashes": {"sha256": sha256}}}
    return json.dumps({"install": [{"metadata": {"name": "A.Thing", "version": "1"}, "download_info": about}]})


def test_addresses_without_names_and_tokens() -> None:
    found = read_report(report("https://me:secret@files.example/p/a_thing-1-py3-none-any.whl?token=x#sha256=y"))
    address = "https://files.example/p/a_thing-1-py3-none-any.whl"
    assert found == {"a-thing": Wheel("a_thing-1-py3-none-any.whl", address, "a" * 64)}
    assert read_report(report("file:///home/me/a_thing-1.tar.gz"))["a-thing"] == Wheel("a_thing-1.tar.gz", "", "a" * 64)
    assert read_report(report("https://files.example/a.whl", "no hash")) == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"install": [7]}', '{"install": [{"metadata": {}}]}'])
def test_reports_of_another_form(text: str) -> None:
    with pytest.raises(WheelsError, match="not of a form that is known"):
        read_report(text)


def test_the_lock_file_lists_them() -> None:
    first, second, third = sorted(pins())[:3]
    sums = "b" * 64
    known = {
        first: Wheel("x-1-py3-none-any.whl", "https://files.example/x-1-py3-none-any.whl", sums),
        second: Wheel("y-1.tar.gz", "https://files.example/y-1.tar.gz", sums),
        third: Wheel("z-1-py3-none-any.whl", "", sums),
    }
    packages = {p["name"]: p for p in tomllib.loads(pylock(known))["packages"]}
    assert packages[first]["wheels"] == [
        {
            "name": "x-1-py3-none-any.whl",
            "url": "https://files.example/x-1-py3-none-any.whl",
            "hashes": {"sha256": sums},
        }
    ]
    assert packages[second]["sdist"]["hashes"] == {"sha256": sums}
    assert "wheels" not in packages[third]
    assert packages[third]["tool"]["nodeflow"]["archive"]["sha256"] == sums
    assert "not proven" in pylock(known)
    assert "wheels" not in {k for p in tomllib.loads(pylock())["packages"] for k in p}
    assert "nodeflow-engine" not in pins()  # installed from a folder
