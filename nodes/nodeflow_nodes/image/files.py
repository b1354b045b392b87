"""Picture files: load, save, preview."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from nodeflow import Artefact, Context, File, Image, InputFile, Mask, NodeError, Range, node

PictureFile = Annotated[File, InputFile((".png", ".jpg", ".jpeg", ".webp"))]
Format = Literal["png", "jpeg", "webp"]


class Loaded(NamedTuple):
    image: Image
    mask: Mask


def _read(file: File) -> bytes:
    try:
        return Path(file.path).read_bytes()
    except OSError as error:
        raise NodeError(f"{file.name}: cannot be read: {error.strerror or error}") from None


@node("image/load")
def load(path: PictureFile, channels: Literal["rgb", "rgba", "grey"] = "rgb") -> Loaded:
    """Load a picture from a file.

    PNG, JPEG and WebP; what it is is told by its content, not by its name. It is turned upright by its EXIF
    orientation. A moving picture becomes a batch of its frames. At most 40 megapixels, all frames together.

    Args:
        path: the file, inside the input folders.
        channels: `rgb` drops the transparency, `rgba` keeps it as a fourth channel, `grey` gives the luminance.

    Returns:
        image: the picture, 0..1.
        mask: 1 where the picture is transparent, 0 where it is solid (all 0 if it has no transparency): what
            inpainting would fill in.

    Raises:
        NodeError: if the file is no such picture, is too large, or is damaged.
    """
    from nodeflow_nodes.image.ops import files, shape

    colour, alpha = files.decode(_read(path), path.name)
    if channels == "rgba":
        image = shape.join_alpha(colour, alpha)
    else:
        image = shape.luminance(colour) if channels == "grey" else colour
    return Loaded(image, 1 - alpha)


@node("image/save", effects=True)
def save(
    image: Image,
    name: str = "image",
    format: Format = "png",
    quality: Annotated[int, Range(1, 100)] = 90,
    lossless: bool = False,
    compat: bool = False,
    *,
    ctx: Context,
) -> list[Artefact]:
    """Save pictures as files, one a picture, with the recipe that made them inside.

    Args:
        image: the pictures.
        name: readable name in the output folder, without the suffix. `{index}` becomes the number of the picture in the
            batch (from 1), `{width}` and `{height}` its size in pixels; `/` makes folders. A number is added if several
            pictures would get one name.
        format: `png` keeps every pixel; `jpeg` and `webp` are smaller. JPEG has no transparency (it becomes white).
        quality: of JPEG and lossy WebP, 1..100.
        lossless: WebP that keeps every pixel.
        compat: cut values off to 8 bits as ComfyUI does, instead of rounding them.

    Returns:
        The saved files, in the order of the batch.
    """
    from nodeflow_nodes.image.ops import files

    count, _, height, width = image.shape
    names = files.file_names(name, count, width, height, files.SUFFIX[format])
    saved = []
    for number, (item, file_name) in enumerate(zip(image, names, strict=True), start=1):
        data = files.encode(item, format, quality, lossless, compat)
        saved.append(ctx.save(data, file_name, files.MEDIA[format]))
        ctx.progress(number, count)
    return saved


@node("image/preview", effects=True)
def preview(image: Image, *, ctx: Context) -> Image:
    """Show pictures, without saving a file.

    Args:
        image: the pictures; they are passed on as they are.
    """
    ctx.preview(image)
    return image
