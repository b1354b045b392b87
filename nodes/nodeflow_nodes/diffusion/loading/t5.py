"""T5's encoder from transformers, imported when a file with T5 is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn


def make_t5(config: dict[str, Any]) -> Callable[[], nn.Module]:
    """A function that builds the encoder; `config` is transformers' T5Config."""
    from transformers.models.t5.configuration_t5 import T5Config
    from transformers.models.t5.modeling_t5 import T5EncoderModel

    known = {k: v for k, v in config.items() if k not in ("architectures", "model_type", "transformers_version")}
    return lambda: T5EncoderModel(T5Config(**known, is_encoder_decoder=False, use_cache=False))
