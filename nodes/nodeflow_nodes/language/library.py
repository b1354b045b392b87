"""What is taken from transformers: every architecture but plain Llama, and GGUF files. Imported when first needed.

Nothing here reaches the network, runs a model's own code, or opens a pickled file.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from nodeflow import NodeError

from .describe import Description


@contextmanager
def no_bar() -> Iterator[None]:
    """No progress bar from the GGUF reader, which does not listen to the library's setting."""
    from transformers import modeling_gguf_pytorch_utils as reader

    shown = reader.tqdm
    reader.tqdm = lambda items, **_: items
    try:
        yield
    finally:
        reader.tqdm = shown


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars, no advice in logs, and no warnings about the library's own imports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        from transformers.utils import logging

        level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()


def load_tokenizer(model: Description) -> Any:
    """transformers' tokenizer of a model."""
    with quiet():
        from transformers import AutoTokenizer

        return _load(AutoTokenizer, model)


def load_model(model: Description, dtype: torch.dtype) -> Any:
    """transformers' module of a model, in evaluation mode."""
    with quiet():
        from transformers import AutoModelForCausalLM

        more = {} if model.kind == "gguf" else {"use_safetensors": True}
        with no_bar() if model.kind == "gguf" else nullcontext():
            return _load(AutoModelForCausalLM, model, dtype=dtype, **more).eval()


def _load(kind: Any, model: Description, **options: Any) -> Any:
    folder = model.path
    if model.kind == "gguf":
        folder, options = model.path.parent, {**options, "gguf_file": model.path.name}
    try:
        return kind.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise NodeError(f"{model.path}: transformers cannot read it ({type(error).__name__}: {error})") from error
