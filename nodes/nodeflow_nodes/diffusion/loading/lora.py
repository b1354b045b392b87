"""LoRA files merged into new weights in float32. A merged module shares every unchanged tensor with the plain one."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nodeflow import NodeError

from .keys.target import Target, take
from .lora_file import LoraFile
from .lora_names import Names

log = logging.getLogger("nodeflow.diffusion")


def shared_copy(module: nn.Module) -> nn.Module:
    """A module of the same shape that shares all tensors: its parameters can be replaced without touching the other."""
    twin = copy.copy(module)
    twin._parameters = dict(module._parameters)
    twin._buffers = dict(module._buffers)
    twin._modules = {n: None if m is None else shared_copy(m) for n, m in module._modules.items()}
    return twin


def weighted_modules(module: nn.Module) -> list[str]:
    """Names of the modules that have a matrix or a kernel, which a LoRA can change."""
    return [
        name
        for name, part in module.named_modules()
        if isinstance(getattr(part, "weight", None), Tensor) and part.weight.ndim >= 2
    ]


def merge(
    module: nn.Module, names: Names, lora: LoraFile, strength: float, finish: Callable[[Tensor], Tensor] | None = None
) -> set[str]:
    """Replace the weights of `module` (a `shared_copy`) that `lora` changes; returns the stems that fitted.

    finish: applied to each merged weight, float32, before it is kept.
    """
    used: set[str] = set()
    for stem in lora.stems:
        targets = names.get(stem)
        if targets is None:
            continue
        used.add(stem)
        owners = [module.get_submodule(target.name.removesuffix(".weight")) for target in targets]
        if len(targets) == 1 and not targets[0].part:
            _replace(owners[0], lora.change(stem, owners[0].weight, strength), finish)
            if (bias := lora.part(stem, "diff_b")) is not None and owners[0].bias is not None:
                merged = owners[0].bias.float() + strength * bias
                owners[0]._parameters["bias"] = _parameter(merged.to(owners[0].bias.dtype))
            continue
        fused = _fuse([owner.weight for owner in owners], targets)
        changed = lora.change(stem, fused, strength)
        for owner, target in zip(owners, targets, strict=True):
            _replace(owner, take(changed, target.part).contiguous(), finish)
    return used


def _fuse(weights: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
    """The file's tensor of which `weights` are the parts."""
    if targets[0].part == "swap":
        return take(weights[0], "swap")
    if targets[0].part in ("matrix", ""):
        return weights[0]
    return torch.cat([w.float() for w in weights])


def _replace(owner: nn.Module, weight: Tensor, finish: Callable[[Tensor], Tensor] | None) -> None:
    old = owner.weight
    weight = weight if finish is None else finish(weight)
    kept = old.dtype if old.dtype in (torch.float16, torch.bfloat16) and not _stored(owner) else torch.float32
    owner._parameters["weight"] = _parameter(weight.to(dtype=kept, device=old.device))


def _stored(owner: nn.Module) -> bool:
    """Whether the module computes in float32 with weights as stored; a merged weight is float32 then."""
    return type(owner).__name__.startswith("Stored")


def _parameter(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)


def report(lora: LoraFile, used: set[str], what: str, everywhere: bool) -> None:
    """Say which keys were not used; an error if none was at all, although they are meant for this kind of module."""
    unused = sorted(set(lora.stems) - used)
    if everywhere and not used:
        raise NodeError(
            f"{lora.path.name}: none of its {len(lora.stems)} modules is in this {what}, for example "
            f"{', '.join(unused[:3])}: the LoRA was made for another model"
        )
    if unused or lora.unknown:
        names = [*unused, *lora.unknown]
        log.warning("%s: %d keys were not used, for example %s", lora.path.name, len(names), ", ".join(names[:3]))


TEXT_STEM = re.compile(r"(lora_te\d?_|text_encoder|te\.)")
