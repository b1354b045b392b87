"""Key conversions: from the names in a file to the names of the modules here. Pure maps of dictionaries of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

Tensors = dict[str, Tensor]


def text_model(tensors: Tensors, config: dict[str, Any]) -> Tensors:
    """transformers' CLIP text encoders, with or without the prefix `text_model.`."""
    return {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}


CONVERSIONS: dict[str, Callable[[Tensors, dict[str, Any]], Tensors]] = {"text_model": text_model}


def convert(name: str, tensors: Tensors, config: dict[str, Any]) -> Tensors:
    """Apply the conversion `name`; an empty name leaves the keys as they are."""
    return CONVERSIONS[name](tensors, config) if name else tensors
