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
SAMPLER = Convert(
    lambda v: v.removesuffix("_gpu") if isinstance(v, str) else v, lambda v: v, "noise is drawn on the CPU"
)
ON = choice({"enable": True, "disable": False})


def _noise_back(value: Any) -> Any:
    return {"batch": "enable", "per_item": "enable", "none": "disable"}.get(str(value), "enable")


NOISE = Convert(choice({"enable": "batch", "disable": "none"}).there, _noise_back)
CELLS = scaled(8, "in latent cells instead of pixels")


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


FILE = Convert(_file, lambda v: v)
INPUT = Convert(_input, lambda v: v)
FAMILY = choice({"stable_diffusion": "auto", "sd3": "sd3", "sdxl": "sdxl", "flux": "flux"})
DTYPE = choice({"default": "auto", "fp8_e4m3fn": "auto", "fp8_e4m3fn_fast": "auto", "fp8_e5m2": "auto"})
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
COLOUR = Convert(_colour, _colour_back)
FROM_THE_OTHER_END = Convert(_one_minus, _one_minus, "counted from the other end")
