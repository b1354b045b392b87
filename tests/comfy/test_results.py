"""Recorded graphs, imported and run by the engine, give what ComfyUI gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import parity
from nodeflow.comfy import read_document
from nodeflow.engine import Engine
from nodeflow.settings import Settings

HERE = parity.data_folder() is not None
CASES = parity.cases() if HERE else {}
NAMES = [n for n, c in CASES.items() if c["kind"] == "feature" and "graph" in c and c["checkpoint"] != "sdxl_vega"]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HERE, reason=parity.MISSING)]
FOLDERS = {"ckpt_name": "checkpoints", "lora_name": "loras", "control_net_name": "controlnet"}


def models(graph: dict[str, Any], root: Path) -> Path:
    """A folder with the graph's model files, laid out as ComfyUI's."""
    for node in graph.values():
        for key, folder in FOLDERS.items():
            if name := node["inputs"].get(key):
                (root / folder).mkdir(exist_ok=True, parents=True)
                link = root / folder / name
                link.unlink(missing_ok=True)
                link.symlink_to(parity.checkpoint(name.removesuffix(".fp16.safetensors")))
    return root


@pytest.mark.parametrize("name", NAMES)
def test_an_imported_graph_gives_the_recorded_latent(name: str, tmp_path: Path) -> None:
    import torch

    case = CASES[name]
    graph = case["graph"]
    (sampler,) = [key for key, node in graph.items() if node["class_type"] == "KSampler"]
    folders = (models(graph, tmp_path / "models"), parity.cache_folder())
    settings = Settings.load(model_folders=folders, device="cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with Engine(settings, cache=False) as engine:
            imported = read_document(graph).workflow
            recipe = imported.model_copy(update={"outputs": {"latent": f"{sampler}.latent"}})
            run = engine.run(recipe, targets=["latent"], record=False)
            assert run.failures == []
            latent = run["latent"]
    finally:
        torch.set_num_threads(threads)
    theirs = parity.recorded(case.get("latent") or case["latent_sdpa"])
    assert float((latent.samples - theirs).abs().max() / theirs.std()) <= case["tolerance"]
