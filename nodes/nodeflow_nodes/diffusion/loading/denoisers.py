"""Loaded denoisers: bare networks with their description, as `diffusion.denoiser.Denoiser` asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nodeflow import NodeError
from nodeflow_nodes.diffusion.denoiser import Conditions

from .build import build, precisions
from .convert import convert
from .modules.mmdit_parts import whole_patches
from .spec import DenoiserSpec
from .tensors import read_source


class LoadedDenoiser(nn.Module):
    """A network under the protocol `Denoiser`; sub-classes call their architecture."""

    def __init__(self, spec: DenoiserSpec, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.spec, self.network, self.dtype = spec, network, dtype
        self.family, self.parametrisation = spec.family, spec.parametrisation
        self.sigma_table = dict(spec.sigma_table)
        self.latent_channels, self.in_channels = spec.latent_channels, spec.in_channels
        self.latent_scale, self.latent_shift = spec.latent_scale, spec.latent_shift
        self.downscale = spec.downscale

    residuals: tuple[str, ...] = ()
    """Names of the ControlNet residuals that the network reads."""

    @property
    def adapters(self) -> frozenset[str]:
        """The IP-Adapters that the network has, by name."""
        return frozenset()

    @staticmethod
    def finish(network: Any) -> None:
        """Give the network's computed buffers their values."""

    def with_network(self, network: nn.Module) -> LoadedDenoiser:
        """The same description around another network (a patched one)."""
        return type(self)(self.spec, network, self.dtype).eval()

    @torch.no_grad()
    def forward(self, x: Tensor, timestep: Tensor, conditions: Conditions) -> Tensor:
        missing = conditions.references().keys() - self.adapters
        if missing:
            raise NodeError(
                "the prompt has a reference picture that this model cannot read: use the model that "
                "diffusion/apply_ip_adapter gives together with its prompts"
            )
        if conditions.control is not None and set(conditions.control) != set(self.residuals):
            raise NodeError(
                f"the ControlNet does not fit: it was made for another kind of model than this {self.family} model"
                + ("" if self.residuals else ", whose ControlNets nodeflow does not know")
            )
        return self.call(x.to(self.dtype), timestep, conditions).float()

    def call(self, x: Tensor, timestep: Tensor, conditions: Conditions) -> Tensor:
        raise NotImplementedError

    def pooled(self, conditions: Conditions, width: int) -> Tensor:
        """The pooled text; an error that says so if there is none, or another family's."""
        pooled = conditions.pooled
        if pooled is None or pooled.shape[-1] != width:
            has = "none" if pooled is None else f"that of another model, {pooled.shape[-1]} wide"
            raise NodeError(
                f"this {self.family} model needs pooled text {width} wide, and the conditioning has {has}: "
                "encode the prompt with this model's own text encoder"
            )
        return pooled.to(self.dtype)

    def tokens(self, conditions: Conditions, width: int) -> Tensor:
        """The text's tokens; an error that says so if they come from another family's encoder."""
        if conditions.tokens.shape[-1] != width:
            raise NodeError(
                f"this {self.family} model reads text {width} wide, the conditioning is {conditions.tokens.shape[-1]} "
                "wide: encode the prompt with this model's own text encoder"
            )
        return conditions.tokens.to(self.dtype)


class TransformerDenoiser(LoadedDenoiser):
    """SD3's transformer and the built-in model."""

    residuals = ("blocks",)

    def call(self, x: Tensor, timestep: Tensor, conditions: Conditions) -> Tensor:
        config, control = self.spec.config, conditions.control
        return self.network(
            x,
            timestep,
            self.tokens(conditions, config["joint_attention_dim"]),
            self.pooled(conditions, config.get("pooled_projection_dim", 2048)),
            control=[r.to(self.dtype) for r in control["blocks"]] if control else None,
        )


class UNetDenoiser(LoadedDenoiser):
    """The U-Nets of SD1, SD2 and SDXL."""

    residuals = ("down", "mid")

    def call(self, x: Tensor, timestep: Tensor, conditions: Conditions) -> Tensor:
        pooled, time_ids = self.added(x, conditions)
        control = conditions.control
        if control is not None:
            control = {name: [r.to(self.dtype) for r in parts] for name, parts in control.items()}
        return self.network(x, timestep, self.context(conditions), pooled, time_ids, control)

    @property
    def adapters(self) -> frozenset[str]:
        part = next((p for p in self.network.modules() if hasattr(p, "adapters")), None)
        return frozenset(() if part is None else part.adapters.keys())

    def context(self, conditions: Conditions) -> Any:
        """What the network attends to: the text, and reference pictures if there are any."""
        text, references = self.tokens(conditions, self.width), conditions.references()
        if not references:
            return text
        from .modules.ip_adapter import Told

        return Told(text, {name: (tokens.to(self.dtype), how) for name, (tokens, how) in references.items()})

    @property
    def width(self) -> int:
        return int(self.spec.config.get("cross_attention_dim") or 0)

    def added(self, x: Tensor, conditions: Conditions) -> tuple[Tensor | None, Tensor | None]:
        """What SDXL reads besides tokens: pooled text and sizes."""
        config = self.spec.config
        if config.get("addition_embed_type") != "text_time":
            return None, None
        sizes = self.time_ids(x, conditions)
        width = config["projection_class_embeddings_input_dim"] - sizes.shape[-1] * config["addition_time_embed_dim"]
        return self.pooled(conditions, width), sizes

    def time_ids(self, x: Tensor, conditions: Conditions) -> Tensor:
        """SDXL's sizes: from the conditioning, else the picture's own size without crop."""
        height, width = x.shape[-2] * self.downscale, x.shape[-1] * self.downscale
        sizes, maker = [height, width, 0, 0, height, width], "sdxl_sizes"
        if self.family == "sdxl_refiner":
            sizes, maker = [height, width, 0, 0, 6.0], "sdxl_refiner_sizes"
        found = conditions.extra.get("time_ids")
        if found is not None and found.shape[-1] != len(sizes):
            raise NodeError(
                f"this {self.family} model reads {len(sizes)} numbers about the picture's size, the conditioning has "
                f"{found.shape[-1]}: give them with diffusion/{maker}"
            )
        if found is not None:
            return found.to(self.dtype)
        return torch.tensor([sizes] * x.shape[0], dtype=self.dtype, device=x.device)


class LibraryUNetDenoiser(UNetDenoiser):
    """Other U-Nets, in diffusers' own class."""

    def call(self, x: Tensor, timestep: Tensor, conditions: Conditions) -> Tensor:
        pooled, time_ids = self.added(x, conditions)
        control = conditions.control
        return self.network(
            x,
            timestep,
            encoder_hidden_states=self.tokens(conditions, self.width),
            added_cond_kwargs=None if pooled is None else {"text_embeds": pooled, "time_ids": time_ids},
            down_block_additional_residuals=[r.to(self.dtype) for r in control["down"]] if control else None,
            mid_block_additional_residual=control["mid"][0].to(self.dtype) if control else None,
            return_dict=False,
        )[0]


class FluxDenoiser(LoadedDenoiser):
    """Flux: latents as 2 x 2 patches, positions as ids, guidance as an input (dev), reference latents (Kontext)."""

    def call(self, x: Tensor, timestep: Tensor, conditions: Conditions) -> Tensor:
        batch, _, height, width = x.shape
        patches, ids = packed(x, 0)
        count = patches.shape[1]
        for latent, place in zip(references := conditions.reference_latents(), places(references), strict=True):
            more, where = packed(latent.to(self.dtype), 1, *place)
            patches, ids = torch.cat([patches, more], dim=1), torch.cat([ids, where])
        text = self.tokens(conditions, self.spec.config["joint_attention_dim"])
        guidance = None
        if self.spec.config.get("guidance_embeds"):
            guidance = conditions.extra.get("guidance", torch.full((batch,), 3.5)).to(x)
        out = self.network(
            hidden_states=patches,
            timestep=timestep.to(self.dtype),
            encoder_hidden_states=text,
            pooled_projections=self.pooled(conditions, self.spec.config.get("pooled_projection_dim", 768)),
            guidance=guidance,
            img_ids=ids,
            txt_ids=torch.zeros(text.shape[1], 3, device=x.device),
            return_dict=False,
        )[0][:, :count]
        channels, rows, columns = out.shape[-1] // 4, -(-height // 2), -(-width // 2)
        out = out.view(batch, rows, columns, channels, 2, 2).permute(0, 3, 1, 4, 2, 5)
        return out.reshape(batch, channels, rows * 2, columns * 2)[..., :height, :width]


def packed(x: Tensor, index: int, top: int = 0, left: int = 0) -> tuple[Tensor, Tensor]:
    """A latent [B, C, h, w] as Flux reads it: patches [B, N, 4 C], row by row (an odd side goes on at its start), and
    their ids [N, 3]: the picture's index, row and column, counted from (top, left)."""
    x = whole_patches(x, 2)
    batch, channels = x.shape[:2]
    rows, columns = x.shape[-2] // 2, x.shape[-1] // 2
    patches = x.view(batch, channels, rows, 2, columns, 2).permute(0, 2, 4, 1, 3, 5)
    ids = torch.zeros(rows, columns, 3, device=x.device)
    ids[..., 0] = index
    ids[..., 1] += torch.arange(rows, device=x.device)[:, None] + top
    ids[..., 2] += torch.arange(columns, device=x.device)[None] + left
    return patches.reshape(batch, rows * columns, channels * 4), ids.reshape(-1, 3)


def places(references: Sequence[Tensor]) -> list[tuple[int, int]]:
    """Where reference latents lie beside each other, as (row, column) in patches: the first at the origin, each further
    one below all others or to their right, whichever keeps the whole smaller."""
    found, height, width = [], 0, 0
    for latent in references:
        rows, columns = -(-latent.shape[-2] // 2), -(-latent.shape[-1] // 2)
        place = (0, width) if rows + height > columns + width else (height, 0)
        found.append(place)
        height, width = max(height, place[0] + rows), max(width, place[1] + columns)
    return found


class PixArtDenoiser(LoadedDenoiser):
    """PixArt-α and -Σ: latents as 2 x 2 patches, text as it is (T5 without padding), the picture's size (α, 1024)."""

    @staticmethod
    def finish(network: Any) -> None:
        """The table of places, which is computed: sines and cosines of rows and columns."""
        from diffusers.models.embeddings import get_2d_sincos_pos_embed

        part = network.pos_embed
        table = get_2d_sincos_pos_embed(
            part.proj.out_channels,
            part.base_size,
            base_size=part.base_size,
            interpolation_scale=part.interpolation_scale,
            output_type="pt",
            device=torch.device("cpu"),
        )
        part._buffers["pos_embed"] = table.float()[None]

    def call(self, x: Tensor, timestep: Tensor, conditions: Conditions) -> Tensor:
        height, width = x.shape[-2:]
        x = whole_patches(x, 2)
        pixels = [float(side * self.downscale) for side in (height, width)]
        sizes = {
            "resolution": torch.tensor([pixels], device=x.device).expand(x.shape[0], -1),
            "aspect_ratio": torch.tensor([[pixels[0] / pixels[1]]], device=x.device).expand(x.shape[0], -1),
        }
        if not self.network.use_additional_conditions:
            sizes = {"resolution": None, "aspect_ratio": None}
        out = self.network(
            x,
            encoder_hidden_states=self.tokens(conditions, self.spec.config["caption_channels"]),
            timestep=timestep,
            added_cond_kwargs=sizes,
            return_dict=False,
        )[0]
        return out[:, : self.latent_channels, :height, :width]  # the rest are the variances


def load_denoiser(spec: DenoiserSpec, precision: str, device: str) -> LoadedDenoiser:
    """Build a denoiser and give it its weights."""
    kept, dtype = precisions(precision, device, spec.source)
    make, wrap = _network(spec)
    finish = wrap.finish
    tensors = convert(spec.source.convert, read_source(spec.source, kept), spec.config)
    network = build(make, tensors, device, where=spec.source.files[0], kept=kept, finish=finish)
    return wrap(spec, network, dtype).eval()


def _network(spec: DenoiserSpec) -> tuple[Callable[[], nn.Module], type[LoadedDenoiser]]:
    config = {name: value for name, value in spec.config.items() if not name.startswith("_")}
    if spec.architecture == "mmdit":
        from .modules.mmdit import MMDiT

        return lambda: MMDiT(**config), TransformerDenoiser
    from . import library

    if spec.architecture == "unet":
        from .modules.unet import UNet, supports

        if supports(config):
            return lambda: UNet(**config), UNetDenoiser
        return library.maker("UNet2DConditionModel", config), LibraryUNetDenoiser
    if spec.architecture == "flux":
        return library.maker("FluxTransformer2DModel", config), FluxDenoiser
    if spec.architecture == "pixart":
        return library.maker("PixArtTransformer2DModel", config), PixArtDenoiser
    raise NodeError(f"no denoiser of architecture {spec.architecture!r} is known")
