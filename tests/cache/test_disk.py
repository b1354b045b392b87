"""The disk tier: rows with their blobs or no rows, damage is a miss, the cap holds, processes share it."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from nodeflow.cache import disk as disk_module
from nodeflow.cache.codec import encode
from nodeflow.cache.disk import DiskTier
from nodeflow.cache.errors import BadEntry, CacheWarning, StoreError

from . import worker
from .helpers import MB, key, noise


def write(tier: DiskTier, name: object, value: Any, cost_s: float = 1.0) -> bool:
    encoded = encode(value)
    return tier.put(key(name), encoded.structure, encoded.blobs, cost_s)


def read(tier: DiskTier, name: object) -> Any:
    entry = tier.get(key(name))
    return None if entry is None else entry.load()


class Tiers:
    """Makes tiers on one folder, as so many processes would, and closes them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.warnings: list[CacheWarning] = []
        self.made: list[DiskTier] = []

    def __call__(self, cap: int = 100 * MB, floor: int = 0) -> DiskTier:
        self.made.append(DiskTier(self.root, cap, floor, warn=self.warnings.append))
        return self.made[-1]


@pytest.fixture
def tiers(tmp_path: Path) -> Iterator[Tiers]:
    made = Tiers(tmp_path / "cache")
    yield made
    for tier in made.made:
        tier.close()


def blob_files(tiers: Tiers) -> list[Path]:
    return sorted(path for path in (tiers.root / "blobs").glob("??/*") if path.is_file())


def check_rows_have_blobs(tiers: Tiers) -> int:
    """Every row's blobs are there and right; the bytes and references counted are those found anew."""
    db = sqlite3.connect(tiers.root / "index.db")
    try:
        rows = db.execute("SELECT key, structure, blobs FROM entries").fetchall()
        counted = dict(db.execute("SELECT digest, refs FROM blobs").fetchall())
        total = db.execute("SELECT value FROM meta WHERE name = 'bytes'").fetchone()[0]
    finally:
        db.close()
    refs: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for _, _, blobs in rows:
        for digest, _, size in (part.partition(":") for part in blobs.split()):
            data = (tiers.root / "blobs" / digest[:2] / digest).read_bytes()
            assert blake3(data).hexdigest() == digest
            assert len(data) == int(size)
            refs[digest] = refs.get(digest, 0) + 1
            sizes[digest] = len(data)
    assert refs == counted
    assert total == sum(sizes.values()) + sum(len(structure) for _, structure, _ in rows)
    return len(rows)


def test_opening_does_nothing(tiers: Tiers) -> None:
    started = time.perf_counter()
    tier = tiers()
    assert tier.contains_many([key(1)]) == set()
    assert tier.get(key(1)) is None
    assert time.perf_counter() - started < 0.05
    assert not tiers.root.exists()


def test_kept_across_restarts_and_read_only_when_asked(tiers: Tiers) -> None:
    value = {"image": noise(1), "meta": (1, 1.0, True, b"x" * 5000)}
    tier = tiers()
    assert write(tier, "a", value, cost_s=2.5)
    tier.close()
    again = tiers()
    assert again.contains_many([key("a"), key("b")]) == {key("a")}
    entry = again.get(key("a"))
    assert entry is not None
    assert entry.cost_s == 2.5
    assert entry.size > MB
    for path in blob_files(tiers):
        path.unlink()
    with pytest.raises(BadEntry):  # nothing was read before
        entry.load()


def test_values_come_back(tiers: Tiers) -> None:
    value = {"image": noise(1), "meta": (1, 1.0, True, b"x" * 5000)}
    write(tiers(), "a", value)
    found = read(tiers(), "a")
    assert found["image"].equal(value["image"])
    assert repr(found["meta"]) == repr(value["meta"])


def test_many_keys_at_once_are_fast(tiers: Tiers) -> None:
    tier = tiers()
    tier.put_many([(key(i), encode(i), 1.0) for i in range(10_000)])
    wanted = [key(i) for i in range(5_000, 15_000)]
    tier.contains_many(wanted[:1])
    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        found = tier.contains_many(wanted)
        best = min(best, time.perf_counter() - started)
    assert found == {key(i) for i in range(5_000, 10_000)}
    assert best < 0.3  # 11 ms measured on a quiet machine


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete"])
def test_each_damaged_blob_is_a_miss_and_heals(tiers: Tiers, damage: str) -> None:
    value = (noise(0.01), b"long" * 1000)
    write(tiers(), "a", value)
    for number in range(2):
        path = blob_files(tiers)[number]
        data = bytearray(path.read_bytes())
        if damage == "flip":
            data[len(data) // 2] ^= 4
            path.write_bytes(data)
        elif damage == "truncate":
            path.write_bytes(data[:-1])
        else:
            path.unlink()
        tier = tiers()
        entry = tier.get(key("a"))
        assert entry is not None
        with pytest.raises(BadEntry, match="blob"):
            entry.load()
        assert tier.get(key("a")) is None
        assert write(tier, "a", value)
        assert read(tiers(), "a")[1] == value[1]
        assert check_rows_have_blobs(tiers) == 1


def test_a_blob_that_vanished_is_written_again_though_its_row_is_there(tiers: Tiers) -> None:
    write(tiers(), "a", noise(0.01))
    blob_files(tiers)[0].unlink()
    write(tiers(), "a", noise(0.01))
    assert read(tiers(), "a").equal(noise(0.01))


@pytest.mark.parametrize("column", ["structure", "blobs", "digest", "key"])
def test_a_changed_row_is_a_miss(tiers: Tiers, column: str) -> None:
    tier = tiers()
    write(tier, "a", {"x": 1, "long": b"x" * 5000})
    tier.close()
    changes: dict[str, Any] = {
        "structure": b'["d","x",2,"long",["B",0]]',
        "blobs": "",
        "digest": key("other"),
        "key": key("b"),
    }
    db = sqlite3.connect(tiers.root / "index.db")
    with db:
        db.execute(f"UPDATE entries SET {column} = ?", (changes[column],))
    db.close()
    assert read(tier, "b" if column == "key" else "a") is None
    assert [warning.what for warning in tiers.warnings] == ["bad-entry"]
    assert tier.contains_many([key("a"), key("b")]) == set()


def overwrite(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def flip_header(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)


def drop_tables(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("DROP TABLE entries")
    db.close()


def other_format(path: Path) -> None:
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=1")
    db.execute("CREATE TABLE entries (something TEXT)")
    db.close()


def newer(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()


@pytest.mark.parametrize("damage", [overwrite, truncate, empty, flip_header, drop_tables, other_format, newer])
@pytest.mark.parametrize("while_open", [False, True])
def test_a_damaged_index_is_begun_anew(tiers: Tiers, damage: Callable[[Path], None], while_open: bool) -> None:
    tier = tiers()
    tier.put_many([(key(i), encode((i, "x" * 200)), 1.0) for i in range(500)])
    write(tier, "blob", noise(0.01))
    if while_open:
        tier.flush()
    else:
        tier.close()
    damage(tiers.root / "index.db")
    for i in range(0, 500, 50):
        assert read(tier, i) in (None, (i, "x" * 200))
    tier.contains_many([key(i) for i in range(500)])
    tier.close()
    tier = tiers()
    for i in range(2):  # at the latest, the second write finds a sound index
        if not write(tier, "blob", noise(0.01)):
            assert i == 0
    assert read(tier, "blob").equal(noise(0.01))
    assert {warning.what for warning in tiers.warnings} <= {"index", "bad-entry"}


def test_no_flipped_bit_of_the_index_gives_a_wrong_result_or_a_crash(tiers: Tiers, tmp_path: Path) -> None:
    tier = tiers()
    for i in range(60):
        write(tier, i, (i, "text" * i))
    tier.close()
    sound = (tiers.root / "index.db").read_bytes()
    chance = random.Random(1)
    for round_ in range(25):
        flipped = bytearray(sound)
        for _ in range(chance.choice([1, 5, 50])):
            flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        root = tmp_path / str(round_)
        root.mkdir()
        (root / "index.db").write_bytes(flipped)
        tier = DiskTier(root, 10_000)
        tier.contains_many([key(i) for i in range(60)])
        for i in range(60):
            with contextlib.suppress(BadEntry, StoreError):
                assert read(tier, i) in (None, (i, "text" * i))
        for i in range(60, 100):
            with contextlib.suppress(StoreError):
                write(tier, i, (i, "text" * i))
            with contextlib.suppress(BadEntry, StoreError):
                assert read(tier, i) in (None, (i, "text" * i))
        tier.close()


def test_strange_costs_are_taken(tiers: Tiers) -> None:
    tier = tiers()
    for i, cost_s in enumerate([float("nan"), float("inf"), -1.0, 0.0]):
        assert write(tier, i, i, cost_s)
        assert read(tier, i) == i
    assert tiers.warnings == []


@pytest.mark.parametrize("with_log", [False, True])
def test_a_deleted_index_is_noticed_while_open(tiers: Tiers, with_log: bool) -> None:
    tier = tiers()
    write(tier, "a", noise(0.01))
    for suffix in ["", "-wal", "-shm"] if with_log else [""]:
        (tiers.root / f"index.db{suffix}").unlink(missing_ok=True)
    assert read(tier, "a") is None
    write(tier, "a", noise(0.01))
    assert read(tier, "a").equal(noise(0.01))
    assert read(tiers(), "a").equal(noise(0.01))


def test_the_whole_folder_may_be_deleted_at_any_time(tiers: Tiers) -> None:
    tier = tiers()
    write(tier, "a", noise(0.01))
    shutil.rmtree(tiers.root)
    assert read(tier, "a") is None
    assert tier.contains_many([key("a")]) == set()
    write(tier, "a", noise(0.01))
    assert read(tiers(), "a").equal(noise(0.01))


def test_the_cap_holds_and_the_cheapest_per_byte_goes(tiers: Tiers) -> None:
    tier = tiers(cap=5 * MB)
    for i, cost_s in enumerate([1.0, 9.0, 0.1, 5.0]):
        write(tier, i, noise(1.2, seed=i), cost_s)
    write(tier, 4, noise(1.2, seed=4), 1.0)
    assert tier.contains_many(map(key, range(5))) == {key(i) for i in (0, 1, 3, 4)}
    assert tier.totals()[1] <= 5 * MB
    assert len(blob_files(tiers)) == 4
    assert check_rows_have_blobs(tiers) == 4


def test_uses_count_and_are_remembered(tiers: Tiers) -> None:
    tier = tiers(cap=5 * MB)
    for i in range(4):
        write(tier, i, noise(1.2, seed=i), 1.0)
    read(tier, 0)
    tier.close()
    tier = tiers(cap=5 * MB)
    for i in range(4, 7):
        write(tier, i, noise(1.2, seed=i), 1.0)
    assert tier.contains_many(map(key, range(7))) == {key(i) for i in (0, 4, 5, 6)}


def test_uses_are_seen_by_other_processes_with_the_next_write(tiers: Tiers) -> None:
    tier, other = tiers(cap=5 * MB), tiers(cap=5 * MB)
    for i in range(3):
        write(tier, i, noise(1.2, seed=i), 1.0)
    read(tier, 0)
    write(tier, 3, noise(1.2, seed=3), 1.0)
    write(other, 4, noise(1.2, seed=4), 1.0)
    assert tier.contains_many(map(key, range(5))) == {key(i) for i in (0, 2, 3, 4)}


def test_putting_again_what_is_there_keeps_its_uses(tiers: Tiers) -> None:
    tier = tiers(cap=5 * MB)
    for i in range(4):
        write(tier, i, noise(1.2, seed=i), 1.0)
    for i in (0, 0, 0, 1, 2, 3):
        read(tier, i)
    tier.flush()
    write(tiers(cap=5 * MB), 0, noise(1.2, seed=0), 1.0)
    assert len(tier.contains_many(map(key, range(4)))) == 4  # and evicts nothing
    write(tier, 4, noise(1.2, seed=4), 10.0)
    assert tier.contains_many(map(key, range(5))) == {key(i) for i in (0, 2, 3, 4)}


def test_what_nobody_uses_sinks(tiers: Tiers) -> None:
    tier = tiers(cap=3 * MB)
    write(tier, "once dear", noise(1, seed=0), 5.0)
    for i in range(1, 12):
        write(tier, i, noise(1.5, seed=i), 2.0)
    assert tier.contains_many([key("once dear")]) == set()


def test_a_blob_is_not_deleted_while_another_process_begins_to_use_it(tiers: Tiers) -> None:
    tier, other = tiers(), tiers()
    write(tier, "a", noise(0.01))
    drop = tier._drop

    def late_drop(digests: list[str]) -> None:
        write(other, "b", noise(0.01))  # between the row's end and the blob's
        drop(digests)

    tier._drop = late_drop  # type: ignore[method-assign, assignment]
    tier.forget(key("a"))
    assert read(tier, "b").equal(noise(0.01))
    assert check_rows_have_blobs(tiers) == 1


def test_pinned_entries_are_not_evicted_by_this_process(tiers: Tiers) -> None:
    tier = tiers(cap=3 * MB)
    write(tier, "pinned", noise(1, seed=1), 0.001)
    write(tier, "free", noise(1, seed=2), 100.0)
    tier.pin([key("pinned")])
    write(tier, "new", noise(1.5, seed=3), 1.0)
    assert tier.contains_many(map(key, ("pinned", "free", "new"))) == {key("pinned"), key("new")}
    tier.unpin([key("pinned")])
    write(tier, "newer", noise(1.5, seed=4), 1.0)
    assert key("pinned") not in tier.contains_many([key("pinned")])


def test_if_all_is_pinned_the_new_entry_is_not_taken(tiers: Tiers) -> None:
    tier = tiers(cap=3 * MB)
    write(tier, "pinned", noise(2, seed=1))
    tier.pin([key("pinned")])
    assert not write(tier, "new", noise(2, seed=2))
    assert tier.contains_many(map(key, ("pinned", "new"))) == {key("pinned")}
    assert len(blob_files(tiers)) == 1


def test_a_blob_that_another_process_evicts_before_its_row_is_written_is_put_again(tiers: Tiers) -> None:
    tier = tiers()
    put_blobs = tier._write_blobs

    def lose(blobs: Any) -> Any:
        written = put_blobs(blobs)
        for digest, _ in written:
            tier.store.delete(digest)
        return written

    tier._write_blobs = lose  # type: ignore[method-assign]
    write(tier, "a", noise(0.01))
    assert read(tier, "a").equal(noise(0.01))


def test_what_is_larger_than_the_cap_is_not_taken(tiers: Tiers) -> None:
    tier = tiers(cap=MB)
    write(tier, "small", 1)
    assert not write(tier, "large", noise(2))
    assert tier.contains_many([key("small"), key("large")]) == {key("small")}


def test_entries_may_share_blobs(tiers: Tiers) -> None:
    tier = tiers()
    write(tier, "a", noise(1))
    write(tier, "b", noise(1))
    assert len(blob_files(tiers)) == 1
    assert tier.totals()[1] < 1.1 * MB
    tier.forget(key("a"))
    assert read(tier, "b").equal(noise(1))
    tier.forget(key("b"))
    assert blob_files(tiers) == []
    assert tier.totals() == (0, 0)


def test_the_floor_of_free_space_is_respected(tiers: Tiers, monkeypatch: pytest.MonkeyPatch) -> None:
    tier = tiers(floor=10 * MB)
    write(tier, "old", noise(1))
    free = [10 * MB + 1000]
    monkeypatch.setattr(disk_module, "_free_bytes", lambda folder: free[0])
    with pytest.raises(StoreError, match="10 MiB are to stay free"):
        write(tier, "new", noise(1, seed=1))
    assert tier.contains_many([key("old"), key("new")]) == set()
    free[0] = 20 * MB
    assert write(tier, "new", noise(1, seed=1))


def test_clear(tiers: Tiers) -> None:
    tier = tiers()
    write(tier, "a", noise(0.01))
    write(tier, "b", 5)
    tier.clear()
    assert tier.totals() == (0, 0)
    assert blob_files(tiers) == []
    assert read(tiers(), "b") is None


def test_orphans_are_swept_once_a_day(tiers: Tiers) -> None:
    tier = tiers()
    old, young = tier.store.put(b"orphan"), tier.store.put(b"being written")
    os.utime(tier.store.path(old), (time.time() - 7200,) * 2)
    write(tier, "a", noise(0.01))
    assert old not in tier.store
    assert young in tier.store
    assert read(tier, "a") is not None


def test_a_file_in_place_of_the_folder(tiers: Tiers) -> None:
    tiers.root.write_text("in the way")
    tier = tiers()
    assert tier.get(key("a")) is None
    with pytest.raises(StoreError, match="cache"):
        write(tier, "a", 1)
    tiers.root.unlink()


def start(name: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("worker.py")), name, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_share_one_folder(tiers: Tiers) -> None:
    processes = [start("share", tiers.root, seed) for seed in (0, 13)]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == ["0", "0"]
    assert check_rows_have_blobs(tiers) > 5
    assert tiers().totals()[1] <= worker.CAP


def test_kill_9_never_leaves_a_row_without_its_blobs(tiers: Tiers) -> None:
    for kill in range(14):
        process = start("write_on", tiers.root, kill)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.012 * kill)
        process.kill()
        process.communicate()
        assert check_rows_have_blobs(tiers) >= 1
    tier = tiers(cap=worker.CAP)
    for number in range(worker.NUMBERS):
        assert read(tier, number) in (None, worker.value(number))
    assert tiers.warnings == []


def test_a_full_disk_is_a_clear_error_and_loses_nothing(tiers: Tiers) -> None:
    process = start("fill", tiers.root)
    assert process.communicate(timeout=60)[0].splitlines() == ["blob refused: True", "index refused", "1 True"]
    assert process.returncode == 0
    assert check_rows_have_blobs(tiers) >= 1
