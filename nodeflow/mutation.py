"""Values that nobody may change: copies for what is cheap to copy, and a way to notice writing into the rest.

A result is shared by all that consume it and by the cache, so a node that writes into its input would change what
others see, and what is kept under a key. Lists and dicts are therefore handed out as copies; tensors, and containers
inside structures, are traced before and looked at again afterwards. No pass over tensor data is needed: tensors count
the writes they get (`_version`). Tensors are met by duck typing; this module knows no tensor library.
"""

from __future__ import annotations

import enum
import operator
from typing import Any, TypeAlias

_PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None)})

Trace: TypeAlias = list[tuple[Any, Any]]
"""What can be changed in a value, each with its state when it was traced."""


def private(value: Any) -> Any:
    """The value with its lists and dicts copied (those in structures are not); tensors and structures are shared."""
    if type(value) is list:
        return [item if type(item) in _PLAIN else private(item) for item in value]
    if type(value) is dict:
        return {key: item if type(item) in _PLAIN else private(item) for key, item in value.items()}
    return value


def trace(value: Any) -> Trace:
    """The present state of everything in `value` that can be changed in place; empty for plain values."""
    found: Trace = []
    if type(value) in _PLAIN:
        return found
    seen: set[int] = set()
    todo = [value]
    while todo:
        item = todo.pop()
        kind = type(item)
        if kind in _PLAIN or id(item) in seen:
            continue
        seen.add(id(item))
        if hasattr(kind, "untyped_storage"):
            version = _version(item)
            if version is not None:
                found.append((item, version))
        elif kind is list or kind is dict:
            found.append((item, item.copy()))
            todo.extend(item if kind is list else item.values())
        elif kind is tuple:
            todo.extend(item)
        elif not isinstance(item, (type, enum.Enum)):
            todo.extend(getattr(item, "__dict__", {}).values())
    return found


def unchanged(traced: Trace) -> bool:
    """Whether everything is as it was when it was traced."""
    for item, before in traced:
        if type(item) is list:
            if len(item) != len(before) or not all(map(operator.is_, item, before)):
                return False
        elif type(item) is dict:
            if list(item) != list(before) or not all(map(operator.is_, item.values(), before.values())):
                return False
        elif _version(item) != before:
            return False
    return True


def _version(tensor: Any) -> int | None:
    try:
        version: int = tensor._version
    except (AttributeError, RuntimeError):  # tensors made in inference mode do not count
        return None
    return version
