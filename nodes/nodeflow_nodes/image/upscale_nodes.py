"""Nodes that enlarge pictures by a network that has learned what detail looks like."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from nodeflow import Context, File, Image, ModelFile, NodeError, Range, UpscaleModel, node, weights_loader
from nodeflow_nodes.image.size import check_size

Precision = Literal["auto", "float32", "float16", "bfloat16", "mapped"]
Tile = Annotated[int, Range(0, 4096, step=64, unit="px")]


@node("image/load_upscale_model", title="Load upscale model")
def load_upscale_model(
    model: Annotated[File, ModelFile("upscale_models")], precision: Precision = "auto"
) -> UpscaleModel:
    """Load a network that enlarges pictures: ESRGAN, Real-ESRGAN (also its compact ones), SPAN, SwinIR.

    Which of them a file holds, and by how much it enlarges (1 to 8 times), is read from the file's header.
    Weights are read when they are first needed. Many such models are published as `.pth`: those are pickled and can run
    code when they are opened, so they are not read; use a `.safetensors` version.

    Args:
        model: a `.safetensors` file below the model folders' `upscale_models` (or A1111's `ESRGAN`, `RealESRGAN`).
        precision: how numbers are kept; `auto` is float32 on a CPU, half elsewhere.

    Raises:
        NodeError: if the file is damaged, pickled, no upscale model, or one of an unknown kind; the message says which.
    """
    from nodeflow_nodes.image.upscale.detect import read_upscaler

    read_upscaler(model.path)
    options = {} if precision == "auto" else {"precision": precision}
    return UpscaleModel("image/upscale_model", model.path, model.digest, options)


@weights_loader("image/upscale_model")
def _upscale_model(handle: Any, device: str) -> Any:
    from nodeflow_nodes.image.upscale.detect import read_upscaler
    from nodeflow_nodes.image.upscale.load import load_upscaler

    return load_upscaler(read_upscaler(handle.path), handle.options.get("precision", "auto"), device)


@node("image/upscale_with_model", title="Upscale with model", device=True)
def upscale_with_model(
    image: Image,
    upscale_model: UpscaleModel,
    tile: Tile = 512,
    overlap: Annotated[int, Range(0, 512, step=8, unit="px")] = 32,
    *,
    ctx: Context,
) -> Image:
    """Enlarge pictures with a network that adds the detail it has learned to expect.

    By how much is fixed in the model; resize the result for another size. Large pictures are done in tiles that overlap
    and fade into each other, so that memory does not grow with the picture. The tiles are what you choose here, never
    what happens to fit, so the result is the same on every machine.

    Args:
        image: [B, C, H, W], 0..1, with C 1, 3 or 4. Alpha is enlarged on its own, by bicubic interpolation.
        upscale_model: from `image/load_upscale_model`.
        tile: side of the tiles, in pixels of `image`; 0: the whole picture at once. A picture no larger than a tile is
            done at once in any case.
        overlap: pixels that neighbouring tiles share, less than half a tile. More hides seams better and takes longer.

    Returns:
        image: [B, C, H·s, W·s] for a model that enlarges s times; a grey picture stays grey if the model reads grey.

    Raises:
        NodeError: if the overlap is too large for the tiles, or the result would be larger than 268 megapixels.
    """
    if tile and overlap * 2 >= tile:
        raise NodeError(f"overlap {overlap} is too large for tiles of {tile}: expected at most {(tile - 1) // 2}")
    import torch

    from nodeflow_nodes.image.ops.resample import resample

    with ctx.weights.use(upscale_model, ctx.device) as module:
        height, width = (side * module.scale for side in image.shape[2:])
        check_size(height, width)
        seen = _channels(image, module.channels)
        large = module.enlarge(seen, ctx.device, tile, overlap, lambda done, total: ctx.progress(done, total, "tiles"))
    if image.shape[1] == 4:
        alpha = resample(image[:, 3:], height, width, "bicubic").clamp(0, 1)
        return torch.cat((large.expand(-1, 3, -1, -1), alpha), 1)
    return large


def _channels(image: Any, count: int) -> Any:
    """A picture's colours in as many channels as a network reads."""
    if image.shape[1] == 1:
        return image.expand(-1, count, -1, -1)
    if count == 3:
        return image[:, :3]
    from nodeflow_nodes.image.ops.shape import luminance

    return luminance(image)
