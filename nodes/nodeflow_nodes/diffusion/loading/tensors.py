"""Weights as torch tensors: mapped from the file where nothing has to change, read and converted otherwise.

A mapped tensor costs nothing until it is used, and its pages can be dropped by the system at any time. A converted
tensor is read with plain reads, one after another in the file's order, so the file never adds to the memory used.
"""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from nodeflow import NodeError

from .header import Entry, read_header
from .spec import Source

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})


_mapped: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
"""Files that are mapped now, by whichever modules."""


def release_pages(least: int = 1 << 30) -> None:
    """Let the system have the pages of mapped files back, if they are `least` bytes or more together.

    Always safe: what is used again is read again, mostly from the system's own cache. Called before something that
    needs much memory for itself, such as decoding a picture, so that a denoiser that rests does not count as memory in
    use meanwhile. The cost is some 0.1 s a GB at the next use.
    """
    maps = list(_mapped)
    if sum(map(len, maps)) >= least and hasattr(mmap, "MADV_DONTNEED"):
        for file in maps:
            file.madvise(mmap.MADV_DONTNEED)


class TensorFile(Mapping[str, torch.Tensor]):
    """The tensors of one safetensors file, below `prefix`, as `dtype` (None: as they are stored).

    Floating point tensors of another dtype are read and converted; all others are mapped: they share the file's
    pages and are copied only if somebody writes to them (which nothing here does).
    """

    def __init__(self, path: Path, prefix: str = "", dtype: torch.dtype | None = None) -> None:
        self.path, self.dtype = path, dtype
        self.entries: dict[str, Entry] = {
            name.removeprefix(prefix): entry
            for name, entry in read_header(path).tensors.items()
            if name.startswith(prefix)
        }
        self._map: mmap.mmap | None = None
        self._buffer = bytearray()

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.entries, key=lambda name: self.entries[name].start))

    def __getitem__(self, name: str) -> torch.Tensor:
        entry = self.entries[name]
        stored = DTYPES.get(entry.dtype)
        if stored is None:
            raise NodeError(f"{self.path}: tensor {name!r} has dtype {entry.dtype}, which is not read")
        if entry.stop == entry.start:
            return torch.empty(entry.shape, dtype=stored)
        if self.dtype not in (None, stored) and entry.dtype in FLOATS:
            return self._read(entry, stored).to(self.dtype).reshape(entry.shape)
        if self._map is None:
            with self.path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            _mapped.add(self._map)
        count = (entry.stop - entry.start) // stored.itemsize
        flat = torch.frombuffer(self._map, dtype=stored, count=count, offset=entry.start)
        return flat.reshape(entry.shape)

    def _read(self, entry: Entry, stored: torch.dtype) -> torch.Tensor:
        """The tensor's values in a buffer that the next call uses again: convert them before."""
        size = entry.stop - entry.start
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        with self.path.open("rb", buffering=0) as file:
            file.seek(entry.start)
            view = memoryview(self._buffer)[:size]
            while view:
                count = file.readinto(view)
                if not count:
                    raise NodeError(f"{self.path}: ends inside of a tensor; it is cut off, fetch it again")
                view = view[count:]
        return torch.frombuffer(self._buffer, dtype=stored, count=size // stored.itemsize)


def open_source(source: Source, dtype: torch.dtype | None) -> dict[str, TensorFile]:
    """The tensor files of `source` by each of their keys.

    Raises:
        NodeError: if a key is in two files.
    """
    homes: dict[str, TensorFile] = {}
    for path in source.files:
        file = TensorFile(path, source.prefix, dtype)
        for name in file:
            if name in homes:
                raise NodeError(f"{path}: tensor {name!r} is also in {homes[name].path.name}")
            homes[name] = file
    return homes


def read_source(source: Source, dtype: torch.dtype | None) -> dict[str, torch.Tensor]:
    """All tensors of `source`, its prefix taken off its keys."""
    return {name: file[name] for name, file in open_source(source, dtype).items()}


def stored_bytes(source: Source) -> int:
    """How many bytes the tensors of `source` take in their files."""
    return sum(entry.stop - entry.start for entry in _entries(source))


def half_precision(source: Source) -> torch.dtype:
    """bfloat16 if most of the file's bytes are (or are float8, whose range is as wide), else float16."""
    sizes: dict[str, int] = {}
    for entry in _entries(source):
        sizes[entry.dtype] = sizes.get(entry.dtype, 0) + entry.stop - entry.start
    usual = max(sizes, key=lambda name: sizes[name], default="F16")
    return torch.bfloat16 if usual in ("BF16", "F8_E4M3", "F8_E5M2") else torch.float16


def _entries(source: Source) -> Iterator[Entry]:
    for path in source.files:
        yield from (e for name, e in read_header(path).tensors.items() if name.startswith(source.prefix))
