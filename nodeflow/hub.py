"""Models of the Hugging Face hub by name, as they lie in its cache. Nothing here reaches the network (`fetch` does).

A name is `owner/name@revision`, or `owner/name@revision:path/in/it`. The revision is a commit (40 hexadecimal digits),
which pins the content, or a branch or tag that the cache knows. The cache is laid out as the hub's own libraries do it:

    models--owner--name/refs/main                      the commit that a branch stood at when it was fetched
    models--owner--name/snapshots/<commit>/<path>      links to
    models--owner--name/blobs/<digest>                 the files
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

COMMIT = re.compile(r"[0-9a-f]{40}")
_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}"
_NAME = re.compile(rf"({_PART})/({_PART})@([A-Za-z0-9_][A-Za-z0-9._/-]{{0,127}})(?::(.{{1,500}}))?")
BARE = re.compile(rf"({_PART})/({_PART})")


@dataclass(frozen=True)
class HubName:
    """What a name says. file: a file or folder in the repository; empty: all of it."""

    repo: str
    revision: str
    file: str = ""

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, so that the name always means the same content."""
        return COMMIT.fullmatch(self.revision) is not None

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" + (f":{self.file}" if self.file else "")


class NotInCache(LookupError):
    """The cache does not have what a name says; the message says which part of it is missing."""


class OutOfCache(ValueError):
    """A link in the cache leads out of its repository."""


def parse(text: str) -> HubName | None:
    """The hub name that a text is, or None if it is none."""
    match = _NAME.fullmatch(text)
    if match is None or any(part in ("", ".", "..") for part in _parts(match[3], match[4] or "x")):
        return None
    return HubName(f"{match[1]}/{match[2]}", match[3], match[4] or "")


def _parts(*paths: str) -> Iterator[str]:
    for path in paths:
        yield from path.replace("\\", "/").split("/")


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the hub's libraries keep what they fetch: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else the usual place."""
    if given := environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE"):
        return Path(given).expanduser()
    base = Path(environment.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(environment.get("HF_HOME") or base).expanduser() / "hub"


def repo_folder(cache: Path, repo: str) -> Path:
    """The folder of a repository in the cache."""
    return cache / f"models--{repo.replace('/', '--')}"


def revisions(cache: Path, repo: str) -> list[str]:
    """The commits of a repository that the cache has, and the branches and tags that lead to one."""
    folder = repo_folder(cache, repo)
    commits = sorted(p.name for p in _listed(folder / "snapshots") if COMMIT.fullmatch(p.name))
    refs = sorted(p.relative_to(folder / "refs").as_posix() for p in (folder / "refs").rglob("*") if p.is_file())
    return [*commits, *(ref for ref in refs if _commit(folder, ref) in commits)]


def find(cache: Path, name: HubName) -> Path:
    """The file or folder in the cache.

    Raises:
        NotInCache: if the repository, the revision or the file is not there.
        OutOfCache: if it is a link out of its repository, or holds one.
    """
    folder = repo_folder(cache, name.repo)
    if not folder.is_dir():
        raise NotInCache(f"the cache has nothing of {name.repo}")
    commit = name.revision if name.pinned else _commit(folder, name.revision)
    snapshot = folder / "snapshots" / commit
    if not commit or not snapshot.is_dir():
        have = revisions(cache, name.repo)
        raise NotInCache(f"the cache has {name.repo} only at {', '.join(have)}" if have else "its snapshots are empty")
    found = snapshot / name.file if name.file else snapshot
    if not found.exists():
        raise NotInCache(f"{name.repo} at {commit[:12]} is there, but {name.file!r} is not in it")
    _check_inside(found, os.path.realpath(folder))
    return found


def whole_models(cache: Path) -> Iterator[tuple[str, Path]]:
    """Pipelines in the cache (repositories with `model_index.json`), by pinned name."""
    for folder in sorted(_listed(cache)):
        parts = folder.name.split("--")
        if len(parts) != 3 or parts[0] != "models":
            continue
        for snapshot in sorted(_listed(folder / "snapshots")):
            if COMMIT.fullmatch(snapshot.name) and (snapshot / "model_index.json").is_file():
                yield f"{parts[1]}/{parts[2]}@{snapshot.name}", snapshot


def _commit(folder: Path, ref: str) -> str:
    """The commit a branch or tag stood at when it was last fetched; empty if the cache does not know it."""
    try:
        with (folder / "refs" / ref).open(encoding="ascii") as file:
            text = file.read(64).strip()
    except (OSError, ValueError):
        return ""
    return text if COMMIT.fullmatch(text) else ""


def _check_inside(path: Path, base: str) -> None:
    paths = [path]
    if path.is_dir():
        paths += [Path(here, name) for here, below, names in os.walk(path) for name in (*below, *names)]
    for item in paths:
        real = os.path.realpath(item)
        if not real.startswith(base + os.sep):
            raise OutOfCache(f"{item} leads to {real}")


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
