"""Model classes of diffusers, imported one by one and as late as possible (docs/decisions/0004-import-cost.md)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

HOMES = {
    "UNet2DConditionModel": "diffusers.models.unets.unet_2d_condition",
    "FluxTransformer2DModel": "diffusers.models.transformers.transformer_flux",
    "PixArtTransformer2DModel": "diffusers.models.transformers.pixart_transformer_2d",
    "SD3ControlNetModel": "diffusers.models.controlnets.controlnet_sd3",
}


def model_class(name: str) -> Any:
    """The class `name` of diffusers."""
    return getattr(importlib.import_module(HOMES[name]), name)


def maker(name: str, config: dict[str, Any]) -> Callable[[], Any]:
    """A function that builds the class with `config`; keys starting with an underscore are left out."""
    kind = model_class(name)
    known = {key: value for key, value in config.items() if not key.startswith("_")}
    return lambda: kind.from_config(known) if hasattr(kind, "from_config") else kind(**known)
