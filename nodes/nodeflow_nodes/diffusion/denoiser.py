"""What sampling and loading agree on: the objects that the weights pool gives out for `Model` and `ControlNet` handles.

Loading builds them (`diffusion/loading/`), sampling calls them (`diffusion/sampling/`), and neither knows more of the
other than this file. A denoiser is a *bare* network with a description: it knows nothing of sigmas, guidance, areas
or noise; sampling does all of that arithmetic in float32.

Options that change sampling but not weights (time shift, parametrisation) travel in a handle's option `sampling`, a
dict. Sampling takes it off before it asks the pool, so that two shifts of one model share one module, and applies it
to the description itself (see `sampling/model.py`). Loaders never see that option.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

Tensor: TypeAlias = Any
"""A `torch.Tensor`; this module does not import torch."""

Residuals: TypeAlias = "dict[str, list[Tensor]]"
"""What a ControlNet gives: named lists of tensors [N, ...], for example `{"down": [...], "mid": [x]}` for a U-Net or
`{"blocks": [...]}` for a transformer. Sampling multiplies each by the strength, adds those of several ControlNets
entry by entry, and hands the sum to the denoiser, which knows what the names mean. Sampling never looks inside."""


@dataclass(frozen=True)
class Conditions:
    """The conditioning of one batch of N model inputs, already batched, on the model's device.

    tokens: float32 [N, T, W]. pooled: None or float32 [N, P].
    extra: what the family needs besides, batched along the first dimension. Numbers of a `Condition.extra` arrive as
        float32 [N], tensors [1, ...] repeated to [N, ...]. Names in use:
        `time_ids` [N, 6] (SDXL; [N, 5] refiner), `guidance` [N] (Flux dev: 3.5 is passed as 3.5),
        `picture_tokens/<adapter>` [N, T', W] and `picture_strength/<adapter>` [N] (IP-Adapter; see `references`),
        `reference_latent/<number>` [N, C, h', w'], in the model's space (Flux Kontext).
        (`concat_latent`, `concat_mask` of a `Condition.extra` never arrive here: sampling joins them to `x`.)
    control: None, or the summed residuals of all active ControlNets.
    """

    tokens: Tensor
    pooled: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)
    control: Residuals | None = None

    def references(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Reference pictures by IP-Adapter: tokens and strength."""
        start = "picture_tokens/"
        names = [name.removeprefix(start) for name in self.extra if name.startswith(start)]
        return {name: (self.extra[start + name], self.extra[f"picture_strength/{name}"]) for name in names}

    def reference_latents(self) -> list[Tensor]:
        """Latents of reference pictures, in the order in which they were given."""
        names = [name for name in self.extra if name.startswith("reference_latent/")]
        return [self.extra[name] for name in sorted(names, key=lambda name: int(name.rpartition("/")[2]))]


class Denoiser(Protocol):
    """A denoising network, from `ctx.weights.use(model_handle)`.

    The pool sizes and moves it through `parameters()`, `buffers()` and `to()`, as it does with any torch module.
    """

    family: str
    """"nodeflow" (the built-in model), "sd1", "sd2", "sdxl", "sdxl_refiner", "sd3", "flux", "pixart"."""

    parametrisation: Literal["eps", "v", "edm", "flow"]
    """What the network's output means; NUMERICS §1."""

    sigma_table: dict[str, Any]
    """Which table of sigmas it was trained on; NUMERICS §2. One of

    - `{"kind": "discrete"}`, optionally with `beta_schedule` ("scaled_linear", the default, or "linear"),
      `beta_start` (.00085), `beta_end` (.012), `steps` (1000);
    - `{"kind": "ztsnr"}`: the same, rescaled to zero terminal SNR; same optional keys;
    - `{"kind": "flow", "shift": 3.0}`: SD3 and the built-in model; the network is given t = 1000 σ
      (optional `multiplier`, default 1000);
    - `{"kind": "flux", "shift": 1.15}`: Flux dev, μ = 1.15; schnell: `{"kind": "flux", "shift": 0.0}`; the network is
      given t = σ;
    - `{"kind": "edm", "sigma_min": .002, "sigma_max": 80.0, "sigma_data": .5}`: continuous; given t = ¼ ln σ.
    """

    latent_channels: int
    """C of latents as they travel between nodes."""
    in_channels: int
    """Channels that the network reads: C, or 2C + 1 for inpainting models (x, mask, masked picture), 2C for pix2pix."""
    latent_scale: float | Iterable[float]
    """Scale s of (z - shift) * s on entry: a number, or one per channel."""
    latent_shift: float | Iterable[float]
    """Shift, likewise; 0 where a family has none."""
    downscale: int
    """Pixels a latent cell, along each side: 8, or 4 for the built-in model."""
    dtype: Any
    """The torch dtype it computes in; sampling stays in float32 whatever this is."""

    def __call__(self, x: Tensor, timestep: Tensor, conditions: Conditions) -> Tensor:
        """Run the network once.

        Args:
            x: float32 [N, in_channels, h, w], already multiplied by c_in; cast it to `dtype` inside.
            timestep: float32 [N], in the units that `sigma_table` says.
            conditions: see `Conditions`; tensors are float32, cast them inside.

        Returns:
            float32 [N, latent_channels, h, w], the raw output.
        """

    def parameters(self) -> Iterable[Tensor]: ...

    def buffers(self) -> Iterable[Tensor]: ...

    def to(self, device: str) -> Any: ...


class ControlNetProtocol(Protocol):
    """A ControlNet, from `ctx.weights.use(control_net_handle)`."""

    downscale: int
    """Pixels of the hint a latent cell: hints are resized to latent size × this before they arrive."""
    dtype: Any

    def __call__(self, x: Tensor, timestep: Tensor, conditions: Conditions, hint: Tensor) -> Residuals:
        """Residuals for one batch.

        Args:
            x: float32 [N, latent_channels, h, w], as the denoiser gets it (without joined inpainting channels).
            timestep: as the denoiser gets it.
            conditions: the batch's text (`control` is None).
            hint: float32 [N, 3, H, W], 0..1.
        """

    def parameters(self) -> Iterable[Tensor]: ...

    def buffers(self) -> Iterable[Tensor]: ...

    def to(self, device: str) -> Any: ...
