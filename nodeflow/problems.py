"""Problems: what is wrong with a recipe, in a form that a terminal, a program and a canvas can show.

A problem has a code that never changes its meaning, a place (a path into the document), what was expected, what was
got, and the nearest right thing. `CODES` lists all of them; `docs/problems.md` is made from it.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from nodeflow.errors import NodeflowError

CODES: dict[str, tuple[str, str]] = {
    "NF001": ("unreadable", "The text is not a JSON document, is too large, or nests too deeply."),
    "NF002": ("duplicate-key", "An object in the document has the same key twice."),
    "NF003": ("wrong-format", "The document is no nodeflow recipe, or of a format this version does not know."),
    "NF004": ("malformed", "A part of the document has the wrong shape or an unknown key."),
    "NF005": ("bad-id", "An id has characters that ids may not have."),
    "NF101": ("bad-op", "An op is not written as pack/name@version."),
    "NF102": ("unknown-op", "No installed pack has this op."),
    "NF103": ("unknown-version", "The op is installed in another version, and no migration leads to it."),
    "NF104": ("unknown-input", "The node has no input of this name."),
    "NF105": ("missing-input", "A required input has neither a value nor a link."),
    "NF106": ("unknown-output", "The node that a link comes from has no output of this name."),
    "NF107": ("unknown-node", "A link comes from a node that does not exist."),
    "NF108": ("two-sources", "An input has two sources among a value, a link and declared inputs."),
    "NF109": ("cycle", "Nodes feed each other in a circle."),
    "NF110": ("unreachable", "No output needs this node; it does not run."),
    "NF111": ("deprecated", "The op is deprecated."),
    "NF112": ("unknown-definition", "A sub-workflow is named that the recipe does not define."),
    "NF113": ("recursive-definition", "Sub-workflows contain each other, or nest too deeply."),
    "NF114": ("bypass-impossible", "A bypassed node has no input of the type that its output needs."),
    "NF115": ("too-large", "The recipe expands to more nodes than allowed."),
    "NF116": ("pack-failed", "The pack that has this op could not be loaded."),
    "NF201": ("type-mismatch", "A link joins an output to an input of another type."),
    "NF202": ("out-of-range", "A value is outside its range."),
    "NF203": ("not-a-choice", "A value is not among the choices."),
    "NF204": ("wrong-value", "A value has the wrong type."),
    "NF205": ("needs-link", "An input takes no written value, only a link."),
    "NF206": ("each-not-list", "A mapped input is not a list, or the mapped lists differ in length."),
    "NF207": ("length-unknown", "A mapped list is known only while running."),
    "NF301": ("missing-model", "A model file was not found."),
    "NF302": ("missing-file", "An input file was not found."),
    "NF303": ("outside-roots", "A file lies outside the folders that recipes may read."),
    "NF304": ("wrong-file-type", "A file has a suffix that the input does not take."),
    "NF401": ("bad-declared-input", "A declared input leads to a node or port that does not exist."),
    "NF402": ("bad-declared-output", "A declared output names a node or port that does not exist."),
    "NF403": ("conflicting-defaults", "A declared input feeds ports that hold different values."),
    "NF404": ("no-outputs", "The recipe has nothing to run."),
    "NF405": ("unknown-declared-input", "A value was given for an input that the recipe does not declare."),
    "NF406": ("missing-declared-input", "A declared input has no value."),
    "NF407": ("unknown-target", "A target names no node or output of the recipe."),
}


MAX_COMPARED = 400
"""Among how many names the nearest are looked for: of more, those that begin alike. So a thousand mistakes in a large
recipe are found in time."""
MAX_LOOKED_UP = 1000
"""So many times the nearest are looked for among many names."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    place: path into the document, such as `nodes.sampler.values.steps`; empty for the whole.
    """

    code: str
    place: str
    message: str
    expected: str = ""
    got: str = ""
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    @property
    def name(self) -> str:
        return CODES[self.code][0]

    def __str__(self) -> str:
        text = f"{self.code} {self.name}: {self.place}{': ' if self.place else ''}{self.message}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.got:
            text += f", got {self.got}"
        return f"{text} ({self.hint})" if self.hint else text

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, **{k: v for k, v in asdict(self).items() if v != ""}}


class ProblemsError(NodeflowError):
    """A recipe cannot be used; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem], source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        head = f"{source}: " if source else ""
        super().__init__("\n".join(head + str(p) for p in self.problems))


class Names(Collection[str]):
    """Names among which the nearest are looked for many times: those that begin alike are found without a walk, and
    after `MAX_LOOKED_UP` times none are, if there are many: nobody reads so many hints."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._looked_up = 0

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def beginning_like(self, name: str) -> tuple[str, ...]:
        """The names whose first two letters are those of `name` in whatever case, sorted; at most `MAX_COMPARED`."""
        self._looked_up += 1
        if self._looked_up > MAX_LOOKED_UP:
            return ()
        return self._by_beginning.get(name[:2].lower(), ())

    @functools.cached_property
    def _by_beginning(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for name in self._names:
            found.setdefault(name[:2].lower(), []).append(name)
        return {begins: tuple(sorted(names)[:MAX_COMPARED]) for begins, names in found.items()}


def nearest(name: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """The known names most like `name`, best first; names that share the last part count as near."""
    names = known if isinstance(known, Names) else Names(known if isinstance(known, Mapping) else set(known))
    tail = name.rpartition("/")[2] if "/" in name else ""
    if len(names) <= MAX_COMPARED:
        pool = tuple(sorted(names))
    elif tail:
        pool = tuple(sorted({*names.beginning_like(name), *(k for k in names if k.endswith(tail))})[:MAX_COMPARED])
    else:
        pool = names.beginning_like(name)
    return list(_nearest(name[:200], tail, pool, limit))


@functools.lru_cache(maxsize=1024)
def _nearest(name: str, tail: str, pool: tuple[str, ...], limit: int) -> list[str]:
    found = difflib.get_close_matches(name, pool, n=limit, cutoff=0.6)
    found += [k for k in pool if k.rpartition("/")[2] == (tail or name) and k not in found]
    return found[:limit]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean a, b?`, or the list of known names if it is short, or nothing."""
    known = known if isinstance(known, (Mapping, Names)) else set(known)
    if found := nearest(name, known):
        return f"did you mean {', '.join(found)}?"
    return f"known: {', '.join(sorted(known))}" if 0 < len(known) <= 12 else ""
