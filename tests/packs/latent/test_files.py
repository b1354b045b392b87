from pathlib import Path

import pytest
import torch
from safetensors.torch import save as write

from nodeflow import File, Latent, NodeError
from nodeflow.context import StandaloneContext
from nodeflow_nodes.latent.files import load, save


def written(path: Path, data: bytes) -> File:
    path.write_bytes(data)
    return File(path.name, str(path), "")


def test_save_then_load_is_the_same(tmp_path: Path) -> None:
    context = StandaloneContext()
    latent = Latent(torch.randn(2, 4, 3, 5), torch.rand(1, 1, 24, 40))
    made = save(latent, "walk/start", ctx=context)
    assert made.name == "walk/start.latent"
    again = load(written(tmp_path / "a.latent", context.saved[made.name]))
    assert torch.equal(again.samples, latent.samples)
    assert torch.equal(again.noise_mask, latent.noise_mask)


def test_old_files_of_comfyui_were_scaled(tmp_path: Path) -> None:
    x = torch.randn(1, 4, 2, 2)
    made = load(written(tmp_path / "a.latent", write({"latent_tensor": x * 0.18215})))
    assert torch.allclose(made.samples, x, atol=1e-6)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "cannot be parsed"),
        (b"\xff" * 64, "cannot be parsed"),
        (write({"weight": torch.zeros(3)}), r"got weight \[3\]"),
        (write({"latent_tensor": torch.zeros(3)}), "expected a tensor"),
        (write({"latent_tensor": torch.zeros(1, 4, 2, 2, dtype=torch.int32)}), "expected a tensor"),
        (write({"latent_tensor": torch.zeros(1, 4, 2, 2), "noise_mask": torch.zeros(3)}), "noise mask"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(NodeError, match=words):
        load(written(tmp_path / "a.latent", data))
    with pytest.raises(NodeError, match="cannot be read"):
        load(File("gone.latent", str(tmp_path / "gone.latent"), ""))
