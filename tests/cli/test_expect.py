"""`nodeflow test`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cli.conftest import Cli, Done


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
    cli.write("hello.expect.json", "{")
    broken = cli("test")
    assert broken.code == 3
    assert "not JSON" in broken.out
