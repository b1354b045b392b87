import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow import Latent, NodeError
from nodeflow_nodes.latent import ops
from nodeflow_nodes.latent.mix import add, lerp, scale, slerp


def noise(seed: int, b: int = 1) -> Latent:
    return Latent(torch.randn(b, 4, 8, 8, generator=torch.Generator().manual_seed(seed)))


def test_ends_are_exact_and_the_way_is_even() -> None:
    a = noise(1)
    b = Latent(noise(2).samples * (a.samples.norm() / noise(2).samples.norm()))
    walk = slerp(a, b, [0.0, 0.25, 0.5, 0.75, 1.0]).samples
    assert torch.allclose(walk[:1], a.samples, atol=1e-6)
    assert torch.allclose(walk[4:], b.samples, atol=1e-6)
    whole = float(ops.angle(a.samples, b.samples))
    steps = ops.angle(walk[:-1], walk[1:])
    assert steps.tolist() == pytest.approx([whole / 4] * 4, rel=1e-4)


@given(st.floats(0, 1))
@settings(deadline=None)
def test_equal_norms_are_kept(t: float) -> None:
    a = noise(1).samples
    b = noise(2).samples
    b = b * (a.norm() / b.norm())
    assert float(slerp(Latent(a), Latent(b), t).samples.norm()) == pytest.approx(float(a.norm()), rel=1e-5)


def test_right_angle_by_hand() -> None:
    a, b = torch.tensor([1.0, 0]).view(1, 2, 1, 1), torch.tensor([0, 1.0]).view(1, 2, 1, 1)
    made = slerp(Latent(a), Latent(b), 1 / 3).samples.flatten().tolist()
    assert made == pytest.approx([math.cos(math.pi / 6), math.sin(math.pi / 6)], abs=1e-6)


def test_lines_and_zeros_are_mixed_linearly() -> None:
    a = noise(1)
    assert torch.allclose(slerp(a, a, 0.3).samples, a.samples, atol=1e-6)
    zero = Latent(torch.zeros_like(a.samples))
    assert torch.allclose(slerp(zero, a, 0.25).samples, a.samples * 0.25, atol=1e-6)
    opposite = Latent(-a.samples)
    assert torch.allclose(slerp(a, opposite, 0.25).samples, a.samples * 0.5, atol=1e-5)


def test_batches_and_lists() -> None:
    a, b = noise(1, 3), noise(2)
    made = slerp(a, b, [0.0, 0.5]).samples
    assert made.shape[0] == 6
    assert torch.allclose(made[:3], a.samples, atol=1e-6)
    assert torch.allclose(made[4:5], slerp(Latent(a.samples[1:2]), b, 0.5).samples, atol=1e-6)
    assert torch.allclose(lerp(a, b, 0.5).samples, (a.samples + b.samples) / 2)
    for bad in ([], [0.5] * 5000):
        with pytest.raises(NodeError, match="list of"):
            slerp(a, b, bad)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(NodeError, match="differ in shape"):
        slerp(noise(1), Latent(torch.zeros(1, 4, 8, 9)))
    with pytest.raises(NodeError, match="2 and 3 items"):
        add(noise(1, 2), noise(1, 3))


def test_add_and_scale_keep_the_mask() -> None:
    a = Latent(noise(1).samples, torch.ones(1, 1, 8, 8), (3,))
    made = add(a, noise(2), -1.0)
    assert torch.allclose(made.samples, a.samples - noise(2).samples)
    assert made.noise_mask is a.noise_mask
    assert made.batch_index == (3,)
    assert add(a, noise(2, 2)).batch_index is None
    assert torch.allclose(scale(a, 2.0, 1.0).samples, a.samples * 2 + 1)
