"""Who may import whom (DESIGN §7): read from the source, so that a shortcut taken today fails today."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = (
    "errors hub replacing",
    "types annotations",
    "edges",
    "ports problems events",
    "op jsonio migrate weights mutation numeric settings database process",
    "workflow consent files",
    "registry",
    "keys upgrade",
    "rules",
    "expand steps",
    "planner",
    "outcome",
    "context schedule lanes values",
    "calling",
    "running",
    "executor",
    "export cache builder schema",
    "artefacts filehash why forecast",
    "share.embed",
    "record_schema record recorder publish",
    "share comfy",
    "engine",
    "api describe",
    "health fetch sweep",
    "server",
    "cli cluster",
)
"""Each module of the engine imports only modules that stand in earlier lines, or in its own."""
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names.split()}
HEAVY = {"torch", "diffusers", "transformers", "aiohttp", "accelerate", "peft", "ray"}
LATE = {("op", "context")}
"""A node that is called as a function makes itself a context, then and not before."""


def imports(path: Path, *, top: bool = False) -> Iterator[tuple[int, str]]:
    """(line, module) of each import that runs; at module level only if `top`. What is for type checkers is left out."""

    def visit(nodes: list[ast.stmt]) -> Iterator[tuple[int, str]]:
        for item in nodes:
            if isinstance(item, ast.Import):
                yield from ((item.lineno, alias.name) for alias in item.names)
            elif isinstance(item, ast.ImportFrom):
                if item.level == 0:  # others stay in their own package
                    yield item.lineno, item.module or ""
                    yield from ((item.lineno, f"{item.module}.{alias.name}") for alias in item.names)
            elif isinstance(item, ast.If) and "TYPE_CHECKING" in ast.dump(item.test):
                yield from visit(item.orelse)
            elif not top or not isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = [
                    child for child in ast.iter_child_nodes(item) if isinstance(child, (ast.stmt, ast.ExceptHandler))
                ]
                yield from visit(inner)  # type: ignore[arg-type]

    return visit(ast.parse(path.read_text(encoding="utf-8")).body)


def sources(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if path.name != "__main__.py")


def part(path: Path) -> str:
    """The engine's module or sub-package that a file belongs to."""
    return place(["nodeflow", *path.relative_to(ROOT / "nodeflow").with_suffix("").parts])


def place(names: list[str]) -> str:
    """The entry of `LAYERS` for a dotted name: a sub-package is one entry, but for what pictures carry."""
    return "share.embed" if names[1:3] == ["share", "embed"] else names[1]


ENGINE = [path for path in sources("nodeflow") if path != ROOT / "nodeflow" / "__init__.py"]


def test_every_module_of_the_engine_has_its_place() -> None:
    assert sorted({part(path) for path in ENGINE} - LEVEL.keys()) == []


@pytest.mark.parametrize("path", ENGINE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_engine_imports_only_what_stands_before(path: Path) -> None:
    own = part(path)
    for line, module in imports(path):
        names = module.split(".")
        other = place(names) if names[0] == "nodeflow" and len(names) > 1 else own
        if other != own and other in LEVEL and (own, other) not in LATE:
            assert LEVEL[other] <= LEVEL.get(own, 99), f"{path}:{line}: {own} imports {other}, which stands later"
        assert names[0] != "nodeflow_nodes", f"{path}:{line}: the engine knows no pack"


@pytest.mark.parametrize("path", sources("nodeflow"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_engine_imports_nothing_heavy_at_top_level(path: Path) -> None:
    heavy = HEAVY - {"aiohttp"} if part(path) == "server" else HEAVY
    found = [(line, module) for line, module in imports(path, top=True) if module.split(".")[0] in heavy]
    assert found == []


@pytest.mark.parametrize("path", sources("nodes"), ids=lambda p: str(p.relative_to(ROOT)))
def test_packs_import_the_facade_only(path: Path) -> None:
    import nodeflow

    for line, module in imports(path):
        names = module.split(".")
        if names[0] == "nodeflow" and len(names) > 1:
            assert names[1] in nodeflow.__all__, f"{path}:{line}: {module} is not of the facade"


def test_importing_nodeflow_is_cheap() -> None:
    code = "import sys; before = set(sys.modules); import nodeflow; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    assert not {name.split(".")[0] for name in found} & {
        *HEAVY,
        "pydantic",
        "networkx",
        "numpy",
        "PIL",
        "typer",
        "rich",
    }
    assert {name for name in found if name.startswith("nodeflow")} == {"nodeflow"}
    assert len(found) < 60, found


def test_checking_and_planning_import_no_tensor_library() -> None:
    code = (
        "import sys, nodeflow\n"
        "w = nodeflow.Workflow.from_json({'format': 'nodeflow/1', 'nodes': {}})\n"
        "nodeflow.check(w)\n"
        f"print(*sorted({sorted(HEAVY)!r} & sys.modules.keys()))".replace("['", "{'").replace("']", "'}")
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_all_names_of_the_facade_exist() -> None:
    import nodeflow

    assert [name for name in nodeflow.__all__ if not hasattr(nodeflow, name)] == []
    with pytest.raises(AttributeError, match="module 'nodeflow' has no attribute 'nothing'"):
        _ = nodeflow.nothing


def test_no_module_hides_a_name_of_the_facade() -> None:
    import nodeflow

    modules = {path.stem for path in (ROOT / "nodeflow").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert modules & set(nodeflow.__all__) == set()
