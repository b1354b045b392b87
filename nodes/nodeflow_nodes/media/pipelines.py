"""Diffusers pipelines: loading, and calling with checked arguments, progress, cancellation and typed results."""

from __future__ import annotations

import copy
import inspect
import json
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from nodeflow import Cancelled, Context, DeadlineExceeded, NodeError

from .folder import PipelineFolder

OURS = frozenset({
    "self", "generator", "output_type", "return_dict", "latents",
    "callback", "callback_steps", "callback_on_step_end", "callback_on_step_end_tensor_inputs",
})  # fmt: skip
"""Arguments of a call that no option may set: how randomness, progress and results work here."""


@contextmanager
def quiet() -> Iterator[None]:
    """While loading: no progress bars, no advice in logs, and no warnings about the libraries' own insides."""
    with warnings.catch_warnings():
        for kind in (DeprecationWarning, FutureWarning, UserWarning):
            warnings.simplefilter("ignore", kind)
        from diffusers.utils import logging as diffusers_log
        from transformers.utils import logging as transformers_log

        levels = diffusers_log.get_verbosity(), transformers_log.get_verbosity()
        bars = diffusers_log.is_progress_bar_enabled(), transformers_log.is_progress_bar_enabled()
        for log in (diffusers_log, transformers_log):
            log.set_verbosity_error()
            log.disable_progress_bar()
        try:
            yield
        finally:
            for log, level, bar in zip((diffusers_log, transformers_log), levels, bars, strict=True):
                log.set_verbosity(level)
                if bar:
                    log.enable_progress_bar()


@dataclass
class PipelineModule:
    """A loaded pipeline. One call at a time: pipelines keep the state of a call in themselves."""

    pipeline: Any
    name: str
    lock: threading.Lock = field(default_factory=threading.Lock)

    def modules(self) -> list[torch.nn.Module]:
        return [part for part in self.pipeline.components.values() if isinstance(part, torch.nn.Module)]

    def parameters(self) -> Iterator[torch.Tensor]:
        return (tensor for module in self.modules() for tensor in module.parameters())

    def buffers(self) -> Iterator[torch.Tensor]:
        return (tensor for module in self.modules() for tensor in module.buffers())

    def to(self, device: str) -> PipelineModule:
        self.pipeline.to(device)
        return self

    def call(self, given: dict[str, Any], extra: str, seed: int, ctx: Context) -> Any:
        """Call the pipeline.

        Args:
            given: arguments by the names that different pipelines have for them, separated by `/`; None: left out.
            extra: a JSON object of further arguments, or nothing.
            seed: of the generator, which is on the CPU.

        Raises:
            NodeError: if the pipeline takes no such argument, or refuses a value.
        """
        known = inspect.signature(self.pipeline.__call__).parameters
        arguments = self._arguments(given, parse_extra(extra), known)
        if "generator" in known:
            arguments["generator"] = torch.Generator("cpu").manual_seed(seed)
        if "output_type" in known:
            arguments["output_type"] = "np"
        with self.lock, torch.inference_mode():
            scheduler = getattr(self.pipeline, "scheduler", None)
            self.pipeline.progress_bar = lambda iterable=None, total=None: Steps(ctx, iterable, total)
            try:
                if scheduler is not None:
                    self.pipeline.scheduler = copy.deepcopy(scheduler)
                ctx.check()
                return self.pipeline(**arguments)
            except (Cancelled, DeadlineExceeded):
                raise
            except (TypeError, ValueError, AttributeError, NotImplementedError, ImportError) as error:
                raise NodeError(f"{self.name} refused the call: {error}") from error
            finally:
                del self.pipeline.progress_bar
                if scheduler is not None:
                    self.pipeline.scheduler = scheduler

    def _arguments(self, given: dict[str, Any], extra: dict[str, Any], known: Any) -> dict[str, Any]:
        arguments = {}
        for names, value in given.items():
            if value is None:
                continue
            name = next((n for n in names.split("/") if n in known), None)
            if name is None:
                raise NodeError(f"{self.name} takes no {names.split('/')[0]}; it takes {options(known)}")
            arguments[name] = value
        for name, value in extra.items():
            if name in OURS:
                raise NodeError(f"extra sets {name!r}, which is set by this node")
            if name in arguments:
                raise NodeError(f"extra sets {name!r}, which has an input of its own: use that")
            if name not in known or known[name].kind is inspect.Parameter.VAR_KEYWORD:
                raise NodeError(f"extra sets {name!r}, which {self.name} does not take; it takes {options(known)}")
            arguments[name] = value
        return arguments


def options(known: Iterable[str]) -> str:
    """The arguments that a call may set, for messages."""
    return ", ".join(name for name in known if name not in OURS and not name.startswith(("kwargs", "args")))


def parse_extra(text: str) -> dict[str, Any]:
    """Further arguments from a JSON text; none from an empty one."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NodeError(f'extra is no valid JSON ({error}); expected an object such as {{"eta": 0.5}}') from error
    if not isinstance(value, dict):
        raise NodeError(f'extra is a {type(value).__name__}; expected an object such as {{"eta": 0.5}}')
    return value


class Steps:
    """Stands in for a pipeline's progress bar: reports each step, and stops the call if the run was cancelled."""

    def __init__(self, ctx: Context, iterable: Iterable[Any] | None, total: int | None) -> None:
        self.ctx, self.iterable, self.done = ctx, iterable, 0
        self.total = total if total is not None else len(iterable) if hasattr(iterable, "__len__") else 0

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, count: int = 1) -> None:
        self.done += count
        self.ctx.progress(self.done, max(self.total, self.done), "steps")

    def __iter__(self) -> Iterator[Any]:
        for item in self.iterable or ():
            yield item
            self.update()

    def set_postfix(self, *_: object, **__: object) -> None:
        """Bars can show text beside themselves."""


def load_pipeline(folder: PipelineFolder, precision: str, device: str) -> PipelineModule:
    """Load a pipeline folder: never from the network, never code from the folder, never pickled weights."""
    with quiet():
        import diffusers

        kind = getattr(diffusers, folder.class_name)
        if not (isinstance(kind, type) and issubclass(kind, diffusers.DiffusionPipeline)):
            raise NodeError(f"{folder.path}: {folder.class_name} is no pipeline of the installed diffusers")
        dtype = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}.get(precision)
        dtype = dtype or (torch.float32 if device == "cpu" else torch.float16)
        try:
            pipeline = kind.from_pretrained(
                str(folder.path),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                torch_dtype=dtype,
            )
        except (OSError, ValueError, TypeError, KeyError, ImportError, RuntimeError, AttributeError) as error:
            raise NodeError(f"{folder.path}: diffusers cannot load it ({type(error).__name__}: {error})") from error
    return PipelineModule(pipeline.to(device), folder.class_name)


# --- results ------------------------------------------------------------------------------------------------------


def result(outcome: Any, *names: str, of: str) -> Any:
    """The first of `names` that a pipeline's outcome has.

    Raises:
        NodeError: if it has none of them.
    """
    found = next((getattr(outcome, n) for n in names if getattr(outcome, n, None) is not None), None)
    if found is None:
        has = ", ".join(outcome) if isinstance(outcome, dict) else type(outcome).__name__
        raise NodeError(f"{of} gives no {names[0]}, but {has}: use the node for those")
    return found


def pictures(value: Any) -> torch.Tensor:
    """[B, C, H, W] float32, 0..1, of arrays [.., H, W, C], tensors [.., C, H, W] or (lists of) Pillow pictures."""
    if isinstance(value, (list, tuple)):
        return torch.cat([pictures(v) for v in value])
    if isinstance(value, torch.Tensor):
        picture = value.detach().cpu().float()
    else:
        array = np.asarray(value)
        array = array.astype(np.float32) / 255 if array.dtype == np.uint8 else array.astype(np.float32)
        array = array[..., None] if array.ndim == 2 else array
        picture = torch.from_numpy(array.copy()).movedim(-1, -3)
    return picture.reshape(-1, *picture.shape[-3:]).clamp(0, 1).contiguous()


def sound(value: Any) -> torch.Tensor:
    """[B, C, T] float32 of arrays or tensors [T], [B, T] or [B, C, T]."""
    if isinstance(value, (list, tuple)):
        value = np.stack([np.asarray(v, np.float32) for v in value])
    if isinstance(value, torch.Tensor):
        samples = value.detach().cpu().float().clone()  # a tensor of inference mode could not be used everywhere
    else:
        samples = torch.from_numpy(np.array(value, np.float32))
    if samples.dim() == 1:
        samples = samples[None]
    return (samples[:, None] if samples.dim() == 2 else samples).contiguous()


def sampling_rate(pipeline: Any) -> int | None:
    """The rate of a pipeline's sound in Hz, from its vocoder, autoencoder or network."""
    for part in ("vocoder", "vae", "transformer", "unet"):
        config = getattr(getattr(pipeline, part, None), "config", None)
        for name in ("sampling_rate", "sample_rate"):
            if rate := getattr(config, name, None):
                return int(rate)
    return None
