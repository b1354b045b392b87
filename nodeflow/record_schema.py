"""The tables of the record of runs, and their rows as Python sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

MIGRATIONS: Final = (
    """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, recipe BLOB NOT NULL REFERENCES recipes,
    started REAL NOT NULL, ended REAL, state TEXT NOT NULL, numeric TEXT NOT NULL, versions TEXT NOT NULL,
    seeds TEXT NOT NULL, error TEXT, process TEXT NOT NULL
);
CREATE INDEX runs_running ON runs (state) WHERE state = 'running';
CREATE INDEX runs_by_recipe ON runs (recipe);
CREATE TABLE recipes (digest BLOB NOT NULL PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE nodes (
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, node TEXT NOT NULL, op TEXT NOT NULL, key BLOB NOT NULL,
    state TEXT NOT NULL, seconds REAL NOT NULL, error TEXT, PRIMARY KEY (run, node)
) WITHOUT ROWID;
CREATE TABLE artefacts (
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, output TEXT NOT NULL, place INTEGER NOT NULL,
    digest BLOB NOT NULL, media TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (run, output, place)
) WITHOUT ROWID;
CREATE INDEX artefacts_by_digest ON artefacts (digest);
CREATE TABLE parts (key BLOB NOT NULL PRIMARY KEY, parts TEXT NOT NULL) WITHOUT ROWID;
""",
)
"""Numbered from 1; a script is never changed once it has been released."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """What became of one node. state: computed, cached, failed, blocked, cancelled or muted. error: with traceback."""

    node: str
    op: str
    key: str
    state: str
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ArtefactRow:
    """One file that a run made: of which output, the how manieth, its digest, media type and readable file name."""

    output: str
    place: int
    digest: str
    media: str
    name: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. state: running, completed, failed, cancelled or interrupted. Times in seconds since 1970."""

    number: int
    id: str
    recipe_digest: str
    started: float
    ended: float | None
    state: str
    numeric: str
    versions: dict[str, str] = field(default_factory=dict)
    seeds: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
