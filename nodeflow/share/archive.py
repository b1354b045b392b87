"""Zip archives: written so that equal content gives equal bytes, and read as what they are, a stranger's.

Writing: entries sorted, fixed times and modes, stored and not compressed (what compressors make of the same bytes
differs from version to version). Reading: everything that can be known from the table of contents is checked before
anything is unpacked, nothing is unpacked further than the table says, and every name is one that all systems take.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from nodeflow.errors import NodeflowError
from nodeflow.replacing import replacing

MAX_ENTRIES = 10_000
MAX_TOTAL = 64 << 30
MAX_PLAIN = 16 << 30
"""Bytes that may come out of compressed entries, all together."""
MAX_RATIO = 200
FREE_RATIO = 1 << 20
"""Entries up to this size may be compressed however well."""
MAX_DIRECTORY = 16 << 20
MAX_NAME = 240
MAX_DEPTH = 16
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = (stat.S_IFREG | 0o644) << 16
_BLOCK = 1 << 20
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_FORBIDDEN = frozenset('\\:*?"<>|')
_LOCAL_HEADER = 30
_ENCRYPTED = 0x1


class ArchiveError(NodeflowError, OSError):
    """An archive cannot be read or written; the message says which, where and why."""


def name_fault(name: str) -> str:
    """What keeps a name from being a file's inside a folder, on any system; "" if nothing does."""
    if not name or len(name.encode("utf-8", "surrogatepass")) > MAX_NAME:
        return f"is empty or longer than {MAX_NAME} bytes"
    if any(unicodedata.category(c)[0] == "C" for c in name):
        return "has control characters"
    if "\\" in name:
        return "has a backslash"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "is absolute"
    parts = name.split("/")
    if any(part in (".", "..", "") for part in parts):
        return "leads out of the folder, or round about"
    if len(parts) > MAX_DEPTH:
        return f"has more than {MAX_DEPTH} folders"
    if any(c in _FORBIDDEN for c in name):
        return "has a character that file systems refuse"
    if any(part != part.strip(" .") and part.rstrip(" .") != part for part in parts):
        return "has a part that ends with a blank or a dot"
    if any(_RESERVED.fullmatch(part) for part in parts):
        return "is reserved by Windows"
    return ""


def folded(name: str) -> str:
    """What file systems that do not tell case and accents apart take a name for."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())


def write_zip(path: Path, entries: Mapping[str, bytes | Path], *, first: str = "") -> None:
    """Write a new archive, whole or not at all; equal entries give equal bytes.

    Args:
        entries: by name: content, or a file that has it. first: the name that stands first, for readers that look.

    Raises:
        ArchiveError: it cannot be written, or a file cannot be read.
    """
    try:
        with replacing(path) as temporary, zipfile.ZipFile(temporary, "x", zipfile.ZIP_STORED) as archive:
            for name in sorted(entries, key=lambda n: (n != first, n)):
                _add(archive, name, entries[name])
    except (OSError, zipfile.LargeZipFile) as error:
        raise ArchiveError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None


def _add(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> None:
    info = zipfile.ZipInfo(name, _TIME)
    info.external_attr, info.create_system = _MODE, 3
    if isinstance(content, bytes):
        archive.writestr(info, content)
        return
    info.file_size = content.stat().st_size
    with open(content, "rb") as source, archive.open(info, "w") as target:
        while block := source.read(_BLOCK):
            target.write(block)


class Archive:
    """An archive that was checked. Close it, or use it in `with`.

    Args:
        source: a file, or a stream that can be positioned, which is closed with this. name: what messages call it.

    Raises:
        ArchiveError: it is no zip file, or one that nothing should be taken from.
    """

    def __init__(self, source: Path | IO[bytes], *, name: str = "", max_total: int = MAX_TOTAL) -> None:
        self.name = name or str(source if isinstance(source, Path) else "the archive")
        try:
            self._file = open(source, "rb") if isinstance(source, Path) else source  # noqa: SIM115
        except OSError as error:
            raise self._refuse(f"cannot be read: {error.strerror or error}") from None
        try:
            self._zip = self._opened()
            self.sizes = self._check(max_total)
        except BaseException:
            self._file.close()
            raise

    def _opened(self) -> zipfile.ZipFile:
        try:
            if (size := _directory_size(self._file)) > MAX_DIRECTORY:
                raise self._refuse(f"its table of contents has {size:,} bytes; at most {MAX_DIRECTORY:,} are read")
            return zipfile.ZipFile(self._file)
        except ArchiveError:
            raise
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OverflowError, struct.error) as error:
            raise self._refuse(f"no zip file, or a damaged one ({error})") from None
        except OSError as error:
            raise self._refuse(f"cannot be read: {error.strerror or error}") from None

    def _refuse(self, reason: str) -> ArchiveError:
        return ArchiveError(f"{self.name}: {reason}; nothing was unpacked")

    def _check(self, max_total: int) -> dict[str, int]:
        found = self._zip.infolist()
        if len(found) > MAX_ENTRIES:
            raise self._refuse(f"{len(found):,} entries; at most {MAX_ENTRIES:,} are unpacked")
        sizes: dict[str, int] = {}
        seen: dict[str, str] = {}
        for info in found:
            folder = info.filename.endswith("/") and not info.file_size
            if folder and not name_fault(info.orig_filename.removesuffix("/")):
                continue  # folders come with their files
            self._check_entry(info, seen)
            sizes[info.filename] = info.file_size
        self._check_sizes(found, max_total)
        folders = {folded(n[:i]) for n in sizes for i, c in enumerate(n) if c == "/"}
        for key, name in seen.items():
            if key in folders:
                raise self._refuse(f"{shown(name)} is a file and a folder")
        return sizes

    def _check_entry(self, info: zipfile.ZipInfo, seen: dict[str, str]) -> None:
        # `filename` ends at a NUL; `orig_filename` tells of it
        name = info.orig_filename if "\0" in info.orig_filename else info.filename
        if fault := name_fault(name):
            raise self._refuse(f"the name {shown(name)} {fault}")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise self._refuse(f"{shown(name)} is a link or no regular file")
        if info.flag_bits & _ENCRYPTED:
            raise self._refuse(f"{shown(name)} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._refuse(f"{shown(name)} is compressed in a way that is not read (stored and deflate are)")
        key = folded(name)
        if key in seen:
            same = "stands twice" if seen[key] == name else f"and {shown(seen[key])} are one where case does not count"
            raise self._refuse(f"the name {shown(name)} {same}")
        seen[key] = name

    def _check_sizes(self, found: list[zipfile.ZipInfo], max_total: int) -> None:
        total = sum(info.file_size for info in found)
        packed = [i for i in found if i.compress_type != zipfile.ZIP_STORED]
        if total > max_total:
            raise self._refuse(f"{total:,} bytes unpacked; at most {max_total:,}")
        if sum(info.file_size for info in packed) > MAX_PLAIN:
            raise self._refuse(f"more than {MAX_PLAIN:,} bytes come out of compressed entries")
        for info in found:
            if info.file_size > max(FREE_RATIO, MAX_RATIO * info.compress_size):
                ratio = info.file_size // max(1, info.compress_size)
                raise self._refuse(f"{shown(info.filename)} is compressed {ratio:,} to 1, as in a zip bomb")
        if sum(i.file_size for i in packed) > max(16 * FREE_RATIO, MAX_RATIO * sum(i.compress_size for i in packed)):
            raise self._refuse("its entries together unpack to far more than they hold, as in a zip bomb")
        end = -1
        for info in sorted(found, key=lambda i: i.header_offset):
            if info.header_offset < end:
                raise self._refuse(f"{shown(info.filename)} overlaps another entry, as in a zip bomb")
            end = info.header_offset + _LOCAL_HEADER + len(info.orig_filename) + info.compress_size

    def blocks(self, name: str) -> Iterator[bytes]:
        """An entry's content, piece by piece, never more than the table of contents says.

        Raises:
            ArchiveError: it is damaged, or there is none.
        """
        left = self.sizes.get(name)
        if left is None:
            raise self._refuse(f"it has no {shown(name)}")
        try:
            with self._zip.open(name) as stream:
                while block := stream.read(_BLOCK):
                    left -= len(block)
                    yield block
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
            raise self._refuse(f"{shown(name)} is damaged ({error})") from None
        except OSError as error:
            raise self._refuse(f"{shown(name)} cannot be read: {error.strerror or error}") from None
        if left:
            raise self._refuse(f"{shown(name)} is shorter than the archive says")

    def read(self, name: str, limit: int) -> bytes:
        """The content of a small entry.

        Raises:
            ArchiveError: it is damaged, larger than `limit` bytes, or there is none.
        """
        if self.sizes.get(name, 0) > limit:
            raise self._refuse(f"{shown(name)} has {self.sizes[name]:,} bytes; at most {limit:,} are read")
        return b"".join(self.blocks(name))

    def sha256(self, name: str) -> str:
        """The digest of an entry. Raises: as `blocks`."""
        hasher = hashlib.sha256()
        for block in self.blocks(name):
            hasher.update(block)
        return hasher.hexdigest()

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _directory_size(file: IO[bytes]) -> int:
    """Bytes of the table of contents, as the record at the file's end says (APPNOTE 4.3.16, 4.3.14)."""
    length = file.seek(0, os.SEEK_END)
    start = max(0, length - 65_557)
    file.seek(start)
    tail = file.read(length - start)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + 22 > len(tail):
        return 0
    (size,) = struct.unpack_from("<I", tail, at + 12)
    if size == 0xFFFFFFFF and at >= 20 and tail[at - 20 : at - 16] == b"PK\6\7":
        (offset,) = struct.unpack_from("<Q", tail, at - 12)
        if offset + 56 <= length:
            file.seek(offset)
            (size,) = struct.unpack_from("<Q", file.read(56), 40)
    return int(size)


def shown(name: str) -> str:
    """A name from an archive, fit for a message."""
    return repr("".join(c if c.isprintable() else "?" for c in name[:100]))
