"""What holds for every node of the language and media packs."""

from __future__ import annotations

import pytest

from nodeflow.registry import load_pack

PACKS = [load_pack(name, f"nodeflow_nodes.{name}") for name in ("language", "media")]
OPS = {name: op for pack in PACKS for name, op in pack.ops.items()}


def test_the_packs_load() -> None:
    assert [pack.error for pack in PACKS] == ["", ""]
    assert len(OPS) == 25


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_node_is_described_and_its_defaults_are_valid(name: str) -> None:
    op = OPS[name]
    assert op.version == 1
    assert op.doc.summary.endswith(".")
    assert set(op.doc.args) == set(op.inputs)
    if op.returns_tuple:
        assert all(port.doc for port in op.outputs.values())
    for port in op.inputs.values():
        assert isinstance(port.json_schema(), dict)
        if not port.required and port.takes_values and port.default is not None:
            assert port.parse(port.default) == port.default


@pytest.mark.parametrize("name", sorted(name for name in OPS if "save_" in name))
def test_nodes_that_write_files_say_so(name: str) -> None:
    assert OPS[name].effects
    assert "name" in OPS[name].inputs
