"""Models of the Hugging Face hub: found in a cache laid out by hand, fetched from a server on this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

import pytest

import nodeflow
from nodeflow import fetch, hub
from nodeflow.annotations import ModelFile
from nodeflow.engine import Engine
from nodeflow.files import FileProblem, Files
from nodeflow.ports import make_port
from nodeflow.types import File
from nodeflow.workflow import Workflow

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40
CHECKPOINT = make_port("m", Annotated[File, ModelFile("checkpoints")])
FILES = {
    "model_index.json": b'{"_class_name": "StableDiffusionPipeline"}',
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": b"full",
    "unet/diffusion_pytorch_model.fp16.safetensors": b"half",
    "unet/diffusion_pytorch_model.bin": b"\x80\x04pickle",
    "tokenizer/merges.txt": b"a b",
    "v1-5-pruned.safetensors": b"the same once more",
    "README.md": b"# A model",
}
KEPT = [
    "model_index.json",
    "tokenizer/merges.txt",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with one repository at one commit, to which `main` leads; its files are links to blobs."""
    cache = tmp_path / "hub"
    folder = cache / "models--owner--name"
    for file, data in FILES.items():
        blob = folder / "blobs" / hashlib.sha256(data).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        link = folder / "snapshots" / COMMIT / file
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path(*[".."] * (2 + file.count("/") + 0), "blobs", blob.name))
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    (folder / "refs" / "gone").write_text(OTHER)
    return cache


# --- names --------------------------------------------------------------------------------------------------------


def test_names() -> None:
    assert hub.parse(f"owner/name@{COMMIT}") == hub.HubName("owner/name", COMMIT)
    whole = hub.parse("a-b/c.d_e@main:unet/x.safetensors")
    assert whole == hub.HubName("a-b/c.d_e", "main", "unet/x.safetensors")
    assert str(whole) == "a-b/c.d_e@main:unet/x.safetensors"
    assert (whole.pinned, hub.HubName("a/b", COMMIT).pinned) == (False, True)


@pytest.mark.parametrize(
    "text",
    ["name", "owner/name", "owner/name@", "a/b/c@main", "../b@main", "a/b@../../x", "a/b@main:../x", "a/b@main:/x",
     "a/b@main:x/../../y", "a/b@main:x//y", "/a/b@main", "a/.b@main", "a/b@main:c\\..\\d", "a b/c@main"],
)  # fmt: skip
def test_what_is_no_name(text: str) -> None:
    assert hub.parse(text) is None


def test_where_the_cache_is() -> None:
    assert hub.cache_folder({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}) == Path("/a")
    assert hub.cache_folder({"HF_HOME": "/b"}) == Path("/b/hub")
    assert hub.cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/huggingface/hub")
    assert hub.cache_folder({}) == Path.home() / ".cache/huggingface/hub"


# --- the cache ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", [COMMIT, "main"])
@pytest.mark.parametrize("file", ["", "unet", "unet/config.json"])
def test_what_is_in_the_cache_is_found(cache: Path, revision: str, file: str) -> None:
    found = hub.find(cache, hub.HubName("owner/name", revision, file))
    assert found == cache / "models--owner--name" / "snapshots" / COMMIT / file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"owner/other@{COMMIT}", "the cache has nothing of owner/other"),
        (f"owner/name@{OTHER}", f"the cache has owner/name only at {COMMIT}, main"),
        ("owner/name@gone", f"only at {COMMIT}, main"),
        (f"owner/name@{COMMIT}:vae", "is there, but 'vae' is not in it"),
    ],
)
def test_what_is_not_there_is_named(cache: Path, text: str, message: str) -> None:
    name = hub.parse(text)
    assert name is not None
    with pytest.raises(hub.NotInCache, match=message):
        hub.find(cache, name)
    with pytest.raises(FileProblem) as raised:
        Files(hub_cache=cache).find(CHECKPOINT, text)
    problem = str(raised.value.problem("nodes.a.values.model"))
    assert "NF301" in problem
    assert message in problem
    hint = f"`nodeflow models fetch {text}` fetches it; nothing is fetched by itself"
    assert (hint if name.pinned else "pin the revision to fetch it: owner/name@ and 40 hexadecimal digits") in problem


@pytest.mark.parametrize("place", ["unet/diffusion_pytorch_model.safetensors", "unet/evil", "evil"])
def test_links_out_of_the_repository_are_refused(cache: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "secret").write_text("x")
    link = cache / "models--owner--name" / "snapshots" / COMMIT / place
    link.unlink(missing_ok=True)
    link.symlink_to(tmp_path / "secret")
    for file in ("", place, "unet"):
        if file == "unet" and place == "evil":
            continue
        with pytest.raises(hub.OutOfCache, match="secret"):
            hub.find(cache, hub.HubName("owner/name", COMMIT, file))
    with pytest.raises(FileProblem) as raised:
        Files(hub_cache=cache).find(CHECKPOINT, f"owner/name@{COMMIT}")
    assert raised.value.code == "NF303"


def test_a_model_of_the_cache_has_the_digest_of_its_content(cache: Path, tmp_path: Path) -> None:
    """So a branch that moves, or a copy in a model folder, is told by content, as all models are."""
    settings = nodeflow.settings.Settings(home=tmp_path / "home", cache=tmp_path / "cache", hub_cache=cache)
    with Engine(settings) as engine:
        files = engine.files()
        pinned = files.resolve(CHECKPOINT, f"owner/name@{COMMIT}:unet/diffusion_pytorch_model.safetensors")
        assert (
            pinned.digest
            == files.resolve(CHECKPOINT, "owner/name@main:unet/diffusion_pytorch_model.safetensors").digest
        )
        own = tmp_path / "home" / "models" / "checkpoints" / "x.safetensors"
        own.parent.mkdir(parents=True)
        own.write_bytes(b"full")
        files.refresh()
        assert files.resolve(CHECKPOINT, "x").digest == pinned.digest
        assert f"owner/name@{COMMIT}" in files.models("checkpoints")
        folder = files.resolve(CHECKPOINT, f"owner/name@{COMMIT}")
        assert Path(folder.path).name == COMMIT


def test_a_recipe_has_the_same_keys_by_either_name(tmp_path: Path) -> None:
    """What a model is called does not count, only what it is: a run by one name is answered for the other."""
    shipped = Path(__file__).parents[1] / "nodes" / "nodeflow_nodes" / "models" / "checkpoints" / "shapes-64"
    shutil.copytree(shipped, tmp_path / "hub" / "models--me--shapes" / "snapshots" / COMMIT)
    settings = nodeflow.settings.Settings(home=tmp_path, cache=tmp_path / "cache", hub_cache=tmp_path / "hub")
    keys = []
    with Engine(settings) as engine:
        for name in ("shapes-64", f"me/shapes@{COMMIT}"):
            workflow = Workflow.read(Path(__file__).parents[1] / "workflows" / "text-to-image.json")
            document = workflow.to_json()
            document["nodes"]["checkpoint"]["values"]["model"] = name
            plan = engine.plan(Workflow.from_json(document))
            keys.append([step.key for step in plan.steps])
    assert keys[0] == keys[1]
    assert len(keys[0]) > 3


def test_an_own_model_of_that_name_comes_first(cache: Path, tmp_path: Path) -> None:
    own = tmp_path / "models" / "checkpoints" / "owner" / f"name@{COMMIT}"
    own.mkdir(parents=True)
    (own / "model_index.json").write_text("{}")
    assert Files((tmp_path / "models",), hub_cache=cache).find(CHECKPOINT, f"owner/name@{COMMIT}") == own


def test_a_name_without_revision_is_told_which_there_are(cache: Path) -> None:
    with pytest.raises(FileProblem) as raised:
        Files(hub_cache=cache).find(CHECKPOINT, "owner/name")
    assert f"name its revision, owner/name@{COMMIT}" in str(raised.value.problem(""))


def test_pickled_files_are_refused(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(FileProblem) as raised:
        Files(hub_cache=cache).find(CHECKPOINT, f"owner/name@{COMMIT}:unet/diffusion_pytorch_model.bin")
    assert (raised.value.code, "pickled" in str(raised.value)) == ("NF304", True)
    (tmp_path / "models" / "checkpoints").mkdir(parents=True)
    (tmp_path / "models" / "checkpoints" / "old.ckpt").write_bytes(b"\x80\x04")
    for name in ("old", "old.ckpt"):
        with pytest.raises(FileProblem, match=r"'old\.ckpt' is pickled"):
            Files((tmp_path / "models",)).find(CHECKPOINT, name)


# --- fetching -----------------------------------------------------------------------------------------------------


def test_only_what_is_read_is_fetched() -> None:
    assert fetch.wanted(FILES) == KEPT
    assert fetch.wanted(FILES, "unet") == KEPT[2:]
    assert fetch.wanted(FILES, "v1-5-pruned.safetensors") == ["v1-5-pruned.safetensors"]
    assert fetch.wanted(["a.fp16.safetensors", "b.safetensors"]) == ["a.fp16.safetensors", "b.safetensors"]
    assert fetch.wanted(["../a.json", "/b.json", "c/../../d.json", "e.json"]) == ["e.json"]


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as its library asks for."""

    asked: list[str] = []
    sha = COMMIT

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        type(self).asked.append(f"{self.command} {self.path}")
        if self.path.startswith(f"/api/models/owner/name/revision/{COMMIT}"):
            siblings = [{"rfilename": file, "size": len(data)} for file, data in FILES.items()]
            self.answer(json.dumps({"id": "owner/name", "sha": self.sha, "siblings": siblings}).encode())
        elif self.path.startswith(f"/owner/name/resolve/{COMMIT}/"):
            file = self.path.rpartition(f"{COMMIT}/")[2]
            self.answer(FILES[file], {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(FILES[file]).hexdigest()}"'})
        else:
            code = "RevisionNotFound" if "/owner/name/" in self.path else "RepoNotFound"
            self.answer(b"{}", {"X-Error-Code": code}, 404)

    def answer(self, data: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{made.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(Hub, "asked", [])
    yield Hub
    made.shutdown()
    made.server_close()
    thread.join()


def test_fetching(server: type[Hub], tmp_path: Path) -> None:
    name = hub.HubName("owner/name", COMMIT)
    order = fetch.look(name)
    assert order.files == tuple((file, len(FILES[file])) for file in KEPT)
    assert order.size == sum(len(FILES[file]) for file in KEPT)
    assert not (tmp_path / "hub").exists()
    told: list[tuple[str, int | None]] = []
    folder = fetch.fetch(order, tmp_path / "hub", lambda file, size: told.append((file, size)))
    assert tuple(told) == order.files
    assert folder == hub.find(tmp_path / "hub", name)
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {
        file: FILES[file] for file in KEPT
    }
    count = sum(line.startswith("GET /owner") for line in server.asked)
    assert count == len(KEPT)
    fetch.fetch(order, tmp_path / "hub")
    assert sum(line.startswith("GET /owner") for line in server.asked) == count, "what is there is not fetched again"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("owner/name@main", "only a pinned revision is fetched"),
        (f"owner/name@{OTHER}", "the hub has the model, but not this revision. To be fetched"),
        (f"owner/missing@{COMMIT}", "the hub has no such model"),
        (
            f"owner/name@{COMMIT}:vae",
            "the revision has no 'vae' that nodeflow reads; it has README.md, model_index.json",
        ),
        (f"owner/name@{COMMIT}:unet/diffusion_pytorch_model.bin", "is pickled"),
    ],
)
def test_what_cannot_be_fetched(server: type[Hub], text: str, message: str) -> None:
    name = hub.parse(text)
    assert name is not None
    with pytest.raises(fetch.FetchError, match=message):
        fetch.look(name)


def test_another_revision_than_asked_for_is_refused(server: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "sha", OTHER)
    with pytest.raises(fetch.FetchError, match=f"answered with revision {OTHER}; nothing was fetched"):
        fetch.look(hub.HubName("owner/name", COMMIT))


@pytest.mark.parametrize("how", ["offline", "nobody there"])
def test_without_a_network_it_says_what_would_be_fetched(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    if how == "offline":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    message = (
        f"To be fetched: unet/config.json of owner/name, revision {COMMIT}, from http://127.0.0.1:9. Without a network "
        "here, fetch it elsewhere with the same command and copy the folder models--owner--name into"
    )
    with pytest.raises(fetch.FetchError) as raised:
        fetch.look(hub.HubName("owner/name", COMMIT, "unet/config.json"))
    assert message in str(raised.value)
    assert str(raised.value).startswith(
        "HF_HUB_OFFLINE forbids" if how == "offline" else "the hub could not be reached"
    )


def test_recipes_never_reach_the_network(server: type[Hub], tmp_path: Path) -> None:
    document = {
        "format": "nodeflow/1",
        "nodes": {"a": {"op": "diffusion/load_checkpoint@1", "values": {"model": f"owner/name@{COMMIT}"}}},
        "outputs": {"model": "a.model"},
    }
    problems = nodeflow.check(document)
    assert [p.code for p in problems] == ["NF301"]
    assert "nodeflow models fetch" in str(problems[0])
    with pytest.raises(nodeflow.NodeflowError):
        nodeflow.run(document)
    assert server.asked == []


def test_the_command(server: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from nodeflow.cli import main

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for arguments, code in (
        (["models", "fetch", f"owner/name@{COMMIT}", "--dry-run"], 0),
        (["models", "fetch", f"owner/name@{COMMIT}"], 0),
        (["models", "fetch", "owner"], 2),
        (["models", "checkpoints"], 0),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert (stopped.value.code or 0) == code, arguments
    printed = capsys.readouterr().out
    assert "4 files, " in printed
    assert f"In a recipe: owner/name@{COMMIT}" in printed
    assert f"  owner/name@{COMMIT}" in printed
