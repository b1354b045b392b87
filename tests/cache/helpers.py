"""What the cache's tests share: keys, numbers that look like pictures, and a tensor for any device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

if TYPE_CHECKING:
    import torch

MB = 1 << 20


def key(name: object) -> str:
    """A key as the engine makes them."""
    return blake3(str(name).encode()).hexdigest()


def noise(megabytes: float, seed: int = 0) -> torch.Tensor:
    """Random numbers of so many megabytes, the same for the same seed."""
    import torch

    return torch.rand(int(megabytes * MB / 4), generator=torch.Generator().manual_seed(seed))


class FakeTensor:
    """As much of a tensor as the engine looks at, on a device of any name."""

    def __init__(self, device: str, address: int, nbytes: int, shown: int | None = None) -> None:
        self.device, self.address, self.nbytes_, self.shown = device, address, nbytes, shown or nbytes
        self._version = 0

    def untyped_storage(self) -> FakeTensor:
        return self

    def nbytes(self) -> int:
        return self.nbytes_

    def data_ptr(self) -> int:
        return self.address

    def numel(self) -> int:
        return self.shown

    def element_size(self) -> int:
        return 1

    def clone(self) -> FakeTensor:
        return FakeTensor(self.device, self.address + 10**6, self.shown)

    def cpu(self) -> FakeTensor:
        return FakeTensor("cpu", self.address + 10**9, self.nbytes_)
