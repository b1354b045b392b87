"""What a single file is, told from its keys and shapes: published models with holes in place of their weights."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from nodeflow import File, NodeError
from nodeflow_nodes.diffusion.load_nodes import lora_path
from nodeflow_nodes.diffusion.loading.detect import check_embedding, describe, kind
from nodeflow_nodes.diffusion.loading.header import _read, read_header
from nodeflow_nodes.diffusion.loading.lora_file import LoraFile
from tests.diffusion_loading.layouts import maker, shape_of, sparse

MAKE = maker()
pytestmark = pytest.mark.skipif(MAKE is None, reason="../shared/parity/make_checkpoint.py is not there")


def keys(name: str) -> dict[str, Any]:
    assert MAKE is not None
    return MAKE.FILES[name]()


@pytest.fixture
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return sparse(tmp_path / f"{request.param}.safetensors", keys(request.param))


def has(spec: Any, *parts: str) -> bool:
    return {p for p in ("denoiser", "text", "vae") if getattr(spec, p) is not None} == set(parts)


@pytest.mark.parametrize("file", ["sd15"], indirect=True)
def test_sd15(file: Path) -> None:
    spec = describe(file)
    assert has(spec, "denoiser", "text", "vae")
    assert spec.looks_like == "a Stable Diffusion 1 checkpoint"
    assert spec.denoiser is not None
    config = spec.denoiser.config
    assert config["block_out_channels"] == [320, 640, 1280, 1280]
    assert config["down_block_types"] == ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
    assert (config["attention_head_dim"], config["use_linear_projection"]) == (8, False)
    assert (spec.denoiser.family, spec.denoiser.parametrisation, spec.denoiser.latent_scale) == ("sd1", "eps", 0.18215)
    assert spec.text is not None
    assert [(e.role, e.skip, e.normed, e.pad) for e in spec.text.encoders] == [("l", 1, True, None)]
    assert spec.vae is not None
    assert spec.vae.config["block_out_channels"] == [128, 256, 512, 512]


@pytest.mark.parametrize("file", ["sd21"], indirect=True)
def test_sd21(file: Path) -> None:
    spec = describe(file)
    assert spec.denoiser is not None
    assert spec.denoiser.family == "sd2"
    assert spec.denoiser.config["attention_head_dim"] == [5, 10, 20, 20]
    assert spec.denoiser.config["use_linear_projection"]
    assert spec.text is not None
    assert [(e.role, e.skip, e.normed, e.pad) for e in spec.text.encoders] == [("h", 2, True, 0)]


@pytest.mark.parametrize("file", ["sdxl"], indirect=True)
def test_sdxl(file: Path) -> None:
    spec = describe(file)
    assert spec.denoiser is not None
    config = spec.denoiser.config
    assert spec.denoiser.family == "sdxl"
    assert spec.denoiser.latent_scale == 0.13025
    assert config["transformer_layers_per_block"] == [1, 2, 10]
    assert config["attention_head_dim"] == [5, 10, 20]
    assert config["projection_class_embeddings_input_dim"] == 2816
    assert spec.text is not None
    assert [(e.role, e.skip, e.normed) for e in spec.text.encoders] == [("l", 2, False), ("g", 2, False)]


@pytest.mark.parametrize("file", ["sdxl_vega"], indirect=True)
def test_a_smaller_sdxl(file: Path) -> None:
    spec = describe(file)
    assert spec.denoiser is not None
    assert spec.denoiser.config["mid_block_type"] == "UNetMidBlock2D"
    assert spec.denoiser.config["transformer_layers_per_block"] == [1, 1, 2]


@pytest.mark.parametrize("file", ["sd3_reduced_te"], indirect=True)
def test_sd3(file: Path) -> None:
    spec = describe(file)
    assert spec.denoiser is not None
    config = spec.denoiser.config
    assert (spec.denoiser.family, spec.denoiser.parametrisation) == ("sd3", "flow")
    assert (config["num_layers"], config["attention_head_dim"], config["pos_embed_max_size"]) == (4, 64, 192)
    assert (spec.denoiser.latent_scale, spec.denoiser.latent_shift) == (1.5305, 0.0609)
    assert spec.text is not None
    assert (spec.text.joining, [e.role for e in spec.text.encoders]) == ("sd3", ["l", "g"])
    assert spec.vae is not None
    assert (spec.vae.latent_channels, spec.vae.config["use_quant_conv"]) == (16, False)


@pytest.mark.parametrize("file", ["flux_reduced"], indirect=True)
def test_flux(file: Path) -> None:
    spec = describe(file)
    assert has(spec, "denoiser", "vae")
    assert spec.denoiser is not None
    assert spec.denoiser.config["num_attention_heads"] == 24
    assert spec.denoiser.sigma_table == {"kind": "flux", "shift": 1.15}
    assert spec.denoiser.in_channels == 16


@pytest.mark.parametrize("name", ["sd15", "sd21", "sdxl", "flux_reduced"])
def test_a_denoiser_alone(tmp_path: Path, name: str) -> None:
    alone = {k.removeprefix("model.diffusion_model."): v for k, v in keys(name).items() if k.startswith("model.")}
    spec = describe(sparse(tmp_path / "alone.safetensors", alone))
    assert has(spec, "denoiser")


def test_a_vae_and_text_encoders_alone(tmp_path: Path) -> None:
    vae = {k.removeprefix("first_stage_model."): v for k, v in keys("sd15").items() if k.startswith("first_stage")}
    assert has(describe(sparse(tmp_path / "vae.safetensors", vae)), "vae")
    place = "text_encoders.clip_g.transformer."
    clip = {k.removeprefix(place): v for k, v in keys("sd3_reduced_te").items() if k.startswith(place)}
    spec = describe(sparse(tmp_path / "clip_g.safetensors", clip))
    assert spec.looks_like == "an OpenCLIP-G text encoder"
    assert has(spec, "text")


@pytest.mark.parametrize(
    ("name", "found"), [("lora_sd15", "lora"), ("controlnet_sd15", "controlnet"), ("sd15", "checkpoint")]
)
def test_other_kinds_are_named(tmp_path: Path, name: str, found: str) -> None:
    path = sparse(tmp_path / "x.safetensors", keys(name))
    assert kind(read_header(path)) == found
    if found != "checkpoint":
        with pytest.raises(NodeError, match=f"expected a model, this is a {'LoRA' if found == 'lora' else 'Control'}"):
            describe(path)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("lora_unet_a.oft_blocks", "a LyCORIS file of the kind OFT or BOFT, which is not read"),
        ("lora_unet_a.on_input", r"of the kind \(IA\)³, which is not read"),
        ("lora_unet_a.a1.weight", "of the kind GLoRA, which is not read"),
        ("other.weight", r"something unknown. It has 1 tensors, such as other.weight \[2, 2\]"),
        ("decoder.conv_in.weight", r"a VAE \(load it with diffusion/load_vae\)"),
    ],
)
def test_a_lora_of_another_kind_says_of_which(tmp_path: Path, key: str, message: str) -> None:
    file = File("x", str(sparse(tmp_path / "x.safetensors", {key: (2, 2)})), "0" * 64)
    with pytest.raises(NodeError, match=rf"expected a LoRA, this is .*{message}"):
        lora_path(file)


@pytest.mark.parametrize(
    "key", ["lora_unet_a.diff", "unet.a.lora_linear_layer.up.weight", "unet.a.lora.up.weight", "t.a.lora_A.weight"]
)
def test_every_lora_layout_that_is_read_is_told(tmp_path: Path, key: str) -> None:
    path = sparse(tmp_path / "x.safetensors", {key: (2, 2)})
    assert kind(read_header(path)) == "lora"
    assert LoraFile(path).stems


def test_what_is_no_textual_inversion_is_refused_where_it_is_loaded(tmp_path: Path) -> None:
    for keys_in, message in (
        ({"lora_unet_a.lora_up.weight": (2, 2)}, r"this is a LoRA \(load it"),
        ({f"w{i}": (2, 8) for i in range(5)}, "this is something unknown. It has 5 tensors"),
        ({"conv": (2, 2, 3, 3)}, "this is something unknown"),
    ):
        with pytest.raises(NodeError, match=f"expected a textual inversion, {message}"):
            check_embedding(sparse(tmp_path / "x.safetensors", keys_in))
    check_embedding(sparse(tmp_path / "word.safetensors", {"*": (2, 768)}))


def test_an_unknown_file_says_what_it_has(tmp_path: Path) -> None:
    path = sparse(tmp_path / "x.safetensors", {"resnet.conv1.weight": (64, 3, 7, 7)})
    with pytest.raises(NodeError, match=r"1 tensors, such as resnet.conv1.weight \[64, 3, 7, 7\]; expected"):
        describe(path)


def test_a_unet_of_no_known_family_is_refused(tmp_path: Path) -> None:
    assert MAKE is not None
    path = sparse(tmp_path / "x.safetensors", MAKE.unet(context=999))
    with pytest.raises(NodeError, match="text is 999 wide"):
        describe(path)


@pytest.mark.parametrize("name", ["sd15", "sdxl", "flux_reduced"])
def test_detecting_takes_milliseconds(tmp_path: Path, name: str) -> None:
    path = sparse(tmp_path / "x.safetensors", keys(name))
    costs = []
    for _ in range(3):
        _read.cache_clear()
        start = time.process_time()
        describe(path)
        costs.append(time.process_time() - start)
    assert min(costs) < 0.2  # measured: 0.006 to 0.018; the bound is for slow machines


def refiner() -> dict[str, Any]:
    """SDXL's refiner: 384 wide, four blocks deep in the middle levels, OpenCLIP-G alone."""
    assert MAKE is not None
    return {
        **MAKE.unet(width=384, mult=(1, 2, 4, 4), depth=(0, 4, 4, 0), mid_depth=4, context=1280, linear=True, adm=2560),
        **MAKE.vae(),
        **MAKE.clip_open("conditioner.embedders.0.model.", 1280, 32),
    }


@pytest.mark.parametrize("name", ["sd15", "sd21", "sdxl", "sdxl_vega", "refiner", "sd3_reduced_te"])
def test_whole_files_fit_their_modules(tmp_path: Path, name: str) -> None:
    """Each tensor of a published layout finds its place: gigabytes of holes, mapped and never read."""
    from nodeflow_nodes.diffusion.loading.denoisers import load_denoiser
    from nodeflow_nodes.diffusion.loading.texts import load_text
    from nodeflow_nodes.diffusion.loading.vaes import load_vae

    layout = refiner() if name == "refiner" else keys(name)
    spec = describe(sparse(tmp_path / "x.safetensors", layout))
    assert spec.denoiser is not None
    assert spec.text is not None
    assert spec.vae is not None
    network = load_denoiser(spec.denoiser, "mapped", "cpu")
    expected = sum(math.prod(shape_of(v)) for k, v in layout.items() if k.startswith("model.diffusion_model."))
    assert sum(p.numel() for p in (*network.parameters(), *network.buffers())) == expected
    assert len(load_text(spec.text, "mapped", "cpu").encoders) == len(spec.text.encoders)
    assert load_vae(spec.vae, "mapped", "cpu").downscale == 8
    if name == "refiner":
        assert (spec.denoiser.family, spec.text.joining) == ("sdxl_refiner", "sdxl")
