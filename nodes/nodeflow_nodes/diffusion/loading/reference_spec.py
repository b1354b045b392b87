"""Which IP-Adapter and which CLIP image encoder a file holds, told from its header. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeflow import NodeError

from . import folder
from .detect import looks_like
from .families.transformers import count
from .header import Header, read_header
from .spec import Source

LAYER = re.compile(r"ip_adapter\.(\d+)\.to_k_ip\.weight")
HEADS = {768: 12, 1024: 16, 1280: 16, 1664: 16}
"""By width: ViT-L (768 in ViT-B too), ViT-L/14's 1024, OpenCLIP's H and bigG."""


@dataclass(frozen=True)
class AdapterSpec:
    """An IP-Adapter.

    form: "plain" (reads the picture's one vector), "plus" or "full" (read the encoder's last states but one).
    config: arguments of its projection's class (`modules.ip_adapter`). seen: width of what it reads. width: of the text
    it stands beside. layers: (number in the file, width) of its attention layers, in order.
    """

    path: Path
    form: str
    config: dict[str, int]
    seen: int
    width: int
    layers: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class VisionSpec:
    """A CLIP image encoder. config: transformers' configuration. embedded, width: of its vector and its states."""

    config: dict[str, Any]
    source: Source
    embedded: int
    width: int


def read_adapter(path: str | Path) -> AdapterSpec:
    """Describe an IP-Adapter.

    Raises:
        NodeError: if the file is none, or one of a kind that is not known (FaceID).
    """
    header = read_header(Path(path))
    layers = sorted((int(m[1]), e.shape) for key, e in header.tensors.items() if (m := LAYER.fullmatch(key)))
    if not layers:
        raise NodeError(f"{path}: expected an IP-Adapter, this is {looks_like(header)}")
    if any("lora" in key for key in header.tensors):
        raise NodeError(f"{path}: a FaceID adapter: it needs a face recogniser, which nodeflow does not have")
    width = layers[0][1][1]
    form, seen, config = _projection(header, width)
    return AdapterSpec(header.path, form, config, seen, width, tuple((number, shape[0]) for number, shape in layers))


def _projection(header: Header, width: int) -> tuple[str, int, dict[str, int]]:
    if (plain := header.shape("image_proj.proj.weight")) is not None:
        tokens = plain[0] // width
        return "plain", plain[1], {"seen": plain[1], "width": width, "tokens": tokens}
    latents, inward = header.shape("image_proj.latents"), header.shape("image_proj.proj_in.weight")
    query, hidden = (header.shape(f"image_proj.layers.0.{name}.weight") for name in ("0.to_q", "1.1"))
    if latents and inward and query and hidden:
        config = {
            "seen": inward[1],
            "width": width,
            "tokens": latents[1],
            "inner": latents[2],
            "hidden": hidden[0],
            "rounds": count(header, "image_proj.", "layers"),
            "attention": query[0],
        }
        return "plus", inward[1], config
    full = header.shape("image_proj.proj.0.weight")
    if full is not None and header.shape("image_proj.proj.3.weight") == (width,):
        return "full", full[1], {"seen": full[1], "width": width}
    names = ", ".join(sorted(key for key in header.tensors if key.startswith("image_proj."))[:3])
    raise NodeError(
        f"{header.path}: an IP-Adapter of a kind that is not known (it has {names or 'no image_proj'}); expected "
        "image_proj.proj (plain), image_proj.latents (plus) or image_proj.proj.0 (full)"
    )


def read_vision(path: str | Path) -> VisionSpec:
    """Describe a CLIP image encoder: a single file or transformers' folder.

    Raises:
        NodeError: if it is none.
    """
    path = Path(path)
    if path.is_dir():
        config = folder.read_component(path)
        config = config.get("vision_config") or config
        (*_, file) = folder.weight_files(path)
    else:
        config, file = {}, path
    header = read_header(file)
    prefix = "vision_model." if "vision_model.post_layernorm.weight" in header.tensors else ""
    patches = header.shape(f"{prefix}embeddings.patch_embedding.weight")
    places = header.shape(f"{prefix}embeddings.position_embedding.weight")
    hidden = header.shape(f"{prefix}encoder.layers.0.mlp.fc1.weight")
    outward = header.shape("visual_projection.weight")
    if patches is None or places is None or hidden is None or outward is None:
        raise NodeError(
            f"{path}: expected a CLIP image encoder (vision_model... and visual_projection), "
            f"this is {looks_like(header)}"
        )
    width, patch = patches[0], patches[2]
    told = {
        "hidden_size": width,
        "intermediate_size": hidden[0],
        "num_hidden_layers": count(header, prefix, "encoder.layers"),
        "num_attention_heads": int(config.get("num_attention_heads") or HEADS.get(width, max(1, width // 64))),
        "image_size": round((places[0] - 1) ** 0.5) * patch,
        "patch_size": patch,
        "hidden_act": str(config.get("hidden_act") or ("quick_gelu" if width <= 1024 else "gelu")),
        "layer_norm_eps": float(config.get("layer_norm_eps") or 1e-5),
        "projection_dim": outward[0],
    }
    return VisionSpec(told, Source((header.path,), convert="clip_vision"), outward[0], width)
