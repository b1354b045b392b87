"""What a workflow is expected to give: `NAME.expect.json` beside `NAME.json`, cases with inputs and expectations.

A case runs without cache. Every expectation is judged and every one that is not met is told, not only the first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from nodeflow.errors import NodeflowError
from nodeflow.jsonio import dump_json, parse_json
from nodeflow.problems import Problem, ProblemsError, did_you_mean
from nodeflow.share.golden import Fresh, fresh_run
from nodeflow.share.lock import Digest, shown
from nodeflow.share.pictures import PictureError, compare, opened
from nodeflow.share.verify import TOLERANCE, number_gap
from nodeflow.workflow import Workflow

if TYPE_CHECKING:
    from nodeflow.engine import Engine

FORMAT = "nodeflow-expect/1"
SUFFIX = ".expect.json"
MAX_BYTES = 4 << 20
MAX_PICTURE = 256 << 20
PICTURES = (".png", ".webp", ".jpg", ".jpeg")

FileName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^/\\\x00-\x1f]+$")]


class ExpectError(NodeflowError):
    """Expectations cannot be written anew; the message says which, and why."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Expected(_Part):
    """What is expected of an output; what is left out may be anything.

    hash: blake3 of the file before a recipe is put into it. files: how many there are. media: their kind.
    size: width and height of pictures. like: a picture beside this file, which each picture is compared with; psnr:
    at least so many dB; max_difference: at most so much, as a share of the full range.
    text: the whole text. contains, matches: a part of it, a regular expression found in it.
    equals: the value (numbers, lists, ...); tolerance: the largest relative difference of its numbers.
    """

    hash: Digest | None = None
    files: Annotated[int, Field(ge=0)] | None = None
    media: str | None = None
    size: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    like: FileName | None = None
    psnr: float | None = None
    max_difference: float | None = None
    text: str | None = None
    contains: str | None = None
    matches: str | None = None
    equals: Any = None
    tolerance: Annotated[float, Field(ge=0)] = TOLERANCE


class Case(_Part):
    """Values for declared inputs, and what should come of them. seconds: how long the run may take."""

    inputs: dict[str, Any] = {}
    outputs: dict[str, Expected] = {}
    seconds: Annotated[float, Field(gt=0)] | None = None


class Expectations(_Part):
    """recipe: a file beside this one; left out: NAME.json."""

    format: Literal["nodeflow-expect/1"]
    recipe: FileName | None = None
    cases: Annotated[dict[str, Case], Field(min_length=1, max_length=10_000)]


def expectations_text(expectations: Expectations) -> str:
    """The saved form."""
    return dump_json(expectations.model_dump(mode="json", exclude_unset=True)) + "\n"


def read_expectations(path: Path) -> Expectations:
    """The expectations in a file.

    Raises:
        ProblemsError: it cannot be read, or is none.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ProblemsError([Problem("NF001", "", f"cannot read the file: {error.strerror}")], str(path)) from None
    document = parse_json(data, source=str(path), max_bytes=MAX_BYTES)
    try:
        return Expectations.model_validate(document)
    except ValidationError as error:
        problems = [
            Problem("NF004", shown(".".join(map(str, e["loc"]))), e["msg"])
            for e in error.errors(include_url=False)[:50]
        ]
        raise ProblemsError(problems, str(path)) from None


def recipe_of(path: Path, expectations: Expectations) -> Path:
    return path.with_name(expectations.recipe or f"{path.name.removesuffix(SUFFIX)}.json")


def unmet(engine: Engine, path: Path, expectations: Expectations, case: Case) -> list[str]:
    """Run a case; every expectation that is not met, in words.

    Raises:
        ProblemsError: the recipe has problems. StoreError: results cannot be kept.
    """
    recipe = recipe_of(path, expectations)
    workflow = Workflow.read(recipe).with_inputs(case.inputs)
    fresh = fresh_run(engine, workflow, recipe)
    if fresh.outcome.failures:
        return [f"failed: {failure}" for failure in fresh.outcome.failures]
    found = [text for name, output in case.outputs.items() for text in _output(fresh, path.parent, name, output)]
    if case.seconds is not None and fresh.outcome.elapsed > case.seconds:
        found.append(f"it took {fresh.outcome.elapsed:.1f} s; expected at most {case.seconds:g} s")
    return found


def updated(
    engine: Engine, path: Path, expectations: Expectations, names: Collection[str] | None = None
) -> tuple[Expectations, dict[str, bytes]]:
    """The expectations that the workflow meets as it is now, and the pictures to compare with, by name.

    What stands for a result is replaced (hash, media, files, size, text, equals, the picture); what judges one is kept
    (psnr, max_difference, tolerance, contains, matches, seconds).

    Args:
        names: only these cases.

    Raises:
        ProblemsError: the recipe has problems. ExpectError: a case failed, or two cases want one picture otherwise.
    """
    recipe = recipe_of(path, expectations)
    cases, pictures = dict(expectations.cases), dict[str, bytes]()
    for name, case in expectations.cases.items():
        if names is not None and name not in names:
            continue
        try:
            fresh = fresh_run(engine, Workflow.read(recipe).with_inputs(case.inputs), recipe)
        except ProblemsError as error:
            raise ProblemsError(error.problems, error.source or f"{path}, case {name!r}") from None
        if fresh.outcome.state != "completed":
            failures = "; ".join(map(str, fresh.outcome.failures)) or fresh.outcome.state
            raise ExpectError(f"{path}: case {name!r} did not succeed: {failures}")
        outputs = {}
        for output, expected in case.outputs.items():
            files = fresh.outputs.get(output)
            if not files:
                raise ExpectError(f"{path}: case {name!r}: the recipe has no output {output!r}, or it is empty")
            outputs[output] = _now(expected, files)
            if expected.like is not None and not expected.like.lower().endswith(PICTURES):
                raise ExpectError(f"{path}: {expected.like!r} is no name of a picture, so nothing is written there")
            if expected.like is not None and pictures.setdefault(expected.like, files[0][1]) != files[0][1]:
                raise ExpectError(f"{path}: two outputs are compared with {expected.like}, and they differ now")
        cases[name] = case.model_copy(update={"outputs": outputs})
    return expectations.model_copy(update={"cases": cases}), pictures


def _now(expected: Expected, files: list[tuple[str, bytes]]) -> Expected:
    """What is expected of an output, from what it is; a fact that stands for several files must be that of all."""
    media, data = files[0]
    changes: dict[str, Any] = {}
    if expected.files is not None:
        changes["files"] = len(files)
    if expected.hash is not None:
        changes["hash"] = blake3(data).hexdigest()
    if expected.media is not None:
        changes["media"] = media
    if expected.size is not None:
        changes["size"] = list(opened(data).size)
    text = data.decode("utf-8", "replace")
    if expected.text is not None:
        changes["text"] = text
    if expected.equals is not None:
        try:
            changes["equals"] = parse_json(text)
        except ProblemsError:
            changes["equals"] = text
    return expected.model_copy(update=changes)


def _output(fresh: Fresh, folder: Path, name: str, expected: Expected) -> Iterator[str]:
    files = fresh.outputs.get(name)
    if files is None:
        yield f"{name}: the recipe has no such output; {did_you_mean(name, fresh.outputs)}".rstrip("; ")
        return
    if expected.files is not None and len(files) != expected.files:
        yield f"{name}: {len(files)} files; expected {expected.files}"
    for number, (media, data) in enumerate(files):
        place = name if len(files) == 1 else f"{name} {number}"
        for text in _file(folder, media, data, expected):
            yield f"{place}: {text}"


def _file(folder: Path, media: str, data: bytes, expected: Expected) -> Iterator[str]:
    digest = blake3(data).hexdigest()
    if expected.hash is not None and digest != expected.hash:
        yield f"its hash is {digest}; expected {expected.hash}"
    if expected.media is not None and media != expected.media:
        yield f"it is {media}; expected {expected.media}"
    if expected.size is not None or expected.like is not None:
        yield from _picture(folder, data, expected)
    given = (expected.text, expected.contains, expected.matches, expected.equals)
    if any(value is not None for value in given):
        yield from _text(data, expected)


def _picture(folder: Path, data: bytes, expected: Expected) -> Iterator[str]:
    try:
        picture = opened(data)
        if expected.size is not None and list(picture.size) != expected.size:
            yield f"it has {picture.width}x{picture.height} pixels; expected {'x'.join(map(str, expected.size))}"
        if expected.like is None:
            return
        with open(folder / expected.like, "rb") as file:
            gap = compare(picture, opened(file.read(MAX_PICTURE)))
    except PictureError as error:
        yield str(error)
        return
    except OSError as error:
        yield f"{expected.like}: cannot be read: {error.strerror}"
        return
    if gap is None:
        yield f"{expected.like} has another size"
        return
    limit = expected.max_difference
    if limit is None and expected.psnr is None:
        limit = TOLERANCE
    if limit is not None and gap.maximum > limit:
        yield f"it differs from {expected.like}: {gap}; expected a largest difference of at most {limit:g}"
    if expected.psnr is not None and gap.psnr is not None and gap.psnr < expected.psnr:
        yield f"it differs from {expected.like}: {gap}; expected at least {expected.psnr:g} dB"


def _text(data: bytes, expected: Expected) -> Iterator[str]:
    text = data.decode("utf-8", "replace")
    brief = repr(text[:200])
    if expected.text is not None and text != expected.text:
        yield f"it is {brief}; expected {expected.text[:200]!r}"
    if expected.contains is not None and expected.contains not in text:
        yield f"it is {brief}; expected it to contain {expected.contains[:200]!r}"
    if expected.matches is not None:
        try:
            if re.search(expected.matches, text) is None:
                yield f"it is {brief}; expected a match of {expected.matches[:200]!r}"
        except re.error as error:
            yield f"{expected.matches[:200]!r} is no regular expression: {error}"
    if expected.equals is not None:
        try:
            gap = number_gap(parse_json(text), expected.equals)
        except ProblemsError:
            gap = number_gap(text, expected.equals)
        if gap > expected.tolerance:
            yield f"it is {brief}; expected {dump_json(expected.equals, indent=None)[:200]}"
