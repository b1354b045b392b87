"""Counting bytes: storages, once each; and letting go of what is not shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
import pytest
import torch

from nodeflow.cache.sizes import compact, map_arrays, measure, quick_size

from .helpers import MB, FakeTensor


@dataclass(frozen=True)
class Holder:
    tensor: Any
    note: str = ""


class Pair(NamedTuple):
    left: Any
    right: Any


def storage_bytes(value: object) -> int:
    return sum(storage.nbytes for storage in measure(value).storages.values())


def test_a_view_holds_its_whole_storage() -> None:
    base = torch.zeros(MB)
    assert storage_bytes(base[:10]) == 4 * MB
    assert storage_bytes([base, base[5:], base.view(2, -1), base.t()]) == 4 * MB
    assert storage_bytes(torch.zeros(1).expand(MB)) == 4


def test_tied_weights_count_once_and_meta_counts_nothing() -> None:
    layer = torch.nn.Linear(8, 8, bias=False)
    other = torch.nn.Linear(8, 8, bias=False)
    other.weight = layer.weight
    assert storage_bytes({"a": layer, "b": other}) == 8 * 8 * 4
    assert storage_bytes(torch.zeros(MB, device="meta")) == 0


def test_sparse_counts_indices_and_values() -> None:
    coo = torch.eye(10).to_sparse_coo().coalesce()
    assert storage_bytes(coo) == 2 * 10 * 8 + 10 * 4


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_compressed_sparse_counts_its_three_parts() -> None:
    csr = torch.sparse_csr_tensor(torch.tensor([0, 1, 2]), torch.tensor([0, 1]), torch.ones(2), check_invariants=True)
    assert storage_bytes(csr) == 3 * 8 + 2 * 8 + 2 * 4


def test_arrays_count_what_they_are_a_view_of() -> None:
    base = numpy.zeros(MB, dtype="f4")
    assert storage_bytes([base[:3], base[5:]]) == 4 * MB
    assert storage_bytes([torch.from_numpy(base), base]) == 4 * MB


def test_everything_held_is_found() -> None:
    tensor = torch.zeros(100)
    assert storage_bytes({"a": [(Holder(tensor),), {"b": Pair(tensor[1:], 3)}]}) == 400
    endless: list[Any] = [tensor]
    endless.append(endless)
    assert storage_bytes(endless) == 400


def test_devices_are_named_by_kind() -> None:
    assert measure([torch.zeros(1)]).devices == {"cpu"}
    assert measure([FakeTensor("gpu:1", 7, 40)]).devices == {"gpu"}


def test_quick_size_is_for_numbers_and_texts() -> None:
    assert 0 < quick_size({"a": 1, "b": "text", "c": None}) < 500
    assert quick_size((True, 1.5, b"x" * 1000)) > 1000
    assert quick_size({"a": [1]}) == -1
    assert quick_size((torch.zeros(1),)) == -1


def tight(value: Any) -> Any:
    return compact(value, measure(value))


def test_views_that_keep_much_alive_become_copies() -> None:
    base = torch.rand(1000)
    value = {"view": Holder(base[:10], "n"), "pair": Pair(base[10:12], [base[3]]), "n": 5}
    copy = tight(value)
    assert storage_bytes(copy) == 13 * 4
    assert copy["view"].tensor.equal(base[:10])
    assert copy["pair"].left.equal(base[10:12])
    assert copy["view"].note == "n"
    array = numpy.arange(1000)
    assert storage_bytes(tight([array[:10]])) == 80


def test_values_that_show_most_of_what_they_hold_stay_themselves() -> None:
    base = torch.rand(1000)
    for value in ([base], [base[:500]], [base[:300], base[300:600]], [torch.zeros(3).expand(5, 3)], {"a": (1, "x")}):
        assert tight(value) is value


def test_a_tensor_met_twice_is_copied_once() -> None:
    view = torch.rand(1000)[:1]
    copy = tight([view, (view,)])
    assert copy[0] is copy[1][0]


def test_map_arrays_keeps_what_has_none() -> None:
    inner = {"x": [1, "a"]}
    value = [inner, Holder(FakeTensor("gpu", 1, 4))]
    moved = map_arrays(lambda tensor: tensor.cpu(), value)
    assert moved[0] is inner
    assert moved[1].tensor.device == "cpu"
    assert value[1].tensor.device == "gpu"
    assert map_arrays(lambda tensor: tensor, value) is value
