"""Every name that a LoRA file may use for a module here, and the parameters it means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from . import convert as conversions
from .convert import Target

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
        return {conversions.original_module(m, layers): [Target(f"{m}.weight")] for m in modules}
    if architecture == "mmdit":
        rename = conversions.sd3(config)
        blocks = [*conversions.SD3_BLOCK, *conversions.SD3_QKV]
        found = [f"joint_blocks.{i}.{b}" for i in range(int(config["num_layers"])) for b in blocks]
        found += [*conversions.SD3, "final_layer.adaLN_modulation.1"]
    elif architecture == "flux":
        rename = conversions.flux(config)
        double = [*conversions.FLUX_DOUBLE, *conversions.FLUX_QKV]
        single = [*conversions.FLUX_SINGLE, "linear1"]
        found = [f"double_blocks.{i}.{b}" for i in range(int(config["num_layers"])) for b in double]
        found += [f"single_blocks.{i}.{b}" for i in range(int(config["num_single_layers"])) for b in single]
        found += [*conversions.FLUX, "final_layer.adaLN_modulation.1"]
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
