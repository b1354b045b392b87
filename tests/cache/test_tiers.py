"""The cache as the executor uses it: what is put comes back, or nothing does."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nodeflow.cache import Cache, CacheWarning
from nodeflow.cache import tiers as tiers_module
from nodeflow.cache.tiers import WriteTime

from .helpers import MB, FakeTensor, key, noise


class Caches:
    """Makes caches on one folder, as restarts would, and closes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warnings: list[CacheWarning] = []
        self.made: list[Cache] = []

    def __call__(self, **changes: Any) -> Cache:
        options: dict[str, Any] = {"ram_bytes": 50 * MB, "disk_bytes": 50 * MB, "warn": self.warnings.append}
        self.made.append(Cache(self.folder, **{**options, **changes}))
        return self.made[-1]


@pytest.fixture
def caches(tmp_path: Path) -> Iterator[Caches]:
    made = Caches(tmp_path / "cache")
    yield made
    for cache in made.made:
        cache.close()


def test_ram_gives_back_the_very_object(caches: Caches) -> None:
    cache = caches()
    outputs = {"value": 1}
    cache.put(key("a"), outputs, 1e-5)
    assert cache.get(key("a")) is outputs
    assert cache.get(key("b")) is None
    assert cache.lookup([key("a"), key("b")]) == {key("a")}
    assert not caches.folder.exists()


def test_what_is_to_persist_is_there_after_a_restart(caches: Caches) -> None:
    cache = caches()
    cache.put(key("a"), {"n": (1, True, 1.0)}, 1e-6, persist=True)
    cache.put(key("b"), {"n": 2}, 1e-6)
    cache.flush()
    again = caches()
    assert again.lookup([key("a"), key("b")]) == {key("a")}
    assert repr(again.get(key("a"))) == repr({"n": (1, True, 1.0)})
    assert again.get(key("b")) is None
    stats = again.stats()
    assert (stats.tiers["disk"].hits, stats.tiers["ram"].hits, stats.misses) == (1, 0, 1)
    again.get(key("a"))
    assert again.stats().tiers["ram"].hits == 1


def test_only_what_takes_clearly_longer_than_writing_is_written(caches: Caches) -> None:
    cache = caches()
    cache.put(key("slow"), {"x": noise(0.1, 1)}, 10.0)
    cache.put(key("quick"), {"x": noise(0.1, 2)}, 0.0001)
    cache.flush()
    assert caches().lookup([key("slow"), key("quick")]) == {key("slow")}


def test_what_cannot_be_written_stays_in_memory_silently(caches: Caches) -> None:
    cache = caches()
    thing = (object(),)
    cache.put(key("a"), thing, 10.0, persist=True)
    cache.flush()
    assert cache.get(key("a")) is thing
    assert caches().lookup([key("a")]) == set()
    assert caches.warnings == []


def test_a_queued_result_is_found_even_if_ram_is_too_small(caches: Caches, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = caches(ram_bytes=1000)
    assert cache._disk is not None
    gate = threading.Event()
    put_many = cache._disk.put_many
    monkeypatch.setattr(cache._disk, "put_many", lambda entries: (gate.wait(20), put_many(entries))[1])
    cache.put(key("a"), {"x": noise(0.1)}, 10.0)
    assert cache.lookup([key("a")]) == {key("a")}
    assert cache.get(key("a"))["x"].equal(noise(0.1))
    gate.set()
    cache.flush()
    assert cache.stats().tiers["ram"].entries == 0
    assert cache.get(key("a"))["x"].equal(noise(0.1))
    assert cache.stats().tiers["disk"].hits == 1


def test_a_full_queue_drops_what_may_be_dropped_and_waits_for_the_rest(
    caches: Caches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiers_module, "QUEUE_BYTES", MB)
    cache = caches()
    assert cache._disk is not None
    gate = threading.Event()
    put_many = cache._disk.put_many
    monkeypatch.setattr(cache._disk, "put_many", lambda entries: (gate.wait(20), put_many(entries))[1])
    cache.put(key(0), {"x": noise(0.8, 0)}, 10.0)
    cache.put(key(1), {"x": noise(0.8, 1)}, 10.0)
    assert cache.stats().queued == 1
    waiting = threading.Thread(target=cache.put, args=(key(2), {"x": noise(0.8, 2)}, 10.0, True))
    waiting.start()
    time.sleep(0.05)
    assert waiting.is_alive()
    gate.set()
    waiting.join()
    cache.flush()
    assert caches().lookup(map(key, range(3))) == {key(0), key(2)}


def test_the_writer_thread_ends_by_itself(caches: Caches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeflow.cache.writer.LINGER_S", 0.02)
    cache = caches()
    cache.put(key("a"), {"n": 1}, 0.0, persist=True)
    cache.flush()
    time.sleep(0.2)
    assert not any(thread.name == "nodeflow-cache-writer" for thread in threading.enumerate())
    cache.put(key("b"), {"n": 2}, 0.0, persist=True)
    cache.flush()
    assert caches().lookup([key("a"), key("b")]) == {key("a"), key("b")}


def test_damage_on_disk_is_a_miss_and_a_warning(caches: Caches) -> None:
    cache = caches()
    cache.put(key("a"), {"x": noise(0.1)}, 10.0)
    cache.close()
    for path in (caches.folder / "v1" / "blobs").glob("??/*"):
        path.write_bytes(b"garbage")
    cache = caches()
    assert cache.get(key("a")) is None
    assert [(warning.what, warning.key) for warning in caches.warnings] == [("bad-entry", key("a"))]
    assert "computing again" in caches.warnings[0].message
    cache.put(key("a"), {"x": noise(0.1)}, 10.0)
    cache.flush()
    assert caches().get(key("a"))["x"].equal(noise(0.1))


def test_a_tensor_written_to_after_it_was_put_is_a_miss(caches: Caches, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = caches()
    tensor = noise(0.1)
    cache.put(key("a"), {"x": tensor}, 10.0)
    cache.flush()
    tensor.zero_()
    assert cache.get(key("a"))["x"].equal(noise(0.1))  # what was written before is right
    assert [warning.what for warning in caches.warnings] == ["mutated"]

    encode = tiers_module.encode

    def late(value: Any, types: Any) -> Any:
        value["x"].add_(1)
        return encode(value, types)

    monkeypatch.setattr(tiers_module, "encode", late)
    cache.put(key("b"), {"x": noise(0.1)}, 10.0)
    cache.flush()
    assert cache.get(key("b")) is None
    assert caches().lookup([key("b")]) == set()


def test_trouble_with_the_disk_pauses_it_and_warns_once(caches: Caches) -> None:
    caches.folder.write_text("a file in the way")
    cache = caches()
    for i in range(5):
        cache.put(key(i), {"x": i}, 0.0, persist=True)
        cache.flush()
    assert [cache.get(key(i)) for i in range(5)] == [{"x": i} for i in range(5)]
    assert [warning.what for warning in caches.warnings] == ["disk"]
    assert "cache" in caches.warnings[0].message
    assert "disk" not in cache.stats().tiers
    caches.folder.unlink()
    cache._disk_off_until = 0.0
    cache.put(key(9), {"x": 9}, 0.0, persist=True)
    cache.flush()
    assert caches().get(key(9)) == {"x": 9}


def test_values_of_strangers_do_not_stop_the_writer(caches: Caches) -> None:
    class Hostile:
        def type_name(self, cls: type) -> str:
            raise RuntimeError("a stranger's bug")

        def type_named(self, name: str) -> type:
            raise KeyError(name)

    cache = caches(types=Hostile())
    cache.put(key("a"), (object(),), 10.0)
    cache.put(key("b"), (1,), 10.0)
    cache.flush()
    assert caches().lookup([key("a"), key("b")]) == {key("b")}
    assert "a stranger's bug" in caches.warnings[0].message


def test_a_value_that_cannot_be_counted_is_not_kept(caches: Caches) -> None:
    class Opaque:
        device = "cpu"

        def untyped_storage(self) -> None:
            raise NotImplementedError("this layout has no storage")

    cache = caches()
    cache.put(key("a"), {"x": Opaque()}, 10.0, persist=True)
    assert cache.get(key("a")) is None
    assert [(w.what, w.key) for w in caches.warnings] == [("uncounted", key("a"))]


def test_without_a_folder_there_is_ram_only() -> None:
    with Cache(None, ram_bytes=MB) as cache:
        cache.put(key("a"), {"x": 1}, 100.0, persist=True)
        cache.flush()
        assert cache.get(key("a")) == {"x": 1}
        assert cache.stats().tiers.keys() == {"ram"}


def test_the_accelerator_hands_on_to_ram() -> None:
    with Cache(None, ram_bytes=MB, accelerator_bytes=1500) as cache:
        cache.put(key("a"), {"x": FakeTensor("gpu:0", 1, 1000)}, 0.1)
        assert cache.get(key("a"))["x"].device == "gpu:0"
        assert cache.stats().tiers["ram"].entries == 0
        cache.put(key("b"), {"x": FakeTensor("gpu:0", 2, 1000)}, 5.0)
        assert cache.get(key("a"))["x"].device == "cpu"
        assert cache.get(key("b"))["x"].device == "gpu:0"
        stats = cache.stats().tiers
        assert (stats["accelerator"].hits, stats["ram"].hits) == (2, 1)
        cache.put(key("c"), {"x": FakeTensor("gpu:0", 3, 5000)}, 5.0)  # larger than the accelerator's budget
        assert cache.get(key("c"))["x"].device == "cpu"


def test_without_a_budget_for_it_the_accelerator_keeps_nothing() -> None:
    with Cache(None, ram_bytes=MB) as cache:
        cache.put(key("a"), {"x": FakeTensor("gpu:0", 1, 1000)}, 0.1)
        assert cache.get(key("a"))["x"].device == "cpu"


def test_pins_hold_in_all_tiers(caches: Caches) -> None:
    cache = caches(ram_bytes=2 * MB, disk_bytes=2 * MB)
    cache.pin([key("a")])
    cache.put(key("a"), {"x": noise(1.2, 0)}, 0.001, persist=True)
    cache.flush()
    for i in range(3):
        cache.put(key(i), {"x": noise(0.7, i + 1)}, 10.0)
        cache.flush()
    assert cache.lookup([key("a")]) == caches(disk_bytes=2 * MB).lookup([key("a")]) == {key("a")}
    cache.unpin([key("a")])
    cache.put(key("b"), {"x": noise(1.2, 9)}, 10.0)
    cache.flush()
    assert cache.lookup([key("a"), key("b")]) == {key("b")}


def test_clear_forgets_everywhere(caches: Caches) -> None:
    cache = caches()
    cache.put(key("a"), {"x": 1}, 0.0, persist=True)
    cache.clear()
    assert cache.get(key("a")) is None
    assert caches().lookup([key("a")]) == set()


def test_threads(caches: Caches) -> None:
    cache = caches(ram_bytes=300_000, disk_bytes=400_000)
    wrong: list[object] = []

    def work(seed: int) -> None:
        for i in range(150):
            number = (i * seed) % 23
            cache.put(key(number), (number, bytes([number]) * 30_000), 1.0, persist=i % 2 == 0)
            found = cache.get(key((number * 3) % 23))
            if found is not None and found[1] != bytes([found[0]]) * 30_000:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (3, 5, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.flush()
    assert wrong == []
    assert caches.warnings == [] or {w.what for w in caches.warnings} == {"bad-entry"}


def test_a_process_that_forgets_to_close_still_writes(caches: Caches) -> None:
    code = f"""
from nodeflow.cache import Cache
cache = Cache({str(caches.folder)!r}, ram_bytes=10**6, disk_bytes=10**6)
cache.put({key("a")!r}, (1, 2), 0.0, persist=True)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert caches().get(key("a")) == (1, 2)


def test_a_cached_run_of_plain_values_needs_no_torch(caches: Caches) -> None:
    code = f"""
import sys
from nodeflow.cache import Cache
with Cache({str(caches.folder)!r}, ram_bytes=10**6, disk_bytes=10**6) as cache:
    assert cache.lookup([{key("a")!r}])
    assert cache.get({key("a")!r}) == {{"path": "picture.png"}}
assert not {{"torch", "numpy"}} & set(sys.modules)
"""
    cache = caches()
    cache.put(key("a"), {"path": "picture.png"}, 0.0, persist=True)
    cache.flush()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_write_time_is_learnt() -> None:
    write_time = WriteTime(entry_s=1e-3, byte_s=1e-8)
    for _ in range(30):
        write_time.learn(1, 100 * MB, 2.0)
        write_time.learn(100, 10_000, 0.005)
    assert write_time.estimate(100 * MB) == pytest.approx(2.0, rel=0.1)
    assert write_time.estimate(0) == pytest.approx(5e-5, rel=0.1)


def test_stats_are_plain_data(caches: Caches) -> None:
    cache = caches()
    cache.put(key("a"), {"x": torch.zeros(10)}, 0.0)
    stats = cache.stats()
    assert stats == replace(stats)
    assert stats.tiers["ram"].entries == 1
    assert stats.tiers["ram"].budget_bytes == 50 * MB
