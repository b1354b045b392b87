"""Bypassed nodes: which of their inputs goes on, for an output of a type, to an input of a type."""

from __future__ import annotations

from typing import Any

from nodeflow.comfy.document import Socket, UiNode


def passed_on(node: UiNode, slot: int, wanted: Any) -> Socket | None:
    """The input that a bypassed node passes on for its output `slot`, to an input of type `wanted`."""
    inputs = node.inputs
    if not inputs:
        return None
    same = inputs[slot] if 0 <= slot < len(inputs) else None
    if wanted in ("*", "", 0, None):
        return same or inputs[0]
    given = node.outputs[slot] if 0 <= slot < len(node.outputs) else "*"
    if same is not None and _fits(same.type, given) and _fits(same.type, wanted):
        return same
    exact = (s for s in inputs if _names(s.type) == _names(wanted))
    both = (s for s in inputs if _fits(s.type, given) and _fits(s.type, wanted))
    return next(exact, None) or next(both, None)


def _names(kind: Any) -> set[str]:
    parts = kind if isinstance(kind, list) else [kind]
    return {name.strip().lower() for part in parts if isinstance(part, (str, int)) for name in str(part).split(",")}


def _fits(a: Any, b: Any) -> bool:
    names, others = _names(a), _names(b)
    wild = {"*", "", "0", "-1"}
    return bool(names & others) or bool((names | others) & wild)
