"""Port types: what may travel along a wire, and what each value looks like.

A port's Python type *is* its edge type. Plain values (`str`, `int`, `float`, `bool`, `Literal`, `Enum`, `list[T]`,
`T | None`) are used as they are; the types below are the ones that generative work needs besides. Two sorts:

- **tensor types** (`Image`, `Mask`, `Sigmas`) are markers: the value itself is a `torch.Tensor`, and the class says its
  shape and range and can tell when a value does not fit;
- **structures** (`Latent`, `Conditioning`, ...) are frozen dataclasses made of plain values, tensors and each other,
  so one codec (`nodeflow.cache.codec`) writes all of them to disk.

`@port_type` registers a class under its name; a pack may add its own in the same way. This module must not import
torch, nor know about nodes, workflows or files.
"""

from __future__ import annotations

from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any, ClassVar, TypeAlias, TypeVar

from nodeflow.errors import NodeflowError

Tensor: TypeAlias = Any
"""A `torch.Tensor`. The engine handles tensors without importing torch, so it cannot name the class."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

C = TypeVar("C", bound=type)

_REGISTRY: dict[str, type] = {}


def port_type(cls: C) -> C:
    """Register `cls` as a port type under its class name.

    Raises:
        NodeflowError: if another class already has the name.
    """
    known = _REGISTRY.setdefault(cls.__name__, cls)
    if known is not cls and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise NodeflowError(f"two port types are named {cls.__name__}: {known.__module__} and {cls.__module__}")
    _REGISTRY[cls.__name__] = cls
    return cls


def type_named(name: str) -> type:
    """The registered port type `name`; `KeyError` if there is none."""
    return _REGISTRY[name]


def type_name(cls: type) -> str:
    """The name `cls` is registered under; `KeyError` if it is not."""
    if _REGISTRY.get(cls.__name__) is not cls:
        raise KeyError(cls)
    return cls.__name__


def port_types() -> dict[str, type]:
    """All registered port types by name."""
    return dict(sorted(_REGISTRY.items()))


class TensorType:
    """Base of the tensor types. The class is the documentation and the check; values are plain tensors."""

    dims: ClassVar[str] = ""
    """One letter a dimension, in order (`BCHW`); empty: any shape."""
    channels: ClassVar[tuple[int, ...]] = ()
    """Allowed sizes of the dimension `C`; empty: any."""

    @classmethod
    def problem(cls, value: Any) -> str | None:
        """What is wrong with `value` for this type, in words; None if it fits. Costs no pass over the data."""
        shape = getattr(value, "shape", None)
        if shape is None or not hasattr(value, "untyped_storage"):
            return f"expected a tensor {cls.shape_text()}, got {type(value).__name__}"
        if cls.dims and len(shape) != len(cls.dims):
            return f"expected a tensor {cls.shape_text()}, got shape {list(shape)}"
        if cls.channels and shape[cls.dims.index("C")] not in cls.channels:
            allowed = " or ".join(str(c) for c in cls.channels)
            return f"expected {allowed} channels in {cls.shape_text()}, got shape {list(shape)}"
        if not value.dtype.is_floating_point:
            return f"expected floating point values, got {value.dtype}"
        return None

    @classmethod
    def shape_text(cls) -> str:
        return "[" + ", ".join(cls.dims) + "]"


@port_type
class Image(TensorType):
    """Pictures: float32 [B, C, H, W], 0..1, C = 1 (grey), 3 (RGB) or 4 (RGBA, straight alpha)."""

    dims = "BCHW"
    channels = (1, 3, 4)


@port_type
class Mask(TensorType):
    """Masks: float32 [B, 1, H, W], 0..1; 1 marks what an operation applies to (what inpainting repaints)."""

    dims = "BCHW"
    channels = (1,)


@port_type
class Sigmas(TensorType):
    """A noise schedule: float32 [N + 1], falling, usually ending in 0; N steps. Unit: standard deviation of the noise
    (eps and v models) or share of noise 0..1 (flow models)."""

    dims = "N"


@port_type
@dataclass(frozen=True)
class Latent:
    """Pictures in a VAE's space, unscaled (the VAE's raw means).

    samples: float32 [B, C, h, w] (video: [B, C, T, h, w]).
    noise_mask: None, or float32 [B or 1, 1, h or H, w or W], 0..1; 1 = may be changed by sampling.
    batch_index: None, or the place of each item in the batch that it was cut from, so that it draws the same noise.
    """

    samples: Tensor
    noise_mask: Tensor | None = None
    batch_index: tuple[int, ...] | None = None


@port_type
@dataclass(frozen=True)
class Noise:
    """How the first noise is drawn: always float32, on the CPU, from the seed; drawn when the latent's shape is known.

    seed: 0 .. 2**64 - 1.
    layout: "batch": one draw for the whole batch (ComfyUI's layout); "per_item": item i is drawn from seed + i, so it
        is the picture made alone with that seed; "none": zeros (no noise is added).
    """

    seed: int
    layout: str = "per_item"


@port_type
@dataclass(frozen=True)
class Sampler:
    """A sampling algorithm and its options (`name`: one of the names of the sampler list)."""

    name: str
    options: dict[str, Json] = field(default_factory=dict)


@port_type
@dataclass(frozen=True)
class Patch:
    """A change to weights, applied when they are loaded: a LoRA file and its strength. Never mutates other handles."""

    loader: str
    path: str
    digest: str
    strength: float = 1.0
    options: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class WeightsHandle:
    """Names weights without holding them: what file, which digest, which patches. Modules come from the weights pool.

    loader: the registered weights loader that can read it, e.g. "diffusion/denoiser".
    path: file or folder; digest: its content digest (blake3, 64 hex).
    options: what the loader needs besides (family, sub-folder, dtype, clip skip, ...); plain JSON values.
    patches: applied in order.
    """

    loader: str
    path: str
    digest: str
    options: dict[str, Json] = field(default_factory=dict)
    patches: tuple[Patch, ...] = ()

    def patched(self: H, patch: Patch) -> H:
        """A handle with one more patch; this one stays as it is."""
        return replace(self, patches=(*self.patches, patch))

    def with_options(self: H, **options: Json) -> H:
        """A handle with some options changed; this one stays as it is."""
        return replace(self, options={**self.options, **options})


H = TypeVar("H", bound=WeightsHandle)


@port_type
@dataclass(frozen=True)
class Model(WeightsHandle):
    """Handle of a denoiser: a U-Net or a diffusion transformer."""


@port_type
@dataclass(frozen=True)
class TextEncoder(WeightsHandle):
    """Handle of one or more text encoders with their tokenizers."""


@port_type
@dataclass(frozen=True)
class Vae(WeightsHandle):
    """Handle of an image autoencoder."""


@port_type
@dataclass(frozen=True)
class ControlNet(WeightsHandle):
    """Handle of a ControlNet."""


@port_type
@dataclass(frozen=True)
class LanguageModel(WeightsHandle):
    """Handle of a causal language model with its tokenizer."""


@port_type
@dataclass(frozen=True)
class UpscaleModel(WeightsHandle):
    """Handle of a picture-to-picture upscaling network."""


@port_type
@dataclass(frozen=True)
class Generator(WeightsHandle):
    """Handle of a network that maps a latent vector to a picture in one pass (a GAN's generator)."""


@port_type
@dataclass(frozen=True)
class Pipeline(WeightsHandle):
    """Handle of a whole diffusers pipeline folder."""


@port_type
@dataclass(frozen=True)
class ControlHint:
    """A ControlNet applied to a condition.

    hint: float32 [B, 3, H, W], 0..1. strength: 0..10. start, end: share of the sampling time, 0..1.
    """

    control_net: ControlNet
    hint: Tensor
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0


@port_type
@dataclass(frozen=True)
class Condition:
    """One prompt as the denoiser reads it.

    tokens: float32 [1, T, W], the text encoder's sequence. pooled: None or float32 [1, P].
    area: None, or (height, width, y, x) as `unit` says: "pixels", "cells" (of the latent) or "share" (0..1).
    mask: None or float32 [B, 1, H, W] 0..1. strength: weight of this condition where several overlap.
    start, end: share of the sampling time in which it is active, 0..1. control: ControlNets, applied in order.
    extra: further named tensors or numbers for particular families (SDXL sizes, guidance, reference latents).
    """

    tokens: Tensor
    pooled: Tensor | None = None
    area: tuple[float, float, float, float] | None = None
    unit: str = "cells"
    mask: Tensor | None = None
    mask_area: bool = False
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    control: tuple[ControlHint, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)


@port_type
@dataclass(frozen=True)
class Conditioning:
    """What the picture should show: one or more conditions, each with its area, mask and time range."""

    conditions: tuple[Condition, ...]

    def map(self, **changes: Any) -> Conditioning:
        """The same conditions with some fields changed in all of them."""
        return Conditioning(tuple(replace(c, **changes) for c in self.conditions))


@port_type
@dataclass(frozen=True)
class Guider:
    """How the denoiser's estimates are combined at each step.

    kind: "cfg", "dual", "perp_neg" or "basic" (no guidance). scale: guidance scale. options: rescale, interval, ...
    """

    model: Model
    positive: Conditioning
    negative: Conditioning | None = None
    middle: Conditioning | None = None
    kind: str = "cfg"
    scale: float = 1.0
    options: dict[str, Json] = field(default_factory=dict)


@port_type
@dataclass(frozen=True)
class Audio:
    """Sound: float32 [B, C, T], -1..1, C channels, at `rate` samples a second (Hz)."""

    samples: Tensor
    rate: int


@port_type
@dataclass(frozen=True)
class Video:
    """Moving pictures: float32 [T, C, H, W], 0..1, at `fps` frames a second."""

    frames: Tensor
    fps: float = 8.0


@port_type
@dataclass(frozen=True)
class Table:
    """Rows under named columns; cells are plain values (text, numbers, booleans, None)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@port_type
@dataclass(frozen=True)
class Figure:
    """A drawn figure, ready to show: PNG or SVG bytes, with the text a screen reader reads."""

    data: bytes
    media: str = "image/png"
    alt: str = ""


@port_type
@dataclass(frozen=True)
class File:
    """A file or folder that a recipe names, found and hashed before the run.

    name: as the recipe has it. path: where it was found. digest: of its content (blake3, 64 hex).
    """

    name: str
    path: str
    digest: str


@port_type
@dataclass(frozen=True)
class Artefact:
    """A file that a run made, kept by content: digest (blake3, 64 hex), media type, readable name, size in bytes."""

    digest: str
    media: str
    name: str
    size: int


def holds_tensors(cls: Any) -> bool:
    """Whether values of this port type contain tensors, so that the numeric class decides about their bits."""
    if not isinstance(cls, type):
        return False
    if issubclass(cls, TensorType):
        return True
    if cls in (Noise, Sampler, File, Artefact) or issubclass(cls, WeightsHandle):
        return False
    return _REGISTRY.get(cls.__name__) is cls and is_dataclass(cls)
