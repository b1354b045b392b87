"""What a rule finds: a problem whose place is relative to the scope that is being checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from nodeflow.problems import Problem
from nodeflow.rules.scope import NodeView, Scope, Session


class Finding(NamedTuple):
    """A problem in the making; see `nodeflow.problems.Problem`."""

    code: str
    place: str
    message: str
    expected: str = ""
    got: str = ""
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def problem(self, prefix: str) -> Problem:
        return Problem(self.code, prefix + self.place, *self[2:])


Rule = Callable[[NodeView, Scope, Session], Iterator[Finding]]
"""A rule looks at one node and gives what is wrong with it."""
