"""The blob store: whole or not there, verified, shared by processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow.cache.errors import BadBlob, StoreError
from nodeflow.cache.store import BlobStore, is_digest

DATA = b"a small blob" * 100


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def test_a_blob_is_named_by_its_hash(store: BlobStore) -> None:
    digest = store.put(DATA)
    assert digest == blake3(DATA).hexdigest()
    assert store.path(digest).read_bytes() == DATA
    assert store.read(digest) == DATA
    assert bytes(store.map(digest)) == DATA
    assert store.size(digest) == len(DATA)
    assert digest in store


@pytest.mark.parametrize("data", [b"", DATA, bytearray(DATA), memoryview(DATA), [DATA[:7], memoryview(DATA)[7:]], []])
def test_any_buffer_or_series_of_them(store: BlobStore, data: bytes) -> None:
    whole = b"".join(data) if isinstance(data, list) else bytes(data)
    digest = store.put(data)
    assert digest == blake3(whole).hexdigest()
    assert store.read(digest) == whole
    assert bytes(store.map(digest)) == whole


def test_putting_twice_writes_once_and_leaves_nothing_behind(store: BlobStore) -> None:
    digest = store.put(DATA)
    os.utime(store.path(digest), (1e9, 1e9))
    written = store.path(digest).stat()
    assert store.put(DATA) == digest
    again = store.path(digest).stat()
    assert again.st_ino == written.st_ino
    assert again.st_mtime > written.st_mtime + 1e6, "it is noted that it is in use"
    assert [blob.digest for blob in store.scan()] == [digest]
    assert list((store.root / "tmp").iterdir()) == []


def test_a_missing_blob_is_bad(store: BlobStore) -> None:
    digest = blake3(DATA).hexdigest()
    for read in (store.read, store.map):
        with pytest.raises(BadBlob, match="No such file"):
            read(digest)
    assert store.size(digest) is None
    assert store.delete(digest) is False


@pytest.mark.parametrize("damage", ["flip", "truncate", "grow", "empty"])
def test_a_damaged_blob_is_noticed_and_healed_by_the_next_put(store: BlobStore, damage: str) -> None:
    digest = store.put(DATA)
    bad = {
        "flip": DATA[:50] + bytes([DATA[50] ^ 1]) + DATA[51:],
        "truncate": DATA[:-1],
        "grow": DATA + b"x",
        "empty": b"",
    }
    store.path(digest).write_bytes(bad[damage])
    for read in (store.read, store.map):
        with pytest.raises(BadBlob, match="damaged"):
            read(digest)
    assert store.put(DATA) == digest
    assert store.read(digest) == DATA


@given(st.text() | st.sampled_from(["../" * 21 + "x", "A" * 64, "0" * 63, "0" * 65, "٠" * 64, "0" * 64 + "\n"]))
@settings(max_examples=50)
def test_only_digests_become_paths(text: str) -> None:
    assert not is_digest(text)
    store = BlobStore("/nowhere")
    for use in (store.path, store.read, store.map, store.size, store.delete):
        with pytest.raises(ValueError, match="64 hex digits"):
            use(text)


def test_delete_and_scan(store: BlobStore) -> None:
    digests = sorted(store.put(bytes([i]) * i) for i in range(20))
    (store.root / digests[0][:2] / "notes.txt").write_text("not a blob")
    (store.root / "README").write_text("not a blob")
    assert [blob.digest for blob in store.scan()] == digests
    assert sum(blob.size for blob in store.scan()) == sum(range(20))
    assert store.delete(digests[3])
    assert [blob.digest for blob in store.scan()] == digests[:3] + digests[4:]


def test_opening_touches_nothing(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "a" / "b")
    assert list(store.scan()) == []
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_dead_processes_are_swept_when_old(store: BlobStore) -> None:
    store.put(DATA)
    old, young = store.root / "tmp" / "old", store.root / "tmp" / "young"
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    BlobStore(store.root).put(b"the first put of a process sweeps")
    assert [file.name for file in (store.root / "tmp").iterdir()] == ["young"]


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("in the way")
    with pytest.raises(StoreError, match=r"blobs: could not write a blob: .*move it away") as raised:
        BlobStore(tmp_path / "blobs").put(DATA)
    assert raised.value.path == tmp_path / "blobs"


def test_a_full_disk_shows_nothing_half_written(tmp_path: Path) -> None:
    code = """
import resource, sys
from nodeflow.cache.store import BlobStore
from nodeflow.cache.errors import StoreError
store = BlobStore(sys.argv[1])
small = store.put(b"small")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    store.put(bytes(5000))
except StoreError as error:
    assert "could not write a blob" in str(error) and "free some space" in str(error), error
else:
    raise SystemExit("no error")
assert [blob.digest for blob in store.scan()] == [small]
assert list((store.root / "tmp").iterdir()) == []
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "blobs")], check=True, timeout=60)


def test_an_iterable_that_fails_leaves_nothing(store: BlobStore) -> None:
    def parts() -> object:
        yield DATA
        raise KeyError("no more")

    with pytest.raises(KeyError):
        store.put(parts())  # type: ignore[arg-type]
    assert list(store.scan()) == []
    assert list((store.root / "tmp").iterdir()) == []


def test_many_writers_of_the_same_blobs(store: BlobStore) -> None:
    blobs = [bytes([i]) * 5000 for i in range(10)] * 8
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(BlobStore(store.root).put, blobs))
    assert [store.read(digest) for digest in digests] == blobs
    assert len(list(store.scan())) == 10


def test_kill_9_leaves_only_whole_blobs(store: BlobStore) -> None:
    acknowledged: list[str] = []
    for after_ms in range(0, 60, 10):
        command = [sys.executable, str(Path(__file__).with_name("worker.py")), "put_on", str(store.root), str(after_ms)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        acknowledged.append(process.stdout.readline().strip())
        time.sleep(after_ms / 1000)
        process.kill()
        acknowledged += process.communicate()[0].split("\n")[:-1]
    assert len(acknowledged) >= 6
    visible = {blob.digest for blob in store.scan()}
    assert visible >= set(acknowledged)
    for digest in visible:
        store.read(digest)
