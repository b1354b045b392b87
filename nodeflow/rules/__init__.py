"""The rules: everything about a recipe that can be known before it runs, all problems at once.

`check` resolves each node to its ports (`scope`), walks the graph once in topological order, and applies every row of
`RULES` to every node. What it learnt on the way (typed values, orders, interfaces) goes into `Checked`, which the plan
is made from. Nothing is imported, opened or run here, except that model folders are listed and files are looked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

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
    bypass_inputs,
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
    "RULES", "Checked", "Finding", "Interface", "NodeView", "Rule", "Scope", "Session", "bypass_inputs", "check",
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
    scope = _Checker(Session(catalogue, files or Files()), problems).check(workflow, {}, "", ())
    if not workflow.nodes:
        problems.append(Problem("NF404", "nodes", "the recipe has no nodes", hint="add a node and declare an output"))
    return Checked(scope, problems)


class _Definition(NamedTuple):
    """A sub-workflow, where it is defined, and the definitions that can be named there (its own not included)."""

    workflow: Workflow
    place: str
    around: dict[str, _Definition]


@dataclass
class _Checker:
    """Checks a recipe and the definitions it uses, each once."""

    session: Session
    problems: list[Problem]
    done: dict[tuple[int, str], Scope] = field(default_factory=dict)

    def check(self, workflow: Workflow, around: dict[str, _Definition], place: str, stack: tuple[int, ...]) -> Scope:
        scope = Scope(workflow, place)
        known: dict[str, _Definition] = {**around} if workflow.definitions else around
        for name, inner in workflow.definitions.items():
            known[name] = _Definition(inner, f"{place}definitions.{name}.", known)
        stack = (*stack, id(workflow))

        def definition(name: str, where: str) -> Scope | None:
            if name not in scope.definitions and (inner := self._definition(name, place + where, known, stack)):
                scope.definitions[name] = inner
                scope.height = max(scope.height, inner.height + 1)
            return scope.definitions.get(name)

        for name, declared in workflow.inputs.items():
            for target in declared.to:
                node, _, port = target.partition(".")
                scope.fed[node, port] = name
        for name, part in workflow.nodes.items():
            view = resolve(name, part, self.session, definition, self.problems, place)
            if view is not None:
                scope.nodes[name] = view
        scope.order = topological(scope)
        findings = [*graph_findings(scope)]
        ordered = set(scope.order)
        every = [*scope.order, *(name for name in scope.nodes if name not in ordered)]
        for name in every:
            scope.nodes[name].outputs = output_types(scope.nodes[name], scope)
        findings += [
            found for name in every for rule in RULES for found in rule(scope.nodes[name], scope, self.session)
        ]
        scope.interface = interface_of(scope)
        findings += declared_findings(scope)
        self.problems += [found.problem(place) for found in findings]
        return scope

    def _definition(self, name: str, where: str, known: dict[str, _Definition], stack: tuple[int, ...]) -> Scope | None:
        """The definition that is meant by `name`, checked; None (and a problem) if it cannot be used."""
        found = known.get(name)
        if found is None:
            hint = did_you_mean(name, known)
            message = f"the recipe defines no sub-workflow {name!r}"
            self.problems.append(Problem("NF112", where, message, hint=hint))
            return None
        key = id(found.workflow), found.place
        inner = self.done.get(key)
        if id(found.workflow) not in stack and len(stack) <= MAX_NESTING:
            if inner is None:
                inner = self.done[key] = self.check(found.workflow, found.around, found.place, stack)
            if len(stack) + inner.height <= MAX_NESTING:
                return inner
        message = f"the sub-workflow {name!r} contains itself, or nests deeper than {MAX_NESTING}"
        self.problems.append(Problem("NF113", where, message))
        return None
