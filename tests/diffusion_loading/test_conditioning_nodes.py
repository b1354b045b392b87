"""Conditioning nodes: what they put into the conditions, and what they refuse."""

from __future__ import annotations

import pytest
import torch

from nodeflow import Condition, Conditioning, ControlNet, NodeError
from nodeflow_nodes.diffusion import conditioning_nodes as nodes
from nodeflow_nodes.diffusion import family_nodes


def prompt(length: int = 3, width: int = 4, value: float = 1.0) -> Conditioning:
    return Conditioning((Condition(torch.full((1, length, width), value), torch.full((1, 2), value)),))


def test_combine_keeps_both() -> None:
    a, b = prompt(), prompt(value=2)
    assert nodes.combine_conditioning(a, b).conditions == (*a.conditions, *b.conditions)


def test_concat_appends_tokens_and_keeps_the_first_pooled() -> None:
    out = nodes.concat_conditioning(prompt(3), prompt(2, value=5)).conditions[0]
    assert out.tokens[0, :, 0].tolist() == [1, 1, 1, 5, 5]
    assert out.pooled is not None
    assert out.pooled.tolist() == [[1, 1]]
    with pytest.raises(NodeError, match="second has 2 prompts"):
        nodes.concat_conditioning(prompt(), nodes.combine_conditioning(prompt(), prompt()))
    with pytest.raises(NodeError, match="4 and 6 wide"):
        nodes.concat_conditioning(prompt(), prompt(width=6))


@pytest.mark.parametrize(("length", "expected"), [(2, [2.5, 2.5, 0.5]), (5, [2.5, 2.5, 2.5]), (3, [2.5, 2.5, 2.5])])
def test_average_crops_and_fills(length: int, expected: list[float]) -> None:
    out = nodes.average_conditioning(prompt(3, value=1), prompt(length, value=4), 0.5).conditions[0]
    assert out.tokens[0, :, 0].tolist() == expected
    assert out.pooled is not None
    assert out.pooled.tolist() == [[2.5, 2.5]]


def test_average_refuses_lists_of_different_lengths() -> None:
    with pytest.raises(NodeError, match="first has 1 prompts, second 2"):
        nodes.average_conditioning(prompt(), nodes.combine_conditioning(prompt(), prompt()))


def test_zero_out() -> None:
    out = nodes.zero_out(prompt()).conditions[0]
    assert out.tokens.abs().max() == 0
    assert out.pooled is not None
    assert out.pooled.abs().max() == 0


def test_times_areas_and_masks() -> None:
    out = nodes.time_range(prompt(), 0.2, 0.8).conditions[0]
    assert (out.start, out.end) == (0.2, 0.8)
    with pytest.raises(NodeError, match=r"start 0.9 is after end 0.1"):
        nodes.time_range(prompt(), 0.9, 0.1)
    out = nodes.set_area(prompt(), 128, 64, 16, 32, 0.5).conditions[0]
    assert (out.area, out.unit, out.strength) == ((64.0, 128.0, 32.0, 16.0), "pixels", 0.5)
    out = nodes.set_area_share(prompt(), 0.5, 1.0, 0.25, 0.0).conditions[0]
    assert (out.area, out.unit) == ((1.0, 0.5, 0.0, 0.25), "share")
    mask = torch.ones(1, 1, 8, 8)
    out = nodes.set_mask(prompt(), mask, 0.7, True).conditions[0]
    assert out.mask is mask
    assert (out.strength, out.mask_area) == (0.7, True)


def test_control_nets_add_up() -> None:
    net = ControlNet("diffusion/controlnet", "x", "0" * 64)
    once = nodes.apply_control_net(prompt(), net, torch.rand(1, 1, 8, 8), 0.7, 0.1, 0.9)
    twice = nodes.apply_control_net(once, net, torch.rand(1, 4, 8, 8))
    hints = twice.conditions[0].control
    assert [(h.strength, h.start, h.end, h.hint.shape[1]) for h in hints] == [(0.7, 0.1, 0.9, 3), (1.0, 0.0, 1.0, 3)]
    assert nodes.apply_control_net(once, net, torch.rand(1, 3, 8, 8), 0.0) is once


def test_extras_of_families() -> None:
    out = family_nodes.sdxl_sizes(prompt(), 100, 200, 3, 4, 300, 400).conditions[0]
    assert out.extra["time_ids"].tolist() == [[200, 100, 4, 3, 400, 300]]
    out = family_nodes.sdxl_refiner_sizes(prompt(), 100, 200, 2.5).conditions[0]
    assert out.extra["time_ids"].tolist() == [[200, 100, 0, 0, 2.5]]
    assert family_nodes.flux_guidance(prompt(), 2).conditions[0].extra == {"guidance": 2.0}
