"""What annotations of a node's inputs may carry, besides pydantic's and annotated_types' own metadata."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import annotated_types


@dataclass(frozen=True)
class Range(annotated_types.GroupedMetadata):
    """Smallest and largest value (both allowed), and the step that a widget moves by. `unit` is shown beside it."""

    ge: float | None = None
    le: float | None = None
    step: float | None = None
    unit: str = ""

    def __iter__(self) -> Iterator[annotated_types.BaseMetadata]:
        if self.ge is not None:
            yield annotated_types.Ge(self.ge)
        if self.le is not None:
            yield annotated_types.Le(self.le)


@dataclass(frozen=True)
class Multiline:
    """A hint for widgets: the text is long."""


@dataclass(frozen=True)
class SeedWidget:
    """A hint for widgets: the number is a seed (fixed, random or +1)."""


Seed = typing.Annotated[int, Range(0, 2**64 - 1), SeedWidget()]
"""A seed: 0 .. 2**64 - 1."""


@dataclass(frozen=True)
class ModelFile:
    """On a `File` port: the value names a file or folder below the model folders' `folder` (ComfyUI's folder names)."""

    folder: str


@dataclass(frozen=True)
class InputFile:
    """On a `File` port: the value is a path inside the input roots, with one of `suffixes` (lower case, with dot)."""

    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choices:
    """A list of choices known only when asked for; called each time, never at import. Must not import torch."""

    provider: Callable[[], list[str]]


class Body:
    """On a control-flow node's port: the name of one of the recipe's `definitions`, run by the node."""
