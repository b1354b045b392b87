"""Guidance: how the estimates of several conditionings become one (NUMERICS §6).

Everything works on denoised estimates. A guidance says which sides it needs at a σ, and combines their estimates; the
sides are `positive`, `middle` and `negative`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

SIDES = ("positive", "middle", "negative")


def cfg(cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022): U + scale · (C − U)."""
    return uncond + (cond - uncond) * scale


def rescaled_cfg(x: Tensor, sigma: Tensor, cond: Tensor, uncond: Tensor, scale: float, share: float) -> Tensor:
    """CFG whose v-prediction is brought to the spread of the conditional one (Lin et al. 2023, §3.4), per item.

    Args:
        x: the state at σ (of eps, v or EDM models: standard deviation √(1 + σ²)).
        share: φ, how much of it: 0 is plain CFG, 0.7 the paper's figure.
    """
    root = (sigma**2 + 1.0) ** 0.5
    scaled = x / (sigma**2 + 1.0)

    def to_v(denoised: Tensor) -> Tensor:
        return (scaled - denoised) * root / sigma

    v_cond, v_uncond = to_v(cond), to_v(uncond)
    v = v_uncond + scale * (v_cond - v_uncond)
    dims = tuple(range(1, x.dim()))
    v_rescaled = v * (v_cond.std(dim=dims, keepdim=True) / v.std(dim=dims, keepdim=True))
    return scaled - (share * v_rescaled + (1 - share) * v) * sigma / root


def rescaled_flow_cfg(x: Tensor, sigma: Tensor, cond: Tensor, uncond: Tensor, scale: float, share: float) -> Tensor:
    """The same for flow models, whose velocity is (x − D)/σ."""
    v_cond, v_uncond = (x - cond) / sigma, (x - uncond) / sigma
    v = v_uncond + scale * (v_cond - v_uncond)
    dims = tuple(range(1, x.dim()))
    v_rescaled = v * (v_cond.std(dim=dims, keepdim=True) / v.std(dim=dims, keepdim=True))
    return x - (share * v_rescaled + (1 - share) * v) * sigma


def dual_cfg(cond: Tensor, middle: Tensor, uncond: Tensor, scale: float, scale_middle: float, nested: bool) -> Tensor:
    """Two guidances at once (as in InstructPix2Pix, Brooks et al. 2022).

    Plain: U + scale_middle · (M − U) + scale · (C − M).
    Nested: T = M + scale · (C − M), then U + scale_middle · (T − U).
    """
    if nested:
        return cfg(cfg(cond, middle, scale), uncond, scale_middle)
    return cfg(middle, uncond, scale_middle) + (cond - middle) * scale


def perp_neg(cond: Tensor, negative: Tensor, empty: Tensor, scale: float, strength: float, compat: bool) -> Tensor:
    """Perpendicular negative guidance (Armandpour et al. 2023): only the part of the negative direction that is
    perpendicular to the positive one is taken away.

    With p = C − E and n = N − E: E + scale · (p − strength · (n − (n·p/‖p‖²)p)), the product per item.

    Args:
        compat: take the product over the whole batch, so that items depend on each other.
    """
    p, n = cond - empty, negative - empty
    dims = tuple(range(0 if compat else 1, p.dim()))
    along = (n * p).sum(dim=dims, keepdim=True) / (p * p).sum(dim=dims, keepdim=True).clamp_min(1e-30)
    return empty + (p - (n - along * p) * strength) * scale


@dataclass(frozen=True)
class Guidance:
    """What a guider does.

    kind: "basic" (the positive side alone), "cfg", "dual" or "perp_neg" (`middle` is then the empty prompt).
    scale: guidance scale; 1 leaves the unwanted side out.
    scale_middle: of "dual": middle against negative. nested: of "dual". strength: of "perp_neg".
    rescale: φ of "cfg", 0..1. first, last: guidance only while first ≥ σ ≥ last, scale 1 elsewhere (Kynkäänniemi et
    al. 2024). compat: see `perp_neg`.
    """

    kind: str = "cfg"
    scale: float = 1.0
    scale_middle: float = 1.0
    nested: bool = False
    strength: float = 1.0
    rescale: float = 0.0
    first: float = float("inf")
    last: float = 0.0
    compat: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("basic", "cfg", "dual", "perp_neg"):
            raise ValueError(f"guidance: expected basic, cfg, dual or perp_neg, got {self.kind!r}")

    def sides(self, sigma: float, need_uncond: bool = False) -> tuple[str, ...]:
        """The sides to evaluate at σ, in the order in which they are stacked."""
        if self.kind == "basic":
            return ("positive",)
        if self.kind == "cfg":
            idle = abs(self.scale - 1.0) < 1e-9 or not self.first >= sigma >= self.last
            return ("positive",) if idle and not need_uncond else ("positive", "negative")
        return SIDES

    def combine(self, x: Tensor, sigma: Tensor, estimates: dict[str, Tensor], flow: bool) -> Tensor:
        """One estimate from those of `sides`."""
        cond = estimates["positive"]
        if len(estimates) == 1:
            return cond
        uncond = estimates["negative"]
        if self.kind == "cfg":
            scale = self.scale if self.first >= float(sigma) >= self.last else 1.0
            if self.rescale:
                formula = rescaled_flow_cfg if flow else rescaled_cfg
                return formula(x, sigma, cond, uncond, scale, self.rescale)
            return cond if abs(scale - 1.0) < 1e-9 else cfg(cond, uncond, scale)
        if self.kind == "dual":
            return dual_cfg(cond, estimates["middle"], uncond, self.scale, self.scale_middle, self.nested)
        return perp_neg(cond, uncond, estimates["middle"], self.scale, self.strength, self.compat)
