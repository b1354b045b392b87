"""What is in the wheel and in the sdist, built from a copy of the repository by the real tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "import sys, hatchling.build as b; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git knows here, without what was built."""
    copy = tmp_path_factory.mktemp("wheel") / "repository"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def build(kind: str, repository: Path, **env: str) -> Path:
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, str(repository.parent)],
        cwd=repository,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return repository.parent / done.stdout.splitlines()[-1]


def test_the_sdist_carries_the_sources_of_the_canvas_and_nothing_built(repository: Path) -> None:
    built = repository / "nodeflow/_web/index.html"
    built.parent.mkdir(exist_ok=True)
    built.touch()
    (repository / "web/node_modules/a").mkdir(parents=True)
    (repository / "web/node_modules/a/index.js").touch()
    try:
        with tarfile.open(build("sdist", repository)) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
    finally:
        shutil.rmtree(built.parent)
        shutil.rmtree(repository / "web/node_modules")

    assert {"hatch_build.py", "web/package-lock.json", "web/.npmrc", "web/src/main.tsx"} <= names
    assert {"workflows/text-to-image.json", "nodes/nodeflow_nodes/__init__.py"} <= names
    assert not [name for name in names if name.startswith(("nodeflow/_web", ".venv", ".ci")) or "node_modules" in name]


def test_a_wheel_without_the_canvas_has_the_workflows(repository: Path) -> None:
    with zipfile.ZipFile(build("wheel", repository, NODEFLOW_SKIP_WEB="1")) as wheel:
        names = set(wheel.namelist())
    shipped = {path.name for path in (ROOT / "workflows").glob("*.json")}
    assert {f"nodeflow/_workflows/{name}" for name in shipped} <= names
    assert not [name for name in names if name.startswith(("nodeflow/_web/", "web/", "tests/"))]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("npm"), reason="no npm to build the canvas with")
def test_a_wheel_holds_the_canvas(repository: Path) -> None:
    path = build("wheel", repository)
    assert path.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        index = wheel.read("nodeflow/_web/index.html").decode()
    assets = [name for name in names if name.startswith("nodeflow/_web/assets/")]
    assert any(name.endswith(".js") for name in assets)
    assert any(name.endswith(".css") for name in assets)
    assert all(f'"./assets/{Path(name).name}"' in index for name in assets if "/index-" in name and "map" not in name)
    assert "nodeflow/_web/build.sha256" in names
    assert len(names) == len(set(names))
