"""Handles' patches applied: LoRA, IP-Adapter and textual inversions.

What is patched is a new module; the plain one, which other handles use, stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nodeflow import NodeError

from .lora import TEXT_STEM, merge, report, shared_copy, weighted_modules
from .lora_file import LoraFile
from .lora_names import denoiser_names, text_names
from .reference import add_adapter


def patch_denoiser(module: Any, patches: Sequence[Any]) -> Any:
    """A denoiser with LoRA files merged and IP-Adapters added, in order; the given one stays as it is."""
    network = shared_copy(module.network)
    names = denoiser_names(weighted_modules(network), module.spec.architecture, module.spec.config)
    for patch in patches:
        if patch.loader == "diffusion/ip_adapter":
            add_adapter(network, patch)
            continue
        if patch.loader != "diffusion/lora":
            raise NodeError(f"{patch.loader}: not a patch for a denoiser")
        lora = LoraFile(patch.path)
        used = merge(network, names, lora, patch.strength)
        meant = {stem for stem in lora.stems if not TEXT_STEM.match(stem)}
        lora.stems = {stem: parts for stem, parts in lora.stems.items() if stem in meant}
        report(lora, used, f"{module.family} model", everywhere=bool(meant))
    return module.with_network(network)


def patch_text(module: Any, patches: Sequence[Any]) -> Any:
    """Text encoders with LoRA files merged and textual inversions added, in order; the given ones stay as they are."""
    from .embeddings import read_embedding

    twin = module.twin(shared_copy)
    for patch in patches:
        if patch.loader == "diffusion/embedding":
            name = str(patch.options.get("name") or Path(patch.path).stem)
            twin = twin.with_embeddings({name: read_embedding(Path(patch.path))})
            continue
        if patch.loader != "diffusion/lora":
            raise NodeError(f"{patch.loader}: not a patch for text encoders")
        lora = LoraFile(patch.path)
        lora.stems = {stem: parts for stem, parts in lora.stems.items() if TEXT_STEM.match(stem)}
        rounded = (lambda w: w.half().float()) if patch.options.get("compat") else None
        used: set[str] = set()
        for index, encoder in enumerate(twin.encoders):
            names = text_names(weighted_modules(encoder.module), index, len(twin.encoders))
            used |= merge(encoder.module, names, lora, patch.strength, rounded)
        report(lora, used, f"{module.family} text encoder", everywhere=bool(lora.stems))
    return twin
