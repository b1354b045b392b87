"""Regular expressions that cannot hang the run.

Python's engine tries alternatives one after another; some patterns need longer than the universe will last, and nothing
can stop a search in this process. So only patterns with at most one open-ended repetition search here, on texts of
moderate length (at worst quadratic); all others do so in a child process that is ended after a few seconds.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from typing import Any

from nodeflow import NodeError

SECONDS = 5.0
LONGEST_PATTERN = 1000
LONGEST_TEXT = 1_000_000
HERE = 5_000
"""Texts up to this length are searched in this process, if the pattern is simple."""

_CHILD = """
import json, re, sys, warnings
warnings.simplefilter("ignore", FutureWarning)
job = json.load(sys.stdin)
pattern = re.compile(job["pattern"], job["flags"])
if job["mode"] == "replace":
    made = pattern.sub(lambda m: m.expand(job["replacement"]), job["text"], job["count"])
else:
    made = [[m.group(0), *m.groups("")] for _, m in zip(range(job["count"] or 100000), pattern.finditer(job["text"]))]
json.dump(made, sys.stdout)
"""


def search(pattern: str, text: str, flags: int, count: int) -> list[list[str]]:
    """Every match as [whole, group 1, group 2, ...]; groups that took no part are empty. count 0: all."""
    compiled = check(pattern, text, flags)
    if simple(pattern, text):
        found = zip(range(count or 100_000), compiled.finditer(text), strict=False)
        return [[m.group(0), *m.groups("")] for _, m in found]
    made: list[list[str]] = _apart({"mode": "find", "pattern": pattern, "text": text, "flags": flags, "count": count})
    return made


def replace(pattern: str, replacement: str, text: str, flags: int, count: int) -> str:
    """Matches replaced; `\\1` and `\\g<name>` in the replacement stand for groups. count 0: all."""
    compiled = check(pattern, text, flags)
    if len(replacement) > LONGEST_PATTERN:
        raise NodeError(f"the replacement has {len(replacement)} characters; at most {LONGEST_PATTERN}")
    try:
        if simple(pattern, text):
            return compiled.sub(lambda m: m.expand(replacement), text, count)
    except (re.error, IndexError) as error:
        raise NodeError(f"replacement {replacement[:80]!r}: {error}") from None
    job = {
        "mode": "replace",
        "pattern": pattern,
        "replacement": replacement,
        "text": text,
        "flags": flags,
        "count": count,
    }
    return str(_apart(job))


def check(pattern: str, text: str, flags: int) -> re.Pattern[str]:
    """The compiled pattern.

    Raises:
        NodeError: if it or the text is too long, or it is no regular expression.
    """
    if len(pattern) > LONGEST_PATTERN or len(text) > LONGEST_TEXT:
        raise NodeError(f"expected at most {LONGEST_PATTERN} characters of pattern and {LONGEST_TEXT:,} of text")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # what a later Python may read differently: "[["
            return re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise NodeError(f"pattern {pattern[:80]!r} is no regular expression: {error}") from None


def simple(pattern: str, text: str) -> bool:
    """Whether a search is sure to end soon: a short text, and at most one `*`, `+`, `?` or `{` in the pattern, then
    without `|` (which may repeat in several ways) and without references to groups."""
    plain = re.sub(r"\\.|\[[^\]\\]*\]", "", pattern)
    repeats = sum(plain.count(c) for c in "*+{?")
    tame = repeats == 0 or (repeats == 1 and "|" not in plain)
    return tame and len(text) <= HERE and not re.search(r"\\[1-9]", pattern)


def _apart(job: dict[str, Any]) -> Any:
    import subprocess

    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _CHILD],
            input=json.dumps(job).encode(),
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NodeError(
            f"the search for {job['pattern'][:80]!r} took longer than {SECONDS:g} s; avoid repetitions within "
            "repetitions"
        ) from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise NodeError(f"pattern {job['pattern'][:80]!r}: {lines[-1] if lines else 'the search failed'}")
    return json.loads(done.stdout)
