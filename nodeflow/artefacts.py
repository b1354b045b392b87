"""Files that runs make: kept by content in a blob store, and shown under readable names in the output folder.

The blob is durable before the readable file is begun, so whatever happens to the output folder, nothing is lost. The
same content gets one readable file; another content of the same name gets `NAME-2`, `NAME-3`, … Readable files are
copies: editing one does not change what was kept. This module must not know formats, nodes or runs.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from blake3 import blake3

from nodeflow.cache import BlobStore, StoreError
from nodeflow.cache.store import LEFTOVER_AGE_S
from nodeflow.replacing import PART, part_of
from nodeflow.types import Artefact

SUFFIXES: Final = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/svg+xml": ".svg",
    "audio/wav": ".wav",
    "audio/flac": ".flac",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/csv": ".csv",
    "application/json": ".json",
}
"""File name endings by media type; others end in `.bin`."""

BINARY_SUFFIXES: Final = (".latent", ".safetensors")
"""Endings that files of other media types may have."""

_RESERVED: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_FORBIDDEN: Final = frozenset('/\\:*?"<>|')
_STEM_BYTES: Final = 180


@dataclass(slots=True)
class _Shown:
    """What is known about the readable files of one stem and ending."""

    by_size: dict[int, list[str]] = field(default_factory=dict)
    next_number: int = 1


class Artefacts:
    """Keeps artefacts in `store` and shows them in the folder `output`. Thread-safe; processes may share both."""

    def __init__(self, store: BlobStore, output: Path | str) -> None:
        self.store = store
        self.output = Path(output)
        self._shown: dict[tuple[str, str], _Shown] = {}
        self._lock = threading.Lock()

    def keep(self, data: bytes, media: str, name: str) -> Artefact:
        """Keep `data` and show it as `name`, with the ending of its media type; the artefact has the name it got.

        Raises:
            StoreError: the blob store or the output folder could not be written. In the second case the blob has been
                kept, and the message names its digest: `show` can be tried again.
        """
        digest = self.store.put(data)
        ending = Path(name).suffix.lower()
        suffix = SUFFIXES.get(media) or (ending if ending in BINARY_SUFFIXES else ".bin")
        stem = safe_stem(name[: -len(suffix)] if name.lower().endswith(suffix) else name)
        try:
            shown = self._show(data, stem, suffix)
        except OSError as error:
            wrapped = StoreError.wrap(error, self.output, f"write {stem}{suffix}")
            raise StoreError(f"{wrapped} (it is kept as blob {digest})", self.output) from error
        return Artefact(digest, media, shown, len(data))

    def show(self, artefact: Artefact) -> Artefact:
        """Show an artefact that has been kept, again or in another folder.

        Raises:
            BadBlob: it is not in the store any more. StoreError: as `keep`.
        """
        return self.keep(self.store.read(artefact.digest), artefact.media, artefact.name)

    def read(self, digest: str) -> bytes:
        """The bytes of an artefact, verified.

        Raises:
            BadBlob: it is missing or damaged.
        """
        return self.store.read(digest)

    def check_writable(self) -> None:
        """See now, not after an hour of computing, whether the output folder can be written.

        Raises:
            StoreError: it cannot.
        """
        probe = part_of(self.output)
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"\0")
        except OSError as error:
            raise StoreError.wrap(error, self.output, "write in the output folder") from error
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)

    def _show(self, data: bytes, stem: str, suffix: str) -> str:
        self.output.mkdir(parents=True, exist_ok=True)
        with self._lock:
            known = self._shown.get((stem, suffix))
            if known is None:
                known = self._shown[stem, suffix] = self._look(stem, suffix)
            for name in known.by_size.get(len(data), ()):
                if _holds(self.output / name, data):
                    return name
            temporary = part_of(self.output)
            try:
                with open(temporary, "xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                name = self._name_it(temporary, data, stem, suffix, known)
            finally:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
            known.by_size.setdefault(len(data), []).append(name)
            return name

    def _name_it(self, temporary: Path, data: bytes, stem: str, suffix: str, known: _Shown) -> str:
        while True:
            name = _numbered(stem, known.next_number, suffix)
            final = self.output / name
            try:
                _claim(temporary, final)
                return name
            except FileExistsError:
                if _holds(final, data):  # another process showed the same meanwhile
                    return name
                known.next_number += 1

    def _look(self, stem: str, suffix: str) -> _Shown:
        """The readable files of this stem that are there already, by size."""
        pattern = re.compile(re.escape(stem) + r"(-[0-9]+)?" + re.escape(suffix), re.IGNORECASE)
        shown = _Shown()
        with os.scandir(self.output) as entries:
            for entry in entries:
                if PART.fullmatch(entry.name):
                    with contextlib.suppress(OSError):
                        if time.time() - entry.stat(follow_symlinks=False).st_mtime > LEFTOVER_AGE_S:
                            os.unlink(entry.path)
                elif pattern.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    shown.by_size.setdefault(entry.stat(follow_symlinks=False).st_size, []).append(entry.name)
        return shown


def safe_stem(name: str) -> str:
    """`name` as a file name without ending that every system takes and no program mistakes for anything else.

    NFC; control, format (such as text direction) and unassigned characters, separators and wildcards become "_"; no dot
    or space at either end, no leading hyphen, no name that Windows reserves; at most 180 bytes; "untitled" if empty.
    """
    text = unicodedata.normalize("NFC", name)
    text = "".join("_" if c in _FORBIDDEN or (c != " " and unicodedata.category(c)[0] in "CZ") else c for c in text)
    text = text.strip(" .")
    if text.startswith("-"):
        text = "_" + text[1:]
    text = text.encode()[:_STEM_BYTES].decode(errors="ignore").rstrip(" .")
    if _RESERVED.fullmatch(text):
        text = f"_{text}"
    return text if text.strip("_ ") else "untitled"


def _numbered(stem: str, number: int, suffix: str) -> str:
    return f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}"


def _holds(path: Path, data: bytes) -> bool:
    """Whether the file at `path` has exactly this content."""
    try:
        if path.stat().st_size != len(data):
            return False
        return blake3(path.read_bytes()).digest() == blake3(data).digest()
    except OSError:
        return False


def _claim(temporary: Path, final: Path) -> None:
    """Give the file its name if nothing has that name yet, else `FileExistsError`; never replaces anything."""
    try:
        os.link(temporary, final)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: reserve the name, then replace the reservation
        os.close(os.open(final, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(temporary, final)
