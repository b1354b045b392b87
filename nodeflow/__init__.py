"""nodeflow: a node-graph workflow engine for generative AI.

This facade is all that a pack or a script needs. Names are loaded when first used, so that `import nodeflow` stays
cheap and never imports torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "errors": ("Cancelled", "DeadlineExceeded", "NodeError", "NodeflowError"),
    "types": (
        "Artefact", "Audio", "Condition", "Conditioning", "ControlHint", "ControlNet", "Figure", "File", "Generator",
        "Guider", "Image", "LanguageModel", "Latent", "Mask", "Model", "Noise", "Patch", "Pipeline", "Sampler",
        "Sigmas", "Table", "Tensor", "TensorType", "TextEncoder", "UpscaleModel", "Vae", "Video",
        "WeightsHandle", "port_type",
    ),
    "annotations": ("Body", "Choices", "InputFile", "ModelFile", "Multiline", "Range", "Seed"),
    "op": ("Context", "Op", "node"),
    "weights": ("WeightsPool", "weights_loader"),
    "workflow": ("Workflow",),
    "migrate": ("migration",),
    "api": ("Run", "build", "check", "load", "plan", "run", "run_async"),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'nodeflow' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"nodeflow.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
