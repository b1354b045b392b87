"""`nodeflow run`: values, sources, results, failures."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodeflow.cli import main
from nodeflow.share.embed import embed
from tests.cli import shapes
from tests.cli.conftest import Cli, Done, recipe

Here = Callable[..., Done]

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c6360606000000004"
    "0001f61738550000000049454e44ae426082"
)


def test_run_writes_its_outputs_and_is_cached_the_second_time(cli: Cli, hello: str) -> None:
    first = cli("run", hello, "--set", "n=40", "--out", "results")
    assert (first.code, first.out) == (0, "said: results/said.txt\nsum: results/sum.json\n")
    assert "completed: 5 computed" in first.err
    assert (cli.folder / "results/said.txt").read_text() == "good morning"
    assert json.loads((cli.folder / "results/sum.json").read_text()) == 42
    second = cli("run", hello, "--set", "n=40", "--out", "results")
    assert (second.code, second.out) == (0, first.out)
    assert "completed: 2 cached" in second.err


def test_json_says_everything(cli: Cli, hello: str) -> None:
    done = cli("run", hello, "--json")
    document = shapes.fits(done.json, shapes.RUN)
    assert done.err == ""
    assert document["state"] == "completed"
    assert document["exit_code"] == done.code == 0
    assert document["counts"]["computed"] == 5
    assert document["outputs"]["said"]["files"] == ["output/said.txt"]
    assert document["outputs"]["said"]["value"] == "good morning"
    assert document["outputs"]["sum"]["value"] == 5


@pytest.mark.parametrize(
    ("port", "text", "said"),
    [
        ("number", "7", "7 False up"),
        ("number", "-12345678901234567890", "-12345678901234567890 False up"),
        ("number", "7.0", "7 False up"),
        ("flag", "true", "3 True up"),
        ("flag", "False", "3 False up"),
        ("how", "down", "3 False down"),
    ],
)
def test_values_are_read_by_the_inputs_type(here: Here, cli: Cli, port: str, text: str, said: str) -> None:
    inputs = {"it": {"to": [f"count.{port}"]}}
    cli.write("count.json", recipe({"count": {"op": "trial/count@1"}}, {"out": "count.text"}, inputs=inputs))
    done = here("run", "count.json", "--json", "--set", f"it={text}")
    assert done.json["outputs"]["out"]["value"] == said


@pytest.mark.parametrize(
    ("port", "text", "expected"),
    [("number", "seven", "int"), ("number", "NaN", "int"), ("flag", "yes", "true or false")],
)
def test_values_that_do_not_fit_are_a_usage_error(here: Here, cli: Cli, port: str, text: str, expected: str) -> None:
    inputs = {"it": {"to": [f"count.{port}"]}}
    cli.write("count.json", recipe({"count": {"op": "trial/count@1"}}, {"out": "count.text"}, inputs=inputs))
    done = here("run", "count.json", "--set", f"it={text}")
    assert done.code == 2
    assert f"--set it: expected {expected}, got {text!r}" in done.err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nest deeper than 100"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ("[1e999]", "too large"),
    ],
)
def test_json_is_read_as_strictly_as_in_a_recipe(here: Here, cli: Cli, text: str, reason: str) -> None:
    inputs = {"it": {"to": ["count.number"]}}
    cli.write("count.json", recipe({"count": {"op": "trial/count@1"}}, {"out": "count.text"}, inputs=inputs))
    done = here("run", "count.json", "--set", f"it={text}")
    assert done.code == 2
    assert "--set it: expected int, got '" in done.err
    assert reason in done.err
    assert len(done.err) < 300


def test_text_that_the_locale_cannot_read_is_utf8(here: Here, hello: str) -> None:
    typed = "é日本".encode().decode("ascii", "surrogateescape")  # as Python hands it over with LC_ALL=C
    assert here("run", hello, "--json", "--set", f"word={typed}").json["outputs"]["said"]["value"] == "é日本"
    done = here("run", hello, "--set", "word=\udcff")
    assert (done.code, done.err) == (2, "nodeflow: --set word: '\\udcff' is not UTF-8 text\n")


def test_wrong_choices_and_types_are_the_engines_to_find(here: Here, cli: Cli) -> None:
    inputs = {"how": {"to": ["count.how"]}, "number": {"to": ["count.number"]}}
    cli.write("count.json", recipe({"count": {"op": "trial/count@1"}}, {"out": "count.text"}, inputs=inputs))
    done = here("run", "count.json", "--set", "how=dwn", "--set", "number=1.5")
    assert done.code == 3
    assert "NF203" in done.err
    assert "did you mean down?" in done.err
    assert "NF204" in done.err


def test_lists_are_json_and_text_stays_text(here: Here, cli: Cli) -> None:
    inputs = {"parts": {"to": ["join.parts"]}, "between": {"to": ["join.between"]}}
    cli.write("join.json", recipe({"join": {"op": "trial/join@1"}}, {"out": "join.text"}, inputs=inputs))
    done = here("run", "join.json", "--json", "--set", 'parts=["a", "[1]"]', "--set", "between=[2]=")
    assert done.json["outputs"]["out"]["value"] == "a[2]=[1]"
    refused = here("run", "join.json", "--set", "parts=a")
    assert refused.code == 2
    assert "list[str], written as JSON" in refused.err


def test_values_from_files(here: Here, cli: Cli, hello: str) -> None:
    cli.write("word.txt", "from a file, déjà vu\n")
    assert here("run", hello, "--json", "--set", "word=@word.txt").json["outputs"]["said"]["value"] == (
        "from a file, déjà vu"
    )
    assert here("run", hello, "--json", "--set", "word=@@word.txt").json["outputs"]["said"]["value"] == "@word.txt"
    (cli.folder / "bytes").write_bytes(b"\xff\xfe\x00")
    assert here("run", hello, "--set", "word=@bytes").code == 4
    assert here("run", hello, "--set", "word=@nothing").code == 4


def test_values_from_standard_input_and_pipes(here: Here, cli: Cli, hello: str) -> None:
    done = here("run", hello, "--json", "--set", "word=@-", "--set", "n=4", stdin="piped\nin\n")
    assert done.json["outputs"]["said"]["value"] == "piped\nin"
    for arguments in (["run", "-", "--set", "word=@-"], ["run", hello, "--set", "word=@-", "--set", "n=@-"]):
        once = here(*arguments, stdin=(cli.folder / hello).read_text())
        assert (once.code, "standard input can be read once only" in once.err) == (2, True)
    os.mkfifo(cli.folder / "pipe")
    writer = threading.Thread(target=(cli.folder / "pipe").write_text, args=("from a pipe",))
    writer.start()
    assert here("run", hello, "--json", "--set", "word=@pipe").json["outputs"]["said"]["value"] == "from a pipe"
    writer.join()
    for place, reason in (("@", "expected a file's name after @"), ("@.", ". is a folder; name a file")):
        assert reason in here("run", hello, "--set", f"word={place}").err
    assert "is no file" in here("run", "/dev/null").err


def test_a_closed_standard_input_is_told(here: Here, hello: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*arguments: str) -> int:
        monkeypatch.setattr(sys, "stdin", None)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        return int(ended.value.code or 0)

    assert closed("run", "-") == closed("run", hello, "--set", "word=@-") == 2


def test_a_recipe_from_standard_input(cli: Cli, hello: str) -> None:
    done = cli("run", "-", "--json", stdin=(cli.folder / hello).read_text())
    assert done.code == 0
    assert done.json["outputs"]["sum"]["value"] == 5


def test_a_recipe_from_a_picture(cli: Cli, here: Here, hello: str) -> None:
    document = {"recipe": json.loads((cli.folder / hello).read_text()), "key": "", "numeric": ""}
    (cli.folder / "picture.png").write_bytes(embed(PNG, document))
    done = cli("run", "picture.png", "--set", "n=1", "--json")
    assert done.code == 0
    assert done.json["outputs"]["sum"]["value"] == 3
    (cli.folder / "plain.png").write_bytes(PNG)
    plain = here("run", "plain.png")
    assert plain.code == 3
    assert "the picture carries no recipe" in plain.err


def failing(cli: Cli) -> str:
    """text ─┬▶ fail ─▶ after ─▶ bad
    └▶ good"""
    nodes = {
        "text": {"op": "trial/text@1"},
        "fail": {"op": "trial/fail@1", "links": {"text": "text.text"}},
        "after": {"op": "trial/steady@1", "links": {"text": "fail.text"}},
    }
    return cli.write("failing.json", recipe(nodes, {"bad": "after.text", "good": "text.text"}))


def test_a_failed_node(cli: Cli, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    done = cli("run", failing(cli))
    assert done.code == 1
    assert done.out == "good: output/good.txt\n"
    assert "fail (trial/fail@1): ZeroDivisionError: no way" in done.err
    assert "text: 'hello'" in done.err  # what it was given
    assert "\x1b" not in done.err
    assert "Traceback" not in done.err
    assert "NODEFLOW_TRACEBACK=1" in done.err
    assert "failed: 2 computed, 1 failed, 2 blocked" in done.err
    monkeypatch.setenv("NODEFLOW_TRACEBACK", "1")
    told = here("run", "failing.json")
    assert told.code == 1
    assert "raise ZeroDivisionError" in told.err
    shown = here("runs", "show", here("runs", "--json").json["runs"][0]["id"][:8])
    assert shown.code == 0
    assert "raise ZeroDivisionError" in shown.out
    assert "\x1b" not in shown.out


def test_a_failed_node_as_json(here: Here, cli: Cli) -> None:
    done = here("run", failing(cli), "--json")
    document = shapes.fits(done.json, shapes.RUN)
    assert (done.code, document["exit_code"], document["state"]) == (1, 1, "failed")
    assert [f["node"] for f in document["failures"]] == ["fail"]
    assert "raise ZeroDivisionError" in document["failures"][0]["traceback"]
    assert list(document["outputs"]) == ["good"]


def test_fail_fast_stops_the_rest(here: Here, cli: Cli) -> None:
    nodes = {
        "text": {"op": "trial/text@1"},
        "fail": {"op": "trial/fail@1", "links": {"text": "text.text"}},
        "slow": {"op": "trial/slow@1", "links": {"text": "text.text"}},
    }
    cli.write("fast.json", recipe(nodes, {"a": "fail.text", "b": "slow.text"}))
    done = here("run", "fast.json", "--fail-fast", "--json")
    assert done.code == 1
    assert done.json["seconds"] < 5
    assert done.json["counts"]["cancelled"] + done.json["counts"]["blocked"] >= 2


def test_a_target_runs_what_it_needs(here: Here, hello: str) -> None:
    document = here("run", hello, "--target", "sum", "--json").json
    assert list(document["outputs"]) == ["sum"]
    assert document["counts"]["steps"] == 2
    wrong = here("run", hello, "--target", "summ")
    assert wrong.code == 2
    assert "did you mean sum?" in wrong.err


def test_a_run_that_writes_no_file_says_why(here: Here, cli: Cli, hello: str) -> None:
    asked = "No declared output was asked for, so no files were written"
    assert f"{asked}; results are in the cache.\n" in here("run", hello, "--target", "steady").err
    assert f"{asked}.\n" in here("run", hello, "--target", "steady", "--no-cache").err
    text = {"op": "trial/text@1"}
    cli.write("none.json", recipe({"text": text}))
    assert "The recipe declares no outputs, so" in here("run", "none.json").err
    cli.write("muted.json", recipe({"text": {**text, "mode": "muted"}}, {"out": "text.text"}))
    assert "All its outputs are muted, so" in here("run", "muted.json").err


def test_no_cache_computes_everything(here: Here, hello: str) -> None:
    for _ in range(2):
        assert here("run", hello, "--no-cache", "--json").json["counts"]["cached"] == 0


def test_a_dry_run_runs_nothing(here: Here, cli: Cli, hello: str) -> None:
    done = here("run", hello, "--dry-run", "--json")
    assert done.code == 0
    assert {s["state"] for s in shapes.fits(done.json, shapes.PLAN)["steps"]} == {"run"}
    assert not (cli.folder / "output").exists()
    assert here("runs", "--json").json == {"runs": []}


def test_streamed_text_and_warnings_are_shown_without_control_characters(here: Here, cli: Cli) -> None:
    nodes = {"say": {"op": "trial/say@1", "values": {"text": "one two"}}}
    cli.write("say.json", recipe(nodes, {"out": "say.text"}))
    done = here("run", "say.json")
    assert "say:\none\ufffd two\ufffd \n" in done.err
    assert done.err.count("mind the \ufffd[31mgap") == 1
    assert here("run", "say.json", "--quiet", "--no-cache").err.count("mind the") == 1


def test_a_missing_value_says_how_to_give_it(here: Here, cli: Cli) -> None:
    cli.write("add.json", recipe({"add": {"op": "trial/add@1"}}, {"o": "add.value"}, inputs={"a": {"to": ["add.a"]}}))
    done = here("run", "add.json")
    assert done.code == 2
    assert "NF406" in done.err
    assert "--set a=" in done.err
    assert here("run", "add.json", "--set", "a=1.5", "--json").json["outputs"]["o"]["value"] == 2.5


def test_problems_as_json(here: Here, cli: Cli) -> None:
    cli.write("bad.json", recipe({"a": {"op": "trial/ad@1"}}, {"o": "a.value"}))
    done = here("run", "bad.json", "--json")
    assert done.code == 3
    assert shapes.fits(done.json, shapes.REFUSED)["problems"][0]["code"] == "NF102"


@pytest.mark.parametrize("name", ["nothing.json", ".", "\0.json"])
def test_recipes_that_cannot_be_read(here: Here, name: str) -> None:
    done = here("run", name)
    assert done.code == (2 if "\0" in name else 4)
    assert done.err.count("\n") == 1


def test_a_name_that_is_nearly_right(here: Here, cli: Cli, hello: str) -> None:
    cli.write("hello.txt", "no recipe")
    assert "helo.json: no such file; did you mean hello.json?\n" in here("run", "helo.json").err
    assert "hello: no such file; did you mean hello.json?\n" in here("run", "hello").err
    assert here("run", "nope.json").err == "nodeflow: nope.json: no such file\n"  # its ending alone is not like hello's


def test_an_output_folder_that_cannot_be_written(cli: Cli, here: Here, hello: str) -> None:
    cli.write("results", "a file in the folder's place")
    done = cli("run", hello, "--out", "results/here")
    assert done.code == 4
    assert "a file stands where a folder is needed" in done.err
    assert "Traceback" not in done.err
    assert here("runs", "--json").json == {"runs": []}  # it was seen before anything ran


def test_a_single_output_in_a_file(here: Here, cli: Cli, tmp_path: Path, hello: str) -> None:
    done = here("run", hello, "--target", "said", "--out", "deep/word.md")
    assert (done.code, done.out) == (0, "said: deep/word.md\n")
    assert (cli.folder / "deep/word.md").read_text() == "good morning"


def test_many_nodes_in_few_words(here: Here, cli: Cli) -> None:
    nodes: dict[str, Any] = {"n0": {"op": "trial/text@1"}}
    for i in range(1, 300):
        nodes[f"n{i}"] = {"op": "trial/text@1", "links": {"text": f"n{i - 1}.text"}}
    cli.write("many.json", recipe(nodes, {"o": "n299.text"}))
    done = here("run", "many.json")
    assert done.code == 0, done.err
    assert done.err.count("\n") == 1
