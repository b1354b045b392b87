"""Loading a generator and drawing with it.

A generator is a folder with `generator.json` (format "nodeflow-generator/1": the vector's length, the size, and the
layers in order) and `generator.safetensors` (their weights, under `<number of the layer>.<name>`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from nodeflow import Context, File, Generator, Image, Latent, ModelFile, NodeError, node, weights_loader

FORMAT = "nodeflow-generator/1"
LARGEST = 1 << 20
"""Bytes of a description."""


def describe(folder: Path, name: str) -> dict[str, Any]:
    """A generator's description.

    Raises:
        NodeError: if it cannot be read or is none.
    """
    path = folder / "generator.json"
    try:
        if path.stat().st_size > LARGEST:
            raise NodeError(f"{name}: generator.json is larger than {LARGEST:,} bytes")
        about = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise NodeError(f"{name}: generator.json cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise NodeError(f"{name}: generator.json is not JSON") from None
    latent = about.get("latent") if isinstance(about, dict) else None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        got = about.get("format") if isinstance(about, dict) else type(about).__name__
        raise NodeError(f"{name}: expected a generator of format {FORMAT!r}, got {got!r}")
    if not isinstance(latent, int) or not isinstance(about.get("layers"), list):
        raise NodeError(f"{name}: generator.json needs `latent` (a number) and `layers` (a list)")
    return about


@node("gan/load_generator")
def load_generator(model: Annotated[File, ModelFile("gan")]) -> Generator:
    """Load a generator: a network that draws a picture from a vector of random numbers in one pass.

    Args:
        model: a folder with `generator.json` and `generator.safetensors`, below the model folders' `gan`.
    """
    about = describe(Path(model.path), model.name)
    return Generator("gan/generator", model.path, model.digest, {"latent": about["latent"]})


@weights_loader("gan/generator")
def load(handle: Generator, device: str) -> Any:
    """The network of a handle, in float32."""
    from nodeflow_nodes.gan.network import build

    return build(Path(handle.path), describe(Path(handle.path), Path(handle.path).name)).to(device)


@node("gan/generate", device=True)
def generate(generator: Generator, latent: Latent, *, ctx: Context) -> Image:
    """Draw pictures from vectors, all at once: there are no steps.

    Neighbouring vectors give neighbouring pictures, so a walk from one vector to another (`latent/slerp`) is a walk
    from one picture to another.

    Args:
        generator: the network.
        latent: vectors as [B, C, 1, 1], C as many numbers as the generator was trained with (`latent/random` with that
            many channels and a height and width of 1; 64 for `shapes-gan`).
    """
    import torch

    length = generator.options["latent"]
    samples = latent.samples
    if samples.ndim != 4 or samples[0].numel() != length:
        raise NodeError(f"expected vectors [B, {length}, 1, 1], got {list(samples.shape)}")
    ctx.check()
    with ctx.weights.use(generator) as network, torch.inference_mode():
        drawn = network(samples.reshape(len(samples), -1).to(ctx.device, torch.float32))
    pictures = drawn.clamp(0, 1).cpu().clone()
    if pictures.ndim != 4 or pictures.shape[1] not in (1, 3):
        raise NodeError(f"the generator gave {list(pictures.shape)}, which are no pictures")
    return pictures
