"""What a key of a file becomes: a parameter's name here, and which part of the tensor it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

Tensor: TypeAlias = Any
"""A `torch.Tensor`: names are converted without torch, too."""
Tensors: TypeAlias = dict[str, Tensor]


class Target(NamedTuple):
    """A parameter's name here, and which part of the file's tensor it is.

    part: "" all of it; "i/n" the i-th of n equal groups of rows; "a:b" rows a to b; "swap" with the two halves of its
    rows exchanged; "matrix" a 1x1 convolution as a matrix; "transposed".
    """

    name: str
    part: str = ""


Rename: TypeAlias = Callable[[str], Iterable[Target]]


def take(tensor: Tensor, part: str) -> Tensor:
    """The part of `tensor` that a `Target` names."""
    if not part:
        return tensor
    if part == "swap":
        first, second = tensor.chunk(2)
        return _cat(second, first)
    if part == "matrix":
        return tensor.reshape(tensor.shape[:2]) if tensor.ndim > 2 else tensor
    if part == "transposed":
        return tensor.T.contiguous()
    if ":" in part:
        start, stop = map(int, part.split(":"))
        return tensor[start:stop]
    index, count = map(int, part.split("/"))
    return tensor.chunk(count)[index]


def _cat(*parts: Tensor) -> Tensor:
    import torch

    return torch.cat(parts)
