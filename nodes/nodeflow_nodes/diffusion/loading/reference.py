"""Reference pictures: CLIP's image encoder and IP-Adapters, loaded, applied, and added to a U-Net's attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from nodeflow import NodeError, Patch

from .build import build, precisions
from .convert import convert
from .modules.clip_vision import ClipVision, Seen
from .modules.ip_adapter import PROJECTIONS, ImageAttention, KeysAndValues
from .modules.unet_parts import Attention
from .reference_spec import AdapterSpec, VisionSpec, read_adapter
from .spec import Source
from .tensors import read_source

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of the colours of CLIP's training pictures."""


class LoadedVision(nn.Module):
    """A CLIP image encoder with its picture size."""

    def __init__(self, spec: VisionSpec, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.spec, self.network, self.dtype = spec, network, dtype

    @torch.no_grad()
    def see(self, pixels: Tensor) -> Seen:
        """Pictures [B, 3, H, W], 0..1 → float32 vectors and states."""
        return Seen(
            *(part.float() for part in self.network(prepare(pixels, self.spec.config["image_size"], self.dtype)))
        )

    @torch.no_grad()
    def nothing(self) -> Seen:
        """What it gives for no picture: zeros, and the states for zeros."""
        side = self.spec.config["image_size"]
        like = next(self.network.parameters())
        seen = self.network(torch.zeros(1, 3, side, side, dtype=self.dtype, device=like.device))
        return Seen(torch.zeros_like(seen.embedded).float(), seen.penultimate.float())


def prepare(pixels: Tensor, side: int, dtype: torch.dtype) -> Tensor:
    """Pictures as CLIP was trained to see them: the shorter side resized to `side` (bicubic, antialiased), the centre
    cut out, colours normalised. [B, 3, H, W] 0..1 → [B, 3, side, side]."""
    height, width = pixels.shape[-2:]
    short = min(height, width)
    size = (height * side // short, width * side // short)
    if size != (height, width):
        pixels = interpolate(pixels.float(), size=size, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    pixels = pixels[..., top : top + side, left : left + side]
    mean, deviation = (torch.tensor(v, device=pixels.device).view(3, 1, 1) for v in (MEAN, DEVIATION))
    return ((pixels - mean) / deviation).to(dtype)


def load_vision(spec: VisionSpec, precision: str, device: str) -> LoadedVision:
    """Build a CLIP image encoder and give it its weights."""
    kept, dtype = precisions(precision, device, spec.source, steady=True)
    tensors = convert("clip_vision", read_source(spec.source, kept), spec.config)
    network = build(lambda: ClipVision(**spec.config), tensors, device, where=spec.source.files[0], kept=kept)
    return LoadedVision(spec, network, dtype).eval()


def load_projection(spec: AdapterSpec, device: str) -> nn.Module:
    """Build an IP-Adapter's projection and give it its weights, in float32."""
    tensors = read_source(Source((spec.path,), "image_proj."), torch.float32)
    kind = PROJECTIONS[spec.form]
    return build(lambda: kind(**spec.config), tensors, device, where=spec.path, kept=torch.float32)


# --- in the U-Net -------------------------------------------------------------------------------------------------


def text_attentions(network: nn.Module) -> list[tuple[str, Attention]]:
    """The layers in which a U-Net attends to the text, in the order of IP-Adapter files: down, up, middle."""
    rank = {"down_blocks": 0, "up_blocks": 1, "mid_block": 2}
    found = [
        (name, part)
        for name, part in network.named_modules()
        if name.endswith(".attn2") and isinstance(part, Attention) and name.partition(".")[0] in rank
    ]
    return sorted(found, key=lambda item: rank[item[0].partition(".")[0]])


def add_adapter(network: nn.Module, patch: Patch) -> None:
    """Give a U-Net (a `shared_copy`) the attention layers of an IP-Adapter; they are known by its digest.

    Raises:
        NodeError: if the adapter is for another model.
    """
    spec = read_adapter(patch.path)
    places = text_attentions(network)
    if not places:
        raise NodeError(f"{spec.path.name}: IP-Adapters cannot be added to a {type(network).__name__}")
    widths = [part.to_q.weight.shape[0] for _, part in places]
    if widths != [width for _, width in spec.layers]:
        raise NodeError(
            f"{spec.path.name}: an IP-Adapter of {len(spec.layers)} layers, the model attends to its text in "
            f"{len(widths)}, or their widths differ: the adapter is for another model"
        )
    like = places[0][1].to_q.weight
    tensors = read_source(Source((spec.path,), "ip_adapter."), torch.float32)
    name = adapter_name(patch.digest)
    for (_, part), (number, width) in zip(places, spec.layers, strict=True):
        own = {key: tensors[f"{number}.{key}"] for key in ("to_k_ip.weight", "to_v_ip.weight")}
        dtype = like.dtype if type(part.to_q) is nn.Linear else torch.float32
        layer = build(
            lambda width=width: KeysAndValues(spec.width, width),
            {key: value.to(dtype) for key, value in own.items()},
            str(like.device),
            where=spec.path,
            kept=dtype,
        )
        _with_adapter(part, name, layer)


def _with_adapter(part: Attention, name: str, layer: nn.Module) -> None:
    known: dict[str, Any] = dict(part.adapters.items()) if isinstance(part, ImageAttention) else {}
    part.__class__ = ImageAttention
    part._modules["adapters"] = nn.ModuleDict({**known, name: layer})


def adapter_name(digest: str) -> str:
    """What an adapter is called in a network and in conditions."""
    return digest[:16]
