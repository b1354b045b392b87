"""The codec: whatever it writes comes back bit for bit, whatever it did not write is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import math
import struct
import subprocess
import sys
from typing import Any, NamedTuple

import numpy
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow.cache.codec import Encoded, decode, encode
from nodeflow.cache.errors import BadEntry, Uncacheable


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Flags(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass(frozen=True)
class Point:
    x: Any
    y: Any = None
    norm: float = dataclasses.field(init=False, default=0.0)


class Pair(NamedTuple):
    left: Any
    right: Any


class Names:
    """Registers the types above and nothing else."""

    known = {cls.__name__: cls for cls in (Colour, Level, Flags, Point, Pair)}

    def type_named(self, name: str) -> type:
        return self.known[name]

    def type_name(self, cls: type) -> str:
        if self.known.get(cls.__name__) is not cls:
            raise KeyError(cls)
        return cls.__name__


def back(encoded: Encoded) -> Any:
    return decode(encoded.structure, encoded.blobs.__getitem__, Names())


def round_trip(value: Any) -> Any:
    return back(encode(value, Names()))


def same(a: Any, b: Any) -> bool:
    """Equal in type and in every bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        bits = a.dtype == b.dtype and a.shape == b.shape
        return bits and a.contiguous().flatten().view(torch.uint8).equal(b.contiguous().flatten().view(torch.uint8))
    if isinstance(a, numpy.ndarray | numpy.generic):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, Point):
        return same((a.x, a.y), (b.x, b.y))
    return bool(a == b)


texts = st.text(st.characters(exclude_categories=())) | st.sampled_from(["\ud83d\ude00", "😀", "\x00", "é"])
numbers = st.integers() | st.integers(min_value=2**4000, max_value=2**20000) | st.floats(allow_nan=True)
tensors = st.builds(
    lambda shape, dtype: torch.arange(math.prod(shape)).reshape(shape).to(dtype),
    st.lists(st.integers(0, 3), max_size=4),
    st.sampled_from([torch.float32, torch.bool, torch.bfloat16, torch.int64, torch.complex128, torch.float8_e4m3fn]),
)
arrays = st.builds(
    lambda shape, dtype: numpy.arange(math.prod(shape)).reshape(shape).astype(dtype),
    st.lists(st.integers(0, 3), max_size=4),
    st.sampled_from(["f4", ">f8", "?", "i1", "u8", "c16", "U5", "S3", "M8[s]", "f2"]),
)
leaves = st.one_of(
    st.none(), st.booleans(), numbers, texts, st.binary(), st.binary(min_size=1025, max_size=1100), tensors, arrays,
    st.sampled_from([Colour.RED, Colour.BLUE, Level.LOW, Flags.A, numpy.float64(-0.0), numpy.int8(3), numpy.True_]),
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(texts, inner, max_size=4),
        st.builds(Point, inner, inner),
        st.builds(Pair, inner, inner),
    ),
    max_leaves=12,
)


@given(values)
@settings(max_examples=150, deadline=None)
def test_every_value_comes_back_as_it_was(value: Any) -> None:
    assert same(round_trip(value), value)


@pytest.mark.parametrize("value", [1, 1.0, True, -0.0, 0.0, math.nan, math.inf, -math.inf, "", b"", (), [], {}])
def test_scalars_keep_their_type(value: Any) -> None:
    assert same(round_trip(value), value)
    assert same(round_trip({"a": (value, [value])}), {"a": (value, [value])})


def test_the_structure_is_small_readable_json() -> None:
    assert encode({"a": (1, 1.0, True)}).structure == '["d","a",["t",1,1.0,true]]'
    assert encode(b"hi").structure == '["b","aGk="]'
    assert encode((torch.zeros(2), b"x" * 2000)).structure == '["t",["T",0,0,"float32",[2],[0]],["B",1]]'


def test_tensors_share_one_blob_that_safetensors_reads() -> None:
    first, second = torch.rand(3, 4), torch.rand(2).to(torch.bfloat16)
    encoded = encode([first, second, {"again": first}])
    assert len(encoded.blobs) == 1
    found = safetensors.torch.load(encoded.blobs[0])
    assert found.keys() == {"t0", "t1"}
    assert found["t0"].equal(first)
    assert found["t1"].equal(second)


def test_a_tensor_met_twice_stays_one_tensor() -> None:
    tensor = torch.rand(3)
    first, second = round_trip((tensor, [tensor]))
    assert first is second[0]


def test_views_are_written_without_what_they_do_not_show() -> None:
    base = torch.arange(1_000_000, dtype=torch.float32)
    for view in (base[5:8], base[::400_000], base[:6].reshape(2, 3).t(), torch.ones(1).expand(3, 4), base[:0]):
        encoded = encode(view)
        assert same(back(encoded), view)
        assert encoded.size < 400
        assert back(encoded).untyped_storage().nbytes() <= 48
    left, right = base[:4], base[2:6]  # shared storage, which safetensors itself refuses
    assert all(map(same, round_trip((left, right)), (left, right)))


def test_dense_tensors_keep_their_order_in_memory() -> None:
    picture = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    for dense in (picture, torch.rand(4, 5).t(), torch.rand(2, 3, 4).permute(2, 0, 1)):
        assert same(round_trip(dense), dense)
        assert round_trip(dense).stride() == dense.stride()


def test_lazy_signs_are_resolved() -> None:
    z = torch.tensor([1 + 2j, 3 - 1j])
    assert same(round_trip(z.conj()), z.conj().resolve_conj())
    assert same(round_trip(z.conj().imag), z.conj().imag.resolve_neg())


def test_gradients_are_no_part_of_a_value() -> None:
    assert round_trip(torch.ones(2, requires_grad=True) * 2).requires_grad is False


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (object(), "builtins.object"),
        ({1: 2}, "int"),
        ({1, 2}, "builtins.set"),
        (Flags.A | Flags.B, "Flags"),
        (torch.nn.Parameter(torch.ones(1)), "Parameter"),
        (torch.ones(2).to_sparse(), "sparse"),
        (torch.ones(2, device="meta"), "meta"),
        (numpy.array([object()], dtype=object), "object"),
        (lambda: None, "function"),
        (complex(1, 2), "complex"),
    ],
)
def test_what_cannot_be_written_is_named(value: Any, named: str) -> None:
    with pytest.raises(Uncacheable, match=named):
        encode([value], Names())


def test_endless_values_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (endless, deep):
        with pytest.raises(Uncacheable, match="nested too deeply"):
            encode(value)


MALFORMED = """
    { {} [] ["l" ["?"] [[]] [1] [null] ["d","a"] ["d",1,2] ["d","a",1,"a",2] ["o"] ["i",7] ["i"] ["f","1.0"] ["b","?"]
    ["s",1] ["B",7] ["B"] ["o","Point"] ["o","Point","x",1] ["o","Point","y",1,"x",1] ["o","Colour","x",1]
    ["o","Unknown","x",1] ["e","Colour","GREEN"] ["e","Point","x"] ["e","Colour",["l"]]
    ["T",0,0,"float32",[2],[0]] ["T",1,0,"float32",[1],[0]] ["T",0,0,"nn",[1],[0]] ["T",0,0,"float32",[-1],[0]]
    ["T",0,0,"float32",[1],[1]] ["T",0,9,"float32",[1],[0]] ["T",0,0,"float32",[1e3],[0]] ["T",0,0,"float32",[true],[0]]
    ["T",0,0,"float32",[999999999999],[0]] ["T",0,0,"float32",{},{}] ["N",0,0,"O",[1],false] ["N",0,0,"<f4",[1],true]
    ["N",0,0,"<f4",[1,1],1,1] ["N",0,0,"<f8",[1],false] ["N",0,0,"float32",[1],false]
""".split()  # noqa: SIM905


@pytest.mark.parametrize("structure", ["", *MALFORMED, "[" * 100_000], ids=lambda text: text[:40])
def test_malformed_structures_are_bad_entries(structure: str) -> None:
    blobs = (encode(torch.ones(1)).blobs[0], b"not safetensors")
    with pytest.raises(BadEntry):
        decode(structure, blobs.__getitem__, Names())


@given(values, st.data())
@settings(max_examples=100, deadline=None)
def test_flipped_and_truncated_entries_never_crash(value: Any, data: st.DataObject) -> None:
    encoded = encode(value, Names())
    parts = [bytearray(encoded.structure.encode()), *map(bytearray, encoded.blobs)]
    part = parts[data.draw(st.integers(0, len(parts) - 1))]
    if part and data.draw(st.booleans()):
        part[data.draw(st.integers(0, len(part) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del part[data.draw(st.integers(0, len(part))) :]
    blobs = [bytes(part) for part in parts[1:]]
    with contextlib.suppress(BadEntry):
        decode(parts[0].decode("latin-1"), blobs.__getitem__, Names())


def test_a_constructor_that_refuses_is_a_bad_entry() -> None:
    @dataclasses.dataclass(frozen=True)
    class Strict:
        x: int

        def __post_init__(self) -> None:
            if self.x < 0:
                raise RuntimeError("no")

    class One:
        def type_named(self, name: str) -> type:
            return Strict

        def type_name(self, cls: type) -> str:
            return "Strict"

    with pytest.raises(BadEntry, match="RuntimeError: no"):
        decode('["o","Strict","x",-1]', {}.__getitem__, One())


def test_plain_values_need_no_torch() -> None:
    code = """
import sys
from nodeflow.cache.codec import encode, decode
import nodeflow.types as t
value = {"a": (1, 2.5, "x"), "m": t.Model("diffusion/denoiser", "/m", "0" * 64, {}, ())}
e = encode(value)
assert decode(e.structure, e.blobs.__getitem__) == value
assert not {"torch", "numpy"} & set(sys.modules), "imported"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_structures_are_json() -> None:
    assert json.loads(encode([Point((1,), Colour.RED)], Names()).structure) == [
        "l",
        ["o", "Point", "x", ["t", 1], "y", ["e", "Colour", "RED"]],
    ]
