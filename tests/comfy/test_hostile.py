"""Whatever a file holds: a recipe and a report, or ProblemsError. Nothing else, and not much later."""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow.comfy import original, read, read_document, to_api
from nodeflow.comfy.media import MAX_TEXT
from nodeflow.comfy.rules import RULES
from nodeflow.problems import ProblemsError
from nodeflow.workflow import Workflow

from .made import OPS, chunk, exif, jpeg, node, png, text_to_image, ui, webp

PROMPT = json.dumps({"1": {"class_type": "EmptyImage", "inputs": {"width": 8}}}).encode()
UI = json.dumps(text_to_image()).encode()


@pytest.mark.parametrize(
    "data",
    [
        png((b"tEXt", b"prompt\0" + PROMPT)),
        png((b"zTXt", b"prompt\0\0" + zlib.compress(PROMPT))),
        png((b"iTXt", b"prompt\0\0\0\0\0" + PROMPT)),
        png((b"iTXt", b"prompt\0\1\0\0\0" + zlib.compress(PROMPT))),
        png((b"comf", b"prompt\0" + PROMPT)),
        webp(exif(b"prompt:" + PROMPT)),
        webp(b"Exif\0\0" + exif(b"Prompt:" + PROMPT, order=">")),
        jpeg(exif(b"prompt:" + PROMPT)),
        PROMPT,
        b"\xef\xbb\xbf" + PROMPT,
    ],
    ids=["tEXt", "zTXt", "iTXt", "iTXt packed", "comf", "webp", "webp big-endian", "jpeg", "json", "bom"],
)
def test_where_a_prompt_is_found(data: bytes) -> None:
    assert read(data, ops=OPS).workflow.nodes["1"].values == {"width": 8}


def test_the_drawing_with_the_values_that_ran() -> None:
    ran = {"5": {"class_type": "EmptyLatentImage", "inputs": {"width": 640, "height": 96, "batch_size": 2}}}
    data = png((b"tEXt", b"prompt\0" + json.dumps(ran).encode()), (b"tEXt", b"workflow\0" + UI))
    found = read(data, ops=OPS)
    assert found.workflow.nodes["5"].values["width"] == 640
    assert found.workflow.layout["5"] == {"at": [100, 50]}
    assert "1 values differ" in found.report.text()
    other = png((b"tEXt", b"prompt\0" + PROMPT), (b"tEXt", b"workflow\0" + UI))
    found = read(other, ops=OPS)
    assert set(found.workflow.nodes) == {"1"}
    assert "disagree" in found.report.text()


HUGE = b"[" * 200_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"{",
        b"[]",
        b"7",
        b'{"nodes": 3}',
        b'{"prompt": {}}',
        b'{"format": "nodeflow/1", "nodes": {}}',
        HUGE,
        b'{"1": {"class_type": "A", "inputs": {"x": ' + b"[" * 90 + b"]" * 90 + b"}}}",
        b'{"1": {"class_type": "A", "inputs": {"x": ' + b"9" * 5000 + b"}}}",
        b'{"1": {"class_type": "A", "inputs": {"x": "\\ud800"}}}',
        png(),
        png((b"tEXt", b"prompt\0" + HUGE)),
        png((b"tEXt", b"prompt\0" + b" " * (MAX_TEXT + 1))),
        png((b"zTXt", b"prompt\0\0" + zlib.compress(b"0" * (MAX_TEXT + 10)))),
        png((b"zTXt", b"prompt\0\0not deflate")),
        png((b"iTXt", b"prompt\0")),
        b"\x89PNG\r\n\x1a\n" + b"\xff\xff\xff\xfftEXt" + b"prompt\0",
        webp(b"II*\0\xff\xff\xff\xff"),
        webp(exif(b"prompt:" + PROMPT)[:20]),
        webp(exif(b"prompt:{")),
        b"RIFF\xff\xff\xff\xffWEBPEXIF\xff\xff\xff\xff",
        b"\xff\xd8\xff\xe1\xff\xffExif\0\0",
        json.dumps({str(i): {"class_type": "A", "inputs": {}} for i in range(20_001)}).encode(),
    ],
)
def test_refused(data: bytes) -> None:
    begun = time.perf_counter()
    with pytest.raises(ProblemsError):
        read(data, ops=OPS)
    assert time.perf_counter() - begun < 5


def test_100_mb_of_text() -> None:
    body = b"prompt\0" + b"x" * (100 << 20)
    with pytest.raises(ProblemsError, match="larger than"):
        read(b"\x89PNG\r\n\x1a\n" + chunk(b"tEXt", body), ops=OPS)
    with pytest.raises(ProblemsError, match="at most"):
        read(b" " * (100 << 20), ops=OPS)


def test_nan_and_double_keys() -> None:
    data = b'{"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "width": 9, "height": NaN, "color": 1e999}}}'
    found = read(data, ops=OPS)
    assert found.workflow.nodes["1"].values == {"width": 9}
    assert len(found.report.of("repaired")) == 2
    assert original(found.workflow)["1"]["inputs"] == {"width": 9, "height": None, "color": None}


@pytest.mark.parametrize("key", ["../../etc/passwd", "/root", "C:\\x", "a\0b", "", "é" * 300, "\u202e", "con.json"])
def test_ids_that_are_paths(key: str) -> None:
    document = {
        key: {"class_type": "ImageInvert", "inputs": {"image": ["k", 0]}},
        "k": {"class_type": key, "inputs": {}},
    }
    found = read_document(document, ops=OPS)
    (name,) = [n for n in found.workflow.nodes if n != "k"]
    assert name.replace("-", "").replace("_", "").isalnum()
    assert found.workflow.nodes[name].links == {"image": "k.output_0"}


def test_a_cycle_is_told_by_check_and_not_walked_for_ever() -> None:
    document = {
        "1": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["2", 0]}},
        "2": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -99, "clip": ["1", 0]}},
        "3": {"class_type": "CLIPSetLastLayer", "inputs": {"clip": ["3", 0]}},
        "4": {"class_type": "CLIPTextEncode", "inputs": {"text": "t", "clip": ["3", 0]}},
        "5": {"class_type": "LoraLoader", "inputs": {"clip": ["5", 1], "model": ["5", 0]}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "t", "clip": ["5", 1]}},
    }
    assert read_document(document, ops=OPS).workflow.nodes["5"].links == {
        "text_encoder": "5.text_encoder",
        "model": "5.model",
    }


def test_many_links_through_one_long_chain() -> None:
    chain = [node(i, "Reroute", {"": (i, "*")}, ("*",)) for i in range(1, 5001)]
    ends = [node(f"e{i}", "ImageInvert", {"image": (5001, "IMAGE")}) for i in range(1000)]
    links = [[i, i - 1, 0, i, 0, "*"] for i in range(1, 5002)]
    with pytest.raises(ProblemsError, match="NF115"):
        read_document(ui([*chain, *ends], links), ops=OPS)


def test_model_folders_are_not_left(tmp_path: Any) -> None:
    from nodeflow.files import Files

    document = ui([], [], models=[{"name": "x", "directory": "../../etc", "url": "u"}])
    found = read_document(document, ops=OPS, files=Files((tmp_path,), ()))
    assert len(found.report.of("missing-model")) == 1


# --- anything -------------------------------------------------------------------------------------------------------

TYPES = st.sampled_from(
    [r.type for r in RULES] + ["Reroute", "PrimitiveNode", "SetNode", "GetNode", "Note", "Odd", "S"]
)
IDS = st.one_of(st.integers(-21, 6), st.sampled_from(["1", "2", "a:b", "", "-10"]))
NAMES = st.one_of(
    st.sampled_from(["image", "images", "clip", "model", "text", "seed", "width", "samples", "sampler_name", "color"]),
    st.text(max_size=5),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8), st.sampled_from(["fixed", "euler", "center", "image"]),
)  # fmt: skip
ANY = st.recursive(SCALARS, lambda s: st.lists(s, max_size=4) | st.dictionaries(NAMES, s, max_size=4), max_leaves=8)
LINKS = st.lists(st.tuples(IDS, st.integers(-1, 3)).map(list) | ANY, min_size=1, max_size=1).map(lambda x: x[0])
API = st.dictionaries(
    st.sampled_from(["1", "2", "3", "a:b", "../x", ""]) | st.text(max_size=4),
    st.fixed_dictionaries({"class_type": TYPES, "inputs": st.dictionaries(NAMES, LINKS | ANY, max_size=6) | ANY}) | ANY,
    max_size=6,
)
SOCKETS = st.lists(
    st.fixed_dictionaries({"name": NAMES, "type": ANY, "link": IDS | ANY}, optional={"widget": ANY}) | ANY, max_size=4
)
NODES = st.lists(
    st.fixed_dictionaries(
        {"id": IDS | ANY, "type": TYPES | ANY},
        optional={
            "mode": st.integers(0, 4) | ANY, "inputs": SOCKETS | ANY, "outputs": SOCKETS | ANY, "widgets_values": ANY,
            "widgets_values_named": ANY, "pos": ANY, "title": ANY, "properties": ANY,
        },
    ) | ANY,
    max_size=5,
)  # fmt: skip
ROWS = st.lists(
    st.tuples(IDS, IDS, st.integers(-1, 2), IDS, st.integers(-1, 2), st.just("*")).map(list) | ANY, max_size=8
)
SCOPE = st.fixed_dictionaries(
    {"nodes": NODES, "links": ROWS | ANY},
    optional={"groups": ANY, "extra": ANY, "models": ANY, "version": ANY, "inputs": SOCKETS, "outputs": ANY},
)
DOCUMENTS = st.builds(
    lambda root, subs: {**root, "definitions": {"subgraphs": subs}},
    SCOPE,
    st.lists(SCOPE.map(lambda s: {**s, "id": "S", "name": "sub"}) | ANY, max_size=2) | ANY,
)


def survives(document: Any) -> None:
    data = json.dumps(document).encode()
    try:
        found = read(data, ops=OPS)
    except ProblemsError:
        return
    saved = Workflow.parse(found.workflow.text())
    assert json.dumps(found.report.to_json())
    assert original(saved) == json.loads(data, parse_float=_number)
    with contextlib.suppress(ProblemsError):
        to_api(saved, {})


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= 2**53 else value


@settings(max_examples=60)
@given(API)
def test_any_prompt(document: Any) -> None:
    survives({"1": {"class_type": "ImageInvert", "inputs": {}}, **document})


@settings(max_examples=60)
@given(DOCUMENTS)
def test_any_document(document: Any) -> None:
    survives({"last_node_id": 1, **document})


@settings(max_examples=60)
@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from([0, 1, 2]))
def test_any_damage(noise: bytes, at: int, kind: int) -> None:
    whole = [png((b"tEXt", b"workflow\0" + UI)), webp(exif(b"workflow:" + UI)), jpeg(exif(b"prompt:" + PROMPT))][kind]
    for data in (whole[:at] + noise + whole[at + len(noise) :], whole[:at], whole[:at] + noise):
        with contextlib.suppress(ProblemsError):
            read(data, ops=OPS)


def test_node_helper_is_a_document() -> None:
    assert read_document(ui([node(1, "ImageInvert")], []), ops=OPS).report.converted == 1
