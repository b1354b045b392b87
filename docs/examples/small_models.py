"""Models small enough to be worked out by hand, for examples of nodes that are about models which do not ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def bilinear_upscaler(path: Path) -> Path:
    """Write an upscale model that doubles pictures as bilinear interpolation does, but for the outermost pixels.

    Its network (SRVGGNetCompact, see `image/upscale/networks.py`) is linear: the first layer passes the colours on, its
    rectifiers have slope 1, and the second layer gives what bilinear interpolation (weights 3/4 and 1/4) differs by
    from repeated pixels. Beyond the edge the network sees black.
    """
    from safetensors.numpy import save_file

    first = np.zeros((3, 3, 3, 3), np.float32)
    last = np.zeros((12, 3, 3, 3), np.float32)
    near = {0: (0.25, 0.75, 0.0), 1: (0.0, 0.75, 0.25)}
    for colour in range(3):
        first[colour, colour, 1, 1] = 1
        for row in (0, 1):
            for column in (0, 1):
                kernel = np.outer(near[row], near[column])
                kernel[1, 1] -= 1
                last[colour * 4 + row * 2 + column, colour] = kernel
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {"body.0.weight": first, "body.0.bias": np.zeros(3, np.float32), "body.1.weight": np.ones(3, np.float32)}
    save_file(tensors | {"body.2.weight": last, "body.2.bias": np.zeros(12, np.float32)}, path)
    return path


def write_models(folder: Path) -> None:
    """All of them, below a folder laid out like a user's `models`."""
    bilinear_upscaler(folder / "upscale_models" / "bilinear-2x.safetensors")
