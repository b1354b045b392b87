"""The log: lines for people and for programs, with the job they are about."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from nodeflow.server.logs import JOB, about, configure


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    log = logging.getLogger("nodeflow")
    before = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.propagate = before[0], before[2]
    log.setLevel(before[1])


def test_lines_for_programs_say_which_job(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NODEFLOW_LOG", "json")
    configure()
    log = logging.getLogger("nodeflow.server")

    async def job(number: int) -> None:
        JOB.set(number)
        await asyncio.sleep(0)
        log.info("two\nlines of %s", number)

    async def main() -> None:
        await asyncio.gather(job(1), job(2))
        log.warning("no job")

    asyncio.run(main())
    try:
        raise ValueError("a fault")
    except ValueError:
        log.exception("it failed")
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(one["level"], one["message"], one.get("job")) for one in found] == [
        ("info", "two\nlines of 1", 1),
        ("info", "two\nlines of 2", 2),
        ("warning", "no job", None),
        ("error", "it failed", None),
    ]
    assert "ValueError: a fault" in found[-1]["traceback"]
    assert found[0]["time"].endswith("+00:00")


def test_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    JOB.set(7)
    logging.getLogger("nodeflow.server").warning("it was %s", "killed")
    JOB.set(0)
    assert capsys.readouterr().err.partition(" ")[2] == "warning: job 7: it was killed\n"


def test_what_a_recipe_brings_along_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    with about(job=3, node="a\x1b[2J"):
        logging.getLogger("nodeflow.server").warning(
            "failed: %s", "x\r\n12:00:00 info: job 9: completed\x1b]0;title\x07\x9b"
        )
    first, second = capsys.readouterr().err.splitlines()
    assert first.partition(" ")[2] == "warning: job 3: a\\x1b[2J: failed: x\\x0d"
    assert second == "  12:00:00 info: job 9: completed\\x1b]0;title\\x07\\x9b"


def test_debug_of_libraries_stays_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logging.getLogger("asyncio").debug("noise")
    print("x", file=sys.stderr)
    assert capsys.readouterr().err == "x\n"
