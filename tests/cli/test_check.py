"""`nodeflow check` and `nodeflow schema`, and what hostile recipes do to any command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from nodeflow.cli.reference import reference
from tests.cli import shapes
from tests.cli.conftest import ROOT, Cli, Done, recipe

Here = Callable[..., Done]


def test_check_finds_everything_in_all_files(cli: Cli, hello: str) -> None:
    nodes = {
        "a": {"op": "trial/ad@1"},
        "b": {"op": "trial/add@1", "values": {"a": 1, "b": 5000}},
        "c": {"op": "trial/text@1", "links": {"text": "b.value"}},
    }
    cli.write("bad.json", recipe(nodes, {"o": "c.text", "p": "b.value"}))
    done = cli("check", hello, "bad.json", "nothing.json")
    assert done.code == 4
    lines = done.out.splitlines()
    assert lines[0] == "hello.json: no problems"
    assert lines[1].startswith("bad.json: error NF102 unknown-op: nodes.a.op: ")
    assert any("NF202 out-of-range: nodes.b.values.b: " in line and "-1000 to 1000" in line for line in lines)
    assert any("NF201 type-mismatch: nodes.c.links.text" in line for line in lines)
    assert "bad.json: 3 errors" in lines
    assert "nothing.json: no such file" in done.out


def test_check_as_json(here: Here, cli: Cli, hello: str) -> None:
    nodes = {"a": {"op": "trial/text@1"}, "unused": {"op": "trial/text@1"}}
    cli.write("warned.json", recipe(nodes, {"o": "a.text"}))
    done = here("check", hello, "warned.json", "--json")
    document = shapes.fits(done.json, shapes.CHECK)
    assert (done.code, document["ok"]) == (0, True)
    assert [len(f["problems"]) for f in document["files"]] == [0, 1]
    strict = here("check", "warned.json", "--json", "--strict")
    assert (strict.code, strict.json["ok"], strict.json["files"][0]["ok"]) == (3, False, False)


def test_check_from_standard_input(here: Here, cli: Cli, hello: str) -> None:
    assert here("check", "-", stdin=(cli.folder / hello).read_text()).code == 0


NODE = '"a":{"op":"trial/text@1"}'
HOSTILE = {
    "empty": "",
    "blanks": " \n ",
    "cut off": '{"format": "nodeflow/1", "nodes": {',
    "a number": "42",
    "a text": '"nodeflow/1"',
    "nothing": "null",
    "a list": "[]",
    "no format": "{}",
    "newer": '{"format": "nodeflow/99", "nodes": {}}',
    "deep": '{"format":"nodeflow/1","layout":' + '{"a":' * 200_000 + "1" + "}" * 200_001,
    "deep list": "[" * 200_000,
    "twice": '{"format":"nodeflow/1","nodes":{' + NODE + "," + NODE + "}}",
    "not a number": '{"format":"nodeflow/1","nodes":{"a":{"op":"trial/add@1","values":{"a":NaN}}}}',
    "huge number": '{"format":"nodeflow/1","nodes":{"a":{"op":"trial/add@1","values":{"a":' + "9" * 10_000 + "}}}}",
    "huge float": '{"format":"nodeflow/1","nodes":{"a":{"op":"trial/add@1","values":{"a":1e999}}}}',
    "escape in id": '{"format":"nodeflow/1","nodes":{"\\u001b[2Ja":{"op":"trial/text@1"}}}',
    "path as id": '{"format":"nodeflow/1","nodes":{"../../etc":{"op":"trial/text@1"}}}',
    "escape in op": '{"format":"nodeflow/1","nodes":{"a":{"op":"\\u001b]0;owned\\u0007\\u202e\\u009b31m"}}}',
    "markup in op": '{"format":"nodeflow/1","nodes":{"a":{"op":"[red]trial[/red]/[/]x@1"}}}',
    "escape in key": '{"format":"nodeflow/1","\\u001b[31m":1,"nodes":{}}',
    "surrogate": '{"format":"nodeflow/1","nodes":{"a":{"op":"\\ud800"}}}',
    "link to nowhere": '{"format":"nodeflow/1","nodes":{"a":{"op":"trial/text@1","links":{"text":"b.text"}}}}',
    "cycle": '{"format":"nodeflow/1","nodes":{"a":{"op":"trial/text@1","links":{"text":"a.text"}}}}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_recipes_are_refused_in_harmless_words(here: Here, cli: Cli, name: str) -> None:
    cli.write("hostile.json", HOSTILE[name])
    for command in ("check", "run", "plan"):
        done = here(command, "hostile.json")
        assert done.code == 3, done
        said = done.out + done.err
        assert "NF" in said
        assert not set(said) & set("\x1b\x07\x9b\u202e\r")
        assert max(map(len, said.splitlines())) < 1000
        assert "Traceback" not in said
    assert here("check", "--json", "hostile.json").code == 3


def test_bytes_that_are_no_text(here: Here, cli: Cli) -> None:
    for data in (b"\xff\xfe{}", b"\x89PNG\r\n\x1a\n\0\0\0\xff", b"\xff\xd8\xff\xe0\0", b"RIFF\0\0\0\0WEBP", bytes(64)):
        (cli.folder / "bytes.json").write_bytes(data)
        done = here("check", "bytes.json")
        assert done.code == 3, data
        assert "NF001" in done.out


def test_a_hostile_file_name(here: Here, cli: Cli) -> None:
    done = here("check", "\x1b[31mred.json")
    assert done.code == 4
    assert "\x1b" not in done.out + done.err


def test_schema_is_a_schema_and_the_committed_copy_is_fresh(cli: Cli) -> None:
    done = cli("schema")
    assert done.code == 0
    jsonschema.Draft202012Validator.check_schema(done.json)
    committed = ROOT / "docs" / "schema" / "nodeflow-1.schema.json"
    assert committed.read_text(encoding="utf-8") == done.out, "run: python -m nodeflow.cli.reference"


def test_schema_agrees_with_what_is_read(here: Here, cli: Cli, hello: str) -> None:
    validator = jsonschema.Draft202012Validator(here("schema").json)
    for path in [cli.folder / hello, *sorted((ROOT / "workflows").glob("*.json"))]:
        validator.validate(json.loads(path.read_text()))
    good = {"format": "nodeflow/1", "x-mine": 1, "nodes": {"a": {"op": "a/b@1", "x-y": {}}}}
    validator.validate(good)
    for wrong in (
        {**good, "format": "nodeflow/2"},
        {"nodes": {}},
        {**good, "mine": 1},
        {**good, "nodes": {"a/b": {"op": "a/b@1"}}},
        {**good, "nodes": {"a": {"op": "a/b@1", "links": {"text": "b"}}}},
        {**good, "nodes": {"a": {"op": "a/b@1", "colour": 1}}},
    ):
        assert not validator.is_valid(wrong), wrong
        cli.write("wrong.json", wrong)
        assert here("check", "wrong.json").code == 3


def test_codes_are_listed(here: Here) -> None:
    assert "NF201  type-mismatch" in here("schema", "--codes").out


def test_the_page_of_the_command_line_is_fresh() -> None:
    page = Path(ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m nodeflow.cli.reference"
