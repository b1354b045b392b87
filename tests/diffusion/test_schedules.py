import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow_nodes.diffusion.sampling.schedules import SCHEDULES, make_sigmas, step_range
from nodeflow_nodes.diffusion.sampling.tables import make_table

KINDS = ("discrete", "flow", "flux")
TABLES = {kind: make_table({"kind": kind}) for kind in KINDS}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SCHEDULES)), st.sampled_from(KINDS), st.integers(1, 120))
def test_every_schedule_falls_to_zero(name, kind, steps):
    sigmas = make_sigmas(TABLES[kind], name, steps)
    assert sigmas.dtype == torch.float32
    assert torch.isfinite(sigmas).all()
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()
    assert len(sigmas) <= steps + 1
    assert len(sigmas) == steps + 1 or name == "beta"


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"ddim_uniform"}))
def test_schedules_begin_at_the_largest_sigma(name):
    first = float(make_sigmas(TABLES["discrete"], name, 10)[0])
    assert first == pytest.approx(float(TABLES["discrete"].sigma_max), rel=1e-5)


def test_karras_is_even_in_the_seventh_root():
    roots = make_sigmas(TABLES["discrete"], "karras", 9)[:-1] ** (1 / 7)
    assert torch.allclose(roots.diff(), roots.diff().mean().expand(8), atol=1e-6)


def test_exponential_is_even_in_the_logarithm():
    logs = make_sigmas(TABLES["discrete"], "exponential", 9)[:-1].log()
    assert torch.allclose(logs.diff(), logs.diff().mean().expand(8), atol=1e-5)


def test_simple_on_the_flow_table_is_the_shifted_line():
    t = torch.arange(20, 0, -1) / 20
    expected = torch.cat([3 * t / (1 + 2 * t), torch.zeros(1)])
    assert torch.allclose(make_sigmas(TABLES["flow"], "simple", 20), expected)


def test_ddim_uniform_gives_more_steps_only_in_compat():
    assert len(make_sigmas(TABLES["discrete"], "ddim_uniform", 30)) == 31
    more = make_sigmas(TABLES["discrete"], "ddim_uniform", 30, compat=True)
    assert len(more) == 32
    assert torch.equal(more[1:], make_sigmas(TABLES["discrete"], "ddim_uniform", 30))


def test_beta_leaves_out_repeats():
    assert len(make_sigmas(make_table({"kind": "discrete", "steps": 10}), "beta", 40)) < 12


def test_one_step_of_kl_optimal_is_the_largest_sigma():
    sigmas = make_sigmas(TABLES["discrete"], "kl_optimal", 1)
    assert sigmas.tolist() == pytest.approx([14.614641, 0.0], abs=1e-4)


def test_denoise_keeps_the_end_of_a_longer_schedule():
    whole = make_sigmas(TABLES["discrete"], "karras", 20)
    assert torch.equal(make_sigmas(TABLES["discrete"], "karras", 10, 0.5), whole[10:])
    assert torch.equal(make_sigmas(TABLES["discrete"], "karras", 20, 0.99995), whole)
    assert len(make_sigmas(TABLES["discrete"], "karras", 10, 0.0)) == 0


def test_dropping_the_last_value_but_one():
    whole = make_sigmas(TABLES["discrete"], "normal", 9)
    assert torch.equal(
        make_sigmas(TABLES["discrete"], "normal", 8, drop_penultimate=True), torch.cat([whole[:-2], whole[-1:]])
    )
    assert len(make_sigmas(TABLES["discrete"], "ddim_uniform", 30, drop_penultimate=True)) == 31


def test_step_range():
    sigmas = make_sigmas(TABLES["discrete"], "karras", 10)
    assert torch.equal(step_range(sigmas, 0, 10_000, False), sigmas)
    assert torch.equal(step_range(sigmas, 3, 7, True), sigmas[3:8])
    part = step_range(sigmas, 3, 7, False)
    assert torch.equal(part[:-1], sigmas[3:7])
    assert part[-1] == 0
    assert len(step_range(sigmas, 10, 10_000, False)) < 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_end_of_a_schedule_finer_than_the_table_does_not_stand_still(name, kind):
    sigmas = make_sigmas(TABLES[kind], name, 20, 0.01)
    assert (sigmas.diff() < 0).all()
    assert 2 <= len(sigmas) <= 21


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="karras"):
        make_sigmas(TABLES["flow"], "karas", 10)
    with pytest.raises(ValueError, match="steps"):
        make_sigmas(TABLES["flow"], "karras", 0)
