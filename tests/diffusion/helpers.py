"""Models whose answers are known: the estimate for a Gaussian target is exact, and so is the path to it."""

from __future__ import annotations

from contextlib import contextmanager

import torch

from nodeflow_nodes.diffusion.sampling.parametrisation import Eps, make_parametrisation
from nodeflow_nodes.diffusion.sampling.tables import make_table

MEAN, SPREAD = 0.7, 0.4


class Gaussian:
    """The samplers' model for data N(`MEAN`, `SPREAD`²), independent per element. `uncond` is the same estimate."""

    def __init__(self, flow=False):
        self.parametrisation: Eps = make_parametrisation("flow" if flow else "eps")
        self.table = make_table({"kind": "flow", "shift": 3.0} if flow else {"kind": "discrete"})
        self.flow = flow
        self.uncond = None
        self.calls = 0

    def _alpha(self, sigma):
        return 1 - sigma if self.flow else torch.ones_like(sigma)

    def spread(self, sigma):
        """Standard deviation of noised data at σ."""
        return (self._alpha(sigma) ** 2 * SPREAD**2 + sigma**2).sqrt()

    def __call__(self, x, sigma):
        self.calls += 1
        alpha = self._alpha(sigma)
        self.uncond = MEAN + alpha * SPREAD**2 / self.spread(sigma) ** 2 * (x - alpha * MEAN)
        return self.uncond

    def exact(self, x, start, end):
        """Where the probability flow takes `x` from σ = `start` to `end`."""
        return self._alpha(end) * MEAN + self.spread(end) / self.spread(start) * (x - self._alpha(start) * MEAN)


def nothing(*args):
    """A step callback that does nothing."""


class Unit:
    """Unit noise of its own generator, in the dtype of `x`."""

    def __init__(self, x, seed=0):
        self.x = x
        self.generator = torch.Generator().manual_seed(seed)
        self.draws = 0

    def __call__(self, sigma, sigma_next):
        self.draws += 1
        return torch.randn(self.x.shape, generator=self.generator, dtype=self.x.dtype)


class FlatDenoiser:
    """A network under the protocol `Denoiser` whose estimate for a prompt is the first number of its tokens.

    Records the batches it was given.
    """

    family = "nodeflow"
    parametrisation = "flow"
    latent_channels = in_channels = 4
    latent_scale, latent_shift = 1.0, 0.0
    downscale = 4
    dtype = torch.float32

    def __init__(self, kind="flow"):
        self.parametrisation = "flow" if kind == "flow" else "eps"
        self.sigma_table = {"kind": "flow", "shift": 3.0} if kind == "flow" else {"kind": "discrete"}
        self.batches = []
        self.controls = []

    def __call__(self, x, timestep, conditions):
        self.batches.append(tuple(x.shape))
        self.controls.append(conditions.control)
        table = make_table(self.sigma_table)
        sigma = timestep / 1000 if self.parametrisation == "flow" else table.sigma(timestep)
        sigma = sigma[:, None, None, None]
        target = conditions.tokens[:, 0, 0][:, None, None, None]
        if self.parametrisation == "eps":
            return (x[:, :4] * (sigma**2 + 1) ** 0.5 - target) / sigma
        return (x[:, :4] - target) / sigma


class Pool:
    """A weights pool that gives out what it was made with."""

    def __init__(self, *modules):
        self.modules = {module.__class__.__name__: module for module in modules}
        self.first = modules[0]
        self.asked = []

    @contextmanager
    def use(self, handle, device=None):
        self.asked.append(handle)
        yield self.modules.get(handle.loader, self.first)


class Run:
    """A node's context that records what it is told."""

    device = "cpu"
    seed_offset = 0

    def __init__(self, *modules):
        self.weights = Pool(*modules)
        self.steps, self.previews, self.warnings = [], [], []
        self.checks = 0
        self.stop_at = None

    def check(self):
        self.checks += 1
        if self.stop_at is not None and self.checks > self.stop_at:
            raise InterruptedError

    def progress(self, done, total, text=""):
        self.steps.append((done, total))

    def preview(self, image):
        self.previews.append(image)

    def warn(self, message):
        self.warnings.append(message)
