"""Reading ComfyUI's JSON: as tolerant as its own writers need, and as guarded as `jsonio`.

ComfyUI's files hold NaN (read as null), keys that stand twice (the last wins, as there) and 64-bit seeds (kept exact).
Each is a finding. Size, depth, digits and halves of characters are limits, and errors.
"""

from __future__ import annotations

import json
import math
from typing import Any

from nodeflow.comfy.report import Report
from nodeflow.ports import SAFE_INTEGER
from nodeflow.problems import Problem, ProblemsError

MAX_BYTES = 32 << 20
MAX_DEPTH = 80
"""Less than what `jsonio` takes: the document is kept inside the recipe."""
_BIG = "x-int"


def refuse(message: str, source: str = "", code: str = "NF001", hint: str = "", place: str = "") -> ProblemsError:
    return ProblemsError([Problem(code, place, message, hint=hint)], source)


def parse(text: str | bytes, report: Report, *, source: str = "", max_bytes: int = MAX_BYTES) -> Any:
    """A JSON document as ComfyUI writes it.

    Raises:
        ProblemsError: NF001 if it is none, or beyond a limit.
    """
    if len(text) > max_bytes:
        raise refuse(f"the document has {len(text):,} bytes; at most {max_bytes:,} are read", source)
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise refuse(f"the document is not UTF-8 text (byte {error.start})", source) from None
    constants: list[str] = []
    doubles: list[str] = []

    def constant(name: str) -> None:
        constants.append(name)

    def real(digits: str) -> float | None:
        value = float(digits)
        if math.isinf(value):
            constants.append(digits[:40])
            return None
        return int(value) if value.is_integer() and abs(value) <= SAFE_INTEGER else value

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            doubles.extend(key for key, _ in items[:100] if sum(k == key for k, _ in items[:100]) > 1)
        return result

    try:
        document = json.loads(
            text.removeprefix("\ufeff"), object_pairs_hook=pairs, parse_constant=constant, parse_float=real
        )
    except json.JSONDecodeError as error:
        raise refuse(f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}", source) from None
    except RecursionError:
        raise refuse(f"objects and lists nest deeper than {MAX_DEPTH}", source) from None
    except ValueError:
        raise refuse("a number has too many digits", source) from None
    if _deeper(document, MAX_DEPTH):
        raise refuse(f"objects and lists nest deeper than {MAX_DEPTH}", source)
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise refuse("a text has half of a character (a lone surrogate)", source) from None
    except ValueError:  # an integer that Python reads but does not write
        raise refuse("a number has too many digits", source) from None
    if constants:
        report.add("repaired", f"{len(constants)} numbers that JSON does not have are read as null", got=constants[0])
    if doubles:
        report.add("repaired", "a key stands twice in one object; the last one counts", got=shorten(doubles[0]))
    return document


def _deeper(document: Any, limit: int) -> bool:
    level = [document] if isinstance(document, (dict, list)) else []
    for _ in range(limit + 1):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def shorten(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def pack(value: Any) -> Any:
    """A document as it is kept in a recipe: integers that browsers would lose are marked."""
    if isinstance(value, dict):
        return {k: pack(v) for k, v in value.items()}
    if isinstance(value, list):
        return [pack(v) for v in value]
    if type(value) is int and abs(value) > SAFE_INTEGER:
        return {_BIG: str(value)}
    return value


def unpack(value: Any) -> Any:
    """The inverse of `pack`."""
    if isinstance(value, dict):
        if value.keys() == {_BIG} and isinstance(value[_BIG], str) and value[_BIG].lstrip("-").isdecimal():
            return int(value[_BIG]) if len(value[_BIG]) <= 4000 else value[_BIG]
        return {k: unpack(v) for k, v in value.items()}
    return [unpack(v) for v in value] if isinstance(value, list) else value
