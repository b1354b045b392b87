"""Noise: the first noise, the noise that samplers add, and Brownian paths (NUMERICS §4).

All draws are float32, from generators on the CPU made of the recipe's seed, so that results do not depend on the
device or on what ran before. Seeds are 64-bit and wrap around; torch's CPU generator looks at their low 32 bits only.

Layouts: "per_item" draws item i of a batch from seed + i, so it is the picture made alone with that seed; "batch" is
one draw for the whole batch; "none" adds no first noise (what samplers add is drawn as for "batch").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

LAYOUTS = ("per_item", "batch", "none")


def generator(seed: int) -> torch.Generator:
    """A CPU generator at `seed` modulo 2**64."""
    return torch.Generator(device="cpu").manual_seed(seed % 2**64)


def first_noise(
    shape: Sequence[int], seed: int, layout: str = "per_item", batch_index: Sequence[int] | None = None
) -> Tensor:
    """The noise that sampling begins with.

    Args:
        shape: of the latent, the batch first.
        seed: 0 .. 2**64 − 1.
        layout: see above.
        batch_index: the place of each item in the batch it was cut from (default 0, 1, ...): it draws the same noise
            as it did there.

    Returns:
        float32, on the CPU.

    Raises:
        ValueError: for an unknown layout, or a `batch_index` of another length than the batch.
    """
    if batch_index is not None and len(batch_index) != shape[0]:
        raise ValueError(f"batch index: expected one place for each of {shape[0]} items, got {list(batch_index)}")
    if layout == "none":
        return torch.zeros(*shape)
    if layout == "per_item":
        return _stack(shape, [generator(seed + i) for i in batch_index or range(shape[0])])
    if layout != "batch":
        raise ValueError(f"noise layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}")
    if batch_index is None:
        return torch.randn(*shape, generator=generator(seed))
    source = generator(seed)
    wanted = set(batch_index)
    drawn = {}
    for place in range(max(batch_index) + 1):
        item = torch.randn(1, *shape[1:], generator=source)
        if place in wanted:
            drawn[place] = item
    return torch.cat([drawn[place] for place in batch_index])


def _stack(shape: Sequence[int], generators: list[torch.Generator]) -> Tensor:
    return torch.cat([torch.randn(1, *shape[1:], generator=g) for g in generators])


class FreshNoise:
    """Independent noise for samplers: one draw for each use, in the order of use; σ is not looked at."""

    def __init__(self, x: Tensor, seeds: Sequence[int]) -> None:
        """`seeds`: one for the whole batch, or one for each item of `x`."""
        self._shape = tuple(x.shape)
        self._device = x.device
        self._generators = [generator(seed) for seed in seeds]

    def __call__(self, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        """Unit noise like `x`."""
        if len(self._generators) == 1:
            drawn = torch.randn(*self._shape, generator=self._generators[0])
        else:
            drawn = _stack(self._shape, self._generators)
        return drawn.to(self._device)


class BrownianNoise:
    """Increments of a Brownian path over σ: the same seed gives the same path whatever the steps, so a finer schedule
    converges to one picture. Tree of torchsde (Li et al. 2020), one for the batch or one for each item."""

    def __init__(self, x: Tensor, sigmas: Tensor, seeds: Sequence[int]) -> None:
        """`sigmas`: the schedule; the path spans its lowest σ above 0 to its highest."""
        import torchsde

        low, high = float(sigmas[sigmas > 0].min()), float(sigmas.max())
        self._device = x.device
        count = len(seeds)
        start = torch.zeros(x.shape if count == 1 else (1, *x.shape[1:]))
        self._ends = round(low, 6), round(high, 6)  # the tree's own rounding: beyond it, it would warn
        self._trees = [torchsde.BrownianTree(low, start, high, entropy=seed % 2**64) for seed in seeds]

    def __call__(self, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        """Unit noise like `x` for the step from `sigma` to `sigma_next`."""
        low, high = sorted(min(max(float(s), self._ends[0]), self._ends[1]) for s in (sigma, sigma_next))
        sign = 1 if sigma < sigma_next else -1
        increment = torch.cat([tree(low, high) for tree in self._trees]) * sign
        return (increment / (torch.as_tensor(sigma_next) - sigma).abs().sqrt().cpu()).to(self._device)
