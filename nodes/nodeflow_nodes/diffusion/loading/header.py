"""The header of a safetensors file: which tensors it holds, of what dtype and shape, at which bytes. No torch.

The format is 8 bytes of little-endian length, a JSON object of that length, then the data. Whatever the published
reader accepts but no honest file contains is refused here: duplicate keys, keys that could reach attributes when a
state dict is loaded by dotted names (`a.__class__.x`), overlapping tensors, a data part that is cut off or longer than
the header says.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nodeflow import NodeError

LARGEST_HEADER = 100_000_000
"""Bytes; the published reader's own limit. Real headers are below 1 MB."""
SIZES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1, "C64": 8,
}  # fmt: skip
KEY = re.compile(r"(?!__)[A-Za-z0-9_<>\-/:@+*, ]+(?:\.(?!__)[A-Za-z0-9_<>\-/:@+*, ]+)*")
PICKLED = (".ckpt", ".pt", ".pth", ".bin", ".pkl")


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor: `start` and `stop` are positions in the file (bytes)."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class Header:
    """Tensors by key, in the header's order, and the file's own free-text metadata."""

    path: Path
    tensors: dict[str, Entry]
    metadata: dict[str, str]
    size: int

    def shape(self, key: str) -> tuple[int, ...] | None:
        """The shape of a tensor, or None if there is no such key."""
        entry = self.tensors.get(key)
        return entry.shape if entry else None


def read_header(path: Path) -> Header:
    """Read and check a header; remembered while the file's size and time stay the same.

    Raises:
        NodeError: if the file is no safetensors file, is cut off, or has something in it that no honest file has. The
            message says what the file looks like.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise NodeError(f"{path}: cannot be read ({error.strerror or error})") from error
    return _read(Path(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=32)
def _read(path: Path, size: int, _changed: int) -> Header:
    if path.is_dir():
        raise NodeError(f"{path}: is a folder, expected a .safetensors file")
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > LARGEST_HEADER or length + 8 > size:
            raise NodeError(_not_safetensors(path, start, size, length))
        raw = file.read(length)
    if not raw.startswith(b"{"):
        raise NodeError(_not_safetensors(path, start, size, length))
    try:
        content = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise NodeError(f"{path}: the header is broken ({error}); the file is damaged, fetch it again") from error
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise NodeError(f"{path}: the header's __metadata__ is not a list of texts; the file is damaged")
    tensors = {key: _entry(path, key, value, 8 + length) for key, value in content.items()}
    _check_layout(path, tensors, 8 + length, size)
    return Header(path, tensors, metadata, size)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} is there twice")
    return result


def _entry(path: Path, key: str, value: Any, base: int) -> Entry:
    if not KEY.fullmatch(key):
        raise NodeError(f"{path}: the key {key[:80]!r} is no tensor name; the file is damaged or hostile")
    try:
        dtype, shape, (first, last) = value["dtype"], value["shape"], value["data_offsets"]
        size, numbers = SIZES[dtype], [first, last, *shape]
    except (TypeError, KeyError, ValueError) as error:
        if isinstance(value, dict) and "dtype" in value and value["dtype"] not in tuple(SIZES):
            raise NodeError(f"{path}: tensor {key!r} has dtype {value['dtype']!r}: not understood") from error
        raise NodeError(f"{path}: tensor {key!r} lacks dtype, shape or data_offsets; the file is damaged") from error
    if set(map(type, numbers)) != {int} or min(numbers) < 0:
        raise NodeError(f"{path}: tensor {key!r} has shape {shape!r}, offsets {[first, last]!r}: not understood")
    size *= math.prod(shape)
    if last - first != size:
        raise NodeError(
            f"{path}: tensor {key!r} {shape} {dtype} needs {size} bytes, the header gives it {last - first}; "
            "the file is damaged"
        )
    return Entry(dtype, tuple(shape), base + first, base + last)


def _check_layout(path: Path, tensors: dict[str, Entry], base: int, size: int) -> None:
    end = base
    for key, entry in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if entry.start < end:
            raise NodeError(f"{path}: tensor {key!r} overlaps the one before it; the file is damaged or hostile")
        if entry.start > end:
            raise NodeError(f"{path}: {entry.start - end} bytes before tensor {key!r} belong to none; damaged file")
        end = entry.stop
    if end > size:
        raise NodeError(f"{path}: cut off: {size} bytes of {end} are there; fetch it again")
    if end < size:
        raise NodeError(f"{path}: {size - end} bytes follow the last tensor; the file is damaged")


def _not_safetensors(path: Path, start: bytes, size: int, length: int) -> str:
    looks = "an unknown kind of file"
    if size == 0:
        looks = "an empty file"
    elif size < 10:
        looks = f"a file of {size} bytes"
    elif start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04")) or path.suffix.lower() in PICKLED:
        return (
            f"{path}: a pickled PyTorch file. Such files can run code when they are opened, so nodeflow does not read "
            "them; use the .safetensors version of the model, or convert it where you trust it"
        )
    elif start.startswith(b"GGUF"):
        looks = "a GGUF file (a quantised language model?)"
    elif start.startswith((b"<!DO", b"<htm", b"<!do", b"<HTM")):
        looks = "a web page: the download gave an error page in place of the file"
    elif start.startswith(b"version "):
        looks = "a Git LFS pointer: the file itself was not fetched (git lfs pull)"
    elif start.startswith((b"\x89PNG", b"\xff\xd8\xff", b"RIFF")):
        looks = "a picture"
    elif start.startswith(b"{"):
        looks = "a JSON file"
    elif length > LARGEST_HEADER and path.suffix == ".safetensors":
        looks = f"a damaged .safetensors file (its header claims {length} bytes)"
    elif path.suffix == ".safetensors":
        looks = f"a .safetensors file cut off inside of its header ({size} bytes of {length + 8})"
    return f"{path}: expected a .safetensors file, this looks like {looks}"
