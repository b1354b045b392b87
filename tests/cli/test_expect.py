"""`nodeflow test`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.cli.conftest import Cli, Done, recipe


def expect(cases: dict[str, Any]) -> dict[str, Any]:
    return {"format": "nodeflow-expect/1", "cases": cases}


def test_cases_are_tests(cli: Cli, hello: str) -> None:
    good = {"inputs": {"n": 4}, "outputs": {"sum": {"equals": 6}, "said": {"text": "good morning"}}}
    bad = {"outputs": {"sum": {"equals": 6}}}
    cli.write("hello.expect.json", expect({"four": good, "three": bad}))
    done = cli("test")
    assert done.code == 6, done.err
    assert "sum: it is '5\\n'; expected 6" in done.out
    assert "1 failed, 1 passed" in done.out
    assert "Traceback" not in done.out


def test_nothing_to_test(cli: Cli, here: Callable[..., Done], hello: str) -> None:
    none = cli("test")
    assert none.code == 2
    assert "NAME.expect.json" in none.err
    assert here("test", "gone").code == 4
    for arguments in (["test", hello], ["test", hello, "--update"]):
        other = here(*arguments)
        assert (other.code, other.err) == (
            2,
            "nodeflow: hello.json: expectations stand in files named NAME.expect.json\n",
        )
    cli.write("hello.expect.json", "{")
    broken = cli("test")
    assert broken.code == 3
    assert "not JSON" in broken.out


def test_update_writes_what_comes_out_now(here: Callable[..., Done], cli: Cli, hello: str) -> None:
    judged = {"sum": {"equals": 6, "tolerance": 0.5, "files": 9}, "said": {"text": "x", "contains": "good"}}
    cases = {"three": {"outputs": judged, "seconds": 60}, "four": {"inputs": {"n": 4}, "outputs": {"sum": {}}}}
    cli.write("hello.expect.json", expect(cases))
    assert here("test", "--update", "-k", "four").code == 2
    cli.write("hello.expect.json", expect({"wrong": {"inputs": {"m": 4}}}))
    assert "hello.expect.json, case 'wrong': error NF405" in here("test", "--update").err
    cli.write("hello.expect.json", expect(cases))
    done = here("test", "--update")
    assert (done.code, done.out) == (0, "hello.expect.json: 1 of 2 cases changed\n"), done.err
    now = json.loads((cli.folder / "hello.expect.json").read_text())["cases"]
    assert now["four"] == cases["four"]
    assert now["three"] == {
        "outputs": {
            "sum": {"equals": 5, "tolerance": 0.5, "files": 1},
            "said": {"text": "good morning", "contains": "good"},
        },
        "seconds": 60,
    }
    before = (cli.folder / "hello.expect.json").stat().st_mtime_ns
    assert here("test", "--update", "hello.expect.json").out.endswith("0 of 2 cases changed\n")
    assert (cli.folder / "hello.expect.json").stat().st_mtime_ns == before


def test_update_writes_pictures_and_nothing_else(here: Callable[..., Done], cli: Cli) -> None:
    nodes = {"blank": {"op": "image/empty@1", "values": {"width": 16, "height": 9, "color": "red"}}}
    cli.write("red.json", recipe(nodes, {"picture": "blank.image"}))
    cli.write("red.expect.json", expect({"red": {"outputs": {"picture": {"like": "red.png", "size": [1, 1]}}}}))
    assert here("test", "--update").out == "red.expect.json: 1 of 1 cases changed, red.png\n"
    assert cli("test").code == 0
    cli.write("red.expect.json", expect({"red": {"outputs": {"picture": {"like": "red.json"}}}}))
    recipe_before = (cli.folder / "red.json").read_bytes()
    refused = here("test", "--update")
    assert refused.code == 5
    assert "'red.json' is no name of a picture" in refused.err
    assert (cli.folder / "red.json").read_bytes() == recipe_before
    cli.write("red.expect.json", expect({"red": {"outputs": {"gone": {"files": 1}}}}))
    assert "no output 'gone'" in here("test", "--update").err
