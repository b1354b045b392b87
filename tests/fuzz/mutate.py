"""Changing documents as documents: a part is exchanged, copied, taken away, or becomes something absurd.

Bytes changed at random rarely stay JSON. This keeps the form and spoils the sense, so that what stands behind the
parser is reached.
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any

JUNK: list[Any] = [
    None, True, False, 0, -1, 1, 7, 2**31, 2**53, 2**63, 2**64 - 1, -(2**63), 10**30, 0.5, -0.0, 1e300, 5e-324,
    "", "a", "x", "a.b", "a.b.c", "../..", "/etc/passwd", "C:\\x", "a\0b", "\u202e", "\u2028", "é", "\U0001f600",
    "0" * 64, "nodeflow/1", "value/integer@1", "workflow:a", "x-y", "a" * 300, "9" * 400, "1e400", "__class__", "NaN",
    [], {}, [[]], [None], {"a": {}}, {"": ""}, {"@id": "./"}, [0, 0], ["1", 0], "a@1", "diffusion/sample@1",
]  # fmt: skip


def places(document: Any, limit: int = 4000) -> list[tuple[Any, Any]]:
    """(container, key) of every part of a document, up to a limit."""
    found: list[tuple[Any, Any]] = []
    todo = [document]
    while todo and len(found) < limit:
        item = todo.pop()
        inner = (
            list(item.items()) if isinstance(item, dict) else list(enumerate(item)) if isinstance(item, list) else []
        )
        found += [(item, key) for key, _ in inner]
        todo += [value for _, value in inner]
    return found


def mutated(data: bytes, seed: int, max_size: int) -> bytes | None:
    """The document with one to three parts changed; None if the bytes are none, or nothing fits."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    choose = random.Random(seed)
    for _ in range(choose.randint(1, 3)):
        every = places(document)
        if not every:
            return None
        container, key = choose.choice(every)
        try:
            _change(choose, container, key, every)
        except (KeyError, IndexError, TypeError):
            continue
    try:
        text = json.dumps(document, ensure_ascii=choose.random() < 0.7).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return None
    return text if len(text) <= max_size else None


def _change(choose: random.Random, container: Any, key: Any, every: list[tuple[Any, Any]]) -> None:
    way = choose.randrange(8)
    other, name = choose.choice(every)
    if way <= 2:
        container[key] = copy.deepcopy(choose.choice(JUNK))
    elif way == 3:
        del container[key]
    elif way == 4:
        container[key] = copy.deepcopy(other[name])
    elif way == 5 and isinstance(container, dict):
        container[choose.choice([str(name), "x-a", "", "op", "a.b", "\u202e", "A" * 70])] = container.pop(key)
    elif way == 6 and isinstance(container, list):
        container.insert(choose.randrange(len(container) + 1), copy.deepcopy(other[name]))
    elif isinstance(value := container[key], str):
        at = choose.randrange(len(value) + 1)
        container[key] = value[:at] + choose.choice(["", ".", "/", "@", "\0", "é", "0", "..", value]) + value[at + 1 :]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        container[key] = choose.choice([value + 1, -value, value * 2, str(value), [value], float(value) + 0.5])
    else:
        container[key] = [value]
