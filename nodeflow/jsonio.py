"""JSON from outside and JSON that is saved: strict reading, canonical writing.

Reading refuses what would be lost or would hurt: duplicate keys, NaN and infinities, numbers of absurd length, deep
nesting, huge files, halves of characters. Writing gives one text per document. Numbers are written and read as
JavaScript does (`1.0` is `1`, `1e-07` is `1e-7`) and keys are sorted as it does, so that a canvas in a browser saves
the same bytes; integers beyond 2**53, which it would round, are written as strings.
"""

from __future__ import annotations

import json
import math
import re
from json.encoder import encode_basestring as quote
from typing import Any

from nodeflow.ports import SAFE_INTEGER
from nodeflow.problems import Problem, ProblemsError

MAX_BYTES = 64 << 20
MAX_DEPTH = 100


class _Duplicate(ValueError):
    """An object has a key twice."""


class _Number(ValueError):
    """A number that JSON does not have."""


def parse_json(text: str | bytes, *, source: str = "", max_bytes: int = MAX_BYTES) -> Any:
    """Read a JSON document.

    Raises:
        ProblemsError: NF001 or NF002, with line and column where known.
    """

    def refuse(message: str, code: str = "NF001", hint: str = "") -> ProblemsError:
        return ProblemsError([Problem(code, "", message, hint=hint)], source)

    if len(text) > max_bytes:
        raise refuse(f"the document has {len(text):,} bytes; at most {max_bytes:,} are read")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise refuse(f"the document is not UTF-8 text (byte {error.start})", hint="is it a recipe?") from None
    if not text.strip():
        raise refuse("the document is empty")
    try:
        document = json.loads(
            text.removeprefix("\ufeff"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        at_end = error.pos >= len(text.rstrip())
        hint = "it ends too early: was it cut off?" if at_end else ""
        raise refuse(f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}", hint=hint) from None
    except _Duplicate as error:
        raise refuse(f"the key {str(error)!r} stands twice in one object", "NF002", "keep one of the two") from None
    except RecursionError:
        raise refuse(f"objects and lists nest deeper than {MAX_DEPTH}") from None
    except ValueError as error:  # NaN, infinities, integers of thousands of digits
        raise refuse(str(error) if isinstance(error, _Number) else "a number has too many digits") from None
    if _too_deep(document):
        raise refuse(f"objects and lists nest deeper than {MAX_DEPTH}")
    if not text.isascii() or re.search(r"\\u[dD][89a-fA-F]", text):
        try:
            json.dumps(document, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise refuse(
                "a text has half of a character (a lone surrogate)", hint="was it cut in the middle?"
            ) from None
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Duplicate(key)
            seen.add(key)
    return result


def _constant(name: str) -> Any:
    raise _Number(f"{name} is no JSON number")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _Number(f"the number {text[:40]} is too large")
    return int(value) if value.is_integer() and abs(value) <= SAFE_INTEGER else value


def _integer(text: str) -> float:
    """An integer; but what JavaScript writes for a large real number is that number."""
    value = int(text)
    if abs(value) > SAFE_INTEGER and len(text) <= 22 and number_text(float(value)) == text:
        return float(value)
    return value


def _too_deep(document: Any) -> bool:
    level = [document] if type(document) is dict or type(document) is list else []
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for item in level
            for child in (item.values() if type(item) is dict else item)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def number_text(value: float) -> str:
    """A finite number as JavaScript writes it."""
    if value == 0:
        return "0"
    if type(value) is int:
        return str(value) if -SAFE_INTEGER <= value <= SAFE_INTEGER else f'"{value}"'
    if not math.isfinite(value):
        raise ValueError(f"{value} is no JSON number")
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(float(value))).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) if whole != "0" else len(digits) - len(fraction)
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    head = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{head}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def dump_json(value: Any, *, indent: int | None = 2, sort: bool = False, level: int = 0) -> str:
    """Write a document: two-space indent by default, one line with `indent=None`; keys in their order unless `sort`."""
    kind = type(value)
    if kind is str:
        return quote(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    if kind is int or kind is float:
        return number_text(value)
    is_dict = isinstance(value, dict)
    if not is_dict and not isinstance(value, (list, tuple)):
        raise TypeError(f"{kind.__name__} cannot be written as JSON")
    opening, closing = "{}" if is_dict else "[]"
    if not value:
        return opening + closing
    if indent is None:
        gap = start = end = ""
        colon, comma = ":", ","
    else:
        gap = "\n" + " " * (indent * (level + 1))
        start, end, colon, comma = gap, "\n" + " " * (indent * level), ": ", "," + gap
    if is_dict:
        items = [(key, value[key]) for key in sorted(value, key=key_order)] if sort else value.items()
        parts = [quote(k) + colon + dump_json(v, indent=indent, sort=sort, level=level + 1) for k, v in items]
    else:
        parts = [dump_json(v, indent=indent, sort=sort, level=level + 1) for v in value]
    return opening + start + comma.join(parts) + end + closing


def key_order(key: str) -> bytes:
    """What keys are sorted by: UTF-16, as in JavaScript and RFC 8785."""
    return key.encode("utf-16-be", "surrogatepass")


def canonical(value: Any) -> str:
    """The one-line canonical text of a document (RFC 8785's form): for digests."""
    return dump_json(value, indent=None, sort=True)
