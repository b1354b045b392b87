"""Ctrl-C, terminals, pipes, odd encodings, and what must not be imported."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Cli, Done, recipe

Here = Callable[..., Done]


def slow(cli: Cli, op: str = "trial/slow@1") -> str:
    """text ─▶ steady ─▶ slow"""
    nodes = {
        "text": {"op": "trial/text@1"},
        "steady": {"op": "trial/steady@1", "links": {"text": "text.text"}},
        "slow": {"op": op, "links": {"text": "steady.text"}},
    }
    return cli.write("slow.json", recipe(nodes, {"a": "slow.text", "b": "steady.text"}))


def wait_for(file: Path) -> None:
    limit = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_runs_keep_what_was_finished(cli: Cli, here: Here, number: signal.Signals, tmp_path: Path) -> None:
    process = cli.start("run", slow(cli))
    wait_for(tmp_path / "started")
    asked = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - asked < 5
    assert b"stopping at the next step" in err
    assert b"Traceback" not in err
    assert b"cancelled" in err.splitlines()[-1]
    assert here("runs", "--json").json["runs"][0]["state"] == "cancelled"
    states = {step["id"]: step["state"] for step in here("plan", "slow.json", "--json").json["steps"]}
    assert states["steady"] == "cached"
    assert states["slow"] == "run"


def test_a_second_interrupt_leaves_at_once(cli: Cli, tmp_path: Path) -> None:
    process = cli.start("run", slow(cli, "trial/stuck@1"))
    wait_for(tmp_path / "started")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    line = b""
    while b"stopping" not in line:
        line = process.stderr.readline()
        assert line
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_an_interrupt_is_json_too(cli: Cli, tmp_path: Path) -> None:
    import json

    process = cli.start("run", slow(cli), "--json")
    wait_for(tmp_path / "started")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    document = json.loads(out)
    assert (document["state"], document["exit_code"], process.returncode) == ("cancelled", 130, 130)


def test_a_terminal_sees_bars_and_no_ones_control_characters(cli: Cli, tmp_path: Path) -> None:
    nodes = {
        "say": {"op": "trial/say@1", "values": {"text": "one two"}},
        "slow": {"op": "trial/slow@1", "values": {"steps": 12}, "links": {"text": "say.text"}},
        "fail": {"op": "trial/fail@1", "links": {"text": "say.text"}},
    }
    cli.write("say.json", recipe(nodes, {"out": "slow.text", "no": "fail.text"}))
    main, terminal = pty.openpty()
    process = cli.start("run", "say.json", stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    seen = b""
    while True:
        try:
            data = os.read(main, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(main)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert out == b"out: output/out.txt\n"
    text = seen.decode()
    assert "✓ say" in text
    assert "✓ slow" in text
    assert "✗ fail" in text
    assert "one\ufffd two\ufffd" in text
    assert "/12" in text
    assert "\x07" not in text
    assert "\x1b[2J" not in text  # from the failure's message
    assert text.endswith("\r\n")


def test_a_reader_that_goes_away(cli: Cli) -> None:
    process = cli.start("nodes", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(timeout=30) == 141
    assert err == b""
    process.stderr.close()


@pytest.mark.parametrize("descriptor", [1, 2])
def test_a_stream_that_is_closed_from_the_start(cli: Cli, hello: str, descriptor: int) -> None:
    command = ["sh", "-c", f'exec "$@" {descriptor}>&-', "sh", *cli.command("run", hello)]
    done = subprocess.run(
        command, cwd=cli.folder, env=cli.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (cli.folder / "output/said.txt").read_text() == "good morning"


def test_terminals_that_lack_characters(cli: Cli) -> None:
    encoding = "ascii"
    nodes = {"say": {"op": "trial/say@1", "values": {"text": "→ 星 é"}}}
    cli.write("say.json", recipe(nodes, {"out": "say.text"}))
    for command in (("run", "say.json", "--no-cache"), ("--help",)):
        done = cli(*command, PYTHONIOENCODING=encoding, PYTHONUTF8="0", LC_ALL="C")
        assert done.code == 0, done.err
    assert cli("run", "say.json", "--json", PYTHONIOENCODING=encoding).json["outputs"]["out"]["value"] == "→ 星 é"


HEAVY = ("torch", "diffusers", "transformers", "networkx", "rich", "PIL", "numpy")


@pytest.mark.parametrize(
    "command",
    [
        ("check", str(ROOT / "workflows" / "text-to-image.json")),
        ("plan", str(ROOT / "workflows" / "text-to-image.json")),
        ("nodes",),
        ("describe", "diffusion/sample"),
        ("models",),
        ("doctor",),
        ("run", "hello.json"),
    ],
    ids=lambda command: command[0],
)
def test_nothing_heavy_is_imported(cli: Cli, hello: str, command: tuple[str, ...]) -> None:
    if command[0] == "run":
        cli(*command)
    done = cli(*command, PYTHONPROFILEIMPORTTIME="1")
    assert done.code == 0, done.err
    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines() if line.startswith("import time:")}
    assert "nodeflow.engine" in imported or command[0] in ("nodes", "describe")
    assert not imported.intersection(HEAVY)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run",), "FILE"),
        (("run", "a.json", "--nonsense"), "nonsense"),
        (("rnu",), "rnu"),
        (("runs", "--limit", "many"), "--limit"),
        (("run", "a.json", "--set"), "--set"),
        (("run", "hello.json", "--set", "n"), "expected name=value"),
    ],
)
def test_usage_errors(here: Here, hello: str, arguments: tuple[str, ...], said: str) -> None:
    done = here(*arguments)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


def test_help_and_version(cli: Cli, here: Here) -> None:
    done = cli("--version")
    assert (done.code, done.out) == (0, "nodeflow 0.1.0\n")
    from nodeflow.cli import COMMANDS

    everything = cli("--help")
    assert everything.code == 0
    assert all(f" {name} " in everything.out for name in COMMANDS)
    for name in COMMANDS:
        page = here(name, "--help")
        assert page.code == 0
        assert name == "nodes" or "nodeflow" in page.out
        assert name in ("schema",) or "Examples" in page.out


def test_faults_of_our_own_are_told_in_a_line(here: Here, hello: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from nodeflow.engine import Engine

    def broken(*_: object, **__: object) -> None:
        raise LookupError("it is \x1b[31mred")

    monkeypatch.setattr(Engine, "check", broken)
    done = here("check", hello)
    assert done.code == 70
    assert "nodeflow: LookupError: it is \ufffd[31mred" in done.err
    assert "Traceback" not in done.err
    monkeypatch.setenv("NODEFLOW_TRACEBACK", "1")
    assert "Traceback" in here("check", hello).err
