"""What is taken from transformers: every architecture but plain Llama, and GGUF files. Imported when first needed.

Nothing here reaches the network, runs a model's own code, or opens a pickled file.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch

from nodeflow import NodeError

from .describe import Description

_gguf_lock = threading.RLock()


@contextmanager
def reading(model: Description) -> Iterator[None]:
    """Surrounds all that is loaded of one model. For GGUF files, the library parses the file three times, makes its
    table of tensor names anew for each tensor, and shows a progress bar whatever its settings say; in here, the first
    two happen once and the last never (SmolLM2-135M: 8 s of CPU time in place of 20). May be nested."""
    if model.kind != "gguf":
        yield
        return
    import gguf

    with quiet():
        from transformers import modeling_gguf_pytorch_utils as reader
    with _gguf_lock:
        kept = gguf.GGUFReader, gguf.get_tensor_name_map, reader.tqdm
        gguf.GGUFReader = lru_cache(maxsize=1)(gguf.GGUFReader)
        gguf.get_tensor_name_map = lru_cache(maxsize=1)(gguf.get_tensor_name_map)
        reader.tqdm = lambda items, **_: items
        try:
            yield
        finally:
            gguf.GGUFReader, gguf.get_tensor_name_map, reader.tqdm = kept


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
    with reading(model), quiet():
        from transformers import AutoTokenizer

        return _load(AutoTokenizer, model)


def load_model(model: Description, dtype: torch.dtype) -> Any:
    """transformers' module of a model, in evaluation mode."""
    with quiet():
        from transformers import AutoModelForCausalLM

        more = {} if model.kind == "gguf" else {"use_safetensors": True}
        return _load(AutoModelForCausalLM, model, dtype=dtype, **more).eval()


def _load(kind: Any, model: Description, **options: Any) -> Any:
    folder = model.path
    if model.kind == "gguf":
        folder, options = model.path.parent, {**options, "gguf_file": model.path.name}
    try:
        return kind.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise NodeError(f"{model.path}: transformers cannot read it ({type(error).__name__}: {error})") from error
