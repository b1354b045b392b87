"""Picture files to tensors and back, by Pillow. Sizes are guarded from the header before anything is decoded."""

from __future__ import annotations

import io
import re

import numpy
import torch
from PIL import Image as Pillow
from torch import Tensor

from nodeflow import NodeError
from nodeflow_nodes.image.sniff import PIXEL_CAP, guard, without_text

MEDIA = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
SUFFIX = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
ORIENTATION = 0x0112
_WAYS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""EXIF orientation to the way of making the picture upright."""


def decode(data: bytes, name: str) -> tuple[Tensor, Tensor]:
    """The frames of a picture file: colour [B, 3, H, W] and coverage (alpha) [B, 1, H, W], both float32 0..1.

    Turned upright by its EXIF orientation. 16-bit grey keeps its precision; colour profiles are not applied.

    Raises:
        NodeError: if the file is no PNG, JPEG or WebP, too large, or damaged.
    """
    header = guard(data, name)
    colours, alphas = [], []
    try:
        with Pillow.open(io.BytesIO(without_text(data)), formats=(header.format,)) as file:
            frames = getattr(file, "n_frames", 1) if header.frames > 1 else 1
            if file.width * file.height * frames > PIXEL_CAP:
                raise NodeError(f"{name}: the picture is larger than its header says; export it again")
            for frame in range(frames):
                file.seek(frame)
                colour, alpha = _frame(_upright(file))
                colours.append(colour)
                alphas.append(alpha)
    except NodeError:
        raise
    except Exception as error:  # decoders raise anything on damaged files
        raise NodeError(f"{name}: the {header.format} cannot be decoded ({error}); export it again") from None
    return torch.cat(colours), torch.cat(alphas)


def _upright(picture: Pillow.Image) -> Pillow.Image:
    """The picture turned as its EXIF orientation says; damaged EXIF data say nothing about the pixels."""
    try:
        orientation = picture.getexif().get(ORIENTATION, 1)
    except Exception:
        return picture
    way = _WAYS.get(orientation) if isinstance(orientation, int) else None
    return picture if way is None else picture.transpose(way)


def _frame(picture: Pillow.Image) -> tuple[Tensor, Tensor]:
    if picture.mode.startswith("I"):
        grey = torch.from_numpy(numpy.asarray(picture).astype(numpy.float32) / 65535).clamp_(0, 1)[None, None]
        return grey.expand(1, 3, -1, -1).contiguous(), torch.ones_like(grey)
    if picture.has_transparency_data:
        pixels = _floats(picture.convert("RGBA"))
        return pixels[:, :3].contiguous(), pixels[:, 3:].contiguous()
    pixels = _floats(picture.convert("RGB"))
    return pixels, torch.ones_like(pixels[:, :1])


def _floats(picture: Pillow.Image) -> Tensor:
    array = numpy.array(picture, dtype=numpy.uint8)
    return torch.from_numpy(array).permute(2, 0, 1)[None].to(torch.float32).div_(255).contiguous()


def to_bytes(image: Tensor, compat: bool = False) -> Tensor:
    """0..1 to 0..255 (uint8): rounded; with `compat` cut off, as ComfyUI does. NaN counts as 0."""
    scaled = image.detach().to("cpu", torch.float32).nan_to_num(0).clamp(0, 1) * 255
    return (scaled if compat else scaled.round()).to(torch.uint8)


def to_pillow(image: Tensor, compat: bool = False) -> Pillow.Image:
    """One picture [C, H, W] as a Pillow image (L, RGB or RGBA)."""
    array = to_bytes(image, compat).permute(1, 2, 0).contiguous().numpy()
    return Pillow.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def from_pillow(picture: Pillow.Image) -> Tensor:
    """A Pillow image (RGB or RGBA) as [1, C, H, W]."""
    return _floats(picture)


def encode(image: Tensor, form: str, quality: int = 90, lossless: bool = False, compat: bool = False) -> bytes:
    """One picture [C, H, W] as the bytes of a file. JPEG has no alpha: transparent pixels are put on white."""
    picture = to_pillow(image, compat)
    target = io.BytesIO()
    if form == "png":
        picture.save(target, "PNG", compress_level=6)
    elif form == "webp":
        picture.save(target, "WEBP", quality=quality, lossless=lossless, method=4, exact=True)
    else:
        if picture.mode == "RGBA":
            ground = Pillow.new("RGBA", picture.size, "white")
            picture = Pillow.alpha_composite(ground, picture).convert("RGB")
        picture.save(target, "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2, optimize=True)
    return target.getvalue()


def file_names(template: str, count: int, width: int, height: int, suffix: str) -> list[str]:
    """Readable names for `count` pictures. `{index}` (from 1), `{width}`, `{height}` are filled in; if there are
    several pictures and no `{index}`, a number is added. `/` makes folders inside the output folder.

    Raises:
        NodeError: for an empty, absolute or upward name, and for unknown fields.
    """
    stem = template.strip()
    for known in SUFFIX.values():
        stem = stem.removesuffix(known)
    parts = stem.split("/")
    bad = re.search(r'[\x00-\x1f\\:*?"<>|]', stem)
    if bad or any(part.strip(" .") == "" for part in parts) or len(stem) > 200:
        raise NodeError(
            f'file name {template!r}: expected a name such as "star" or "shapes/{{index}}", without \\ : * ? " < > |, '
            "empty parts or parts made of dots"
        )
    if unknown := set(re.findall(r"\{([^{}]*)\}", stem)) - {"index", "width", "height"}:
        fields = "{index}, {width}, {height}"
        raise NodeError(f"file name {template!r}: unknown field {{{sorted(unknown)[0]}}}; there are {fields}")
    if count > 1 and "{index}" not in stem:
        stem += "_{index}"
    digits = max(2, len(str(count)))
    names = []
    for index in range(1, count + 1):
        values = {"index": f"{index:0{digits}}", "width": str(width), "height": str(height)}
        names.append(re.sub(r"\{(\w+)\}", lambda m: values[m[1]], stem) + suffix)  # noqa: B023
    return names
