"""What all tests share: homes of their own, so that no test sees or touches the user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """nodeflow's home, cache and settings in a folder of this test."""
    home = tmp_path_factory.mktemp("home")
    for name in [
        n for n in os.environ if n.startswith("NODEFLOW_") and n not in ("NODEFLOW_PARITY", "NODEFLOW_CHROMIUM")
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NODEFLOW_HOME", str(home))
    return home
