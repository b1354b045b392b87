"""The numeric class: what changes the bits of tensor arithmetic, found without importing torch.

It is part of the key of every node that computes with tensors, so a result is reused only where it would come out the
same (measured: one against two CPU threads moved attention by 1e-4 relative). It is stored in the record of a run.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

from nodeflow.errors import NodeflowError


@dataclass(frozen=True)
class NumericClass:
    """device: kind and model; capability: instruction set or compute capability; torch: major.minor; attention: the
    kernel family; threads: CPU threads; deterministic: whether kernels that add in a changing order are ruled out."""

    device: str
    capability: str
    torch: str
    attention: str = "sdpa"
    threads: int = 1
    deterministic: bool = True

    def __str__(self) -> str:
        return " ".join(f"{k}={v}" for k, v in asdict(self).items())


def physical_cores() -> int:
    """CPU cores this process may use, hyper-threads counted once where that is known."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    siblings = set()
    for cpu in allowed:
        try:
            with open(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list", encoding="ascii") as file:
                siblings.add(file.read().strip())
        except OSError:
            siblings.add(str(cpu))
    return max(1, len(siblings))


def chosen_threads(wanted: int) -> int:
    """CPU threads for tensors: what is wanted (0: no wish), else what OpenMP is told, else one a physical core.

    Before torch is loaded the choice can still be made, and spinning be switched off; in a process that has loaded it,
    what it uses counts. What OpenMP is told is made to agree: the number is part of keys, so it must be true.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    threads = wanted or _openmp_threads() or physical_cores()
    if threads != _openmp_threads():
        os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    return threads


def _openmp_threads() -> int:
    """What `OMP_NUM_THREADS` says of the outermost level (it may be a list, one number a level); 0 if it says nothing
    that OpenMP would heed."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isascii() and first.isdigit() and len(first) < 10 else 0


@functools.lru_cache(maxsize=1)
def cpu_capability() -> str:
    """The instruction set that torch's CPU kernels choose by (ATen knows DEFAULT, AVX2 and AVX512 on x86-64)."""
    if forced := os.environ.get("ATEN_CPU_CAPABILITY"):
        return forced
    flags: set[str] = set()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(("flags", "Features")):
                    flags = set(line.partition(":")[2].split())
                    break
    except OSError:
        return platform.machine()
    kinds = ("avx512f", "avx512_bf16", "amx_bf16", "avx2", "asimd", "sve")
    return "+".join([platform.machine(), *(k for k in kinds if k in flags)])


@functools.lru_cache(maxsize=1)
def _nvidia() -> str:
    """Name and compute capability of the first NVIDIA device, from its driver's tool; empty if there is none."""
    try:
        command = ["nvidia-smi", "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout.strip() else ""


def resolve_device(wanted: str = "auto") -> str:
    """`auto` as the device that will be used: cuda if a driver and a CUDA build of torch are there, else mps on Apple
    silicon, else cpu. Package metadata and the driver's tool answer; torch is not imported.

    Raises:
        NodeflowError: if `wanted` is no device.
    """
    if wanted != "auto":
        if not re.fullmatch(r"cpu|mps|(cuda|xpu)(:[0-9]{1,2})?", wanted):
            raise NodeflowError(f"device {wanted!r}: expected auto, cpu, mps, cuda, cuda:1, xpu, ...")
        return wanted
    if "+cpu" not in torch_version() and os.path.exists("/proc/driver/nvidia") and _nvidia():
        return "cuda"
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "mps"
    return "cpu"


@functools.lru_cache(maxsize=1)
def torch_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return "none"


def numeric_class(device: str = "cpu", threads: int = 0) -> NumericClass:
    """The numeric class of this process on `device` (already resolved)."""
    release = ".".join(torch_version().partition("+")[0].split(".")[:2])
    kind = device.partition(":")[0]
    capability = cpu_capability() if kind == "cpu" else _nvidia() if kind == "cuda" else platform.machine()
    return NumericClass(kind, capability, release, threads=threads or physical_cores(), deterministic=kind == "cpu")
