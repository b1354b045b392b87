"""Publishing: what a run made gets a readable name in the output folder, with the recipe inside.

Artefacts are kept by content in the store first; a full or unwritable output folder loses nothing. Pictures get the
recipe, the run's versions and the result's key embedded, so that `nodeflow run picture.png` makes them again. What a
node only shows (`image/preview`) is kept in the store and gets no file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nodeflow.artefacts import SUFFIXES, Artefacts, safe_stem
from nodeflow.cache import BlobStore, StoreError
from nodeflow.errors import NodeError, NodeflowError
from nodeflow.executor import NodeFailure
from nodeflow.export import SUFFIXES as EXPORT_SUFFIXES
from nodeflow.export import Encoded, encode
from nodeflow.problems import ProblemsError
from nodeflow.replacing import replacing
from nodeflow.share.embed import embed, is_picture
from nodeflow.steps import Plan, Step
from nodeflow.types import Artefact
from nodeflow.workflow import Workflow

FILE_SUFFIXES = {*SUFFIXES.values(), ".jpeg"}
MAX_SHOWN = 16
"""So many pictures of a batch are kept of what a node shows."""


@dataclass(frozen=True)
class Published:
    """An artefact with the name it got: of which output or node, under which key, and where the file is."""

    output: str
    key: str
    artefact: Artefact
    path: Path


@dataclass
class Publisher:
    """A lifecycle that collects the artefacts of a run's exports and effects, and writes them out at its end.

    out: a folder, or a file's name (with the ending of a kind of file) for a run with a single output; the file gets
    the ending of what it is. exports: the export step of each declared output. lock: digest of the lock that the run
    was held to. versions: of what is installed. seal: the last thing done to a picture's bytes (signing). shows: keep
    what nodes show as well; it is in `shown` with the id of the node's step.
    """

    store: BlobStore
    out: Path
    workflow: Workflow
    plan: Plan
    exports: dict[str, int]
    lock: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    seal: Callable[[bytes], bytes] | None = None
    shows: bool = False
    published: list[Published] = field(default_factory=list)
    shown: list[tuple[str, Artefact]] = field(default_factory=list)
    _folders: dict[tuple[str, ...], Artefacts] = field(default_factory=dict)
    _found: dict[str, tuple[Step, list[Artefact]]] = field(default_factory=dict)
    _looks: dict[tuple[str, str], list[Encoded]] = field(default_factory=dict)

    def after(self, step: Step, outputs: dict[str, Any], seconds: float, cached: bool) -> None:
        if step.op.effects or step.op.name == "engine/export":
            # by key, not by number: steps of sub-workflows have numbers of their own
            self._found[step.key] = step, artefacts_in(outputs)
            if self.shows and not self._found[step.key][1]:
                self._looks[step.id, step.key] = look_of(outputs)

    def failed(self, step: Step, failure: NodeFailure) -> None:
        pass

    def publish(self) -> dict[str, list[Path]]:
        """Write the files; returns them by output name (by node id for nodes that save)."""
        names: dict[str, list[str | None]] = {}
        for name, index in self.exports.items():
            names.setdefault(self.plan.steps[index].key, []).append(name)
        files: dict[str, list[Path]] = {}
        order = {key: place for place, key in enumerate(names)}
        for key, (step, artefacts) in sorted(
            self._found.items(), key=lambda item: (order.get(item[0], len(order)), item[1][0].id)
        ):
            for output, (number, artefact) in itertools.product(names.get(key, [None]), enumerate(artefacts)):
                data = self.store.read(artefact.digest)
                if is_picture(data):
                    data = self._carrying(data, step.key)
                counter = "" if len(artefacts) == 1 else f"-{number}"
                if output is not None and self._names_file:
                    made = Path(artefact.name).suffix
                    suffix = self.out.suffix if made == ".txt" else made  # text may be Markdown, a prompt list, ...
                    path = self.out.with_name(f"{self.out.stem}{counter}{suffix}")
                    shown = self._write_to(path, data, artefact)
                else:
                    name = artefact.name if output is None else f"{output}{counter}{Path(artefact.name).suffix}"
                    *folders, leaf = name.split("/")
                    folder = self._in_folder(tuple(safe_stem(part) for part in folders if part.strip(". ")))
                    shown = folder.keep(data, artefact.media, leaf)
                    path = folder.output / shown.name
                files.setdefault(output or step.id, []).append(path)
                self.published.append(Published(output or step.id, step.key, shown, path))
        for (node, key), looks in sorted(self._looks.items()):
            self.shown += [(node, self._kept(node, look, key)) for look in looks]
        return files

    def _kept(self, node: str, look: Encoded, key: str) -> Artefact:
        """What a node shows, in the store and in no folder."""
        data = self._carrying(look.data, key) if is_picture(look.data) else look.data
        name = safe_stem(node.rpartition("/")[2]) + EXPORT_SUFFIXES[look.media]
        return Artefact(self.store.put(data), look.media, name, len(data))

    def check_writable(self) -> None:
        """See before the run whether its files can be written.

        Raises:
            StoreError: they cannot. NodeflowError: one file is named for several outputs.
        """
        if self._names_file and len(self.exports) > 1:
            names = ", ".join(self.exports)
            raise NodeflowError(f"{self.out} is one file, but there are several outputs ({names}): name a folder")
        if self.exports or any(step.op.effects for step in self.plan.steps):
            self.store.put(b"")
            self._in_folder(()).check_writable()

    @cached_property
    def _names_file(self) -> bool:
        return self.out.suffix.lower() in FILE_SUFFIXES and not self.out.is_dir()

    def _in_folder(self, parts: tuple[str, ...]) -> Artefacts:
        """A folder below the output folder; names that nodes give may have `/` in them."""
        if parts not in self._folders:
            base = self.out.parent if self._names_file else self.out
            self._folders[parts] = Artefacts(self.store, base.joinpath(*parts))
        return self._folders[parts]

    def _write_to(self, path: Path, data: bytes, artefact: Artefact) -> Artefact:
        """Write the file that the user named, replacing one that is there."""
        digest = self.store.put(data)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(data)
        except OSError as error:
            wrapped = StoreError.wrap(error, path, "write the output")
            raise StoreError(f"{wrapped} (it is kept as blob {digest})", path) from error
        return Artefact(digest, artefact.media, path.name, len(data))

    def _carrying(self, data: bytes, key: str) -> bytes:
        """A picture with its recipe in it, signed if that is wanted; one that is damaged stays as the node made it."""
        try:
            data = embed(data, self._document(key))
        except ProblemsError:
            return data
        return self.seal(data) if self.seal is not None else data

    def _document(self, key: str) -> dict[str, Any]:
        document = {"recipe": self.workflow.to_json(), "key": key, "numeric": self.plan.numeric}
        return document | ({"lock": self.lock} if self.lock else {}) | {"versions": dict(self.versions)}


def artefacts_in(outputs: Mapping[str, Any]) -> list[Artefact]:
    """The artefacts among a step's outputs, also in lists."""
    made = (a for value in outputs.values() for a in (value if isinstance(value, list) else [value]))
    return [a for a in made if isinstance(a, Artefact)]


def look_of(outputs: Mapping[str, Any]) -> list[Encoded]:
    """What a node shows that saves no file: its first output, if it can be looked at; the first pictures of a batch."""
    value = next(iter(outputs.values()), None)
    if value is None:
        return []
    try:
        return encode(value[:MAX_SHOWN] if hasattr(value, "untyped_storage") else value)[:MAX_SHOWN]
    except NodeError:
        return []
