"""Every rule: a recipe that breaks it, and the problem it gives, whole."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import pytest

from nodeflow.annotations import Choices
from nodeflow.files import Files
from nodeflow.op import node
from nodeflow.problems import CODES, Problem, ProblemsError
from nodeflow.registry import Catalogue, Pack
from nodeflow.rules import check
from nodeflow.workflow import Workflow
from tests.packs_for_tests import ALL, Colour, definition, n, planner, problems, recipe, refused

ROOT = Path(__file__).parents[2]
A = n("number", value=1)
NOW: list[str] = []


@node("t/pick")
def pick(name: Annotated[str, Choices(lambda: list(NOW))]) -> str:
    return name


def fed_by(op: str, **ports: Any) -> Workflow:
    """A node x after a number a, whose first output is wanted."""
    return recipe({"a": A, "x": n(op, **ports)}, {"a": "a.value"})


def quiet(found: list[Problem]) -> list[Problem]:
    """Without the warning that nothing needs x."""
    return [p for p in found if p.code != "NF110"]


ONE: list[tuple[str, Workflow, Problem]] = [
    (
        "a bad op",
        recipe({"x": {"op": "number"}}),
        Problem("NF101", "nodes.x.op", "not an op", "pack/name@version", "'number'"),
    ),
    (
        "an op without a version",
        recipe({"x": {"op": "t/number"}}),
        Problem("NF101", "nodes.x.op", "not an op", "pack/name@version", "'t/number'", "did you mean t/number@1?"),
    ),
    (
        "a version that is a digit but no number",
        recipe({"x": {"op": "t/number@²"}}),
        Problem("NF101", "nodes.x.op", "not an op", "pack/name@version", "'t/number@²'", "did you mean t/number@1?"),
    ),
    (
        "an unknown op",
        recipe({"x": {"op": "t/nubmer@1"}}),
        Problem("NF102", "nodes.x.op", "no installed pack has 't/nubmer'", hint="did you mean t/number?"),
    ),
    (
        "a newer version",
        recipe({"x": {"op": "t/number@7"}}),
        Problem("NF103", "nodes.x.op", "t/number is installed in another version", "@1", "@7", "upgrade its pack"),
    ),
    (
        "an unknown input",
        fed_by("number", value=1, vlaue=2),
        Problem("NF104", "nodes.x.values.vlaue", "t/number@1 has no such input", hint="did you mean value?"),
    ),
    (
        "an unknown linked input",
        fed_by("number", value=1, vlaue="@a.value"),
        Problem("NF104", "nodes.x.links.vlaue", "t/number@1 has no such input", hint="did you mean value?"),
    ),
    (
        "a missing input",
        fed_by("add", b=1),
        Problem("NF105", "nodes.x.a", "t/add@1 needs the input 'a'", "int", "nothing"),
    ),
    (
        "an unknown output",
        fed_by("add", a="@a.valeu"),
        Problem(
            "NF106", "nodes.x.links.a", "a (t/number@1) has no output 'valeu'", "", "'a.valeu'", "did you mean value?"
        ),
    ),
    (
        "a link to nowhere",
        fed_by("add", a="@aa.value"),
        Problem(
            "NF107",
            "nodes.x.links.a",
            "the link comes from 'aa', which is no node",
            "",
            "'aa.value'",
            "did you mean a?",
        ),
    ),
    (
        "two sources",
        recipe({"a": A, "x": {"op": "t/add@1", "values": {"a": 1}, "links": {"a": "a.value"}}}, {"a": "a.value"}),
        Problem("NF108", "nodes.x.links.a", "the input has both a value and a link", hint="remove one"),
    ),
    (
        "a node that feeds itself",
        recipe({"x": n("add", a="@x.value")}),
        Problem("NF109", "nodes.x", "these nodes feed each other: x → x", hint="remove a link"),
    ),
    (
        "a node that nothing needs",
        recipe({"a": A, "x": n("add", a="@a.value")}, {"a": "a.value"}),
        Problem(
            "NF110",
            "nodes.x",
            "no output needs this node, so it does not run",
            hint="declare an output",
            severity="warning",
        ),
    ),
    (
        "a deprecated op",
        recipe({"x": n("old", value=1)}),
        Problem("NF111", "nodes.x.op", "t/old@1 is deprecated: use t/number", severity="warning"),
    ),
    (
        "an unknown definition",
        recipe({"x": n("workflow:twcie")}, definitions={"twice": definition({"a": A}, {"y": "a.value"})}),
        Problem("NF112", "nodes.x.op", "the recipe defines no sub-workflow 'twcie'", hint="did you mean twice?"),
    ),
    (
        "an unknown body",
        recipe({"x": n("each_turn", body="twcie", count=1, y=5)}),
        Problem("NF112", "nodes.x.values.body", "the recipe defines no sub-workflow 'twcie'"),
    ),
    (
        "a definition that contains itself",
        recipe({"x": n("workflow:d")}, definitions={"d": definition({"y": n("workflow:d")}, {})}),
        Problem("NF113", "definitions.d.nodes.y.op", "the sub-workflow 'd' contains itself, or nests deeper than 32"),
    ),
    (
        "a bypass that has nothing to pass",
        recipe(
            {"x": n("picture", value=1.0, mode="bypassed"), "y": n("brightness", image="@x.image")}, {"y": "y.value"}
        ),
        Problem(
            "NF114",
            "nodes.x.mode",
            "bypassed, but it has no Image input to pass through as 'image'",
            hint="mute it, or take it out",
        ),
    ),
    (
        "a link of another type",
        fed_by("text", value="@a.value"),
        Problem("NF201", "nodes.x.links.value", "a.value does not fit x", "str", "int"),
    ),
    (
        "a list where one is wanted",
        recipe({"a": n("listed", count=2), "x": n("add", a="@a.values")}),
        Problem(
            "NF201",
            "nodes.x.links.a",
            "a.values does not fit x",
            "int",
            "list[int]",
            'the output is a list: map this node over it with "each", or pick one item',
        ),
    ),
    (
        "one where a list is wanted",
        recipe({"a": A, "x": n("total", items="@a.value")}),
        Problem(
            "NF201",
            "nodes.x.links.items",
            "a.value does not fit x",
            "list[int]",
            "int",
            'the input is a list: write the link as a list, ["node.output"]',
        ),
    ),
    (
        "several links to one",
        recipe({"a": A, "x": n("add", a=["@a.value", "@a.value"])}),
        Problem("NF201", "nodes.x.links.a", "only a list input takes several links", "int", "2 links"),
    ),
    (
        "a value out of range",
        recipe({"x": n("options", amount=1.5)}),
        Problem("NF202", "nodes.x.values.amount", "the value is out of range", "0 to 1", "1.5"),
    ),
    (
        "an optional value out of range",
        recipe({"x": n("options", maybe=10)}),
        Problem("NF202", "nodes.x.values.maybe", "the value is out of range", "0 to 9", "10"),
    ),
    (
        "no literal of these",
        recipe({"x": n("options", speed="fats")}),
        Problem(
            "NF203", "nodes.x.values.speed", "not one of the choices", "fast, slow", "'fats'", "did you mean fast?"
        ),
    ),
    (
        "no member of the enum",
        recipe({"x": n("options", colour="rod")}),
        Problem("NF203", "nodes.x.values.colour", "not one of the choices", "red, blue", "'rod'", "did you mean red?"),
    ),
    (
        "none of the choices there are now",
        recipe({"x": n("options", picked="twoo")}),
        Problem(
            "NF203", "nodes.x.values.picked", "not one of the choices now", "one, two", "'twoo'", "did you mean two?"
        ),
    ),
    (
        "text for a number",
        recipe({"x": n("number", value="5")}),
        Problem(
            "NF204", "nodes.x.values.value", "the value has the wrong type", "int", "'5'", "write 5 without quotes"
        ),
    ),
    (
        "a boolean for a number",
        recipe({"x": n("number", value=True)}),
        Problem("NF204", "nodes.x.values.value", "the value has the wrong type", "int", "True"),
    ),
    (
        "half a number",
        recipe({"x": n("number", value=1.5)}),
        Problem("NF204", "nodes.x.values.value", "the value has the wrong type", "int", "1.5"),
    ),
    (
        "a number for a boolean",
        recipe({"x": n("truth", value=1)}),
        Problem("NF204", "nodes.x.values.value", "the value has the wrong type", "bool", "1"),
    ),
    (
        "a value where only a link can be",
        recipe({"x": n("brightness", image=[1, 2])}),
        Problem(
            "NF205", "nodes.x.values.image", "this input takes no written value", "a link of type Image", "a list of 2"
        ),
    ),
    (
        "mapped over what is no list",
        recipe({"x": n("number", value=1, each=["value"])}),
        Problem("NF206", "nodes.x.values.value", "a mapped input takes a list", "a list of int", "1"),
    ),
    (
        "mapped over lists of two lengths",
        recipe({"x": n("add", a=[1, 2], b=[1, 2, 3], each=["a", "b"])}),
        Problem("NF206", "nodes.x.each", "lists that are walked together differ in length", "one length", "a: 2, b: 3"),
    ),
    (
        "mapped by both",
        recipe({"x": {**n("add", a=[1], b=[1]), "each": ["a", "b"], "product": ["b"]}}),
        Problem("NF206", "nodes.x.each", "a node is mapped either by each or by product", hint="remove one"),
    ),
    (
        "a mapped body",
        recipe(
            {"x": n("each_turn", body=["d"], count=1, each=["body"]), "y": n("add", a="@x.y")},
            {"y": "y.values"},
            definitions={"d": definition({"a": A}, {"y": "a.value"})},
        ),
        Problem("NF206", "nodes.x.each", "'body' cannot be mapped: it decides which inputs the node has"),
    ),
    (
        "mapped over a list that is made while running",
        recipe({"l": n("listed", count=3), "x": n("add", a="@l.values", each=["a"])}),
        Problem(
            "NF207",
            "nodes.x.links.a",
            "the length of this list is known only while running",
            hint="write the list as a value, or use flow/map",
        ),
    ),
    (
        "a declared input that leads nowhere",
        recipe({"a": A}, inputs={"seed": {"to": ["b.value"]}}),
        Problem("NF401", "inputs.seed", "'b.value' is no input: there is no node 'b'", hint="known: a"),
    ),
    (
        "a declared input that leads to no port",
        recipe({"a": A}, inputs={"seed": {"to": ["a.vlaue"]}}),
        Problem("NF401", "inputs.seed", "t/number@1 has no input 'vlaue'", "", "a.vlaue", "did you mean value?"),
    ),
    (
        "a declared output of no node",
        recipe({"a": A}, {"x": "b.value"}),
        Problem("NF402", "outputs.x", "there is no node 'b'", "", "'b.value'", "known: a"),
    ),
    (
        "a declared output of no port",
        recipe({"a": A}, {"x": "a.vlaue"}),
        Problem("NF402", "outputs.x", "t/number@1 has no output 'vlaue'", "", "'a.vlaue'", "did you mean value?"),
    ),
    (
        "a declared input of ports that hold different values",
        recipe({"x": n("add", a=1, b=2)}, inputs={"n": {"to": ["x.a", "x.b"]}}),
        Problem(
            "NF403", "inputs.n", "the ports it feeds hold different values; the first counts", "", "1, 2", "", "warning"
        ),
    ),
    (
        "nothing to run",
        recipe({}),
        Problem("NF404", "nodes", "the recipe has no nodes", hint="add a node and declare an output"),
    ),
]


@pytest.mark.parametrize(("workflow", "expected"), [case[1:] for case in ONE], ids=[case[0] for case in ONE])
def test_one_problem(workflow: Workflow, expected: Problem) -> None:
    found = problems(workflow)
    assert expected in found
    assert [p for p in quiet(found) if p != expected and p.code not in ("NF106", "NF206", "NF402")] == []


def test_files_that_are_missing_outside_or_of_another_kind(tmp_path: Path) -> None:
    root, models = tmp_path / "in", tmp_path / "models"
    (models / "checkpoints").mkdir(parents=True)
    root.mkdir()
    (models / "checkpoints" / "shapes.safetensors").touch()
    (root / "note.txt").touch()
    (root / "picture.png").touch()
    files = Files((models,), (root,))
    nodes = {
        "good": n("read", file="note.txt"),
        "m": n("load", model="shpaes"),
        "f": n("read", file="nte.txt"),
        "o": n("read", file="../secret.txt"),
        "p": n("read", file="picture.png"),
        "muted": n("read", file="none.txt", mode="muted"),
    }
    assert problems(recipe(nodes), files=files) == [
        Problem(
            "NF301", "nodes.m.values.model", "no model named 'shpaes' in checkpoints",
            f"a file or folder in {models / 'checkpoints'}", "", "did you mean shapes.safetensors?",
        ),
        Problem("NF302", "nodes.f.values.file", "no file 'nte.txt'", hint="did you mean note.txt?"),
        Problem(
            "NF303", "nodes.o.values.file", "the file lies outside the folders that recipes may read",
            f"a file inside {root}", "'../secret.txt'", "copy it there, or add its folder to input_roots",
        ),
        Problem("NF304", "nodes.p.values.file", "'picture.png' is not of this kind", ".txt", ".png"),
    ]  # fmt: skip


def test_a_pack_that_could_not_be_loaded_is_named() -> None:
    def broken() -> object:
        raise ImportError("no module named sound")

    catalogue = Catalogue([Pack("audio", "audio_pack", load=broken), Pack("t", "x", ops={op.name: op for op in ALL})])
    found = check(recipe({"x": {"op": "audio/play@1"}}), catalogue).problems
    message = "the pack 'audio' could not be loaded: ImportError: no module named sound"
    assert found == [Problem("NF116", "nodes.x.op", message, hint="see: nodeflow doctor")]


@pytest.mark.parametrize("op", ["number", "anything", "text"])
def test_a_number_that_cannot_be_written_is_refused(op: str) -> None:
    (found,) = [p for p in problems(recipe({"x": n(op, value=10**6000)})) if p.severity == "error"]
    assert (found.code, found.got) == ("NF202", "a whole number of about 6000 digits")


def test_too_large_a_product() -> None:
    many = list(range(1000))
    workflow = recipe({"x": n("add", a=many, b=many, product=["a", "b"])})
    expected = Problem("NF115", "nodes.x", "more than 200,000 node runs")
    assert refused(lambda: planner().plan(workflow)) == [expected]


def test_a_recipe_that_grows_with_each_level_is_refused_soon() -> None:
    # d0 has two d1, each has two d2, ... : 2^30 of the innermost, which have nothing in them but a bypassed node
    def level(i: int) -> dict[str, Any]:
        inner = {"l": n(f"workflow:d{i + 1}", v=1), "r": n(f"workflow:d{i + 1}", v=1)}
        return definition(inner, {"v": "l.v"}, v="l.v")

    definitions = {f"d{i}": level(i) for i in range(30)}
    definitions["d30"] = definition({"x": n("add", a=1, mode="bypassed")}, {"v": "x.value"}, v="x.a")
    workflow = recipe({"x": n("workflow:d0", v=1)}, {"v": "x.v"}, definitions=definitions)
    assert quiet(problems(workflow)) == []
    assert [p.code for p in refused(lambda: planner().plan(workflow))] == ["NF115"]


def test_a_product_over_nodes_that_do_not_run_is_refused_too() -> None:
    many = list(range(1000))
    still = definition({"x": n("add", mode="muted")}, {"v": "x.value"}, a="x.a", b="x.b")
    workflow = recipe(
        {"x": n("workflow:still", a=many, b=many, product=["a", "b"])}, {"v": "x.v"}, definitions={"still": still}
    )
    assert [p.code for p in refused(lambda: planner().plan(workflow))] == ["NF115"]


def test_definitions_that_use_all_later_ones_are_checked_once_each() -> None:
    def level(i: int) -> dict[str, Any]:
        inner: dict[str, Any] = {f"u{j}": n(f"workflow:d{j}") for j in range(i + 1, 30)}
        return definition({**inner, "bad": n("number", value="x")}, {})

    definitions = {f"d{i}": level(i) for i in range(30)}
    found = quiet(problems(recipe({"x": n("workflow:d0")}, definitions=definitions)))
    assert sorted(p.place for p in found) == sorted(f"definitions.d{i}.nodes.bad.values.value" for i in range(30))


def test_definitions_that_nest_too_deeply() -> None:
    definitions = {f"d{i}": definition({"x": n(f"workflow:d{i + 1}")}, {}) for i in range(60)}
    definitions["d60"] = definition({"a": A}, {})
    found = quiet(
        problems(
            recipe({"x": n("workflow:d40"), "y": n("workflow:d20"), "z": n("workflow:d0")}, definitions=definitions)
        )
    )
    assert {p.code for p in found} == {"NF113"}


def test_a_definition_sees_the_names_around_where_it_stands() -> None:
    # "inner" means the outer recipe's for d, though the definition e that uses d has an "inner" of its own
    inner = definition({"a": n("number", value=1)}, {"y": "a.value"})
    other = definition({"a": n("text", value="x")}, {"z": "a.text"})
    d = definition({"i": n("workflow:inner"), "x": n("add", a="@i.y")}, {"y": "x.value"})
    e = definition({"d": n("workflow:d"), "o": n("workflow:inner"), "t": n("text", value="@o.z")}, {"y": "d.y"})
    workflow = recipe(
        {"e": n("workflow:e")},
        {"y": "e.y"},
        definitions={"inner": inner, "d": d, "e": {**e, "definitions": {"inner": other}}},
    )
    assert quiet(problems(workflow)) == []


def test_declared_inputs_without_a_value() -> None:
    workflow = recipe({"x": n("add", b=1)}, {"y": "x.value"}, inputs={"number": {"to": ["x.a"]}})
    assert problems(workflow) == []
    expected = Problem(
        "NF406", "inputs.number", "the declared input has no value", "int", "", "give one: --set number=…"
    )
    assert refused(lambda: planner().plan(workflow)) == [expected]
    assert planner().plan(workflow.with_inputs({"number": 5})).steps[0].values == {"a": 5, "b": 1}


@pytest.mark.parametrize(
    ("target", "message", "hint"),
    [
        ("dcode", "no output or node of this name", "did you mean decode?"),
        ("x.valeu", "no output or node of this name", "did you mean"),
        ("off", "it is muted, or needs a node that is", "set its mode to active"),
        ("behind", "it is muted, or needs a node that is", "set its mode to active"),
    ],
)
def test_targets_that_are_none(target: str, message: str, hint: str) -> None:
    nodes = {"x": A, "decode": n("add", a="@x.value"), "off": n("number", value=2, mode="muted")}
    workflow = recipe({**nodes, "y": n("add", a="@off.value")}, {"image": "decode.value", "behind": "y.value"})
    (found,) = refused(lambda: planner().plan(workflow, targets=[target]))
    assert (found.code, found.place, found.message) == ("NF407", target, message)
    assert hint in found.hint or target == "x.valeu"


def test_a_port_has_one_declared_input() -> None:
    workflow = recipe(
        {"x": n("add", a=1, b=2)}, {"y": "x.value"}, inputs={"p": {"to": ["x.a", "x.a"]}, "q": {"to": ["x.b", "x.a"]}}
    )
    message = "'x.a' is fed by the declared input 'p' already"
    assert [p for p in problems(workflow) if p.severity == "error"] == [
        Problem("NF108", "inputs.q", message, hint="remove it from one of them")
    ]


def test_cycles_are_printed_whole() -> None:
    #  a → b → c → a      d → e → d      f behind the first
    nodes = {
        "a": n("add", a="@c.value"),
        "b": n("add", a="@a.value"),
        "c": n("add", a="@b.value"),
        "d": n("add", a="@e.value"),
        "e": n("add", a="@d.value"),
        "f": n("add", a="@c.value"),
    }
    found = problems(recipe(nodes))
    assert sorted((p.code, p.place, p.message) for p in found) == [
        ("NF109", "nodes.a", "these nodes feed each other: a → b → c → a"),
        ("NF109", "nodes.d", "these nodes feed each other: d → e → d"),
    ]


def test_a_cycle_of_five_thousand() -> None:
    nodes = {f"n{i}": n("add", a=f"@n{(i - 1) % 5000}.value") for i in range(5000)}
    (found,) = problems(recipe(nodes))
    assert (found.code, found.message.count("→")) == ("NF109", 5000)


def test_ten_faults_are_ten_problems() -> None:
    workflow = recipe(
        {
            "one": {"op": "t/nubmer@1"},
            "two": n("number", value="5"),
            "three": n("options", amount=7),
            "four": n("add", b=1),
            "five": n("add", a="@nobody.value"),
            "six": n("text", value="@good.value"),
            "seven": n("number", value=1, extra=2),
            "eight": n("workflow:none"),
            "nine": n("add", a="@ten.value", b="x"),
            "ten": n("add", a="@nine.value"),
            "good": n("number", value=1),
        },
        {"x": "good.vlaue"},
    )
    found = [p for p in problems(workflow) if p.severity == "error"]
    assert sorted(p.code for p in found) == [
        "NF102", "NF104", "NF105", "NF107", "NF109", "NF112", "NF201", "NF202", "NF204", "NF204", "NF402",
    ]  # fmt: skip
    assert {p.place.split(".")[1] for p in found} == {
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "x",
    } | ({"ten"} if any(p.place == "nodes.ten" for p in found) else set())  # fmt: skip
    with pytest.raises(ProblemsError) as raised:
        planner().plan(workflow)
    assert list(raised.value.problems) == found
    assert len(str(raised.value).splitlines()) == 11


def test_ten_thousand_mistakes_are_found_in_time() -> None:
    nodes = {"right": n("add", a="@rihgt.value"), **{f"n{i}": n("add", a=f"@nn{i}.value") for i in range(10_000)}}
    begun = time.process_time()
    found = [p for p in problems(recipe(nodes, {"right": "right.value"})) if p.code == "NF107"]
    assert (len(found), found[0].hint) == (10_001, "did you mean right?")
    assert time.process_time() - begun < 8  # 1 s; a walk through all names for each of them took 20 s


def test_what_is_right_has_no_problems() -> None:
    workflow = recipe(
        {
            "a": A,
            "r": n("real", value="@a.value"),
            "s": n("same", value="@r.value"),
            "r2": n("real", value="@s.value"),
            "t": n("total", items=["@a.value", "@a.value"]),
            "o": n("options", amount=1, colour="blue", hue="red", note=None, maybe=None, seed="18446744073709551615"),
            "m": n("add", a=[1, 2], b=3, each=["a"]),
            "u": n("total", items="@m.value"),
            "k": n("same", value="@m.value", each=["value"]),
            "v": n("total", items="@k.value"),
        }
    )
    assert problems(workflow) == []


def test_typed_values() -> None:
    nodes = {"o": n("options", amount=1, colour="blue", hue="red", seed="18446744073709551615")}
    (step,) = planner().plan(recipe(nodes)).steps
    assert step.values == {"amount": 1.0, "colour": Colour.BLUE, "hue": Colour.RED, "seed": 2**64 - 1}
    assert type(step.values["amount"]) is float


def test_choices_are_asked_for_each_time() -> None:
    NOW[:] = ["a"]
    workflow = recipe({"p": n("pick", name="b")})
    assert [p.code for p in problems(workflow, pick)] == ["NF203"]
    NOW.append("b")
    assert problems(workflow, pick) == []


def test_every_code_is_documented_and_used() -> None:
    engine = Path(__file__).parents[2] / "nodeflow"
    source = "".join(path.read_text() for path in engine.rglob("*.py") if path.name != "problems.py")
    assert [code for code in CODES if f'"{code}"' not in source] == []


def test_bypassed_nodes_are_judged_in_time() -> None:
    nodes = {"n0": A, **{f"n{i}": n("add", a=f"@n{i - 1}.value", mode="bypassed") for i in range(1, 10_000)}}
    begun = time.process_time()
    assert problems(recipe(nodes, {"x": "n9999.value"})) == []
    assert time.process_time() - begun < 5  # 0.2 s; looking through all links for each of them took 60 s


def test_problems_come_in_the_same_order_in_every_process() -> None:
    # sets of names are walked in another order with another hash seed
    names = "abcdefghij"
    both = {"op": "t/number@1", "values": dict.fromkeys(names, 1), "links": dict.fromkeys(names, "x.value")}
    ring = {f"r{i}": n("add", a=f"@r{(i * 7 + 1) % 20}.value", b=f"@r{(i * 3 + 2) % 20}.value") for i in range(20)}
    script = (
        "import json, sys; from tests.packs_for_tests import problems, Workflow\n"
        "for p in problems(Workflow.parse(sys.stdin.read())): print(p)"
    )
    document = recipe({"x": A, "both": both, **ring}).text()

    def said(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script]
        return subprocess.run(
            command, input=document, env=environment, cwd=ROOT, text=True, capture_output=True, check=True
        ).stdout

    first = said("0")
    assert "these nodes feed each other: r" in first
    assert first.count("both a value and a link") == len(names)
    assert {said(str(seed)) for seed in range(1, 4)} == {first}
