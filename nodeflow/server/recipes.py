"""Recipes over HTTP: checked and planned, never run. Whatever is sent, nothing but checking happens."""

from __future__ import annotations

import re

from nodeflow.rules import Checked as Found
from nodeflow.server.openapi import route
from nodeflow.server.problem import items
from nodeflow.server.schema import Checked, FormField, FormOutput, Planned, PlannedStep, WorkflowRequest
from nodeflow.server.services import Services
from nodeflow.workflow import Workflow

_ITEM = re.compile(r"\[[^\]/]*\]")
"""In a step's id: which item of a mapped node it is."""


@route("POST", "/api/check")
async def check(services: Services, body: WorkflowRequest) -> Checked:
    """Everything that is wrong with a recipe, its saved form, its form, and the ports that depend on it."""

    def work() -> Checked:
        workflow = Workflow.from_json(body.workflow)
        return checked(services, workflow, services.engine.check(workflow))

    return await services.in_engine(work)


def checked(services: Services, workflow: Workflow, found: Found) -> Checked:
    """What a check found, in the API's words."""
    described, ports = services.described, found.scope.interface
    offered = [edge for view in found.scope.nodes.values() for edge in view.outputs.values()]
    return Checked(
        problems=items(found.problems),
        digest=workflow.digest(),
        text=workflow.text(),
        inputs=[
            FormField(
                name=name,
                title=part.title,
                description=part.description,
                port=described.input(ports.inputs[name], offered) if name in ports.inputs else None,
                value=workflow.input_value(name),
            )
            for name, part in workflow.inputs.items()
        ],
        outputs=[
            FormOutput(name=name, type=str(ports.outputs[name]) if name in ports.outputs else "any")
            for name in workflow.outputs
        ],
        node_types=described.in_recipe(found.scope),
    )


@route("POST", "/api/plan", errors=(422,))
async def plan(services: Services, body: WorkflowRequest) -> Planned:
    """What a run would do: each step with its key, and whether its result is kept already."""

    def work() -> Planned:
        made = services.engine.plan(Workflow.from_json(body.workflow), targets=body.targets)
        kept = services.engine.cache.lookup([step.key for step in made.steps])
        steps = [PlannedStep(node=_ITEM.sub("", s.id), op=s.op.id, key=s.key, cached=s.key in kept) for s in made.steps]
        return Planned(steps=steps, cached=sum(step.cached for step in steps))

    return await services.in_engine(work)
