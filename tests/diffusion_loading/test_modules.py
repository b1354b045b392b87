"""Our own modules against the published classes: same configuration, same weights, same bits."""

from __future__ import annotations

import pytest
import torch

from nodeflow import NodeError
from nodeflow_nodes.diffusion.loading.modules.clip import ClipText
from nodeflow_nodes.diffusion.loading.modules.mmdit import MMDiT, MMDiTControlNet
from nodeflow_nodes.diffusion.loading.modules.tiny_vae import TinyVae
from tests.diffusion_loading.conftest import quiet_libraries


@pytest.mark.parametrize("qk_norm", [None, "rms_norm"])
@pytest.mark.parametrize("dual", [(), (0, 1)])
def test_the_transformer_gives_the_bits_of_diffusers(qk_norm: str | None, dual: tuple[int, ...]) -> None:
    quiet_libraries()
    from diffusers import SD3Transformer2DModel

    config = {
        "sample_size": 16, "patch_size": 2, "in_channels": 4, "out_channels": 4, "num_layers": 3,
        "attention_head_dim": 8, "num_attention_heads": 4, "joint_attention_dim": 24, "caption_projection_dim": 32,
        "pooled_projection_dim": 20, "pos_embed_max_size": 12, "qk_norm": qk_norm, "dual_attention_layers": dual,
    }  # fmt: skip
    torch.manual_seed(1)
    theirs = SD3Transformer2DModel(**config).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    ours = MMDiT(**config).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x, tokens, pooled = torch.randn(2, 4, 16, 12), torch.randn(2, 7, 24), torch.randn(2, 20)
    timestep = torch.tensor([999.5, 3.25])
    control = [torch.randn(2, 48, 32) for _ in range(2)]
    with torch.no_grad():
        for residuals in (None, control):
            expected = theirs(x, tokens, pooled, timestep, block_controlnet_hidden_states=residuals, return_dict=False)[
                0
            ]
            assert torch.equal(ours(x, timestep, tokens, pooled, residuals), expected)


def test_a_latent_with_more_patches_than_the_transformer_knows_is_refused() -> None:
    small = MMDiT(num_layers=1, attention_head_dim=8, num_attention_heads=2, caption_projection_dim=16,
                  joint_attention_dim=8, pooled_projection_dim=8, pos_embed_max_size=4)  # fmt: skip
    with pytest.raises(NodeError, match="knows 4x4 patches, the latent has 4x5: ask for a smaller picture"):
        small(torch.zeros(1, 16, 8, 10), torch.zeros(1), torch.zeros(1, 3, 8), torch.zeros(1, 8))


@pytest.mark.parametrize("size", [(5, 8), (7, 3), (1, 1)])
def test_odd_sides_go_on_at_their_start(size: tuple[int, int]) -> None:
    shape = {
        "num_layers": 2, "attention_head_dim": 8, "num_attention_heads": 2, "in_channels": 4,
        "joint_attention_dim": 8, "pooled_projection_dim": 8, "pos_embed_max_size": 4,
    }  # fmt: skip
    torch.manual_seed(0)
    model, control = MMDiT(**shape, caption_projection_dim=16).eval(), MMDiTControlNet(**shape).eval()
    for module in (model, control):
        randomise(module)
        torch.nn.init.normal_(module.pos_embed.pos_embed)
    x, hint = torch.randn(1, 4, *size), torch.randn(1, 4, *size)
    rows, columns = ([*range(side), *range(side % 2)] for side in size)
    rest = torch.tensor([500.0]), torch.randn(1, 3, 8), torch.randn(1, 8)
    with torch.no_grad():
        residuals = control(x, *rest, hint)
        whole, seen = (t[..., rows, :][..., columns] for t in (x, hint))
        expected = control(whole, *rest, seen)
        assert all(torch.equal(a, b) for a, b in zip(residuals, expected, strict=True))
        found = model(x, *rest, residuals)
        assert torch.equal(found, model(whole, *rest, expected)[..., : size[0], : size[1]])
    assert found.shape == x.shape


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("projected", [False, True])
def test_the_text_encoder_gives_the_numbers_of_transformers(activation: str, projected: bool) -> None:
    quiet_libraries()
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        max_position_embeddings=12, hidden_act=activation, projection_dim=24, bos_token_id=48, eos_token_id=49,
    )  # fmt: skip
    torch.manual_seed(2)
    theirs = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()
    state = {name.removeprefix("text_model."): value for name, value in theirs.state_dict().items()}
    ours = ClipText(**config.to_dict(), projection=24 if projected else None).eval()
    ours.load_state_dict(state, strict=True)
    ids = torch.randint(0, 48, (2, 12))
    ids[:, 0], ids[0, 7:], ids[1, 11] = 48, 49, 49
    with torch.no_grad():
        expected = theirs(ids, output_hidden_states=True)
        last, before = ours(ids), ours(ids, skip=2, normed=False)
    torch.testing.assert_close(last.hidden, expected.last_hidden_state, atol=1e-6, rtol=0)
    torch.testing.assert_close(before.hidden, expected.hidden_states[-2], atol=1e-6, rtol=0)
    if projected:
        torch.testing.assert_close(last.projected, expected.text_embeds, atol=1e-6, rtol=0)
    else:
        torch.testing.assert_close(last.pooled, expected.pooler_output, atol=1e-6, rtol=0)


def test_the_tiny_autoencoder_gives_the_bits_of_diffusers() -> None:
    quiet_libraries()
    from diffusers import AutoencoderTiny

    config = {
        "encoder_block_out_channels": (8, 8, 8), "decoder_block_out_channels": (8, 8, 8),
        "num_encoder_blocks": (0, 1, 2), "num_decoder_blocks": (3, 1, 0), "act_fn": "relu",
    }  # fmt: skip
    torch.manual_seed(3)
    theirs = AutoencoderTiny(**config).eval()
    ours = TinyVae(**config).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    pixels, latent = torch.rand(1, 3, 16, 24) * 2 - 1, torch.randn(1, 4, 4, 6)
    with torch.no_grad():
        assert torch.equal(ours.encode(pixels), theirs.encode(pixels).latents)
        assert torch.equal(ours.decode(latent), theirs.decode(latent).sample)


def randomise(module: torch.nn.Module) -> None:
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.1)


UNETS = {
    "sd1": {},
    "sd2": {"use_linear_projection": True, "attention_head_dim": [2, 4]},
    "sdxl": {
        "use_linear_projection": True, "attention_head_dim": [2, 4],
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "transformer_layers_per_block": [1, 2],
        "addition_embed_type": "text_time", "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 60,
    },
    "vega": {"mid_block_type": "UNetMidBlock2D"},
    "built-in": {
        "norm_num_groups": 8, "resnet_time_scale_shift": "scale_shift", "addition_embed_type": "text",
        "addition_embed_type_num_heads": 4,
    },
    "uneven": {
        "transformer_layers_per_block": [[1, 2], [2, 1]],
        "reverse_transformer_layers_per_block": [[2, 1, 1], [1, 1, 2]],
        "mid_block_type": "UNetMidBlock2D",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", UNETS)
@pytest.mark.parametrize("size", [(16, 8), (9, 11)])
def test_the_unet_gives_the_bits_of_diffusers(kind: str, size: tuple[int, int]) -> None:
    quiet_libraries()
    from diffusers import UNet2DConditionModel

    from nodeflow_nodes.diffusion.loading.modules.unet import UNet, supports

    config = {
        "block_out_channels": (32, 64), "layers_per_block": 2, "cross_attention_dim": 24, "attention_head_dim": 4,
        "down_block_types": ("CrossAttnDownBlock2D",) * 2, "up_block_types": ("CrossAttnUpBlock2D",) * 2,
        **UNETS[kind],
    }  # fmt: skip
    torch.manual_seed(4)
    theirs = UNet2DConditionModel(**config).eval()
    randomise(theirs)
    assert supports(dict(theirs.config))
    ours = UNet(**config).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x, context, timestep = torch.randn(2, 4, *size), torch.randn(2, 5, 24), torch.tensor([10.0, 700.0])
    pooled, time_ids = torch.randn(2, 12), torch.rand(2, 6) * 100
    added = {"text_embeds": pooled, "time_ids": time_ids} if kind == "sdxl" else None
    with torch.no_grad():
        expected = theirs(x, timestep, context, added_cond_kwargs=added, return_dict=False)[0]
        arguments = (pooled, time_ids) if kind == "sdxl" else ()
        found = ours(x, timestep, context, *arguments)
    if kind == "built-in":  # the text's attention is summed up in another order
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    else:
        assert torch.equal(found, expected)


def test_the_controlnet_and_its_residuals_give_the_bits_of_diffusers() -> None:
    quiet_libraries()
    from diffusers import ControlNetModel, UNet2DConditionModel

    from nodeflow_nodes.diffusion.loading.modules.unet import ControlNet, UNet

    config = {
        "block_out_channels": (32, 64), "layers_per_block": 1, "cross_attention_dim": 24, "attention_head_dim": 4,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    }  # fmt: skip
    torch.manual_seed(5)
    unet_config = {**config, "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")}
    theirs, their_unet = ControlNetModel(**config).eval(), UNet2DConditionModel(**unet_config).eval()
    randomise(theirs)
    ours, our_unet = ControlNet(**config).eval(), UNet(**unet_config).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    our_unet.load_state_dict(their_unet.state_dict(), strict=True)
    x, context, timestep = torch.randn(2, 4, 8, 8), torch.randn(2, 5, 24), torch.tensor([10.0, 700.0])
    hint = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        down, mid = theirs(x, timestep, context, hint, return_dict=False)
        control = ours(x, timestep, context, hint)
        assert all(torch.equal(a, b) for a, b in zip(control["down"], down, strict=True))
        assert torch.equal(control["mid"][0], mid)
        expected = their_unet(
            x, timestep, context, down_block_additional_residuals=down, mid_block_additional_residual=mid,
            return_dict=False,
        )[0]  # fmt: skip
        assert torch.equal(our_unet(x, timestep, context, control=control), expected)


@pytest.mark.parametrize("quant", [True, False])
def test_the_autoencoder_gives_the_bits_of_diffusers(quant: bool) -> None:
    quiet_libraries()
    from diffusers import AutoencoderKL

    from nodeflow_nodes.diffusion.loading.modules.kl_vae import KlVae, supports

    config = {
        "block_out_channels": (16, 32), "layers_per_block": 1, "norm_num_groups": 8, "latent_channels": 3,
        "down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2,
        "use_quant_conv": quant, "use_post_quant_conv": quant,
    }  # fmt: skip
    torch.manual_seed(6)
    theirs = AutoencoderKL(**config).eval()
    assert supports(dict(theirs.config))
    ours = KlVae(**config).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    pixels, latent = torch.rand(2, 3, 16, 24) * 2 - 1, torch.randn(2, 3, 4, 6)
    with torch.no_grad():
        assert torch.equal(ours.encode(pixels), theirs.encode(pixels).latent_dist.mode())
        assert torch.equal(ours.decode(latent), theirs.decode(latent).sample)
