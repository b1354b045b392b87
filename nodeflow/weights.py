"""The weights pool: modules by handle, loaded when first used, shared by their users, evicted by a byte budget.

A handle (`nodeflow.types.WeightsHandle`) says which file, which digest, which options, which patches. Packs register
how a handle becomes a module with `@weights_loader`; the pool decides when, keeps one module per handle, moves it to
the device it is asked for, and drops the least recently used that nobody holds when the budget is exceeded.

A patched handle (LoRA) gets a module of its own that shares every unpatched tensor with the plain one, so applying a
patch never changes what another handle sees, and taking it off again needs no arithmetic.

The pool knows modules only as objects with `parameters()`, `buffers()` and `to(device)`; it does not import torch.
"""

from __future__ import annotations

import threading
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
    module: Any
    bytes: int
    users: int = 0
    device: str = ""


@dataclass
class WeightsPool:
    """Loaded modules, by handle.

    Args:
        budget: bytes of weights to keep loaded when nobody uses them; what is in use may exceed it.
        device: where modules go unless `use` says otherwise.
    """

    budget: int = 8 << 30
    device: str = "cpu"
    loads: int = 0
    _entries: OrderedDict[tuple[Any, str], _Entry] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _loading: dict[tuple[Any, str], threading.Lock] = field(default_factory=dict, repr=False)

    @contextmanager
    def use(self, handle: WeightsHandle, device: str | None = None) -> Iterator[Any]:
        """The module of `handle` on `device`, loaded if need be, and kept at least until the block ends."""
        entry = self._acquire(handle, device or self.device)
        try:
            yield entry.module
        finally:
            self._release(entry)

    def inventory(self) -> dict[str, int]:
        """What is loaded: a readable name per handle and its bytes (tensors shared between entries count once)."""
        with self._lock:
            return {_label(handle, device): entry.bytes for (handle, device), entry in self._entries.items()}

    def clear(self) -> None:
        """Drop every module that nobody uses."""
        with self._lock:
            self._evict(0)

    def _acquire(self, handle: WeightsHandle, device: str) -> _Entry:
        key = (_identity(handle), device)
        with self._lock:
            if entry := self._entries.get(key):
                entry.users += 1
                self._entries.move_to_end(key)
                return entry
            gate = self._loading.setdefault(key, threading.Lock())
        with gate:  # one load a handle, while others may load or compute
            with self._lock:
                if entry := self._entries.get(key):
                    entry.users += 1
                    return entry
            entry = self._load(handle, device)
            with self._lock:
                entry.users = 1
                self._entries[key] = entry
                self._loading.pop(key, None)
                self._evict(self.budget)
            return entry

    def _load(self, handle: WeightsHandle, device: str) -> _Entry:
        loader = _LOADERS.get(handle.loader)
        if loader is None:
            known = ", ".join(sorted(_LOADERS)) or "none"
            raise NodeflowError(f"no weights loader named {handle.loader!r} is installed (known: {known})")
        if not handle.patches:
            self.loads += 1
            module = loader.load(handle, device)
            return _Entry(module, _bytes(module, set()), device=device)
        if loader.patch is None:
            raise NodeflowError(f"{handle.loader}: weights of this kind take no patches (LoRA)")
        with self.use(replace(handle, patches=()), device) as plain:
            module = loader.patch(plain, handle.patches)
            seen: set[int] = set()
            _bytes(plain, seen)
            return _Entry(module, _bytes(module, seen), device=device)

    def _release(self, entry: _Entry) -> None:
        with self._lock:
            entry.users -= 1
            self._evict(self.budget)

    def _evict(self, budget: int) -> None:
        total = sum(entry.bytes for entry in self._entries.values())
        for key, entry in list(self._entries.items()):
            if total <= budget:
                return
            if entry.users == 0:
                del self._entries[key]
                total -= entry.bytes


def _identity(handle: WeightsHandle) -> str:
    """What makes two handles the same weights: everything but the path (a moved file is the same file)."""
    patches = [(p.loader, p.digest, p.strength, sorted(p.options.items())) for p in handle.patches]
    return repr((handle.loader, handle.digest, sorted(handle.options.items()), patches))


def _label(identity: str, device: str) -> str:
    return f"{identity} on {device}"


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
