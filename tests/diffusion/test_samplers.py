"""Every sampler against the exact solution for a Gaussian target: order of convergence, moments, reports."""

import typing

import pytest
import torch

from nodeflow_nodes.diffusion.sampling import names
from nodeflow_nodes.diffusion.sampling.samplers import SAMPLERS, sampler_named, sampler_options
from nodeflow_nodes.diffusion.sampling.schedules import SCHEDULES

from .helpers import MEAN, SPREAD, Gaussian, Unit, nothing

# Not among them: dpmpp_2s_ancestral_cfg_pp, which as published takes U from the midpoint and does not converge.
DETERMINISTIC = {
    # name: (order, options that switch noise off)
    "euler": (1, {}),
    "euler_cfg_pp": (1, {}),
    "euler_ancestral": (1, {"eta": 0.0}),
    "euler_ancestral_cfg_pp": (1, {"eta": 0.0}),
    "heun": (2, {}),
    "heunpp2": (1, {}),
    "dpm_2": (2, {}),
    "dpm_2_ancestral": (2, {"eta": 0.0}),
    "lms": (3, {}),  # 4 but for the first steps
    "dpmpp_2s_ancestral": (2, {"eta": 0.0}),
    "dpmpp_sde": (2, {"eta": 0.0}),
    "dpmpp_2m": (2, {}),
    "dpmpp_2m_cfg_pp": (2, {}),
    "dpmpp_2m_sde": (2, {"eta": 0.0}),
    "dpmpp_2m_sde_heun": (2, {"eta": 0.0}),
    "dpmpp_3m_sde": (2, {"eta": 0.0}),  # 3 but for the first steps
    "deis": (3, {}),
    "res_multistep": (2, {}),
    "res_multistep_cfg_pp": (2, {}),
    "res_multistep_ancestral": (2, {"eta": 0.0}),
    "res_multistep_ancestral_cfg_pp": (2, {"eta": 0.0}),
    "gradient_estimation": (1, {}),
    "gradient_estimation_cfg_pp": (1, {}),
    "seeds_2": (2, {"eta": 0.0}),
    "seeds_3": (3, {"eta": 0.0}),
    "sa_solver": (3, {"start": 1.0, "end": 0.0}),
    "sa_solver_pece": (3, {"start": 1.0, "end": 0.0}),
    "uni_pc": (2, {}),  # 3 but for the first and last steps
    "uni_pc_bh2": (2, {}),
}
STOCHASTIC = {
    "euler_ancestral": {},
    "euler_ancestral_cfg_pp": {},
    "dpm_2_ancestral": {},
    "dpmpp_2s_ancestral": {},
    "dpmpp_sde": {},
    "dpmpp_2m_sde": {},
    "dpmpp_2m_sde_heun": {},
    "dpmpp_3m_sde": {},
    "res_multistep_ancestral": {},
    "res_multistep_ancestral_cfg_pp": {},
    "er_sde": {},
    "seeds_2": {},
    "seeds_3": {},
    "sa_solver": {},
    "sa_solver_pece": {},
    "ddpm": {},
}
FLOW_STOCHASTIC = [
    "euler_ancestral",
    "dpm_2_ancestral",
    "dpmpp_2s_ancestral",
    "dpmpp_sde",
    "dpmpp_2m_sde",
    "dpmpp_3m_sde",
    "er_sde",
    "seeds_2",
    "seeds_3",
    "sa_solver",
    "euler_ancestral_cfg_pp",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
]


def run(name, model, x, sigmas, noise=None, step=nothing, **options):
    return SAMPLERS[name](model, x, sigmas, noise or Unit(x), step, **options)


def path(model, low, high, steps):
    """σ in float64, even in λ."""
    log_snr = model.parametrisation.log_snr(torch.tensor([high, low], dtype=torch.float64))
    return model.parametrisation.sigma_of(torch.linspace(float(log_snr[0]), float(log_snr[1]), steps + 1).double())


def error(name, model, steps, low, high, options):
    torch.manual_seed(0)
    sigmas = path(model, low, high, steps)
    x = MEAN + model.spread(sigmas[0]) * torch.linspace(-2, 2, 16, dtype=torch.float64).reshape(1, 1, 4, 4)
    result = run(name, model, x, sigmas, **options)
    return float((result - model.exact(x, sigmas[0], sigmas[-1])).abs().max())


@pytest.mark.parametrize("name", sorted(DETERMINISTIC))
def test_order_of_convergence(name):
    order, options = DETERMINISTIC[name]
    model = Gaussian()
    coarse, fine = (error(name, model, n, 0.1, 5.0, options) for n in (40, 80))
    assert fine < 0.02
    assert coarse / fine > 2 ** (order - 0.35), f"order below {order}: {coarse:.2e} -> {fine:.2e}"


@pytest.mark.parametrize(
    "name", ["euler", "heun", "dpm_2", "dpmpp_2m", "dpmpp_sde", "dpmpp_3m_sde", "lms", "uni_pc_bh2"]
)
def test_flow_paths_converge_too(name):
    model = Gaussian(flow=True)
    options = {"eta": 0.0} if "sde" in name else {}
    coarse, fine = (error(name, model, n, 0.05, 0.95, options) for n in (40, 80))
    assert fine < 0.02
    assert coarse / fine > 1.8


@pytest.mark.parametrize("name", ["ipndm", "ipndm_v"])
def test_adams_orders_on_even_steps(name):
    model = Gaussian()

    def off(steps):
        sigmas = torch.linspace(3.0, 1.0, steps + 1, dtype=torch.float64)
        x = torch.linspace(-4, 4, 16, dtype=torch.float64).reshape(1, 1, 4, 4)
        return float((run(name, model, x, sigmas) - model.exact(x, sigmas[0], sigmas[-1])).abs().max())

    coarse, fine = off(40), off(80)
    assert coarse / fine > 2**1.8  # the first steps are of lower order, which limits the whole
    assert fine < 2e-4


def test_the_fast_and_the_adaptive_solver_reach_the_end():
    model = Gaussian()
    x = torch.linspace(-14, 14, 16, dtype=torch.float64).reshape(1, 1, 4, 4)
    for name, bound in (("dpm_fast", 1e-3), ("dpm_adaptive", 3e-2)):
        sigmas = torch.cat([path(model, 0.05, 14.0, 29), torch.zeros(1, dtype=torch.float64)])
        result = run(name, model, x, sigmas)
        assert float((result - model.exact(x, sigmas[0], sigmas[-2])).abs().max()) < bound


def test_the_adaptive_solver_does_not_search_for_ever():
    class Broken(Gaussian):
        def __call__(self, x, sigma):
            return x * torch.nan

    with pytest.raises(ValueError, match="not a number"):
        run("dpm_adaptive", Broken(), torch.ones(1, 1, 2, 2), torch.tensor([10.0, 1.0, 0.0]))


def test_fast_uses_as_many_evaluations_as_there_are_steps():
    for steps in (1, 2, 3, 4, 5, 6, 8):
        model = Gaussian()
        x = torch.zeros(1, 1, 4, 4)
        run(
            "dpm_fast",
            model,
            x,
            torch.cat([path(model, 0.05, 14.0, max(steps - 1, 1)).float(), torch.zeros(1)])[: steps + 1],
        )
        assert model.calls == steps


@pytest.mark.parametrize("name", sorted(STOCHASTIC))
def test_stochastic_samplers_keep_the_distribution(name):
    model = Gaussian()
    sigmas = path(model, 0.05, 10.0, 120)
    start = MEAN + model.spread(sigmas[0]) * torch.randn(20_000, generator=torch.Generator().manual_seed(1)).double()
    result = run(name, model, start.reshape(1, -1), sigmas)
    assert float(result.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(result.std()) == pytest.approx(float(model.spread(sigmas[-1])), rel=0.05)


@pytest.mark.parametrize("name", FLOW_STOCHASTIC)
def test_stochastic_samplers_keep_the_distribution_of_flows(name):
    model = Gaussian(flow=True)
    sigmas = path(model, 0.04, 0.97, 120)
    alpha = 1 - sigmas
    start = torch.randn(20_000, generator=torch.Generator().manual_seed(1)).double()
    start = alpha[0] * MEAN + model.spread(sigmas[0]) * start
    result = run(name, model, start.reshape(1, -1), sigmas)
    assert float(result.mean()) == pytest.approx(float(alpha[-1]) * MEAN, abs=0.02)
    assert float(result.std()) == pytest.approx(float(model.spread(sigmas[-1])), rel=0.05)


def test_compatible_ancestral_steps_of_flows_leave_too_much_noise():
    model = Gaussian(flow=True)
    sigmas = path(model, 0.04, 0.97, 40).float()
    x = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(1)) * model.spread(sigmas[0])
    ours = run("res_multistep_ancestral", model, x, sigmas)
    theirs = run("res_multistep_ancestral", model, x, sigmas, compat=True)
    assert float(ours.std()) == pytest.approx(float(model.spread(sigmas[-1])), rel=0.1)
    assert float(theirs.std()) > 1.15 * float(ours.std())


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"dpm_fast", "dpm_adaptive", "uni_pc", "uni_pc_bh2"}))
def test_a_schedule_that_ends_in_zero_ends_without_noise(name, flow):
    """From the noisiest σ (1 for flow, where λ is not defined) to 0, in float32, with few steps."""
    model = Gaussian(flow)
    top = 1.0 if flow else 14.6146
    sigmas = torch.tensor([top, *(top * s for s in (0.8, 0.55, 0.3, 0.12)), 0.0])
    x = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(2)) * model.spread(sigmas[0])
    x = x + model._alpha(sigmas[0]) * MEAN
    result = run(name, model, x, sigmas)
    assert torch.isfinite(result).all()
    assert float(result.mean()) == pytest.approx(MEAN, abs=0.25)
    assert float(result.std()) < 3 * SPREAD


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_few_steps_are_allowed(name, steps):
    model = Gaussian()
    sigmas = torch.cat([torch.linspace(14.6, 3.0, steps), torch.zeros(1)])
    result = run(name, model, torch.randn(1, 1, 8, 8) * 14.6, sigmas)
    assert torch.isfinite(result).all()


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_each_step_is_reported_and_may_stop_the_run(name):
    model, sigmas = Gaussian(), torch.tensor([14.6, 8.0, 4.0, 2.0, 0.5, 0.0])
    x = torch.randn(1, 1, 8, 8) * 14.6
    seen = []
    run(name, model, x, sigmas, step=lambda i, x, sigma, denoised: seen.append(i))
    assert seen == sorted(set(seen))
    assert seen[0] == 0
    if name not in ("dpm_fast", "dpm_adaptive"):
        assert seen == list(range(5))

    def stop(i, *rest):
        if i >= 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(name, model, x, sigmas, step=stop)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_samplers_leave_their_inputs_alone(name):
    model, sigmas = Gaussian(), torch.tensor([14.6, 8.0, 4.0, 2.0, 0.5, 0.0])
    x = torch.randn(1, 1, 8, 8) * 14.6
    copies = x.clone(), sigmas.clone()
    run(name, model, x, sigmas)
    assert torch.equal(x, copies[0])
    assert torch.equal(sigmas, copies[1])


def test_churn_adds_noise_and_keeps_the_distribution():
    model = Gaussian()
    sigmas = path(model, 0.05, 10.0, 120)
    start = MEAN + model.spread(sigmas[0]) * torch.randn(1, 20_000, generator=torch.Generator().manual_seed(1)).double()
    noise = Unit(start)
    result = run("euler", model, start, sigmas, noise, churn=20.0)
    assert noise.draws == 120
    assert float(result.std()) == pytest.approx(float(model.spread(sigmas[-1])), rel=0.05)


def test_cfg_pp_needs_a_negative_side():
    class Bare(Gaussian):
        def __call__(self, x, sigma):
            result = super().__call__(x, sigma)
            self.uncond = None
            return result

    with pytest.raises(ValueError, match="negative"):
        run("euler_cfg_pp", Bare(), torch.zeros(1, 1, 2, 2), torch.tensor([10.0, 1.0, 0.0]))


def test_names_are_those_of_the_code():
    assert set(typing.get_args(names.SamplerName)) == set(SAMPLERS)
    assert set(typing.get_args(names.ScheduleName)) == set(SCHEDULES)


def test_every_sampler_says_where_it_comes_from():
    for name, sampler in SAMPLERS.items():
        assert sampler.__doc__, name


def test_options_are_read_from_the_signature():
    assert sampler_options("euler_ancestral") == {"eta": 1.0, "s_noise": 1.0}
    with pytest.raises(ValueError, match="did you mean 'euler'"):
        sampler_named("eular")
