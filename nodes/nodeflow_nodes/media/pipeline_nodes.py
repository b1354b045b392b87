"""The node that names a diffusers pipeline, and what the weights pool calls when it is first used."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from nodeflow import File, ModelFile, Pipeline, node, weights_loader

from .folder import read_folder

Precision = Literal["auto", "float32", "float16", "bfloat16"]


@node("media/load_pipeline", title="Load diffusers pipeline")
def load_pipeline(model: Annotated[File, ModelFile("checkpoints")], precision: Precision = "auto") -> Pipeline:
    """Load any pipeline of the diffusers library, whole, from its folder.

    For models that have no nodes of their own here: video, sound, unusual pictures. The folder must be of a class of
    the installed diffusers; folders that bring code or pickled weights are refused. Weights are read when they are
    first needed.

    Args:
        model: a folder with a model_index.json, below the model folders' `checkpoints`.
        precision: how numbers are kept: "auto" is float32 on a CPU, float16 elsewhere.
    """
    folder = read_folder(model.path)
    options = {} if precision == "auto" else {"precision": precision}
    return Pipeline("media/pipeline", str(folder.path), model.digest, options)


@weights_loader("media/pipeline")
def _pipeline(handle: Any, device: str) -> Any:
    from .pipelines import load_pipeline

    return load_pipeline(read_folder(handle.path), handle.options.get("precision", "auto"), device)
