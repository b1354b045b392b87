"""Diffusers folders: described without torch, loaded into modules that agree with the libraries' own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nodeflow import File, NodeError, WeightsPool
from nodeflow_nodes.diffusion import encode_nodes, load_nodes
from nodeflow_nodes.diffusion.denoiser import Conditions
from nodeflow_nodes.diffusion.loading.models import read_model


class Here:
    """The context of a node that runs alone."""

    device = "cpu"

    def __init__(self) -> None:
        self.weights = WeightsPool()
        self.steps: list[tuple[int, int]] = []

    def check(self) -> None:
        pass

    def progress(self, done: int, total: int, text: str = "") -> None:
        self.steps.append((done, total))


def checkpoint(folder: Path) -> load_nodes.Checkpoint:
    return load_nodes.load_checkpoint(File("flow", str(folder), "0" * 64))


def test_a_folder_says_what_it_is(flow_folder: Path) -> None:
    spec = read_model(flow_folder)
    assert spec.denoiser is not None
    assert (spec.denoiser.family, spec.denoiser.parametrisation) == ("nodeflow", "flow")
    assert spec.denoiser.sigma_table == {"kind": "flow", "shift": 3.0}
    assert (spec.denoiser.latent_channels, spec.denoiser.downscale) == (4, 4)
    assert spec.text is not None
    assert spec.text.joining == "single"
    assert spec.text.encoders[0].length == 20


def test_the_loader_node_imports_no_torch(flow_folder: Path) -> None:
    code = (
        "import sys\n"
        "from nodeflow import File\n"
        "from nodeflow_nodes.diffusion.load_nodes import load_checkpoint\n"
        f"print(load_checkpoint(File('flow', {str(flow_folder)!r}, '0' * 64)).model.loader)\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "diffusion/denoiser\n", done.stderr


def test_running_the_built_in_layout_imports_no_diffusers(flow_folder: Path) -> None:
    code = (
        "import sys, torch\n"
        "from nodeflow import File, WeightsPool\n"
        "from nodeflow_nodes.diffusion.load_nodes import load_checkpoint\n"
        f"parts, pool = load_checkpoint(File('flow', {str(flow_folder)!r}, '0' * 64)), WeightsPool()\n"
        "for part in parts:\n"
        "    with pool.use(part):\n"
        "        pass\n"
        "print(sorted({'diffusers', 'transformers', 'peft', 'accelerate', 'torch._dynamo'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_the_denoiser_agrees_with_diffusers(flow_folder: Path) -> None:
    from diffusers import SD3Transformer2DModel

    theirs = SD3Transformer2DModel.from_pretrained(flow_folder / "transformer", torch_dtype=torch.float32)
    pool = WeightsPool()
    x, tokens, pooled = torch.randn(2, 4, 16, 16), torch.randn(2, 20, 16), torch.randn(2, 16)
    timestep = torch.tensor([500.0, 10.0])
    with pool.use(checkpoint(flow_folder).model) as denoiser, torch.no_grad():
        out = denoiser(x, timestep, Conditions(tokens, pooled))
        assert torch.equal(out, theirs(x, tokens, pooled, timestep, return_dict=False)[0])
    with pytest.raises(NodeError, match="pooled text"), pool.use(checkpoint(flow_folder).model) as denoiser:
        denoiser(x, timestep, Conditions(tokens))


def test_a_mapped_model_gives_the_numbers_of_float32(flow_folder: Path) -> None:
    pool = WeightsPool()
    handle = checkpoint(flow_folder).model
    conditions = Conditions(torch.randn(1, 20, 16), torch.randn(1, 16))
    x, timestep = torch.randn(1, 4, 16, 16), torch.tensor([700.0])
    with pool.use(handle) as plain, pool.use(handle.with_options(precision="mapped")) as mapped:
        assert any(p.dtype == torch.float16 for p in mapped.parameters())
        assert torch.equal(mapped(x, timestep, conditions), plain(x, timestep, conditions))


def test_prompts_become_what_the_transformers_classes_give(flow_folder: Path) -> None:
    from transformers import AutoTokenizer, CLIPTextModel

    theirs = CLIPTextModel.from_pretrained(flow_folder / "text_encoder", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(flow_folder / "tokenizer")
    words = tokenizer("a red star on white", add_special_tokens=False)["input_ids"]
    ids = [11, *words, *[12] * (19 - len(words))]
    with torch.no_grad():
        expected = theirs(torch.tensor([ids]))
    ctx = Here()
    encoder = checkpoint(flow_folder).text_encoder
    condition = encode_nodes.encode_prompt("a red star on white", encoder, ctx=ctx).conditions[0]
    torch.testing.assert_close(condition.tokens, expected.last_hidden_state, atol=1e-6, rtol=0)
    torch.testing.assert_close(condition.pooled, expected.pooler_output, atol=1e-6, rtol=0)
    weighted = encode_nodes.encode_prompt("a (red:1.5) star on white", encoder, ctx=ctx).conditions[0]
    changed = (weighted.tokens - condition.tokens).abs().amax(dim=-1)[0] > 1e-6
    assert changed.tolist() == [False, False, True] + [False] * 17


def test_pictures_go_through_the_autoencoder_and_back(flow_folder: Path) -> None:
    ctx = Here()
    vae = checkpoint(flow_folder).vae
    image = torch.rand(2, 3, 67, 65)
    latent = encode_nodes.encode_image(image, vae, ctx=ctx)
    assert latent.samples.shape == (2, 4, 16, 16)
    back = encode_nodes.decode(latent, vae, ctx=ctx)
    assert back.shape == (2, 3, 64, 64)
    assert back.min() >= 0
    assert back.max() <= 1
    tiled = encode_nodes.decode(latent, vae, 8, 3, ctx=ctx)
    assert (tiled - back).abs().max() < 0.2
    assert ctx.steps[0] == (0, 9)


def test_a_latent_of_another_model_is_refused(flow_folder: Path) -> None:
    from nodeflow import Latent

    with pytest.raises(NodeError, match="4 channels, got 16"):
        encode_nodes.decode(Latent(torch.zeros(1, 16, 8, 8)), checkpoint(flow_folder).vae, ctx=Here())


def test_a_folder_that_is_none_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(NodeError, match=r"found notes\.txt"):
        read_model(tmp_path)


def test_pages_of_mapped_files_may_be_given_back(flow_folder: Path) -> None:
    from nodeflow_nodes.diffusion.loading.spec import Source
    from nodeflow_nodes.diffusion.loading.tensors import read_source, release_pages

    file = flow_folder / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = read_source(Source((file,)), None)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    release_pages(least=0)
    assert all(torch.equal(tensors[name], before[name]) for name in before)


def test_a_unet_that_is_not_ours_runs_in_the_class_of_diffusers(flow_folder: Path, tmp_path: Path) -> None:
    from diffusers import DDIMScheduler, UNet2DConditionModel

    torch.manual_seed(0)
    theirs = UNet2DConditionModel(
        sample_size=16, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=16, attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        addition_embed_type="text", addition_embed_type_num_heads=4, encoder_hid_dim=16,
    ).eval()  # fmt: skip
    theirs.save_pretrained(tmp_path / "unet")
    DDIMScheduler(prediction_type="v_prediction", beta_schedule="scaled_linear").save_pretrained(tmp_path / "scheduler")
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    parts = load_nodes.load_checkpoint(File("unet", str(tmp_path), "1" * 64))
    x, tokens, timestep = torch.randn(1, 4, 16, 16), torch.randn(1, 20, 16), torch.tensor([300.0])
    pool = WeightsPool()
    with pool.use(parts.model) as denoiser, torch.no_grad():
        assert (denoiser.parametrisation, denoiser.sigma_table["beta_schedule"]) == ("v", "scaled_linear")
        expected = theirs(x, timestep, tokens, return_dict=False)[0]
        torch.testing.assert_close(denoiser(x, timestep, Conditions(tokens)), expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(NodeError, match="without a VAE: load one"), pool.use(parts.vae):
        pass


def test_precisions(flow_folder: Path) -> None:
    from nodeflow_nodes.diffusion.loading.build import precisions
    from nodeflow_nodes.diffusion.loading.spec import Source

    source = Source((flow_folder / "transformer" / "diffusion_pytorch_model.safetensors",))
    assert precisions("auto", "cpu", source) == (torch.float32, torch.float32)
    assert precisions("auto", "cuda:0", source) == (torch.float16, torch.float16)
    assert precisions("auto", "cuda:0", source, steady=True) == (torch.float32, torch.float32)
    assert precisions("mapped", "cpu", source) == (None, torch.float32)
    assert precisions("bfloat16", "cpu", source) == (torch.bfloat16, torch.bfloat16)
    with pytest.raises(NodeError, match="expected one of auto"):
        precisions("int4", "cpu", source)


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_stays_near(flow_folder: Path, precision: str) -> None:
    pool = WeightsPool()
    handle = checkpoint(flow_folder).model
    conditions = Conditions(torch.randn(1, 20, 16), torch.randn(1, 16))
    x, timestep = torch.randn(1, 4, 16, 16), torch.tensor([700.0])
    with pool.use(handle) as plain, pool.use(handle.with_options(precision=precision)) as half:
        expected, out = plain(x, timestep, conditions), half(x, timestep, conditions)
    assert out.dtype == torch.float32
    assert (out - expected).abs().mean() < 0.1 * expected.std()


def test_an_empty_latent_has_the_models_channels_and_cells(flow_folder: Path, tmp_path: Path) -> None:
    from nodeflow import File
    from nodeflow_nodes.diffusion.encode_nodes import empty_latent
    from nodeflow_nodes.diffusion.load_nodes import load_checkpoint

    model = load_checkpoint(File("flow", str(flow_folder), "0" * 64)).model
    assert empty_latent(model, 64, 32, 3).samples.shape == (3, 4, 8, 16)
    assert not empty_latent(model, 64, 32).samples.any()
    with pytest.raises(NodeError, match="less than one latent cell"):
        empty_latent(model, 2, 64)


def test_what_is_not_this_models_is_refused(flow_folder: Path, tmp_path: Path) -> None:
    """Pooled text, ControlNet residuals and sizes made for another family."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    UNet2DConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=16, attention_head_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=60,
    ).save_pretrained(tmp_path / "unet")  # fmt: skip
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    x, timestep, tokens = torch.randn(1, 4, 8, 8), torch.tensor([300.0]), torch.randn(1, 20, 16)
    pool = WeightsPool()
    unet = load_nodes.load_checkpoint(File("unet", str(tmp_path), "1" * 64)).model
    sized = {"time_ids": torch.ones(1, 5)}
    blocks = {"blocks": [torch.zeros(1, 16, 24)]}
    with pool.use(checkpoint(flow_folder).model) as flow, pool.use(unet) as sdxl:
        for model, conditions, message in (
            (flow, Conditions(tokens), "needs pooled text 16 wide, and the conditioning has none"),
            (flow, Conditions(tokens, torch.ones(1, 7)), "has that of another model, 7 wide"),
            (flow, Conditions(tokens, torch.ones(1, 16), control={"down": [], "mid": []}), "ControlNet does not fit"),
            (sdxl, Conditions(tokens, torch.ones(1, 16)), "needs pooled text 12 wide"),
            (sdxl, Conditions(tokens, torch.ones(1, 12), control=blocks), "ControlNet does not fit"),
            (sdxl, Conditions(tokens, torch.ones(1, 12), sized), "reads 6 numbers .* has 5: .*/sdxl_sizes"),
        ):
            with pytest.raises(NodeError, match=message):
                model(x, timestep, conditions)
        assert sdxl(x, timestep, Conditions(tokens, torch.ones(1, 12))).shape == x.shape
