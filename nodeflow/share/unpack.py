"""Reading a crate: checked as a whole, then laid out in a new folder in one step, or not at all. Nothing in it is run.

A crate comes from others. Its archive is checked (`archive`), every file against the size and hash that the crate's
own description gives, the recipe and lock for their form and against each other. All of that happens before the first
byte is written; then everything is written beside the target and renamed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from blake3 import blake3

from nodeflow.jsonio import parse_json
from nodeflow.share.archive import Archive, ArchiveError, shown
from nodeflow.share.crate_metadata import METADATA
from nodeflow.share.lock import MAX_BYTES as MAX_LOCK
from nodeflow.share.lock import Lock, parse_lock
from nodeflow.workflow import Workflow

MAX_METADATA = 32 << 20
MAX_RECIPE = 64 << 20
MAX_ENTITIES = 100_000


@dataclass(frozen=True)
class Checked:
    """A crate whose parts are what they claim to be. recipe: the name of its recipe's file. sizes: of its files."""

    name: str
    recipe: str
    workflow: Workflow
    lock: Lock
    sizes: dict[str, int]


def is_crate(data: bytes) -> bool:
    """Whether a file begins like a zip archive."""
    return data.startswith((b"PK\3\4", b"PK\5\6"))


def inspect(source: Path | IO[bytes], *, name: str = "") -> Checked:
    """Check a crate without unpacking it.

    Args:
        source: the file, or a stream that can be positioned. name: what messages call it.

    Raises:
        ArchiveError: it is damaged, hostile, no crate, or not what it claims to be. ProblemsError: the recipe or the
            lock in it is not well formed.
    """
    with Archive(source, name=name) as archive:
        return _checked(archive)[0]


def unpack(source: Path | IO[bytes], target: Path, *, name: str = "") -> Checked:
    """Check a crate and lay it out as the new folder `target`.

    Raises:
        ArchiveError: as `inspect`; or the folder is there already, or cannot be written. ProblemsError: as `inspect`.
    """
    if os.path.lexists(target):
        raise ArchiveError(f"{target} is there already; name a folder that is not (--out FOLDER)")
    with Archive(source, name=name) as archive:
        found, digests = _checked(archive)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
        except OSError as error:
            raise ArchiveError(f"{target}: cannot be made: {error.strerror}") from None
        try:
            for entry in found.sizes:
                _write(archive, entry, temporary / entry, digests.get(entry))
            temporary.chmod(0o755)
            os.rename(temporary, target)  # fails if the folder has been made meanwhile, unless it is empty
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if isinstance(error, ArchiveError):
                raise
            raise ArchiveError(f"{target}: cannot be written: {error.strerror or error}") from None
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return found


def _write(archive: Archive, entry: str, path: Path, digest: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    hasher = hashlib.sha256()
    with open(path, "xb") as file:
        for block in archive.blocks(entry):
            hasher.update(block)
            file.write(block)
    if digest is not None and hasher.hexdigest() != digest:
        raise ArchiveError(f"{archive.name}: {shown(entry)} changed while it was read; nothing was unpacked")


def _checked(archive: Archive) -> tuple[Checked, dict[str, str]]:
    """The crate, and the SHA-256 of each file."""

    def refuse(reason: str) -> ArchiveError:
        return ArchiveError(f"{archive.name}: {reason}; nothing was unpacked")

    if METADATA not in archive.sizes:
        raise refuse(f"no crate: it has no {METADATA}")
    graph = _graph(parse_json(archive.read(METADATA, MAX_METADATA), source=archive.name, max_bytes=MAX_METADATA))
    if graph is None:
        raise refuse(f"{METADATA} is no description of a crate")
    recipe = _main(graph)
    if not recipe.endswith(".json") or recipe not in archive.sizes:
        raise refuse("its main entity is no nodeflow recipe in it")
    listed = _listed(graph)
    digests: dict[str, str] = {}
    for name, size in archive.sizes.items():
        if name == METADATA:
            continue
        about = listed.pop(name, None)
        if about is None:
            raise refuse(f"it has {shown(name)}, which its description does not list")
        if about.get("contentSize") != str(size):
            given = shown(str(about.get("contentSize")))
            raise refuse(f"{shown(name)} has {size:,} bytes; its description says {given}")
        digests[name] = archive.sha256(name)
        if about.get("sha256") != digests[name]:
            raise refuse(f"{shown(name)} is not what its description says: its SHA-256 is {digests[name]}")
    if listed:
        raise refuse(f"its description lists {shown(next(iter(listed)))}, which is not in it")
    return _agreeing(archive, recipe, digests), digests


def _agreeing(archive: Archive, recipe: str, digests: dict[str, str]) -> Checked:
    """Recipe, lock and files, after seeing that they are of each other."""

    def refuse(reason: str) -> ArchiveError:
        return ArchiveError(f"{archive.name}: {reason}; nothing was unpacked")

    place = f"{archive.name}:{recipe}"
    workflow = Workflow.from_json(
        parse_json(archive.read(recipe, MAX_RECIPE), source=place, max_bytes=MAX_RECIPE), source=place
    )
    lock_name = f"{recipe.removesuffix('.json')}.lock.json"
    if lock_name not in archive.sizes:
        raise refuse(f"it has no lock ({shown(lock_name)})")
    lock = parse_lock(archive.read(lock_name, MAX_LOCK), source=f"{archive.name}:{lock_name}")
    if lock.recipe != workflow.digest():
        raise refuse("its lock is of another recipe")
    environment = lock.environment
    if environment is not None and digests.get(environment.file) not in (environment.sha256, None):
        raise refuse(f"{shown(environment.file)} is not the environment that the lock tells of")
    for file in lock.files:
        if digests.get(file.name) != file.sha256:
            state = "is another file than" if file.name in digests else "is missing, but"
            raise refuse(f"the input {shown(file.name)} {state} the lock tells of")
    made = {_blake3(archive, name) for name in archive.sizes if name.startswith("outputs/")}
    for output, golden in lock.outputs.items():
        for place_, made_file in enumerate(golden.files):
            if made_file.digest not in made:
                raise refuse(f"file {place_} of the output {shown(output)} that the lock tells of is not in it")
    return Checked(archive.name, recipe, workflow, lock, dict(archive.sizes))


def _blake3(archive: Archive, name: str) -> str:
    hasher = blake3()
    for block in archive.blocks(name):
        hasher.update(block)
    return hasher.hexdigest()


def _graph(document: Any) -> dict[str, dict[str, Any]] | None:
    """The entities of a JSON-LD document by id; None if it is not of that form."""
    graph = document.get("@graph") if isinstance(document, dict) else None
    if not isinstance(graph, list) or len(graph) > MAX_ENTITIES:
        return None
    entities = {e["@id"]: e for e in graph if isinstance(e, dict) and isinstance(e.get("@id"), str)}
    return entities if len(entities) == len(graph) and "./" in entities else None


def _main(graph: dict[str, dict[str, Any]]) -> str:
    main = graph["./"].get("mainEntity")
    name = main.get("@id") if isinstance(main, dict) else None
    return unquote(name) if isinstance(name, str) else ""


def _listed(graph: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The files in the crate that its description lists, by name; names that lead elsewhere are not of the crate."""
    found: dict[str, dict[str, Any]] = {}
    for identifier, entity in graph.items():
        kinds = entity.get("@type")
        if "File" in (kinds if isinstance(kinds, list) else [kinds]) and "://" not in identifier:
            found[unquote(identifier)] = entity
    return found
