"""`nodeflow plan`: what a run would do, node by node, and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nodeflow.cli.help import with_examples
from nodeflow.cli.run import Device, Settings, Targets
from nodeflow.cli.text import clean, emit, emit_json, say, table

if TYPE_CHECKING:
    from nodeflow.cli.source import Source
    from nodeflow.engine import Engine
    from nodeflow.forecast import Forecast
    from nodeflow.steps import Plan
    from nodeflow.workflow import Workflow


@with_examples(
    "nodeflow plan recipe.json",
    "nodeflow plan recipe.json --set seed=8  what changing the seed would cost",
    "nodeflow plan recipe.json --target decode",
    "nodeflow plan recipe.json --json | jq '.steps[] | select(.state==\"run\").id'",
)
def plan(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A recipe, a picture that carries one, or `-`.")],
    settings: Settings = None,
    target: Targets = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    device: Device = None,
) -> None:
    """Show what a run would do: what is cached, what would run, and why.

    A node would run again because of the first thing that differs from its last recorded run. `nodeflow why` compares
    two keys of this list.
    """
    from nodeflow.cli.source import named, read, with_settings
    from nodeflow.engine import Engine
    from nodeflow.settings import Settings as Folders

    engine = Engine(Folders.load(device=device))
    try:
        source = read(file)
        with named(source):
            show_plan(engine, with_settings(source, settings or (), engine), source, target, as_json)
    finally:
        engine.close()


def show_plan(engine: Engine, workflow: Workflow, source: Source, targets: list[str] | None, as_json: bool) -> None:
    """Print the plan of a recipe."""
    from nodeflow.export import export
    from nodeflow.forecast import forecast
    from nodeflow.planner import with_exports
    from nodeflow.record import RecordError

    planner = engine.planner(source.path)
    made, _ = with_exports(planner.plan(workflow, targets=targets), planner, export, values=False)
    stored = engine.cache.lookup([step.key for step in made.steps])
    try:
        steps = forecast(made, stored, engine.records)
    except RecordError as error:  # a plan is worth having without the reasons
        say(clean(f"warning: {error}"))
        steps = forecast(made, stored)
    if as_json:
        emit_json(plan_json(made, steps))
        return
    table(
        ((f.step.id, f.step.op.id, f.state, f.step.key[:12], f.why) for f in steps),
        ("node", "op", "state", "key", "why"),
    )
    emit(_summary(made, steps))


def plan_json(made: Plan, steps: list[Forecast]) -> dict[str, Any]:
    """A plan for programs."""
    return {
        "numeric": made.numeric,
        "steps": [
            {
                "id": f.step.id,
                "op": f.step.op.id,
                "key": f.step.key,
                "state": f.state,
                "why": f.why,
                "changed": [{"part": part, "then": then, "now": now} for part, then, now in f.changed],
                "inputs": inputs,
            }
            for f, inputs in zip(steps, _inputs(made), strict=True)
        ],
        "outputs": {name: made.key_of(source) for name, source in made.outputs.items()},
        "targets": [made.steps[index].id for index in made.targets],
        "muted": made.muted,
        "warnings": [p.to_json() for p in made.warnings],
        "counts": dict(Counter(f.state for f in steps)),
    }


def _inputs(made: Plan) -> list[dict[str, Any]]:
    from nodeflow.steps import refs

    return [
        {
            port: [f"{made.steps[ref.step].id}.{ref.port}" for ref in refs(source)]
            for port, source in step.inputs.items()
        }
        for step in made.steps
    ]


def _summary(made: Plan, steps: list[Forecast]) -> str:
    found = Counter(str(f.state) for f in steps)
    words = {
        "run": "would run",
        "if asked": "only if asked for",
        "same": "the same as another",
        "cached": "cached",
        "not needed": "not needed",
    }
    parts = [f"{found[state]} {text}" for state, text in words.items() if found[state]]
    muted = f", {len(made.muted)} muted" if made.muted else ""
    return f"{len(steps)} steps: {', '.join(parts) or 'nothing to do'}{muted}"
