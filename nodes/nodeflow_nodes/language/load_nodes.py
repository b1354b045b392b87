"""The node that names a language model, and what the weights pool calls when a node first uses one."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from nodeflow import File, LanguageModel, ModelFile, node, weights_loader

from .describe import describe

Precision = Literal["auto", "float32", "float16", "bfloat16"]


@node("language/load_model", title="Load language model")
def load_model(model: Annotated[File, ModelFile("language_models")], precision: Precision = "auto") -> LanguageModel:
    """Load a model that writes text.

    Takes a transformers folder (config.json, tokenizer.json, safetensors weights) or a GGUF file. Only its
    configuration is read here; the weights are read when they are first needed. Pickled weights and models that bring
    code of their own are refused.

    Args:
        model: a model, below the model folders' `language_models`; `shapes-lm` is built in.
        precision: how numbers are kept: "auto" is float32 on a CPU and as stored elsewhere.
    """
    found = describe(model.path)
    options = {} if precision == "auto" else {"precision": precision}
    return LanguageModel("language/causal", str(found.path), model.digest, options)


def tokens_of(model: LanguageModel) -> LanguageModel:
    """A handle of the tokenizer alone, for nodes that need no weights."""
    return replace(model, loader="language/tokens", options={}, patches=())


@weights_loader("language/causal")
def _causal(handle: Any, device: str) -> Any:
    from .models import load_module

    return load_module(handle.path, handle.options.get("precision", "auto"), device)


@weights_loader("language/tokens")
def _tokens(handle: Any, device: str) -> Any:
    from .tokens import load_tokens

    return load_tokens(describe(handle.path))
