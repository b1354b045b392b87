"""Values to structure and blobs; the format is described in `codec`."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

import safetensors

import nodeflow.types
from nodeflow.cache.errors import Uncacheable

SHORT_BYTES: Final = 1024
"""`bytes` up to this length are written into the structure, longer ones become a blob."""

_DECIMAL_BITS: Final = 4096
"""Longer integers are written in hexadecimal: Python refuses decimals of more than 4300 digits."""

_NATIVE: Final = frozenset(
    {"bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64"}
    | {"float16", "bfloat16", "float32", "float64"}
)
"""dtypes that safetensors calls by the same name as torch; all others are written as plain bytes."""


class TypeNames(Protocol):
    """How registered types are called; the module `nodeflow.types` is one."""

    def type_named(self, name: str, /) -> type:
        """The type registered as `name`, or `KeyError`."""
        ...

    def type_name(self, cls: type, /) -> str:
        """The name `cls` is registered under, or `KeyError`."""
        ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value as text and blobs. The structure refers to blobs by their place in the tuple."""

    structure: str
    blobs: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.structure) + sum(map(len, self.blobs))


def encode(value: object, types: TypeNames = nodeflow.types) -> Encoded:
    """Write `value` as structure and blobs.

    Raises:
        Uncacheable: a part of it is of a type that cannot be written; the message names the type.
    """
    writer = _Writer(types)
    try:
        structure = json.dumps(writer.node(value), allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise Uncacheable(f"a {type(value).__name__} that is nested too deeply, or contains itself") from None
    return Encoded(structure, writer.finish())


def fields_of(cls: type) -> tuple[str, ...]:
    """Names of the fields from which a structure is built: a dataclass's `init` fields, or a NamedTuple's."""
    if dataclasses.is_dataclass(cls):
        return tuple(f.name for f in dataclasses.fields(cls) if f.init)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return tuple(cls._fields)
    raise Uncacheable(f"a value of type {cls.__name__}, which is neither a dataclass nor a NamedTuple")


class _Writer:
    """Collects tensors and blobs while the structure is written."""

    def __init__(self, types: TypeNames) -> None:
        self.types = types
        self.blobs: list[bytes] = []
        self.arrays_blob: int | None = None  # place of the safetensors blob, kept free until the end
        self.arrays: list[tuple[Any, int, int, str, list[int]]] = []  # what to keep alive, address, bytes, dtype, shape
        self.seen: dict[int, tuple[object, list[Any]]] = {}

    def node(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return _text_node(value)
        if kind is int:
            return value if value.bit_length() <= _DECIMAL_BITS else ["i", f"{value:x}"]
        if kind is float:
            return value if math.isfinite(value) else ["f", repr(value)]
        if kind is list or kind is tuple:
            return ["l" if kind is list else "t", *map(self.node, value)]
        if kind is dict:
            return self.dict_node(value)
        if kind is bytes:
            return self.bytes_node(value)
        if isinstance(value, Enum):
            return self.enum_node(value)
        if kind is _class_in("torch", "Tensor"):
            return self.once(value, self.tensor_node)
        if kind is _class_in("numpy", "ndarray") or issubclass(kind, _class_in("numpy", "generic")):
            return self.once(value, self.numpy_node)
        return self.structure_node(value)

    def once(self, value: object, write: Callable[[Any], list[Any]]) -> list[Any]:
        if id(value) not in self.seen:
            self.seen[id(value)] = (value, write(value))
        return self.seen[id(value)][1]

    def dict_node(self, value: dict[Any, Any]) -> list[Any]:
        node: list[Any] = ["d"]
        for key, item in value.items():
            if type(key) is not str:
                raise Uncacheable(f"a dict with a key of type {type(key).__name__} (only str keys can be written)")
            node += (_text_node(key), self.node(item))
        return node

    def bytes_node(self, value: bytes) -> list[Any]:
        if len(value) <= SHORT_BYTES:
            return ["b", base64.b64encode(value).decode()]
        self.blobs.append(value)
        return ["B", len(self.blobs) - 1]

    def enum_node(self, value: Enum) -> list[Any]:
        name = value.name
        if getattr(type(value), str(name), None) is not value:  # a combination of flags has no name of its own
            raise Uncacheable(f"the unnamed member {value!r} of {type(value).__name__}")
        return ["e", self.registered(type(value)), name]

    def structure_node(self, value: object) -> list[Any]:
        name = self.registered(type(value))
        return ["o", name, *(part for f in fields_of(type(value)) for part in (f, self.node(getattr(value, f))))]

    def registered(self, cls: type) -> str:
        try:
            return self.types.type_name(cls)
        except KeyError:
            raise Uncacheable(f"a value of the unregistered type {cls.__module__}.{cls.__qualname__}") from None

    def tensor_node(self, tensor: Any) -> list[Any]:
        import torch

        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_nested:
            raise Uncacheable(
                f"a tensor that is not plain and dense ({tensor.dtype}, {tensor.layout}, {tensor.device})"
            )
        plain = tensor.detach().resolve_conj().resolve_neg()
        order = list(range(plain.ndim))
        if not plain.is_contiguous():
            by_stride = sorted(order, key=lambda d: (-plain.stride(d), d))
            if plain.permute(by_stride).is_contiguous():  # else a view with gaps or repeats: strides cannot be kept
                order = by_stride
        packed = plain.permute(order).cpu().contiguous()
        dtype, shape = str(tensor.dtype).removeprefix("torch."), list(packed.shape)
        size = packed.numel() * packed.element_size()
        return ["T", *self.add(packed, packed.data_ptr(), size, dtype, shape), dtype, shape, order]

    def numpy_node(self, value: Any) -> list[Any]:
        import numpy

        if value.dtype.hasobject or value.dtype.kind not in "biufcSUmM":
            raise Uncacheable(f"a numpy array of dtype {value.dtype}")
        array = numpy.ascontiguousarray(value)
        dtype, shape = array.dtype.name if array.dtype.isnative else "", list(value.shape)
        place = self.add(array, array.ctypes.data, array.nbytes, dtype, shape)
        return ["N", *place, array.dtype.str, shape, not isinstance(value, numpy.ndarray)]

    def add(self, owner: object, address: int, size: int, dtype: str, shape: list[int]) -> tuple[int, int]:
        """Take one array into the safetensors blob; that blob's place and the array's number in it."""
        if self.arrays_blob is None:
            self.arrays_blob = len(self.blobs)
            self.blobs.append(b"")
        if dtype not in _NATIVE:
            dtype, shape = "uint8", [size]
        self.arrays.append((owner, address, size, dtype, shape))
        return self.arrays_blob, len(self.arrays) - 1

    def finish(self) -> tuple[bytes, ...]:
        if self.arrays_blob is None:
            return tuple(self.blobs)
        specs = {
            f"t{i}": safetensors.TensorSpec(dtype=dtype, shape=shape, data_ptr=address, data_len=size)
            for i, (_, address, size, dtype, shape) in enumerate(self.arrays)
        }
        self.blobs[self.arrays_blob] = safetensors.serialize(specs)
        return tuple(self.blobs)


def _text_node(text: str) -> Any:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return ["s", base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()]
    return text


def _class_in(module: str, name: str) -> type:
    """A class of a library, if the library has been imported (else no value can be of it): never imports it."""
    found: type = getattr(sys.modules.get(module), name, _Absent)
    return found


class _Absent:
    """Stands for a class of a library that is not loaded."""
