"""Loaded text encoders: the modules of a `TextSpec` with their vocabularies."""

from __future__ import annotations

from torch import nn

from nodeflow import NodeError
from nodeflow_nodes.diffusion.text.encode import TextEncoders, make_encoder
from nodeflow_nodes.diffusion.text.tokenize import load_tokenizer

from .build import build, precisions
from .convert import convert
from .spec import EncoderSpec, TextSpec
from .tensors import read_source


def load_text(spec: TextSpec, precision: str, device: str) -> TextEncoders:
    """Build all encoders of `spec` and give them their weights."""
    encoders = []
    for part in spec.encoders:
        module = _module(part, precision, device)
        tokenizer = load_tokenizer(part.tokenizer, part.architecture)
        encoders.append(make_encoder(part, module, tokenizer))
    return TextEncoders(spec.family, spec.joining, encoders).eval()


def _module(spec: EncoderSpec, precision: str, device: str) -> nn.Module:
    kept, _ = precisions(precision, device, spec.source, steady=True)
    config = {name: value for name, value in spec.config.items() if not name.startswith("_")}
    tensors = convert(spec.source.convert, read_source(spec.source, kept), spec.config)
    where = spec.source.files[0]
    if spec.architecture == "clip":
        from .modules.clip import ClipText

        ignored = frozenset({"embeddings.position_ids", "logit_scale", "text_projection.weight"})
        return build(lambda: ClipText(**config), tensors, device, where=where, kept=kept, optional=ignored)
    if spec.architecture == "t5":
        from .t5 import keep_float32, make_t5

        module = build(make_t5(config), tensors, device, where=where, kept=kept)
        keep_float32(module)
        return module
    raise NodeError(f"no text encoder of architecture {spec.architecture!r} is known")
