"""Safetensors headers: honest files are read quickly, all others are refused with a reason."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow import NodeError
from nodeflow_nodes.diffusion.loading.header import _read, read_header


def write(path: Path, header: dict[str, Any] | bytes, data: int = 0) -> Path:
    """A file with this header and `data` bytes of zeros (sparse)."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + data)
    return path


def entry(start: int, stop: int, dtype: str = "F32") -> dict[str, Any]:
    size = {"F32": 4, "F16": 2}[dtype]
    return {"dtype": dtype, "shape": [(stop - start) // size], "data_offsets": [start, stop]}


def test_a_header_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.safetensors", {"__metadata__": {"made": "here"}, "w": entry(0, 8), "b": entry(8, 12)}, 12
    )
    header = read_header(path)
    assert header.shape("w") == (2,)
    assert header.shape("nothing") is None
    assert header.metadata == {"made": "here"}
    assert header.tensors["b"].stop - header.tensors["b"].start == 4


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        ({"a.__class__.__init__": entry(0, 4)}, 4, "no tensor name"),
        ({"a..b": entry(0, 4)}, 4, "no tensor name"),
        (b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "a": 1}', 4, "twice"),
        ({"a": entry(0, 8), "b": entry(4, 12)}, 12, "overlaps"),
        ({"a": entry(0, 4), "b": entry(8, 12)}, 12, "belong to none"),
        ({"a": entry(0, 8)}, 4, "cut off"),
        ({"a": entry(0, 8)}, 9, "follow the last"),
        ({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 4]}}, 4, "needs 12 bytes"),
        ({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, 4, "not understood"),
        ({"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}, 4, "not understood"),
        ({"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}, 4, "not understood"),
        ({"a": {"dtype": "F32"}}, 4, "lacks dtype"),
        ({"__metadata__": {"a": 3}}, 0, "__metadata__"),
        (b"{" + b"[" * 100_000, 0, "broken"),
        (b'{"a": ', 0, "broken"),
    ],
)
def test_dishonest_headers_are_refused(tmp_path: Path, header: Any, data: int, message: str) -> None:
    with pytest.raises(NodeError, match=message):
        read_header(write(tmp_path / "a.safetensors", header, data))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ckpt", b"PK\x03\x04rest of the zip file", "can run code"),
        ("a.safetensors", b"\x80\x02}q\x00(X\x05\x00\x00\x00", "can run code"),
        ("a.pt", b"12345678901234567890", "can run code"),
        ("a.safetensors", b"", "empty file"),
        ("a.safetensors", b"<!DOCTYPE html><html>", "a web page"),
        ("a.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("a.gguf", b"GGUF\x03\0\0\0\0\0\0\0\0\0", "GGUF"),
        ("a.safetensors", (1 << 60).to_bytes(8, "little") + b"{}", "damaged"),
        ("a.safetensors", (5000).to_bytes(8, "little") + b'{"a"', "cut off inside of its header"),
        ("a.png", b"\x89PNG\r\n\x1a\n0000", "a picture"),
    ],
)
def test_other_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NodeError, match=message):
        read_header(tmp_path / name)


def test_a_large_header_takes_milliseconds(tmp_path: Path) -> None:
    keys = {f"model.diffusion_model.blocks.{i}.weight": entry(4 * i, 4 * i + 4) for i in range(2500)}
    path = write(tmp_path / "a.safetensors", keys, 4 * 2500)
    costs = []
    for _ in range(3):
        _read.cache_clear()
        start = time.process_time()
        assert len(read_header(path).tensors) == 2500
        costs.append(time.process_time() - start)
    assert min(costs) < 0.2  # measured: 0.015; the bound is for slow machines


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", {"a": entry(0, 4)}, 4)
    assert list(read_header(path).tensors) == ["a"]
    write(path, {"bb": entry(0, 8)}, 8)
    assert list(read_header(path).tensors) == ["bb"]


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=200)
def test_no_bytes_do_anything_but_be_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.safetensors"
        path.write_bytes(len(content).to_bytes(8, "little") + content)
        with contextlib.suppress(NodeError):
            read_header(path)
        path.write_bytes(content)
        with contextlib.suppress(NodeError):
            read_header(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["dtype", "shape", "data_offsets", "a"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a.b", "__metadata__", "c", "d.__x__"]), VALUES))
@settings(deadline=None, max_examples=200)
def test_no_header_does_anything_but_be_refused(header: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(NodeError):
        assert read_header(write(Path(folder) / "a.safetensors", header)).tensors == {}
