"""What holds for every node of the image, mask, latent and value packs, whatever it does."""

import copy
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

from docs.examples.small_models import bilinear_upscaler
from nodeflow import Figure, Image, Latent, Mask, Op, Table, UpscaleModel
from nodeflow.context import StandaloneContext
from nodeflow.edges import misfit
from nodeflow.ports import Port
from nodeflow.registry import load_pack

PACKS = [load_pack(name, f"nodeflow_nodes.{name}") for name in ("image", "mask", "latent", "value")]
OPS = {name: op for pack in PACKS for name, op in pack.ops.items()}
SPECIAL: dict[str, dict[str, Any]] = {
    "value/choice": {"options": "a\nb"},
    "value/expression": {"expression": "a + 1"},
    "value/regex_find": {"pattern": "a"},
    "value/regex_replace": {"pattern": "a"},
    "value/regex_test": {"pattern": "a"},
    "value/table": {"columns": ["a"], "a": [1, 2]},
    "value/table_column": {"column": "a"},
    "value/switch": {"condition": True, "on_true": lambda: 1, "on_false": lambda: 2},
}
SMALL = bilinear_upscaler(Path(tempfile.mkdtemp()) / "bilinear.safetensors")
FILES = {name for name, op in OPS.items() if any(port.is_file and port.required for port in op.inputs.values())}


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(len(shape)))


def example(port: Port) -> Any:
    """A value for a port that has no default."""
    samples: dict[Any, Any] = {
        UpscaleModel: UpscaleModel("image/upscale_model", str(SMALL), "0" * 64),
        Image: noise(2, 3, 12, 16), Mask: noise(2, 1, 12, 16), Latent: Latent(noise(2, 4, 6, 8), noise(2, 1, 6, 8)),
        Table: Table(("a", "b"), ((1, "x"), (2, None))), str: "a text", int: 3, float: 0.5, bool: True, Any: 1,
    }  # fmt: skip
    member = port.type.members[0]
    if isinstance(member, tuple):
        return [samples.get(member[1].members[0], 1)] * 2
    return copy.deepcopy(samples[member])


def arguments(op: Op) -> dict[str, Any]:
    given = {name: example(port) for name, port in op.inputs.items() if port.required}
    return {**given, **SPECIAL.get(op.name, {})}


def call(op: Op, given: dict[str, Any]) -> tuple[Any, ...]:
    extra = {"ctx": StandaloneContext()} if op.wants_context else {}
    result = op.function(**given, **extra)
    return tuple(result) if op.returns_tuple else (result,)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, Latent):
        return all(same(getattr(a, f), getattr(b, f)) for f in ("samples", "noise_mask", "batch_index"))
    if isinstance(a, list | tuple) and not isinstance(a, Figure):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def test_all_packs_load() -> None:
    assert [pack.error for pack in PACKS] == [""] * 4
    assert len(OPS) > 120


@pytest.mark.parametrize("name", sorted(OPS))
def test_documentation(name: str) -> None:
    op = OPS[name]
    assert op.doc.summary.endswith("."), "one sentence that says what it does"
    assert all(port.doc for port in op.inputs.values()), "every input is described"
    assert set(op.doc.args) == set(op.inputs), "nothing else is described"
    if op.returns_tuple:
        assert all(port.doc for port in op.outputs.values()), "every output is described"
    assert op.version == 1


@pytest.mark.parametrize("name", sorted(OPS))
def test_defaults_are_valid(name: str) -> None:
    for port in OPS[name].inputs.values():
        assert isinstance(port.json_schema(), dict)
        if not port.required and port.takes_values and port.default is not None:
            assert port.parse(port.default) == port.default


@pytest.mark.parametrize("name", sorted(set(OPS) - FILES))
def test_runs_on_an_example(name: str) -> None:
    """The outputs have their types, are the same the second time, and the inputs are as before."""
    op = OPS[name]
    given = arguments(op)
    before = {k: v if callable(v) else copy.deepcopy(v) for k, v in given.items()}
    outputs = call(op, given)
    for value, port in zip(outputs, op.outputs.values(), strict=True):
        assert misfit(value, port.type) is None
        if isinstance(value, torch.Tensor):
            assert value.dtype == torch.float32
            assert 0 <= float(value.min()) <= float(value.max()) <= 1
    assert all(callable(v) or same(v, given[k]) for k, v in before.items())
    again = call(op, {k: v if callable(v) else copy.deepcopy(v) for k, v in before.items()})
    assert same(outputs, again)


@pytest.mark.parametrize("name", sorted(n for n, op in OPS.items() if n not in FILES and not op.effects))
def test_changing_an_output_changes_no_input(name: str) -> None:
    op = OPS[name]
    given = arguments(op)
    before = {k: v if callable(v) else copy.deepcopy(v) for k, v in given.items()}
    for value in call(op, given):
        if isinstance(value, torch.Tensor):
            try:
                value.zero_()
            except RuntimeError:  # an expanded view cannot be written to at all
                continue
    assert all(callable(v) or same(v, given[k]) for k, v in before.items())


@pytest.mark.parametrize("name", sorted(n for n in OPS if n.startswith(("image/", "mask/")) and n not in FILES))
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (64, 1)])
def test_tiny_pictures(name: str, size: tuple[int, int]) -> None:
    op = OPS[name]
    given = {
        key: value[..., : size[0], : size[1]] if isinstance(value, torch.Tensor) else value
        for key, value in arguments(op).items()
    }
    for value, port in zip(call(op, given), op.outputs.values(), strict=True):
        assert misfit(value, port.type) is None
