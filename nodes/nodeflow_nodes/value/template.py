"""Filling in texts: `{name}` templates and random wildcards. Nothing in a text is ever executed or looked up as an
attribute, and results are bounded in length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from nodeflow import NodeError

LONGEST = 200_000
"""Characters of a filled-in text."""
DEEPEST = 20
"""Wildcards within wildcards."""

_FIELD = re.compile(r"\{\{|\}\}|\{([^{}:]*)(?::([^{}]*))?\}|[{}]")
_SPEC = re.compile(r"[<>^]?[+]?0?\d{0,3},?(?:\.\d{1,2})?[dfegsx%]?")


def fill(template: str, values: Mapping[str, object]) -> str:
    """`{name}` replaced by `values[name]`, `{name:.2f}` by the formatted number; `{{` and `}}` are plain brackets.

    Raises:
        NodeError: for unknown names, bad formats, brackets without a partner, and results that are too long.
    """

    def one(match: re.Match[str]) -> str:
        whole, name, form = match[0], match[1], match[2]
        if whole in ("{{", "}}"):
            return whole[0]
        if name is None:
            raise NodeError(
                f"template: a single {whole} at character {match.start() + 1}; write {whole * 2} for a plain one"
            )
        name = name.strip()
        if name not in values:
            raise NodeError(f"template: unknown name {name[:40]!r}; known: {', '.join(values) or 'none'}")
        value = values[name]
        if form is None or form == "":
            return ("true" if value else "false") if isinstance(value, bool) else str(value)
        if not _SPEC.fullmatch(form):
            raise NodeError(f"template: format {form[:40]!r} is not known; examples: {{a:.2f}}, {{a:03d}}")
        try:
            return format(value, form)
        except (ValueError, TypeError):
            raise NodeError(f"template: {value!r} cannot be written as {form!r}") from None

    filled = _FIELD.sub(one, template)
    if len(filled) > LONGEST:
        raise NodeError(f"the filled-in text has {len(filled):,} characters; at most {LONGEST:,}")
    return filled


def parse_lists(text: str) -> dict[str, list[str]]:
    """Lists by name: a line `color: red, green, blue`, or `[color]` with the items on the lines below it."""
    lists: dict[str, list[str]] = {}
    current: list[str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if head := re.fullmatch(r"\[([\w-]+)\]", stripped):
            current = lists.setdefault(head[1], [])
        elif current is not None:
            current.append(stripped)
        elif pair := re.fullmatch(r"([\w-]+)\s*:\s*(.+)", stripped):
            lists[pair[1]] = [item.strip() for item in pair[2].split(",")]
        else:
            raise NodeError(f"lists, line {number}: expected `name: item, item`, got {stripped[:60]!r}")
    return lists


def wildcards(text: str, lists: Mapping[str, list[str]], numbers: Iterator[float]) -> str:
    """`{a|b|c}` replaced by one of its parts and `__name__` by an item of that list, inner ones too, outermost first.

    `{3::a|b}` makes `a` three times as likely. `\\{`, `\\|`, `\\}` are plain characters. `numbers` are the draws, 0..1.
    """
    result: list[str] = []
    length = 0
    steps = 0
    todo: list[tuple[str, int]] = [(text, 0)]
    while todo:
        steps += 1
        piece, depth = todo.pop()
        if steps > 10_000 or length > LONGEST:
            raise NodeError("the wildcards make a text that is too long")
        if depth > DEEPEST:
            raise NodeError(f"wildcards within wildcards, more than {DEEPEST} deep; does a list name itself?")
        match = re.search(r"\\[{}|_\\]|\{|__([A-Za-z0-9][A-Za-z0-9-]*(?:_[A-Za-z0-9-]+)*)__", piece)
        if match is None:
            result.append(piece)
            length += len(piece)
            continue
        result.append(piece[: match.start()])
        length += match.start()
        if match[0].startswith("\\"):
            result.append(match[0][1])
            todo.append((piece[match.end() :], depth))
        elif match[1] is not None:
            if not lists.get(match[1]):
                known = ", ".join(lists) or "none"
                raise NodeError(f"wildcard __{match[1]}__: no such list, or it is empty; known: {known}")
            todo += [(piece[match.end() :], depth), (_draw([(i, 1.0) for i in lists[match[1]]], numbers), depth + 1)]
        else:
            parts, end = _parts(piece, match.end())
            todo += [(piece[end:], depth), (_draw([_weighted(part) for part in parts], numbers), depth + 1)]
    return "".join(result)


def _parts(text: str, at: int) -> tuple[list[str], int]:
    """The parts of the group that begins before `at`, and where it ends."""
    parts = [""]
    depth = 1
    while at < len(text):
        character = text[at]
        if character == "\\" and at + 1 < len(text):
            parts[-1] += text[at : at + 2]
            at += 2
            continue
        depth += (character == "{") - (character == "}")
        at += 1
        if depth == 0:
            return parts, at
        if character == "|" and depth == 1:
            parts.append("")
        else:
            parts[-1] += character
    raise NodeError("wildcards: a { is never closed; write \\{ for a plain one")


def _weighted(part: str) -> tuple[str, float]:
    if match := re.match(r"\s*(\d{1,6}(?:\.\d{1,6})?)::", part):
        return part[match.end() :], float(match[1])
    return part, 1.0


def _draw(choices: list[tuple[str, float]], numbers: Iterator[float]) -> str:
    total = sum(weight for _, weight in choices)
    if total <= 0:
        raise NodeError("wildcards: all weights are 0")
    at = next(numbers) * total
    for text, weight in choices:
        at -= weight
        if at < 0:
            return text
    return next(text for text, weight in reversed(choices) if weight > 0)
