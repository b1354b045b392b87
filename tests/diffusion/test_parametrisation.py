import pytest
import torch

from nodeflow_nodes.diffusion.sampling.parametrisation import make_parametrisation

SIGMA = torch.tensor(1.7)


def test_eps_and_v_undo_what_they_predict():
    z, n = torch.randn(2, 4, 4, 4), torch.randn(2, 4, 4, 4)
    x = z + SIGMA * n
    assert torch.allclose(make_parametrisation("eps").denoised(x, n, SIGMA), z, atol=1e-5)
    alpha, sigma = 1 / (1 + SIGMA**2) ** 0.5, SIGMA / (1 + SIGMA**2) ** 0.5
    v = alpha * n - sigma * z
    assert torch.allclose(make_parametrisation("v").denoised(x, v, SIGMA), z, atol=1e-5)


def test_flow_undoes_the_velocity():
    z, n, sigma = torch.randn(2, 4, 4, 4), torch.randn(2, 4, 4, 4), torch.tensor(0.6)
    flow = make_parametrisation("flow")
    x = flow.noised(n, z, sigma, 1.0)
    assert torch.allclose(flow.denoised(x, n - z, sigma), z, atol=1e-6)
    assert torch.allclose(flow.finished((1 - sigma) * z, sigma), z, atol=1e-6)


def test_edm_is_exact_for_the_best_answer():
    edm = make_parametrisation("edm", 0.5)
    x = torch.randn(2, 4)
    zero = edm.denoised(x, torch.zeros_like(x), SIGMA)
    assert torch.allclose(zero, x * 0.25 / (SIGMA**2 + 0.25))
    assert float(edm.model_input(torch.ones(1), SIGMA) ** 2) == pytest.approx(1 / (float(SIGMA) ** 2 + 0.25))


def test_the_first_state_counts_the_latent_in_at_the_largest_sigma():
    eps = make_parametrisation("eps")
    n, z, top = torch.ones(1), torch.zeros(1), 14.6146
    assert float(eps.noised(n, z, torch.tensor(top), top)) == pytest.approx((1 + top**2) ** 0.5)
    assert float(eps.noised(n, z, torch.tensor(10.0), top)) == pytest.approx(10.0)


@pytest.mark.parametrize("name", ["eps", "flow"])
def test_log_snr_and_sigma_are_inverse(name):
    p = make_parametrisation(name)
    sigmas = torch.tensor([0.1, 0.5, 0.9])
    assert torch.allclose(p.sigma_of(p.log_snr(sigmas)), sigmas)
    assert torch.allclose(p.log_snr(sigmas), (p.alpha(sigmas) / sigmas).log())


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="eps, v, edm or flow"):
        make_parametrisation("x0")
