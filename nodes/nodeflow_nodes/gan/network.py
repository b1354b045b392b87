"""A generator's network, built from its description: a plain stack of layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from nodeflow import NodeError

MOST_LAYERS = 200
WIDEST = 65_536


class Block(nn.Module):
    """relu(x + three 3x3 convolutions with relu between)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second, third = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))
        self.conv = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) + x)


class Softclip(nn.Module):
    """3 tanh(x / 3)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


def build(folder: Path, about: dict[str, Any]) -> nn.Module:
    """The network in `folder` with its weights, in float32, for inference.

    Raises:
        NodeError: if a layer is unknown, or the weights cannot be read or do not fit; the message names the tensor.
    """
    if len(about["layers"]) > MOST_LAYERS:
        raise NodeError(f"{folder.name}: {len(about['layers'])} layers; at most {MOST_LAYERS} are read")
    with torch.device("meta"):
        network = nn.Sequential(*(_layer(what, number, folder.name) for number, what in enumerate(about["layers"])))
    try:
        weights = load_file(folder / "generator.safetensors")
    except (OSError, SafetensorError) as error:
        raise NodeError(f"{folder.name}: generator.safetensors cannot be read: {error}") from None
    for name, wanted in network.state_dict().items():
        found = weights.get(name)
        if found is None or found.shape != wanted.shape:
            got = "nothing" if found is None else list(found.shape)
            raise NodeError(f"{folder.name}: tensor {name}: expected shape {list(wanted.shape)}, got {got}")
    network.load_state_dict({name: weights[name].float() for name in network.state_dict()}, assign=True)
    return network.requires_grad_(False).eval()


def _layer(what: Any, number: int, name: str) -> nn.Module:
    def size(key: str) -> int:
        value = what.get(key)
        if type(value) is not int or not 0 < value <= WIDEST:
            raise NodeError(f"{name}: layer {number}: {key!r} must be a number from 1 to {WIDEST}, got {value!r}")
        return value

    match what.get("op") if isinstance(what, dict) else None:
        case "linear":
            return nn.Linear(size("in"), size("out"))
        case "reshape":
            return nn.Unflatten(1, (size("channels"), size("height"), size("width")))
        case "block":
            return Block(size("channels"))
        case "upsample":
            return nn.Upsample(scale_factor=2, mode="nearest")
        case "conv":
            return nn.Conv2d(size("in"), size("out"), 3, padding=1, bias=bool(what.get("bias", True)))
        case "relu":
            return nn.ReLU()
        case "softclip":
            return Softclip()
    raise NodeError(f"{name}: layer {number} is of no known kind: {str(what)[:80]}")
