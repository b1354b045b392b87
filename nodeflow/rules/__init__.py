"""The rules: everything about a recipe that can be known before it runs, all problems at once.

`check` resolves each node to its ports (`scope`), walks the graph once in topological order, and applies every row of
`RULES` to every node. What it learnt on the way (typed values, orders, interfaces) goes into `Checked`, which the plan
is made from. Nothing is imported, opened or run here, except that model folders are listed and files are looked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from nodeflow.files import Files
from nodeflow.problems import Problem, did_you_mean
from nodeflow.registry import Catalogue
from nodeflow.rules.finding import Finding, Rule
from nodeflow.rules.graph import declared_findings, graph_findings, needed_by, targets
from nodeflow.rules.links import bypass_possible, links_fit, mapping_fits
from nodeflow.rules.scope import (
    Interface,
    NodeView,
    Scope,
    Session,
    bypass_input,
    interface_of,
    output_types,
    resolve,
    sources,
    topological,
)
from nodeflow.rules.values import files_exist, known_ports, not_deprecated, required_ports, values_fit
from nodeflow.upgrade import upgrade
from nodeflow.workflow import Workflow

__all__ = [
    "RULES", "Checked", "Finding", "Interface", "NodeView", "Rule", "Scope", "Session", "bypass_input", "check",
    "needed_by", "sources", "targets",
]  # fmt: skip

MAX_NESTING = 32

RULES: tuple[Rule, ...] = (
    known_ports,
    required_ports,
    values_fit,
    links_fit,
    mapping_fits,
    files_exist,
    bypass_possible,
    not_deprecated,
)


@dataclass
class Checked:
    """The outcome of checking: all problems, and what the plan needs to know."""

    scope: Scope
    problems: list[Problem]

    @property
    def errors(self) -> list[Problem]:
        return [p for p in self.problems if p.severity == "error"]

    @property
    def ok(self) -> bool:
        return not self.errors


def check(workflow: Workflow, catalogue: Catalogue, files: Files | None = None) -> Checked:
    """Apply all rules to a recipe and its definitions.

    Args:
        catalogue: the installed ops. files: where models and inputs are looked for.
    """
    problems: list[Problem] = []
    workflow = upgrade(workflow, catalogue.find)
    scope = _check_scope(workflow, Session(catalogue, files or Files()), {}, "", (), problems)
    if not workflow.nodes:
        problems.append(Problem("NF404", "nodes", "the recipe has no nodes", hint="add a node and declare an output"))
    return Checked(scope, problems)


def _check_scope(
    workflow: Workflow,
    session: Session,
    outer: dict[str, Workflow],
    place: str,
    stack: tuple[int, ...],
    problems: list[Problem],
) -> Scope:
    """Check one recipe or definition; those it uses are checked first, each once."""
    scope = Scope(workflow, place)
    available = {**outer, **workflow.definitions}
    stack = (*stack, id(workflow))

    def definition(name: str, where: str) -> Scope | None:
        if name in scope.definitions:
            return scope.definitions[name]
        inner = available.get(name)
        if inner is None:
            hint = did_you_mean(name, available)
            problems.append(Problem("NF112", place + where, f"the recipe defines no sub-workflow {name!r}", hint=hint))
            return None
        if id(inner) in stack or len(stack) > MAX_NESTING:
            message = f"the sub-workflow {name!r} contains itself, or nests deeper than {MAX_NESTING}"
            problems.append(Problem("NF113", place + where, message))
            return None
        at = f"{place}definitions.{name}."
        scope.definitions[name] = _check_scope(inner, session, available, at, stack, problems)
        return scope.definitions[name]

    for name, declared in workflow.inputs.items():
        for target in declared.to:
            node, _, port = target.partition(".")
            scope.fed[node, port] = name
    for name, part in workflow.nodes.items():
        view = resolve(name, part, session, definition, problems, place)
        if view is not None:
            scope.nodes[name] = view
    scope.order = topological(scope)
    problems += [f.problem(place) for f in graph_findings(scope)]
    for name in scope.order:
        view = scope.nodes[name]
        view.outputs = output_types(view, scope)
        for rule in RULES:
            for finding in rule(view, scope, session):
                problems.append(finding.problem(place))
    scope.interface = interface_of(scope)
    problems += [f.problem(place) for f in declared_findings(scope)]
    return scope
