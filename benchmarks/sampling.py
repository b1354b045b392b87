"""Sampling: the whole `sample` against the bare loop of denoiser calls with the same arithmetic; bar 1.02."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

ROUNDS = 9


def transformer() -> Any:
    """A flow-matching transformer of the built-in model's size with random weights, under the `Denoiser` protocol."""
    import torch

    from nodeflow_nodes.diffusion.loading.modules.mmdit import MMDiT

    torch.manual_seed(0)
    network = MMDiT(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=6,
        attention_head_dim=32,
        num_attention_heads=5,
        joint_attention_dim=128,
        caption_projection_dim=160,
        pooled_projection_dim=128,
        pos_embed_max_size=16,
        qk_norm="rms_norm",
    ).eval()
    for tensor in (*network.parameters(), *network.buffers()):
        torch.nn.init.normal_(tensor.requires_grad_(False), std=0.02)

    class Denoiser:
        family, parametrisation, sigma_table = "nodeflow", "flow", {"kind": "flow", "shift": 3.0}
        latent_channels = in_channels = 4
        latent_scale, latent_shift, downscale, dtype = 1.0, 0.0, 4, torch.float32

        def clock(self, seconds: float) -> None:
            """Told how long each call took."""

        def __call__(self, x: Any, timestep: Any, conditions: Any) -> Any:
            begun = time.process_time()
            out = network(x, timestep, conditions.tokens, conditions.pooled)
            self.clock(time.process_time() - begun)
            return out

    return Denoiser()


def bare_loop(denoiser: Any, tokens: Any, pooled: Any, sigmas: Any, noise: Any, guidance: float) -> Any:
    """Euler with classifier-free guidance, written out: the least there is to do."""
    import torch

    from nodeflow_nodes.diffusion.denoiser import Conditions

    x = noise
    conditions = Conditions(tokens, pooled)
    for a, b in itertools.pairwise(sigmas):
        both = torch.cat([x, x])
        timestep = (a * 1000).expand(len(both))
        cond, uncond = (both - denoiser(both, timestep, conditions) * a).chunk(2)
        denoised = uncond + (cond - uncond) * guidance
        x = x + (x - denoised) / a * (b - a)
    return x


def compare(steps: int, batch: int) -> tuple[float, float, float, bool]:
    """Median seconds of the bare loop's denoiser calls, of all else in it, and of all else in `sample`, taken in turns;
    and whether the results are the same bits.

    Both call the denoiser equally often with inputs of the same shapes. Its time swings by more than what is measured
    here, so it is counted apart.
    """
    import torch

    from nodeflow import Condition
    from nodeflow_nodes.diffusion.sampling.guidance import Guidance
    from nodeflow_nodes.diffusion.sampling.noise import first_noise
    from nodeflow_nodes.diffusion.sampling.preview import to_rgb
    from nodeflow_nodes.diffusion.sampling.run import Hooks, Job, sample, table_of
    from nodeflow_nodes.diffusion.sampling.schedules import make_sigmas

    denoiser = transformer()
    sigmas = make_sigmas(table_of(denoiser), "simple", steps)
    sides = [Condition(torch.randn(1, 20, 128), torch.randn(1, 128)) for _ in range(2)]
    latent = torch.zeros(batch, 4, 16, 16)
    job = Job({"positive": sides[:1], "negative": sides[1:]}, Guidance("cfg", 3.0), sigmas, latent, seed=1)
    hooks = Hooks(preview=lambda estimate: to_rgb(estimate, "nodeflow"))
    tokens = torch.cat([side.tokens.repeat(batch, 1, 1) for side in sides])
    pooled = torch.cat([side.pooled.repeat(batch, 1) for side in sides])

    def bare() -> Any:
        with torch.no_grad():
            return bare_loop(denoiser, tokens, pooled, sigmas, first_noise(latent.shape, 1), 3.0)

    def ours() -> Any:
        return sample(denoiser, job, hooks=hooks).latent

    same = torch.equal(bare(), ours())
    inside: list[float] = []
    denoiser.clock = inside.append
    times: dict[Callable[[], Any], list[tuple[float, float]]] = {bare: [], ours: []}
    for _ in range(ROUNDS):
        for run, measured in times.items():
            inside.clear()
            begun = time.process_time()
            run()
            whole = time.process_time() - begun
            measured.append((sum(inside), whole - sum(inside)))
    (model, rest), (_, ours_rest) = (
        tuple(map(statistics.median, zip(*pairs, strict=True))) for pairs in times.values()
    )
    return model, rest, ours_rest, same


def table() -> list[tuple[str, ...]]:
    """Rows of the report; times are of the processor, so that other work on the machine counts less."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows: list[tuple[str, ...]] = [
        ("built-in model's size, 20 steps", "denoiser", "rest: bare loop", "rest: sample", "ratio", "same bits")
    ]
    for batch in (1, 4):
        model, rest, ours, same = compare(20, batch)
        ratio = (model + ours) / (model + rest)
        cells = f"{model:.3f} s", f"{1e3 * rest:.1f} ms", f"{1e3 * ours:.1f} ms", f"{ratio:.3f}"
        rows.append((f"batch {batch}", *cells, "yes" if same else "no"))
    torch.set_num_threads(threads)
    return rows
