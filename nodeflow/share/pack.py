"""Writing a crate: one zip file with everything that a recorded run or a locked recipe is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nodeflow.jsonio import dump_json
from nodeflow.share.archive import write_zip
from nodeflow.share.crate import Contents
from nodeflow.share.crate_metadata import METADATA, PREVIEW, metadata, moment_text
from nodeflow.share.crate_preview import preview

SUFFIX = ".crate.zip"
RECORD_FORMAT = "nodeflow-run/1"


def pack(contents: Contents, target: Path, *, license: str = "", author: str = "") -> int:
    """Write a crate; equal contents give equal bytes. Returns the number of its files.

    Args:
        license: of the crate, as an SPDX id or an address. author: who ran it.

    Raises:
        CrateError: `rocrate` is missing. ArchiveError: the file cannot be written.
    """
    entries = files_of(contents)
    entries[PREVIEW] = preview(contents, sorted(entries)).encode()
    document = metadata(contents, entries, license=license, author=author)
    entries[METADATA] = (dump_json(document) + "\n").encode()
    write_zip(target, entries, first=METADATA)
    return len(entries)


def files_of(contents: Contents) -> dict[str, bytes | Path]:
    """The files of a crate by name, without those that describe it."""
    stem = contents.stem
    entries: dict[str, bytes | Path] = {
        f"{stem}.json": contents.workflow.text().encode(),
        f"{stem}.lock.json": contents.lock.text().encode(),
        f"{stem}.run.json": (dump_json(record(contents)) + "\n").encode(),
        f"pylock.{stem}.toml": contents.environment.encode(),
    }
    for folder, made in (("outputs", contents.outputs), ("saved", contents.saved)):
        for name, files in made.items():
            for number, (media, data) in enumerate(files):
                entries[contents.file_name(folder, name, number, media)] = data
    entries |= {**contents.inputs, **contents.cards, **contents.models}
    return entries


def record(contents: Contents) -> dict[str, Any]:
    """What ran, as it stands in the crate: no paths, no names of people."""
    ran, lock = contents.ran, contents.lock
    document: dict[str, Any] = {"format": RECORD_FORMAT, "state": "completed"}
    if ran.id:
        document["id"] = ran.id
    if ran.ended:
        document |= {"started": moment_text(ran.started), "ended": moment_text(ran.ended)}
    document |= {"recipe": lock.recipe, "lock": lock.digest(), "numeric": dict(lock.numeric), "seeds": dict(lock.seeds)}
    document["versions"] = dict(lock.versions)
    keys = {node.id: node.key for node in lock.nodes}
    document["nodes"] = [
        {"node": name, "op": op, "state": state, "seconds": round(seconds, 6), "key": keys.get(name, "")}
        for name, op, state, seconds in ran.nodes
    ]
    return document
