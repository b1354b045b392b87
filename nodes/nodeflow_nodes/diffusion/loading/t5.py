"""T5's encoder from transformers, imported when a file with T5 is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .build import StoredLinear, float_copy


def make_t5(config: dict[str, Any]) -> Callable[[], nn.Module]:
    """A function that builds the encoder; `config` is transformers' T5Config."""
    from transformers.models.t5.configuration_t5 import T5Config
    from transformers.models.t5.modeling_t5 import T5EncoderModel

    left_out = ("architectures", "model_type", "transformers_version", "is_encoder_decoder", "use_cache", "dtype")
    known = {name: value for name, value in config.items() if name not in left_out}
    return lambda: T5EncoderModel(T5Config(**known, is_encoder_decoder=False, use_cache=False))


class StoredOutput(nn.Module):
    """The last layer of a feed-forward block with its weight as stored.

    transformers casts what goes into that layer to the dtype of its `weight`, which would make a float32 computation
    half precision; without an attribute of that kind it leaves it alone.
    """

    weight = None
    bias = None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.stored = linear.weight

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, float_copy(self.stored, x))


def keep_float32(module: nn.Module) -> None:
    """Let a T5 with weights as stored compute in float32 throughout; see `StoredOutput`."""
    for part in module.modules():
        if isinstance(getattr(part, "wo", None), StoredLinear):
            part.wo = StoredOutput(part.wo)
