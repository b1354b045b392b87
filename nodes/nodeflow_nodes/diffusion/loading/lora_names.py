"""Every name that a LoRA file may use for a module here, and the parameters it means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .keys import transformers, unet
from .keys.target import Target

Names = dict[str, list[Target]]


def denoiser_names(modules: Iterable[str], architecture: str, config: dict[str, Any]) -> Names:
    """Every name that a LoRA file may use for the denoiser's modules -> the parameters it means."""
    names: Names = {}
    modules = list(modules)
    for module in modules:
        targets = [Target(f"{module}.weight")]
        flat = module.replace(".", "_")
        for name in (module, f"unet.{module}", f"transformer.{module}", f"diffusion_model.{module}"):
            names[name] = targets
            names[name.removesuffix(".0") if name.endswith("to_out.0") else name] = targets
        for prefix in ("lora_unet_", "lora_transformer_", "lycoris_"):
            names[prefix + flat] = targets
    for original, targets in originals(modules, architecture, config).items():
        names[f"diffusion_model.{original}"] = names[f"model.diffusion_model.{original}"] = targets
        names["lora_unet_" + original.replace(".", "_")] = targets
        names["lycoris_" + original.replace(".", "_")] = targets
    return names


def originals(modules: Sequence[str], architecture: str, config: dict[str, Any]) -> Names:
    """The modules' names in the original layout -> the parameters here."""
    if architecture == "unet":
        layers = int(config["layers_per_block"])
        return {unet.original_module(m, layers): [Target(f"{m}.weight")] for m in modules}
    if architecture == "mmdit":
        rename = transformers.sd3(config)
        found = transformers.SD3_BLOCKS.originals("joint_blocks", int(config["num_layers"]))
        found += [*transformers.SD3, transformers.FINAL]
    elif architecture == "flux":
        rename, blocks = transformers.flux(config), transformers.flux_blocks(config)
        found = blocks["double_blocks"].originals("double_blocks", int(config["num_layers"]))
        found += blocks["single_blocks"].originals("single_blocks", int(config["num_single_layers"]))
        found += [*transformers.FLUX, transformers.FINAL]
    elif architecture == "pixart":
        rename = transformers.pixart(config)
        found = transformers.PIXART_BLOCKS.originals("blocks", int(config["num_layers"]))
        found += [name for name in transformers.PIXART if "." in name]
    else:
        return {}
    return {name: list(rename(f"{name}.weight")) for name in found}


def text_names(modules: Iterable[str], index: int, count: int) -> Names:
    """Every name that a LoRA file may use for the modules of text encoder number `index` (of `count`)."""
    flats = [f"lora_te{index + 1}_", *(["lora_te_"] if index == 0 else [])]
    dotted = ["text_encoder." if index == 0 else f"text_encoder_{index + 1}."]
    if count == 1:
        dotted += ["te."]
    names: Names = {}
    for module in modules:
        targets = [Target(f"{module}.weight")]
        for inner in (module, f"text_model.{module}"):
            for prefix in dotted:
                names[prefix + inner] = targets
            for prefix in flats:
                names[prefix + inner.replace(".", "_")] = targets
    return names
