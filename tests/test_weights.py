"""The weights pool: one module a handle, shared, evicted by budget, patched without leaking."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from nodeflow import weights
from nodeflow.errors import NodeflowError
from nodeflow.types import Model, Patch, Vae
from nodeflow.weights import WeightsPool, weights_loader

KB = 1024


class Storage:
    def __init__(self, nbytes: int) -> None:
        self.bytes = nbytes

    def untyped_storage(self) -> Storage:
        return self

    def data_ptr(self) -> int:
        return id(self)

    def nbytes(self) -> int:
        return self.bytes


class Module:
    """As much of a module as the pool looks at: parameters by name, each with a storage."""

    def __init__(self, **parts: Storage) -> None:
        self.parts = parts
        self.device = ""

    def parameters(self) -> Iterator[Storage]:
        return iter(self.parts.values())

    def buffers(self) -> Iterator[Storage]:
        return iter(())

    def to(self, device: str) -> Module:
        self.device = device
        return self


LOADS: list[str] = []


def patched(module: Module, patches: tuple[Patch, ...]) -> Module:
    if any(p.digest == "broken" for p in patches):
        raise ValueError("shapes differ")
    return Module(**{**module.parts, "a": Storage(4 * KB)})


@pytest.fixture(autouse=True)
def _loaders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_LOADERS", {})
    LOADS.clear()

    @weights_loader("t/net", patch=patched)
    def net(handle: Model, device: str) -> Module:
        LOADS.append(handle.digest)
        if handle.digest == "bad":
            raise ValueError("the file is damaged")
        time.sleep(handle.options.get("seconds", 0))  # type: ignore[arg-type]
        return Module(a=Storage(4 * KB), b=Storage(6 * KB))

    @weights_loader("t/plain")
    def plain(handle: Model, device: str) -> Module:
        return Module()


def model(digest: str, **options: Any) -> Model:
    return Model("t/net", f"/models/{digest}", digest, options)


def test_one_module_a_handle_whatever_its_path() -> None:
    pool = WeightsPool()
    with (
        pool.use(model("a")) as one,
        pool.use(Model("t/net", "/moved", "a")) as two,
        pool.use(Vae("t/net", "/x", "a")) as three,
    ):
        assert one is two is three
    assert (LOADS, pool.loads) == (["a"], 1)
    with pool.use(model("a", dtype="bf16")) as other:
        assert other is not one


def test_what_is_in_use_stays_and_the_least_recently_used_goes() -> None:
    pool = WeightsPool(budget=25 * KB)
    for digest in "abab":
        with pool.use(model(digest)):
            pass
    with pool.use(model("c")):
        assert sum(size for *_, size in pool.inventory()) <= 25 * KB
    with pool.use(model("b")):
        pass
    assert LOADS == ["a", "b", "c"], "a was used before b"
    with pool.use(model("b")), pool.use(model("c")), pool.use(model("d")):
        assert len(pool.inventory()) == 3, "what is in use may exceed the budget"
    assert len(pool.inventory()) == 2


def test_a_patch_never_changes_what_another_handle_sees() -> None:
    pool = WeightsPool(budget=1 << 20)
    lora = Patch("t/lora", "/lora", "l", 0.5)
    with pool.use(model("a")) as plain:
        before = dict(plain.parts)
        with pool.use(model("a").patched(lora)) as changed:
            assert changed.parts["a"] is not plain.parts["a"]
            assert changed.parts["b"] is plain.parts["b"]
        assert plain.parts == before
    assert LOADS == ["a"]
    assert sum(size for *_, size in pool.inventory()) == 14 * KB, "what they share counts once"
    with pool.use(model("a").patched(Patch("t/lora", "/lora", "l", 0.6))) as other:
        assert other is not changed


def test_a_plain_module_is_held_while_a_patched_one_shares_its_tensors() -> None:
    pool = WeightsPool(budget=12 * KB)
    with pool.use(model("a").patched(Patch("t/lora", "/l", "l"))):
        assert len(pool.inventory()) == 2
    pool.clear()
    assert pool.inventory() == []


def test_a_patch_that_fails_lets_go_of_the_plain_module() -> None:
    pool = WeightsPool()
    broken = model("a").patched(Patch("t/lora", "/l", "broken"))
    for _ in range(2):
        with pytest.raises(ValueError, match="shapes differ"), pool.use(broken):
            pass
    pool.clear()
    assert pool.inventory() == []


def test_a_load_that_fails_may_be_tried_again() -> None:
    pool = WeightsPool()
    for _ in range(2):
        with pytest.raises(ValueError, match="the file is damaged"), pool.use(model("bad")):
            pass
    assert (LOADS, pool.inventory()) == (["bad", "bad"], [])


def test_threads_that_want_one_module_load_it_once() -> None:
    pool = WeightsPool()
    seen: list[Any] = []

    def use() -> None:
        with pool.use(model("a", seconds=0.05)) as module:
            seen.append(module)

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (LOADS, len(seen), len(set(map(id, seen)))) == (["a"], 6, 1)
    pool.clear()
    assert pool.inventory() == []


def test_loads_of_different_modules_overlap() -> None:
    pool = WeightsPool()
    begun = time.perf_counter()

    def use(digest: str) -> None:
        with pool.use(model(digest, seconds=0.2)):
            pass

    threads = [threading.Thread(target=use, args=(digest,)) for digest in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.perf_counter() - begun < 1.0


def test_mistakes_are_named() -> None:
    pool = WeightsPool()
    with pytest.raises(NodeflowError, match=r"no weights loader named 't/none' is installed \(known: t/net, t/plain\)"):
        pool.use(Model("t/none", "x", "y")).__enter__()
    with pytest.raises(NodeflowError, match="t/plain: weights of this kind take no patches"):
        pool.use(Model("t/plain", "x", "y").patched(Patch("a", "b", "c"))).__enter__()


def test_an_idle_module_moves_between_devices() -> None:
    pool = WeightsPool(budget=30 * KB, device_budget=15 * KB)
    with pool.use(model("a"), "cuda:0"):
        pass
    with pool.use(model("b"), "cuda:0"):
        pass
    assert {(device, size) for _, device, size in pool.inventory()} == {("cpu", 10 * KB), ("cuda:0", 10 * KB)}
    with pool.use(model("a"), "cuda:0") as again:
        assert again.device == "cuda:0"
    assert LOADS == ["a", "b"]
