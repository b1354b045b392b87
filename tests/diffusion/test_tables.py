import math

import pytest
import torch

from nodeflow_nodes.diffusion.sampling.tables import (
    Flow,
    Flux,
    alphas_cumprod,
    flux_shift,
    make_table,
    sigmas_of,
    zero_terminal_snr,
)


def test_discrete_table_is_that_of_stable_diffusion():
    table = make_table({"kind": "discrete"})
    assert table.sigmas.shape == (1000,)
    assert table.sigmas.dtype == torch.float32
    assert float(table.sigma_min) == pytest.approx(0.0291671, abs=1e-6)
    assert float(table.sigma_max) == pytest.approx(14.614641, abs=1e-5)


def test_discrete_timestep_is_the_nearest_entry_by_logarithm():
    table = make_table({"kind": "discrete"})
    assert table.timestep(table.sigmas).tolist() == list(range(1000))
    between = (table.sigmas[10] * table.sigmas[11]).sqrt()
    assert float(table.timestep(between * 1.001)) == 11.0
    assert float(table.timestep(between * 0.999)) == 10.0


def test_discrete_sigma_is_log_linear_between_entries():
    table = make_table({"kind": "discrete"})
    half = table.sigma(torch.tensor(10.5))
    assert float(half) == pytest.approx(float((table.sigmas[10] * table.sigmas[11]).sqrt()), rel=1e-6)


def test_zero_terminal_snr_begins_as_before_and_ends_in_noise():
    alphas = alphas_cumprod()
    rescaled = zero_terminal_snr(alphas)
    assert float(rescaled[0]) == pytest.approx(float(alphas[0]))
    assert float(sigmas_of(rescaled)[-1]) == pytest.approx(4518.8, abs=0.5)
    assert float(make_table({"kind": "ztsnr"}).sigma_max) == pytest.approx(4518.8, abs=0.5)


@pytest.mark.parametrize("shift", [1.0, 3.0, 6.0])
def test_flow_table_is_the_shifted_line(shift):
    table = Flow(shift)
    u = torch.arange(1, 1001) / 1000
    assert torch.allclose(table.sigmas, shift * u / (1 + (shift - 1) * u))
    assert float(table.sigma_max) == 1.0
    assert float(table.timestep(torch.tensor(0.25))) == 250.0


def test_flux_table_without_shift_is_the_line():
    assert torch.allclose(Flux(0.0).sigmas, torch.arange(1, 10001) / 10000)
    shifted = Flux(1.15)
    assert float(shifted.sigmas[4999]) == pytest.approx(math.exp(1.15) / (math.exp(1.15) + 1))
    assert float(shifted.timestep(torch.tensor(0.25))) == 0.25


@pytest.mark.parametrize("kind", ["discrete", "ztsnr", "flow", "flux", "edm"])
def test_percent_runs_from_noise_to_none(kind):
    table = make_table({"kind": kind})
    shares = [table.percent(p) for p in (0.0, 0.2, 0.5, 0.8, 1.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 0.0
    assert shares[0] == (1.0 if kind.startswith("fl") else math.inf)


def test_flux_shift_by_size():
    assert flux_shift(1024, 1024) == pytest.approx(1.15)
    assert flux_shift(256, 256) == pytest.approx(0.5)


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="kind"):
        make_table({"kind": "other"})
    with pytest.raises(ValueError, match="beta_schedule"):
        make_table({"kind": "discrete", "beta_schedule": "cosine"})
