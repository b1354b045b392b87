"""`nodeflow plan` and `nodeflow why`: what would run, and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli import shapes
from tests.cli.conftest import Cli, Done, recipe

Here = Callable[..., Done]


def states(document: Any) -> dict[str, str]:
    return {step["id"]: step["state"] for step in document["steps"]}


def test_plan_before_and_after_a_run(cli: Cli, here: Here, hello: str) -> None:
    done = cli("plan", hello)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["node", "op", "state", "key", "why"]
    assert "no earlier run of it is known" in lines[1]
    assert lines[-1] == "5 steps: 5 would run"
    assert here("run", hello).code == 0
    assert cli("plan", hello).out.splitlines()[-1] == "5 steps: 2 cached, 3 not needed"


def test_a_damaged_record_costs_the_reasons_only(here: Here, cli: Cli, hello: str) -> None:
    home = cli.folder.parent / "home"
    (home / "runs.db").write_bytes(b"no database" * 100)
    done = here("plan", hello)
    assert done.code == 0
    assert done.out.splitlines()[-1] == "5 steps: 5 would run"
    assert "warning: " in done.err
    assert "the file is damaged" in done.err


def test_plan_says_what_a_change_costs_and_why(here: Here, hello: str) -> None:
    here("run", hello)
    document = shapes.fits(here("plan", hello, "--set", "n=9", "--json").json, shapes.PLAN)
    assert states(document) == {
        "text": "not needed",
        "steady": "not needed",
        "sum": "run",
        "export:said": "cached",
        "export:sum": "run",
    }
    steps = {step["id"]: step for step in document["steps"]}
    assert steps["sum"]["why"] == "b: 3.0 → 9.0"
    assert steps["sum"]["changed"] == [{"part": "values.b", "then": {"float": "3.0"}, "now": {"float": "9.0"}}]
    assert steps["export:sum"]["why"] == "input value changed (from sum)"
    assert steps["export:sum"]["inputs"] == {"value": ["sum.value"]}
    assert document["outputs"]["sum"] == steps["sum"]["key"] + ".value"


def test_plan_agrees_with_the_run(here: Here, hello: str) -> None:
    here("run", hello)
    for values in (["word=bye"], ["n=9"], ["word=bye", "n=9"], ["n=9"]):
        settings = [part for value in values for part in ("--set", value)]
        planned = here("plan", hello, "--json", *settings).json["counts"]
        ran = here("run", hello, "--json", *settings).json["counts"]
        assert planned.get("run", 0) == ran["computed"]
        assert planned.get("cached", 0) == ran["cached"]


def test_plan_of_a_target(here: Here, hello: str) -> None:
    assert list(states(here("plan", hello, "--target", "steady", "--json").json)) == ["text", "steady"]


def test_lazy_inputs_run_only_if_asked(here: Here, cli: Cli) -> None:
    nodes = {
        "yes": {"op": "trial/text@1", "values": {"text": "yes"}},
        "no": {"op": "trial/text@1", "values": {"text": "no"}},
        "switch": {
            "op": "value/switch@1",
            "values": {"condition": True},
            "links": {"if_true": "yes.text", "if_false": "no.text"},
        },
    }
    ports = here("describe", "value/switch", "--json").json["inputs"]
    names = [port["name"] for port in ports]
    lazy = [port["name"] for port in ports if port.get("lazy")]
    nodes["switch"]["values"] = {next(n for n in names if n not in lazy): True}  # type: ignore[index]
    nodes["switch"]["links"] = dict(zip(lazy, ("yes.text", "no.text"), strict=True))  # type: ignore[index]
    output = here("describe", "value/switch", "--json").json["outputs"][0]["name"]
    cli.write("switch.json", recipe(nodes, {"o": f"switch.{output}"}))
    found = states(here("plan", "switch.json", "--json").json)
    assert (found["yes"], found["no"], found["switch"]) == ("if asked", "if asked", "run")


def test_problems_of_a_plan(here: Here, cli: Cli, hello: str) -> None:
    cli.write("bad.json", recipe({"a": {"op": "trial/ad@1"}}, {"o": "a.value"}))
    done = here("plan", "bad.json")
    assert done.code == 3
    assert done.err.startswith("bad.json: error NF102")
    assert here("plan", hello, "--set", "q=1").code == 2


def test_planning_leaves_nothing_behind(here: Here, cli: Cli, hello: str, tmp_path: Path) -> None:
    before = {p.name for p in cli.folder.iterdir()}
    assert here("plan", hello).code == 0
    assert here("check", hello).code == 0
    assert [p.name for p in (tmp_path / "home").iterdir()] == ["packs.json"]
    assert {p.name for p in cli.folder.iterdir()} == before


def keys_of(here: Here, name: str, *arguments: str) -> dict[str, str]:
    return {step["id"]: step["key"] for step in here("plan", name, "--json", *arguments).json["steps"]}


def test_why_finds_the_root_cause(here: Here, cli: Cli, hello: str) -> None:
    here("run", hello)
    here("run", hello, "--set", "word=bye")
    a, b = keys_of(here, hello), keys_of(here, hello, "--set", "word=bye")
    done = here("why", a["steady"][:10], b["steady"][:10])
    assert done.code == 0
    assert f"first difference: inputs.text: {a['text'][:12]}.text and {b['text'][:12]}.text" in done.out
    assert "root cause: text (trial/text@1," in done.out
    assert "values.text: 'good morning' and 'bye'" in done.out
    document = shapes.fits(here("why", a["steady"], b["steady"], "--json").json, shapes.WHY)
    assert [(item["path"], item["root_cause"]) for item in document["compared"]] == [([], False), (["text"], True)]


def test_why_of_equal_and_of_unlike_keys(here: Here, hello: str) -> None:
    here("run", hello)
    keys = keys_of(here, hello)
    assert "the same op" in here("why", keys["sum"][:8], keys["sum"]).out
    done = here("why", keys["sum"], keys["text"])
    assert "op: 'trial/add' and 'trial/text'" in done.out


@pytest.mark.parametrize("key", ["abc", "not hex", "", "0" * 12, "../../.."])
def test_why_of_keys_that_are_none(here: Here, hello: str, key: str) -> None:
    here("run", hello)
    done = here("why", key, keys_of(here, hello)["sum"])
    assert done.code == 2
    assert done.err.count("\n") == 1


def test_why_as_a_process(cli: Cli, here: Here, hello: str) -> None:
    here("run", hello)
    sums = [keys_of(here, hello, *more)["sum"] for more in ((), ("--set", "n=3"))]
    done = cli("why", *sums)
    assert done.code == 0
    assert sums[0] == sums[1]
    assert "the same op" in done.out
