"""PixArt: from its folder and from a single file in the original layout, against diffusers' transformer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from nodeflow import File, Latent, NodeError
from nodeflow.context import StandaloneContext
from nodeflow.types import Condition, Conditioning
from nodeflow_nodes.diffusion.denoiser import Conditions
from nodeflow_nodes.diffusion.load_nodes import load_model
from nodeflow_nodes.diffusion.loading.detect import describe
from nodeflow_nodes.diffusion.loading.lora_names import originals
from nodeflow_nodes.diffusion.sample_nodes import sample
from tests.diffusion_loading.conftest import quiet_libraries
from tests.diffusion_loading.layouts import sparse

SIZED = {"csize_embedder": "resolution_embedder", "ar_embedder": "aspect_ratio_embedder"}


def original(state: dict[str, Tensor], layers: int, width: int, tokens: int, side: int) -> dict[str, Tensor]:
    """A state dict of diffusers in the published layout, written out."""
    made: dict[str, Tensor] = {
        "pos_embed": torch.zeros(1, (side // 2) ** 2, width),
        "y_embedder.y_embedding": torch.zeros(tokens, 24),
        "final_layer.scale_shift_table": state["scale_shift_table"],
    }

    def put(there: str, *here: str) -> None:
        for kind in ("weight", "bias"):
            made[f"{there}.{kind}"] = torch.cat([state[f"{name}.{kind}"] for name in here])

    put("x_embedder.proj", "pos_embed.proj")
    put("t_block.1", "adaln_single.linear")
    put("final_layer.linear", "proj_out")
    embedders = {"t_embedder": "timestep_embedder"}
    if any("resolution" in key for key in state):
        embedders |= SIZED
    for there, here in embedders.items():
        for number in (1, 2):
            put(f"{there}.mlp.{2 * number - 2}", f"adaln_single.emb.{here}.linear_{number}")
    for number in (1, 2):
        put(f"y_embedder.y_proj.fc{number}", f"caption_projection.linear_{number}")
    for i in range(layers):
        there, here = f"blocks.{i}", f"transformer_blocks.{i}"
        made[f"{there}.scale_shift_table"] = state[f"{here}.scale_shift_table"]
        put(f"{there}.attn.qkv", *(f"{here}.attn1.to_{name}" for name in "qkv"))
        put(f"{there}.attn.proj", f"{here}.attn1.to_out.0")
        put(f"{there}.cross_attn.q_linear", f"{here}.attn2.to_q")
        put(f"{there}.cross_attn.kv_linear", f"{here}.attn2.to_k", f"{here}.attn2.to_v")
        put(f"{there}.cross_attn.proj", f"{here}.attn2.to_out.0")
        put(f"{there}.mlp.fc1", f"{here}.ff.net.0.proj")
        put(f"{there}.mlp.fc2", f"{here}.ff.net.2")
    return made


@pytest.fixture(scope="session", params=["alpha 1024", "alpha 512", "sigma 256"])
def pixart(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small transformer by diffusers, its folder, and a single file of it."""
    quiet_libraries()
    from diffusers import PixArtTransformer2DModel

    side = {"1024": 128, "512": 64, "256": 32}[request.param.split()[1]]
    sigma = request.param.startswith("sigma")
    torch.manual_seed(0)
    made = PixArtTransformer2DModel(
        num_attention_heads=16, attention_head_dim=6, num_layers=2, cross_attention_dim=96, sample_size=side,
        caption_channels=24, use_additional_conditions=side == 128, interpolation_scale=0.5 if sigma else None,
    ).eval()  # fmt: skip
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    folder = tmp_path_factory.mktemp("pixart")
    made.save_pretrained(folder / "transformer")
    tensors = original(made.state_dict(), 2, 96, 300 if sigma else 120, side)
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "pixart.safetensors")
    return made, folder / "transformer", folder / "pixart.safetensors"


@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (10, 6), (7, 9)])
def test_it_gives_the_numbers_of_diffusers(pixart: Any, which: int, height: int, width: int) -> None:
    theirs, path = pixart[0], pixart[which]
    draw = torch.Generator().manual_seed(3)
    x, text = torch.randn(2, 4, height, width, generator=draw), torch.randn(2, 5, 24, generator=draw)
    with StandaloneContext().weights.use(load_model(File("m", str(path), str(path)))) as ours:
        assert (ours.family, ours.parametrisation, ours.latent_channels, ours.latent_scale) == (
            "pixart",
            "eps",
            4,
            0.18215,
        )
        assert ours.sigma_table == {
            "kind": "discrete", "beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02,
        }  # fmt: skip
        got = ours(x, torch.tensor([500.0, 20.0]), Conditions(text))
    even = torch.nn.functional.pad(x, (0, width % 2, 0, height % 2), mode="circular")
    sizes = {"resolution": None, "aspect_ratio": None}
    if theirs.use_additional_conditions:
        sizes = {
            "resolution": torch.tensor([[height * 8.0, width * 8.0]]).repeat(2, 1),
            "aspect_ratio": torch.tensor([[height / width]]).repeat(2, 1),
        }
    with torch.no_grad():
        expected = theirs(even, text, torch.tensor([500.0, 20.0]), added_cond_kwargs=sizes).sample
    torch.testing.assert_close(got, expected[:, :4, :height, :width], atol=1e-6, rtol=0)


def test_it_samples_with_prompts_of_different_lengths(pixart: Any) -> None:
    path = pixart[2]
    draw = torch.Generator().manual_seed(4)
    long, short = (Conditioning((Condition(torch.randn(1, n, 24, generator=draw)),)) for n in (7, 3))
    model = load_model(File("m", str(path), str(path)))
    latent = Latent(torch.zeros(1, 4, 8, 8))
    made = sample(model, long, latent, short, steps=3, guidance=4.5, ctx=StandaloneContext()).samples
    assert made.shape == (1, 4, 8, 8)
    assert made.isfinite().all()


def test_a_lora_in_the_original_names_finds_the_modules(pixart: Any) -> None:
    spec = describe(pixart[2]).denoiser
    assert spec is not None
    names = originals([], "pixart", spec.config)
    assert [t.name for t in names["blocks.1.cross_attn.kv_linear"]] == [
        "transformer_blocks.1.attn2.to_k.weight", "transformer_blocks.1.attn2.to_v.weight",
    ]  # fmt: skip
    parameters = pixart[0].state_dict()
    assert all(target.name in parameters for name, targets in names.items() if "csize" not in name and "ar_" not in name
               for target in targets)  # fmt: skip


@pytest.mark.parametrize(
    ("tokens", "places", "sized", "side", "scale"),
    [
        (120, 4096, True, 128, 2), (120, None, True, 128, 2), (120, 1024, False, 64, 1), (120, None, False, 64, 1),
        (300, 256, False, 32, 0.5), (300, 16384, False, 256, 4), (300, None, False, 128, 2),
    ],
)  # fmt: skip
def test_published_files_are_told_by_their_keys(
    tmp_path: Path, tokens: int, places: int | None, sized: bool, side: int, scale: float
) -> None:
    keys: dict[str, Any] = {
        "x_embedder.proj.weight": (1152, 4, 2, 2), "t_block.1.weight": (6912, 1152),
        "y_embedder.y_proj.fc1.weight": (1152, 4096), "y_embedder.y_embedding": (tokens, 4096),
        "final_layer.linear.weight": (32, 1152), "blocks.27.attn.proj.weight": (1152, 1152),
        "blocks.0.cross_attn.q_linear.weight": (1152, 1152),
    }  # fmt: skip
    if places:
        keys["pos_embed"] = (1, places, 1152)
    if sized:
        keys["csize_embedder.mlp.0.weight"] = (384, 256)
    spec = describe(sparse(tmp_path / "p.safetensors", keys))
    assert spec.looks_like == "a PixArt diffusion model"
    assert spec.denoiser is not None
    config = spec.denoiser.config
    assert (config["num_layers"], config["num_attention_heads"], config["attention_head_dim"]) == (28, 16, 72)
    assert (config["sample_size"], config["interpolation_scale"]) == (side, scale)
    assert config["use_additional_conditions"] is sized


def test_one_with_other_layers_says_so(pixart: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(pixart[2])
    tensors["blocks.0.attn.sr.weight"] = torch.zeros(4)
    save_file(tensors, tmp_path / "m.safetensors")
    model = load_model(File("m", str(tmp_path / "m.safetensors"), "m"))
    with pytest.raises(NodeError, match=r"1 tensor not known: transformer_blocks\.0\.attn\.sr\.weight"):
        sample(model, Conditioning((Condition(torch.zeros(1, 3, 24)),)), Latent(torch.zeros(1, 4, 8, 8)), guidance=1.0,
               ctx=StandaloneContext())  # fmt: skip
