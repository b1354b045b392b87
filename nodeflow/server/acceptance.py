"""What may be queued: a recipe that can run, with all the inputs that it is to run with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodeflow.annotations import Choices
from nodeflow.engine import Engine
from nodeflow.ports import Port
from nodeflow.problems import Problem, ProblemsError
from nodeflow.rules import Checked
from nodeflow.server.schema import JobRequest
from nodeflow.workflow import Workflow

MAX_PROBLEMS = 200
"""Of a sweep with more problems only so many are told."""


def accepted(engine: Engine, request: JobRequest) -> Workflow:
    """The recipe of a request, if it can run with all the inputs.

    The first set of a sweep is checked and planned in full. Another with values for the same inputs differs in those
    only, so if each fits its port, it can run as the first can; what cannot be told so is checked in full too.

    Raises:
        ProblemsError: with everything that is wrong.
    """
    workflow = Workflow.from_json(request.workflow)
    sets = [{**request.inputs, **inputs} for inputs in request.sweep] or [request.inputs]
    problems: dict[Problem, None] = {}
    ports: dict[str, list[Port]] | None = None
    for inputs in sets:
        if ports is not None and _fits(inputs, ports):
            continue
        try:
            checked = engine.check(workflow.with_inputs(inputs))
            if inputs is sets[0]:
                engine.planner().plan(checked, targets=request.targets)
                ports = swept_ports(workflow, checked, inputs)
            problems |= dict.fromkeys(checked.errors)
        except ProblemsError as error:
            problems |= dict.fromkeys(error.problems)
        if len(problems) > MAX_PROBLEMS:
            break
    if problems:
        raise ProblemsError(problems)
    return workflow


def swept_ports(workflow: Workflow, checked: Checked, inputs: Mapping[str, Any]) -> dict[str, list[Port]] | None:
    """The ports that these inputs feed; None if more than its port decides whether a value can be used (a file, a
    choice that is known only now, the name of a sub-workflow, a mapped list)."""
    ports: dict[str, list[Port]] = {}
    for name in inputs:
        ports[name] = []
        for target in workflow.inputs[name].to:
            node, _, where = target.partition(".")
            view = checked.scope.nodes[node]
            port = view.interface.inputs[where]
            body = view.op.body_port if view.op is not None else ""
            if port.is_file or not port.takes_values or port.extra(Choices) or where == body or where in view.mapped:
                return None
            ports[name].append(port)
    return ports


def _fits(inputs: Mapping[str, Any], ports: Mapping[str, list[Port]]) -> bool:
    if inputs.keys() != ports.keys():
        return False
    try:
        for name, value in inputs.items():
            for port in ports[name]:
                port.parse(value)
    except ValueError:
        return False
    return True
