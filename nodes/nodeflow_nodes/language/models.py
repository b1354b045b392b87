"""Language models as the nodes use them: read tokens, get logits; a `State` remembers what was read.

Two kinds behind one interface: plain torch Llama, and any causal model of transformers.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from nodeflow import NodeError

from .describe import Description, describe, weight_files
from .tokens import Tokens, load_tokens

CHUNK = 512
"""Tokens of a prompt that are read at once; between chunks a run may be cancelled."""


class State(Protocol):
    """What a model has read so far."""

    def copy(self) -> State: ...


class Reader(Protocol):
    """A causal model: `start` gives an empty state for `room` tokens, `read` logits after the last or each of `ids`."""

    module: Any

    def start(self, room: int) -> Any: ...

    def read(self, ids: Tensor, state: Any, every: bool) -> Tensor: ...

    def parameters(self) -> Iterator[Tensor]: ...

    def buffers(self) -> Iterator[Tensor]: ...


@dataclass
class LanguageModule:
    """A model with its tokenizer.

    context: how many tokens it can read at most.
    """

    reader: Reader
    tokens: Tokens
    context: int
    device: str

    def parameters(self) -> Iterator[Tensor]:
        return self.reader.parameters()

    def buffers(self) -> Iterator[Tensor]:
        return self.reader.buffers()

    def to(self, device: str) -> LanguageModule:
        """Move the weights."""
        self.reader.module.to(device)
        self.device = device
        return self

    def start(self, room: int) -> Any:
        """An empty state for `room` tokens. Rounded up, so that the cache's layout, which the last bits depend on, is
        the same for every room."""
        return self.reader.start(-(-min(room, self.context) // 64) * 64)

    @torch.inference_mode()
    def read(
        self, ids: Sequence[int], state: Any, *, every: bool = False, check: Callable[[], None] = lambda: None
    ) -> Tensor:
        """Read `ids` after what `state` holds, and add them to it.

        Returns:
            float32 logits on the CPU: [V], of the token that follows; with `every`, [T, V], after each of the ids.
        """
        parts = []
        for first in range(0, len(ids), CHUNK):
            check()
            part = torch.tensor(ids[first : first + CHUNK], device=self.device)
            parts.append(self.reader.read(part, state, every).to("cpu", torch.float32))
        return torch.cat(parts) if every else parts[-1][-1]


class PlainReader:
    """Llama in plain torch."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.parameters, self.buffers = module.parameters, module.buffers

    def start(self, room: int) -> Any:
        return self.module.cache(room)

    def read(self, ids: Tensor, state: Any, every: bool) -> Tensor:
        states = self.module(ids, state)
        return self.module.lm_head(states if every else states[-1:])


@dataclass
class LibraryState:
    """All ids read, and the library's cache of them; a model without a cache reads everything again."""

    ids: list[int] = field(default_factory=list)
    past: Any = None

    def copy(self) -> LibraryState:
        return LibraryState(list(self.ids), copy.deepcopy(self.past))


class LibraryReader:
    """Any causal model of transformers."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.parameters, self.buffers = module.parameters, module.buffers
        self.keeps = "logits_to_keep" in inspect.signature(module.forward).parameters

    def start(self, room: int) -> LibraryState:
        return LibraryState()

    def read(self, ids: Tensor, state: LibraryState, every: bool) -> Tensor:
        state.ids += ids.tolist()
        feed = ids if state.past is not None else torch.tensor(state.ids, device=ids.device)
        few = {"logits_to_keep": 1} if self.keeps and not every else {}
        out = self.module(input_ids=feed[None], past_key_values=state.past, use_cache=True, **few)
        state.past = getattr(out, "past_key_values", None)
        return out.logits[0, -len(ids) :] if every else out.logits[0, -1:]


def load_module(path: str, precision: str, device: str) -> LanguageModule:
    """Read a model's weights."""
    from .modules import llama

    model = describe(path)
    dtype = _dtype(precision, model, device)
    if model.kind == "folder" and llama.supports(model.config):
        plain = PlainReader(_plain(model, dtype, device))
        return LanguageModule(plain, load_tokens(model), _context(model.config), device)
    from .library import load_model, reading

    with reading(model):
        tokens = load_tokens(model)
        module = load_model(model, dtype).to(device)
    return LanguageModule(LibraryReader(module), tokens, _context(module.config.to_dict()), device)


def _plain(model: Description, dtype: torch.dtype, device: str) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from .modules.llama import Llama

    files = weight_files(model.path)
    tensors: dict[str, Tensor] = {}
    try:
        for file in files:
            # Copied even where nothing changes: where a tensor lies in the file decides how its memory is aligned, and
            # that moves the last bits of products.
            tensors |= {name: tensor.to(device, dtype, copy=True) for name, tensor in load_file(file).items()}
        with torch.device("meta"):
            module = Llama(model.config)
        module.load(tensors)
    except (SafetensorError, OSError) as error:
        raise NodeError(f"{model.path}: its weights cannot be read ({error}); fetch them again") from error
    except (RuntimeError, KeyError, TypeError) as error:
        raise NodeError(f"{model.path}: config.json and model.safetensors do not belong together: {error}") from error
    return module.eval().requires_grad_(False)


def _dtype(precision: str, model: Description, device: str) -> torch.dtype:
    """ "auto": float32 on a CPU; elsewhere what the file has, or float16."""
    if precision == "auto":
        stored = str(model.config.get("dtype") or model.config.get("torch_dtype") or "float16")
        precision = "float32" if device == "cpu" else stored
    dtypes = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    return dtypes.get(precision, torch.float32)


def _context(config: dict[str, Any]) -> int:
    sizes = [config.get(name) for name in ("max_position_embeddings", "n_positions", "n_ctx", "seq_length")]
    return next((int(size) for size in sizes if size), 2048)
