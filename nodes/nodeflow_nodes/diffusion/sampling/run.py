"""One sampling run: from a latent, noise and conditionings to a latent (the loop over steps is the sampler's).

`sample` knows no nodes and no engine. What it needs from outside comes in `Hooks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nodeflow_nodes.diffusion.sampling import samplers
from nodeflow_nodes.diffusion.sampling.conditions import prepare, resize_mask
from nodeflow_nodes.diffusion.sampling.estimate import Estimator
from nodeflow_nodes.diffusion.sampling.guidance import Guidance
from nodeflow_nodes.diffusion.sampling.inpaint import Differential, Masked
from nodeflow_nodes.diffusion.sampling.model_space import from_model_space, to_model_space
from nodeflow_nodes.diffusion.sampling.noise import BrownianNoise, FreshNoise, first_noise
from nodeflow_nodes.diffusion.sampling.parametrisation import make_parametrisation
from nodeflow_nodes.diffusion.sampling.tables import SigmaTable, make_table

MUCH_NOISE = 0.3
"""σ from which on noise is plain to see (latents in the model's space have a standard deviation of about 1)."""


class Sampled(NamedTuple):
    """`latent`: the result. `denoised`: the last estimate (what the picture would be without the noise that is left,
    where sampling stopped early). Both unscaled, float32, on the CPU."""

    latent: Tensor
    denoised: Tensor


@dataclass(frozen=True)
class Hooks:
    """What a run reports to. `check` is called before each evaluation, and raises to stop; `preview` gets the estimate
    in the model's space [B, C, h, w] after each step."""

    check: Callable[[], None] = lambda: None
    progress: Callable[[int, int], None] = lambda done, total: None
    preview: Callable[[Tensor], None] | None = None
    warn: Callable[[str], None] = lambda message: None


@dataclass(frozen=True)
class Job:
    """What to sample.

    sides: the conditions of "positive", "negative" and "middle", as far as the guidance needs them.
    guidance: how their estimates are combined.
    sigmas: float32 [N + 1]; fewer than 2 values: no steps.
    latent: float32 [B, C, h, w], unscaled; all zeros for a new picture.
    mask: None, or [1 or B, 1, H, W], 0..1; 1 = may change. differential: it says when rather than how much.
    batch_index: place of each item in the batch it was cut from.
    seed, layout: of the noise (see `noise`). sampler, options: a name of the sampler list and its options.
    compat: ComfyUI's numbers where ours differ by default (sampler noise from the same seed as the first noise, ...).
    """

    sides: Mapping[str, Sequence[Any]]
    guidance: Guidance
    sigmas: Tensor
    latent: Tensor
    seed: int = 0
    layout: str = "per_item"
    sampler: str = "euler"
    options: Mapping[str, Any] = field(default_factory=dict)
    mask: Tensor | None = None
    differential: bool = False
    batch_index: Sequence[int] | None = None
    compat: bool = False


def described(denoiser: Any, sampling: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    """Parametrisation and sigma table of a denoiser with a handle's `sampling` option applied: `parametrisation`
    replaces that name, `table` the whole table, `shift` the table's shift, `flux_shift` that of Flux's table."""
    options = dict(sampling or {})
    if denoiser.parametrisation == "flow" and {"parametrisation", "table"} & options.keys():
        raise ValueError("model_sampling: for models of Stable Diffusion 1, 2 and XL's kind; this is a flow model")
    table = dict(options.get("table") or denoiser.sigma_table)
    for name, kinds in (("shift", ("flow", "flux")), ("flux_shift", ("flux",))):
        if name not in options:
            continue
        if table["kind"] not in kinds:
            raise ValueError(
                f"time shift: for {'Flux' if name == 'flux_shift' else 'flow models'}; "
                f"this model has a table of kind {table['kind']!r}"
            )
        table["shift"] = options[name]
    if table["kind"] == "flow" and table["shift"] <= 0:
        raise ValueError("time shift 0: expected more than 0 (1 leaves the steps even); only Flux's may be 0")
    return options.get("parametrisation") or denoiser.parametrisation, table


def table_of(denoiser: Any, sampling: Mapping[str, Any] | None = None) -> SigmaTable:
    """The sigma table of a denoiser, with a handle's `sampling` option applied."""
    return make_table(described(denoiser, sampling)[1])


def sample(
    denoiser: Any,
    job: Job,
    *,
    networks: Mapping[int, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    device: str = "cpu",
    hooks: Hooks | None = None,
) -> Sampled:
    """Sample.

    Args:
        denoiser: see `diffusion/denoiser.py`; on `device`.
        job: what to sample.
        networks: ControlNet modules by `id` of the handle that the conditions name.
        sampling: changes to the denoiser's description (`described`).
        device: where to compute.
        hooks: what to report to.

    Raises:
        ValueError: if something does not fit; the message says what.
    """
    check_options(job.sampler, job.options)
    if job.guidance.kind == "basic" and samplers.needs_uncond(job.sampler):
        raise ValueError(
            f"sampler {job.sampler}: CFG++ uses the answer to the negative prompt itself: link a negative conditioning "
            "(an encoded empty prompt will do), also with guidance 1"
        )
    if len(job.sigmas) < 2:
        return Sampled(job.latent, job.latent)
    if job.sampler in samplers.COUPLES_ITEMS and job.layout == "per_item" and job.latent.shape[0] > 1:
        items = [
            sample(denoiser, _item(job, i), networks=networks, sampling=sampling, device=device, hooks=hooks)
            for i in range(job.latent.shape[0])
        ]
        return Sampled(torch.cat([i.latent for i in items]), torch.cat([i.denoised for i in items]))
    with torch.no_grad():
        return _sample(denoiser, job, networks or {}, sampling, device, hooks or Hooks())


def check_options(sampler: str, options: Mapping[str, Any]) -> None:
    """Raises `ValueError` for an unknown sampler, or an option that it does not have."""
    known = samplers.sampler_options(sampler)
    for name in options:
        if name not in known:
            raise ValueError(f"sampler {sampler}: no option {name!r}; it has {', '.join(known) or 'no options'}")


def _sample(
    denoiser: Any, job: Job, networks: Mapping[int, Any], sampling: Mapping[str, Any] | None, device: str, hooks: Hooks
) -> Sampled:
    name, description = described(denoiser, sampling)
    table = make_table(description)
    parametrisation = make_parametrisation(name, description.get("sigma_data", 0.5))
    sigmas = job.sigmas.detach().float().cpu().clone()
    _check_sigmas(sigmas, parametrisation.flow)
    z = _entered(job.latent, denoiser).to(device)
    noise = first_noise(z.shape, job.seed, job.layout, job.batch_index).to(device)

    blank = any("concat_latent" in condition.extra for side in job.sides.values() for condition in side)
    if blank and denoiser.in_channels == denoiser.latent_channels:
        hooks.warn(
            "the prompts carry a picture to repaint or edit, which this model does not read and is left out: "
            "it is no inpainting or editing model"
        )
    sides = {
        side: prepare(c, z, table, denoiser=denoiser, networks=networks, negative=side == "negative", blank=blank)
        for side, c in job.sides.items()
    }
    estimator = Estimator(
        denoiser,
        parametrisation,
        table,
        job.guidance,
        sides,
        need_uncond=samplers.needs_uncond(job.sampler),
        check=hooks.check,
        warn=hooks.warn,
    )
    model = estimator if job.mask is None else _masked(estimator, job, z, noise, sigmas)

    if parametrisation.flow and job.sampler in samplers.NOT_FOR_FLOW:
        hooks.warn(
            f"sampler {job.sampler} is made for models that predict noise: with a flow model, noise is left over"
        )
    if job.sampler in samplers.STOPS_EARLY and (left := float(sigmas[sigmas > 0].min())) > MUCH_NOISE:
        hooks.warn(
            f"sampler {job.sampler} stops at the last sigma above 0, here {left:.3g}: that much noise stays; "
            "take more steps, or another schedule"
        )
    if job.layout == "none" and parametrisation.flow and sigmas[0] >= 1 and z.any():
        hooks.warn(
            "the latent is ignored: at full denoise a flow model's state is noise alone, and no noise is added; "
            "use less denoise, or add noise"
        )
    last = z
    total = len(sigmas) - 1

    def step(i: int, x: Tensor, sigma: Tensor, denoised: Tensor) -> None:
        nonlocal last
        last = denoised
        if hooks.preview is not None:
            hooks.preview(denoised)
        hooks.progress(min(i + 1, total), total)

    x = parametrisation.noised(noise, z, sigmas[0], float(table.sigma_max))
    options = dict(job.options)
    if job.compat and "compat" in samplers.sampler_options(job.sampler):
        options["compat"] = True
    x = samplers.sampler_named(job.sampler)(model, x, sigmas, _sampler_noise(x, sigmas, job), step, **options)
    if sigmas[-1] > 0:
        x = parametrisation.finished(x, sigmas[-1])
    if not x.isfinite().all():
        hooks.warn("the result has values that are not numbers: try another sampler, less guidance, or float32")
    return Sampled(from_model_space(x, denoiser).cpu(), from_model_space(last, denoiser).cpu())


def _check_sigmas(sigmas: Tensor, flow: bool) -> None:
    if not (sigmas.isfinite().all() and (sigmas.diff() < 0).all() and sigmas[-1] >= 0):
        raise ValueError(f"sigmas: expected values that fall and end at 0 or above, got {_shown(sigmas)}")
    if flow and sigmas[0] > 1:
        raise ValueError(
            f"sigmas: this flow model's are shares of noise, 0..1, got {_shown(sigmas)}: they were made for another "
            "model; make them with this one"
        )


def _shown(sigmas: Tensor) -> str:
    return ", ".join(f"{sigma:.4g}" for sigma in sigmas[:4].tolist()) + (", …" if len(sigmas) > 4 else "")


def _entered(latent: Tensor, denoiser: Any) -> Tensor:
    """The latent in the model's space. An empty one (all zeros) stays empty, and gets the model's channels."""
    latent = latent.float()
    if latent.any():
        if latent.shape[1] != denoiser.latent_channels:
            raise ValueError(
                f"latent: this model wants {denoiser.latent_channels} channels, got {latent.shape[1]}: "
                "it was encoded by another family's VAE"
            )
        return to_model_space(latent, denoiser)
    if latent.shape[1] == denoiser.latent_channels:
        return latent
    return latent.new_zeros(latent.shape[0], denoiser.latent_channels, *latent.shape[2:])


def _masked(model: Estimator, job: Job, z: Tensor, noise: Tensor, sigmas: Tensor) -> Masked:
    if job.mask is None:
        raise ValueError("no mask")
    mask = resize_mask(job.mask, z.shape[2], z.shape[3], z.shape[0]).to(z.device)
    if job.sampler == "ddim":
        layout = "batch" if job.layout == "none" else job.layout
        noise = first_noise(z.shape, job.seed + 1, layout, job.batch_index).to(z.device)
    return Masked(model, z, noise, Differential(mask, sigmas, model.table) if job.differential else mask)


def _sampler_noise(x: Tensor, sigmas: Tensor, job: Job) -> FreshNoise | BrownianNoise:
    """What the sampler draws from: of its own seed, or a path over the whole schedule."""
    items = job.batch_index or range(x.shape[0])
    places = items if job.layout == "per_item" else [0]
    if job.sampler in samplers.BROWNIAN:
        return BrownianNoise(x, sigmas, [job.seed + place for place in places])
    offset = 0 if job.compat else 1
    return FreshNoise(x, [job.seed + offset + place for place in places])


def _item(job: Job, i: int) -> Job:
    """The job of one picture of a batch."""
    place = i if job.batch_index is None else job.batch_index[i]

    def cut(value: Any) -> Any:
        return value[i : i + 1] if isinstance(value, Tensor) and value.shape[0] > 1 else value

    def alone(condition: Any) -> Any:
        control = tuple(replace(c, hint=cut(c.hint)) for c in condition.control)
        extra = {name: cut(value) for name, value in condition.extra.items()}
        return replace(condition, mask=cut(condition.mask), extra=extra, control=control)

    sides = {side: [alone(c) for c in conditions] for side, conditions in job.sides.items()}
    return replace(job, sides=sides, latent=job.latent[i : i + 1], mask=cut(job.mask), batch_index=(place,))
