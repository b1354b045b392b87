"""`nodeflow lock`, `run --locked`, `verify`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli import shapes
from tests.cli.conftest import Cli, Done

Here = Callable[..., Done]

DRIFT = {
    "type": "object",
    "required": ["kind", "name", "locked", "found", "advice"],
    "additionalProperties": False,
    "properties": {key: {"type": "string"} for key in ("kind", "name", "locked", "found", "advice")},
}


def test_lock_run_and_verify(cli: Cli, hello: str) -> None:
    done = cli("lock", hello, "--with-outputs")
    assert done.code == 0, done.err
    assert [line.partition(":")[0] for line in done.out.splitlines()] == ["hello.lock.json", "pylock.hello.toml"]
    assert "locked 2 packs, 0 models, 0 files, 2 golden files" in done.err
    lock = json.loads((cli.folder / "hello.lock.json").read_text())
    assert lock["packs"]["trial"]["version"] == "1.0"
    assert lock["outputs"]["said"]["files"][0]["text"] == "good morning"
    assert not (cli.folder / "output").exists()
    run = cli("run", hello, "--locked")
    assert (run.code, sorted(run.out.splitlines())) == (0, ["said: output/said.txt", "sum: output/sum.json"])
    verified = cli("verify", hello, "--nodes")
    assert verified.code == 0
    assert "said: bit-equal\nsum: bit-equal\n" in verified.out
    assert "steady  bit-equal" in verified.out


def test_a_locked_run_refuses_drift(here: Here, cli: Cli, hello: str) -> None:
    assert here("lock", hello).code == 0
    refused = here("run", hello, "--locked", "--set", "n=4")
    assert (refused.code, refused.out) == (6, "")
    assert "drift: recipe: locked " in refused.err
    assert "take that back, or lock it anew" in refused.err
    assert not (cli.folder / "output").exists()
    as_json = here("run", hello, "--locked", "--set", "n=4", "--json")
    document = as_json.json
    assert (as_json.code, document["state"], document["exit_code"]) == (6, "refused", 6)
    for item in document["drift"]:
        shapes.fits(item, DRIFT)


def test_an_edited_environment_is_noticed(here: Here, cli: Cli, hello: str) -> None:
    assert here("lock", hello).code == 0
    with open(cli.folder / "pylock.hello.toml", "a", encoding="utf-8") as file:
        file.write("# edited\n")
    refused = here("run", hello, "--locked")
    assert refused.code == 6
    assert "drift: file pylock.hello.toml" in refused.err


def test_a_lock_elsewhere_and_none(here: Here, cli: Cli, hello: str) -> None:
    missing = here("run", hello, "--locked")
    assert missing.code == 4
    assert "hello.lock.json: no such file; `nodeflow lock` makes it" in missing.err
    assert here("lock", hello, "--out", "other.lock.json").code == 0
    assert (cli.folder / "pylock.other.toml").exists()
    assert here("run", hello, "--lock", "other.lock.json").code == 0
    assert here("run", "-", "--locked", stdin=(cli.folder / hello).read_text()).code == 2
    assert here("lock", "-", stdin=(cli.folder / hello).read_text()).code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "not JSON"), ('{"format": "nodeflow-lock/9"}', "another version"), ('{"format": "nodeflow/1"}', "recipe")],
)
def test_bad_locks_are_told(here: Here, cli: Cli, hello: str, text: str, said: str) -> None:
    (cli.folder / "hello.lock.json").write_text(text)
    for command in (("run", hello, "--locked"), ("verify", hello)):
        done = here(*command)
        assert done.code == 3
        assert "hello.lock.json: error" in done.err
        assert said in done.err


def test_verify_says_what_differs(here: Here, cli: Cli, hello: str) -> None:
    assert here("lock", hello).code == 0
    unlocked = here("verify", hello)
    assert unlocked.code == 2
    assert "--with-outputs" in unlocked.err
    assert here("lock", hello, "--with-outputs", "--quiet").code == 0
    path = cli.folder / hello
    path.write_text(path.read_text().replace("good morning", "good evening"))
    done = here("verify", hello, "--quiet")
    assert done.code == 6
    assert done.out.startswith("said: different: from line 1, character 6: 'morning' → 'evening'\nsum: bit-equal\n")
    assert "first difference: text\nbecause: recipe: locked" in done.out
    document = here("verify", hello, "--json", "--nodes").json
    assert (document["ok"], document["exit_code"], document["first"]) == (False, 6, "text")
    assert {v["name"]: v["state"] for v in document["nodes"]}["sum"] == "bit-equal"


def test_what_cannot_run_is_not_locked_or_verified(here: Here, cli: Cli) -> None:
    nodes = {"text": {"op": "trial/fail@1", "values": {"text": "x"}}}
    file = cli.write("bad.json", {"format": "nodeflow/1", "nodes": nodes, "outputs": {"t": "text.text"}})
    done = here("lock", file, "--with-outputs")
    assert done.code == 1
    assert "nothing is locked" in done.err
    assert not list(Path(cli.folder).glob("*.lock.json"))
    assert here("lock", "none.json").code == 4
