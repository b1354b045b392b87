"""ControlNets: told from their files, loaded, and called as sampling calls them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nodeflow import File, NodeError, Vae, WeightsPool
from nodeflow_nodes.diffusion import load_nodes
from nodeflow_nodes.diffusion.denoiser import Conditions
from nodeflow_nodes.diffusion.loading.control_spec import read_control
from tests.diffusion_loading.conftest import quiet_libraries
from tests.diffusion_loading.layouts import maker, sparse

MAKE = maker()


@pytest.mark.skipif(MAKE is None, reason="../shared/parity/make_checkpoint.py is not there")
def test_the_original_layout_is_told_from_its_keys(tmp_path: Path) -> None:
    assert MAKE is not None
    spec = read_control(sparse(tmp_path / "c.safetensors", MAKE.FILES["controlnet_sd15"]()))
    assert spec.looks_like == "a ControlNet for Stable Diffusion 1"
    assert spec.config["block_out_channels"] == [320, 640, 1280, 1280]
    assert spec.source.prefix == "control_model."
    with pytest.raises(NodeError, match="expected a ControlNet, this is a checkpoint"):
        read_control(sparse(tmp_path / "m.safetensors", MAKE.FILES["sd15"]()))


def test_a_whole_models_folder_is_no_controlnet(flow_folder: Path) -> None:
    with pytest.raises(NodeError, match="expected a ControlNet's folder, this is a whole model's"):
        read_control(flow_folder)


@pytest.fixture
def small_unet_control(tmp_path: Path) -> Path:
    quiet_libraries()
    from diffusers import ControlNetModel

    torch.manual_seed(0)
    net = ControlNetModel(
        block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=768, attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    )  # fmt: skip
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    net.save_pretrained(tmp_path / "control")
    return tmp_path / "control"


def test_diffusers_layout_with_and_without_its_configuration(small_unet_control: Path, tmp_path: Path) -> None:
    from diffusers import ControlNetModel

    theirs = ControlNetModel.from_pretrained(small_unet_control)
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((small_unet_control / "diffusion_pytorch_model.safetensors").read_bytes())
    x, tokens, hint = torch.randn(1, 4, 8, 8), torch.randn(1, 5, 768), torch.rand(1, 3, 64, 64)
    timestep = torch.tensor([321.0])
    with torch.no_grad():
        down, mid = theirs(x, timestep, tokens, hint, return_dict=False)
    pool = WeightsPool()
    for number, path in enumerate((small_unet_control, alone)):
        handle = load_nodes.load_controlnet(File("c", str(path), str(number) * 64))
        with pool.use(handle) as net:
            assert net.downscale == 8
            out = net(x, timestep, Conditions(tokens), hint)
            assert all(torch.equal(a, b) for a, b in zip(out["down"], down, strict=True))
            assert torch.equal(out["mid"][0], mid)
            with pytest.raises(NodeError, match="reads text 768 wide, the conditioning is 16 wide"):
                net(x, timestep, Conditions(tokens[..., :16]), hint)


def test_a_controlnet_for_the_built_in_layout_reads_its_hint_as_a_latent(flow_folder: Path, tmp_path: Path) -> None:
    quiet_libraries()
    from diffusers import SD3ControlNetModel, SD3Transformer2DModel

    transformer = SD3Transformer2DModel.from_pretrained(flow_folder / "transformer", torch_dtype=torch.float32)
    torch.manual_seed(1)
    theirs = SD3ControlNetModel(**{
        key: value for key, value in transformer.config.items()
        if not key.startswith("_") and key not in ("num_layers", "dual_attention_layers")
    }, num_layers=2).eval()  # fmt: skip
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    theirs.save_pretrained(tmp_path / "edges")
    vae = load_nodes.load_checkpoint(File("flow", str(flow_folder), "0" * 64)).vae
    with pytest.raises(NodeError, match="connect the VAE"):
        load_nodes.load_controlnet(File("c", str(tmp_path / "edges"), "1" * 64))
    handle = load_nodes.load_controlnet(File("c", str(tmp_path / "edges"), "1" * 64), vae)
    pool = WeightsPool()
    x, tokens, pooled = torch.randn(1, 4, 16, 16), torch.randn(1, 20, 16), torch.randn(1, 16)
    hint, timestep = torch.rand(1, 3, 64, 64), torch.tensor([321.0])
    with pool.use(vae) as module, pool.use(handle) as net, torch.no_grad():
        assert net.downscale == 4
        out = net(x, timestep, Conditions(tokens, pooled), hint)
        again = net(x, timestep, Conditions(tokens, pooled), hint.clone())
        assert all(torch.equal(a, b) for a, b in zip(again["blocks"], out["blocks"], strict=True))
        other = net(x, timestep, Conditions(tokens, pooled), 1 - hint)
        assert not torch.equal(other["blocks"][0], out["blocks"][0])
        expected = theirs(x, module.encode(hint), 1.0, tokens, pooled, timestep, return_dict=False)[0]
        for ours, reference in zip(out["blocks"], expected, strict=True):
            torch.testing.assert_close(ours, reference, atol=1e-5, rtol=1e-5)
    assert isinstance(vae, Vae)
