"""The demo from a cold process to its PNG: where the time goes, beside `import torch` plus the bare arithmetic."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.startup import NODEFLOW, WORKFLOW, cost

LIBRARIES = (
    "torch",
    "diffusers",
    "transformers",
    "safetensors",
    "numpy",
    "PIL",
    "pydantic",
    "networkx",
    "typer",
    "rich",
)


def import_times(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Seconds each library's import took in the process, by Python's own import clock (self times added up)."""
    done = subprocess.run(
        command, env={**environment, "PYTHONPROFILEIMPORTTIME": "1"}, capture_output=True, text=True, check=True
    )
    total: dict[str, float] = {}
    for line in done.stderr.splitlines():
        if match := re.match(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)", line):
            root = match[2].partition(".")[0]
            total[root] = total.get(root, 0.0) + int(match[1]) / 1e6
    return total


def table() -> list[tuple[str, ...]]:
    """Rows for `python -m benchmarks`."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "NODEFLOW_HOME": home}
        run = [*NODEFLOW, "run", str(WORKFLOW), "--no-cache", "--out", str(Path(home) / "demo.png")]
        rows = [("what", "CPU s", "wall s", "÷ import torch")]
        torch_cpu, torch_wall = cost([sys.executable, "-c", "import torch"], environment, 3)
        rows.append(("import torch", f"{torch_cpu:.2f}", f"{torch_wall:.2f}", "1.00"))
        cpu, wall = cost(run, environment, 3)
        rows.append(("demo, cold process", f"{cpu:.2f}", f"{wall:.2f}", f"{cpu / torch_cpu:.2f}"))
        for steps in (1, 20):
            cpu, wall = cost([*run, "--set", f"steps={steps}"], environment, 3)
            rows.append((f"demo, {steps} steps", f"{cpu:.2f}", f"{wall:.2f}", f"{cpu / torch_cpu:.2f}"))
        times = import_times(run, environment)
        for name in LIBRARIES:
            if name in times:
                rows.append((f"  importing {name}", f"{times[name]:.2f}", "", f"{times[name] / torch_cpu:.2f}"))
        rest = sum(seconds for name, seconds in times.items() if name not in LIBRARIES)
        rows.append(("  importing all else", f"{rest:.2f}", "", f"{rest / torch_cpu:.2f}"))
    return rows
