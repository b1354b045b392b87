"""`nodeflow serve` and `nodeflow open` as processes: what they print, what they are, how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nodeflow.server.access import session_of

MAX_IDLE_BYTES = 120 << 20


@contextmanager
def started(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A server process; ended by its own id."""
    environment = {**os.environ, "NODEFLOW_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-m", "nodeflow", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=home
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def get(address: str, path: str, token: str) -> Any:
    request = urllib.request.Request(address + path, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NODEFLOW_HOME": str(home)}
    command = [sys.executable, "-m", "nodeflow", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_a_server_process_from_its_start_to_its_end(own_home: Path) -> None:
    with started(own_home) as process:
        line = first_line(process)
        assert line.startswith("NODEFLOW READY http://127.0.0.1:")
        link = line.removeprefix("NODEFLOW READY ")
        address = link.partition("/login?code=")[0]
        token = (own_home / "server.token").read_text().strip()
        system = get(address, "/api/system", token)
        assert system["memory_bytes"] < MAX_IDLE_BYTES
        maps = Path(f"/proc/{process.pid}/maps")
        if maps.exists():
            assert "libtorch" not in maps.read_text()
            assert token not in Path(f"/proc/{process.pid}/cmdline").read_text()
            assert token not in Path(f"/proc/{process.pid}/environ").read_text()
        opened = run(own_home, "open", "--print")
        assert opened.returncode == 0, opened.stderr
        assert opened.stdout.startswith(f"{address}/login?code=")
        assert opened.stdout.strip() != link
        second = run(own_home, "serve", "--port", "0")
        assert second.returncode != 0
        assert "a nodeflow server runs here already" in second.stderr
        assert "Traceback" not in second.stderr
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - begun < 15
        assert process.stderr is not None
        assert [line for line in process.stderr.read().splitlines() if "warning: SQLite" not in line] == []
    assert not (own_home / "server.json").exists()
    gone = run(own_home, "open", "--print")
    assert gone.returncode == 5
    assert "no server is running" in gone.stderr


def test_a_run_leaves_no_secret_and_no_file_outside(own_home: Path) -> None:
    """The token is in no file but its own: not in the history, the records, the pictures; and names that nodes give
    their files stay in the output folder."""
    home = own_home / "a" / "b" / "home"
    home.mkdir(parents=True)
    names = {
        "a": "picture",
        "b": "../../escaped",
        "c": "/tmp/nodeflow-escaped",
        "d": "..\\..\\escaped",
        "e": "x/../../../e",
    }
    nodes = {
        "p": {"op": "image/empty@1", "values": {"width": 8, "height": 8}},
        **{
            key: {"op": "image/save@1", "values": {"name": n}, "links": {"image": "p.image"}}
            for key, n in names.items()
        },
    }
    with started(home) as process:
        link = first_line(process).removeprefix("NODEFLOW READY ")
        address, _, code = link.partition("/login?code=")
        token = (home / "server.token").read_text().strip()
        body = json.dumps({"workflow": {"format": "nodeflow/1", "nodes": nodes}}).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{address}/api/jobs", body, headers), timeout=20) as answer:
            number = json.load(answer)["jobs"][0]["id"]
        for _ in range(600):
            job = get(address, f"/api/jobs/{number}", token)["job"]
            if job["state"] not in ("queued", "running"):
                break
            time.sleep(0.1)
        assert job["state"] == "failed", job  # the bad names are refused, the good one is written
        assert job["artefacts"]
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        for child in children.read_text().split() if children.exists() else []:
            assert token not in Path(f"/proc/{child}/cmdline").read_text()
            assert token not in Path(f"/proc/{child}/environ").read_text()
    session = session_of(token, int(address.rpartition(":")[2]))
    made = [path for path in home.rglob("*") if path.is_file()]
    assert sum(path.suffix == ".png" for path in made) >= 1
    for path in made:
        data = path.read_bytes()
        for secret in (token, session, code):
            assert secret.encode() not in data or path.name == "server.token", path
    assert [path for path in own_home.rglob("*") if path.is_file() and home not in path.parents] == []
    assert not list(Path("/tmp").glob("nodeflow-escaped*"))


def test_programs_get_the_address_as_json_and_a_file_as_a_draft(own_home: Path, tmp_path: Path) -> None:
    recipe = {"format": "nodeflow/1", "title": "Mine", "nodes": {"a": {"op": "value/show@1", "values": {"value": 1}}}}
    (tmp_path / "mine.json").write_text(json.dumps(recipe))
    with started(own_home, "--json", str(tmp_path / "mine.json")) as process:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            text += process.stdout.readline()
        found = json.loads(text)
        token = Path(found["token_file"]).read_text().strip()
        (draft,) = get(found["address"], "/api/drafts", token)
        assert (draft["title"], draft["workflow"]["nodes"]) == ("Mine", recipe["nodes"])
        keep = urllib.request.HTTPRedirectHandler()
        keep.redirect_request = lambda *_: None  # type: ignore[method-assign,assignment]
        with pytest.raises(urllib.error.HTTPError) as moved:
            urllib.request.build_opener(keep).open(found["url"], timeout=20)
        assert moved.value.headers["Location"] == f"/#draft={draft['id']}"
        moved.value.close()


def test_a_file_that_is_no_recipe_stops_the_start(own_home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    done = run(own_home, "serve", "--port", "0", str(tmp_path / "bad.json"))
    assert done.returncode == 3
    assert "NF001" in done.stderr
    assert not (own_home / "server.json").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_others_are_not_let_near_by_mistake(own_home: Path, host: str) -> None:
    done = run(own_home, "serve", "--host", host, "--port", "0")
    assert done.returncode != 0
    assert "--behind-tls-proxy" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_importing_the_server_imports_no_tensor_library() -> None:
    code = (
        "import sys, nodeflow.server.listen\n"
        "from nodeflow.server.app import routes, description\n"
        "routes(); description()\n"
        "print(*sorted({'torch', 'diffusers', 'transformers', 'PIL'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
