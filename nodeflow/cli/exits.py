"""Exit codes, and how errors become messages and codes. The one place that decides about either."""

from __future__ import annotations

import enum
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import typer

from nodeflow.cli.text import clean, say
from nodeflow.errors import NodeflowError
from nodeflow.problems import Problem, ProblemsError


class Exit(enum.IntEnum):
    """What the process's exit code means."""

    OK = 0
    NODE_FAILED = 1
    USAGE = 2
    PROBLEMS = 3
    FILES = 4
    SETUP = 5
    DIFFERENT = 6
    BUG = 70
    CANCELLED = 130
    PIPE = 141

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "done",
    Exit.NODE_FAILED: "a node failed; what does not depend on it was finished and is kept",
    Exit.USAGE: "the command line is wrong: an unknown command, option, input, target, op or key, or a value missing",
    Exit.PROBLEMS: "the recipe has problems; nothing ran",
    Exit.FILES: "a file or folder cannot be read or written",
    Exit.SETUP: "the installation or its settings are at fault: packs, nodeflow.toml, variables, databases",
    Exit.DIFFERENT: "it is not as it was: a locked run refused, or `verify`, `diff` or `test` found a difference",
    Exit.BUG: "nodeflow itself is at fault; NODEFLOW_TRACEBACK=1 shows where",
    Exit.CANCELLED: "cancelled with Ctrl-C (or SIGTERM); what was finished is kept",
    Exit.PIPE: "the reader of the output went away",
}

_OF_THE_CALL = {"NF405", "NF406", "NF407"}
"""Problems that lie in how a recipe is called, not in the recipe."""


class Stop(Exception):
    """Ends the command with a message on standard error and an exit code."""

    def __init__(self, code: Exit, message: str = "") -> None:
        super().__init__(message)
        self.code = code


def code_of(problems: Iterable[Problem]) -> Exit:
    """The exit code for errors of a recipe."""
    codes = {p.code for p in problems if p.severity == "error"}
    return Exit.OK if not codes else Exit.USAGE if codes <= _OF_THE_CALL else Exit.PROBLEMS


def problem_line(problem: Problem, source: str = "") -> str:
    """A problem on one line: where, how bad, which, expected, got, what to do."""
    head = f"{source}: " if source else ""
    return clean(f"{head}{problem.severity} {problem}")


@contextmanager
def handled() -> Iterator[None]:
    """Turns what a command raises into a message for its user and an exit code.

    Raises:
        typer.Exit: with one of the codes of `Exit`.
    """
    try:
        yield
        sys.stdout.flush()
        return
    except Stop as stop:
        if str(stop):
            say(f"nodeflow: {clean(str(stop), lines=True)}")
        code = stop.code
    except ProblemsError as error:
        for problem in error.problems:
            say(problem_line(problem, error.source))
        code = code_of(error.problems)
    except BrokenPipeError:
        # The streams are closed for good: nothing may be written at the interpreter's end either.
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        code = Exit.PIPE
    except KeyboardInterrupt:
        say("nodeflow: cancelled")
        code = Exit.CANCELLED
    except NodeflowError as error:
        say(f"nodeflow: {clean(str(error), lines=True)}")
        _traceback()
        code = Exit.FILES if isinstance(error, OSError) or _about_files(error) else Exit.SETUP
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"nodeflow: {clean(where + (error.strerror or str(error)))}")
        _traceback()
        code = Exit.FILES
    except Exception as error:
        if type(error).__module__.startswith(("typer", "click")):  # usage errors and exits are typer's to show
            raise
        say(f"nodeflow: {clean(f'{type(error).__name__}: {error}', limit=2000)}")
        if not _traceback():
            say("This is a fault of nodeflow or of a pack. NODEFLOW_TRACEBACK=1 shows where it happened.")
        code = Exit.BUG
    raise typer.Exit(code)


def _about_files(error: NodeflowError) -> bool:
    from nodeflow.cache.errors import StoreError

    return isinstance(error, StoreError) or isinstance(error.__cause__, OSError)


def wants_traceback() -> bool:
    return os.environ.get("NODEFLOW_TRACEBACK", "") not in ("", "0")


def _traceback() -> bool:
    if wants_traceback():
        say(clean(traceback.format_exc(), lines=True))
        return True
    return False
