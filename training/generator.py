"""The GAN's generator: its layers, the plain stack that ships, and what is measured on it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.loop import rng

LATENT = 64
Layers = list[dict[str, object]]

STEM: Layers = [
    {"op": "linear", "in": LATENT, "out": 128},
    {"op": "relu"},
    {"op": "linear", "in": 128, "out": 96 * 16},
    {"op": "reshape", "channels": 96, "height": 4, "width": 4},
    {"op": "block", "channels": 96},
    {"op": "upsample"},
    {"op": "conv", "in": 96, "out": 72},
    {"op": "block", "channels": 72},
    {"op": "upsample"},
    {"op": "conv", "in": 72, "out": 48},
    {"op": "block", "channels": 48},
    {"op": "conv", "in": 48, "out": 4},
]
ATTRIBUTES = ("background", "colour", "shape", "position", "size")


class Block(nn.Module):
    """relu(x + three convolutions with relu between), as in the VAE; weights `conv.0`, `conv.2`, `conv.4`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        convs = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3)]
        self.conv = nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU(), convs[2])

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) + x)


class Softclip(nn.Module):
    """3 tanh(x / 3): what the VAE's decoder does to its latents first."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


def layer(what: dict[str, object]) -> nn.Module:
    """One layer of a description."""
    match what["op"]:
        case "linear":
            return nn.Linear(what["in"], what["out"])
        case "reshape":
            return nn.Unflatten(1, (what["channels"], what["height"], what["width"]))
        case "block":
            return Block(what["channels"])
        case "upsample":
            return nn.Upsample(scale_factor=2, mode="nearest")
        case "conv":
            return nn.Conv2d(what["in"], what["out"], 3, padding=1, bias=what.get("bias", True))
        case "relu":
            return nn.ReLU()
        case "softclip":
            return Softclip()
    raise ValueError(f"no such layer: {what['op']!r}")


def stack(layers: Layers) -> nn.Sequential:
    return nn.Sequential(*(layer(what) for what in layers))


def whole(generator: nn.Sequential, autoencoder: nn.Module) -> tuple[Layers, nn.Sequential]:
    """The generator with the VAE's decoder behind it: [B, 64] to pictures [B, 3, 64, 64] in 0..1 (clamp them)."""
    described: Layers = [{"op": "softclip"}]
    modules: list[nn.Module] = [Softclip()]
    for module in autoencoder.decoder.layers:
        if isinstance(module, nn.Conv2d):
            what = {"op": "conv", "in": module.in_channels, "out": module.out_channels, "bias": module.bias is not None}
        elif isinstance(module, nn.ReLU):
            what = {"op": "relu"}
        elif isinstance(module, nn.Upsample):
            what = {"op": "upsample"}
        else:
            what = {"op": "block", "channels": module.conv[0].in_channels}
        copy = layer(what)
        copy.load_state_dict({k: v for k, v in module.state_dict().items() if not k.startswith("skip")})
        described.append(what)
        modules.append(copy)
    return [*STEM, *described], nn.Sequential(*generator, *modules).requires_grad_(False).eval()


# --- what is measured ------------------------------------------------------------------------------------------------


@torch.no_grad()
def draw(picture: nn.Module, count: int, seed: int = 91) -> Tensor:
    """Pictures [count, 3, 64, 64] from random vectors."""
    return picture(torch.randn(count, LATENT, generator=rng(seed, 1))).clamp(0, 1)


@torch.no_grad()
def diversity(reader: nn.Module, images: Tensor) -> dict[str, float]:
    """What the judge sees: how evenly an attribute's kinds are drawn (entropy, 1 if all equally often), how sure of it.

    `sure_shape` is the mean probability of the likeliest shape, `pairs` the number of different (shape, colour) pairs.
    """
    logits = reader(images)
    seen = {name: logits[name].argmax(1) for name in ATTRIBUTES}
    found = {}
    for name, kinds in seen.items():
        count = logits[name].shape[1]
        share = kinds.bincount(minlength=count) / len(kinds)
        found[f"even_{name}"] = float(-torch.xlogy(share, share).sum() / math.log(count))
    sure = logits["shape"].softmax(1).amax(1).mean()
    pairs = (seen["shape"] * 100 + seen["colour"]).unique()
    return {**found, "sure_shape": float(sure), "pairs": float(len(pairs))}


@torch.no_grad()
def smoothness(picture: nn.Module, count: int = 64) -> dict[str, float]:
    """Walks on the sphere between random vectors; see `evaluate.walk_figures` for what the figures mean."""
    generator = rng(90, 1)
    a, b = (torch.randn(count, LATENT, generator=generator) for _ in range(2))
    turns = [i / 16 * math.pi / 2 for i in range(17)]
    pictures = torch.stack([picture(math.cos(t) * a + math.sin(t) * b).clamp(0, 1) for t in turns])
    steps = (pictures[1:] - pictures[:-1]).flatten(2).norm(dim=2)
    far = (pictures[8:] - pictures[:-8]).flatten(2).norm(dim=2)
    ends = (pictures[0] - pictures[-1]).flatten(1).norm(dim=1)
    return {
        "largest_share": float((steps.amax(0) / steps.sum(0)).mean()),
        "neighbours_closer": float((steps[:9] < far).float().mean()),
        "neighbour_distance": float(steps.mean() / ends.mean()),
    }
