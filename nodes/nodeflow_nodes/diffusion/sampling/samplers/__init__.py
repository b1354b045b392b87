"""The samplers by name. Each is a function with the signature that `common` describes; to add one, write one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from nodeflow_nodes.diffusion.sampling.samplers import (
    basic,
    cfg_pp,
    dpm,
    dpmpp,
    multistep,
    sa_solver,
    stochastic,
    uni_pc,
)

SAMPLERS: dict[str, Callable[..., Tensor]] = {
    "euler": basic.euler,
    "euler_cfg_pp": cfg_pp.euler_cfg_pp,
    "euler_ancestral": basic.euler_ancestral,
    "euler_ancestral_cfg_pp": cfg_pp.euler_ancestral_cfg_pp,
    "heun": basic.heun,
    "heunpp2": basic.heunpp2,
    "dpm_2": basic.dpm_2,
    "dpm_2_ancestral": basic.dpm_2_ancestral,
    "lms": multistep.lms,
    "dpm_fast": dpm.dpm_fast,
    "dpm_adaptive": dpm.dpm_adaptive,
    "dpmpp_2s_ancestral": dpmpp.dpmpp_2s_ancestral,
    "dpmpp_2s_ancestral_cfg_pp": cfg_pp.dpmpp_2s_ancestral_cfg_pp,
    "dpmpp_sde": dpmpp.dpmpp_sde,
    "dpmpp_2m": dpmpp.dpmpp_2m,
    "dpmpp_2m_cfg_pp": cfg_pp.dpmpp_2m_cfg_pp,
    "dpmpp_2m_sde": dpmpp.dpmpp_2m_sde,
    "dpmpp_2m_sde_heun": dpmpp.dpmpp_2m_sde_heun,
    "dpmpp_3m_sde": dpmpp.dpmpp_3m_sde,
    "ddpm": basic.ddpm,
    "lcm": basic.lcm,
    "ipndm": multistep.ipndm,
    "ipndm_v": multistep.ipndm_v,
    "deis": multistep.deis,
    "res_multistep": multistep.res_multistep,
    "res_multistep_cfg_pp": multistep.res_multistep_cfg_pp,
    "res_multistep_ancestral": multistep.res_multistep_ancestral,
    "res_multistep_ancestral_cfg_pp": multistep.res_multistep_ancestral_cfg_pp,
    "gradient_estimation": multistep.gradient_estimation,
    "gradient_estimation_cfg_pp": multistep.gradient_estimation_cfg_pp,
    "er_sde": stochastic.er_sde,
    "seeds_2": stochastic.seeds_2,
    "seeds_3": stochastic.seeds_3,
    "sa_solver": sa_solver.sa_solver,
    "sa_solver_pece": sa_solver.sa_solver_pece,
    "ddim": basic.euler,
    "uni_pc": uni_pc.uni_pc,
    "uni_pc_bh2": uni_pc.uni_pc_bh2,
}

BROWNIAN = frozenset({"dpmpp_sde", "dpmpp_2m_sde", "dpmpp_2m_sde_heun", "dpmpp_3m_sde"})
"""Samplers whose noise is the increments of a Brownian path."""
DROPS_PENULTIMATE = frozenset({"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"})
"""Samplers whose schedules leave out the last σ above 0."""
COUPLES_ITEMS = frozenset({"dpm_adaptive"})
"""Samplers that decide by a norm over the whole batch, so that items alone give other pictures."""
STOPS_EARLY = frozenset({"dpm_fast", "dpm_adaptive"})
"""Samplers that stop at the last σ above 0."""
NOT_FOR_FLOW = frozenset({"ddpm"})
"""Samplers whose formula holds for variance-exploding states only, and goes visibly wrong with others."""


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
