"""Textual inversions: files that hold the vectors of a made-up word."""

from __future__ import annotations

from pathlib import Path

import torch

from nodeflow import NodeError
from nodeflow_nodes.diffusion.text.encode import Embedding

from .tensors import TensorFile


def read_embedding(path: Path) -> Embedding:
    """The vectors of a textual inversion by their width (an SDXL file has one set for each encoder).

    Raises:
        NodeError: if the file holds no such vectors.
    """
    file = TensorFile(path, "", torch.float32)
    embedding = Embedding()
    for key in file:
        vectors = file[key]
        if vectors.ndim == 1:
            vectors = vectors[None]
        if vectors.ndim != 2 or not vectors.is_floating_point():
            raise NodeError(
                f"{path}: {key} has shape {list(vectors.shape)}: no textual inversion (expected [N, width])"
            )
        embedding.vectors[vectors.shape[1]] = vectors
    if not embedding.vectors or sum(len(v) for v in embedding.vectors.values()) > 1024:
        raise NodeError(f"{path}: no textual inversion: expected one or two tensors [N, width], found {len(file)}")
    return embedding
