"""Where a recipe comes from (a file, a picture, standard input), and values given for its inputs as text."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.text import clean

if TYPE_CHECKING:
    from nodeflow.engine import Engine
    from nodeflow.ports import Port
    from nodeflow.share.carried import Carried
    from nodeflow.workflow import Workflow

MAX_FILE = 512 << 20
MAX_TEXT = 16 << 20
STDIN = "standard input"


class Source(NamedTuple):
    """A recipe and what it was read from; `path` is None for standard input. carried: what came in a picture."""

    workflow: Workflow
    path: Path | None
    name: str
    carried: Carried | None = None


def read(file: str) -> Source:
    """The recipe in a JSON file, a PNG, WebP or JPEG picture, or (`-`) on standard input.

    Raises:
        Stop: if the file cannot be read. ProblemsError: if it holds no recipe.
    """
    from nodeflow.api import carried_in

    if file == "-":
        found = carried_in(_standard_input(MAX_FILE), source=STDIN)
        return Source(found.workflow, None, STDIN, found)
    path = Path(file)
    found = carried_in(content(path, MAX_FILE), source=file)
    return Source(found.workflow, path, file, found)


def content(path: Path, limit: int = MAX_FILE) -> bytes:
    """The bytes of a file or a pipe.

    Raises:
        Stop: if it cannot be read, or is larger than `limit` bytes.
    """
    try:
        if path.is_dir():
            raise Stop(Exit.FILES, f"{path} is a folder; name a file")
        if path.exists() and not path.is_file() and not path.is_fifo():
            raise Stop(Exit.FILES, f"{path} is no file; name a file, or a pipe")
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise Stop(Exit.FILES, f"{path}: no such file{_near(path)}") from None
    except OSError as error:
        raise Stop(Exit.FILES, f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise Stop(Exit.USAGE, f"{clean(str(path))}: {error}") from None
    return _within(data, limit, str(path))


def _standard_input(limit: int) -> bytes:
    if sys.stdin is None:
        raise Stop(Exit.USAGE, f"{STDIN} is closed")
    return _within(sys.stdin.buffer.read(limit + 1), limit, STDIN)


def _within(data: bytes, limit: int, name: str) -> bytes:
    if len(data) > limit:
        raise Stop(Exit.FILES, f"{name}: larger than {limit >> 20} MB")
    return data


def _near(path: Path) -> str:
    from nodeflow.problems import nearest

    try:
        files = [p for p in path.parent.iterdir() if p.is_file()][:2000]
    except OSError:
        return ""
    # Without its ending: that of all recipes is the same, and makes names alike that are not.
    stems = {p.stem: p for p in sorted(files, key=lambda p: (p.suffix == path.suffix, p.suffix == ".json", p.name))}
    found = [str(stems[stem]) for stem in nearest(path.stem, stems)]
    return f"; did you mean {', '.join(found)}?" if found else ""


@contextmanager
def named(source: Source) -> Iterator[None]:
    """Problems found inside are told with the recipe's name."""
    from nodeflow.problems import ProblemsError

    try:
        yield
    except ProblemsError as error:
        raise ProblemsError(error.problems, error.source or clean(source.name)) from None


def with_settings(source: Source, settings: Iterable[str], engine: Engine) -> Workflow:
    """The recipe with `name=value` texts applied to its declared inputs.

    Raises:
        Stop: if a text cannot be read as its input's type. ProblemsError: if the recipe has no such input.
    """
    settings = list(settings)
    readers = [text for text in settings if text.partition("=")[2] == "@-"]
    if len(readers) + (source.path is None) > 1:
        raise Stop(Exit.USAGE, "standard input can be read once only: give the recipe or one value there")
    given = dict(_split(text) for text in settings)
    if not given:
        return source.workflow
    workflow = source.workflow
    ports = engine.check(workflow, path=source.path).scope.interface.inputs
    values = {
        name: _from_here(_value(name, text, ports.get(name)), ports.get(name), source) for name, text in given.items()
    }
    return workflow.with_inputs(values)


def _from_here(value: Any, port: Port | None, source: Source) -> Any:
    """A file's name that was typed means the file in the working folder, if there is one; in a recipe it means the one
    beside the recipe first, so it is written as seen from there."""
    from nodeflow.annotations import ModelFile

    if port is None or not port.is_file or port.extra(ModelFile) or source.path is None:
        return value
    if isinstance(value, list):
        return [_from_here(item, port, source) for item in value]
    beside = source.path.absolute().parent
    try:
        if not isinstance(value, str) or not value or os.path.isabs(value) or not os.path.exists(value):
            return value
        if not (beside / value).exists() or os.path.samefile(value, beside / value):
            return value
    except (OSError, ValueError):
        return value  # the engine says what is wrong with it
    return Path(os.path.relpath(value, os.path.realpath(beside))).as_posix()


def _split(setting: str) -> tuple[str, str]:
    name, equals, text = setting.partition("=")
    if not equals or not name.strip():
        raise Stop(Exit.USAGE, f"--set {setting!r}: expected name=value")
    if text.startswith("@@"):
        return name.strip(), _typed(name, text[1:])
    if not text.startswith("@"):
        return name.strip(), _typed(name, text)
    place = STDIN if text == "@-" else text[1:]
    if not place:
        raise Stop(Exit.USAGE, f"--set {setting!r}: expected a file's name after @ (a text that begins with @: @@…)")
    try:
        data = _standard_input(MAX_TEXT) if place is STDIN else content(Path(place), MAX_TEXT)
        return name.strip(), data.decode("utf-8-sig").removesuffix("\n")
    except UnicodeDecodeError:
        raise Stop(Exit.FILES, f"{place}: not UTF-8 text") from None


def _typed(name: str, text: str) -> str:
    """Text as it was typed: bytes that the locale could not read, and which stand in it as lone surrogates, are UTF-8.

    Raises:
        Stop: if they are not.
    """
    if text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text):
        return text
    try:
        return os.fsencode(text).decode()
    except ValueError:
        raise Stop(Exit.USAGE, f"--set {clean(name)}: {clean(ascii(text), limit=80)} is not UTF-8 text") from None


def _value(name: str, text: str, port: Port | None) -> Any:
    if port is None:
        return text  # an unknown input: the engine says so
    try:
        return parse_text(text, port)
    except ValueError as error:
        got = clean(repr(text), limit=80)
        reason = f" ({error})" if text.lstrip().startswith(("[", "{")) else ""
        raise Stop(Exit.USAGE, f"--set {name}: expected {_example(port)}, got {got}{reason}") from None


def parse_text(text: str, port: Port) -> Any:
    """A text as a value for a port: text where the port takes text, else JSON (`7`, `0.5`, `true`, `[1, 2]`), read as
    it is in a recipe.

    Raises:
        ValueError: if it is no JSON where JSON is needed.
    """
    if port.choices is not None:
        return next((choice for choice in port.choices if str(choice) == text), text)
    if _takes_text(port):
        return text
    from nodeflow.jsonio import parse_json
    from nodeflow.problems import ProblemsError

    try:
        return parse_json(text)
    except ProblemsError as error:
        if text.strip().lower() in ("true", "false") and bool in port.type.members:
            return text.strip().lower() == "true"
        if port.type.is_any or port.type.variable is not None:
            return text
        raise ValueError(error.problems[0].message) from None


def _takes_text(port: Port) -> bool:
    import enum

    from nodeflow.annotations import Body
    from nodeflow.types import File

    members = [m for m in port.type.members if isinstance(m, type)]
    return any(m in (str, File, Body) or issubclass(m, enum.Enum) for m in members)


def _example(port: Port) -> str:
    kind = str(port.type)
    if kind.startswith("list["):
        return f'{kind}, written as JSON, such as ["a", "b"]' if "str" in kind else f"{kind}, such as [1, 2]"
    return "true or false" if kind == "bool" else kind
