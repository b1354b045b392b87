"""LoRA files: which modules they change and by how much, merged into new weights in float32.

Layouts: kohya (`lora_unet_...`, `lora_te_...`, with `.` written as `_`), diffusers and peft (`unet.`, `transformer.`,
`text_encoder.` with `.lora_A/.lora_B` or `.lora.down/.up`), the original models' own names (`diffusion_model.`), and
LyCORIS' LoHa, LoKr, LoCon, DoRA and full differences. Formulas: NUMERICS §8. A merged module is a new one that shares
every unchanged tensor with the plain one.
"""

from __future__ import annotations

import copy
import json
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nodeflow import NodeError

from . import convert as conversions
from .convert import Target, take
from .header import read_header
from .tensors import TensorFile

log = logging.getLogger("nodeflow.diffusion")

PARTS = re.compile(
    r"(?P<stem>.+?)(?:\.|_)(?P<part>"
    r"lora_(?:up|down|mid)\.weight|lora_[AB](?:\.default)?\.weight|lora\.(?:up|down)\.weight|lora\.(?:up|down)|"
    r"lora_linear_layer\.(?:up|down)\.weight|alpha|dora_scale|lora_magnitude_vector(?:\.default)?(?:\.weight)?|"
    r"hada_w[12]_[ab]|hada_t[12]|lokr_w[12](?:_[ab])?|lokr_t2|diff_b|diff)"
)
PART_NAMES = {"lora_A": "down", "lora_B": "up", "lora_down": "down", "lora_up": "up", "lora_mid": "mid"}


def part_name(part: str) -> str:
    """The plain name of a part: "up", "down", "mid", "alpha", "dora", or LyCORIS' own."""
    if part.startswith(("lora_magnitude_vector", "dora_scale")):
        return "dora"
    if part.startswith(("lora.", "lora_linear_layer.")):
        return "down" if ".down" in part else "up"
    return PART_NAMES.get(part.partition(".")[0], part)


class LoraFile:
    """A LoRA file by the modules that it names: stem -> parts."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.file = TensorFile(self.path, "", torch.float32)
        self.stems: dict[str, dict[str, str]] = {}
        self.unknown: list[str] = []
        for key in self.file.entries:
            match = PARTS.fullmatch(key)
            if match is None:
                self.unknown.append(key)
                continue
            stem = match["stem"].replace(".processor", "")
            self.stems.setdefault(stem, {})[part_name(match["part"])] = key
        if not self.stems:
            raise NodeError(f"{path}: no LoRA: none of its {len(self.file)} tensors has a LoRA's name")
        self.alphas = peft_alphas(self.path)

    def part(self, stem: str, name: str) -> Tensor | None:
        key = self.stems[stem].get(name)
        return None if key is None else self.file[key]

    def scale(self, stem: str, rank: int | None) -> float:
        """alpha / rank; 1 where the file has no alpha."""
        alpha = self.part(stem, "alpha")
        if rank is None or not rank:
            return 1.0
        if alpha is not None:
            return float(alpha) / rank
        given = self.alphas.get(stem.partition(".")[0])
        return given / rank if given else 1.0

    def change(self, stem: str, weight: Tensor, strength: float) -> Tensor:
        """What `weight` becomes, float32, in its own shape.

        Raises:
            NodeError: if the parts do not fit the weight: names the module and both shapes.
        """
        parts = self.stems[stem]
        try:
            if "diff" in parts:
                delta, scale = self._get(stem, "diff"), 1.0
            elif "hada_w1_a" in parts:
                delta, scale = self._hadamard(stem)
            elif any(name.startswith("lokr_") for name in parts):
                delta, scale = self._kronecker(stem, weight.ndim)
            else:
                delta, scale = self._low_rank(stem)
            delta = delta.reshape(weight.shape)
        except (RuntimeError, KeyError) as error:
            shapes = ", ".join(f"{name} {list(self.file.entries[key].shape)}" for name, key in parts.items())
            raise NodeError(
                f"{self.path.name}: {stem} ({shapes}) does not fit a weight of shape {list(weight.shape)}: "
                "is this LoRA for another model?"
            ) from error
        base = weight.float()
        if (dora := self.part(stem, "dora")) is not None:
            moved = base + delta * scale
            return base + strength * (_renormalise(moved, dora) - base)
        return base + (strength * scale) * delta

    def _get(self, stem: str, name: str) -> Tensor:
        value = self.part(stem, name)
        if value is None:
            raise KeyError(name)
        return value

    def _low_rank(self, stem: str) -> tuple[Tensor, float]:
        up, down, mid = self._get(stem, "up"), self._get(stem, "down"), self.part(stem, "mid")
        rank = down.shape[0]
        if mid is not None:
            delta = torch.einsum("or,rshw,si->oihw", up.flatten(1), mid, down.flatten(1))
        else:
            delta = up.flatten(1) @ down.flatten(1)
        return delta, self.scale(stem, rank)

    def _hadamard(self, stem: str) -> tuple[Tensor, float]:
        halves = []
        for index in (1, 2):
            a, b, core = (self.part(stem, n) for n in (f"hada_w{index}_a", f"hada_w{index}_b", f"hada_t{index}"))
            if a is None or b is None:
                raise KeyError(f"hada_w{index}")
            halves.append(a @ b if core is None else torch.einsum("ijkl,jr,ip->prkl", core, b, a))
        return halves[0] * halves[1], self.scale(stem, self._get(stem, "hada_w1_b").shape[0])

    def _kronecker(self, stem: str, ndim: int) -> tuple[Tensor, float]:
        factors, rank = [], None
        for index in (1, 2):
            whole = self.part(stem, f"lokr_w{index}")
            if whole is None:
                a, b = self._get(stem, f"lokr_w{index}_a"), self._get(stem, f"lokr_w{index}_b")
                core = self.part(stem, "lokr_t2") if index == 2 else None
                rank = b.shape[0]
                whole = a @ b if core is None else torch.einsum("ijkl,jr,ip->prkl", core, b, a)
            factors.append(whole)
        first, second = factors
        if second.ndim == 4:
            first = first[:, :, None, None]
        return torch.kron(first.contiguous(), second.contiguous()), self.scale(stem, rank)


def peft_alphas(path: Path) -> dict[str, float]:
    """alpha of each component (`transformer`, `unet`, ...) as diffusers writes it into the file's metadata."""
    try:
        values = json.loads(read_header(path).metadata.get("lora_adapter_metadata", "{}"))
    except ValueError:
        return {}
    result = {}
    for key, value in values.items() if isinstance(values, dict) else ():
        component, _, name = str(key).rpartition(".")
        if name == "lora_alpha" and isinstance(value, (int, float)):
            result[component] = float(value)
    return result


def _renormalise(moved: Tensor, magnitude: Tensor) -> Tensor:
    """DoRA (Liu et al. 2024): `moved` with the norms that `magnitude` gives, along the axis that it has."""
    magnitude = magnitude.float()
    if magnitude.ndim == 1:
        magnitude = magnitude.reshape(-1, *[1] * (moved.ndim - 1))
    if magnitude.ndim < moved.ndim:
        magnitude = magnitude.reshape(*magnitude.shape, *[1] * (moved.ndim - magnitude.ndim))
    axes = [axis for axis in range(moved.ndim) if magnitude.shape[axis] == 1]
    return magnitude * moved / moved.norm(dim=axes, keepdim=True)


# --- names --------------------------------------------------------------------------------------------------------

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


# --- merging ------------------------------------------------------------------------------------------------------


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


def patch_denoiser(module: Any, patches: Sequence[Any]) -> Any:
    """A denoiser with LoRA files merged, in order; the given one stays as it is."""
    network = shared_copy(module.network)
    names = denoiser_names(weighted_modules(network), module.spec.architecture, module.spec.config)
    for patch in patches:
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
