"""What a network's output means: from output to denoised estimate, and from noise and latent to the first state.

One frozen object per parametrisation with the formulas of NUMERICS §1. `sigma` is float32, a scalar or [N, 1, 1, 1].
λ is the logarithm of α/σ; α = 1 for variance-exploding states, 1 − σ for flow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Eps:
    """The network predicts the noise (Ho et al. 2020): D = x − σo."""

    flow = False

    def model_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (sigma**2 + 1.0) ** 0.5

    def denoised(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        return x - output * sigma

    def noised(self, noise: Tensor, latent: Tensor, sigma: Tensor, sigma_max: float) -> Tensor:
        """The first state: at the table's largest σ the latent's own variance is counted in."""
        first = float(sigma)
        if first > sigma_max or math.isclose(first, sigma_max, rel_tol=1e-5):
            return noise * (1.0 + sigma**2) ** 0.5 + latent
        return noise * sigma + latent

    def renoised(self, noise: Tensor, latent: Tensor, sigma: Tensor) -> Tensor:
        """`latent` at noise level σ, for the kept part of a masked picture."""
        return latent + noise * sigma

    def finished(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The result, from the state at the last σ."""
        return x

    def alpha(self, sigma: Tensor) -> Tensor:
        return torch.ones_like(sigma)

    def log_snr(self, sigma: Tensor) -> Tensor:
        """λ(σ)."""
        return sigma.log().neg()

    def sigma_of(self, log_snr: Tensor) -> Tensor:
        """σ(λ)."""
        return log_snr.neg().exp()


@dataclass(frozen=True)
class V(Eps):
    """The network predicts v (Salimans and Ho 2022): D = x/(1 + σ²) − oσ/√(1 + σ²)."""

    def denoised(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        return x / (sigma**2 + 1.0) - output * sigma / (sigma**2 + 1.0) ** 0.5


@dataclass(frozen=True)
class Edm(Eps):
    """Preconditioned as in Karras et al. 2022, Table 1, with data of standard deviation σ_d."""

    sigma_data: float = 0.5

    def model_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (sigma**2 + self.sigma_data**2) ** 0.5

    def denoised(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        total = sigma**2 + self.sigma_data**2
        return x * self.sigma_data**2 / total + output * sigma * self.sigma_data / total**0.5


@dataclass(frozen=True)
class Rectified(Eps):
    """Flow matching (Lipman et al. 2022; Esser et al. 2024): x = σn + (1 − σ)z, D = x − σo."""

    flow = True

    def model_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x

    def noised(self, noise: Tensor, latent: Tensor, sigma: Tensor, sigma_max: float) -> Tensor:
        return sigma * noise + (1.0 - sigma) * latent

    def renoised(self, noise: Tensor, latent: Tensor, sigma: Tensor) -> Tensor:
        return sigma * noise + (1.0 - sigma) * latent

    def finished(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (1.0 - sigma)

    def alpha(self, sigma: Tensor) -> Tensor:
        return 1.0 - sigma

    def log_snr(self, sigma: Tensor) -> Tensor:
        return sigma.logit().neg()

    def sigma_of(self, log_snr: Tensor) -> Tensor:
        return log_snr.neg().sigmoid()


def make_parametrisation(name: str, sigma_data: float = 0.5) -> Eps:
    """The parametrisation called "eps", "v", "edm" or "flow".

    Raises:
        ValueError: for another name.
    """
    if name == "edm":
        return Edm(sigma_data)
    known = {"eps": Eps, "v": V, "flow": Rectified}
    if name not in known:
        raise ValueError(f"parametrisation: expected eps, v, edm or flow, got {name!r}")
    return known[name]()
