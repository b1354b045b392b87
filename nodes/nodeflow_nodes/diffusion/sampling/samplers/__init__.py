"""The samplers by name. Each is a function with the signature that `common` describes; to add one, write one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from nodeflow_nodes.diffusion.sampling.samplers import basic

SAMPLERS: dict[str, Callable[..., Tensor]] = {
    "euler": basic.euler,
    "euler_ancestral": basic.euler_ancestral,
    "heun": basic.heun,
    "heunpp2": basic.heunpp2,
    "dpm_2": basic.dpm_2,
    "dpm_2_ancestral": basic.dpm_2_ancestral,
    "lcm": basic.lcm,
    "ddpm": basic.ddpm,
    "ddim": basic.euler,
}

BROWNIAN = frozenset({"dpmpp_sde", "dpmpp_2m_sde", "dpmpp_2m_sde_heun", "dpmpp_3m_sde"})
"""Samplers whose noise is the increments of a Brownian path."""
DROPS_PENULTIMATE = frozenset({"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"})
"""Samplers whose schedules leave out the last σ above 0."""
COUPLES_ITEMS = frozenset({"dpm_adaptive"})
"""Samplers that decide by a norm over the whole batch, so that items alone give other pictures."""


def needs_uncond(name: str) -> bool:
    """Whether a sampler uses the negative side's estimate itself (CFG++)."""
    return name.endswith("_cfg_pp")


def sampler_options(name: str) -> dict[str, Any]:
    """The options of a sampler and their defaults.

    Raises:
        ValueError: if there is no such sampler.
    """
    import inspect

    parameters = inspect.signature(sampler_named(name)).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def sampler_named(name: str) -> Callable[..., Tensor]:
    """The sampler called `name`.

    Raises:
        ValueError: if there is none.
    """
    if name not in SAMPLERS:
        import difflib

        near = difflib.get_close_matches(name, SAMPLERS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"sampler: expected one of {', '.join(SAMPLERS)}, got {name!r}{hint}")
    return SAMPLERS[name]
