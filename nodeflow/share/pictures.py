"""Two pictures compared: largest and mean difference, PSNR; and thumbnails. Pillow and numpy only.

Sizes are read from the header before anything is decoded, and pictures beyond `MAX_PIXELS` are not decoded.
"""

from __future__ import annotations

import base64
import io
import math
import warnings
from dataclasses import dataclass
from typing import Any

from nodeflow.errors import NodeflowError
from nodeflow.share.embed import is_picture
from nodeflow.share.lock import THUMBNAIL

MAX_PIXELS = 40_000_000


class PictureError(NodeflowError):
    """A picture that cannot be looked at; the message says why."""


@dataclass(frozen=True)
class Difference:
    """How two pictures of one size differ: shares of the full range (0..1).

    psnr: 10 log10(1 / mean squared difference) in dB; None if every pixel is equal. differing: share of pixels.
    """

    maximum: float
    mean: float
    psnr: float | None
    differing: float = 0.0

    def __str__(self) -> str:
        if self.psnr is None:
            return "every pixel is equal"
        return (
            f"largest difference {self.maximum:.4f}, mean {self.mean:.6f}, PSNR {self.psnr:.1f} dB, "
            f"{self.differing:.1%} of the pixels"
        )

    def to_json(self) -> dict[str, Any]:
        return {"max": self.maximum, "mean": self.mean, "psnr": self.psnr, "differing": self.differing}


def opened(data: bytes) -> Any:
    """The first frame of a picture as a Pillow image in L, LA, RGB or RGBA.

    Raises:
        PictureError: it is damaged, too large, or no PNG, WebP or JPEG.
    """
    from PIL import Image

    if not is_picture(data):
        raise PictureError("no PNG, WebP or JPEG picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the size: it is looked at below
            picture = Image.open(io.BytesIO(data), formats=("PNG", "WEBP", "JPEG"))
            if picture.width * picture.height > MAX_PIXELS:
                raise PictureError(f"{picture.width}x{picture.height} pixels; at most {MAX_PIXELS:,} are compared")
            picture.load()
            return picture if picture.mode in ("L", "LA", "RGB", "RGBA") else picture.convert("RGBA")
    except PictureError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever they like on damaged files
        raise PictureError(f"the picture is damaged: {type(error).__name__}: {error}"[:200]) from None


def compare(a: Any, b: Any) -> Difference | None:
    """How two Pillow images differ; None if their sizes do."""
    import numpy as np

    if a.size != b.size:
        return None
    mode = a.mode if a.mode == b.mode else "RGBA"
    left, right = (np.asarray(p.convert(mode), dtype=np.float32) / 255 for p in (a, b))
    gap = np.abs(left - right)
    squared = float(np.mean(np.square(gap, dtype=np.float64)))
    differing = gap.reshape(gap.shape[0], gap.shape[1], -1).max(axis=2) > 0
    psnr = 10 * math.log10(1 / squared) if squared else None
    return Difference(float(gap.max()), float(gap.mean(dtype=np.float64)), psnr, float(differing.mean()))


def reduced(picture: Any) -> Any:
    """The picture, made smaller if its longer side has more than `THUMBNAIL` pixels."""
    from PIL import Image

    share = THUMBNAIL / max(picture.size)
    if share >= 1:
        return picture
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    return picture.resize(size, Image.Resampling.BOX)


def thumbnail(picture: Any) -> str:
    """A small PNG of the picture in base64; the picture itself, pixel by pixel, if it is small."""
    buffer = io.BytesIO()
    reduced(picture).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
