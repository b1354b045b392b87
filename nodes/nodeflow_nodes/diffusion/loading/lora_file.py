"""LoRA files: which modules they name, and what a weight becomes by them.

Layouts: kohya (`lora_unet_...`, `lora_te_...`, with `.` written as `_`), diffusers and peft (`unet.`, `transformer.`,
`text_encoder.` with `.lora_A/.lora_B` or `.lora.down/.up`), the original models' own names (`diffusion_model.`), and
LyCORIS' LoHa, LoKr, LoCon, DoRA and full differences. Formulas: NUMERICS §8.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from torch import Tensor

from nodeflow import NodeError

from .header import read_header
from .tensors import TensorFile

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
