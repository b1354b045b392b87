"""Sampling: from noise, guided by text, to latents. The all-in-one node, and the parts it is made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple

from nodeflow import (
    Conditioning,
    Context,
    Guider,
    Latent,
    Model,
    NodeError,
    Noise,
    Range,
    Sampler,
    Seed,
    Sigmas,
    Tensor,
    node,
)
from nodeflow_nodes.diffusion.sampling.names import NoiseLayout, SamplerName, ScheduleName

Steps = Annotated[int, Range(1, 10_000, unit="steps")]
Share = Annotated[float, Range(0, 1, 0.01)]
Scale = Annotated[float, Range(0, 100, 0.1)]


@node("diffusion/sample", device=True)
def sample(
    model: Model,
    positive: Conditioning,
    latent: Latent,
    negative: Conditioning | None = None,
    seed: Seed = 0,
    steps: Steps = 20,
    guidance: Scale = 3.0,
    sampler: SamplerName = "euler",
    schedule: ScheduleName = "simple",
    denoise: Share = 1.0,
    noise: NoiseLayout = "per_item",
    compat: bool = False,
    *,
    ctx: Context,
) -> Latent:
    """Make a latent picture from noise, step by step, so that it shows what the prompt says.

    It begins with noise from `seed`. In each step the model estimates the finished picture, the guidance pushes that
    estimate towards `positive` and away from `negative`, and the sampler moves a little of the way there. With a latent
    that holds a picture and `denoise` below 1, the picture is changed instead of made anew; with a noise mask on the
    latent, only the masked part is.

    Args:
        model: the denoiser.
        positive: what the picture should show.
        latent: where to start: an empty latent gives the size, an encoded picture is the one to change.
        negative: what it should not show; needed unless `guidance` is 1.
        seed: of all noise, 0 .. 2**64 - 1. The same seed gives the same picture.
        steps: how often the model is asked; more is finer and slower. 10-30 do for most models.
        guidance: how strongly to follow the prompt (CFG scale): 1 is not at all beyond the model's own inclination, 3-8
            are usual, high values burn colours.
        sampler: the algorithm that takes the steps. `euler` is plain and reliable; those named `ancestral` and `sde`
            add fresh noise at each step.
        schedule: at which noise levels the steps are taken.
        denoise: share of the way from noise to picture that is run, 0..1. 1 ignores the latent's picture, 0.3 changes
            it a little, 0 not at all.
        noise: how a batch draws its noise: `per_item` gives picture i the seed `seed + i`, so it is the same picture
            made alone; `batch` is one draw for all, as ComfyUI does it; `none` adds no noise to the latent (with
            `denoise` 1 flow models such as SD3 and Flux then ignore the latent, and the run says so).
        compat: compute exactly as ComfyUI 0.3 does where nodeflow differs on purpose (which noise samplers add).

    Returns:
        The sampled latent, unscaled; decode it with the model's VAE.

    Raises:
        NodeError: if `negative` is missing while `guidance` is not 1, or a part belongs to another model family.
    """
    guider = Guider(model, positive, negative, kind="cfg", scale=guidance)
    if negative is None and guidance == 1.0:
        guider = replace(guider, kind="basic")
    with _errors(), _Opened(ctx, guider) as opened:
        sigmas = opened.sigmas(schedule, steps, denoise, sampler, compat)
        return opened.run(Noise(seed, noise), sigmas, Sampler(sampler), latent, compat=compat).latent


@node("diffusion/sample_advanced", device=True)
def sample_advanced(
    model: Model,
    positive: Conditioning,
    latent: Latent,
    negative: Conditioning | None = None,
    seed: Seed = 0,
    steps: Steps = 20,
    start_step: Annotated[int, Range(0, 10_000)] = 0,
    end_step: Annotated[int, Range(0, 10_000)] = 10_000,
    guidance: Scale = 3.0,
    sampler: SamplerName = "euler",
    schedule: ScheduleName = "simple",
    noise: NoiseLayout = "per_item",
    leave_noise: bool = False,
    compat: bool = False,
    *,
    ctx: Context,
) -> Latent:
    """Run a part of the steps: the first ones with one model or prompt, the rest with another.

    Chain two of these: the first with `end_step` 10 and `leave_noise` on, the second with `start_step` 10 and `noise`
    set to `none`.

    Args:
        model: the denoiser.
        positive: what the picture should show.
        latent: where to start.
        negative: what it should not show; needed unless `guidance` is 1.
        seed: of all noise, 0 .. 2**64 - 1.
        steps: number of steps of the whole way.
        start_step: first step that is run, counted from 0; at or beyond `steps` the latent is given back as it is.
        end_step: step before which to stop; beyond `steps` means to the end.
        guidance: how strongly to follow the prompt (CFG scale); 1 leaves `negative` out.
        sampler: the algorithm that takes the steps.
        schedule: at which noise levels the steps are taken.
        noise: how noise is added to the latent at the start; `none` for a latent that still has noise in it.
        leave_noise: keep the noise that is left at `end_step`, for the next sampler. Off: the last step ends at 0.
        compat: compute exactly as ComfyUI 0.3 does where nodeflow differs on purpose.

    Returns:
        The sampled latent, unscaled.
    """
    guider = Guider(model, positive, negative, kind="cfg", scale=guidance)
    if negative is None and guidance == 1.0:
        guider = replace(guider, kind="basic")
    with _errors(), _Opened(ctx, guider) as opened:
        from nodeflow_nodes.diffusion.sampling.schedules import step_range

        sigmas = opened.sigmas(schedule, steps, 1.0, sampler, compat)
        sigmas = step_range(sigmas, start_step, end_step, leave_noise)
        return opened.run(Noise(seed, noise), sigmas, Sampler(sampler), latent, compat=compat).latent


class CustomSampled(NamedTuple):
    latent: Latent
    denoised: Latent


@node("diffusion/sample_custom", device=True)
def sample_custom(
    noise: Noise,
    guider: Guider,
    sampler: Sampler,
    sigmas: Sigmas,
    latent: Latent,
    mask_mode: Literal["blend", "differential"] = "blend",
    compat: bool = False,
    *,
    ctx: Context,
) -> CustomSampled:
    """Sample with parts of your own choice: noise, guider, sampler and sigmas each from a node.

    Args:
        noise: how the first noise is drawn.
        guider: model, prompts and guidance.
        sampler: the algorithm with its options.
        sigmas: the noise levels of the steps; take a part of them to run a part.
        latent: where to start.
        mask_mode: how a noise mask on the latent is read. `blend`: how much of each place may change in every step.
            `differential`: when a place may begin to change, white first, so that grey changes a little.
        compat: compute exactly as ComfyUI 0.3 does where nodeflow differs on purpose.

    Returns:
        latent: the result, with the noise that is left where the sigmas do not end in 0.
        denoised: the model's last estimate, without noise.
    """
    with _errors(), _Opened(ctx, guider) as opened:
        result = opened.run(noise, sigmas, sampler, latent, compat=compat, differential=mask_mode == "differential")
        return CustomSampled(result.latent, result.denoised)


@node("diffusion/noise")
def noise(seed: Seed = 0, layout: NoiseLayout = "per_item") -> Noise:
    """How the first noise is drawn. It is drawn when the latent's size is known, on the CPU, the same everywhere.

    Args:
        seed: 0 .. 2**64 - 1.
        layout: `per_item`: picture i of a batch gets the seed `seed + i`, so it is the same picture made alone;
            `batch`: one draw for the whole batch, as ComfyUI does it; `none`: no noise is added.
    """
    return Noise(seed, layout)


@node("diffusion/sigmas")
def sigmas(
    model: Model,
    schedule: ScheduleName = "simple",
    steps: Steps = 20,
    denoise: Share = 1.0,
    *,
    ctx: Context,
) -> Sigmas:
    """The noise levels (sigmas) of a run, from the most to the least, for this model.

    Args:
        model: the denoiser; its training decides the range of noise levels.
        schedule: how the steps are spread over that range. `karras` spends more of them on fine detail.
        steps: number of steps. `beta` may give fewer.
        denoise: share of the way that is run, 0..1: the noisy beginning is left out.

    Returns:
        One value more than there are steps; the last is 0. Empty if `denoise` is 0.
    """
    with _errors(), ctx.weights.use(_bare(model), ctx.device) as denoiser:
        from nodeflow_nodes.diffusion.sampling.run import table_of
        from nodeflow_nodes.diffusion.sampling.schedules import make_sigmas

        return make_sigmas(table_of(denoiser, _sampling(model)), schedule, steps, denoise)


class SplitSigmas(NamedTuple):
    high: Sigmas
    low: Sigmas


@node("diffusion/split_sigmas")
def split_sigmas(sigmas: Sigmas, step: Annotated[int, Range(0, 10_000)] = 10) -> SplitSigmas:
    """Cut a run in two: its first steps, and the rest.

    Args:
        sigmas: the noise levels of the whole run.
        step: how many steps the first part has.

    Returns:
        high: the first `step` steps; ends with noise left in the picture.
        low: the remaining steps; begins where `high` ends.
    """
    return SplitSigmas(sigmas[: step + 1], sigmas[step:])


@node("diffusion/sampler")
def sampler(
    name: SamplerName = "euler",
    eta: Annotated[float, Range(0, 10, 0.01)] | None = None,
    s_noise: Annotated[float, Range(0, 10, 0.01)] | None = None,
    churn: Annotated[float, Range(0, 100, 0.1)] | None = None,
) -> Sampler:
    """A sampling algorithm with its options. An option left empty keeps the algorithm's own default.

    Args:
        name: the algorithm. `euler`: first order, plain. `heun`, `dpm_2`: second order, two model runs a step.
            `dpmpp_2m`, `res_multistep`, `uni_pc`: higher order at one run a step. `ancestral`, `sde`: stochastic.
            `cfg_pp`: CFG++, for low guidance (0.5-2).
        eta: how much fresh noise a stochastic algorithm adds, 0 (none) .. 1 (as much as the noise process) and beyond.
        s_noise: factor on that noise.
        churn: noise added before each step of `euler` and `heun` (Karras et al. 2022), 0 .. number of steps.

    Raises:
        NodeError: if the algorithm does not have a given option.
    """
    options = {"eta": eta, "s_noise": s_noise, "churn": churn}
    options = {key: value for key, value in options.items() if value is not None}
    if options:
        with _errors():
            from nodeflow_nodes.diffusion.sampling.run import check_options

            check_options(name, options)
    return Sampler(name, dict(options))


@node("diffusion/guider")
def guider(
    model: Model,
    positive: Conditioning,
    negative: Conditioning | None = None,
    guidance: Scale = 3.0,
    rescale: Share = 0.0,
    start: Share = 0.0,
    end: Share = 1.0,
) -> Guider:
    """Classifier-free guidance: push the model's estimate towards one prompt and away from another.

    Args:
        model: the denoiser.
        positive: what the picture should show.
        negative: what it should not show; needed unless `guidance` is 1.
        guidance: strength (CFG scale); 1 leaves `negative` out and is twice as fast.
        rescale: bring the guided estimate back to the spread of the unguided one, against burnt colours; 0.7 is usual.
        start: share of the run at which guidance begins, 0..1.
        end: share at which it ends. Guidance in the middle of the run only can give more varied pictures.
    """
    if negative is None and guidance == 1.0:
        return Guider(model, positive, kind="basic")
    options: dict[str, Any] = {}
    if rescale:
        options["rescale"] = rescale
    if (start, end) != (0.0, 1.0):
        options |= {"start": start, "end": end}
    return Guider(model, positive, negative, kind="cfg", scale=guidance, options=options)


@node("diffusion/guider_dual")
def guider_dual(
    model: Model,
    positive: Conditioning,
    middle: Conditioning,
    negative: Conditioning,
    guidance: Scale = 3.0,
    guidance_middle: Scale = 1.5,
    nested: bool = False,
) -> Guider:
    """Two guidances at once: from `middle` to `positive`, and from `negative` to `middle`. Three model runs a step.

    Args:
        model: the denoiser.
        positive: the whole wish, such as an instruction together with the picture to edit.
        middle: a part of it, such as the picture alone.
        negative: neither.
        guidance: strength of `positive` against `middle`.
        guidance_middle: strength of `middle` against `negative`.
        nested: apply the second to the result of the first, instead of adding both.
    """
    options = {"scale_middle": guidance_middle, "nested": nested}
    return Guider(model, positive, negative, middle, kind="dual", scale=guidance, options=options)


@node("diffusion/guider_perp_neg")
def guider_perp_neg(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    empty: Conditioning,
    guidance: Scale = 3.0,
    strength: Annotated[float, Range(0, 100, 0.01)] = 1.0,
    compat: bool = False,
) -> Guider:
    """Guidance whose negative prompt takes away only what the positive prompt does not ask for.

    Only the part of the negative direction that is perpendicular to the positive one counts, so that prompts which
    overlap do not fight. Three model runs a step.

    Args:
        model: the denoiser.
        positive: what the picture should show.
        negative: what it should not show.
        empty: the empty prompt, encoded.
        guidance: strength (CFG scale).
        strength: of the negative prompt.
        compat: compute over the whole batch at once as ComfyUI does, so that pictures of a batch affect each other.
    """
    options = {"strength": strength, "compat": compat}
    return Guider(model, positive, negative, empty, kind="perp_neg", scale=guidance, options=options)


@node("diffusion/model_shift")
def model_shift(model: Model, shift: Annotated[float, Range(0, 100, 0.01)] = 3.0) -> Model:
    """Move a flow model's steps towards noise (higher) or towards detail (lower). Loads nothing anew.

    Args:
        model: a flow matching denoiser: SD3, Flux, or the built-in model.
        shift: SD3 and the built-in model: the factor s in s·t/(1 + (s - 1)t), 3 as trained, 1 is none. Flux: the
            exponent mu, 1.15 as trained for large pictures, 0 is none.
    """
    return model.with_options(sampling={**_sampling(model), "shift": shift})


@node("diffusion/model_shift_by_size")
def model_shift_by_size(
    model: Model,
    width: Annotated[int, Range(16, 16384, 8, unit="px")] = 1024,
    height: Annotated[int, Range(16, 16384, 8, unit="px")] = 1024,
    base_shift: Annotated[float, Range(0, 100, 0.01)] = 0.5,
    max_shift: Annotated[float, Range(0, 100, 0.01)] = 1.15,
) -> Model:
    """Flux's time shift for a picture of a given size: the larger, the more steps go to noise.

    Args:
        model: a Flux denoiser.
        width: of the picture, pixels.
        height: of the picture, pixels.
        base_shift: shift at 256 x 256 pixels.
        max_shift: shift at 1024 x 1024 pixels.
    """
    tokens = (height // 16) * (width // 16)
    shift = base_shift + (max_shift - base_shift) * (tokens - 256) / (4096 - 256)
    return model.with_options(sampling={**_sampling(model), "shift": shift})


@node("diffusion/model_sampling")
def model_sampling(model: Model, parametrisation: Literal["eps", "v"] = "v", zero_terminal_snr: bool = False) -> Model:
    """Say how a model was trained where its file does not: what it predicts, and how noisy the noisiest step was.

    Args:
        model: a denoiser of the SD1, SD2 or SDXL families.
        parametrisation: what its output means: `eps` (the noise; most models) or `v` (velocity; SD 2.1 at 768 pixels).
        zero_terminal_snr: whether training began from pure noise (models fine-tuned for very dark and bright pictures).
    """
    table = {"kind": "ztsnr" if zero_terminal_snr else "discrete"}
    return model.with_options(sampling={**_sampling(model), "parametrisation": parametrisation, "table": table})


# --- how the nodes run ----------------------------------------------------------------------------------------------


def _sampling(model: Model) -> dict[str, Any]:
    """The changes to sampling that a handle carries."""
    found = model.options.get("sampling")
    return dict(found) if isinstance(found, Mapping) else {}


def _bare(model: Model) -> Model:
    """The handle as the weights pool should see it: models that differ only in sampling share one module."""
    return replace(model, options={key: value for key, value in model.options.items() if key != "sampling"})


@contextmanager
def _errors() -> Iterator[None]:
    """What the numerics object to is the user's to mend: shown without a traceback."""
    try:
        yield
    except ValueError as error:
        raise NodeError(str(error)) from error


class _Previews:
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


class _Opened(ExitStack):
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

    def __enter__(self) -> _Opened:
        super().__enter__()
        self._denoiser = self.enter_context(self._ctx.weights.use(_bare(self._guider.model), self._ctx.device))
        handles = [c.control_net for side in self._sides.values() for x in side for c in x.control]
        self._networks = {id(h): self.enter_context(self._ctx.weights.use(h, self._ctx.device)) for h in handles}
        return self

    def sigmas(self, schedule: str, steps: int, denoise: float, sampler: str, compat: bool) -> Tensor:
        from nodeflow_nodes.diffusion.sampling import run, samplers, schedules

        return schedules.make_sigmas(
            run.table_of(self._denoiser, _sampling(self._guider.model)),
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
            preview=_Previews(lambda estimate: ctx.preview(to_rgb(estimate, denoiser.family))),
            warn=ctx.warn,
        )
        result = run.sample(
            denoiser,
            job,
            networks=self._networks,
            sampling=_sampling(self._guider.model),
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
            table = table_of(self._denoiser, _sampling(self._guider.model))
            options |= {"first": table.percent(start), "last": table.percent(end)}
        return Guidance(self._guider.kind, self._guider.scale, **options)
