"""Making pictures fit each other: batches, channels, alpha, colours given as text."""

from __future__ import annotations

import torch
from torch import Tensor

from nodeflow import NodeError

LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue in the luminance of Rec. 709."""


def same_batch(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Tensors expanded to one batch size: those of size 1 are repeated (without a copy).

    Raises:
        NodeError: if two sizes above 1 differ.
    """
    sizes = {t.shape[0] for t in tensors} - {1}
    if len(sizes) > 1:
        raise NodeError(
            f"expected batches of one size (or single items), got {' and '.join(str(t.shape[0]) for t in tensors)} "
            "items; pick or repeat items so that they match"
        )
    size = sizes.pop() if sizes else 1
    return tuple(t.expand(size, *t.shape[1:]) for t in tensors)


def split_alpha(image: Tensor) -> tuple[Tensor, Tensor | None]:
    """Colour (1 or 3 channels) and alpha (None if there is none)."""
    return (image[:, :3], image[:, 3:]) if image.shape[1] == 4 else (image, None)


def join_alpha(colour: Tensor, alpha: Tensor | None) -> Tensor:
    """The inverse of `split_alpha`; grey with alpha becomes RGBA."""
    if alpha is None:
        return colour
    return torch.cat([to_rgb(colour), alpha], dim=1)


def to_rgb(image: Tensor) -> Tensor:
    """Three channels: grey is repeated, alpha is dropped."""
    return image.expand(-1, 3, -1, -1) if image.shape[1] == 1 else image[:, :3]


def to_channels(image: Tensor, channels: int) -> Tensor:
    """The same pictures with 3 or 4 channels; new alpha is 1."""
    if image.shape[1] == channels:
        return image
    if channels == 4:
        return torch.cat([to_rgb(image), torch.ones_like(image[:, :1])], dim=1)
    return to_rgb(image)


def same_channels(*images: Tensor) -> tuple[Tensor, ...]:
    """All with as many channels as the one that has most."""
    most = max(image.shape[1] for image in images)
    return tuple(to_channels(image, most) for image in images)


def luminance(image: Tensor) -> Tensor:
    """[B, 1, H, W]: .2126 R + .7152 G + .0722 B of the stored values; grey as it is; alpha is not looked at."""
    if image.shape[1] == 1:
        return image
    weights = torch.tensor(LUMA, dtype=image.dtype, device=image.device).view(1, 3, 1, 1)
    return (image[:, :3] * weights).sum(1, keepdim=True)


def parse_color(text: str) -> tuple[float, float, float, float]:
    """A CSS colour (`#f80`, `#ff8800`, `#ff880080`, `orange`, `rgb(255, 136, 0)`) as RGBA, 0..1.

    Raises:
        NodeError: if it is none.
    """
    from PIL import ImageColor

    try:
        numbers = ImageColor.getrgb(text.strip())
    except (ValueError, OverflowError):
        raise NodeError(f'colour {text[:80]!r}: expected a form like "#ff8800", "#ff880080" or "orange"') from None
    red, green, blue, *alpha = (min(max(n, 0), 255) / 255 for n in numbers)
    return red, green, blue, (alpha[0] if alpha else 1.0)


def color_tensor(text: str, like: Tensor) -> Tensor:
    """A colour as [1, C, 1, 1] for pictures `like`: luminance for grey ones, with alpha for RGBA."""
    values = torch.tensor(parse_color(text), dtype=like.dtype, device=like.device).view(1, 4, 1, 1)
    return luminance(values[:, :3]) if like.shape[1] == 1 else values[:, : like.shape[1]]


def items(images: Tensor | list[Tensor], what: str = "pictures") -> list[Tensor]:
    """Single pictures [C, H, W] from a batch, or from a list of batches."""
    batches = images if isinstance(images, list) else [images]
    found = [item for batch in batches for item in batch]
    if not found:
        raise NodeError(f"expected at least one of {what}, got an empty list")
    return found


def place(item: int, count: int, what: str = "pictures") -> int:
    """An index into a batch, negative ones counted from the end.

    Raises:
        NodeError: if there is no such item.
    """
    if not -count <= item < count:
        raise NodeError(f"index {item}: there are {count} {what} (0 to {count - 1}, or -{count} to -1 from the end)")
    return item % count
