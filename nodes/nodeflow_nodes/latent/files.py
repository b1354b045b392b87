"""Latents in files, as ComfyUI writes them: safetensors with `latent_tensor`, and the marker that it is unscaled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from nodeflow import Artefact, Context, File, InputFile, Latent, NodeError, node

OLD_SCALE = 0.18215
"""What ComfyUI multiplied latents by before it wrote the marker `latent_format_version_0`."""


@node("latent/load")
def load(path: Annotated[File, InputFile((".latent", ".safetensors"))]) -> Latent:
    """Load a latent from a file that `latent/save` or ComfyUI has written.

    Args:
        path: the file, inside the input folders.
    """
    from safetensors.torch import load as parse

    try:
        tensors = parse(Path(path.path).read_bytes())
    except OSError as error:
        raise NodeError(f"{path.name}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # safetensors raises its own and whatever torch does
        raise NodeError(f"{path.name}: expected a safetensors file, but it cannot be parsed ({error})") from None
    samples = tensors.get("latent_tensor")
    if samples is None or samples.dim() not in (4, 5) or not samples.is_floating_point() or not samples.numel():
        raise NodeError(
            f"{path.name}: expected a tensor `latent_tensor` [B, C, h, w], got "
            f"{', '.join(f'{k} {list(v.shape)}' for k, v in list(tensors.items())[:5]) or 'nothing'}"
        )
    samples = samples.float()
    mask = tensors.get("noise_mask")
    if mask is not None and (mask.dim() != 4 or mask.shape[1] != 1):
        raise NodeError(f"{path.name}: expected a noise mask [B, 1, h, w], got {list(mask.shape)}")
    if "latent_format_version_0" not in tensors:
        samples = samples / OLD_SCALE
    return Latent(samples, None if mask is None else mask.float())


@node("latent/save", effects=True)
def save(latent: Latent, name: str = "latent", *, ctx: Context) -> Artefact:
    """Save latents as a file, to go on from them later, here or in ComfyUI.

    Args:
        latent: the latents, with their noise mask.
        name: readable name in the output folder, without the suffix; `/` makes folders.
    """
    import torch
    from safetensors.torch import save as write

    from nodeflow_nodes.image.ops.files import file_names

    rows, columns = latent.samples.shape[-2:]
    (file_name,) = file_names(name.removesuffix(".latent"), 1, columns, rows, ".latent")
    tensors = {"latent_tensor": latent.samples.cpu().contiguous(), "latent_format_version_0": torch.zeros(0)}
    if latent.noise_mask is not None:
        tensors["noise_mask"] = latent.noise_mask.cpu().contiguous()
    return ctx.save(write(tensors), file_name, "application/octet-stream")
