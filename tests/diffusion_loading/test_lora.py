"""LoRA files: names, formulas, merging without touching the plain model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nodeflow import File, NodeError, WeightsPool
from nodeflow_nodes.diffusion import load_nodes
from nodeflow_nodes.diffusion.denoiser import Conditions
from nodeflow_nodes.diffusion.loading.lora_file import LoraFile
from nodeflow_nodes.diffusion.loading.lora_names import denoiser_names, text_names


def lora(path: Path, tensors: dict[str, torch.Tensor]) -> LoraFile:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return LoraFile(path)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape) + len(shape)))


@pytest.mark.parametrize(
    ("down", "up"),
    [
        ("x.lora_down.weight", "x.lora_up.weight"),
        ("x.lora_A.weight", "x.lora_B.weight"),
        ("x.lora_A.default.weight", "x.lora_B.default.weight"),
        ("x.lora.down.weight", "x.lora.up.weight"),
        ("x_lora.down.weight", "x_lora.up.weight"),
        ("x.lora_linear_layer.down.weight", "x.lora_linear_layer.up.weight"),
    ],
)
def test_low_rank_layouts(tmp_path: Path, down: str, up: str) -> None:
    a, b, weight = draw(3, 6), draw(5, 3), draw(5, 6)
    file = lora(tmp_path / "l.safetensors", {down: a, up: b})
    torch.testing.assert_close(file.change("x", weight, 0.5), weight + 0.5 * b @ a)


def test_alpha_over_rank(tmp_path: Path) -> None:
    a, b, weight = draw(4, 6), draw(5, 4), draw(5, 6)
    file = lora(tmp_path / "l.safetensors", {
        "x.lora_down.weight": a, "x.lora_up.weight": b, "x.alpha": torch.tensor(2.0),
    })  # fmt: skip
    torch.testing.assert_close(file.change("x", weight, 1.0), weight + 0.5 * b @ a)


def test_alpha_in_diffusers_metadata(tmp_path: Path) -> None:
    a, b, weight = draw(4, 6), draw(5, 4), draw(5, 6)
    path = tmp_path / "l.safetensors"
    tensors = {"transformer.x.lora_A.weight": a, "transformer.x.lora_B.weight": b}
    save_file(tensors, path, metadata={"lora_adapter_metadata": '{"transformer.r": 4, "transformer.lora_alpha": 8}'})
    torch.testing.assert_close(LoraFile(path).change("transformer.x", weight, 1.0), weight + 2 * b @ a)


def test_convolutions_with_and_without_a_middle(tmp_path: Path) -> None:
    down, up, mid, weight = draw(2, 3, 1, 1), draw(5, 2, 1, 1), draw(2, 2, 3, 3), draw(5, 3, 3, 3)
    parts = {"x.lora_down.weight": down, "x.lora_up.weight": up, "x.lora_mid.weight": mid}
    expected = torch.zeros_like(weight)
    for r in range(2):
        for s in range(2):
            expected += up[:, r, 0, 0, None, None, None] * mid[r, s] * down[s, :, 0, 0][None, :, None, None]
    file = lora(tmp_path / "mid.safetensors", parts)
    torch.testing.assert_close(file.change("x", weight, 1.0), weight + expected)
    kernel, out = draw(2, 3, 3, 3), draw(5, 2, 1, 1)
    file = lora(tmp_path / "plain.safetensors", {"x.lora_down.weight": kernel, "x.lora_up.weight": out})
    expected = torch.einsum("or,rihw->oihw", out[:, :, 0, 0], kernel)
    torch.testing.assert_close(file.change("x", weight, 1.0), weight + expected)


def test_hadamard_and_kronecker_products(tmp_path: Path) -> None:
    weight = draw(6, 8)
    parts = {"x.hada_w1_a": draw(6, 2), "x.hada_w1_b": draw(2, 8), "x.hada_w2_a": draw(6, 2) + 1,
             "x.hada_w2_b": draw(2, 8) - 1, "x.alpha": torch.tensor(1.0)}  # fmt: skip
    expected = (parts["x.hada_w1_a"] @ parts["x.hada_w1_b"]) * (parts["x.hada_w2_a"] @ parts["x.hada_w2_b"])
    file = lora(tmp_path / "loha.safetensors", parts)
    torch.testing.assert_close(file.change("x", weight, 1.0), weight + expected / 2)
    parts = {
        "x.lokr_w1": draw(2, 4),
        "x.lokr_w2_a": draw(3, 2),
        "x.lokr_w2_b": draw(2, 2),
        "x.alpha": torch.tensor(2.0),
    }
    expected = torch.kron(parts["x.lokr_w1"], parts["x.lokr_w2_a"] @ parts["x.lokr_w2_b"])
    file = lora(tmp_path / "lokr.safetensors", parts)
    torch.testing.assert_close(file.change("x", weight, 1.0), weight + expected)


def test_dora_sets_the_norms(tmp_path: Path) -> None:
    weight, a, b, magnitude = draw(5, 6), draw(2, 6), draw(5, 2), draw(5, 1).abs() + 1
    parts = {"x.lora_down.weight": a, "x.lora_up.weight": b, "x.dora_scale": magnitude}
    file = lora(tmp_path / "dora.safetensors", parts)
    whole = file.change("x", weight, 1.0)
    torch.testing.assert_close(whole.norm(dim=1, keepdim=True), magnitude)
    torch.testing.assert_close(file.change("x", weight, 0.25), weight + 0.25 * (whole - weight))


def test_a_lora_that_does_not_fit_names_the_shapes(tmp_path: Path) -> None:
    file = lora(tmp_path / "l.safetensors", {"x.lora_down.weight": draw(3, 6), "x.lora_up.weight": draw(5, 3)})
    with pytest.raises(NodeError, match=r"x .*down \[3, 6\].*shape \[4, 4\]"):
        file.change("x", draw(4, 4), 1.0)


def test_names_of_a_unet() -> None:
    names = denoiser_names(
        ["down_blocks.1.attentions.0.proj_in", "mid_block.resnets.1.conv1"], "unet", {"layers_per_block": 2}
    )
    target = names["lora_unet_down_blocks_1_attentions_0_proj_in"]
    assert target[0].name == "down_blocks.1.attentions.0.proj_in.weight"
    assert names["lora_unet_input_blocks_4_1_proj_in"] == target
    assert names["unet.down_blocks.1.attentions.0.proj_in"] == target
    assert names["lora_unet_middle_block_2_in_layers_2"][0].name == "mid_block.resnets.1.conv1.weight"


def test_names_of_text_encoders() -> None:
    first, second = (text_names(["encoder.layers.0.mlp.fc1"], i, 2) for i in range(2))
    assert {"lora_te1_text_model_encoder_layers_0_mlp_fc1", "lora_te_text_model_encoder_layers_0_mlp_fc1",
            "text_encoder.text_model.encoder.layers.0.mlp.fc1"} <= first.keys()  # fmt: skip
    assert "lora_te2_text_model_encoder_layers_0_mlp_fc1" in second
    assert "text_encoder_2.text_model.encoder.layers.0.mlp.fc1" in second


# --- through the pool, on the built-in model's layout -------------------------------------------------------------


def sticker(path: Path, scale: float) -> File:
    """A LoRA for the flow model's transformer and text encoder; the fused name is the original layout's."""
    tensors: dict[str, torch.Tensor] = {}
    for stem, inputs, outputs in (
        ("transformer.transformer_blocks.0.attn.to_q", 24, 24),
        ("diffusion_model.joint_blocks.1.x_block.attn.qkv", 24, 72),
        ("text_encoder.text_model.encoder.layers.0.mlp.fc1", 16, 32),
    ):
        tensors[f"{stem}.lora_A.weight"] = draw(2, inputs) * scale
        tensors[f"{stem}.lora_B.weight"] = draw(outputs, 2)
    save_file(tensors, path)
    return File(path.name, str(path), f"{scale:064.3f}")


def run(pool: WeightsPool, handle: Any) -> torch.Tensor:
    conditions = Conditions(draw(1, 20, 16), draw(1, 16))
    with pool.use(handle) as denoiser:
        return denoiser(draw(1, 4, 16, 16), torch.tensor([500.0]), conditions)


def test_a_lora_leaves_the_plain_model_alone_and_reloads_nothing(flow_folder: Path, tmp_path: Path) -> None:
    pool = WeightsPool()
    model, text, _ = load_nodes.load_checkpoint(File("flow", str(flow_folder), "0" * 64))
    first = load_nodes.apply_lora(model, text, sticker(tmp_path / "a.safetensors", 0.1))
    second = load_nodes.apply_lora(model, text, sticker(tmp_path / "b.safetensors", 0.2), 0.8)
    plain, with_first, with_second = run(pool, model), run(pool, first.model), run(pool, second.model)
    assert not torch.equal(plain, with_first)
    assert not torch.equal(with_first, with_second)
    loads = pool.loads
    for _ in range(10):
        assert torch.equal(run(pool, first.model), with_first)
        assert torch.equal(run(pool, model), plain)
        assert torch.equal(run(pool, second.model), with_second)
    assert pool.loads == loads == 1


def test_a_merged_lora_is_the_formula(flow_folder: Path, tmp_path: Path) -> None:
    pool = WeightsPool()
    model, text, _ = load_nodes.load_checkpoint(File("flow", str(flow_folder), "0" * 64))
    file = sticker(tmp_path / "a.safetensors", 0.1)
    patched = load_nodes.apply_lora(model, text, file, 0.7, 0.0)
    assert patched.text_encoder == text
    a, b = draw(2, 24) * 0.1, draw(72, 2)
    with pool.use(model) as plain, pool.use(patched.model) as merged:
        for index, name in enumerate(("to_q", "to_k", "to_v")):
            before = plain.network.get_submodule(f"transformer_blocks.1.attn.{name}").weight
            after = merged.network.get_submodule(f"transformer_blocks.1.attn.{name}").weight
            torch.testing.assert_close(after, before + 0.7 * (b @ a).chunk(3)[index])
        untouched = "transformer_blocks.1.ff.net.2"
        assert plain.network.get_submodule(untouched).weight is merged.network.get_submodule(untouched).weight


def test_a_lora_of_another_model_is_refused(flow_folder: Path, tmp_path: Path) -> None:
    pool = WeightsPool()
    model, text, vae = load_nodes.load_checkpoint(File("flow", str(flow_folder), "0" * 64))
    path = tmp_path / "x.safetensors"
    save_file(
        {"lora_unet_mid_block_x.lora_down.weight": draw(2, 4), "lora_unet_mid_block_x.lora_up.weight": draw(4, 2)}, path
    )
    patched = load_nodes.apply_lora(model, text, File("x", str(path), "1" * 64))
    with pytest.raises(NodeError, match="made for another model"):
        run(pool, patched.model)
    wrong = flow_folder / "vae" / "diffusion_pytorch_model.safetensors"
    with pytest.raises(NodeError, match="expected a LoRA, this is a VAE"):
        load_nodes.apply_lora(model, text, File("v", str(wrong), "2" * 64))
    assert vae.loader == "diffusion/vae"


def test_a_mapped_model_takes_a_lora_too(flow_folder: Path, tmp_path: Path) -> None:
    pool = WeightsPool()
    model, text, _ = load_nodes.load_checkpoint(File("flow", str(flow_folder), "0" * 64))
    file = sticker(tmp_path / "a.safetensors", 0.1)
    plain = load_nodes.apply_lora(model, text, file).model
    mapped = load_nodes.apply_lora(model.with_options(precision="mapped"), text, file).model
    assert torch.equal(run(pool, plain), run(pool, mapped))


def test_a_textual_inversion_is_a_word(flow_folder: Path, tmp_path: Path) -> None:
    pool = WeightsPool()
    text = load_nodes.load_checkpoint(File("flow", str(flow_folder), "0" * 64)).text_encoder
    path = tmp_path / "cat.safetensors"
    with pool.use(text) as plain:
        own = plain.encoders[0].module.embed(torch.tensor([1, 3]))  # the words "red" and "star"
        expected = plain.encode("a red star").tokens
    save_file({"emb_params": own.contiguous()}, path)
    word = load_nodes.load_embedding(text, File("cat", str(path), "3" * 64))
    with pool.use(word) as encoders:
        assert torch.equal(encoders.encode("a embedding:cat").tokens, expected)
        assert torch.equal(encoders.encode("a red star").tokens, expected)
        with pytest.raises(NodeError, match="embedding:dog: not loaded"):
            encoders.encode("embedding:dog")
    with pool.use(text) as plain, pytest.raises(NodeError, match=r"embedding:cat: not loaded \(loaded: none\)"):
        plain.encode("a embedding:cat")


def test_a_textual_inversion_of_another_model_is_refused(flow_folder: Path, tmp_path: Path) -> None:
    text = load_nodes.load_checkpoint(File("flow", str(flow_folder), "0" * 64)).text_encoder
    path = tmp_path / "cat.safetensors"
    save_file({"emb_params": torch.randn(2, 768)}, path)
    word = load_nodes.load_embedding(text, File("cat", str(path), "3" * 64))
    with pytest.raises(NodeError, match="its vectors are 768 wide, this model's text encoder reads 16"):
        WeightsPool().use(word).__enter__()


def test_the_model_alone_takes_the_same_change(flow_folder: Path, tmp_path: Path) -> None:
    pool = WeightsPool()
    model, text, _ = load_nodes.load_checkpoint(File("flow", str(flow_folder), "0" * 64))
    file = sticker(tmp_path / "a.safetensors", 0.1)
    both, alone = load_nodes.apply_lora(model, text, file, 0.5), load_nodes.apply_lora_model(model, file, 0.5)
    assert alone == both.model
    assert load_nodes.apply_lora_model(model, file, 0.0) == model
    with pool.use(text) as plain, pool.use(both.text_encoder) as patched:
        assert not torch.equal(plain.encode("a star").tokens, patched.encode("a star").tokens)
