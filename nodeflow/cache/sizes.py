"""How many bytes a value really keeps alive, and how to keep fewer.

Tensors are counted by the storage they hold on to, once for each storage, whatever view of it they show. They are met
by duck typing (`untyped_storage()`), so this module needs no torch. It must not know who holds values, or why.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, TypeAlias

StorageKey: TypeAlias = tuple[str, int]
"""Device and address: what makes two storages one."""

LOOSE: Final = 2
"""A storage more than this many times larger than what is shown of it is worth a copy."""

MOST_OBJECTS: Final = 200_000
"""Objects looked at in one value: something that leads to half the program is not counted to the end."""

_SCALARS: Final = frozenset({bool, int, float, type(None), complex})
_TEXTS: Final = frozenset({str, bytes})
_SCALAR_BYTES: Final = 32
_OVERHEAD: Final = 56
"""Bytes of a Python object besides what it contains; near enough, and cheaper than asking."""


@dataclass(slots=True)
class Storage:
    """One block of memory: its size in bytes, how many of them the value shows, and what keeps it alive."""

    nbytes: int
    shown: int
    owner: object


@dataclass(frozen=True, slots=True)
class Measure:
    """What a value keeps alive: bytes of plain Python objects, storages, and the tensors met."""

    plain: int
    storages: Mapping[StorageKey, Storage]
    tensors: tuple[Any, ...]

    @property
    def total(self) -> int:
        """Bytes in all, each storage once."""
        return self.plain + sum(storage.nbytes for storage in self.storages.values())

    @property
    def devices(self) -> frozenset[str]:
        """Kinds of the devices that storages lie on ("cpu", "cuda")."""
        return frozenset(device.partition(":")[0] for device, _ in self.storages)


def quick_size(values: Any) -> int:
    """Bytes of a dict or tuple that has only numbers and texts in it; -1 for anything else (`measure` it)."""
    size = _OVERHEAD
    for value in values.values() if type(values) is dict else values:
        kind = type(value)
        if kind in _SCALARS:
            size += _SCALAR_BYTES
        elif kind in _TEXTS:
            size += _OVERHEAD + len(value)
        else:
            return -1
    return size


def measure(value: object) -> Measure:
    """Walk everything that `value` holds (containers, dataclasses, attributes) and count it once.

    Meta tensors count nothing, sparse ones their indices and values, arrays the memory of the array they are a view of.
    """
    plain = 0
    storages: dict[StorageKey, Storage] = {}
    tensors: list[Any] = []
    seen: set[int] = set()
    todo = [value]
    while todo:
        item = todo.pop()
        kind = type(item)
        if kind in _SCALARS:
            plain += _SCALAR_BYTES
            continue
        if id(item) in seen or isinstance(item, type | ModuleType) or len(seen) > MOST_OBJECTS:
            continue
        seen.add(id(item))
        if isinstance(item, str | bytes | bytearray):
            plain += _OVERHEAD + len(item)
        elif isinstance(item, list | tuple | set | frozenset):
            plain += _OVERHEAD + 8 * len(item)
            todo.extend(item)
        elif isinstance(item, dict):
            plain += _OVERHEAD + 100 * len(item)
            todo.extend(item.keys())
            todo.extend(item.values())
        elif hasattr(kind, "untyped_storage"):
            tensors.append(item)
            plain += 2 * _OVERHEAD
            for key, storage in _storages_of(item):
                known = storages.setdefault(key, storage)
                if known is not storage:
                    known.shown += storage.shown
        elif _is_array(item):
            key, storage = _array_storage(item)
            known = storages.setdefault(key, storage)
            if known is not storage:
                known.shown += storage.shown
        else:
            plain += sys.getsizeof(item, _OVERHEAD)
            todo.extend(_attributes(item))
    return Measure(plain, storages, tuple(tensors))


def compact(value: Any, measured: Measure) -> Any:
    """`value` with copies in place of the views that keep more than `LOOSE` times what they show alive; else itself."""
    loose = {key for key, storage in measured.storages.items() if storage.nbytes > LOOSE * storage.shown}
    if not loose:
        return value

    def tighten(item: Any) -> Any:
        if hasattr(type(item), "untyped_storage"):
            return item.clone() if any(key in loose for key, _ in _storages_of(item)) else item
        return item.copy() if _array_storage(item)[0] in loose else item

    return map_arrays(tighten, value)


def map_arrays(change: Callable[[Any], Any], value: Any) -> Any:
    """`value` with `change` applied to each tensor and array in it; whatever has none in it stays the same object."""
    done: dict[int, tuple[Any, Any]] = {}  # keeps the old one alive, so that its id is not reused

    def walk(item: Any) -> Any:
        kind = type(item)
        if kind in _SCALARS or kind in _TEXTS:
            return item
        if hasattr(kind, "untyped_storage") or _is_array(item):
            if id(item) not in done:
                done[id(item)] = (item, change(item))
            return done[id(item)][1]
        if kind is dict:
            changed = {key: walk(part) for key, part in item.items()}
            return changed if any(changed[key] is not item[key] for key in item) else item
        if isinstance(item, list | tuple):
            parts = [walk(part) for part in item]
            if all(new is old for new, old in zip(parts, item, strict=True)):
                return item
            return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            fields = {f.name: getattr(item, f.name) for f in dataclasses.fields(item) if f.init}
            new = {name: walk(part) for name, part in fields.items()}
            return dataclasses.replace(item, **new) if any(new[n] is not fields[n] for n in new) else item
        return item

    return walk(value)


def _storages_of(tensor: Any) -> Iterator[tuple[StorageKey, Storage]]:
    device = str(tensor.device)
    if device == "meta":
        return
    for part in _dense_parts(tensor):
        storage = part.untyped_storage()
        if nbytes := storage.nbytes():
            yield (device, storage.data_ptr()), Storage(nbytes, part.numel() * part.element_size(), storage)


def _dense_parts(tensor: Any) -> tuple[Any, ...]:
    layout = str(getattr(tensor, "layout", "torch.strided"))
    if layout == "torch.sparse_coo":
        return (tensor._indices(), tensor._values())
    if layout in ("torch.sparse_csr", "torch.sparse_bsr"):
        return (tensor.crow_indices(), tensor.col_indices(), tensor.values())
    if layout in ("torch.sparse_csc", "torch.sparse_bsc"):
        return (tensor.ccol_indices(), tensor.row_indices(), tensor.values())
    return (tensor,)


def _is_array(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    array = getattr(numpy, "ndarray", None)
    return array is not None and isinstance(value, array)


def _array_storage(array: Any) -> tuple[StorageKey, Storage]:
    owner = array
    while _is_array(owner.base):
        owner = owner.base
    return ("cpu", owner.ctypes.data), Storage(owner.nbytes, array.nbytes, owner)


def _attributes(value: object) -> list[Any]:
    found = list(getattr(value, "__dict__", {}).values())
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        names = (slots,) if isinstance(slots, str) else slots
        found.extend(getattr(value, name, None) for name in names if name not in ("__dict__", "__weakref__"))
    return found
