"""The parts of sampling: noise, noise levels, the algorithm."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from nodeflow import Context, Model, Noise, Range, Sampler, Seed, Sigmas, node
from nodeflow_nodes.diffusion.opened import bare, changes, users_errors
from nodeflow_nodes.diffusion.sampling.names import NoiseLayout, SamplerName, ScheduleName

Steps = Annotated[int, Range(1, 10_000, unit="steps")]
Share = Annotated[float, Range(0, 1, 0.01)]


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
    with users_errors(), ctx.weights.use(bare(model), ctx.device) as denoiser:
        from nodeflow_nodes.diffusion.sampling.run import table_of
        from nodeflow_nodes.diffusion.sampling.schedules import make_sigmas

        return make_sigmas(table_of(denoiser, changes(model)), schedule, steps, denoise)


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
        with users_errors():
            from nodeflow_nodes.diffusion.sampling.run import check_options

            check_options(name, options)
    return Sampler(name, dict(options))
