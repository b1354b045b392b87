"""Whole processes: importing, checking, planning, a fully cached run. CPU seconds (user + system), smallest of a few.

Targets: `import nodeflow` at most 0.15 s; check and plan 0.5 s; a fully cached run 0.7 s; torch in none of them.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORKFLOW = Path(__file__).parents[1] / "workflows" / "text-to-image.json"
NODEFLOW = [sys.executable, "-m", "nodeflow"]


def cost(command: list[str], environment: dict[str, str], repeats: int = 5) -> tuple[float, float]:
    """(CPU seconds, wall seconds) of a process: the smallest of some runs."""
    cpu, wall = [], []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begun = time.perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall.append(time.perf_counter() - begun)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(cpu), min(wall)


def loads_torch(command: list[str], environment: dict[str, str]) -> bool:
    """Whether the process imports torch, seen in Python's own import log."""
    done = subprocess.run(
        command, env={**environment, "PYTHONVERBOSE": "1"}, capture_output=True, text=True, check=True
    )
    return "import 'torch'" in done.stderr


def table() -> list[tuple[str, ...]]:
    """Rows for `python -m benchmarks`."""
    rows = [("process", "CPU s", "wall s", "÷ python alone", "target s", "torch")]
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "NODEFLOW_HOME": home}
        out = ["--out", f"{home}/out"]
        subprocess.run([*NODEFLOW, "run", str(WORKFLOW), *out], env=environment, check=True, capture_output=True)
        cases = [
            ("python -c pass", [sys.executable, "-c", "pass"], ""),
            ("import nodeflow", [sys.executable, "-c", "import nodeflow"], "0.15"),
            ("nodeflow check", [*NODEFLOW, "check", str(WORKFLOW)], "0.5"),
            ("nodeflow plan", [*NODEFLOW, "plan", str(WORKFLOW)], "0.5"),
            ("nodeflow nodes", [*NODEFLOW, "nodes"], ""),
            ("nodeflow run, cached", [*NODEFLOW, "run", str(WORKFLOW), *out], "0.7"),
        ]
        base = 0.0
        for name, command, target in cases:
            cpu, wall = cost(command, environment)
            base = base or cpu
            torch = "yes" if loads_torch(command, environment) else "no"
            rows.append((name, f"{cpu:.3f}", f"{wall:.3f}", f"{cpu / base:.1f}", target, torch))
    return rows
