"""What all tests share: homes of their own, so that no test sees or touches the user's; hypothesis without deadlines
(the cores are busy) and without a database on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

settings.register_profile(
    "nodeflow",
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("nodeflow")

REAL_TIME = (
    "tests/browser/",
    "tests/server/test_events.py",
    "tests/server/test_serve.py",
    "tests/server/test_worker.py",
)
"""Tests that wait for other processes. On a machine that is busy for a moment one may come too late: it is run again,
at most twice, which pytest's summary tells. What is wrong fails each time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(REAL_TIME):
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=1))


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """nodeflow's home, cache and settings in a folder of this test."""
    home = tmp_path_factory.mktemp("home")
    for name in [
        n for n in os.environ if n.startswith("NODEFLOW_") and n not in ("NODEFLOW_PARITY", "NODEFLOW_CHROMIUM")
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NODEFLOW_HOME", str(home))
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
    return home
