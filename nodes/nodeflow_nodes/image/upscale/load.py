"""Loaded upscale models: what the weights pool gives out for an `UpscaleModel`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nodeflow_nodes.diffusion.loading.build import build, precisions
from nodeflow_nodes.diffusion.loading.spec import Source
from nodeflow_nodes.diffusion.loading.tensors import read_source

from .detect import UpscaleSpec
from .networks import Compact, RrdbNet
from .span import Span, merged
from .swinir import SwinIR
from .tiles import Check, run_tiled

CLASSES: dict[str, type[nn.Module]] = {"rrdb": RrdbNet, "compact": Compact, "span": Span, "swinir": SwinIR}


class LoadedUpscaler(nn.Module):
    """A network with its description. `scale`: result pixels a source pixel; `channels`: 1 or 3."""

    def __init__(self, spec: UpscaleSpec, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.spec, self.network, self.dtype = spec, network, dtype
        self.scale, self.channels = spec.scale, spec.channels

    @torch.no_grad()
    def enlarge(self, picture: Tensor, device: str, tile: int, overlap: int, check: Check) -> Tensor:
        """[B, channels, H, W], 0..1 → float32 [B, channels, H·scale, W·scale], 0..1, on the CPU. See `tiles`."""

        def run(part: Tensor) -> Tensor:
            return self.network(part.to(device, self.dtype))

        multiple = self.spec.config.get("unshuffle", 1)
        given = run_tiled(
            run, picture, scale=self.scale, tile=tile, overlap=overlap, multiple=multiple, check=check
        )  # fmt: skip
        return given.clamp_(0, 1)


def load_upscaler(spec: UpscaleSpec, precision: str, device: str) -> LoadedUpscaler:
    """Build an upscale network and give it its weights.

    Raises:
        NodeError: names tensors that are missing or of another shape.
    """
    source = Source((spec.path,), spec.prefix)
    kept, dtype = precisions(precision, device, source)
    found = read_source(source, kept)
    tensors = {name: found[key] for name, key in spec.names.items()}
    if spec.architecture == "span":
        tensors = {name: tensor.to(kept or torch.float32) for name, tensor in merged(tensors).items()}
    kind = CLASSES[spec.architecture]
    network = build(lambda: kind(**spec.config), tensors, device, where=spec.path, kept=kept)
    return LoadedUpscaler(spec, network, dtype).eval()
