from dataclasses import replace

import pytest
import torch

from nodeflow import Condition, ControlHint, ControlNet
from nodeflow_nodes.diffusion.sampling.guidance import Guidance
from nodeflow_nodes.diffusion.sampling.noise import first_noise
from nodeflow_nodes.diffusion.sampling.run import Hooks, Job, described, sample
from nodeflow_nodes.diffusion.sampling.schedules import make_sigmas
from nodeflow_nodes.diffusion.sampling.tables import make_table

from .helpers import FlatDenoiser


def text(value, **changes):
    return Condition(torch.full((1, 2, 4), float(value)), **changes)


def job(kind="flow", size=8, batch=1, steps=4, **changes):
    table = {"kind": "flow", "shift": 3.0} if kind == "flow" else {"kind": kind}
    settings = {
        "sides": {"positive": [text(2.0)], "negative": [text(1.0)]},
        "guidance": Guidance("cfg", 3.0),
        "sigmas": make_sigmas(make_table(table), "simple", steps),
        "latent": torch.zeros(batch, 4, size, size),
        "seed": 5,
    }
    return Job(**{**settings, **changes})


@pytest.mark.parametrize("kind", ["flow", "discrete"])
def test_a_constant_target_is_reached(kind):
    """Every estimate is U + 3 (C − U) = 1 + 3 · 1 = 4 everywhere."""
    result = sample(FlatDenoiser(kind), job(kind))
    assert torch.allclose(result.latent, torch.full((1, 4, 8, 8), 4.0), atol=1e-3)
    assert torch.allclose(result.denoised, result.latent, atol=1e-3)


def test_both_sides_run_in_one_batch_and_one_where_one_suffices():
    denoiser = FlatDenoiser()
    sample(denoiser, job(batch=3))
    assert denoiser.batches == [(6, 4, 8, 8)] * 4
    denoiser = FlatDenoiser()
    sample(denoiser, job(guidance=Guidance("cfg", 1.0)))
    assert denoiser.batches == [(1, 4, 8, 8)] * 4


def test_a_latent_that_a_flow_model_would_lose_is_told():
    """σ = 1 and no noise: x = 1 · 0 + (1 − 1) z. What is left of it later, or what other models keep, is no reason."""
    told = []
    hooks = Hooks(warn=told.append)
    latent = torch.ones(1, 4, 8, 8)
    sample(FlatDenoiser(), job(latent=latent, layout="none"), hooks=hooks)
    assert len(told) == 1
    assert "the latent is ignored" in told[0]
    for other in (
        job(latent=latent),
        job(layout="none"),
        job(latent=latent, layout="none", sigmas=job().sigmas[1:]),
        job("discrete", latent=latent, layout="none"),
    ):
        kind = "flow" if other.sigmas[0] <= 1 else "discrete"
        sample(FlatDenoiser(kind), other, hooks=hooks)
    assert len(told) == 1


def test_an_empty_latent_gets_the_models_channels():
    assert sample(FlatDenoiser(), job(latent=torch.zeros(1, 16, 8, 8))).latent.shape == (1, 4, 8, 8)
    with pytest.raises(ValueError, match="4 channels, got 16"):
        sample(FlatDenoiser(), job(latent=torch.ones(1, 16, 8, 8)))


def test_scale_and_shift_on_entry_and_exit():
    denoiser = FlatDenoiser()
    denoiser.latent_scale, denoiser.latent_shift = [2.0, 2.0, 2.0, 4.0], 0.5
    result = sample(denoiser, job())
    assert result.latent[0, :, 0, 0].tolist() == pytest.approx([2.5, 2.5, 2.5, 1.5], abs=1e-4)


def test_stopping_early_leaves_noise_and_gives_the_estimate():
    whole = job()
    part = job(sigmas=whole.sigmas[:3])
    result = sample(FlatDenoiser(), part)
    assert result.latent.std() > 0.1
    assert torch.allclose(result.denoised, torch.full_like(result.denoised, 4.0), atol=1e-4)


def test_a_run_in_two_parts_is_the_whole_run():
    whole = job()
    first = sample(FlatDenoiser(), job(sigmas=whole.sigmas[:3]))
    second = sample(FlatDenoiser(), job(sigmas=whole.sigmas[2:], latent=first.latent, layout="none"))
    assert torch.allclose(second.latent, sample(FlatDenoiser(), whole).latent, atol=1e-4)


def test_no_steps_give_the_latent_back():
    latent = torch.randn(1, 4, 8, 8)
    assert torch.equal(sample(FlatDenoiser(), job(latent=latent, sigmas=torch.zeros(0))).latent, latent)


@pytest.mark.parametrize("kind", ["flow", "discrete"])
def test_what_the_mask_keeps_is_kept(kind):
    latent = torch.full((1, 4, 8, 8), -1.0)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 16:] = 1.0
    result = sample(FlatDenoiser(kind), job(kind, latent=latent, mask=mask)).latent
    assert torch.allclose(result[..., :3], latent[..., :3], atol=1e-4)
    assert torch.allclose(result[..., 5:], torch.full((1, 4, 8, 3), 4.0), atol=1e-3)


def test_differential_diffusion_opens_with_time():
    """Mask 1 changes from the first step, 0 never, and the grey between later."""
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 4:6], mask[..., 6:] = 0.5, 1.0
    seen = []
    denoiser = FlatDenoiser()
    latent = torch.full((1, 4, 8, 8), -1.0)
    hooks = Hooks(preview=lambda d: seen.append(d[0, 0, 0]))
    result = sample(denoiser, job(latent=latent, mask=mask, differential=True, steps=10), hooks=hooks).latent
    columns = torch.stack(seen)
    assert (columns[:, 0] == -1).all()
    assert (columns[:, 7] > 3.9).all()
    opened = (columns[:, 5] > 3.9).tolist()
    assert not opened[0]
    assert opened[-1]
    assert opened == sorted(opened)
    assert torch.allclose(result[..., :4], latent[..., :4], atol=1e-4)


def test_pictures_of_a_batch_are_those_made_alone():
    """With noise of each sampler's kind: none, fresh, Brownian; and the one that looks at the whole batch."""
    for sampler in ("euler", "euler_ancestral", "dpmpp_2m_sde", "dpm_adaptive"):
        conditions = {"positive": [text(2.0)], "negative": [text(0.0)]}
        together = sample(FlatDenoiser("discrete"), job("discrete", batch=3, sampler=sampler, sides=conditions)).latent
        alone = sample(FlatDenoiser("discrete"), job("discrete", seed=6, sampler=sampler, sides=conditions)).latent
        assert torch.allclose(together[1:2], alone, atol=1e-4), sampler
        cut = job("discrete", batch_index=(1,), sampler=sampler, sides=conditions)
        assert torch.equal(sample(FlatDenoiser("discrete"), cut).latent, alone), sampler


def test_a_sampler_that_looks_at_the_whole_batch_gives_each_picture_its_own_hint():
    class Led(FlatDenoiser):
        def __call__(self, x, timestep, conditions):
            given = conditions.tokens + conditions.control["mid"][0][:, :1, :1]
            return super().__call__(x, timestep, replace(conditions, tokens=given))

    class Net:
        downscale = 4

        def __call__(self, x, timestep, conditions, hint):
            return {"mid": [hint.mean(dim=(1, 2, 3))[:, None, None]]}

    handle, hints = ControlNet("x", "", ""), torch.stack([torch.zeros(3, 32, 32), torch.ones(3, 32, 32)])
    led = text(2.0, control=(ControlHint(handle, hints),))
    run = job(
        "discrete", batch=2, steps=20, sampler="dpm_adaptive", guidance=Guidance("basic"), sides={"positive": [led]}
    )
    means = sample(Led("discrete"), run, networks={id(handle): Net()}).latent.mean(dim=(1, 2, 3))
    assert means.tolist() == pytest.approx([2.0, 3.0], abs=0.1)


def test_compatible_sampler_noise_is_that_of_the_first_seed():
    """One step of LCM leaves the estimate, 4, and σ times what the sampler drew."""
    sigmas = make_sigmas(make_table({"kind": "discrete"}), "simple", 2)[:2]
    for compat, seed in ((True, 5), (False, 6)):
        part = job("discrete", sampler="lcm", sigmas=sigmas, layout="batch", compat=compat)
        drawn = (sample(FlatDenoiser("discrete"), part).latent - 4.0) / sigmas[1]
        assert torch.allclose(drawn, first_noise((1, 4, 8, 8), seed, "batch"), atol=1e-3)


def test_two_areas_each_follow_their_prompt():
    left, right = text(2.0, area=(8, 4, 0, 0)), text(6.0, area=(8, 4, 0, 4))
    result = sample(FlatDenoiser(), job(sides={"positive": [left, right]}, guidance=Guidance("basic"))).latent
    assert torch.allclose(result[..., 0], torch.tensor(2.0), atol=1e-4)
    assert torch.allclose(result[..., 7], torch.tensor(6.0), atol=1e-4)


def test_overlapping_conditions_are_averaged_by_strength():
    sides = {"positive": [text(2.0, strength=3.0), text(6.0, strength=1.0)]}
    result = sample(FlatDenoiser(), job(sides=sides, guidance=Guidance("basic"))).latent
    assert torch.allclose(result, torch.full_like(result, 3.0), atol=1e-4)


def test_a_step_without_an_active_condition_is_reported():
    warnings = []
    sides = {"positive": [text(2.0, start=0.5)]}
    sample(FlatDenoiser(), job(sides=sides, guidance=Guidance("basic")), hooks=Hooks(warn=warnings.append))
    assert len(warnings) == 1
    assert "positive" in warnings[0]


def test_results_that_cannot_be_right_are_reported():
    warnings = []
    sample(FlatDenoiser(), job(sampler="ddpm"), hooks=Hooks(warn=warnings.append))
    assert len(warnings) == 1
    assert "ddpm" in warnings[0]
    sides = {"positive": [text(torch.nan)]}
    sample(FlatDenoiser(), job(sides=sides, guidance=Guidance("basic")), hooks=Hooks(warn=warnings.append))
    assert "not numbers" in warnings[1]


def test_prompts_change_with_time():
    sides = {"positive": [text(2.0, end=0.5), text(6.0, start=0.5)]}
    result = sample(FlatDenoiser(), job(sides=sides, guidance=Guidance("basic"), steps=8)).latent
    assert torch.allclose(result, torch.full_like(result, 6.0), atol=1e-4)


def test_controlnets_add_up_in_their_ranges():
    class Network:
        downscale = 4

        def __call__(self, x, timestep, conditions, hint):
            assert hint.shape == (2, 3, 32, 32)
            assert conditions.control is None
            return {"blocks": [torch.ones(2, 1)]}

    a, b = ControlNet("a", "", ""), ControlNet("b", "", "")
    hint = torch.zeros(1, 3, 32, 32)
    control = (ControlHint(a, hint, 0.5), ControlHint(b, hint, 2.0, 0.0, 0.4))
    denoiser = FlatDenoiser()
    sides = {"positive": [text(2.0, control=control)], "negative": [text(1.0, control=control)]}
    sample(denoiser, job(sides=sides), networks={id(a): Network(), id(b): Network()})
    sums = [float(c["blocks"][0][0]) for c in denoiser.controls]
    assert sums == [2.5, 2.5, 0.5, 0.5]


def test_progress_and_preview_at_each_step_and_stop_within_one():
    steps, previews = [], []
    hooks = Hooks(progress=lambda done, total: steps.append((done, total)), preview=previews.append)
    sample(FlatDenoiser(), job(), hooks=hooks)
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(previews) == 4
    denoiser = FlatDenoiser()

    def stop(done, total):
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        sample(denoiser, job(), hooks=Hooks(progress=stop))
    assert len(denoiser.batches) == 2


def test_nothing_that_was_given_is_changed():
    given = job("discrete", sampler="uni_pc", compat=True)
    sigmas = given.sigmas.clone()
    sample(FlatDenoiser("discrete"), given)
    assert torch.equal(given.sigmas, sigmas)


def test_options_of_a_handle_change_the_description():
    denoiser = FlatDenoiser()
    assert described(denoiser, {"shift": 1.0}) == ("flow", {"kind": "flow", "shift": 1.0})
    changed = described(FlatDenoiser("discrete"), {"parametrisation": "v", "table": {"kind": "ztsnr"}})
    assert changed == ("v", {"kind": "ztsnr"})
    with pytest.raises(ValueError, match="time shift"):
        described(FlatDenoiser("discrete"), {"shift": 1.0})


def test_missing_parts_are_named():
    with pytest.raises(ValueError, match="negative"):
        sample(FlatDenoiser(), job(sides={"positive": [text(1.0)]}))
    with pytest.raises(ValueError, match="no option 'eta'"):
        sample(FlatDenoiser(), job(options={"eta": 1.0}))
