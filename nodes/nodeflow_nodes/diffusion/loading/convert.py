"""A file's tensors under the names of the modules here; `keys` has the names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .keys import text, transformers, unet
from .keys.target import Rename, Tensors, take

CONVERSIONS: dict[str, Callable[[dict[str, Any]], Rename]] = {
    "text_model": text.text_model,
    "clip_vision": text.clip_vision,
    "open_clip": text.open_clip,
    "t5": text.t5,
    "ldm_unet": unet.ldm_unet,
    "ldm_vae": unet.ldm_vae,
    "sd3": transformers.sd3,
    "flux": transformers.flux,
    "pixart": transformers.pixart,
}


def convert(name: str, tensors: Tensors, config: dict[str, Any]) -> Tensors:
    """Apply the conversion `name`; an empty name leaves the keys as they are."""
    if not name:
        return tensors
    rename = CONVERSIONS[name](config)
    return {target.name: take(tensor, target.part) for key, tensor in tensors.items() for target in rename(key)}
