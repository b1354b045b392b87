"""Recorded results of another engine against ours (`make parity` reports the same cases one by one).

A quick part runs always; all cases are slow. `sdxl_vega` needs a checkpoint of 3.3 GB, made when NODEFLOW_PARITY_LARGE
is set.
"""

import os

import pytest

from benchmarks import parity

HERE = parity.data_folder() is not None
pytestmark = pytest.mark.skipif(not HERE, reason=parity.MISSING)
CASES = parity.cases() if HERE else {}
QUICK = [
    "s_ddim__simple",
    "s_dpmpp_2m__karras",
    "s_euler_ancestral__normal",
    "s_dpmpp_2m_sde__normal",
    "s_uni_pc_bh2__karras",
    "s_sa_solver__karras",
]
LARGE = {"sdxl_vega"}


def names(kind):
    return [name for name, case in CASES.items() if case["kind"] == kind]


@pytest.fixture(scope="module")
def session():
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield parity.Session()
    torch.set_num_threads(threads)


def holds(name, session):
    result = parity.run_case(name, session)
    assert not result.problem, result.problem
    assert result.error <= result.tolerance
    if result.conditioning is not None:
        assert result.conditioning <= 1e-5
    if result.picture is not None:
        assert result.picture <= 1


@pytest.mark.parametrize("name", names("sigmas"))
def test_sigmas(name):
    holds(name, None)


@pytest.mark.parametrize("name", [name for name in QUICK if name in CASES])
def test_quick(name, session):
    holds(name, session)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [name for name in CASES if CASES[name]["kind"] != "sigmas" and name not in QUICK])
def test_every_case(name, session):
    if CASES[name]["checkpoint"] in LARGE and not os.environ.get("NODEFLOW_PARITY_LARGE"):
        pytest.skip("its checkpoint has 3.3 GB; set NODEFLOW_PARITY_LARGE")
    holds(name, session)
