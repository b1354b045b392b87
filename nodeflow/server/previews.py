"""Intermediate pictures on their way to a browser: few, small, encoded in the worker."""

from __future__ import annotations

import io
import time
from typing import Any, Final

INTERVAL_S: Final = 1 / 8
"""A node's previews are at least so far apart."""

MAX_EDGE: Final = 512
"""Larger pictures are made smaller: a preview is looked at inside a node."""

_MAGIC: Final = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


class Throttle:
    """Lets a node's preview pass if the last one that passed is old enough."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval = interval_s
        self._last: dict[str, float] = {}

    def __call__(self, node: str) -> bool:
        now = time.monotonic()
        if now - self._last.get(node, -1e9) < self._interval:
            return False
        self._last[node] = now
        return True


def encoded(image: Any) -> tuple[str, bytes] | None:
    """(media type, bytes) of what a node gave: a tensor [C, H, W] or [B, C, H, W] 0..1, of which the first is shown,
    or a file's bytes. None for anything else."""
    if isinstance(image, bytes):
        return next(((media, image) for magic, media in _MAGIC if image.startswith(magic)), None)
    shape: tuple[int, ...] = tuple(getattr(image, "shape", ()))
    if len(shape) == 4 and shape[0] > 0:
        image, shape = image[0], shape[1:]
    if len(shape) != 3 or shape[0] not in (1, 3, 4) or 0 in shape:
        return None
    from PIL import Image

    from nodeflow.export import pixels

    picture = Image.fromarray(pixels(image)).convert("RGB")
    picture.thumbnail((MAX_EDGE, MAX_EDGE))
    buffer = io.BytesIO()
    if max(picture.size) <= 64:  # a latent: JPEG would blur what there is
        picture.save(buffer, "WEBP", lossless=True)
        return "image/webp", buffer.getvalue()
    picture.save(buffer, "JPEG", quality=80)
    return "image/jpeg", buffer.getvalue()
