"""Reference pictures: the image encoder and IP-Adapters against transformers and diffusers, reference latents."""

from __future__ import annotations

import copy
import hashlib
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from nodeflow import Conditioning, File, Latent, Model, NodeError, WeightsHandle
from nodeflow.context import StandaloneContext
from nodeflow.types import Condition
from nodeflow_nodes.diffusion.denoiser import Conditions
from nodeflow_nodes.diffusion.load_nodes import apply_lora_model, load_model
from nodeflow_nodes.diffusion.loading.reference import add_adapter, load_vision, prepare
from nodeflow_nodes.diffusion.loading.reference_spec import read_adapter, read_vision
from nodeflow_nodes.diffusion.reference_nodes import apply_ip_adapter, reference_latent
from nodeflow_nodes.diffusion.sample_nodes import sample
from tests.diffusion_loading.conftest import quiet_libraries

WIDTH, SEEN, EMBEDDED, SIDE = 768, 128, 24, 28


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape))) * scale


def file(path: Path) -> File:
    return File(path.name, str(path), hashlib.sha256(str(path).encode()).hexdigest())


@pytest.fixture(scope="session")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small U-Net of Stable Diffusion 1's kind, by diffusers, and its folder."""
    quiet_libraries()
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    made = UNet2DConditionModel(
        sample_size=8, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=WIDTH,
        attention_head_dim=4, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).eval()  # fmt: skip
    folder = tmp_path_factory.mktemp("model") / "unet"
    made.save_pretrained(folder)
    return made, folder


@pytest.fixture(scope="session")
def vision(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small image encoder, by transformers, and its file."""
    quiet_libraries()
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(1)
    config = CLIPVisionConfig(
        hidden_size=SEEN, intermediate_size=160, num_hidden_layers=3, num_attention_heads=2, image_size=SIDE,
        patch_size=7, projection_dim=EMBEDDED, hidden_act="quick_gelu",
    )  # fmt: skip
    made = CLIPVisionModelWithProjection(config).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    folder = tmp_path_factory.mktemp("vision") / "encoder"
    made.save_pretrained(folder)
    return made, folder / "model.safetensors"


def adapter_tensors(unet: Any, form: str) -> dict[str, Tensor]:
    """An adapter in the layout of the published files, for `unet`."""
    names = [n for n in unet.attn_processors if n.endswith("attn2.processor")]
    widths = {n: unet.get_submodule(n.removesuffix(".processor")).to_q.weight.shape[0] for n in names}
    tensors = {}
    for index, name in enumerate(unet.attn_processors):
        if name in widths:
            tensors[f"ip_adapter.{index}.to_k_ip.weight"] = draw(widths[name], WIDTH, seed=index, scale=0.05)
            tensors[f"ip_adapter.{index}.to_v_ip.weight"] = draw(widths[name], WIDTH, seed=50 + index, scale=0.05)
    shapes: dict[str, tuple[int, ...]]
    if form == "plain":
        shapes = {"proj.weight": (4 * WIDTH, EMBEDDED), "proj.bias": (4 * WIDTH,), "norm.weight": (WIDTH,)}
        shapes |= {"norm.bias": (WIDTH,)}
    elif form == "full":
        shapes = {"proj.0.weight": (SEEN, SEEN), "proj.0.bias": (SEEN,), "proj.2.weight": (WIDTH, SEEN)}
        shapes |= {"proj.2.bias": (WIDTH,), "proj.3.weight": (WIDTH,), "proj.3.bias": (WIDTH,)}
    else:
        shapes = {"latents": (1, 16, WIDTH), "proj_in.weight": (WIDTH, SEEN), "proj_in.bias": (WIDTH,)}
        shapes |= {"proj_out.weight": (WIDTH, WIDTH), "proj_out.bias": (WIDTH,)}
        shapes |= {"norm_out.weight": (WIDTH,), "norm_out.bias": (WIDTH,)}
        for number in range(4):
            layer = f"layers.{number}"
            shapes |= {f"{layer}.{n}.{w}": (WIDTH,) for n in ("0.norm1", "0.norm2", "1.0") for w in ("weight", "bias")}
            shapes |= {f"{layer}.0.to_q.weight": (WIDTH, WIDTH), f"{layer}.0.to_kv.weight": (2 * WIDTH, WIDTH)}
            shapes |= {f"{layer}.0.to_out.weight": (WIDTH, WIDTH), f"{layer}.1.1.weight": (WIDTH * 4, WIDTH)}
            shapes |= {f"{layer}.1.3.weight": (WIDTH, WIDTH * 4)}
    for seed, (name, shape) in enumerate(shapes.items()):
        tensors[f"image_proj.{name}"] = draw(*shape, seed=100 + seed, scale=0.1) + ("norm" in name and 1.0)
    return tensors


# --- the image encoder --------------------------------------------------------------------------------------------


def test_the_image_encoder_gives_the_numbers_of_transformers(vision: Any) -> None:
    theirs, path = vision
    spec = read_vision(path)
    assert (spec.config["image_size"], spec.config["num_hidden_layers"], spec.embedded, spec.width) == (28, 3, 24, 128)
    ours = load_vision(spec, "auto", "cpu")
    pixels = draw(2, 3, SIDE, SIDE)
    with torch.no_grad():
        expected = theirs(pixels, output_hidden_states=True)
        got = ours.network(pixels)
    torch.testing.assert_close(got.embedded, expected.image_embeds, atol=1e-5, rtol=0)
    torch.testing.assert_close(got.penultimate, expected.hidden_states[-2], atol=1e-5, rtol=0)
    folder = read_vision(path.parent)
    assert folder.config == spec.config


@pytest.mark.parametrize(("height", "width"), [(28, 28), (60, 45), (33, 100), (20, 24)])
def test_pictures_are_prepared_as_transformers_does_it(height: int, width: int) -> None:
    quiet_libraries()
    import numpy as np
    from transformers import CLIPImageProcessor

    waves = torch.linspace(0, 3, height)[:, None] + torch.linspace(0, 5, width)
    pixels = torch.stack([waves.sin(), waves.cos(), (waves * 2).sin()])[None].mul(120).add(128).round()
    processor = CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    theirs = processor(np.uint8(pixels[0].permute(1, 2, 0)), return_tensors="pt")["pixel_values"]
    ours = prepare(pixels / 255, 28, torch.float32)
    assert ours.shape == theirs.shape == (1, 3, 28, 28)
    assert (ours - theirs).abs().max() < 1.1 / 255 / 0.26  # theirs are rounded to 8 bits after resizing


@pytest.mark.parametrize(
    ("width", "layers", "heads", "act"), [(1280, 32, 16, "gelu"), (1664, 48, 16, "gelu"), (1024, 24, 16, "quick_gelu")]
)
def test_published_encoders_are_told_by_their_shapes(
    tmp_path: Path, width: int, layers: int, heads: int, act: str
) -> None:
    from tests.diffusion_loading.layouts import sparse

    keys = {"visual_projection.weight": [1024, width], "vision_model.post_layernorm.weight": [width]}
    keys |= {"vision_model.embeddings.patch_embedding.weight": [width, 3, 14, 14]}
    keys |= {"vision_model.embeddings.position_embedding.weight": [257, width]}
    keys |= {f"vision_model.encoder.layers.{i}.mlp.fc1.weight": [4 * width, width] for i in range(layers)}
    config = read_vision(sparse(tmp_path / "v.safetensors", keys)).config
    assert (config["num_hidden_layers"], config["num_attention_heads"], config["hidden_act"]) == (layers, heads, act)
    assert (config["image_size"], config["patch_size"], config["intermediate_size"]) == (224, 14, 4 * width)


# --- IP-Adapter ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["plain", "plus", "full"])
def test_an_adapter_gives_the_numbers_of_diffusers(unet: Any, vision: Any, tmp_path: Path, form: str) -> None:
    theirs, folder = unet
    eyes, vision_path = vision
    tensors = adapter_tensors(theirs, form)
    save_file(tensors, tmp_path / "adapter.safetensors")
    image = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    x, text, unwanted = draw(1, 4, 8, 8), draw(1, 7, WIDTH), draw(1, 7, WIDTH, seed=9)
    ctx = StandaloneContext()
    model = load_model(File("m", str(folder), "m" * 64))
    given = apply_ip_adapter(
        model,
        Conditioning((Condition(text),)),
        Conditioning((Condition(unwanted),)),
        image,
        file(tmp_path / "adapter.safetensors"),
        file(vision_path),
        0.7,
        ctx=ctx,
    )
    with ctx.weights.use(given.model) as network:
        ours = []
        for side in (given.positive, given.negative):
            (condition,) = side.conditions
            extra = {n: v if isinstance(v, Tensor) else torch.tensor([v]) for n, v in condition.extra.items()}
            ours.append(network(x, torch.tensor([500.0]), Conditions(condition.tokens, extra=extra)))
    with ctx.weights.use(model) as network:
        plain = network(x, torch.tensor([500.0]), Conditions(text))

    split: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for key, value in tensors.items():
        part, _, name = key.partition(".")
        split[part][name] = value
    with torch.no_grad():
        assert torch.equal(plain, theirs(x, 500.0, text).sample), "the plain model is as it was"
        theirs = copy.deepcopy(theirs)
        theirs._load_ip_adapter_weights([split], low_cpu_mem_usage=False)
        for processor in theirs.attn_processors.values():
            if hasattr(processor, "scale"):
                processor.scale = [0.7]
        seen = eyes(prepare(image, SIDE, torch.float32), output_hidden_states=True)
        zeros = eyes(torch.zeros(1, 3, SIDE, SIDE), output_hidden_states=True)
        if form == "plain":
            embeds, empty = seen.image_embeds, torch.zeros(2, EMBEDDED)
        else:
            embeds, empty = seen.hidden_states[-2], zeros.hidden_states[-2].expand(2, -1, -1)
        for tokens, embedded, got in ((text, embeds, ours[0]), (unwanted, empty, ours[1])):
            expected = theirs(x, 500.0, tokens, added_cond_kwargs={"image_embeds": [embedded[None]]}).sample
            assert (expected - plain).abs().max() > 1e-3, "the picture counts"
            torch.testing.assert_close(got, expected, atol=2e-6, rtol=0)


@pytest.fixture
def applied(unet: Any, vision: Any, tmp_path: Path) -> Any:
    """A function that applies an adapter to a model."""
    theirs, folder = unet
    save_file(adapter_tensors(theirs, "plain"), tmp_path / "adapter.safetensors")
    model = load_model(File("m", str(folder), "m" * 64))
    sides = [Conditioning((Condition(draw(1, 7, WIDTH, seed=s)),)) for s in (0, 9)]
    image = torch.rand(1, 3, 40, 30, generator=torch.Generator().manual_seed(3))
    ctx = StandaloneContext()

    def apply(model: Model = model, name: str = "adapter", strength: float = 1.0, sides: Any = sides) -> Any:
        return apply_ip_adapter(
            model, *sides, image, file(tmp_path / f"{name}.safetensors"), file(vision[1]), strength, ctx=ctx
        )

    return apply, model, sides, ctx


def drawn(model: Model, positive: Conditioning, negative: Conditioning, ctx: Any, batch: int = 1) -> Tensor:
    latent = Latent(torch.zeros(batch, 4, 8, 8))
    return sample(model, positive, latent, negative, seed=5, steps=2, guidance=2.0, ctx=ctx).samples


def test_sampling_with_an_adapter(applied: Any) -> None:
    apply, model, sides, ctx = applied
    plain = drawn(model, *sides, ctx)
    full = drawn(*apply(), ctx)
    assert (full - plain).abs().max() > 0.01
    assert torch.equal(drawn(model, *sides, ctx), plain)
    torch.testing.assert_close(drawn(*apply(strength=0.0), ctx), plain, atol=1e-6, rtol=0)
    two = drawn(*apply(), ctx, batch=2)
    torch.testing.assert_close(two[:1], full, atol=1e-4, rtol=1e-5)


def test_two_adapters_and_a_lora(applied: Any, unet: Any, tmp_path: Path) -> None:
    apply, model, _, ctx = applied
    save_file(
        {name: value * 1.5 for name, value in adapter_tensors(unet[0], "full").items()}, tmp_path / "second.safetensors"
    )
    once = apply()
    twice = apply(once.model, "second", 0.5, (once.positive, once.negative))
    assert len(twice.positive.conditions[0].extra) == 4
    both, one = drawn(*twice, ctx), drawn(*once, ctx)
    assert (both - one).abs().max() > 1e-3
    names = {"down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q": 32}
    key, width = next(iter(names.items()))
    tensors = {f"unet.{key}.lora_A.weight": draw(2, width), f"unet.{key}.lora_B.weight": draw(width, 2)}
    save_file(tensors, tmp_path / "lora.safetensors")
    lora = file(tmp_path / "lora.safetensors")
    after = drawn(apply_lora_model(once.model, lora), once.positive, once.negative, ctx)
    before = drawn(*apply(apply_lora_model(model, lora)), ctx)
    assert torch.equal(after, before)
    assert not torch.equal(after, one)


def test_a_picture_for_a_model_without_the_adapter_is_refused(applied: Any) -> None:
    apply, model, sides, ctx = applied
    with pytest.raises(
        NodeError, match="use the model that diffusion/apply_ip_adapter gives together with its prompts"
    ):
        drawn(model, apply().positive, sides[1], ctx)
    patched = apply().model
    assert drawn(patched, *sides, ctx).isfinite().all(), "prompts without a picture are as before"


def test_what_does_not_fit_is_refused(applied: Any, unet: Any, vision: Any, tmp_path: Path, flow_folder: Path) -> None:
    apply = applied[0]
    tensors = adapter_tensors(unet[0], "plain")
    cases: dict[str, tuple[dict[str, Tensor], str]] = {
        "wide": ({n: draw(4, 2048) if "_ip" in n else v for n, v in tensors.items()}, "whose text is 2048 wide"),
        "other": (
            {**tensors, "image_proj.proj.weight": draw(4 * WIDTH, 99)},
            "of 99 numbers, the connected .* gives 24",
        ),
        "face": ({**tensors, "ip_adapter.0.to_q_lora.down.weight": draw(4, 4)}, "a FaceID adapter"),
        "odd": ({n: v for n, v in tensors.items() if "proj.weight" not in n}, "of a kind that is not known"),
        "no": ({"a.weight": draw(2, 2)}, "expected an IP-Adapter, this is something unknown"),
    }
    for name, (content, message) in cases.items():
        save_file(content, tmp_path / f"{name}.safetensors")
        with pytest.raises(NodeError, match=message):
            apply(name=name)
    save_file({n: v for n, v in tensors.items() if "ip_adapter.1." not in n}, tmp_path / "short.safetensors")
    given = apply(name="short")
    with pytest.raises(NodeError, match="an IP-Adapter of 3 layers, the model attends to its text in 4"):
        drawn(*given, applied[3])
    patch = given.model.patches[0]
    mmdit = load_model(File("f", str(flow_folder / "transformer"), "f" * 64))
    with (
        StandaloneContext().weights.use(mmdit) as other,
        pytest.raises(NodeError, match="IP-Adapters cannot be added to a MMDiT"),
    ):
        add_adapter(other.network, patch)
    with pytest.raises(NodeError, match="this model is of the family nodeflow"):
        apply(load_model(File("f", str(flow_folder / "transformer"), "f" * 64)))
    with pytest.raises(NodeError, match=r"expected a CLIP image encoder .* this is an IP-Adapter"):
        read_vision(tmp_path / "adapter.safetensors")
    assert read_adapter(tmp_path / "adapter.safetensors").form == "plain"
    assert isinstance(WeightsHandle("a/b", "p", "d"), WeightsHandle)


# --- reference latents --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Any:
    quiet_libraries()
    from diffusers import FluxTransformer2DModel

    torch.manual_seed(4)
    made = FluxTransformer2DModel(
        in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=24, pooled_projection_dim=12, guidance_embeds=True, axes_dims_rope=(4, 6, 6),
    ).eval()  # fmt: skip
    folder = tmp_path_factory.mktemp("flux") / "transformer"
    made.save_pretrained(folder)
    return made, folder


def test_a_reference_latent_is_read_as_diffusers_reads_it(flux: Any) -> None:
    from diffusers.pipelines.flux.pipeline_flux_kontext import FluxKontextPipeline as Theirs

    network, folder = flux
    x, picture = draw(1, 16, 8, 6), draw(1, 16, 6, 10, seed=1)
    text, pooled = draw(1, 5, 24), draw(1, 12)
    extra = {"reference_latent/0": picture, "guidance": torch.tensor([2.5])}
    with StandaloneContext().weights.use(load_model(File("m", str(folder), "x" * 64))) as ours:
        got = ours(x, torch.tensor([0.4]), Conditions(text, pooled, extra))
    tokens = [Theirs._pack_latents(z, 1, 16, *z.shape[2:]) for z in (x, picture)]
    ids = [
        Theirs._prepare_latent_image_ids(1, z.shape[2] // 2, z.shape[3] // 2, "cpu", torch.float32)
        for z in (x, picture)
    ]
    ids[1][..., 0] = 1
    with torch.no_grad():
        out = network(
            hidden_states=torch.cat(tokens, 1), timestep=torch.tensor([0.4]), guidance=torch.tensor([2.5]),
            encoder_hidden_states=text, pooled_projections=pooled, img_ids=torch.cat(ids), txt_ids=torch.zeros(5, 3),
        ).sample[:, : tokens[0].shape[1]]  # fmt: skip
    expected = Theirs._unpack_latents(out, 8 * 8, 6 * 8, 8)
    torch.testing.assert_close(got, expected, atol=2e-6, rtol=0)


def test_reference_latents_lie_side_by_side() -> None:
    from nodeflow_nodes.diffusion.loading.denoisers import places

    sizes = [(8, 8), (8, 8), (4, 20), (3, 2)]
    assert places([torch.zeros(1, 16, *size) for size in sizes]) == [(0, 0), (4, 0), (8, 0), (0, 10)]


def test_reference_latents_are_scaled_and_kept_in_order(flux: Any) -> None:
    _, folder = flux
    model = load_model(File("m", str(folder), "x" * 64))
    condition = Conditioning((Condition(draw(1, 5, 24), draw(1, 12)),))
    first, second = Latent(draw(1, 16, 4, 4)), Latent(draw(1, 16, 4, 4, seed=1))
    both = reference_latent(reference_latent(condition, first), second)
    assert list(both.conditions[0].extra) == ["reference_latent/0", "reference_latent/1"]
    ctx = StandaloneContext()

    def run(positive: Conditioning) -> Tensor:
        return sample(model, positive, Latent(torch.zeros(1, 16, 4, 4)), steps=1, guidance=1.0, ctx=ctx).samples

    results = [run(c) for c in (condition, reference_latent(condition, first), both)]
    assert all((a - b).abs().max() > 1e-4 for a, b in itertools.pairwise(results))
    swapped = run(reference_latent(reference_latent(condition, second), first))
    assert (swapped - results[2]).abs().max() > 1e-6


def test_reference_latents_for_other_models_are_refused(applied: Any) -> None:
    _, model, sides, ctx = applied
    told = reference_latent(sides[0], Latent(torch.zeros(1, 4, 8, 8)))
    with pytest.raises(NodeError, match=r"read by Flux \(Kontext\); this model is of the family sd1"):
        drawn(model, told, sides[1], ctx)
