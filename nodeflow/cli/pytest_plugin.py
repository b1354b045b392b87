"""Workflows with expectations as pytest tests: `pytest -p nodeflow.cli.pytest_plugin`, or `nodeflow test`.

Each case of each `NAME.expect.json` is a test. Importing this imports pytest; nothing else of nodeflow imports it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.share.expect import SUFFIX, Case, Expectations, read_expectations, unmet


class Unmet(Exception):
    """Expectations that are not met."""


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> ExpectFile | None:
    """Take files by their name."""
    if not file_path.name.endswith(SUFFIX):
        return None
    made: ExpectFile = ExpectFile.from_parent(parent, path=file_path)
    return made


class ExpectFile(pytest.File):
    """A file of expectations."""

    def collect(self) -> Iterable[pytest.Item]:
        try:
            expectations = read_expectations(self.path)
        except NodeflowError as error:
            raise self.CollectError(str(error)) from None
        for name, case in expectations.cases.items():
            yield ExpectItem.from_parent(self, name=name, expectations=expectations, case=case)


class ExpectItem(pytest.Item):
    """A case."""

    def __init__(self, *, expectations: Expectations, case: Case, **rest: Any) -> None:
        super().__init__(**rest)
        self.expectations = expectations
        self.case = case

    def runtest(self) -> None:
        with Engine() as engine:
            found = unmet(engine, self.path, self.expectations, self.case)
        if found:
            raise Unmet("\n".join(found))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Without traceback, if it is about the workflow."""
        if isinstance(excinfo.value, (Unmet, NodeflowError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{self.path.name}: {self.name}"
