"""Key conversions against diffusers' own maps, and whole files of random numbers loaded strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nodeflow import NodeError
from nodeflow_nodes.diffusion.loading import convert
from nodeflow_nodes.diffusion.loading.detect import describe
from nodeflow_nodes.diffusion.loading.keys import unet
from nodeflow_nodes.diffusion.loading.spec import ModelSpec
from tests.diffusion_loading.conftest import quiet_libraries
from tests.diffusion_loading.layouts import maker, shape_of

MAKE = maker()
pytestmark = pytest.mark.skipif(MAKE is None, reason="../shared/parity/make_checkpoint.py is not there")


def random_tensors(keys: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Small integers in place of weights: cheap, and every element tells where it went."""
    return {
        key: torch.randint(-9, 9, shape_of(value), generator=torch.Generator().manual_seed(i)).float()
        for i, (key, value) in enumerate(keys.items())
    }


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name


def test_the_unet_map_is_that_of_diffusers() -> None:
    assert MAKE is not None
    quiet_libraries()
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    tensors = random_tensors(MAKE.unet(mult=(1, 1, 2), res_blocks=2, depth=(1, 2, 0), mid_depth=1, width=32, adm=64))
    config = {"layers_per_block": 2, "addition_embed_type": "text_time", "class_embed_type": None,
              "down_block_types": [1] * 3, "up_block_types": [1] * 3}  # fmt: skip
    theirs = convert_ldm_unet_checkpoint(dict(tensors), config)
    bare = {key.removeprefix("model.diffusion_model."): value for key, value in tensors.items()}
    same(convert.convert("ldm_unet", bare, config), theirs)


def test_the_unet_map_can_be_turned_round() -> None:
    assert MAKE is not None
    for key in MAKE.unet(mult=(1, 1, 2), res_blocks=2, depth=(1, 1, 0), mid_depth=1, width=32, adm=64):
        module = key.removeprefix("model.diffusion_model.").rpartition(".")[0]
        there = unet.original_module(unet.unet_module(module, 2), 2)
        assert there.replace(".2.conv", ".1.conv") == module.replace(".2.conv", ".1.conv")


@pytest.mark.parametrize("quant", [True, False])
def test_the_autoencoder_map_is_that_of_diffusers(quant: bool) -> None:
    assert MAKE is not None
    quiet_libraries()
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    tensors = random_tensors(MAKE.vae("first_stage_model.", quant=quant))
    config = {"down_block_types": [1] * 4, "up_block_types": [1] * 4, "block_out_channels": [128, 256, 512, 512]}
    theirs = convert_ldm_vae_checkpoint(dict(tensors), config)
    bare = {key.removeprefix("first_stage_model."): value for key, value in tensors.items()}
    same(convert.convert("ldm_vae", bare, config), theirs)


def test_the_transformer_maps_are_those_of_diffusers() -> None:
    assert MAKE is not None
    quiet_libraries()
    from diffusers.loaders.single_file_utils import (
        convert_flux_transformer_checkpoint_to_diffusers,
        convert_sd3_transformer_checkpoint_to_diffusers,
    )

    sd3 = random_tensors(MAKE.mmdit("", depth=3, positions=8))
    theirs = convert_sd3_transformer_checkpoint_to_diffusers(dict(sd3))
    same(convert.convert("sd3", sd3, {"num_layers": 3}), theirs)
    flux = random_tensors(MAKE.flux("", context=64, pooled=32))
    theirs = convert_flux_transformer_checkpoint_to_diffusers(dict(flux))
    same(convert.convert("flux", flux, {"num_attention_heads": 24, "attention_head_dim": 128}), theirs)


def test_the_openclip_map_is_that_of_diffusers() -> None:
    assert MAKE is not None
    quiet_libraries()
    from types import SimpleNamespace

    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    tensors = random_tensors(MAKE.clip_open("", 64, 2))
    theirs = convert_open_clip_checkpoint(SimpleNamespace(config=SimpleNamespace(hidden_size=64)), dict(tensors), "")
    same(convert.convert("open_clip", tensors, {}), {k.removeprefix("text_model."): v for k, v in theirs.items()})


def write(path: Path, keys: dict[str, Any]) -> ModelSpec:
    from safetensors.torch import save_file

    assert MAKE is not None
    save_file({k: MAKE.make_tensor(k, v, 1, torch.float16).contiguous() for k, v in keys.items()}, path)
    return describe(path)


def test_openclip_becomes_transformers_names(tmp_path: Path) -> None:
    from nodeflow_nodes.diffusion.loading.texts import load_text

    assert MAKE is not None
    spec = write(tmp_path / "h.safetensors", MAKE.clip_open("", 128, 2))
    assert spec.text is not None
    encoders = load_text(spec.text, "float32", "cpu")
    module = encoders.encoders[0].module
    file = MAKE.make_tensor("text_projection", (128, 128), 1, torch.float16).float()
    assert torch.equal(module.text_projection.weight, file.T)
    assert encoders.encode("a cat").tokens.shape == (1, 77, 128)


def test_a_wrong_shape_is_named(tmp_path: Path) -> None:
    from nodeflow_nodes.diffusion.loading.denoisers import load_denoiser

    assert MAKE is not None
    keys = MAKE.mmdit("", depth=2, context=32, pooled=16, positions=8)
    keys["joint_blocks.0.x_block.mlp.fc1.bias"] = (7,)
    del keys["joint_blocks.1.x_block.mlp.fc2.bias"]
    keys["something.else"] = (1,)
    spec = write(tmp_path / "x.safetensors", keys)
    assert spec.denoiser is not None
    with pytest.raises(NodeError) as caught:
        load_denoiser(spec.denoiser, "float32", "cpu")
    message = str(caught.value)
    assert "transformer_blocks.0.ff.net.0.proj.bias: expected [512], found [7]" in message
    assert "1 tensor missing: transformer_blocks.1.ff.net.2.bias" in message
    assert "1 tensor not known: something.else" in message


def test_sd3_in_the_original_layout_agrees_with_diffusers(tmp_path: Path) -> None:
    quiet_libraries()
    from diffusers import SD3Transformer2DModel
    from diffusers.loaders.single_file_utils import convert_sd3_transformer_checkpoint_to_diffusers
    from safetensors.torch import load_file

    from nodeflow_nodes.diffusion.denoiser import Conditions
    from nodeflow_nodes.diffusion.loading.denoisers import load_denoiser

    assert MAKE is not None
    keys = MAKE.mmdit("model.diffusion_model.", depth=2, context=32, pooled=16, positions=12)
    spec = write(tmp_path / "sd3.safetensors", keys)
    assert spec.denoiser is not None
    denoiser = load_denoiser(spec.denoiser, "auto", "cpu")
    config = {k: v for k, v in spec.denoiser.config.items() if k != "dual_attention_layers"}
    theirs = SD3Transformer2DModel(**config).eval()
    file = {k: v.float() for k, v in load_file(tmp_path / "sd3.safetensors").items()}
    theirs.load_state_dict(convert_sd3_transformer_checkpoint_to_diffusers(file), strict=True)
    x, tokens, pooled = torch.randn(1, 16, 8, 8), torch.randn(1, 7, 32), torch.randn(1, 16)
    with torch.no_grad():
        expected = theirs(x, tokens, pooled, torch.tensor([250.0]), return_dict=False)[0]
    assert torch.equal(denoiser(x, torch.tensor([250.0]), Conditions(tokens, pooled)), expected)


def test_float8_files_are_read(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from nodeflow_nodes.diffusion.denoiser import Conditions
    from nodeflow_nodes.diffusion.loading.denoisers import load_denoiser

    assert MAKE is not None
    keys = MAKE.mmdit("model.diffusion_model.", depth=2, context=32, pooled=16, positions=12)
    write(tmp_path / "half.safetensors", keys)
    small = {k: v.to(torch.float8_e4m3fn) for k, v in load_file(tmp_path / "half.safetensors").items()}
    save_file(small, tmp_path / "float8.safetensors")
    spec = describe(tmp_path / "float8.safetensors").denoiser
    assert spec is not None
    x, conditions = torch.randn(1, 16, 8, 8), Conditions(torch.randn(1, 7, 32), torch.randn(1, 16))
    plain, mapped = (load_denoiser(spec, p, "cpu")(x, torch.tensor([250.0]), conditions) for p in ("auto", "mapped"))
    assert torch.equal(plain, mapped)
