"""The weights pool: modules by handle, loaded when first used, shared by their users, evicted by a byte budget.

A handle (`nodeflow.types.WeightsHandle`) says which file, which digest, which options, which patches. Packs register
how a handle becomes a module with `@weights_loader`; the pool decides when, keeps one module per handle, moves it to
the device it is asked for, and drops the least recently used that nobody holds when the budget is exceeded.

A patched handle (LoRA) gets a module of its own that shares every unpatched tensor with the plain one, so applying a
patch never changes what another handle sees, and taking it off again needs no arithmetic.

The pool knows modules only as objects with `parameters()`, `buffers()` and `to(device)`; it does not import torch.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from nodeflow.errors import NodeflowError
from nodeflow.types import Patch, WeightsHandle

LoadFunction = Callable[[Any, str], Any]
PatchFunction = Callable[[Any, tuple[Patch, ...]], Any]
F = TypeVar("F", bound=LoadFunction)


@dataclass
class Loader:
    """How a kind of handle becomes a module, and how a module is patched."""

    name: str
    load: LoadFunction
    patch: PatchFunction | None = None


_LOADERS: dict[str, Loader] = {}


def weights_loader(name: str, *, patch: PatchFunction | None = None) -> Callable[[F], F]:
    """Register a function `(handle, device) -> module` that reads the weights a handle names.

    Args:
        name: `pack/kind`, as in the handle's `loader`.
        patch: `(module, patches) -> module` gives a *new* module with the patches merged, sharing all other tensors
            with the given one, which stays as it is. Leave it out if handles of this kind take no patches.
    """

    def decorate(function: F) -> F:
        _LOADERS[name] = Loader(name, function, patch)
        return function

    return decorate


@dataclass
class _Entry:
    """A loaded module. `plain`: the entry it shares tensors with, held as long as this one is in the pool."""

    identity: str
    device: str
    module: Any
    bytes: int
    users: int = 0
    plain: _Entry | None = None
    seconds: float = 0.0


@dataclass
class WeightsPool:
    """Loaded modules, by handle and device.

    Args:
        budget: bytes of weights to keep in RAM when nobody uses them; what is in use may exceed it.
        device: where modules go unless `use` says otherwise.
        find_pack: called with a loader's name if it is not registered, to load the pack that has it.
        device_budget: the same for an accelerator's memory. What is evicted there moves to RAM if that has room.
    """

    budget: int = 8 << 30
    device: str = "cpu"
    device_budget: int = 0
    find_pack: Callable[[str], object] | None = None
    loads: int = 0
    _entries: OrderedDict[tuple[str, str], _Entry] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _loading: dict[tuple[str, str], threading.Lock] = field(default_factory=dict, repr=False)

    @contextmanager
    def use(
        self, handle: WeightsHandle, device: str | None = None, on_use: Callable[[float], None] | None = None
    ) -> Iterator[Any]:
        """The module of `handle` on `device`, loaded if need be, and kept at least until the block ends.

        Args:
            on_use: told how many seconds loading the module took, now or earlier: what doing without costs.

        Raises:
            NodeflowError: if no loader for such handles is installed, or they take no patches.
        """
        entry = self._acquire(handle, device or self.device)
        try:
            if on_use is not None:
                on_use(entry.seconds)
            yield entry.module
        finally:
            self._release(entry)

    def inventory(self) -> list[tuple[str, str, int]]:
        """What is loaded: (identity, device, bytes) of each module; tensors that two share count once."""
        with self._lock:
            return [(entry.identity, entry.device, entry.bytes) for entry in self._entries.values()]

    def clear(self) -> None:
        """Drop every module that nobody uses."""
        with self._lock:
            for device in {entry.device for entry in self._entries.values()}:
                self._evict(device, 0, keep=False)

    def _acquire(self, handle: WeightsHandle, device: str) -> _Entry:
        key = (_identity(handle), device)
        with self._lock:
            if entry := self._here(key):
                return entry
            gate = self._loading.setdefault(key, threading.Lock())
        with gate:  # one load a handle, while others may load or compute
            with self._lock:
                if entry := self._here(key):
                    return entry
            begun = time.perf_counter()
            entry = self._load(handle, key)
            entry.seconds = time.perf_counter() - begun + (entry.plain.seconds if entry.plain else 0.0)
            with self._lock:
                self._entries[key] = entry
                self._loading.pop(key, None)
                self._evict(device, self._limit(device))
            return entry

    def _here(self, key: tuple[str, str]) -> _Entry | None:
        """The entry for `key`, one more user added; an idle one on another device is moved here."""
        entry = self._entries.get(key)
        if entry is None:
            identity, device = key
            idle = (e for e in self._entries.values() if e.identity == identity and not e.users and not e.plain)
            entry = next(idle, None)
            if entry is None:
                return None
            del self._entries[identity, entry.device]
            self._move(entry, device)
            self._entries[key] = entry
        entry.users += 1
        self._entries.move_to_end(key)
        return entry

    def _load(self, handle: WeightsHandle, key: tuple[str, str]) -> _Entry:
        identity, device = key
        if handle.loader not in _LOADERS and self.find_pack is not None:
            with contextlib.suppress(KeyError):
                self.find_pack(handle.loader)  # importing the pack registers its loaders
        loader = _LOADERS.get(handle.loader)
        if loader is None:
            known = ", ".join(sorted(_LOADERS)) or "none"
            raise NodeflowError(f"no weights loader named {handle.loader!r} is installed (known: {known})")
        if not handle.patches:
            self.loads += 1
            module = loader.load(handle, device)
            return _Entry(identity, device, module, _bytes(module, set()), users=1)
        if loader.patch is None:
            raise NodeflowError(f"{handle.loader}: weights of this kind take no patches (LoRA)")
        plain = self._acquire(replace(handle, patches=()), device)
        try:
            module = loader.patch(plain.module, handle.patches)
        except BaseException:
            self._release(plain)
            raise
        seen: set[int] = set()
        _bytes(plain.module, seen)
        return _Entry(identity, device, module, _bytes(module, seen), users=1, plain=plain)

    def _release(self, entry: _Entry) -> None:
        with self._lock:
            entry.users -= 1
            self._evict(entry.device, self._limit(entry.device))

    def _limit(self, device: str) -> int:
        return self.budget if device == "cpu" else self.device_budget or self.budget

    def _evict(self, device: str, limit: int, keep: bool = True) -> None:
        """Take the least recently used idle modules from `device` until the rest fits; to RAM if `keep` and it fits."""
        while self._total(device) > limit:
            idle = (item for item in self._entries.items() if item[1].device == device and not item[1].users)
            key, entry = next(idle, (None, None))
            if key is None or entry is None:
                return
            del self._entries[key]
            if entry.plain is not None:
                entry.plain.users -= 1
            elif keep and device != "cpu" and self._total("cpu") + entry.bytes <= self.budget:
                self._move(entry, "cpu")
                self._entries[entry.identity, "cpu"] = entry

    def _total(self, device: str) -> int:
        return sum(entry.bytes for entry in self._entries.values() if entry.device == device)

    @staticmethod
    def _move(entry: _Entry, device: str) -> None:
        moved = entry.module.to(device)
        entry.module = entry.module if moved is None else moved
        entry.device = device


def _identity(handle: WeightsHandle) -> str:
    """What makes two handles the same weights: everything but the path (a moved file is the same file)."""
    patches = [(p.loader, p.digest, p.strength, sorted(p.options.items())) for p in handle.patches]
    return repr((handle.loader, handle.digest, sorted(handle.options.items()), patches))


def _bytes(module: Any, seen: set[int]) -> int:
    """Bytes of all storages of a module, each counted once; `seen` holds the addresses already counted."""
    total = 0
    tensors = [*module.parameters(), *module.buffers()] if hasattr(module, "parameters") else []
    for tensor in tensors:
        storage = tensor.untyped_storage()
        if storage.data_ptr() and storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            total += storage.nbytes()
    return total
