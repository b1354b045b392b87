"""`nodeflow test`: workflows with expectations beside them, run by pytest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples


@with_examples(
    "nodeflow test  every NAME.expect.json below this folder",
    "nodeflow test workflows/text-to-image.expect.json",
    "nodeflow test workflows -k star  only the cases whose names match",
)
def run_expectations(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders. Default: this folder.")] = None,
    keyword: Annotated[
        str, typer.Option("--keyword", "-k", metavar="EXPRESSION", help="Only cases whose names match.")
    ] = "",
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first that fails.")] = False,
) -> None:
    """Run workflows and see whether they give what is expected of them.

    NAME.expect.json beside NAME.json has cases: inputs, and for each output a hash, a size, a picture that it should be
    like, a text, a value; or a time. In a repository of workflows, pytest runs the same cases with
    -p nodeflow.cli.pytest_plugin.
    """
    try:
        import pytest
    except ImportError:
        raise Stop(Exit.SETUP, "pytest is not installed: pip install pytest") from None
    for path in paths or ():
        if not path.exists():
            raise Stop(Exit.FILES, f"{path}: no such file or folder")
    arguments = ["-p", "nodeflow.cli.pytest_plugin", "-p", "no:cacheprovider", "-o", "python_files=", "-q"]
    arguments += ["-x"] if fail_fast else []
    arguments += ["-k", keyword] if keyword else []
    code = pytest.main([*arguments, *map(str, paths or [Path()])])
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise Stop(Exit.USAGE, "no cases were found: expectations stand in files named NAME.expect.json")
    exits = {pytest.ExitCode.OK: Exit.OK, pytest.ExitCode.TESTS_FAILED: Exit.DIFFERENT}
    exits[pytest.ExitCode.INTERRUPTED] = Exit.PROBLEMS  # a file that cannot be collected stops pytest too
    if code != pytest.ExitCode.OK:
        raise Stop(exits.get(pytest.ExitCode(code), Exit.USAGE))
