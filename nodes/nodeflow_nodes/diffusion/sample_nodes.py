"""Sampling: from noise, guided by text, to latents. All in one node, a part of the steps, or parts of one's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from nodeflow import Conditioning, Context, Guider, Latent, Model, Noise, Range, Sampler, Seed, Sigmas, node
from nodeflow_nodes.diffusion.opened import CustomSampled, Opened, users_errors
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
    with users_errors(), Opened(ctx, guider) as opened:
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
    with users_errors(), Opened(ctx, guider) as opened:
        from nodeflow_nodes.diffusion.sampling.schedules import step_range

        sigmas = opened.sigmas(schedule, steps, 1.0, sampler, compat)
        sigmas = step_range(sigmas, start_step, end_step, leave_noise)
        return opened.run(Noise(seed, noise), sigmas, Sampler(sampler), latent, compat=compat).latent


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
    with users_errors(), Opened(ctx, guider) as opened:
        result = opened.run(noise, sigmas, sampler, latent, compat=compat, differential=mask_mode == "differential")
        return CustomSampled(result.latent, result.denoised)
