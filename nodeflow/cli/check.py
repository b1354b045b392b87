"""`nodeflow check` and `nodeflow schema`: what is wrong with recipes, and what a recipe may look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nodeflow.cli.exits import Exit, Stop, code_of, problem_line
from nodeflow.cli.help import with_examples
from nodeflow.cli.text import clean, emit, emit_json, say

if TYPE_CHECKING:
    from nodeflow.engine import Engine
    from nodeflow.problems import Problem


@with_examples(
    "nodeflow check recipe.json",
    "nodeflow check workflows/*.json  several: all are checked",
    "nodeflow check --json recipe.json | jq '.files[0].problems'",
    "nodeflow check - < recipe.json",
)
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Recipes, pictures that carry one, or `-`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
) -> None:
    """Say everything that is wrong with recipes, without running them.

    Each problem has a code, a place in the document, what was expected, what was got and the nearest right thing.
    """
    from nodeflow.engine import Engine

    engine = Engine()
    codes: list[Exit] = []
    documents: list[dict[str, Any]] = []
    for file in files:
        problems, code = _check_one(engine, file)
        if strict and problems and code is Exit.OK:
            code = Exit.PROBLEMS
        codes.append(code)
        documents.append({"file": file, "ok": code is Exit.OK, "problems": [p.to_json() for p in problems]})
        if not as_json:
            for problem in problems:
                emit(problem_line(problem, file))
            errors = sum(p.severity == "error" for p in problems)
            emit(f"{clean(file)}: {_verdict(errors, len(problems) - errors)}")
    engine.close()
    if as_json:
        emit_json({"ok": not any(codes), "files": documents})
    if any(codes):
        raise Stop(max(codes))


def _check_one(engine: Engine, file: str) -> tuple[list[Problem], Exit]:
    from nodeflow.cli.source import read
    from nodeflow.problems import Problem, ProblemsError

    try:
        source = read(file)
        problems = list(engine.check(source.workflow, path=source.path).problems)
        return problems, code_of(problems)
    except ProblemsError as error:
        return list(error.problems), code_of(error.problems)
    except Stop as stop:
        return [Problem("NF001", "", str(stop))], stop.code


def _verdict(errors: int, warnings: int) -> str:
    parts = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    return " and ".join(parts) if parts else "no problems"


@with_examples("nodeflow schema > nodeflow-1.schema.json", "nodeflow schema --codes  all problem codes")
def schema(
    codes: Annotated[bool, typer.Option("--codes", help="List the codes of problems instead.")] = False,
) -> None:
    """Print the JSON Schema of recipes (format nodeflow/1)."""
    if codes:
        from nodeflow.cli.text import table
        from nodeflow.problems import CODES

        table(((code, name, text) for code, (name, text) in CODES.items()), ("code", "name", "meaning"))
        return
    from nodeflow.schema import recipe_schema

    emit_json(recipe_schema())
    say()
