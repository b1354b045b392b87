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
