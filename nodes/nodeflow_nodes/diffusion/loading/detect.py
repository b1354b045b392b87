"""What a single safetensors file holds, from its header alone: kind, family, configuration. No torch; a few ms.

Decided by key names and shapes, never by file names or metadata.
"""

from __future__ import annotations

import re
from pathlib import Path

from nodeflow import NodeError

from . import folder
from .families import text, transformers, unet, vae
from .header import Header, read_header
from .spec import DenoiserSpec, ModelSpec

DENOISER_PLACES = ("model.diffusion_model.", "diffusion_model.", "")
VAE_PLACES = ("first_stage_model.", "vae.", "")
LORA_SIGN = re.compile(
    r".*\.(?:lora_(?:down|up|A|B|mid|linear_layer)|lora\.(?:down|up)|hada_w1_a|lokr_w[12]|dora_scale)(?:\.|$)|"
    r"(?:lora|lycoris)_.*\.diff(?:_b)?$"
)
UNREAD_LORA_SIGNS = {
    "OFT or BOFT": re.compile(r"\.oft_(?:blocks|diag)"),
    "(IA)³": re.compile(r"\.on_input$"),
    "GLoRA": re.compile(r"\.[ab][12]\.weight$"),
}
"""Kinds of LyCORIS files that are not read, by a key's ending."""
UPSCALE_SIGN = re.compile(
    r"(?:params_ema\.|params\.|module\.)?(?:body\.\d|model\.[01]\.|RRDB_trunk|conv_1\.sk|layers\.0\.residual_group)"
)
FAMILY_NAMES = {**unet.NAMES, "sd3": "Stable Diffusion 3", "flux": "Flux", "pixart": "PixArt"}


def kind(header: Header) -> str:
    """One of `KIND_NAMES`, or "unknown"."""
    keys = header.tensors
    if any(key.startswith("ip_adapter.") for key in keys):
        return "ip_adapter"
    if any(LORA_SIGN.match(key) for key in keys):
        return "lora"
    if any(k.endswith("input_hint_block.0.weight") for k in keys) or "controlnet_cond_embedding.conv_in.weight" in keys:
        return "controlnet"
    if any(k in keys for k in ("controlnet_blocks.0.weight", "controlnet_x_embedder.weight")):
        return "controlnet"
    if len(keys) <= 4 and all(len(e.shape) <= 2 for e in keys.values()) and _embedding_like(header):
        return "embedding"
    if any(key.startswith("model.diffusion_model.") for key in keys):
        return "checkpoint"
    if any(k in keys for k in ("input_blocks.0.0.weight", "joint_blocks.0.x_block.attn.qkv.weight",
                               "double_blocks.0.img_attn.qkv.weight", "diffusion_model.input_blocks.0.0.weight",
                               "diffusion_model.double_blocks.0.img_attn.qkv.weight", "conv_in.weight",
                               "x_embedder.weight", "pos_embed.proj.weight",
                               "blocks.0.cross_attn.q_linear.weight")):  # fmt: skip
        return "denoiser"
    if any(k.endswith("decoder.conv_in.weight") for k in keys) or "decoder.layers.0.weight" in keys:
        return "vae"
    if text.encoder(header, "") is not None:
        return "text"
    if any(key.endswith("embeddings.patch_embedding.weight") for key in keys):
        return "vision"
    if any(UPSCALE_SIGN.match(key) for key in keys):
        return "upscale"
    return "unknown"


def _embedding_like(header: Header) -> bool:
    names = ("emb_params", "clip_l", "clip_g", "t5xxl")
    return any(key in names or "string_to_param" in key or key.startswith("<") for key in header.tensors)


KIND_NAMES = {
    "ip_adapter": "an IP-Adapter (use it with diffusion/apply_ip_adapter)",
    "vision": "an image encoder (use it with diffusion/apply_ip_adapter)",
    "lora": "a LoRA (load it with diffusion/apply_lora)",
    "controlnet": "a ControlNet (load it with diffusion/load_controlnet)",
    "embedding": "a textual inversion (load it with diffusion/load_embedding)",
    "checkpoint": "a checkpoint (load it with diffusion/load_checkpoint)",
    "denoiser": "a diffusion model alone (load it with diffusion/load_model)",
    "vae": "a VAE (load it with diffusion/load_vae)",
    "text": "a text encoder (load it with diffusion/load_text_encoder)",
    "upscale": "an upscale model (load it with image/load_upscale_model)",
}


def looks_like(header: Header) -> str:
    """What a file is, as an error says it: its kind, or what is in it."""
    if (name := KIND_NAMES.get(kind(header))) is not None:
        return name
    for form, sign in UNREAD_LORA_SIGNS.items():
        if any(sign.search(key) for key in header.tensors):
            return f"a LyCORIS file of the kind {form}, which is not read (LoRA, LoCon, LoHa, LoKr, DoRA are)"
    return f"something unknown. {_contents(header)}"


def check_embedding(path: Path) -> None:
    """See from the header that a file is a textual inversion: at most four tensors [width] or [N, width].

    Raises:
        NodeError: if it is none; says what it is.
    """
    header = read_header(path)
    flat = len(header.tensors) <= 4 and all(1 <= len(e.shape) <= 2 for e in header.tensors.values())
    if kind(header) not in ("embedding", "unknown") or not (header.tensors and flat):
        raise NodeError(f"{path}: expected a textual inversion, this is {looks_like(header)}")


def describe(path: Path) -> ModelSpec:
    """Describe a checkpoint, a denoiser, a VAE or a text encoder in a single file.

    Raises:
        NodeError: if it is none of these: says what it is, or which keys it has.
    """
    header = read_header(path)
    found = kind(header)
    if found in ("ip_adapter", "vision", "lora", "controlnet", "embedding", "upscale"):
        raise NodeError(f"{path}: expected a model, this is {KIND_NAMES[found]}")
    denoiser = _denoiser(header)
    vae_spec = next((v for place in VAE_PLACES if (v := vae.describe(header, place)) is not None), None)
    family = denoiser.family if denoiser else "sd1"
    texts = text.describe(header, family) if denoiser else None
    if texts is None and (alone := text.encoder(header, "")) is not None:
        texts = text.join(family, [alone])
    if denoiser is None and vae_spec is None and texts is None:
        if sibling := _beside(path, header):
            return sibling
        raise NodeError(
            f"{path}: no model that is known. {_contents(header)}; expected keys of Stable Diffusion 1, 2, XL, 3, Flux "
            "or PixArt (model.diffusion_model..., joint_blocks..., double_blocks...), of a VAE or of a CLIP or T5 text "
            "encoder"
        )
    name = FAMILY_NAMES[denoiser.family] if denoiser else ""
    if denoiser and (vae_spec or texts):
        looks = f"a {name} checkpoint"
    elif denoiser:
        looks = f"a {name} diffusion model"
    elif vae_spec:
        looks = "a VAE"
    else:
        name = text.NAMES[texts.encoders[0].role] if texts else ""
        looks = f"{'an' if name[:1] in 'AEIO' else 'a'} {name} text encoder" if texts else "nothing"
    return ModelSpec(looks, denoiser, texts, vae_spec)


def _denoiser(header: Header) -> DenoiserSpec | None:
    for place in DENOISER_PLACES:
        for read in (
            unet.describe,
            transformers.describe_sd3,
            transformers.describe_flux,
            transformers.describe_pixart,
        ):
            if (found := read(header, place)) is not None:
                return found
    return None


def _beside(path: Path, header: Header) -> ModelSpec | None:
    """A component's file in diffusers' layout, described by the `config.json` beside it."""
    if not (path.parent / "config.json").is_file():
        return None
    return folder.read_single_component(path.parent)


def _contents(header: Header) -> str:
    if not header.tensors:
        return "It holds no tensors at all"
    names = list(header.tensors)
    shown = ", ".join(f"{n} {list(header.tensors[n].shape)}" for n in names[:3])
    return f"It has {len(names)} tensors, such as {shown}"
