"""A look ahead: what a run of a plan would do, and why each node would run again. Nothing is run or read back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nodeflow.keys import differences
from nodeflow.steps import Plan, Step

if TYPE_CHECKING:
    from nodeflow.record import RecordStore

LOOK_BACK = 50
"""So many recorded runs are looked through for earlier results of the plan's nodes."""

State = Literal["cached", "run", "if asked", "same", "not needed"]


@dataclass(frozen=True)
class Forecast:
    """What would become of a step.

    state: "cached": its stored result is used; "run"; "if asked": a lazy input, computed if the node that has it asks
    for it; "same": it has the key of an earlier step, which is computed for both; "not needed": all that need it are
    cached. why: for people. changed: the parts in which its key differs
    from that of the node's last recorded run: (part, then, now).
    """

    step: Step
    state: State
    why: str = ""
    changed: tuple[tuple[str, Any, Any], ...] = ()


def forecast(plan: Plan, stored: Collection[str], records: RecordStore | None = None) -> list[Forecast]:
    """What a run would do with each step, in the plan's order.

    Args:
        stored: those of the plan's keys that have results. records: earlier runs, for the reasons.
    """
    states = _demand(plan, stored)
    running = [step for step in plan.steps if states[step.index] in ("run", "if asked")]
    earlier = _earlier_keys(running, records) if records is not None and running else {}
    now = dict(plan.all_parts()) if earlier else {}
    names = {step.key: step.id for step in reversed(plan.steps)}
    twin_of = {twin: index for index, twins in plan.twins.items() for twin in twins}
    found = []
    for step in plan.steps:
        first = twin_of.get(step.index, step.index)
        state = states[first]
        if first != step.index and state in ("run", "if asked"):
            found.append(Forecast(step, "same", f"the same as {plan.steps[first].id}"))
            continue
        if state in ("cached", "not needed"):
            found.append(Forecast(step, state))
            continue
        why, changed = _reason(step, earlier.get(step.id), now, records, names)
        found.append(Forecast(step, state, why, changed))
    return found


def _demand(plan: Plan, stored: Collection[str]) -> list[State]:
    """As the executor does it: from the targets back to what has results."""
    states: list[State] = ["not needed"] * len(plan.steps)
    for mark, start in (("run", list(plan.targets)), ("if asked", [])):
        todo = start
        if mark == "if asked":
            todo = [i for step in plan.steps if states[step.index] == "run" for i in step.on_demand]
        while todo:
            index = todo.pop()
            step = plan.steps[index]
            if states[index] != "not needed":
                continue
            if step.key in stored and step.op.cacheable:
                states[index] = "cached"
                continue
            states[index] = "run" if mark == "run" else "if asked"
            todo += step.needs
            if mark == "if asked":
                todo += step.on_demand
    return states


def _earlier_keys(steps: list[Step], records: RecordStore) -> dict[str, str]:
    """The key that each node had in the latest recorded run that had most of these nodes."""
    wanted = {step.id for step in steps}
    for run in records.runs(limit=LOOK_BACK):
        keys = {node: key for node, key in records.node_keys(run.id).items() if node in wanted and key}
        if 2 * len(keys) > len(wanted):
            return keys
    return {}


def _reason(
    step: Step,
    before: str | None,
    now: Mapping[str, Any],
    records: RecordStore | None,
    names: Mapping[str, str],
) -> tuple[str, tuple[tuple[str, Any, Any], ...]]:
    if not step.op.cacheable:
        return "its results are never reused", ()
    if before is None or records is None:
        return "no earlier run of it is known", ()
    if before == step.key:
        return "its result was not kept", ()
    parts = records.parts(before)
    if parts is None:
        return "no earlier run of it is known", ()
    changed = tuple(differences(parts, now[step.key]))
    if not changed:
        return "its sub-workflow changed" if step.body is not None else "its key changed", ()
    return _in_words(changed[0], names), changed


def _in_words(change: tuple[str, Any, Any], names: Mapping[str, str]) -> str:
    part, then, now = change
    kind, _, name = part.partition(".")
    if kind == "inputs":
        source = isinstance(now, str) and names.get(now.partition(".")[0])
        if then is None or now is None:
            return f"input {name} is {'new' if then is None else 'gone'}"
        return f"input {name} changed" + (f" (from {source})" if source else "")
    if kind == "files":
        return f"file {name} has other content" if then and now else f"file {name}: {short(then)} → {short(now)}"
    if kind == "values":
        return f"{name}: {short(then)} → {short(now)}"
    return {"code": "the pack's code changed", "numeric": f"{then} → {now}"}.get(kind, f"{kind}: {then} → {now}")


def short(value: Any, limit: int = 40) -> str:
    """A part of a key in a few words."""
    if isinstance(value, dict) and set(value) == {"float"}:
        return str(value["float"])
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
