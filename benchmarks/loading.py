"""Loading: telling a file's architecture, loading a denoiser against a plain read, LoRA on and off; import cost.

The checkpoint is Stable Diffusion 1.5 with random weights (2.1 GB, made by the parity data's generator into
NODEFLOW_PARITY_CACHE or ~/.cache/nodeflow-parity when first needed). `python -m benchmarks.loading --peak` measures
the peak memory of a 512x512 run instead, which takes minutes.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.parity import ROOT, cache_folder, data_folder

Rows = list[tuple[str, ...]]
BUILT_IN = ROOT / "nodes" / "nodeflow_nodes" / "models" / "checkpoints" / "shapes-64"
IMPORTS = {
    "import torch": "import torch",
    "one module of diffusers.models": "import diffusers.models.unets.unet_2d_condition",
    "torch and our modules": (
        "import torch, nodeflow_nodes.diffusion.loading.denoisers, nodeflow_nodes.diffusion.loading.vaes, "
        "nodeflow_nodes.diffusion.loading.texts, nodeflow_nodes.diffusion.loading.modules.mmdit"
    ),
}


def checkpoint(name: str, dtype: str = "fp16") -> Path | None:
    """A generated checkpoint, made if it is not there; None without the generator."""
    path = cache_folder() / f"{name}.{dtype}.safetensors"
    data = data_folder()
    if not path.is_file():
        if data is None:
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        script = str(data / "make_checkpoint.py")
        subprocess.run([sys.executable, script, str(path.parent), name, "--dtype", dtype], check=True)
    return path


def seconds(action: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def plain_read(path: Path, share: float = 1.0) -> None:
    """Read a file from its start, once, into one buffer."""
    buffer = bytearray(1 << 24)
    left = int(path.stat().st_size * share)
    with path.open("rb", buffering=0) as file:
        while left > 0 and (count := file.readinto(buffer)):
            left -= count


def cpu_seconds(code: str) -> float:
    """Least CPU time of three fresh interpreters that run `code`."""
    costs = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(costs)


def table() -> Rows:
    """Measure everything that takes less than a minute."""
    rows: Rows = [("what", "measured", "bar")]
    rows += imports()
    path = checkpoint("sd15")
    if path is None:
        return [*rows, ("checkpoints", "skipped: no generator (shared/parity)", "")]
    return [*rows, *detection(path), *denoiser(path), *loras()]


def imports() -> Rows:
    costs = {name: cpu_seconds(code) for name, code in IMPORTS.items()}
    torch_cost = costs["import torch"]
    return [(f"CPU s: {name}", f"{cost:.2f} ({cost / torch_cost:.2f} x torch)", "") for name, cost in costs.items()]


def detection(path: Path) -> Rows:
    """From the header to the whole description, nothing remembered."""
    from nodeflow_nodes.diffusion.loading import header
    from nodeflow_nodes.diffusion.loading.detect import describe

    def once() -> None:
        header._read.cache_clear()
        describe(path)

    best = min(seconds(once) for _ in range(5))
    return [("tell the architecture of SD 1.5 (1131 tensors)", f"{best * 1e3:.1f} ms", "20 ms")]


def denoiser(path: Path) -> Rows:
    """The U-Net of a 2 GB file, from a handle to a module; `read` is the same share of the file, read plainly."""
    import nodeflow_nodes.diffusion.loading.denoisers
    import nodeflow_nodes.diffusion.loading.modules.unet  # noqa: F401
    from nodeflow import File, WeightsPool
    from nodeflow_nodes.diffusion.load_nodes import load_checkpoint

    model = load_checkpoint(File("sd15", str(path), "0" * 64)).model
    plain_read(path)
    whole = min(seconds(lambda: plain_read(path)) for _ in range(3))
    rows: Rows = [(f"plain read of {path.stat().st_size / 1e9:.1f} GB", f"{whole:.2f} s", "")]
    for precision in ("auto", "float16"):
        handle = model.with_options(precision=precision)

        def load(handle: Any = handle) -> None:
            with WeightsPool().use(handle):
                pass

        cost = min(seconds(load) for _ in range(3))
        bar = "1.2 x; 0.3 s mapped" if precision == "auto" else "1.2 x"
        rows.append((f"load its denoiser, {precision}", f"{cost:.2f} s ({cost / whole:.2f} x the read)", bar))
    return rows


def loras() -> Rows:
    """Ten times on and off, and two in turn: the same bits, nothing read again."""
    import torch

    from nodeflow import File, WeightsPool
    from nodeflow_nodes.diffusion.denoiser import Conditions
    from nodeflow_nodes.diffusion.load_nodes import apply_lora, load_checkpoint

    base, file = checkpoint("sd15_reduced"), checkpoint("lora_reduced")
    if base is None or file is None:
        return []
    parts = load_checkpoint(File("base", str(base), "1" * 64))
    first = apply_lora(parts.model, parts.text_encoder, File("lora", str(file), "2" * 64), 0.8, 0.6).model
    second = apply_lora(parts.model, parts.text_encoder, File("lora", str(file), "2" * 64), 0.3, 0.6).model
    pool = WeightsPool()
    x, conditions = torch.randn(1, 4, 8, 8), Conditions(torch.randn(1, 77, 768))

    def run(handle: Any) -> Any:
        with pool.use(handle) as module:
            return module(x, torch.tensor([500.0]), conditions)

    results = [run(handle) for handle in (parts.model, first, second)]
    loads, begun, same = pool.loads, time.perf_counter(), True
    for _ in range(10):
        for handle, result in zip((parts.model, first, second), results, strict=True):
            same = same and torch.equal(run(handle), result)
    cost = (time.perf_counter() - begun) / 30
    return [
        ("LoRA on, off and another, ten times", "the same bits" if same else "DIFFERENT BITS", "the same bits"),
        ("files read again meanwhile", str(pool.loads - loads), "0"),
        ("a switch and one step", f"{cost * 1e3:.0f} ms", ""),
    ]


PEAK = """
import sys, resource, torch
from nodeflow import File, Latent, WeightsPool
from nodeflow_nodes.diffusion import encode_nodes, load_nodes, sample_nodes
torch.set_num_threads(1)
class Here:
    device, seed_offset, weights = "cpu", 0, WeightsPool()
    def __getattr__(self, name): return lambda *a, **k: None
ctx, path, precision = Here(), sys.argv[1], sys.argv[2]
parts = load_nodes.load_checkpoint(File("m", path, "0" * 64), precision)
prompts = [encode_nodes.encode_prompt(t, parts.text_encoder, ctx=ctx) for t in ("a red fox", "blurry")]
latent = Latent(torch.zeros(1, 4, 64, 64))
latent = sample_nodes.sample(parts.model, prompts[0], latent, prompts[1], steps=1, guidance=7.5, ctx=ctx)
encode_nodes.decode(latent, parts.vae, ctx=ctx)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""


def peaks() -> Rows:
    """Peak resident memory of a 512x512 run (one step has the peak of twenty), files' mapped pages included."""
    rows: Rows = [("peak of a 512x512 run of SD 1.5", "GB", "bar")]
    for dtype, bar in (("fp32", "5.2"), ("fp16", "3.0")):
        path = checkpoint("sd15", dtype)
        if path is not None:
            done = subprocess.run(
                [sys.executable, "-c", PEAK, str(path), "auto"], check=True, capture_output=True, text=True
            )
            rows.append((f"{dtype} file, mapped", f"{float(done.stdout):.2f}", bar))
    return rows


if __name__ == "__main__":
    from benchmarks.__main__ import format_table

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for line in format_table(peaks() if "--peak" in sys.argv else table()):
        print(line)
