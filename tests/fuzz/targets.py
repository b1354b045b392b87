"""What is fuzzed: every reader of files from outside, each with what must hold whatever the bytes are.

A target is a function of bytes. It returns normally if the input was read and what must hold holds, or if the reader
refused it with a `NodeflowError` whose message can be printed. Anything else that escapes is a finding. Time and memory
are bounded by who calls (libFuzzer, or the tests).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nodeflow.comfy import original, read, to_api
from nodeflow.comfy.media import texts
from nodeflow.errors import NodeflowError
from nodeflow.jsonio import canonical, dump_json, parse_json
from nodeflow.migrate import migrate_document
from nodeflow.ports import SAFE_INTEGER
from nodeflow.problems import ProblemsError
from nodeflow.share.archive import Archive, name_fault
from nodeflow.share.card import header
from nodeflow.share.carried import from_document
from nodeflow.share.embed import embed, extract, is_picture, without
from nodeflow.share.expect import Expectations, read_expectations
from nodeflow.share.lock import parse_lock
from nodeflow.share.unpack import METADATA, inspect
from nodeflow.workflow import Workflow

ROOT = Path(__file__).parents[2]
MAX_LENGTH = 16_384


@dataclass(frozen=True)
class Target:
    """seeds: where to begin. words: what the format is made of. json: whether inputs are changed as documents too."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    words: tuple[str, ...] = ()
    json: bool = False


def refusal(function: Callable[[], Any]) -> Any:
    """What a reader gives, or None if it refuses; a refusal must be one line a problem that a terminal can show."""
    try:
        return function()
    except NodeflowError as error:
        text = str(error)
        assert text.strip(), "an empty message"
        assert len(text) < 200_000, "an endless message"
        text.encode()  # no half characters
        return None


# --- JSON and recipes -----------------------------------------------------------------------------------------------


def run_json(data: bytes) -> None:
    document = refusal(lambda: parse_json(data))
    if document is None:
        return
    text = canonical(document)
    again = parse_json(text)
    assert canonical(again) == text
    assert again == _as_saved(document)
    assert parse_json(dump_json(document)) == again


def _as_saved(value: Any) -> Any:
    """Integers that JavaScript would round are saved as texts."""
    if isinstance(value, dict):
        return {k: _as_saved(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_saved(v) for v in value]
    return str(value) if type(value) is int and abs(value) > SAFE_INTEGER else value


def run_recipe(data: bytes) -> None:
    workflow = refusal(lambda: Workflow.parse(data))
    if workflow is None:
        return
    text = workflow.text()
    again = Workflow.parse(text)
    assert again.text() == text
    assert again.digest() == workflow.digest()


@lru_cache(maxsize=1)
def _engine() -> Any:
    from nodeflow.engine import Engine
    from nodeflow.settings import Settings

    folder = Path(tempfile.mkdtemp(prefix="nodeflow-fuzz-"))
    return Engine(Settings(home=folder / "home", cache=folder / "cache", output=folder / "output"))


OF_THE_PLAN = {"NF115", "NF206", "NF207", "NF404", "NF406"}
"""What may be wrong with a recipe without errors: it has no values yet, nothing to run, or becomes too large."""


def run_check(data: bytes) -> None:
    """Rules and plan of a recipe, with the standard packs."""
    workflow = refusal(lambda: Workflow.parse(data))
    if workflow is None:
        return
    engine = _engine()
    found = engine.check(workflow)
    for problem in found.problems:
        assert problem.name
        str(problem).encode()
    codes: set[str] = set()
    try:
        engine.plan(workflow)
    except ProblemsError as error:
        codes = {p.code for p in error.problems}
    assert bool(codes) if found.errors else codes <= OF_THE_PLAN


def run_migrate(data: bytes) -> None:
    document = refusal(lambda: parse_json(data))
    if document is not None:
        refusal(lambda: migrate_document(document))


# --- pictures -------------------------------------------------------------------------------------------------------

DOCUMENT = {"recipe": {"format": "nodeflow/1", "nodes": {}}, "key": "0" * 64, "note": 'é<&>"'}


def run_picture(data: bytes) -> None:
    refusal(lambda: texts(data))
    document = refusal(lambda: extract(data))
    if document is not None:
        refusal(lambda: from_document(document))
    bare = refusal(lambda: without(data))
    made = refusal(lambda: embed(data, DOCUMENT))
    if made is not None and is_picture(data):
        assert extract(made) == DOCUMENT
        assert embed(made, DOCUMENT) == made
        if bare is not None and bare == data and (data[:4] != b"RIFF" or data[12:16] == b"VP8X"):
            assert refusal(lambda: extract(without(made))) is None


def run_carried(data: bytes) -> None:
    document = refusal(lambda: parse_json(data))
    found = refusal(lambda: from_document(document)) if document is not None else None
    if found is not None:
        assert len(found.key) in (0, 64)
        assert all(isinstance(v, str) for v in found.versions.values())


# --- ComfyUI --------------------------------------------------------------------------------------------------------

OPS = ("diffusion/sample", "diffusion/encode_prompt", "latent/empty", "image/blend", "media/save_image")


def run_comfy(data: bytes) -> None:
    found = refusal(lambda: read(data, ops=OPS))
    if found is None:
        return
    text = found.workflow.text()
    again = Workflow.parse(text)
    assert again.text() == text
    assert canonical(original(again)) == canonical(original(found.workflow))
    found.report.text().encode()
    made = refusal(lambda: to_api(found.workflow, {}, leave_out=True))
    assert made is not None
    json.dumps(made[0])
    if found.workflow.definitions:  # folded or not, it is the same prompt
        flat = to_api(read(data, ops=OPS, definitions=False).workflow, {}, leave_out=True)
        assert sorted(map(canonical, _types(flat[0]))) == sorted(map(canonical, _types(made[0])))


def _types(prompt: dict[str, Any]) -> list[Any]:
    """The nodes of a prompt without their ids, which may be numbered otherwise where several wish for one."""
    plain = {k: v for k, v in prompt.items() if isinstance(v, dict)}
    return [
        {n: plain[i[0]]["class_type"] if isinstance(i, list) and i[0] in plain else i for n, i in v["inputs"].items()}
        | {"": v["class_type"]}
        for v in plain.values()
    ]


# --- locks, crates, expectations ------------------------------------------------------------------------------------


def run_lock(data: bytes) -> None:
    lock = refusal(lambda: parse_lock(data))
    if lock is not None:
        again = parse_lock(lock.text())
        assert again == lock
        assert again.digest() == lock.digest()


def run_archive(data: bytes) -> None:
    def read_all() -> None:
        with Archive(io.BytesIO(data)) as archive:
            for name, size in archive.sizes.items():
                assert name_fault(name) == ""
                if size <= 1 << 20:
                    assert len(archive.read(name, 1 << 20)) == size

    refusal(read_all)
    refusal(lambda: inspect(io.BytesIO(data)))


def run_crate(data: bytes) -> None:
    """A crate's files as one JSON object: hashes are put right, so that what they guard is reached."""
    files = refusal(lambda: parse_json(data))
    if not isinstance(files, dict):
        return
    buffer = io.BytesIO()
    contents = {k: (v if isinstance(v, str) else dump_json(v)).encode() for k, v in files.items()}
    if isinstance(files.get(METADATA), dict) and isinstance(files[METADATA].get("@graph"), list):
        for entity in files[METADATA]["@graph"]:
            name = entity.get("@id") if isinstance(entity, dict) else None
            if isinstance(name, str) and name in contents and "sha256" in entity:
                entity["contentSize"] = str(len(contents[name]))
                entity["sha256"] = hashlib.sha256(contents[name]).hexdigest()
        contents[METADATA] = dump_json(files[METADATA]).encode()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            try:
                archive.writestr(name, content)
            except (ValueError, IndexError, struct.error):
                return  # no name for an entry
    found = refusal(lambda: inspect(io.BytesIO(buffer.getvalue())))
    if found is not None:
        assert found.lock.recipe == found.workflow.digest()
        assert set(found.sizes) == set(contents)


def run_expect(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".expect.json") as file:
        file.write(data)
        file.flush()
        found = refusal(lambda: read_expectations(Path(file.name)))
    assert found is None or isinstance(found, Expectations)


def run_card(data: bytes) -> None:
    for value in header(data.decode("utf-8", "replace")).values():
        assert len(value) <= 300


# --- model files ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _model_file() -> Path:
    folder = "/dev/shm" if os.path.isdir("/dev/shm") else None
    return Path(tempfile.mkdtemp(prefix="nodeflow-fuzz-", dir=folder)) / "model.safetensors"


def run_safetensors(data: bytes) -> None:
    """The header's length is put right, so that the JSON is reached; the last byte says how much data follows."""
    from nodeflow_nodes.diffusion.loading.detect import describe, kind
    from nodeflow_nodes.diffusion.loading.header import _read

    path = _model_file()
    for content in (data, struct.pack("<Q", len(data)) + data + b"\0" * (4 * data[-1] if data else 0)):
        path.write_bytes(content)
        size = len(content)
        found = refusal(lambda n=size: _read.__wrapped__(path, n, 0))  # type: ignore[misc]
        if found is not None:
            assert all(0 <= e.start <= e.stop <= found.size for e in found.tensors.values())
            refusal(lambda h=found: kind(h))  # type: ignore[misc]
            refusal(lambda: describe(path))


def run_gguf(data: bytes) -> None:
    from nodeflow_nodes.language.describe import describe

    path = _model_file().with_suffix(".gguf")
    path.write_bytes(data)
    refusal(lambda: describe(path))


# --- where to begin -------------------------------------------------------------------------------------------------


def recipes() -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "tests/golden").glob("*.json"))[:8]]


def pictures() -> list[bytes]:
    from PIL import Image

    made = []
    for kind in ("PNG", "WEBP", "JPEG"):
        buffer = io.BytesIO()
        Image.new("RGB", (4, 3), (10, 200, 30)).save(buffer, kind)
        made += [buffer.getvalue(), embed(buffer.getvalue(), DOCUMENT)]
    text = b"prompt\0" + json.dumps({"1": {"class_type": "KSampler", "inputs": {"seed": 1}}}).encode()
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", zlib.crc32(b"tEXt" + text))
    return [*made, made[0][:33] + chunk + made[0][33:]]


def comfy_documents() -> list[bytes]:
    from tests.comfy import made

    inner = {
        "id": "abc",
        "name": "twice",
        "inputs": [{"name": "x", "type": "INT", "linkIds": [1]}],
        "outputs": [{"name": "y", "type": "INT", "linkIds": [2]}],
        "nodes": [
            {
                "id": 1,
                "type": "PrimitiveInt",
                "inputs": [{"name": "value", "type": "INT", "link": 1}],
                "outputs": [{"name": "INT", "type": "INT", "links": [2]}],
                "widgets_values": [7],
            }
        ],
        "links": [
            {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 1, "target_slot": 0, "type": "INT"},
            {"id": 2, "origin_id": 1, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "INT"},
        ],
    }
    outer = {"version": 1, "nodes": [{"id": 5, "type": "abc", "inputs": [], "outputs": [], "widgets_values": []},
                                     {"id": 6, "type": "Reroute", "inputs": [], "outputs": []}],
             "links": [], "definitions": {"subgraphs": [inner]}}  # fmt: skip
    api = {"3": {"class_type": "KSampler", "inputs": {"seed": 5, "model": ["4", 0]}, "_meta": {"title": "s"}},
           "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}}}  # fmt: skip
    return [json.dumps(d).encode() for d in (made.text_to_image(), outer, api, {"prompt": api})]


def locks() -> list[bytes]:
    return [json.dumps(_crate()["recipe.lock.json"]).encode()]


def crates() -> list[bytes]:
    return [json.dumps(_crate()).encode()]


def archives() -> list[bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _crate().items():
            archive.writestr(name, content if isinstance(content, str) else json.dumps(content))
    small = io.BytesIO()
    with zipfile.ZipFile(small, "w") as archive:
        archive.writestr("a/b", "c")
    return [buffer.getvalue(), small.getvalue()]


@lru_cache(maxsize=1)
def _crate() -> dict[str, Any]:
    """The files of a small crate."""
    from nodeflow.share.crate import of_recipe
    from nodeflow.share.pack import pack
    from tests.share.world import RECIPE, World

    nodes = {n: RECIPE["nodes"][n] for n in ("load", "read", "both", "thirds")}
    outputs = {"said": "both.text", "numbers": "thirds.values"}
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.write({"format": "nodeflow/1", "outputs": outputs, "nodes": nodes})
        with world.engine() as engine:
            contents = of_recipe(engine, world.workflow, world.path)
        contents.environment = 'lock-version = "1.0"\n'
        contents.lock = contents.lock.model_copy(update={"environment": None})
        pack(contents, Path(folder) / "a.zip")
        with zipfile.ZipFile(Path(folder) / "a.zip") as archive:
            texts_ = {name: archive.read(name).decode() for name in archive.namelist()}
    texts_["ro-crate-preview.html"] = "<!doctype html>"
    return {name: json.loads(text) if name.endswith(".json") else text for name, text in texts_.items()}


def expectations() -> list[bytes]:
    case = {"inputs": {"a": 1}, "outputs": {"b": {"size": [1, 2], "like": "a.png", "psnr": 40}}, "seconds": 1}
    return [json.dumps({"format": "nodeflow-expect/1", "cases": {"one": case}}).encode()]


def headers() -> list[bytes]:
    tensors = {
        "__metadata__": {"format": "pt"},
        "model.diffusion_model.input_blocks.0.0.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
        "lora_unet_down.lora_down.weight": {"dtype": "F16", "shape": [4], "data_offsets": [16, 24]},
    }
    return [json.dumps(tensors).encode() + b"\x06", b"{}", struct.pack("<Q", 2) + b"{}"]


def gguf_files() -> list[bytes]:
    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    pair = text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")
    return [b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair]


_JSON = ("{", "}", "[", "]", ":", ",", "null", "true", "NaN", "Infinity", "-0", "1e400", "\\ud800", "\\u0000", "1e-7")
_RECIPE = ("format", "nodeflow/1", "nodes", "values", "links", "inputs", "outputs", "to", "op", "mode", "muted", "each",
           "bypassed", "definitions", "workflow:", "product", "layout", "title", "x-", "@1", "a.b")  # fmt: skip
_COMFY = ("nodes", "links", "class_type", "inputs", "outputs", "widgets_values", "type", "mode", "slot_index", "extra",
          "definitions", "subgraphs", "inputNode", "outputNode", "linkIds", "origin_id", "target_id", "proxyWidgets",
          "Reroute", "PrimitiveNode", "GetNode", "SetNode", "MarkdownNote", "KSampler", "-10", "-20", "version",
          "last_node_id", "last_link_id", "prompt", "_meta", "__value__")  # fmt: skip
TARGETS: dict[str, Target] = {
    "json": Target(run_json, recipes, _JSON),
    "recipe": Target(run_recipe, recipes, (*_JSON, *_RECIPE), json=True),
    "check": Target(run_check, recipes, _RECIPE, json=True),
    "migrate": Target(run_migrate, recipes, _RECIPE, json=True),
    "picture": Target(run_picture, pictures, ("IHDR", "iTXt", "zTXt", "tEXt", "IEND", "VP8X", "XMP ", "EXIF", "VP8L")),
    "carried": Target(run_carried, lambda: [json.dumps(DOCUMENT).encode()], _RECIPE, json=True),
    "comfy": Target(run_comfy, comfy_documents, (*_JSON, *_COMFY), json=True),
    "lock": Target(run_lock, locks, (*_JSON, "nodeflow-lock/1"), json=True),
    "archive": Target(run_archive, archives, ("PK\\x01\\x02", "PK\\x03\\x04", "PK\\x05\\x06", "../", "\\x00")),
    "crate": Target(run_crate, crates, (*_JSON, *_RECIPE, "@graph", "@id", "File", "../"), json=True),
    "expect": Target(run_expect, expectations, _JSON, json=True),
    "card": Target(run_card, lambda: [b"---\nlicense: mit\nbase_model:\n- a/b\n---\n# x"], ("---", "license:", "- ")),
    "safetensors": Target(run_safetensors, headers, (*_JSON, "dtype", "shape", "data_offsets", "F16"), json=True),
    "gguf": Target(run_gguf, gguf_files, ("GGUF", "general.architecture", "llama")),
}

__all__ = ["TARGETS", "ProblemsError", "Target"]
