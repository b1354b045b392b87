"""Digests of files and folders: right, remembered only while they are right, refused where there is none."""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from nodeflow import filehash
from nodeflow.filehash import FileDigests, FileHashError, folder_files, hash_file

DATA = os.urandom(100_000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(DATA)
    settle(path)
    return path


@pytest.fixture
def digests(tmp_path: Path) -> Iterator[FileDigests]:
    with FileDigests(tmp_path / "cache" / "files.db") as made:
        yield made


@pytest.fixture(autouse=True)
def _settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filehash, "SETTLED_NS", -1)


def settle(path: Path, age_s: float = 60) -> None:
    os.utime(path, (time.time() - age_s,) * 2)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were really read."""
    names: list[str] = []

    def spy(path: Path, *rest: object) -> object:
        names.append(path.name)
        return hash_file(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(filehash, "hash_file", spy)
    return names


def test_digests_are_those_of_the_content(file: Path, digests: FileDigests) -> None:
    assert digests.digest(file) == blake3(DATA).hexdigest()
    assert digests.sha256(file) == hashlib.sha256(DATA).hexdigest()
    empty = file.with_name("empty")
    empty.touch()
    assert digests.digest(empty) == blake3(b"").hexdigest()


def test_remembered_in_this_process_and_the_next(file: Path, tmp_path: Path, hashed: list[str]) -> None:
    for _ in range(2):
        with FileDigests(tmp_path / "files.db") as digests:
            assert digests.digest(file) == digests.digest(file) == blake3(DATA).hexdigest()
    assert hashed == ["model.safetensors"]


def test_a_link_and_its_file_share_a_memory(file: Path, digests: FileDigests, hashed: list[str]) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    assert digests.digest(link) == digests.digest(file)
    assert len(hashed) == 1


@pytest.mark.parametrize("change", ["content", "mtime", "replaced", "same size and mtime"])
def test_whatever_changes_is_hashed_again(file: Path, digests: FileDigests, hashed: list[str], change: str) -> None:
    digests.digest(file)
    before = file.stat()
    other = DATA[:-1] + bytes([DATA[-1] ^ 1])
    if change == "content":
        file.write_bytes(DATA + b"more")
    elif change == "mtime":
        settle(file, 30)
    elif change == "replaced":
        fresh = file.with_name("fresh")
        fresh.write_bytes(other)
        os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.replace(fresh, file)
    else:
        time.sleep(0.02)  # the change must have another ctime
        file.write_bytes(other)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digests.digest(file) == blake3(file.read_bytes()).hexdigest()
    assert len(hashed) == 2


def test_a_file_that_was_just_written_is_not_remembered(
    file: Path, digests: FileDigests, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filehash, "SETTLED_NS", 2_000_000_000)
    file.write_bytes(DATA)
    digests.digest(file)
    digests.digest(file)
    assert len(hashed) == 2


def test_a_file_that_changes_while_it_is_read_has_no_digest(file: Path) -> None:
    def grow(path: Path, done: int, total: int) -> None:
        with open(path, "ab") as more:
            more.write(b"x")

    def replace(path: Path, done: int, total: int) -> None:
        fresh = path.with_name("fresh")
        fresh.write_bytes(DATA)
        os.replace(fresh, path)

    def shrink(path: Path, done: int, total: int) -> None:
        os.truncate(path, 10)

    for change in (grow, replace, shrink):
        with pytest.raises(FileHashError, match="changed while it was being read") as raised:
            hash_file(file, progress=change)
        assert raised.value.filename == str(file)
        file.write_bytes(DATA)


def test_progress_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filehash, "_CHUNK", 40_000)
    seen: list[tuple[int, int]] = []
    hash_file(file, progress=lambda path, done, total: seen.append((done, total)))
    assert seen == [(40_000, 100_000), (80_000, 100_000), (100_000, 100_000)]


def folder(root: Path) -> Path:
    (root / "unet").mkdir(parents=True)
    (root / "model_index.json").write_text("{}")
    (root / "unet" / "weights.safetensors").write_bytes(DATA)
    (root / "unet" / "config.json").write_text("[]")
    return root


def test_a_folder_is_its_names_and_contents(tmp_path: Path, digests: FileDigests) -> None:
    first, second = folder(tmp_path / "a"), folder(tmp_path / "b")
    assert [name for name, _ in folder_files(first)] == [
        "model_index.json",
        "unet/config.json",
        "unet/weights.safetensors",
    ]
    digest = digests.digest(first)
    assert digest == digests.digest(second)
    (second / ".cache").mkdir()
    (second / ".cache" / "download.lock").write_text("hidden files do not count")
    assert digest == digests.digest(second)
    (second / "unet" / "config.json").write_text("()")
    assert digest != digests.digest(second)
    (first / "unet" / "config.json").rename(first / "unet" / "other.json")
    assert len({digest, digests.digest(first), digests.digest(second)}) == 3


def test_a_folder_of_links_is_the_folder_itself(tmp_path: Path, digests: FileDigests) -> None:
    """As in the Hugging Face cache: snapshots/REVISION/file → ../../blobs/HASH."""
    real = folder(tmp_path / "real")
    snapshot = tmp_path / "snapshot"
    (snapshot / "unet").mkdir(parents=True)
    for name, path in folder_files(real):
        (snapshot / name).symlink_to(path)
    assert digests.digest(snapshot) == digests.digest(real)
    again = tmp_path / "again"
    again.mkdir()
    (again / "model_index.json").symlink_to(real / "model_index.json")
    (again / "unet").symlink_to(real / "unet")
    assert digests.digest(again) == digests.digest(real)


def test_what_has_no_digest_says_why(tmp_path: Path, digests: FileDigests, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, pipe, dangling, empty = (tmp_path / name for name in ("loop", "pipe", "dangling", "empty"))
    (loop / "inner").mkdir(parents=True)
    (loop / "inner" / "back").symlink_to(loop)
    pipe.mkdir()
    os.mkfifo(pipe / "fifo")
    dangling.mkdir()
    (dangling / "gone").symlink_to(tmp_path / "nowhere")
    empty.mkdir()
    (tmp_path / "self").symlink_to(tmp_path / "self")
    reasons = {
        loop: "loop/inner/back: is a link that leads back",
        pipe: "pipe/fifo: expected files and folders, got a pipe",
        pipe / "fifo": "expected a regular file, got a pipe",
        dangling: "dangling/gone: is a link that leads nowhere",
        empty: "empty: holds no files",
        tmp_path / "self": "symbolic links",
        tmp_path / "missing": "missing: No such file",
        Path("/dev/null"): "expected a regular file, got a device",
    }
    for path, reason in reasons.items():
        with pytest.raises(FileHashError, match=reason) as raised:
            digests.digest(path)
        assert isinstance(raised.value, OSError)
        assert raised.value.strerror
        assert raised.value.errno
    monkeypatch.setattr(filehash, "FOLDER_FILES", 3)
    with pytest.raises(FileHashError, match="more than 3 files: choose the folder of one model") as raised:
        digests.digest(folder(tmp_path / "many"))
    assert raised.value.errno == errno.E2BIG


def test_folders_that_multiply_through_links_are_refused(tmp_path: Path, digests: FileDigests) -> None:
    for depth in range(20):
        (tmp_path / f"d{depth}").mkdir()
    for depth in range(19):
        for copy in "ab":
            (tmp_path / f"d{depth}" / copy).symlink_to(tmp_path / f"d{depth + 1}")
    with pytest.raises(FileHashError, match="more than 10000 files"):
        digests.digest(tmp_path / "d0")


def test_a_damaged_memory_is_begun_anew(file: Path, tmp_path: Path) -> None:
    index, warnings = tmp_path / "files.db", list[str]()
    index.write_bytes(b"this is no database" * 100)
    with FileDigests(index, warnings.append) as digests:
        assert digests.digest(file) == blake3(DATA).hexdigest()
    assert "begun anew" in warnings[0]
    with FileDigests(index, warnings.append) as digests:
        digests.digest(file)
    assert len(warnings) == 1


def test_the_memory_of_a_newer_nodeflow_is_left_alone(file: Path, tmp_path: Path) -> None:
    index, warnings = tmp_path / "files.db", list[str]()
    db = sqlite3.connect(index)
    db.execute("PRAGMA user_version=99")
    db.close()
    with FileDigests(index, warnings.append) as digests:
        assert digests.digest(file) == blake3(DATA).hexdigest()
    assert warnings
    assert all("cannot be remembered" in text and "newer nodeflow" in text for text in warnings)


def test_without_a_place_to_remember_it_still_hashes(file: Path, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file")
    warnings: list[str] = []
    with FileDigests(tmp_path / "occupied" / "files.db", warnings.append) as digests:
        assert digests.digest(file) == digests.digest(file) == blake3(DATA).hexdigest()
    assert len(warnings) == 1
    with FileDigests(None) as digests:
        assert digests.digest(file) == blake3(DATA).hexdigest()


def test_only_so_many_are_remembered(tmp_path: Path, digests: FileDigests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filehash, "REMEMBERED", 3)
    for number in range(6):
        path = tmp_path / str(number)
        path.write_text(str(number))
        digests.digest(path)
    assert digests._ask(lambda db: db.execute("SELECT COUNT(*) FROM files").fetchone()) == (3,)


def test_threads(file: Path, digests: FileDigests) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(digests.digest(file))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [blake3(DATA).hexdigest()] * 6


def test_inodes_of_64_bits_fit() -> None:
    assert filehash._signed((1 << 64) - 1) == -1
    assert filehash._signed(5) == 5


def test_importing_and_making_touch_nothing(tmp_path: Path) -> None:
    code = """
import sys
sys.addaudithook(lambda event, args: print(event, args) if event == "open" and "nothing" in str(args) else None)
from nodeflow.filehash import FileDigests
FileDigests("nothing/files.db").close()
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == ""
