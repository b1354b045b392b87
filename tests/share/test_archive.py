"""Archives that are hostile: told what is wrong with them, and nothing on disk is any different afterwards."""

from __future__ import annotations

import io
import os
import stat
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.share import archive as module
from nodeflow.share.archive import Archive, ArchiveError, name_fault, write_zip
from nodeflow.share.unpack import METADATA, inspect, unpack

Made = Callable[[zipfile.ZipFile], None]


def made(build: Made, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(METADATA, "{}")
        build(archive)
    return buffer.getvalue()


def entry(name: str, data: bytes = b"evil", mode: int = 0, **more: int) -> Made:
    def build(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("x" * len(name))
        info.filename = name  # the class cuts names off at a NUL
        info.external_attr = mode << 16
        for key, value in more.items():
            setattr(info, key, value)
        archive.writestr(info, data)

    return build


def both(*builds: Made) -> Made:
    def build(archive: zipfile.ZipFile) -> None:
        for one in builds:
            one(archive)

    return build


NAMES = {
    "../canary": "leads out",
    "a/../../canary": "leads out",
    "/etc/canary": "absolute",
    "C:/canary": "absolute",
    "c:canary": "absolute",
    "//server/share/canary": "absolute",
    "..\\canary": "backslash",
    "a\\b": "backslash",
    "a\0b": "control",
    "a\x1bb": "control",
    "a\u202egnp.exe": "control",
    "./a": "round about",
    "a//b": "round about",
    "a/./b": "round about",
    "con": "reserved",
    "aux.txt": "reserved",
    "a/NUL.png": "reserved",
    "ab:stream": "refuse",
    "what?": "refuse",
    "end.": "ends with",
    "end ": "ends with",
    "a" * 300: "longer",
    "/".join("abcdefghijklmnopqrstuvwxyz"): "folders",
}


@pytest.mark.parametrize("name", NAMES, ids=lambda n: ascii(n)[:30])
def test_names_that_lead_elsewhere(name: str, tmp_path: Path) -> None:
    refused(made(entry(name)), NAMES[name], tmp_path)


def refused(data: bytes, message: str, folder: Path) -> None:
    """It is refused, quickly, in little memory, and nothing is written: not beside it, not above it."""
    (folder / "canary").write_text("alive")
    (folder / "work").mkdir()
    (folder / "work/evil.crate.zip").write_bytes(data)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    start = time.perf_counter()
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match=message) as error:
            unpack(folder / "work/evil.crate.zip", folder / "work/there")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - start < 10
    assert peak < 64 << 20
    text = str(error.value)
    assert "nothing was unpacked" in text
    assert text.isprintable()
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    assert (folder / "canary").read_text() == "alive"
    with pytest.raises(ArchiveError, match=message):
        inspect(io.BytesIO(data))


ENTRIES: dict[str, tuple[Made, str]] = {
    "a symlink": (entry("link", b"/etc/passwd", stat.S_IFLNK | 0o777), "link or no regular file"),
    "a device": (entry("dev", b"", stat.S_IFCHR | 0o666), "link or no regular file"),
    "a fifo": (entry("pipe", b"", stat.S_IFIFO | 0o666), "link or no regular file"),
    "names apart in case only": (both(entry("Words.txt"), entry("words.TXT")), "where case does not count"),
    "names apart in accents' form only": (both(entry("e\u0301"), entry("\u00e9")), "where case does not count"),
    "names apart in ligatures only": (both(entry("\ufb01le"), entry("file")), "where case does not count"),
    "a file and a folder": (both(entry("a"), entry("a/b")), "a file and a folder"),
    "another compression": (entry("a", compress_type=zipfile.ZIP_LZMA), "compressed in a way"),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_entries_that_are_no_plain_files(case: str, tmp_path: Path) -> None:
    build, message = ENTRIES[case]
    refused(made(build), message, tmp_path)


def test_the_same_name_twice(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = made(both(entry("words.txt", b"good"), entry("words.txt", b"evil")))
    refused(data, "stands twice", tmp_path)


def test_zip_bombs(tmp_path: Path) -> None:
    zeros = made(entry("zeros", b"\0" * (50 << 20), compress_type=zipfile.ZIP_DEFLATED))
    assert len(zeros) < 60_000
    refused(zeros, r"compressed 1,0\d\d to 1, as in a zip bomb", tmp_path)
    small = [entry(f"z{i}", b"\0" * (1 << 20), compress_type=zipfile.ZIP_DEFLATED) for i in range(40)]
    (tmp_path / "small").mkdir()
    refused(made(both(*small)), "far more than they hold", tmp_path / "small")


def test_overlapping_entries(tmp_path: Path) -> None:
    """Every name leads to the same bytes, as in David Fifield's bomb."""
    data = bytearray(made(both(entry("aa", b"x" * 100_000), entry("bb", b"y" * 100_000))))
    first = data.index(b"PK\1\2")
    entries = [first]
    while (at := data.find(b"PK\1\2", entries[-1] + 4)) >= 0:
        entries.append(at)
    offset = struct.unpack_from("<I", data, entries[1] + 42)[0]
    struct.pack_into("<I", data, entries[2] + 42, offset)
    data[entries[2] + 46 : entries[2] + 48] = b"bb"
    refused(bytes(data), "overlaps another entry", tmp_path)


def test_too_many_entries_and_too_much_altogether(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 20)
    refused(made(both(*(entry(f"f{i}") for i in range(20)))), "21 entries; at most 20", tmp_path)
    (tmp_path / "b").mkdir()
    monkeypatch.setattr(module, "MAX_DIRECTORY", 100)
    refused(made(entry("a")), "table of contents has", tmp_path / "b")
    monkeypatch.undo()
    with pytest.raises(ArchiveError, match="at most 1,000"):
        Archive(io.BytesIO(made(entry("a", b"x" * 1001))), max_total=1000)


def test_a_size_that_lies(tmp_path: Path) -> None:
    """The table says 10 bytes, the entry's stream has 5 MB."""
    data = bytearray(made(entry("big", os.urandom(5 << 20))))
    at = data.rindex(b"PK\1\2")
    struct.pack_into("<I", data, at + 24, 10)
    with Archive(io.BytesIO(bytes(data))) as archive, pytest.raises(ArchiveError, match="damaged"):
        assert sum(len(b) for b in archive.blocks("big")) <= 10


@pytest.mark.parametrize("flag", [0x1, 0x41])
def test_encrypted_entries(flag: int, tmp_path: Path) -> None:
    data = bytearray(made(entry("a")))
    at = data.rindex(b"PK\1\2")
    struct.pack_into("<H", data, at + 8, flag)
    refused(bytes(data), "encrypted", tmp_path)


def test_damaged_archives(tmp_path: Path) -> None:
    data = made(entry("a", b"x" * 1000))
    for cut in (0, 1, 10, len(data) // 2, len(data) - 1):
        with pytest.raises(ArchiveError, match="no zip file, or a damaged one"):
            Archive(io.BytesIO(data[:cut]))
    flipped = bytearray(data)
    flipped[data.index(b"xxxx") + 3] ^= 1
    with Archive(io.BytesIO(bytes(flipped))) as archive, pytest.raises(ArchiveError, match="'a' is damaged"):
        archive.sha256("a")
    with pytest.raises(ArchiveError, match="cannot be read: No such file"):
        Archive(tmp_path / "none.zip")
    with pytest.raises(ArchiveError, match="cannot be read: Is a directory"):
        Archive(tmp_path)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6))
def test_spoilt_archives_are_refused_or_read(changes: list[tuple[int, int]]) -> None:
    data = bytearray(made(both(entry("a", b"x" * 50), entry("b/c", b"y" * 90)), zipfile.ZIP_DEFLATED))
    for at, value in changes:
        data[at % len(data)] = value
    try:
        with Archive(io.BytesIO(bytes(data))) as archive:
            for name in archive.sizes:
                assert name_fault(name) == ""
                assert len(archive.read(name, 1 << 20)) == archive.sizes[name]
    except ArchiveError:
        pass


names = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,3}", fullmatch=True)


@given(st.dictionaries(names, st.binary(max_size=200), max_size=6))
def test_what_is_written_is_read(files: dict[str, bytes]) -> None:
    folders = {n[:i] for n in files for i, c in enumerate(n) if c == "/"}
    files = {n: d for n, d in files.items() if n not in folders and not name_fault(n)}
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zip"
        write_zip(path, files)
        with Archive(path) as archive:
            assert {n: archive.read(n, 1000) for n in archive.sizes} == files
        again = Path(folder) / "b.zip"
        write_zip(again, dict(reversed(files.items())))
        assert path.read_bytes() == again.read_bytes()
        assert sorted(p.name for p in Path(folder).iterdir()) == ["a.zip", "b.zip"]


def test_a_file_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be written"):
        write_zip(tmp_path / "a.zip", {"a": tmp_path / "none"})
    assert list(tmp_path.iterdir()) == []
