"""How single values are written on both sides."""

from __future__ import annotations

from typing import Any

from nodeflow.comfy.rule import Convert, NoEquivalent, choice, scaled

FILTERS = choice(
    {
        "nearest-exact": "nearest",
        "bilinear": "bilinear",
        "area": "area",
        "bicubic": "bicubic",
        "lanczos": "lanczos",
        "bislerp": "bicubic",
    }
)
BLEND = choice({m: m for m in ("normal", "multiply", "screen", "overlay", "soft_light", "difference")})
_SAMPLER_NAMES = """
euler euler_cfg_pp euler_ancestral euler_ancestral_cfg_pp heun heunpp2 dpm_2 dpm_2_ancestral lms dpm_fast dpm_adaptive
dpmpp_2s_ancestral dpmpp_2s_ancestral_cfg_pp dpmpp_sde dpmpp_2m dpmpp_2m_cfg_pp dpmpp_2m_sde dpmpp_2m_sde_heun
dpmpp_3m_sde ddpm lcm ipndm ipndm_v deis res_multistep res_multistep_cfg_pp res_multistep_ancestral
res_multistep_ancestral_cfg_pp gradient_estimation gradient_estimation_cfg_pp er_sde seeds_2 seeds_3 sa_solver
sa_solver_pece ddim uni_pc uni_pc_bh2
"""
_SAMPLERS = _SAMPLER_NAMES.split()
_ON_GPU = {f"{name}_gpu": name for name in _SAMPLERS if name.endswith(("_sde", "_sde_heun"))}
_SCHEDULES = [
    "simple",
    "sgm_uniform",
    "karras",
    "exponential",
    "ddim_uniform",
    "beta",
    "normal",
    "linear_quadratic",
    "kl_optimal",
]
SAMPLER = choice({**{name: name for name in _SAMPLERS}, **_ON_GPU}, "noise is drawn on the CPU")
SCHEDULE = choice({name: name for name in _SCHEDULES})
ON = choice({"enable": True, "disable": False})


def _noise_back(value: Any) -> Any:
    return {"batch": "enable", "per_item": "enable", "none": "disable"}.get(str(value), "enable")


NOISE = Convert(choice({"enable": "batch", "disable": "none"}).there, _noise_back, linked=True)
CELLS = scaled(8, "whole latent cells of 8 pixels")


def _colour(value: Any) -> str:
    if type(value) is not int or not 0 <= value <= 0xFFFFFF:
        raise NoEquivalent
    return f"#{value:06x}"


def _colour_back(value: Any) -> int:
    named = {"black": 0, "white": 0xFFFFFF, "red": 0xFF0000, "green": 0x008000, "blue": 0x0000FF}
    if isinstance(value, str) and value.startswith("#") and len(value) == 7:
        try:
            return int(value[1:], 16)
        except ValueError:
            raise NoEquivalent from None
    if not isinstance(value, str) or value not in named:
        raise NoEquivalent
    return named[value]


def _file(value: Any) -> Any:
    return value.replace("\\", "/") if isinstance(value, str) else value


def _input(value: Any) -> Any:
    return _file(value).removesuffix(" [input]") if isinstance(value, str) else value


def _one_minus(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NoEquivalent
    return round(1 - value, 12)


FILE = Convert(_file, lambda v: v, "folders are parted by /")
INPUT = Convert(_input, lambda v: v, "a name in the input folders")
FAMILY = choice({"stable_diffusion": "auto", "sd3": "sd3", "sdxl": "sdxl", "flux": "flux", "pixart": "pixart"})
DTYPE = choice(
    {"default": "auto", "fp8_e4m3fn": "auto", "fp8_e4m3fn_fast": "auto", "fp8_e5m2": "auto"},
    "the precision is chosen by the file",
)
CROP = choice({"disabled": "none", "center": "center"})
FIT = choice({"disabled": "stretch", "center": "fill"})
MASK_MODE = choice(
    {
        "multiply": "multiply",
        "add": "add",
        "subtract": "subtract",
        "and": "intersect",
        "or": "union",
        "xor": "difference",
    }
)
COLOUR = Convert(_colour, _colour_back, linked=True)
FROM_THE_OTHER_END = Convert(_one_minus, _one_minus, linked=True)
