"""Tables of σ: which noise levels a network was trained on, and the time axis that goes with them (NUMERICS §2).

A table is a rising float32 vector on the CPU plus three maps: σ → the timestep that the network is given, timestep → σ,
and share of the sampling time → σ. `make_table` builds one from a denoiser's description.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor

ZTSNR_LAST = 4.8973451890853435e-8
"""The last ᾱ of a zero-terminal-SNR table, which would be 0 (Lin et al. 2023; the figure every implementation uses)."""


class SigmaTable(Protocol):
    """What schedules and guidance need to know of a table."""

    sigmas: Tensor
    """float32 [T], rising."""

    @property
    def sigma_min(self) -> Tensor: ...

    @property
    def sigma_max(self) -> Tensor: ...

    def timestep(self, sigma: Tensor) -> Tensor:
        """The timestep the network is given at σ; float32, the shape of `sigma`."""

    def sigma(self, timestep: Tensor) -> Tensor:
        """σ at a timestep, between entries too; float32, the shape of `timestep`."""

    def percent(self, share: float) -> float:
        """σ at a share 0..1 of the sampling time: 0 is the noisiest."""


class _Ends:
    sigmas: Tensor

    @property
    def sigma_min(self) -> Tensor:
        return self.sigmas[0]

    @property
    def sigma_max(self) -> Tensor:
        return self.sigmas[-1]


class Discrete(_Ends):
    """σ[t] = √((1 − ᾱ_t)/ᾱ_t) for t = 0..T−1 (Ho et al. 2020). Timesteps are whole numbers: the nearest entry by ln σ.

    Args:
        alphas: ᾱ, float64 [T], falling. σ and ln σ are both rounded to float32 from float64.
    """

    def __init__(self, alphas: Tensor) -> None:
        self.sigmas = sigmas_of(alphas)
        self.log_sigmas = ((1 - alphas) / alphas).sqrt().log().to(torch.float32)

    def timestep(self, sigma: Tensor) -> Tensor:
        distances = sigma.log().reshape(1, -1) - self.log_sigmas[:, None]
        return distances.abs().argmin(dim=0).reshape(sigma.shape).to(torch.float32)

    def sigma(self, timestep: Tensor) -> Tensor:
        t = timestep.float().clamp(0, len(self.sigmas) - 1)
        low, high, share = t.floor().long(), t.ceil().long(), t.frac()
        return ((1 - share) * self.log_sigmas[low] + share * self.log_sigmas[high]).exp()

    def percent(self, share: float) -> float:
        if share <= 0:
            return math.inf
        if share >= 1:
            return 0.0
        return float(self.sigma(torch.tensor((1.0 - share) * 999.0)))


@dataclass
class Flow(_Ends):
    """σ(u) = s·u/(1 + (s − 1)u), u = k/T, k = 1..T (Esser et al. 2024). The network is given `multiplier` · σ."""

    shift: float = 3.0
    multiplier: float = 1000.0
    steps: int = 1000

    def __post_init__(self) -> None:
        self.sigmas = self.sigma(torch.arange(1, self.steps + 1) / self.steps * self.multiplier)

    def timestep(self, sigma: Tensor) -> Tensor:
        return sigma * self.multiplier

    def sigma(self, timestep: Tensor) -> Tensor:
        return self._shifted(timestep / self.multiplier)

    def percent(self, share: float) -> float:
        if share <= 0:
            return 1.0
        if share >= 1:
            return 0.0
        return self._shifted(1.0 - share)

    def _shifted(self, u: Any) -> Any:
        if self.shift == 1.0:
            return u
        return self.shift * u / (1 + (self.shift - 1) * u)


@dataclass
class Flux(_Ends):
    """σ(u) = e^μ/(e^μ + 1/u − 1), u = k/T (Flux). The network is given σ; `shift` is μ (0: σ = u, as schnell)."""

    shift: float = 1.15
    steps: int = 10000

    def __post_init__(self) -> None:
        self.sigmas = self.sigma(torch.arange(1, self.steps + 1) / self.steps)

    def timestep(self, sigma: Tensor) -> Tensor:
        return sigma

    def sigma(self, timestep: Tensor) -> Tensor:
        return math.exp(self.shift) / (math.exp(self.shift) + (1 / timestep - 1))

    def percent(self, share: float) -> float:
        if share <= 0:
            return 1.0
        if share >= 1:
            return 0.0
        return math.exp(self.shift) / (math.exp(self.shift) + (1 / (1.0 - share) - 1))


@dataclass
class Edm(_Ends):
    """Continuous noise levels σ_min..σ_max (Karras et al. 2022). The network is given t = ¼ ln σ."""

    low: float = 0.002
    high: float = 80.0
    steps: int = 1000

    def __post_init__(self) -> None:
        self.sigmas = torch.linspace(math.log(self.low), math.log(self.high), self.steps).exp()

    def timestep(self, sigma: Tensor) -> Tensor:
        return 0.25 * sigma.log()

    def sigma(self, timestep: Tensor) -> Tensor:
        return (timestep / 0.25).exp()

    def percent(self, share: float) -> float:
        if share <= 0:
            return math.inf
        if share >= 1:
            return 0.0
        log_low, log_high = math.log(self.low), math.log(self.high)
        return math.exp((log_high - log_low) * (1.0 - share) + log_low)


def alphas_cumprod(
    beta_schedule: str = "scaled_linear", beta_start: float = 0.00085, beta_end: float = 0.012, steps: int = 1000
) -> Tensor:
    """ᾱ, float64 [steps]: β linear in its square root ("scaled_linear", SD 1, 2, XL) or in itself ("linear", PixArt).

    Raises:
        ValueError: for another `beta_schedule`.
    """
    if beta_schedule == "scaled_linear":
        betas = torch.linspace(beta_start**0.5, beta_end**0.5, steps, dtype=torch.float64) ** 2
    elif beta_schedule == "linear":
        betas = torch.linspace(beta_start, beta_end, steps, dtype=torch.float64)
    else:
        raise ValueError(f"beta_schedule: expected scaled_linear or linear, got {beta_schedule!r}")
    return (1.0 - betas).cumprod(0)


def zero_terminal_snr(alphas: Tensor) -> Tensor:
    """ᾱ shifted and scaled so that √ᾱ ends at 0 and begins where it did (Lin et al. 2023, Algorithm 1)."""
    roots = alphas.sqrt()
    first, last = roots[0].clone(), roots[-1].clone()
    result = ((roots - last) * (first / (first - last))) ** 2
    result[-1] = ZTSNR_LAST
    return result


def sigmas_of(alphas: Tensor) -> Tensor:
    """σ = √((1 − ᾱ)/ᾱ), computed in the dtype of `alphas`, rounded to float32."""
    return ((1 - alphas) / alphas).sqrt().to(torch.float32)


def flux_shift(height: int, width: int, low: float = 0.5, high: float = 1.15) -> float:
    """μ for a picture of this size in pixels, as diffusers derives it for Flux: linear in the number of 16-pixel
    tokens, `low` at 256 tokens and `high` at 4096."""
    tokens = (height // 16) * (width // 16)
    return low + (high - low) * (tokens - 256) / (4096 - 256)


def make_table(description: dict[str, Any]) -> SigmaTable:
    """The table that a denoiser's `sigma_table` describes; see `diffusion/denoiser.py` for the keys.

    Raises:
        ValueError: for an unknown kind.
    """
    return _make_table(tuple(sorted(description.items())))


@lru_cache(maxsize=32)
def _make_table(items: tuple[tuple[str, Any], ...]) -> SigmaTable:
    options = dict(items)
    kind = options.pop("kind")
    if kind in ("discrete", "ztsnr"):
        alphas = alphas_cumprod(**options)
        return Discrete(zero_terminal_snr(alphas) if kind == "ztsnr" else alphas)
    if kind == "flow":
        return Flow(**options)
    if kind == "flux":
        return Flux(**options)
    if kind == "edm":
        return Edm(options.get("sigma_min", 0.002), options.get("sigma_max", 80.0))
    raise ValueError(f"sigma table: expected kind discrete, ztsnr, flow, flux or edm, got {kind!r}")
