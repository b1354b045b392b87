"""The plan: a checked recipe pruned to what is wanted, every result named by its key before anything runs.

A pure function of the recipe, the installed code, the files' contents and the numeric class: the same plan on every
machine of that class. The run loop gets plain arrays from here: steps in an order in which each follows its inputs.
"""

from __future__ import annotations

import contextlib
import gc
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from blake3 import blake3

from nodeflow.expand import Expansion, Instance, expand, externals
from nodeflow.files import FileProblem, Files
from nodeflow.keys import Const, OpHead, Ref, Source, make_key
from nodeflow.op import Op
from nodeflow.problems import Problem, ProblemsError, did_you_mean
from nodeflow.registry import Catalogue
from nodeflow.rules import Checked, Scope, check
from nodeflow.steps import Plan, Step, needs_of, refs
from nodeflow.workflow import Workflow

_Bodies: TypeAlias = dict[int, tuple[str, bool]]
"""Of the sub-workflows that control-flow nodes run, by the `id` of their scopes: digest, and whether they write files.
Known as long as one plan is made."""


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: checking and planning make many objects that all live on, and looking through
    them again and again took a fifth of the time at 10,000 nodes."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Planner:
    """Makes plans with one catalogue, one set of files and one numeric class; keeps what all plans share."""

    def __init__(self, catalogue: Catalogue, files: Files, numeric: str) -> None:
        self.catalogue = catalogue
        self.files = files
        self.numeric = numeric
        self._heads: dict[str, OpHead] = {}

    def check(self, workflow: Workflow) -> Checked:
        with collector_paused():
            return check(workflow, self.catalogue, self.files)

    def plan(
        self,
        recipe: Workflow | Checked,
        *,
        targets: Iterable[str] | None = None,
        external_keys: Mapping[str, str] | None = None,
    ) -> Plan:
        """Plan a recipe.

        Args:
            targets: declared outputs, node ids or `node.output` (several, or the name of one); None: all outputs and
                all nodes with effects.
            external_keys: keys of declared inputs whose values will be handed over when the plan runs.

        Raises:
            ProblemsError: with everything that is wrong.
        """
        checked = recipe if isinstance(recipe, Checked) else self.check(recipe)
        if not checked.ok:
            raise ProblemsError(checked.errors)
        wanted = [targets] if isinstance(targets, str) else None if targets is None else list(targets)
        with collector_paused():
            return self._plan(checked, wanted, dict(external_keys or {}), {})

    def _plan(
        self, checked: Checked, targets: list[str] | None, external_keys: dict[str, str], bodies: _Bodies
    ) -> Plan:
        expansion = expand(checked.scope, externals(external_keys))
        wanted = _wanted(checked.scope, expansion, targets)
        kept = _prune(expansion.instances, wanted)
        return self._finish(checked, expansion, kept, wanted, targets, external_keys, bodies)

    def _finish(
        self,
        checked: Checked,
        expansion: Expansion,
        kept: list[int],
        wanted: list[int],
        targets: list[str] | None,
        external_keys: dict[str, str],
        bodies: _Bodies,
    ) -> Plan:
        new_index = {old: new for new, old in enumerate(kept)}
        steps: list[Step] = []
        keys: list[str] = []
        problems: list[Problem] = []
        twins: dict[int, list[int]] = {}
        first: dict[str, int] = {}
        renumber = len(kept) != len(expansion.instances)
        for new, old in enumerate(kept):
            instance = expansion.instances[old]
            op = instance.op
            inputs = {p: _moved(s, new_index) for p, s in instance.inputs.items()} if renumber else instance.inputs
            values = self._resolved(instance, problems)
            body, effects = self._body_digest(instance, bodies) if instance.body is not None else ("", False)
            nonce = "" if op.cacheable else secrets.token_hex(16)
            needs, on_demand = needs_of(inputs, op.lazy)
            step = Step(new, instance.id, op, "", values, inputs, needs, on_demand, instance.body, body, effects)
            step.key = make_key(self.head(op), step.own_values, inputs, keys, external_keys, body, nonce)
            keys.append(step.key)
            steps.append(step)
            if (same := first.setdefault(step.key, new)) != new and not step.has_effects:
                new_index[old] = same
                twins.setdefault(same, []).append(new)
                renumber = True
        if problems:
            raise ProblemsError(problems)
        outputs = {
            name: _moved(source, new_index)
            for name, source in expansion.outputs.items()
            if all(r.step in new_index for r in refs(source))
        }
        if targets is not None:
            chosen = set(targets)
            outputs = {k: s for k, s in outputs.items() if k in chosen}
        return Plan(
            checked.scope.workflow,
            steps,
            outputs,
            list(dict.fromkeys(new_index[i] for i in wanted)),
            self.numeric,
            expansion.muted,
            [p for p in checked.problems if p.severity == "warning"],
            external_keys,
            twins,
            self._heads,
        )

    def head(self, op: Op) -> OpHead:
        head = self._heads.get(op.name)
        if head is None:
            head = self._heads[op.name] = OpHead(op, self.catalogue.code_digest(op.name), self.numeric)
        return head

    def _resolved(self, instance: Instance, problems: list[Problem]) -> dict[str, Any]:
        """The literals with file names replaced by files and their content digests."""
        if not any(port.is_file for port in instance.op.inputs.values()):
            return instance.values
        values = dict(instance.values)
        for name, value in values.items():
            port = instance.op.inputs.get(name)
            if port is not None and port.is_file and value is not None:
                try:
                    one = isinstance(value, str)
                    found = [self.files.resolve(port, v) for v in ([value] if one else value)]
                    values[name] = found[0] if one else found
                except FileProblem as error:
                    problems.append(error.problem(f"nodes.{instance.id}.values.{name}"))
        return values

    def _body_digest(self, instance: Instance, known: _Bodies) -> tuple[str, bool]:
        """A digest of what a control-flow node's sub-workflow computes: the keys of its outputs, and of its nodes with
        effects, for unknown inputs; and whether it has such nodes. Found once, however many nodes run it."""
        assert instance.body is not None
        if (found := known.get(id(instance.body))) is not None:
            return found
        placeholders = {name: f"input:{name}" for name in instance.body.interface.inputs}
        plan = self._plan(Checked(instance.body, []), None, placeholders, known)
        text = "\n".join(f"{name}={plan.key_of(source)}" for name, source in sorted(plan.outputs.items()))
        effects = sorted(step.key for step in plan.steps if step.has_effects)
        digest = blake3("\n".join([text, *effects]).encode()).hexdigest()
        known[id(instance.body)] = digest, bool(effects)
        return known[id(instance.body)]


def _moved(source: Source, new_index: dict[int, int]) -> Source:
    if type(source) is Ref:
        return Ref(new_index[source.step], source.port)
    return [_moved(s, new_index) for s in source] if isinstance(source, list) else source


def _wanted(scope: Scope, expansion: Expansion, targets: Iterable[str] | None) -> list[int]:
    """Indices of the instances that a run is for."""
    found: dict[int, None] = {}
    if targets is not None:
        problems = []
        for name in targets:
            source = _target(name, expansion)
            if source is None:
                known = [*expansion.outputs, *expansion.nodes]
                muted = not {name, name.partition(".")[0], f"outputs.{name}"}.isdisjoint(expansion.muted)
                message = "it is muted, or needs a node that is" if muted else "no output or node of this name"
                hint = "set its mode to active" if muted else did_you_mean(name, known)
                problems.append(Problem("NF407", name[:80], message, hint=hint))
            else:
                found.update(dict.fromkeys(r.step for r in refs(source)))
        if problems:
            raise ProblemsError(problems)
        return list(found)
    for source in expansion.outputs.values():
        found.update(dict.fromkeys(r.step for r in refs(source)))
    found.update(dict.fromkeys(i for i, instance in enumerate(expansion.instances) if _has_effects(instance)))
    if not found and not scope.workflow.outputs:
        used = {r.step for instance in expansion.instances for s in instance.inputs.values() for r in refs(s)}
        found.update(dict.fromkeys(i for i in range(len(expansion.instances)) if i not in used))
    return list(found)


def _has_effects(instance: Instance) -> bool:
    """Whether an instance, or the sub-workflow it runs, writes files."""
    return instance.op.effects or (instance.body is not None and instance.body.has_effects)


def _target(name: str, expansion: Expansion) -> Source | None:
    if name in expansion.outputs:
        return expansion.outputs[name]
    node, _, port = name.partition(".")
    outputs = expansion.nodes.get(node)
    if outputs is None:
        matching: list[Source] = [Ref(i, "") for i, x in enumerate(expansion.instances) if x.id == name]
        return matching or None
    return outputs.get(port) if port else list(outputs.values())


def _prune(instances: list[Instance], wanted: list[int]) -> list[int]:
    """Indices of the wanted instances and everything they need, in order."""
    keep = bytearray(len(instances))
    todo = list(wanted)
    while todo:
        index = todo.pop()
        if not keep[index]:
            keep[index] = 1
            for source in instances[index].inputs.values():
                if type(source) is Ref:
                    todo.append(source.step)
                else:
                    todo += [r.step for r in refs(source)]
    return [i for i in range(len(instances)) if keep[i]]


def with_exports(plan: Plan, planner: Planner, op: Op, *, values: bool = True) -> tuple[Plan, dict[str, int]]:
    """The plan with a step per declared output that writes it as files.

    Args:
        op: the export op, with one input `value`. values: whether the outputs' own values stay targets of the run;
            if not, a cached export makes the value itself unnecessary.

    Returns:
        The new plan, and the index of the export step of each output.
    """
    steps = list(plan.steps)
    keys = [step.key for step in steps]
    exports: dict[str, int] = {}
    for name, source in plan.outputs.items():
        inputs: dict[str, Source] = {} if isinstance(source, Const) else {"value": source}
        literals = {"value": source.value} if isinstance(source, Const) else {}
        key = make_key(planner.head(op), literals, inputs, keys, plan.external_keys)
        index = exports[name] = len(steps)
        steps.append(Step(index, f"export:{name}", op, key, literals, inputs, needs_of(inputs, ())[0]))
    wanted = {r.step for source in plan.outputs.values() for r in refs(source)}
    kept = plan.targets if values else [i for i in plan.targets if i not in wanted or plan.steps[i].has_effects]
    return replace(plan, steps=steps, targets=[*kept, *exports.values()]), exports
