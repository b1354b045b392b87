"""Which installed packages may bring packs: nodeflow's own, and those that the user enabled, pinned to their code.

Installing a package is not consent to run its code: `nodeflow packs enable` is, once, from the command line alone. What
was enabled stands in `packs.json` in nodeflow's home with a digest of the package's files; when they change, it is off
until it is enabled again. A package that was installed from a folder to be edited (`pip install -e`) is pinned to the
folder. Nothing here imports a package.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from blake3 import blake3

from nodeflow.errors import NodeflowError
from nodeflow.jsonio import parse_json
from nodeflow.replacing import replacing

OWN = "nodeflow-engine"
"""The distribution whose packs need no consent: it is what asks."""


def fingerprint(distribution: Distribution, modules: Iterable[str]) -> str:
    """What a consent is pinned to: `blake3:…` of all files in the packages of these modules, or `folder:…`."""
    if folder := _edited_in(distribution):
        return f"folder:{folder}"
    hasher = blake3()
    for package in sorted({module.partition(".")[0] for module in modules}):
        for name, data in _files(package):
            for part in (f"{package}/{name}".encode(), data):
                hasher.update(b"%d:" % len(part))
                hasher.update(part)
    return f"blake3:{hasher.hexdigest()}"


def _edited_in(distribution: Distribution) -> str:
    """The address of the folder that an editable installation leads to; empty for all others."""
    text = distribution.read_text("direct_url.json")
    try:
        found = json.loads(text) if text else {}
        return str(found["url"]) if found.get("dir_info", {}).get("editable") else ""
    except (ValueError, KeyError, AttributeError):
        return ""


def _files(package: str) -> Iterable[tuple[str, bytes]]:
    """(name, content) of each file of an importable top-level package or module, compiled ones left out."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return
    for folder in map(Path, spec.submodule_search_locations or ()):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file.relative_to(folder).as_posix(), file.read_bytes()
    if not spec.submodule_search_locations and spec.origin:
        yield Path(spec.origin).name, Path(spec.origin).read_bytes()


class Consents:
    """The packages that were enabled, in `packs.json` below nodeflow's home.

    Raises:
        NodeflowError: the file cannot be read, or is not what `nodeflow packs` writes.
    """

    def __init__(self, home: Path) -> None:
        self.file = home / "packs.json"
        self.enabled: dict[str, str] = {}
        try:
            found: Any = parse_json(self.file.read_bytes()) if self.file.exists() else {}
            self.enabled = {str(name): str(pin) for name, pin in dict(found).items()}
        except (OSError, ValueError, TypeError, NodeflowError) as error:
            message = f"{self.file}: cannot be read: {error}; delete it and enable packs again: nodeflow packs"
            raise NodeflowError(message) from None

    def refusal(self, distribution: str, pin: str) -> str:
        """Why a package's code may not run: empty if it may."""
        given = self.enabled.get(distribution)
        if given == pin:
            return ""
        because = "is installed but not enabled" if given is None else "has changed since it was enabled"
        return f"{distribution} {because}; if you trust its code: nodeflow packs enable {distribution}"

    def enable(self, distribution: str, pin: str) -> None:
        """Let a package's code run as long as `pin` is its fingerprint."""
        self._write({**self.enabled, distribution: pin})

    def disable(self, distribution: str) -> None:
        """Take the consent back."""
        self._write({name: pin for name, pin in self.enabled.items() if name != distribution})

    def _write(self, enabled: dict[str, str]) -> None:
        text = json.dumps(dict(sorted(enabled.items())), indent=2, ensure_ascii=False)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.file) as temporary:
                temporary.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise NodeflowError(f"{self.file}: cannot be written: {error.strerror}") from None
        self.enabled = enabled
