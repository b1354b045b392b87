"""Nodes that join, change and make up texts."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from nodeflow import Multiline, NodeError, Range, Seed, node
from nodeflow_nodes.value import regex
from nodeflow_nodes.value import template as templates
from nodeflow_nodes.value.randoms import uniform

Long = Annotated[str, Multiline()]
Plain = str | int | float | bool


def _bounded(text: str) -> str:
    if len(text) > templates.LONGEST:
        raise NodeError(f"the text has {len(text):,} characters; at most {templates.LONGEST:,}")
    return text


@node("value/join_text")
def join_text(a: Long, b: Long = "", separator: str = ", ") -> str:
    """Put one text behind another.

    Args:
        a: comes first.
        b: comes second; if either is empty, the separator is left out.
        separator: goes between them.
    """
    return _bounded(separator.join(part for part in (a, b) if part))


@node("value/join_texts")
def join_texts(texts: list[str], separator: str = ", ") -> str:
    """Put all texts of a list together.

    Args:
        texts: the list.
        separator: goes between them.
    """
    return _bounded(separator.join(texts))


@node("value/split_text")
def split_text(text: Long, separator: str = "", strip: bool = True) -> list[str]:
    """Cut a text into a list.

    Args:
        text: what is cut.
        separator: where to cut; empty cuts into lines.
        strip: take away the space around each part, and leave empty parts out.
    """
    parts = text.split(separator) if separator else text.splitlines()
    return [part.strip() for part in parts if part.strip()] if strip else parts


@node("value/replace_text")
def replace_text(text: Long, find: str, replace: str = "", count: Annotated[int, Range(0, 100_000)] = 0) -> str:
    """Replace a piece of text by another.

    Args:
        text: where to look.
        find: what to look for, exactly as written.
        replace: what to put in its place.
        count: how many are replaced, from the start; 0 replaces all.
    """
    if not find:
        return text
    found = text.count(find)
    found = min(count, found) if count else found
    if len(text) + found * (len(replace) - len(find)) > templates.LONGEST:
        raise NodeError(f"the text would have more than {templates.LONGEST:,} characters")
    return text.replace(find, replace, count or -1)


@node("value/change_case")
def change_case(text: Long, to: Literal["lower", "upper", "title", "sentence"] = "lower") -> str:
    """Write a text in small or capital letters.

    Args:
        text: the text.
        to: all small, all capital, each word with a capital, or only the first.
    """
    ways = {
        "lower": text.lower(),
        "upper": text.upper(),
        "title": text.title(),
        "sentence": text[:1].upper() + text[1:],
    }
    return ways[to]


def _flags(ignore_case: bool, multiline: bool, dot_all: bool) -> int:
    return (re.IGNORECASE * ignore_case) | (re.MULTILINE * multiline) | (re.DOTALL * dot_all)


@node("value/regex_find")
def regex_find(
    text: Long,
    pattern: str,
    group: Annotated[int, Range(0, 99)] = 0,
    ignore_case: bool = False,
    multiline: bool = False,
    dot_all: bool = False,
) -> list[str]:
    """Find all pieces of a text that look like a pattern.

    Args:
        text: where to look.
        pattern: a regular expression, in Python's notation: `[0-9]+` finds numbers.
        group: which bracket of the pattern to give; 0 gives the whole piece.
        ignore_case: let small and capital letters be equal.
        multiline: let `^` and `$` stand for the ends of each line.
        dot_all: let `.` stand for line ends too.

    Returns:
        The pieces, in order; empty if there are none.
    """
    found = regex.search(pattern, text, _flags(ignore_case, multiline, dot_all), 0)
    if found and group >= len(found[0]):
        raise NodeError(f"group {group}: the pattern has {len(found[0]) - 1} brackets")
    return [pieces[group] for pieces in found]


@node("value/regex_replace")
def regex_replace(
    text: Long,
    pattern: str,
    replace: str = "",
    count: Annotated[int, Range(0, 100_000)] = 0,
    ignore_case: bool = False,
    multiline: bool = False,
    dot_all: bool = False,
) -> str:
    """Replace all pieces of a text that look like a pattern.

    Args:
        text: where to look.
        pattern: a regular expression, in Python's notation.
        replace: what to put in their place; `\\1` stands for the first bracket of the pattern.
        count: how many are replaced, from the start; 0 replaces all.
        ignore_case: let small and capital letters be equal.
        multiline: let `^` and `$` stand for the ends of each line.
        dot_all: let `.` stand for line ends too.
    """
    return _bounded(regex.replace(pattern, replace, text, _flags(ignore_case, multiline, dot_all), count))


@node("value/regex_test")
def regex_test(text: Long, pattern: str, ignore_case: bool = False) -> bool:
    """Tell whether a piece of a text looks like a pattern.

    Args:
        text: where to look.
        pattern: a regular expression, in Python's notation.
        ignore_case: let small and capital letters be equal.
    """
    return bool(regex.search(pattern, text, _flags(ignore_case, False, False), 1))


@node("value/template")
def fill_template(
    template: Long,
    a: Plain = "",
    b: Plain = "",
    c: Plain = "",
    d: Plain = "",
    names: str = "a, b, c, d",
) -> str:
    """Fill values into a text: `a photo of {a}, {b:.1f} m high`.

    Args:
        template: the text; `{a}` stands for the value, `{b:.2f}` for a number with two decimals. Write `{{` and
            `}}` for plain brackets.
        a: first value.
        b: second value.
        c: third value.
        d: fourth value.
        names: what the four are called in the text, such as `subject, height`.
    """
    called = [name.strip() for name in names.split(",")]
    if len(called) > 4 or not all(name.isidentifier() for name in called) or len(set(called)) < len(called):
        raise NodeError(f"names: expected up to four different names with commas between, got {names[:80]!r}")
    return templates.fill(template, dict(zip(called, (a, b, c, d), strict=False)))


@node("value/wildcard")
def wildcard(text: Long, seed: Seed = 0, lists: Long = "") -> str:
    """Make up a text by chance: `a {red|green|blue} __animal__`.

    Args:
        text: `{red|green}` becomes one of its parts, `{3::red|green}` red three times as often; `__animal__` becomes an
            item of that list. They may stand within each other. Write a backslash before a plain bracket or bar.
        seed: the same seed gives the same text.
        lists: a line for each list, `animal: cat, dog`; or `[animal]` and its items on the lines below.
    """
    return templates.wildcards(text, templates.parse_lists(lists), uniform(seed))


@node("value/text_length")
def text_length(text: Long) -> int:
    """Count the characters of a text.

    Args:
        text: the text.
    """
    return len(text)
