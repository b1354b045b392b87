"""Loaded ControlNets, as `diffusion.denoiser.ControlNetProtocol` asks for.

Layouts: the original single files (`control_model.` or no prefix), diffusers single files, and folders with a
`config.json`. For SD1, SD2 and SDXL the hint is read as it is; ControlNets of SD3's kind read it as a latent, so they
come with a VAE.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nodeflow import NodeError
from nodeflow_nodes.diffusion.denoiser import Conditions

from .build import build, precisions
from .control_spec import ControlSpec
from .convert import convert
from .tensors import read_source
from .vaes import LoadedVae, load_vae


class LoadedControlNet(nn.Module):
    """A ControlNet for a U-Net."""

    def __init__(self, spec: ControlSpec, network: nn.Module, dtype: torch.dtype, vae: LoadedVae | None) -> None:
        super().__init__()
        self.spec, self.network, self.dtype, self.vae = spec, network, dtype, vae
        self.downscale = vae.downscale if vae is not None else 8

    def _tokens(self, conditions: Conditions) -> Tensor:
        config = self.spec.config
        width = config.get("cross_attention_dim") or config.get("joint_attention_dim")
        if conditions.tokens.shape[-1] != width:
            raise NodeError(
                f"this ControlNet reads text {width} wide, the conditioning is {conditions.tokens.shape[-1]} wide: "
                f"it was made for another model ({self.spec.looks_like})"
            )
        return conditions.tokens.to(self.dtype)

    def _pooled(self, conditions: Conditions) -> Tensor:
        if conditions.pooled is None:
            raise NodeError("this ControlNet needs pooled text, and the conditioning has none")
        return conditions.pooled.to(self.dtype)

    @torch.no_grad()
    def forward(self, x: Tensor, timestep: Tensor, conditions: Conditions, hint: Tensor) -> dict[str, list[Tensor]]:
        pooled = sizes = None
        if self.spec.config.get("addition_embed_type") == "text_time":
            pooled = self._pooled(conditions)
            sizes = conditions.extra.get("time_ids")
            if sizes is None:
                height, width = x.shape[-2] * 8, x.shape[-1] * 8
                sizes = torch.tensor([[height, width, 0, 0, height, width]] * len(x), device=x.device)
            sizes = sizes.to(self.dtype)
        tokens = self._tokens(conditions)
        out = self.network(x.to(self.dtype), timestep, tokens, hint.to(self.dtype), pooled, sizes)
        return {name: [part.float() for part in parts] for name, parts in out.items()}


class LoadedTransformerControlNet(LoadedControlNet):
    """A ControlNet for SD3's transformer (and the built-in model): the hint goes through the VAE first."""

    @torch.no_grad()
    def forward(self, x: Tensor, timestep: Tensor, conditions: Conditions, hint: Tensor) -> dict[str, list[Tensor]]:
        latent = self._latent(hint)
        pooled = self._pooled(conditions)
        if self.spec.zero_pooled:
            pooled = torch.zeros_like(pooled)
        tokens = self._tokens(conditions)
        out = self.network(x.to(self.dtype), timestep, tokens, pooled, latent.to(self.dtype))
        return {"blocks": [part.float() for part in out]}

    _last: tuple[Tensor, Tensor] | None = None

    def _latent(self, hint: Tensor) -> Tensor:
        """The hint as the transformer reads it; the same hint comes at every step, and is encoded once."""
        last = self._last
        if last is not None and last[0].shape == hint.shape and torch.equal(last[0], hint):
            return last[1]
        if self.vae is None:
            raise NodeError("this ControlNet reads its hint as a latent: give load_controlnet the model's VAE")
        latent = (self.vae.encode(hint) - self.spec.latent_shift) * self.spec.latent_scale
        self._last = (hint, latent)
        return latent


def load_control(spec: ControlSpec, vae: Any, precision: str, device: str) -> LoadedControlNet:
    """Build a ControlNet; `vae` is the description of the autoencoder for its hint, or None."""
    kept, dtype = precisions(precision, device, spec.source)
    config = {name: value for name, value in spec.config.items() if not name.startswith("_")}
    loaded_vae = load_vae(vae, precision, device) if vae is not None else None
    if spec.architecture == "mmdit":
        from .modules.mmdit import MMDiTControlNet

        def make() -> nn.Module:
            return MMDiTControlNet(**config)
    else:
        from .modules.unet import ControlNet, supports

        if not supports(config):
            raise NodeError(f"{spec.source.files[0]}: a ControlNet of an unusual shape, which is not supported")

        def make() -> nn.Module:
            return ControlNet(**config)

    tensors = convert(spec.source.convert, read_source(spec.source, kept), spec.config)
    where: Path = spec.source.files[0]
    network = build(make, tensors, device, where=where, kept=kept)
    wrap = LoadedTransformerControlNet if spec.architecture == "mmdit" else LoadedControlNet
    return wrap(spec, network, dtype, loaded_vae).eval()
