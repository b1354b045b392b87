"""`nodeflow test`: workflows with expectations beside them, run by pytest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples
from nodeflow.cli.text import clean, emit


@with_examples(
    "nodeflow test  every NAME.expect.json below this folder",
    "nodeflow test workflows/text-to-image.expect.json",
    "nodeflow test workflows --update  what comes out now is what is expected from now on; look at the difference",
    "nodeflow test workflows -k star  only the cases whose names match",
)
def run_expectations(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders. Default: this folder.")] = None,
    keyword: Annotated[
        str, typer.Option("--keyword", "-k", metavar="EXPRESSION", help="Only cases whose names match.")
    ] = "",
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first that fails.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Write the expectations anew from what the workflows give now.")
    ] = False,
) -> None:
    """Run workflows and see whether they give what is expected of them.

    NAME.expect.json beside NAME.json has cases: inputs, and for each output a hash, a size, a picture that it should be
    like, a text, a value; or a time. In a repository of workflows, pytest runs the same cases with
    -p nodeflow.cli.pytest_plugin.
    """
    if update:
        _update(paths or [Path()], keyword)
        return
    try:
        import pytest
    except ImportError:
        raise Stop(Exit.SETUP, "pytest is not installed: pip install pytest") from None
    _check(paths or ())
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


def _check(paths: Iterable[Path]) -> None:
    """See that each is there, and a folder or a file of expectations."""
    from nodeflow.share.expect import SUFFIX

    for path in paths:
        if not path.exists():
            raise Stop(Exit.FILES, f"{path}: no such file or folder")
        if not path.is_dir() and not path.name.endswith(SUFFIX):
            raise Stop(Exit.USAGE, f"{path}: expectations stand in files named NAME{SUFFIX}")


def _update(paths: list[Path], keyword: str) -> None:
    """Write expectations anew, file by file; each whole or not at all."""
    from nodeflow.engine import Engine
    from nodeflow.replacing import replacing
    from nodeflow.share.expect import SUFFIX, expectations_text, read_expectations, updated
    from nodeflow.share.lock import write_text

    if keyword:
        raise Stop(Exit.USAGE, "--update takes whole files: name them instead of -k")
    _check(paths)
    files = sorted({f for p in paths for f in (p.rglob(f"*{SUFFIX}") if p.is_dir() else [p])})
    if not files:
        raise Stop(Exit.USAGE, f"no cases were found: expectations stand in files named NAME{SUFFIX}")
    with Engine() as engine:
        for path in files:
            before = read_expectations(path)
            now, pictures = updated(engine, path, before)
            changed = [p for p in pictures if not _holds(path.with_name(p), pictures[p])]
            for name in changed:
                with replacing(path.with_name(name)) as temporary:
                    temporary.write_bytes(pictures[name])
            if now != before:
                write_text(path, expectations_text(now))
            names = [n for n in before.cases if now.cases[n] != before.cases[n]]
            parts = [f"{len(names)} of {len(before.cases)} cases changed", *changed]
            emit(clean(f"{path}: {', '.join(parts)}"))


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False
