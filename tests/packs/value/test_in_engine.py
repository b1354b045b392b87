"""Nodes of these packs in real runs: lazy inputs, files, lists into batches, effects."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from nodeflow.engine import Engine
from nodeflow.settings import Settings
from nodeflow.workflow import Workflow


def run(folder: Path, nodes: dict[str, Any], outputs: dict[str, str], cache: bool = True) -> Any:
    document = {"format": "nodeflow/1", "title": "test", "inputs": {}, "outputs": outputs, "nodes": nodes}
    settings = Settings.load(input_roots=(folder,), output=folder / "output")
    engine = Engine(settings, cache=cache)
    return engine.run(Workflow.from_json(document), out=folder / "output")


@pytest.mark.parametrize("condition", [True, False])
def test_a_switch_runs_one_branch(tmp_path: Path, condition: bool) -> None:
    r"""bad ─┐
    good ─┴─ switch"""
    nodes = {
        "bad": {"op": "value/expression@1", "values": {"expression": "1 / 0"}},
        "good": {"op": "value/expression@1", "values": {"expression": "6 * 7"}},
        "switch": {
            "op": "value/switch@1",
            "values": {"condition": condition},
            "links": {
                "on_true": "good.integer" if condition else "bad.integer",
                "on_false": "bad.integer" if condition else "good.integer",
            },
        },
    }
    assert run(tmp_path, nodes, {"value": "switch.value"})["value"] == 42


def test_a_switch_takes_values_written_in_the_recipe(tmp_path: Path) -> None:
    nodes = {"switch": {"op": "value/switch@1", "values": {"condition": False, "on_true": 1, "on_false": "b"}}}
    assert run(tmp_path, nodes, {"value": "switch.value"})["value"] == "b"


def test_from_file_to_file(tmp_path: Path) -> None:
    r"""load ─ resize ─┬─ batch ─ grid ─ save
    flip ───┘"""
    target = io.BytesIO()
    Pillow.new("RGB", (20, 10), "#3366cc").save(target, "JPEG", quality=95)
    (tmp_path / "in.png").write_bytes(target.getvalue())  # a JPEG with another suffix is still a JPEG
    nodes = {
        "load": {"op": "image/load@1", "values": {"path": "in.png"}},
        "resize": {"op": "image/resize@1", "values": {"width": 8, "height": 8}, "links": {"image": "load.image"}},
        "flip": {"op": "image/flip@1", "links": {"image": "resize.image"}},
        "batch": {"op": "image/batch@1", "links": {"images": ["resize.image", "flip.image"]}},
        "grid": {"op": "image/grid@1", "values": {"captions": ["a", "b"]}, "links": {"images": "batch.image"}},
        "save": {"op": "image/save@1", "values": {"name": "sheet"}, "links": {"image": "grid.image"}},
    }
    made = run(tmp_path, nodes, {"image": "batch.image", "files": "save.artefacts"})
    assert made["image"].shape == (2, 3, 8, 8)
    assert made["files"][0].media == "image/png"
    assert any(name.startswith("sheet") for name in os.listdir(tmp_path / "output"))


def test_a_list_is_mapped_into_a_walk(tmp_path: Path) -> None:
    nodes = {
        "a": {"op": "latent/random@1", "values": {"channels": 4, "height": 4, "width": 4, "seed": 1}},
        "b": {"op": "latent/random@1", "values": {"channels": 4, "height": 4, "width": 4, "seed": 2}},
        "t": {"op": "value/linspace@1", "values": {"count": 5}},
        "walk": {"op": "latent/slerp@1", "links": {"a": "a.latent", "b": "b.latent", "t": "t.values"}},
        "each": {
            "op": "latent/lerp@1",
            "values": {"t": [0.0, 0.5]},
            "links": {"a": "a.latent", "b": "b.latent"},
            "each": ["t"],
        },
        "batch": {"op": "latent/batch@1", "links": {"latents": "each.latent"}},
        "texts": {
            "op": "value/to_texts@1",
            "values": {"decimals": 2, "before": "t="},
            "links": {"values": "t.values"},
        },
    }
    made = run(tmp_path, nodes, {"walk": "walk.latent", "texts": "texts.texts", "batch": "batch.latent"})
    assert made["walk"].samples.shape == (5, 4, 4, 4)
    assert made["texts"] == [f"t={t}" for t in ("0.00", "0.25", "0.50", "0.75", "1.00")]
    assert made["batch"].samples.shape == (2, 4, 4, 4)
