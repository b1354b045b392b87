"""Settings: defaults, file, environment, in this order."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeflow.errors import NodeflowError
from nodeflow.settings import Settings, parse_bytes


def test_later_sources_win(tmp_path: Path) -> None:
    (tmp_path / "nodeflow.toml").write_text(
        'device = "cuda"\nram_budget = "2GB"\ndeadline = 5\nmodel_folders = ["/m", "/n"]\n'
    )
    environment = {"NODEFLOW_HOME": str(tmp_path), "NODEFLOW_DEVICE": "cpu", "NODEFLOW_THREADS": "3"}
    settings = Settings.load(environment, disk_budget=7)
    assert (settings.home, settings.cache) == (tmp_path, tmp_path / "cache")
    assert (settings.device, settings.ram_budget, settings.deadline, settings.threads) == ("cpu", 2 << 30, 5.0, 3)
    assert (settings.model_folders, settings.disk_budget) == ((Path("/m"), Path("/n")), 7)
    paths = Settings.load({**environment, "NODEFLOW_INPUT_ROOTS": "/a:/b"}).input_roots
    assert paths == (Path("/a"), Path("/b"))


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("devcie = 'cpu'", "unknown setting 'devcie' (known: home, cache"),
        ("threads = 'many'", "setting threads: expected int, 0 or more, got 'many'"),
        ("threads = -1", "setting threads: expected int, 0 or more, got -1"),
        ("threads = 1.5", "setting threads: expected int, 0 or more, got 1.5"),
        ("threads = true", "setting threads: expected int, 0 or more, got True"),
        ("deadline = -1", "setting deadline: expected float, 0 or more, got -1"),
        ("deadline = nan", "setting deadline: expected float, 0 or more, got nan"),
        ("deadline = inf", "setting deadline: expected float, 0 or more, got inf"),
        ("model_folders = 5", "setting model_folders: expected tuple, got 5"),
        ("x = [", "cannot be read as TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, toml: str, message: str) -> None:
    (tmp_path / "nodeflow.toml").write_text(toml)
    with pytest.raises(NodeflowError) as raised:
        Settings.load({"NODEFLOW_HOME": str(tmp_path)})
    assert str(tmp_path / "nodeflow.toml") in str(raised.value)
    assert message in str(raised.value)


@pytest.mark.parametrize("budget", ["lots", "infGB", "1e999GB", "nanGB"])
def test_mistakes_in_the_environment(tmp_path: Path, budget: str) -> None:
    with pytest.raises(
        NodeflowError, match=f"environment: setting ram_budget: expected int, 0 or more, got '{budget}'"
    ):
        Settings.load({"NODEFLOW_HOME": str(tmp_path), "NODEFLOW_RAM_BUDGET": budget})


def test_the_home_may_be_given_from_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/painter")
    settings = Settings.load({"NODEFLOW_HOME": "~/flows"})  # as a service's or a container's configuration has it
    assert (settings.home, settings.cache) == (Path("/home/painter/flows"), Path("/home/painter/flows/cache"))


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("4GB", 4 << 30), ("500 MB", 500 << 20), ("1.5KiB", 1536), ("2t", 2 << 40), (" 7b ", 7)],
)
def test_bytes(text: str, number: int) -> None:
    assert parse_bytes(text) == number
