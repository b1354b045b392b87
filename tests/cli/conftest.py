"""The real command line, as a process and (where many cases are needed) in this one, with a small pack installed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.installing import enable, install

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the trial pack as pip would install it."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, HERE / "trial_pack.py", "trial")
    return folder


@dataclass
class Done:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Cli:
    """Runs commands in a folder of their own."""

    folder: Path
    environment: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-W", "error", "-m", "nodeflow", *arguments]

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Done:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**self.environment, **environment},
            input=stdin.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(self.command(*arguments), cwd=self.folder, env=self.environment, **options)

    def write(self, name: str, document: Any) -> str:
        """Write a recipe (or any text) beside the commands; returns its name."""
        text = document if isinstance(document, str) else json.dumps(document)
        (self.folder / name).write_text(text, encoding="utf-8")
        return name


@pytest.fixture
def environment(site: Path, tmp_path: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NODEFLOW_")}
    enable(tmp_path / "home", site, "trial")
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(site), str(ROOT), str(ROOT / "nodes")]),
        "NODEFLOW_HOME": str(tmp_path / "home"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
        "TERM": "xterm",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
        "TRIAL_STARTED": str(tmp_path / "started"),
    }


@pytest.fixture
def cli(environment: dict[str, str], tmp_path: Path) -> Cli:
    folder = tmp_path / "work"
    folder.mkdir()
    return Cli(folder, environment)


@pytest.fixture
def here(
    cli: Cli,
    site: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., Done]]:
    """The same in this process: much quicker."""
    from nodeflow.cli import main
    from nodeflow.registry import installed

    monkeypatch.chdir(cli.folder)
    monkeypatch.syspath_prepend(str(site))
    for name in ("NODEFLOW_HOME", "TRIAL_STARTED", "COLUMNS", "NO_COLOR"):
        monkeypatch.setenv(name, environment[name])
    installed.cache_clear()

    def invoke(*arguments: str, stdin: str | bytes = "") -> Done:
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    yield invoke
    installed.cache_clear()


def recipe(nodes: dict[str, Any], outputs: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"format": "nodeflow/1", "outputs": outputs or {}, "nodes": nodes, **more}


@pytest.fixture
def hello(cli: Cli) -> str:
    """word ─▶ text ─▶ steady ─▶ said
    n ────▶ sum ─────────────▶ sum"""
    nodes = {
        "text": {"op": "trial/text@1", "values": {"text": "good morning"}},
        "steady": {"op": "trial/steady@1", "links": {"text": "text.text"}},
        "sum": {"op": "trial/add@1", "values": {"a": 2, "b": 3}},
    }
    inputs = {"word": {"to": ["text.text"]}, "n": {"to": ["sum.b"]}}
    return cli.write("hello.json", recipe(nodes, {"said": "steady.text", "sum": "sum.value"}, inputs=inputs))
