"""Checking, planning and importing over HTTP do nothing else: watched by an audit hook in the server's own process. And
the source holds nothing that would make code of data."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WATCHED = textwrap.dedent(
    """
    import asyncio, json, os, sys
    from pathlib import Path

    sys.path.insert(0, sys.argv[1])
    from tests.server.harness import running
    from tests.server.pictures import BOMBS, HOSTILE, picture
    from nodeflow.share.embed import embed
    from tests.test_safety import HOSTILE as RECIPES

    ROOT, home = Path(sys.argv[1]), Path(sys.argv[2])
    FORBIDDEN = tuple(
        "subprocess. os.system os.exec os.spawn os.fork os.posix_spawn socket.connect socket.getaddrinfo urllib. http. "
        "ctypes. os.rename os.mkdir os.rmdir os.chmod os.link os.remove shutil. pickle. exec compile marshal.".split()
    )
    comfy = {
        "1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "../../etc/passwd"}},
        "3": {"class_type": "__import__('os')", "inputs": {"x": ["1", 0]}},
    }
    recipes = [json.loads(path.read_text()) for path in sorted((ROOT / "workflows").glob("*.json"))]
    files = [
        json.dumps(comfy).encode(), embed(picture(), {"recipe": recipes[0], "key": "0" * 64}), picture(),
        *HOSTILE.values(), *BOMBS.values(), *(json.dumps(r).encode() for r in RECIPES.values()),
    ]
    seen, on = [], False

    def hook(event, args):
        if not on:
            return
        if event == "open":
            path, mode, flags = args
            writes = (isinstance(mode, str) and any(c in mode for c in "wax+")) or (
                mode is None and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            )
            if writes and not os.path.realpath(str(path)).startswith(os.path.realpath(home / "cache")):
                seen.append(f"write {path}")
        elif event == "import" or event.startswith(FORBIDDEN):
            if event == "socket.connect" and args[1] == ("127.0.0.1", server.port):
                return  # the client of this test
            if event == "socket.getaddrinfo" and args[0] == "127.0.0.1":
                return
            seen.append(f"{event} {str(args)[:120]}")

    def everything():
        counts = {}
        for document in [*recipes, *RECIPES.values()]:
            for path in ("/api/check", "/api/plan"):
                status = server.post(path, {"workflow": document}).status
                counts[status] = counts.get(status, 0) + 1
        for data in files:
            status = server.send("/api/import", data).status
            counts[status] = counts.get(status, 0) + 1
        return counts

    sys.addaudithook(hook)
    with running(home) as server:
        everything()  # what is imported when it is first needed, is imported now
        on = True
        counts = everything()
        on = False
    print(json.dumps({"seen": seen, "counts": counts, "torch": "torch" in sys.modules}))
    """
)


def test_looking_at_files_of_others_does_nothing_else(own_home: Path) -> None:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WATCHED, str(ROOT), str(own_home)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["seen"] == []
    assert not report["torch"]
    assert set(report["counts"]) == {"200", "400", "422"}
    assert report["counts"]["200"] > 40


# --- the source -----------------------------------------------------------------------------------------------------

SOURCES = [*sorted((ROOT / "nodeflow").rglob("*.py")), *sorted((ROOT / "nodes").rglob("*.py"))]
CODE_FROM_DATA = {"eval", "exec", "compile", "__import__"}
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
XML = {"xml", "lxml"}
READS_XML = {"nodes/nodeflow_nodes/media/svg.py"}
"""Reads no declarations, so there are no entities."""


def faults(tree: ast.AST) -> list[str]:
    """What in a module's source would make code, or objects, of data."""
    found = []
    for item in ast.walk(tree):
        names = [alias.name for alias in item.names] if isinstance(item, ast.Import) else []
        names += [item.module or ""] if isinstance(item, ast.ImportFrom) and item.level == 0 else []
        found += [f"{name}, line {item.lineno}" for name in names if name.partition(".")[0] in MODULES | XML]  # type: ignore[attr-defined]
        if not isinstance(item, ast.Call):
            continue
        name = ast.unparse(item.func)
        keywords = {k.arg: k.value for k in item.keywords}
        if name in CODE_FROM_DATA or name in ("os.system", "os.popen"):
            found.append(f"{name}(), line {item.lineno}")
        if name == "torch.load" and ast.unparse(keywords.get("weights_only", ast.Constant(None))) != "True":
            found.append(f"torch.load without weights_only=True, line {item.lineno}")
        if ast.unparse(keywords.get("shell", ast.Constant(False))) != "False":
            found.append(f"shell=, line {item.lineno}")
        if ast.unparse(keywords.get("allow_pickle", ast.Constant(False))) != "False":
            found.append(f"allow_pickle=, line {item.lineno}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_makes_code_of_data(path: Path) -> None:
    found = faults(ast.parse(path.read_text("utf-8")))
    if path.relative_to(ROOT).as_posix() in READS_XML:
        found = [fault for fault in found if not fault.startswith("xml.")]
    assert found == []


NETWORK = {
    "socket",
    "ssl",
    "http",
    "urllib",
    "urllib3",
    "requests",
    "httpx",
    "aiohttp",
    "ftplib",
    "smtplib",
    "telnetlib",
}
REACHES_OUT = {"nodeflow/fetch.py", "nodeflow/cli/serve.py"}
"""`nodeflow models fetch`, and `nodeflow open`, which asks the server of this machine."""
ASKS_PIP = "nodeflow/share/wheels.py"
"""`nodeflow lock --resolve-hashes`: which wheels would be installed; none is."""


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_but_the_server_knows_the_network(path: Path) -> None:
    """No node loads an address: there is nothing that a recipe could make ask inside a network (SSRF), and nothing is
    installed while it runs."""
    name = path.relative_to(ROOT).as_posix()
    source = path.read_text("utf-8")
    harmless = {"urllib.parse"}
    if not name.startswith("nodeflow/server/") and name not in REACHES_OUT:
        assert {m for m in imported(ast.parse(source)) if m.partition(".")[0] in NETWORK} <= harmless
    assert "pip" not in imported(ast.parse(source))
    assert "ensurepip" not in imported(ast.parse(source))
    assert '"-m", "pip"' not in source or (name == ASKS_PIP and "--dry-run" in source)


def imported(tree: ast.AST) -> set[str]:
    """The modules that a module imports, wherever."""
    found = set()
    for item in ast.walk(tree):
        if isinstance(item, ast.Import):
            found |= {alias.name for alias in item.names}
        elif isinstance(item, ast.ImportFrom) and item.level == 0:
            found.add(item.module or "")
    return found


def test_figures_with_declarations_are_not_read() -> None:
    from nodeflow import NodeError
    from nodeflow_nodes.media.svg import rasterise

    figure = '<!DOCTYPE svg [<!ENTITY a "x">]><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"/>'
    ebcdic = b'<?xml version="1.0" encoding="cp037"?>' + figure.encode("cp037")
    for data in (figure.encode(), figure.encode("utf-16"), ebcdic):
        with pytest.raises(NodeError, match="figure"):
            rasterise(data)


@pytest.mark.parametrize(
    "source",
    ["eval(x)", "import pickle", "from pickle import loads", "import yaml.loader", "torch.load(p)", "os.system(x)",
     "torch.load(p, weights_only=False)", "run(x, shell=True)", "np.load(p, allow_pickle=True)", "exec('1')"],
)  # fmt: skip
def test_the_lint_sees(source: str) -> None:
    assert len(faults(ast.parse(source))) == 1
