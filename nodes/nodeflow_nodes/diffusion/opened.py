"""How the sampling nodes run: a guider with its modules loaded, and what is told while it samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from nodeflow import Context, Guider, Latent, Model, NodeError, Noise, Sampler, Tensor


class CustomSampled(NamedTuple):
    latent: Latent
    denoised: Latent


def changes(model: Model) -> dict[str, Any]:
    """The changes to sampling that a handle carries."""
    found = model.options.get("sampling")
    return dict(found) if isinstance(found, Mapping) else {}


def bare(model: Model) -> Model:
    """The handle as the weights pool should see it: models that differ only in sampling share one module."""
    return replace(model, options={key: value for key, value in model.options.items() if key != "sampling"})


@contextmanager
def users_errors() -> Iterator[None]:
    """What the numerics object to is the user's to mend: shown without a traceback."""
    try:
        yield
    except ValueError as error:
        raise NodeError(str(error)) from error


class Previews:
    """Shows at most ten previews a second, so that a fast model is not held up by them."""

    def __init__(self, show: Callable[[Tensor], None], interval: float = 0.1) -> None:
        self._show = show
        self._interval = interval
        self._next = 0.0

    def __call__(self, estimate: Tensor) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._interval
            self._show(estimate)


class Opened(ExitStack):
    """A guider with its modules loaded, for as long as the block lasts."""

    def __init__(self, ctx: Context, guider: Guider) -> None:
        super().__init__()
        self._ctx = ctx
        self._guider = guider
        sides = {"positive": guider.positive, "middle": guider.middle, "negative": guider.negative}
        self._sides = {name: side.conditions for name, side in sides.items() if side is not None}
        if guider.kind != "basic" and guider.negative is None:
            raise NodeError(
                f"guidance {guider.scale:g} needs a negative conditioning: link one (an encoded empty prompt will do), "
                "or set guidance to 1"
            )

    def __enter__(self) -> Opened:
        super().__enter__()
        self._denoiser = self.enter_context(self._ctx.weights.use(bare(self._guider.model), self._ctx.device))
        handles = [c.control_net for side in self._sides.values() for x in side for c in x.control]
        self._networks = {id(h): self.enter_context(self._ctx.weights.use(h, self._ctx.device)) for h in handles}
        return self

    def sigmas(self, schedule: str, steps: int, denoise: float, sampler: str, compat: bool) -> Tensor:
        from nodeflow_nodes.diffusion.sampling import run, samplers, schedules

        return schedules.make_sigmas(
            run.table_of(self._denoiser, changes(self._guider.model)),
            schedule,
            steps,
            denoise,
            drop_penultimate=sampler in samplers.DROPS_PENULTIMATE,
            compat=compat,
        )

    def run(
        self,
        noise: Noise,
        sigmas: Tensor,
        sampler: Sampler,
        latent: Latent,
        *,
        compat: bool,
        differential: bool = False,
    ) -> CustomSampled:
        from nodeflow_nodes.diffusion.sampling import run
        from nodeflow_nodes.diffusion.sampling.preview import to_rgb

        ctx, denoiser = self._ctx, self._denoiser
        job = run.Job(
            sides=self._sides,
            guidance=self._guidance(),
            sigmas=sigmas,
            latent=latent.samples,
            seed=noise.seed,
            layout=noise.layout,
            sampler=sampler.name,
            options=sampler.options,
            mask=latent.noise_mask,
            differential=differential,
            batch_index=latent.batch_index,
            compat=compat,
        )
        hooks = run.Hooks(
            check=ctx.check,
            progress=ctx.progress,
            preview=Previews(lambda estimate: ctx.preview(to_rgb(estimate, denoiser.family))),
            warn=ctx.warn,
        )
        result = run.sample(
            denoiser,
            job,
            networks=self._networks,
            sampling=changes(self._guider.model),
            device=ctx.device,
            hooks=hooks,
        )
        return CustomSampled(replace(latent, samples=result.latent), replace(latent, samples=result.denoised))

    def _guidance(self) -> Any:
        from nodeflow_nodes.diffusion.sampling.guidance import Guidance
        from nodeflow_nodes.diffusion.sampling.run import table_of

        options = dict(self._guider.options)
        start, end = options.pop("start", 0.0), options.pop("end", 1.0)
        if (start, end) != (0.0, 1.0):
            table = table_of(self._denoiser, changes(self._guider.model))
            options |= {"first": table.percent(start), "last": table.percent(end)}
        return Guidance(self._guider.kind, self._guider.scale, **options)
