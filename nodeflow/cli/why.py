"""`nodeflow why`: which part of two keys differs, back to the root cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples
from nodeflow.cli.text import clean, emit, emit_json

if TYPE_CHECKING:
    from nodeflow.record import RecordStore
    from nodeflow.why import Compared

Key = Annotated[str, typer.Argument(metavar="KEY", help="A key, or enough of its beginning (as `plan` shows it).")]


@with_examples(
    "nodeflow why 3f2a91c04b 77d01e6b2f",
    "nodeflow runs show 8c1f  the keys of a recorded run",
)
def why(
    a: Key,
    b: Key,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Say why two results have different keys.

    Compares the op, its code, the numeric class, files, values and inputs; where an input differs, goes on with what
    fed it, until the root cause is found. Keys are known from recorded runs.
    """
    from nodeflow.engine import Engine
    from nodeflow.why import explain, root_causes

    engine = Engine()
    try:
        first, second = _whole(engine.records, a), _whole(engine.records, b)
        compared = explain(engine.records.parts, first, second) if first != second else []
    finally:
        engine.close()
    causes = root_causes(compared)
    if as_json:
        items = [{**_json(item), "root_cause": item in causes} for item in compared]
        emit_json({"a": first, "b": second, "same": first == second, "compared": items})
        return
    if not compared:
        emit(f"Both are {first}: the same op, code, values and inputs.")
        return
    top = compared[0]
    emit(f"{first[:12]} ({top.ops[0]})  and  {second[:12]} ({top.ops[1]})")
    if top.differences:
        emit(f"first difference: {_change(top.differences[0])}")
    for item in compared:
        emit()
        emit(_title(item, item in causes))
        for change in item.differences:
            emit(f"  {_change(change)}")
        if not item.known:
            emit("  not on record: one of the two was never part of a recorded run")
        elif not item.differences:
            emit("  the recorded parts are the same; what differs is its sub-workflow, or it is never reused")


def _whole(records: RecordStore, prefix: str) -> str:
    text = prefix.strip().lower().partition(".")[0]
    if len(text) < 4 or any(c not in "0123456789abcdef" for c in text):
        raise Stop(Exit.USAGE, f"{prefix!r} is no key: expected at least 4 hex digits, as `nodeflow plan` shows them")
    found = records.keys_like(text)
    if not found:
        known = (
            "`nodeflow runs show` lists those that are on record, and `nodeflow plan` says itself why a node would run"
        )
        raise Stop(Exit.USAGE, f"no recorded run has a key that begins with {text[:16]}; {known}")
    if len(found) > 1:
        listed = ", ".join(key[:16] for key in found[:5])
        raise Stop(Exit.USAGE, f"several keys begin with {text}: {listed}; give more digits")
    return found[0]


def _title(item: Compared, cause: bool) -> str:
    where = clean(" ← ".join(item.path)) if item.path else "the results themselves"
    op = item.ops[0] or item.ops[1] or "?"
    return f"{'root cause' if cause else 'because of'}: {where} ({op}, {item.a[:12]} and {item.b[:12]})"


def _change(change: tuple[str, Any, Any]) -> str:
    part, left, right = change
    if part.startswith("inputs."):
        return clean(f"{part}: {_link(left)} and {_link(right)}")
    if part == "code":
        return f"code: the pack's source changed ({str(left)[:12]} and {str(right)[:12]})"
    return clean(f"{part}: {_value(left)} and {_value(right)}", limit=400)


def _value(value: Any) -> str:
    from nodeflow.forecast import short

    return short(value, 160)


def _link(value: Any) -> str:
    if isinstance(value, str):
        key, dot, port = value.partition(".")
        return f"{key[:12]}{dot}{port}"
    if isinstance(value, list):
        return f"[{', '.join(_link(v) for v in value[:6])}{', …' if len(value) > 6 else ''}]"
    return _value(value)


def _json(item: Compared) -> dict[str, Any]:
    return {
        "a": item.a,
        "b": item.b,
        "path": list(item.path),
        "ops": list(item.ops),
        "known": item.known,
        "differences": [{"part": part, "a": left, "b": right} for part, left, right in item.differences],
    }
