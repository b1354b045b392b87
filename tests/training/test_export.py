"""What is exported is read back as it was, by the ordinary classes, and describes itself truly."""

import json

import pytest
import torch

from training import base, cards, export, gan, generator, language, shipped, text_encoder, unet, vae
from training.loop import rng


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NODEFLOW_TRAINING", str(tmp_path / "cache"))
    for module in (export, shipped):
        monkeypatch.setattr(module, "ROOT", tmp_path / "models")
    monkeypatch.setattr(cards, "SCORES", tmp_path / "scores.json")


@pytest.fixture
def parts(monkeypatch):
    torch.manual_seed(0)
    made = base.build(), text_encoder.build(), vae.build()
    for module in made:
        module.requires_grad_(False).eval()
    # keep what was made: export turns what it is given into halves
    states = [{k: v.clone() for k, v in module.state_dict().items()} for module in made]
    monkeypatch.setattr(base, "load", lambda run="base": made[0])
    monkeypatch.setattr(text_encoder, "load", lambda: made[1])
    monkeypatch.setattr(vae, "load", lambda **_: made[2])
    return states


def test_a_base_model_round_trips(parts) -> None:
    from diffusers import AutoencoderTiny, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
    from transformers import AutoTokenizer, CLIPTextModel

    folder = export.export_base()
    transformer = SD3Transformer2DModel.from_pretrained(folder / "transformer", torch_dtype=torch.float32)
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    autoencoder = AutoencoderTiny.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    for module, state in zip((transformer, encoder, autoencoder), parts, strict=True):
        for name, value in module.state_dict().items():
            assert torch.allclose(value, state[name], atol=2e-3, rtol=1e-3), name
    assert AutoTokenizer.from_pretrained(folder / "tokenizer")("a red star")["input_ids"]

    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(folder / "scheduler")
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / 20, 20).tolist())
    assert torch.allclose(scheduler.sigmas, export.sampler.sigmas())
    assert torch.allclose(scheduler.timesteps, 1000 * scheduler.sigmas[:-1])

    index = json.loads((folder / "model_index.json").read_text())
    for part in ("transformer", "text_encoder", "tokenizer", "vae", "scheduler"):
        assert (folder / part).is_dir()
        assert len(index[part]) == 2
    assert index["nodeflow"]["text_max_length"] == encoder.config.max_position_embeddings
    assert index["nodeflow"]["width"] == 4 * transformer.config.sample_size
    assert autoencoder.config.scaling_factor == 1.0
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "Not measured yet." in card


def test_the_second_family_is_a_denoiser_with_its_schedule(monkeypatch) -> None:
    from diffusers import DDIMScheduler, UNet2DConditionModel

    from nodeflow_nodes.diffusion.loading.models import denoiser_of

    torch.manual_seed(0)
    student = unet.Student(unet.build()).eval()
    monkeypatch.setattr(unet, "load", lambda run: student.unet)
    folder = export.export_unet()
    again = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
    x, text = torch.randn(2, 4, 16, 16, generator=rng(3)), torch.randn(2, 20, 128, generator=rng(4))
    with torch.no_grad():
        v, outline = student.float()(x, torch.tensor([999, 20]), text)
        assert torch.allclose(again(x, torch.tensor([999, 20]), text).sample, v, atol=1e-2)
    assert outline.shape == (2, 32, 32)
    scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
    assert torch.equal(scheduler.alphas_cumprod, unet.schedule().alphas_cumprod)
    described = denoiser_of(folder)
    assert (described.parametrisation, described.sigma_table["kind"], described.downscale) == ("v", "ztsnr", 4)


def test_training_can_begin_with_what_ships(parts) -> None:
    export.export_base()
    again = shipped.fill(base.build(), "transformer")
    name = "transformer_blocks.0.attn.to_q.weight"
    assert torch.allclose(again.state_dict()[name], parts[0][name], atol=2e-3)
    other = base.build({**base.CONFIG, "num_layers": 2})
    with pytest.raises((ValueError, RuntimeError), match=r"does not fit|size mismatch"):
        shipped.fill(other, "transformer")


def test_the_pooled_state_is_that_of_the_first_end_token(parts) -> None:
    encoder = text_encoder.build().eval()
    sequence, pooled = text_encoder.encode(encoder, ["a red star", ""])
    assert sequence.shape == (2, 20, 128)
    assert torch.equal(pooled, torch.stack([sequence[0, 4], sequence[1, 1]]))


def test_folding_normalises_latents_and_keeps_the_pictures() -> None:
    torch.manual_seed(0)
    model = vae.build().eval()
    pool = (torch.rand(64, 3, 64, 64, generator=rng(1)) * 255).byte()
    x = pool.float() / 127.5 - 1
    with torch.no_grad():
        before = model.decoder.layers(model.encoder(x))
        vae.fold(model, pool)
        latents = model.encoder(x)
        after = model.decoder.layers(latents)  # without the clamp the fold is exact but for the border's padding
    assert torch.allclose(latents.mean((0, 2, 3)), torch.zeros(4), atol=1e-4)
    assert torch.allclose(latents.std((0, 2, 3)), torch.ones(4), atol=1e-4)
    assert torch.allclose(before[..., 16:-16, 16:-16], after[..., 16:-16, 16:-16], atol=1e-3)


def test_a_generator_is_what_its_description_says(monkeypatch) -> None:
    from safetensors.torch import load_file

    torch.manual_seed(0)
    copyist, autoencoder = gan.Copyist(), vae.build().eval()
    monkeypatch.setattr(gan, "load", lambda run: copyist.generator)
    monkeypatch.setattr(vae, "load", lambda **_: autoencoder)
    z = torch.randn(2, generator.LATENT, generator=rng(2))
    with torch.no_grad():
        wanted = vae.decode(autoencoder, copyist.generator(z))
    folder = export.export_gan()
    about = json.loads((folder / "generator.json").read_text())
    again = generator.stack(about["layers"])
    again.load_state_dict({k: v.float() for k, v in load_file(folder / "generator.safetensors").items()})
    with torch.no_grad():
        assert torch.allclose(again(z).clamp(0, 1), wanted, atol=1e-2)


def test_the_language_model_round_trips(monkeypatch) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    model = language.build().eval()
    monkeypatch.setattr(language, "load", lambda: model)
    request = "write a prompt: red star =>"
    wanted = language.words()(request)["input_ids"]
    folder = export.export_language()
    tokens = AutoTokenizer.from_pretrained(folder)
    assert tokens(request)["input_ids"] == wanted
    again = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert again.lm_head.weight.shape == (len(tokens), 160)
    assert again.config.eos_token_id == tokens.eos_token_id
