"""The Python environment as a `pylock.NAME.toml` in the form of PEP 751.

What an installation knows is written: names, versions, dependencies, and where a distribution came from if it was
installed from a URL, an archive, a folder or a repository (PEP 610). What index wheels hashed to is not known from an
installation, so no hash is made up: `tool.nodeflow.record-sha256` is the hash of the distribution's own list of
installed files (`RECORD`), which differs when other files were installed. Wheels are listed only if an index was asked
(`wheels.resolve`); without them this file tells what was there and constrains versions, and an installer that insists
on sources needs them from an index.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distributions
from typing import Any

from nodeflow import __version__
from nodeflow.share.wheels import Wheel, normalised

_REMARK = """\
# Written by `nodeflow lock`: what was installed when the recipe was locked.
# Packages from an index stand here without wheels: an installation does not keep their hashes, and none were made up.
# tool.nodeflow.record-sha256 is the SHA-256 of the distribution's RECORD, its own list of installed files.
"""
_REMARK_ASKED = """\
# Written by `nodeflow lock --resolve-hashes`: what was installed when the recipe was locked, and the files that pip
# found for it in the index then, for this kind of machine. An installation does not keep the hash of the file that it
# came from, so these are the index's files of that version, not proven to be the ones that were installed.
# tool.nodeflow.record-sha256 is the SHA-256 of the distribution's RECORD, its own list of installed files.
"""


def pins() -> dict[str, str]:
    """Versions of what is installed from an index, by normalised name."""
    return {name: dist.version for name, dist in _installed().items() if not _direct(dist)}


def pylock(wheels: Mapping[str, Wheel] | None = None) -> str:
    """The environment of this process as TOML.

    Args:
        wheels: what an index has for it, by normalised name; None: none was asked.
    """
    lines = [_REMARK_ASKED if wheels is not None else _REMARK]
    lines += ['lock-version = "1.0"', 'created-by = "nodeflow"', f"requires-python = {_text(f'=={_minor()}.*')}", ""]
    lines += ["[tool.nodeflow]", f"version = {_text(__version__)}", f"python = {_text(platform.python_version())}"]
    lines += [f"platform = {_text(platform.platform())}", 'sources = "only where PEP 610 records them"']
    for name, dist in sorted(_installed().items()):
        lines += ["", "[[packages]]", f"name = {_text(name)}", f"version = {_text(dist.version)}"]
        document = _direct(dist)
        lines += _source(document)
        wheel = (wheels or {}).get(name)
        if wheel is not None and wheel.url:
            known = _table({"name": wheel.name, "url": wheel.url, "hashes": {"sha256": wheel.sha256}})
            lines += [f"sdist = {known}" if wheel.is_source else f"wheels = [{known}]"]
        lines += ["[packages.tool.nodeflow]"]
        if "dir_info" in document:  # where the folder lies is this machine's business
            lines += ["from-folder = true"]
        if wheel is not None and not wheel.url:  # from a folder of this machine: an address would help nobody
            lines += [f"archive = {_table({'name': wheel.name, 'sha256': wheel.sha256})}"]
        lines += [f"record-sha256 = {_text(record)}"] if (record := _record(dist)) else []
    return "\n".join(lines) + "\n"


def _minor() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _installed() -> dict[str, Distribution]:
    """By normalised name (PEP 503); the first on the path wins, as in an import."""
    found: dict[str, Distribution] = {}
    for dist in distributions():
        name = dist.metadata["Name"] if dist.metadata is not None else None
        if name and dist.version:
            found.setdefault(normalised(name), dist)
    return found


def _record(dist: Distribution) -> str:
    text = dist.read_text("RECORD")
    if not text:
        return ""
    # __pycache__ depends on what was imported, not on what was installed; rows are in no order.
    rows = sorted(row for row in text.splitlines() if "__pycache__" not in row)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _direct(dist: Distribution) -> dict[str, Any]:
    try:
        document = json.loads(dist.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _source(document: dict[str, Any]) -> Iterator[str]:
    if not isinstance(url := document.get("url"), str):
        return
    url = re.sub(r"//[^/@]*@", "//", url)  # no names and tokens
    if isinstance(vcs := document.get("vcs_info"), dict):
        table: dict[str, Any] = {"type": vcs.get("vcs"), "url": url, "commit-id": vcs.get("commit_id")}
        yield f"vcs = {_table(table)}"
    elif isinstance(archive := document.get("archive_info"), dict):
        hashes = archive.get("hashes")
        if isinstance(hashes, dict) and hashes and url.startswith(("https:", "http:")):
            yield f"archive = {_table({'url': url, 'hashes': hashes})}"


def _table(table: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key} = {_value(value)}" for key, value in table.items() if value is not None) + "}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _table(value) if isinstance(value, dict) else _text(str(value))


def _text(text: str) -> str:
    """A TOML basic string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
