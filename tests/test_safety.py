"""Opening, checking and planning a recipe does nothing else: proven with an audit hook, over good and hostile files.

The packs are imported first, as a server does at start. After that nothing may be imported, executed, fetched, or
written outside the cache folder, where the digests of files are remembered.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

WATCHED = textwrap.dedent(
    """
    import json, os, sys
    from pathlib import Path

    import nodeflow
    from nodeflow.engine import Engine
    from nodeflow.problems import ProblemsError

    FORBIDDEN = tuple(
        "subprocess. os.system os.exec os.spawn os.fork os.posix_spawn socket. urllib. http. ctypes. os.remove "
        "os.rename os.mkdir os.rmdir os.chmod shutil. pickle. exec compile marshal.".split()
    )
    engine = Engine()
    cache = os.path.realpath(engine.settings.cache)
    _ = engine.catalogue.ops, engine.numeric, engine.catalogue.failures
    for op in engine.catalogue.ops.values():  # annotations are read once
        _ = op.inputs, op.outputs
    for path in sys.argv[1:3]:  # imports that the first check and plan need are made before the watch begins
        nodeflow.check(path, engine=engine)
        try:
            nodeflow.plan(path, engine=engine)
        except ProblemsError:
            pass

    loop = {"op": "value/text@1", "links": {"value": "a.text"}}
    nodeflow.check({"format": "nodeflow/1", "nodes": {"a": loop}}, engine=engine)  # networkx compiles its decorators
    seen = []

    def hook(event, args):
        if event == "open":
            path, mode, flags = args
            writes = (isinstance(mode, str) and any(c in mode for c in "wax+")) or (
                mode is None and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            )
            if writes and not os.path.realpath(str(path)).startswith(cache):
                seen.append(f"write {path}")
        elif event == "import" or event.startswith(FORBIDDEN):
            seen.append(f"{event} {str(args)[:120]}")

    sys.addaudithook(hook)
    outcomes = {}
    for path in sys.argv[1:]:
        try:
            problems = nodeflow.check(path, engine=engine)
            outcomes[path] = [p.code for p in problems if p.severity == "error"]
            nodeflow.plan(path, engine=engine)
        except ProblemsError as error:
            outcomes[path] = [p.code for p in error.problems]
    watched, seen = list(seen), []
    print(json.dumps({"seen": watched, "outcomes": outcomes, "torch": "torch" in sys.modules}))
    """
)


def node(op: str, **parts: Any) -> dict[str, Any]:
    return {"op": op, **parts}


def recipe(nodes: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"format": "nodeflow/1", "nodes": nodes, **parts}


HOSTILE: dict[str, Any] = {
    "import-op": recipe({"a": node("os/system@1", values={"command": "touch canary"})}),
    "dunder-op": recipe({"a": node("__import__('os')@1")}),
    "path-op": recipe({"a": node("../../evil@1")}),
    "absolute-file": recipe({"a": node("image/load@1", values={"path": "/etc/passwd"})}),
    "traversal-file": recipe({"a": node("image/load@1", values={"path": "../../../../etc/passwd"})}),
    "url-file": recipe({"a": node("image/load@1", values={"path": "http://127.0.0.1:1/x.png"})}),
    "traversal-model": recipe({"a": node("diffusion/load_checkpoint@1", values={"model": "../../etc"})}),
    "pickled-model": recipe({"a": node("diffusion/load_checkpoint@1", values={"model": "evil.ckpt"})}),
    "expression": recipe(
        {"a": node("value/expression@1", values={"expression": "__import__('os').system('touch canary')"})}
    ),
    "template": recipe({"a": node("value/template@1", values={"template": "{a.__class__.__mro__}", "a": "x"})}),
    "cycle": recipe({f"n{i}": node("value/text@1", links={"value": f"n{(i + 1) % 50}.text"}) for i in range(50)}),
    "script-ids": recipe(
        {"a": node("value/text@1", title="<img src=x onerror=alert(1)>", values={"value": "</script>"})}
    ),
    "definitions": recipe({"a": node("workflow:x")}, definitions={"x": {"nodes": {"b": node("workflow:x")}}}),
}


@pytest.fixture
def hostile(tmp_path: Path) -> list[str]:
    paths = []
    for name, document in HOSTILE.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
        paths.append(str(tmp_path / f"{name}.json"))
    (tmp_path / "deep.json").write_text("[" * 200_000)
    (tmp_path / "torn.json").write_text('{"format": "nodeflow/1", "nodes": {')
    return [*paths, str(tmp_path / "deep.json"), str(tmp_path / "torn.json")]


def test_opening_checking_and_planning_do_nothing_else(hostile: list[str], own_home: Path) -> None:
    shipped = sorted(map(str, (ROOT / "workflows").glob("*.json")))
    command = [sys.executable, "-c", WATCHED, *shipped, *hostile]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["seen"] == []
    assert not report["torch"]
    outcomes = report["outcomes"]
    needs_a_file = {"stable-diffusion-1-5"}
    assert all(outcomes[path] == (["NF301"] if Path(path).stem in needs_a_file else []) for path in shipped)
    found = {Path(path).stem: codes for path, codes in outcomes.items() if path not in shipped}
    assert found["import-op"] == ["NF102"]
    assert found["dunder-op"] == found["path-op"] == ["NF101"]
    assert found["absolute-file"] == found["traversal-file"] == ["NF303"]
    assert found["traversal-model"] == ["NF303"]
    assert found["url-file"][0] in ("NF302", "NF303")
    assert found["pickled-model"] == ["NF301"]
    assert found["cycle"] == ["NF109"]
    assert found["definitions"] == ["NF113"]
    assert found["deep"] == found["torn"] == ["NF001"]
    assert not list(Path(hostile[0]).parent.glob("canary*"))
