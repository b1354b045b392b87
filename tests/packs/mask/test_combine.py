import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodeflow import NodeError
from nodeflow_nodes.mask.combine import batch, bounding_box, combine, pick


def values(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers).view(1, 1, 1, -1)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("add", [0.5, 1.0, 1.0]),
        ("subtract", [0, 0.5, 0.25]),
        ("multiply", [0, 0.25, 0.5625]),
        ("intersect", [0, 0.5, 0.5]),
        ("union", [0.5, 1.0, 0.75]),
        ("difference", [0.5, 0.5, 0.25]),
    ],
)
def test_modes(mode: str, expected: list[float]) -> None:
    a, b = values(0, 1.0, 0.75), values(0.5, 0.5, 0.5)
    if mode == "multiply":
        b = values(0.5, 0.25, 0.75)
    assert combine(a, b, mode).flatten().tolist() == expected


def test_placing_and_batches() -> None:
    ground, part = torch.zeros(1, 1, 4, 4), torch.ones(2, 1, 2, 2)
    made = combine(ground, part, "union", 3, -1)
    assert made.shape == (2, 1, 4, 4)
    assert made.sum() == 2
    assert made[0, 0, 0, 3] == 1
    assert ground.sum() == 0
    assert combine(ground, part, x=9).sum() == 0
    with pytest.raises(NodeError, match="batches of one size"):
        combine(part, torch.ones(3, 1, 2, 2))


def test_batch_and_pick() -> None:
    both = batch([torch.zeros(1, 1, 2, 2), torch.ones(2, 1, 2, 2)])
    assert pick(both, -2, 2).min() == 1
    with pytest.raises(NodeError, match="differ in size"):
        batch([torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3)])
    with pytest.raises(NodeError, match="empty"):
        batch([])
    with pytest.raises(NodeError, match="3 masks"):
        pick(both, 3)


def test_bounding_box() -> None:
    mask = torch.zeros(1, 1, 30, 40)
    mask[..., 5:12, 8:20] = 0.5
    assert bounding_box(mask) == (8, 5, 12, 7)
    assert bounding_box(mask, margin=3) == (5, 2, 18, 13)
    assert bounding_box(mask, margin=20) == (0, 0, 40, 30)
    assert bounding_box(mask, multiple=8) == (6, 5, 16, 8)
    with pytest.raises(NodeError, match="nothing is marked"):
        bounding_box(mask, threshold=0.5)


@given(st.integers(0, 29), st.integers(0, 39), st.integers(0, 10), st.sampled_from([1, 8, 16, 64]))
def test_the_box_is_inside_and_holds_the_point(y: int, x: int, margin: int, multiple: int) -> None:
    mask = torch.zeros(1, 1, 30, 40)
    mask[..., y, x] = 1
    box = bounding_box(mask, margin, multiple)
    assert box.x <= x < box.x + box.width <= 40
    assert box.y <= y < box.y + box.height <= 30
    assert box.width % multiple == 0 or box.width == 40
    assert box.height % multiple == 0 or box.height == 30
