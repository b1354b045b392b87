"""Moving pictures in one file: animated WebP, PNG and GIF, by Pillow."""

from __future__ import annotations

import io
import itertools
import warnings
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageSequence, UnidentifiedImageError

from nodeflow import NodeError

LARGEST = 40_000_000
"""Pixels of all frames together that are read, told from the header before anything is decoded."""
FORMATS = {
    "webp": ("WEBP", ".webp", "image/webp"),
    "png": ("PNG", ".png", "image/apng"),
    "gif": ("GIF", ".gif", "image/gif"),
}


def encode(frames: torch.Tensor, fps: float, kind: str, quality: int, lossless: bool, loop: int) -> bytes:
    """A file of [T, C, H, W], 0..1, C = 1, 3 or 4. Each frame is shown for 1000 / fps ms (GIF: in steps of 10)."""
    pictures = [_picture(frame) for frame in frames]
    options: dict[str, Any] = {"save_all": True, "append_images": pictures[1:], "loop": loop}
    options["duration"] = frame_times(len(pictures), fps, 10 if kind == "gif" else 1)
    if kind == "webp":
        options |= {"quality": quality, "lossless": lossless, "method": 4, "minimize_size": False}
    elif kind == "png":
        options |= {"default_image": False}
    else:
        options |= {"disposal": 2 if frames.shape[1] == 4 else 1}
    buffer = io.BytesIO()
    pictures[0].save(buffer, FORMATS[kind][0], **options)
    return buffer.getvalue()


def frame_times(count: int, fps: float, step: int) -> list[int]:
    """Whole milliseconds, multiples of `step`, for each of `count` frames, without drift: frame ends are rounded."""
    ends = [round(n * 1000 / fps / step) * step for n in range(count + 1)]
    return [max(step, b - a) for a, b in itertools.pairwise(ends)]


def decode(data: bytes, name: str) -> tuple[torch.Tensor, float]:
    """Frames [T, 3 or 4, H, W], 0..1, and frames a second.

    Frames that the file shows for longer are repeated, so that all frames last equally long.

    Raises:
        NodeError: if it is no such file, is too large, or damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=["WEBP", "PNG", "GIF"]) as picture:
                return _frames(picture, name)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise NodeError(_too_large(name)) from None
    except UnidentifiedImageError:
        raise NodeError(
            f"{name}: expected an animated WebP, PNG or GIF; convert films first (ffmpeg -i in.mp4 out.webp)"
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise NodeError(f"{name}: is damaged ({error})") from error


def _frames(picture: Image.Image, name: str) -> tuple[torch.Tensor, float]:
    pixels = picture.width * picture.height
    if pixels * getattr(picture, "n_frames", 1) > LARGEST:
        raise NodeError(_too_large(name))
    frames, times = [], []
    for frame in ImageSequence.Iterator(picture):
        frames.append(frame.convert("RGBA"))
        times.append(float(frame.info.get("duration") or 100))
    step = min(times)
    counts = [max(1, round(t / step)) for t in times]
    if pixels * sum(counts) > LARGEST:
        raise NodeError(_too_large(name))
    fps = 1000 * sum(counts) / sum(times)
    stack = np.stack([np.asarray(f) for f in frames]).repeat(counts, 0)
    if (stack[..., 3] == 255).all():
        stack = stack[..., :3]
    return torch.from_numpy(stack.copy()).permute(0, 3, 1, 2).float().contiguous() / 255, fps


def _too_large(name: str) -> str:
    return f"{name}: has more than {LARGEST / 1e6:.0f} megapixels in all its frames; make it smaller or shorter"


def _picture(frame: torch.Tensor) -> Image.Image:
    whole = (frame.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    if whole.shape[2] == 1:
        whole = whole.repeat(3, 2)
    return Image.fromarray(np.ascontiguousarray(whole))
