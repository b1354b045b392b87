"""One training loop for every model: resumable, deterministic, logged, with curves.

A step's randomness comes from `(seed, step, shard)` alone and the learning rate from `(step, steps)`, so a run that was
killed and resumed gives the bits that it would have given uninterrupted. A batch is made of shards; shards are shared
out to the worker processes and their gradients are averaged, so one worker and two workers give the same bits too.
Checkpoints, logs and curves live outside the repository, in `home(name)`.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn


def home(name: str) -> Path:
    """Where a run keeps its files; `NODEFLOW_TRAINING` moves it."""
    root = Path(os.environ.get("NODEFLOW_TRAINING", "~/.cache/nodeflow-training")).expanduser()
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def rng(*numbers: int) -> torch.Generator:
    """A generator that depends on all the numbers and on nothing else."""
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        state = (state ^ (number & (2**64 - 1))) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
        state ^= state >> 31
    return torch.Generator().manual_seed(state & (2**63 - 1))


@dataclass(frozen=True)
class Settings:
    """How to train. The rate rises over `warmup` steps, holds, and falls to 1% over the last `decay` of the steps."""

    name: str
    steps: int
    batch: int = 64
    shards: int = 1
    rate: float = 1e-3
    warmup: int = 100
    decay: float = 0.3
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    ema: float = 0.998
    seed: int = 1
    bf16: bool = False
    muon: bool = False
    log_every: int = 50
    save_every: float = 150.0
    """Seconds between checkpoints."""

    def rate_at(self, step: int) -> float:
        """Relative learning rate of a step, 0..1."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        left = (self.steps - step) / max(1.0, self.steps * self.decay)
        return rise * (1.0 if left >= 1 else 0.01 + 0.99 * 0.5 * (1 - math.cos(math.pi * max(0.0, left))))


Loss = Callable[[nn.Module, int, torch.Generator], tuple[Tensor, dict[str, float]]]
"""(model, number of samples, generator) -> the loss to minimise, and figures to log."""


class Average:
    """An exponential moving average of a module's trainable parameters (with a short memory at first)."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = deepcopy(module).requires_grad_(False).eval()

    def update(self, module: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        pairs = [(a, p) for a, p in zip(self.module.parameters(), module.parameters(), strict=True) if p.requires_grad]
        torch._foreach_lerp_([a for a, _ in pairs], [p.detach() for _, p in pairs], 1 - decay)


def _optimizers(module: nn.Module, settings: Settings) -> list[torch.optim.Optimizer]:
    trainable = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
    hidden = [p for n, p in trainable if settings.muon and p.ndim == 2 and "blocks." in n]
    taken = {id(p) for p in hidden}
    rest = [p for _, p in trainable if id(p) not in taken]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    found: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=settings.rate, betas=settings.betas)]
    if hidden:
        found.append(
            torch.optim.Muon(
                hidden, lr=settings.rate, weight_decay=settings.weight_decay, adjust_lr_fn="match_rms_adamw"
            )
        )
    for optimizer in found:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return found


def _average_gradients(module: nn.Module, shards: int) -> None:
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    if dist.is_initialized():
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
    torch._foreach_div_(gradients, float(shards))


def _save(path: Path, value: object) -> None:
    part = path.with_suffix(".part")
    torch.save(value, part)
    part.replace(path)


def train(
    settings: Settings,
    module: nn.Module,
    loss: Loss,
    *,
    until: int | None = None,
    on_save: Callable[[nn.Module, int], dict[str, float]] | None = None,
) -> nn.Module:
    """Train `module` in place, going on from the run's checkpoint if there is one; returns the averaged module.

    `until` stops earlier without changing the schedule. `on_save` gets the averaged module at each checkpoint and may
    return figures to log.
    """
    folder = home(settings.name)
    checkpoint = folder / "checkpoint.pt"
    rank = dist.get_rank() if dist.is_initialized() else 0
    world = dist.get_world_size() if dist.is_initialized() else 1
    average, optimizers, step, seconds = Average(module, settings.ema), _optimizers(module, settings), 0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        module.load_state_dict(saved["module"])
        average.module.load_state_dict(saved["average"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            peaks = [group["peak"] for group in optimizer.param_groups]
            optimizer.load_state_dict(state)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["peak"] = peak
        step, seconds = saved["step"], saved["seconds"]
        if rank == 0:
            _forget_after(settings.name, step)

    def save() -> None:
        if rank:
            return
        figures = on_save(average.module, step) if on_save else {}
        state = {
            "step": step,
            "seconds": seconds,
            "module": module.state_dict(),
            "average": average.module.state_dict(),
            "optimizers": [o.state_dict() for o in optimizers],
        }
        _save(checkpoint, state)
        if figures:
            log({"step": step, **figures})
        draw_curves(settings.name)

    def log(line: dict[str, float]) -> None:
        with (folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({"time": round(time.time()), **line}) + "\n")
        print(" ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in line.items()), flush=True)

    module.train()
    end = min(settings.steps, settings.steps if until is None else until)
    first, begun, saved_at, sums, counted = step, time.monotonic(), time.monotonic(), {}, 0
    while step < end:
        module.zero_grad(set_to_none=True)
        for shard in range(rank, settings.shards, world):
            with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
                value, figures = loss(module, settings.batch // settings.shards, rng(settings.seed, step, shard))
            value.backward()
        _average_gradients(module, settings.shards)
        norm = nn.utils.clip_grad_norm_(module.parameters(), settings.clip)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * settings.rate_at(step)
            optimizer.step()
        average.update(module, step)
        step += 1
        for key, figure in {"loss": value.item(), "norm": float(norm), **figures}.items():
            sums[key] = sums.get(key, 0.0) + figure
        counted += 1
        if step % settings.log_every == 0 and rank == 0:
            now = time.monotonic()
            seconds += now - begun
            rate = counted * settings.batch / (now - begun)
            log(
                {
                    "step": step,
                    "samples": step * settings.batch,
                    "rate": settings.rate_at(step),
                    **{key: total / counted for key, total in sums.items()},
                    "per_second": rate,
                    "hours": seconds / 3600,
                }
            )
            begun, sums, counted = now, {}, 0
        if time.monotonic() - saved_at > settings.save_every:
            save()
            saved_at = time.monotonic()
    if step > first or not checkpoint.exists():
        save()
    return average.module


def averaged(name: str, module: nn.Module) -> nn.Module:
    """Load the averaged weights of a run's checkpoint into `module`."""
    saved = torch.load(home(name) / "checkpoint.pt", weights_only=True)
    module.load_state_dict(saved["average"])
    return module.requires_grad_(False).eval()


def progress(name: str) -> dict[str, float]:
    """How far a run is: its steps, samples and hours, read from its log (empty when there is none)."""
    lines = [line for line in history(name) if "samples" in line]
    return {key: lines[-1][key] for key in ("step", "samples", "hours")} if lines else {}


def history(name: str) -> Iterator[dict[str, float]]:
    path = home(name) / "log.jsonl"
    if path.exists():
        yield from (json.loads(line) for line in path.read_text().splitlines())


def _forget_after(name: str, step: int) -> None:
    """Drop the log's lines about steps that were lost with a kill: they are done again."""
    kept = [line for line in history(name) if line["step"] <= step]
    (home(name) / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))


def draw_curves(name: str) -> None:
    """Draw everything in the run's log against the step, to curves.png beside it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lines = list(history(name))
    keys = [
        k for k in dict.fromkeys(k for line in lines for k in line) if k not in ("time", "step", "samples", "hours")
    ]
    if not keys:
        return
    figure, axes = plt.subplots(
        math.ceil(len(keys) / 3), 3, figsize=(12, 2.6 * math.ceil(len(keys) / 3)), squeeze=False
    )
    for axis, key in zip(axes.flat, keys, strict=False):
        points = [(line["step"], line[key]) for line in lines if key in line]
        axis.plot(*zip(*points, strict=True), linewidth=1)
        axis.set_title(key, fontsize=9)
    for axis in axes.flat[len(keys) :]:
        axis.set_visible(False)
    figure.tight_layout()
    figure.savefig(home(name) / "curves.png", dpi=80)
    plt.close(figure)


def workers(count: int) -> None:
    """Call first in a script: re-run it as `count` processes that share the shards. In a worker, join the others."""
    torch.set_num_threads(1)
    if "NODEFLOW_RANK" in os.environ:
        rank, world = int(os.environ["NODEFLOW_RANK"]), int(os.environ["NODEFLOW_WORLD"])
        dist.init_process_group("gloo", init_method=os.environ["NODEFLOW_MEET"], rank=rank, world_size=world)
        return
    if count <= 1:
        return
    meet = "file://" + tempfile.mktemp(prefix="nodeflow-meet-")
    quiet = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    command = [sys.executable, "-m", spec.name] if spec else [sys.executable, sys.argv[0]]
    children = [
        subprocess.Popen(
            [*command, *sys.argv[1:]],
            env={**os.environ, **quiet, "NODEFLOW_RANK": str(r), "NODEFLOW_WORLD": str(count), "NODEFLOW_MEET": meet},
        )
        for r in range(count)
    ]
    try:
        codes = [child.wait() for child in children]
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
    sys.exit(max(abs(code) for code in codes))
