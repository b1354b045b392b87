"""Structure and blobs back to values; the format is described in `codec`."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import safetensors

import nodeflow.types
from nodeflow.cache.encode import TypeNames, fields_of
from nodeflow.cache.errors import BadBlob, BadEntry

_deserialize: Final[Callable[[bytes], list[tuple[str, dict[str, Any]]]]] = safetensors.deserialize


def decode(structure: str, fetch: Callable[[int], bytes], types: TypeNames = nodeflow.types) -> Any:
    """The value that `structure` describes; `fetch(i)` gives the bytes of blob `i`.

    Raises:
        BadEntry: the structure or a blob is not what `encode` writes, or a type it names is not what it was.
        BadBlob: passed on from `fetch`.
    """
    try:
        return _Reader(fetch, types).read(json.loads(structure))
    except (BadEntry, BadBlob, MemoryError):
        raise
    except Exception as error:  # a registered type's constructor may refuse in its own words
        raise BadEntry(f"the entry cannot be read: {type(error).__name__}: {error}"[:500]) from error


class _Reader:
    """Rebuilds a value; any exception that leaves it means that the entry is bad."""

    def __init__(self, fetch: Callable[[int], bytes], types: TypeNames) -> None:
        self.fetch = fetch
        self.types = types
        self.arrays: dict[int, dict[str, Any]] = {}
        self.seen: dict[tuple[str, int, int], Any] = {}

    def read(self, node: Any) -> Any:
        if isinstance(node, list):
            tag, *rest = node
            return _READERS[tag](self, *rest)
        if isinstance(node, dict):
            raise BadEntry("expected no JSON object")
        return node

    def dict(self, *items: Any) -> dict[str, Any]:
        keys = [self.read(key) for key in items[::2]]
        if len(items) % 2 or any(type(key) is not str for key in keys) or len(set(keys)) != len(keys):
            raise BadEntry("expected pairs of a name, each another, and a value")
        return dict(zip(keys, map(self.read, items[1::2]), strict=True))

    def structure(self, name: str, *items: Any) -> Any:
        cls, values = self.types.type_named(name), self.dict(*items)
        if tuple(values) != fields_of(cls):
            raise BadEntry(f"the fields of {name} were {', '.join(values)} and are now {', '.join(fields_of(cls))}")
        return cls(**values)

    def enum(self, name: str, member: str) -> Enum:
        cls = self.types.type_named(name)
        if not issubclass(cls, Enum):
            raise BadEntry(f"expected {name} to be an Enum, got {cls!r}")
        return cls[member]

    def array_bytes(self, blob: int, index: int, size: int) -> bytearray:
        """The bytes of array t`index` in a buffer of its own; there must be `size` of them."""
        if blob not in self.arrays:
            self.arrays[blob] = dict(_deserialize(self.fetch(blob)))
        data = self.arrays[blob][f"t{index}"]["data"]
        if len(data) != size:
            raise BadEntry(f"expected {size} bytes for t{index}, got {len(data)}")
        return data if isinstance(data, bytearray) else bytearray(data)

    def tensor(self, blob: int, index: int, dtype: str, shape: list[int], order: list[int]) -> Any:
        if ("T", blob, index) in self.seen:
            return self.seen["T", blob, index]
        import torch

        kind = getattr(torch, dtype)
        if not isinstance(kind, torch.dtype) or sorted(order) != list(range(len(shape))):
            raise BadEntry(f"expected a dtype and an order of {len(shape)} dimensions, got {dtype!r}, {order!r:.100}")
        data = self.array_bytes(blob, index, _count(shape) * kind.itemsize)
        packed = torch.empty(shape, dtype=kind)  # in torch's own memory: aligned as ever, so that kernels act as ever
        if data:
            packed.view(-1).view(torch.uint8).copy_(torch.frombuffer(data, dtype=torch.uint8))
        tensor = packed.permute([order.index(d) for d in range(len(order))])
        return self.seen.setdefault(("T", blob, index), tensor)

    def numpy(self, blob: int, index: int, dtype: str, shape: list[int], scalar: bool) -> Any:
        if ("N", blob, index) in self.seen:
            return self.seen["N", blob, index]
        import numpy

        kind = numpy.dtype(dtype)
        if kind.hasobject or kind.str != dtype or (scalar and shape):
            raise BadEntry(f"expected a plain dtype and a shape, got {dtype!r}, {shape!r:.100}")
        data = self.array_bytes(blob, index, _count(shape) * kind.itemsize)
        array = numpy.frombuffer(data, dtype=kind).reshape(shape) if data else numpy.empty(shape, dtype=kind)
        return self.seen.setdefault(("N", blob, index), array[()] if scalar else array)


_READERS: Final[dict[str, Callable[..., Any]]] = {
    "l": lambda reader, *items: [reader.read(item) for item in items],
    "t": lambda reader, *items: tuple([reader.read(item) for item in items]),
    "d": _Reader.dict,
    "o": _Reader.structure,
    "e": _Reader.enum,
    "i": lambda _, text: int(text, 16),
    "f": lambda _, text: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[text],
    "s": lambda _, text: base64.b64decode(text, validate=True).decode("utf-8", "surrogatepass"),
    "b": lambda _, text: base64.b64decode(text, validate=True),
    "B": lambda reader, blob: reader.fetch(blob),
    "T": _Reader.tensor,
    "N": _Reader.numpy,
}


def _count(shape: list[int]) -> int:
    """How many items an array of this shape has; `ValueError` for anything that is no shape."""
    if any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"expected a shape, got {shape!r:.100}")
    return math.prod(shape)
