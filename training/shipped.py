"""Where the models ship, and how their weights are read back: training can go on from them without checkpoints."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent / "nodes" / "nodeflow_nodes" / "models"
SHAPES = "checkpoints/shapes-64"
UNET = "diffusion_models/shapes-64-unet"
GAN = "gan/shapes-gan"


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """The weights in a folder of `save_pretrained`, in fp32."""
    from safetensors.torch import load_file

    (path,) = folder.glob("*.safetensors")
    return {key: value.float() for key, value in load_file(path).items()}


def fill(module: nn.Module, part: str, model: str = SHAPES) -> nn.Module:
    """Give a freshly built module the weights that ship; buffers that are not saved keep their values."""
    missing, unexpected = module.load_state_dict(weights_of(ROOT / model / part), strict=False)
    trained = {name for name, _ in module.named_parameters()}
    if unexpected or trained & set(missing):
        raise ValueError(f"{ROOT / model / part} does not fit: missing {missing}, unexpected {unexpected}")
    return module.requires_grad_(False).eval()
