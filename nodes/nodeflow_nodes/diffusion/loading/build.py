"""Modules from descriptions: built without memory, then given the file's tensors, each checked by name and shape."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nodeflow import NodeError

from .spec import Source
from .tensors import half_precision, stored_bytes

PRECISIONS = ("auto", "float32", "float16", "bfloat16", "mapped")
LARGE = 128 << 20


def precisions(
    precision: str, device: str, source: Source, *, steady: bool = False
) -> tuple[torch.dtype | None, torch.dtype]:
    """The dtype that weights are kept in (None: as stored) and the one to compute in.

    "auto" computes in float32 on a CPU, elsewhere in the file's half precision (float16 if it has none). "mapped" keeps
    what the file has, mapped, and makes each weight float32 only while it is used: the same bits as float32, at the
    memory of the file's pages and some time at each step. On a CPU "auto" does that too from `LARGE` bytes on, where
    converting would take longer than all the steps of a picture lose by it.

    Args:
        steady: the network overflows in float16 (VAEs) or is worth its digits (text encoders): "auto" computes in
            float32 everywhere.
    """
    if precision == "auto" and device != "cpu" and not steady:
        dtype = half_precision(source)
        return dtype, dtype
    if precision == "mapped" or (precision == "auto" and stored_bytes(source) >= LARGE):
        return None, torch.float32
    if precision == "auto":
        precision = "float32"
    dtype = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}.get(precision)
    if dtype is None:
        raise NodeError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    return dtype, dtype


class NoDrawing(TorchFunctionMode):
    """Leave out the drawing of first weights. On the meta device it would draw nothing anyway, but `normal_` there
    imports the compiler (torch._dynamo, 1.5 s)."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def build(
    make: Callable[[], nn.Module],
    tensors: Mapping[str, Tensor],
    device: str,
    *,
    where: Path | str,
    kept: torch.dtype | None,
    optional: frozenset[str] = frozenset(),
    finish: Callable[[Any], None] = lambda module: None,
) -> nn.Module:
    """Make a module on the meta device and give it `tensors` without copying them.

    Args:
        make: builds the module; called with the meta device as default, so no memory is used and nothing is drawn.
        tensors: by parameter name; further ones are an error, except those in `optional`.
        where: what to call the file in messages.
        finish: gives buffers that no file holds, and that are computed, their values.
        kept: the dtype weights are kept in; None: mixed, as stored, computed in float32 (see `keep_as_stored`).

    Raises:
        NodeError: names each tensor that is missing, superfluous or of another shape (the first few of each).
    """
    with torch.device("meta"), NoDrawing():
        module = make()
    wanted = module.state_dict()
    wrong = [
        f"{name}: expected {list(wanted[name].shape)}, found {list(tensor.shape)}"
        for name, tensor in tensors.items()
        if name in wanted and wanted[name].shape != tensor.shape
    ]
    missing = sorted(wanted.keys() - tensors.keys())
    surplus = sorted(tensors.keys() - wanted.keys() - optional)
    if wrong or missing or surplus:
        raise NodeError(_mismatch(where, type(module).__name__, wrong, missing, surplus))
    module.load_state_dict({name: tensors[name] for name in wanted}, strict=True, assign=True)
    finish(module)
    restore_buffers(module)
    module.requires_grad_(False)
    module.eval()
    if kept is None:
        keep_as_stored(module)
    return module if device == "cpu" else module.to(device)


def _mismatch(where: Path | str, kind: str, wrong: list[str], missing: list[str], surplus: list[str]) -> str:
    parts = [f"{where}: does not fit {kind}"]
    for label, items in (("of another shape", wrong), ("missing", missing), ("not known", surplus)):
        if items:
            more = f" and {len(items) - 3} more" if len(items) > 3 else ""
            parts.append(f"{len(items)} tensor{'s' * (len(items) > 1)} {label}: {'; '.join(items[:3])}{more}")
    return "; ".join(parts)


def restore_buffers(module: nn.Module) -> None:
    """Give buffers that no file holds their values: `position_ids` is 0, 1, 2, ...

    Raises:
        NodeError: if another buffer is left without a value.
    """
    for prefix, part in module.named_modules():
        for name, buffer in list(part._buffers.items()):
            if buffer is None or not buffer.is_meta:
                continue
            if name != "position_ids":
                raise NodeError(f"{type(module).__name__}: buffer {prefix}.{name} has no value")
            part._buffers[name] = torch.arange(buffer.numel(), device="cpu").reshape(buffer.shape)


# --- weights as stored, arithmetic in float32 ---------------------------------------------------------------------

_scratch = threading.local()


def float_copy(weight: Tensor, like: Tensor) -> Tensor:
    """`weight` in the dtype of `like`, in memory that the next call on this thread uses again: a fresh copy of each
    weight at each step would cost more than the conversion."""
    if weight.dtype == like.dtype:
        return weight
    buffer = getattr(_scratch, "buffer", None)
    if buffer is None or buffer.numel() < weight.numel() or buffer.dtype != like.dtype or buffer.device != like.device:
        buffer = _scratch.buffer = torch.empty(weight.numel(), dtype=like.dtype, device=like.device)
    return buffer[: weight.numel()].view(weight.shape).copy_(weight)


class StoredLinear(nn.Linear):
    """A linear layer that makes its weights float32 only while it computes."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return nn.functional.linear(x, float_copy(self.weight, x), bias)


class StoredConv2d(nn.Conv2d):
    """A convolution that makes its weights float32 only while it computes."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return self._conv_forward(x, float_copy(self.weight, x), bias)


class StoredEmbedding(nn.Embedding):
    """A table whose rows are made float32 when they are looked up."""

    def forward(self, ids: Tensor) -> Tensor:
        return super().forward(ids).float()


STORED: dict[type[nn.Module], Any] = {
    nn.Linear: StoredLinear, nn.Conv2d: StoredConv2d, nn.Embedding: StoredEmbedding,
}  # fmt: skip


def keep_as_stored(module: nn.Module) -> None:
    """Leave large weights in the file's dtype, to be converted layer by layer as they are used; small ones (norms,
    tables) become float32 now. The results are those of a float32 model."""
    for part in module.modules():
        if type(part) in STORED:
            if part.weight.dtype != torch.float32:
                part.__class__ = STORED[type(part)]
            continue
        for name, value in list(part._parameters.items()):
            if value is not None and value.is_floating_point():
                part._parameters[name] = nn.Parameter(value.float(), requires_grad=False)
        for name, buffer in list(part._buffers.items()):
            if buffer is not None and buffer.is_floating_point():
                part._buffers[name] = buffer.float()
