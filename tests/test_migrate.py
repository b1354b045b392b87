"""Migrations of nodes and documents."""

from __future__ import annotations

from typing import Any

import pytest

from nodeflow import migrate
from nodeflow.errors import NodeflowError
from nodeflow.migrate import FORMAT, migrate_document, migrate_node, migration
from nodeflow.op import node
from nodeflow.upgrade import upgrade
from nodeflow.workflow import Workflow
from tests.packs_for_tests import definition, keys, n, problems, recipe, run


@pytest.fixture(autouse=True)
def _own_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "_NODES", {})
    monkeypatch.setattr(migrate, "_FORMATS", {})


@node("t/power", version=3)
def power(base: int, exponent: int = 2) -> int:
    """At version 1 its input was `value` and its output `out`; at version 2 they were `number` and `result`."""
    return int(base**exponent)


def steps() -> None:
    @migration("t/power", 1)
    def one(old: dict[str, Any]) -> dict[str, Any]:
        rename = {"value": "number"}
        return {
            **old,
            "values": {rename.get(k, k): v for k, v in old["values"].items()},
            "links": {rename.get(k, k): v for k, v in old["links"].items()},
            "renamed_inputs": rename,
            "renamed_outputs": {"out": "result"},
        }

    @migration("t/power", 2)
    def two(old: dict[str, Any]) -> dict[str, Any]:
        rename = {"number": "base"}
        return {
            **old,
            "values": {rename.get(k, k): v for k, v in old["values"].items()},
            "links": {rename.get(k, k): v for k, v in old["links"].items()},
            "renamed_inputs": rename,
            "renamed_outputs": {"result": "value"},
        }


def old_recipe(version: int, port: str, output: str) -> Workflow:
    power_node = {"op": f"t/power@{version}", "values": {port: 3}}
    return recipe(
        {
            "p": power_node,
            "q": n("add", a=f"@p.{output}"),
            "d": n("workflow:d"),
            "s": n("total", items=[f"@p.{output}"]),
        },
        {"p": f"p.{output}", "q": "q.value", "d": "d.v"},
        inputs={"base": {"to": [f"p.{port}"]}},
        definitions={"d": definition({"p": power_node}, {"v": f"p.{output}"}, b=f"p.{port}")},
    )


@pytest.mark.parametrize(
    ("version", "port", "output"), [(1, "value", "out"), (2, "number", "result"), (3, "base", "value")]
)
def test_an_old_recipe_is_the_new_one(version: int, port: str, output: str) -> None:
    steps()
    old, new = old_recipe(version, port, output), old_recipe(3, "base", "value")
    found = {"t/power": power}.get
    assert upgrade(old, found) == new
    assert keys(old, power) == keys(new, power)
    assert run(old, power).values == {"p": 9, "q": 10, "d": 9}


def test_a_recipe_that_is_up_to_date_stays_the_same_object() -> None:
    workflow = old_recipe(3, "base", "value")
    assert upgrade(workflow, {"t/power": power}.get) is workflow


def test_a_version_that_nothing_leads_from_is_reported() -> None:
    (found, *_) = problems(recipe({"p": {"op": "t/power@1", "values": {"value": 3}}}), power)
    assert (found.code, found.place, found.hint) == ("NF103", "nodes.p.op", "no migration is known")


def test_a_migration_that_fails_says_which() -> None:
    @migration("t/power", 2)
    def broken(old: dict[str, Any]) -> dict[str, Any]:
        return {"values": old["values"]["nothing"]}

    with pytest.raises(NodeflowError, match=r"the migration of t/power@2 failed: KeyError: 'nothing'"):
        migrate_node("t/power", 2, 3, {"op": "t/power@2"})


def test_documents_are_brought_up_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(migrate._FORMATS, "old/1", lambda d: {**d, "format": "old/2", "steps": [1]})
    monkeypatch.setitem(migrate._FORMATS, "old/2", lambda d: {**d, "format": FORMAT, "steps": [*d["steps"], 2]})
    assert migrate_document({"format": "old/1"}) == {"format": FORMAT, "steps": [1, 2]}


def test_steps_that_go_in_a_circle_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(migrate._FORMATS, "old/1", lambda d: d)
    with pytest.raises(NodeflowError, match="NF003"):
        migrate_document({"format": "old/1"})
