"""Upscale models: told apart by their keys, equal to a reference written by hand, the same in tiles and at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from docs.examples.small_models import bilinear_upscaler
from nodeflow import File, NodeError, UpscaleModel
from nodeflow.context import StandaloneContext
from nodeflow_nodes.diffusion.loading.detect import describe
from nodeflow_nodes.image.upscale.detect import read_upscaler
from nodeflow_nodes.image.upscale.tiles import run_tiled, starts
from nodeflow_nodes.image.upscale_nodes import load_upscale_model, upscale_with_model
from tests.diffusion_loading.layouts import sparse

Keys = dict[str, tuple[int, ...]]


def conv(keys: Keys, name: str, inputs: int, outputs: int) -> None:
    keys[f"{name}.weight"] = (outputs, inputs, 3, 3)
    keys[f"{name}.bias"] = (outputs,)


def rrdb_keys(naming: str, *, features: int, growth: int, blocks: int, ups: int, inputs: int = 3, out: int = 3) -> Keys:
    """Keys and shapes of an ESRGAN: `first` release, `second`, or `basicsr`."""
    keys: Keys = {}
    conv(keys, "model.0" if naming == "first" else "conv_first", inputs, features)
    for b in range(blocks):
        for r in (1, 2, 3):
            for c in (1, 2, 3, 4, 5):
                place = {
                    "first": f"model.1.sub.{b}.RDB{r}.conv{c}.0",
                    "second": f"RRDB_trunk.{b}.RDB{r}.conv{c}",
                    "basicsr": f"body.{b}.rdb{r}.conv{c}",
                }[naming]
                conv(keys, place, features + (c - 1) * growth, features if c == 5 else growth)
    if naming == "first":
        conv(keys, f"model.1.sub.{blocks}", features, features)
        for number in range(ups):
            conv(keys, f"model.{3 + 3 * number}", features, features)
        conv(keys, f"model.{2 + 3 * ups}", features, features)
        conv(keys, f"model.{4 + 3 * ups}", features, out)
        return keys
    second = naming == "second"
    conv(keys, "trunk_conv" if second else "conv_body", features, features)
    for number in range(ups):
        conv(keys, f"upconv{number + 1}" if second else f"conv_up{number + 1}", features, features)
    conv(keys, "HRconv" if second else "conv_hr", features, features)
    conv(keys, "conv_last", features, out)
    return keys


def compact_keys(features: int, layers: int, scale: int, channels: int = 3) -> Keys:
    keys: Keys = {}
    for number in range(layers + 1):
        conv(keys, f"body.{2 * number}", features if number else channels, features)
        keys[f"body.{2 * number + 1}.weight"] = (features,)
    conv(keys, f"body.{2 * layers + 2}", features, channels * scale**2)
    return keys


def span_keys(features: int, scale: int) -> Keys:
    keys: Keys = {}
    layers = ["conv_1", "conv_2", *(f"block_{b}.c{c}_r" for b in range(1, 7) for c in (1, 2, 3))]
    for name in layers:
        inputs = 3 if name == "conv_1" else features
        shapes = {
            "sk": (features, inputs, 1, 1),
            "conv.0": (2 * inputs, inputs, 1, 1),
            "conv.1": (2 * features, 2 * inputs, 3, 3),
            "conv.2": (features, 2 * features, 1, 1),
            "eval_conv": (features, inputs, 3, 3),
        }
        for part, shape in shapes.items():
            keys |= {f"{name}.{part}.weight": shape, f"{name}.{part}.bias": shape[:1]}
    conv(keys, "upsampler.0", features, 3 * scale**2)
    keys |= {"conv_cat.weight": (features, 4 * features, 1, 1), "conv_cat.bias": (features,)}
    return keys


def swinir_keys(
    width: int, depths: list[int], heads: int, window: int, hidden: int, end: str, scale: int, three: bool = False
) -> Keys:
    keys: Keys = {}
    conv(keys, "conv_first", 3, width)
    for name in ("patch_embed.norm", "norm"):
        keys |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    for group, depth in enumerate(depths):
        for block in range(depth):
            place = f"layers.{group}.residual_group.blocks.{block}"
            for name in ("norm1", "norm2"):
                keys |= {f"{place}.{name}.weight": (width,), f"{place}.{name}.bias": (width,)}
            keys[f"{place}.attn.relative_position_bias_table"] = ((2 * window - 1) ** 2, heads)
            keys[f"{place}.attn.relative_position_index"] = (window**2, window**2)
            shapes = {"attn.qkv": (3 * width, width), "attn.proj": (width, width)}
            shapes |= {"mlp.fc1": (hidden, width), "mlp.fc2": (width, hidden)}
            for name, shape in shapes.items():
                keys |= {f"{place}.{name}.weight": shape, f"{place}.{name}.bias": shape[:1]}
        closing(keys, f"layers.{group}.conv", width, three)
    closing(keys, "conv_after_body", width, three)
    if end in ("shuffle", "nearest"):
        conv(keys, "conv_before_upsample.0", width, 64)
        for step in range(scale.bit_length() - 1):
            conv(
                keys,
                f"upsample.{2 * step}" if end == "shuffle" else f"conv_up{step + 1}",
                64,
                256 if end == "shuffle" else 64,
            )
        if end == "nearest":
            conv(keys, "conv_hr", 64, 64)
        conv(keys, "conv_last", 64, 3)
    elif end == "direct":
        conv(keys, "upsample.0", width, 3 * scale**2)
    else:
        conv(keys, "conv_last", width, 3)
    return keys


def closing(keys: Keys, name: str, width: int, three: bool) -> None:
    if not three:
        conv(keys, name, width, width)
        return
    conv(keys, f"{name}.0", width, width // 4)
    keys |= {f"{name}.2.weight": (width // 4, width // 4, 1, 1), f"{name}.2.bias": (width // 4,)}
    conv(keys, f"{name}.4", width // 4, width)


def weights(keys: Keys, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {key: torch.randn(shape, generator=generator) * 0.15 for key, shape in keys.items()}


def picture(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def loaded(path: Path) -> UpscaleModel:
    return load_upscale_model(File(path.name, str(path), str(path)))


def enlarge(image: Tensor, model: UpscaleModel, **options: Any) -> Tensor:
    return upscale_with_model(image, model, **options, ctx=StandaloneContext())


# --- what a file is -----------------------------------------------------------------------------------------------

PUBLISHED = {
    "4x-UltraSharp": (rrdb_keys("first", features=64, growth=32, blocks=23, ups=2), "rrdb", 4),
    "RealESRGAN_x4plus": (rrdb_keys("basicsr", features=64, growth=32, blocks=23, ups=2), "rrdb", 4),
    "RealESRGAN_x4plus_anime_6B": (rrdb_keys("basicsr", features=64, growth=32, blocks=6, ups=2), "rrdb", 4),
    "RealESRGAN_x2plus": (rrdb_keys("basicsr", features=64, growth=32, blocks=23, ups=2, inputs=12), "rrdb", 2),
    "unshuffled by 4": (rrdb_keys("basicsr", features=64, growth=32, blocks=23, ups=2, inputs=48), "rrdb", 1),
    "RRDB_ESRGAN_x4": (rrdb_keys("second", features=64, growth=32, blocks=23, ups=2), "rrdb", 4),
    "8x_NMKD": (rrdb_keys("first", features=64, growth=32, blocks=23, ups=3), "rrdb", 8),
    "2x": (rrdb_keys("first", features=64, growth=32, blocks=23, ups=1), "rrdb", 2),
    "1x_DeJPEG": (rrdb_keys("first", features=64, growth=32, blocks=23, ups=0), "rrdb", 1),
    "realesr-general-x4v3": (compact_keys(64, 32, 4), "compact", 4),
    "4x SPAN": (span_keys(48, 4), "span", 4),
    "SwinIR classical 4x": (swinir_keys(180, [6] * 6, 6, 8, 360, "shuffle", 4), "swinir", 4),
    "SwinIR lightweight 2x": (swinir_keys(60, [6] * 4, 6, 8, 120, "direct", 2), "swinir", 2),
    "SwinIR photographs 4x": (swinir_keys(240, [6] * 9, 8, 8, 480, "nearest", 4, three=True), "swinir", 4),
    "SwinIR JPEG": (swinir_keys(180, [6] * 6, 6, 7, 360, "none", 1), "swinir", 1),
    "realesr-animevideov3": (compact_keys(64, 16, 4), "compact", 4),
}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("wrapper", ["", "params_ema."])
def test_published_models_are_told_by_their_keys(tmp_path: Path, name: str, wrapper: str) -> None:
    keys, architecture, scale = PUBLISHED[name]
    path = sparse(tmp_path / "model.safetensors", {wrapper + key: list(shape) for key, shape in keys.items()})
    spec = read_upscaler(path)
    assert (spec.architecture, spec.scale, spec.channels, spec.prefix) == (architecture, scale, 3, wrapper)
    assert sorted(spec.names.values()) == sorted(key for key in keys if "position_index" not in key)
    with pytest.raises(NodeError, match=r"this is an upscale model .load it with image/load_upscale_model"):
        describe(path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"a.weight": (3, 3)},
            r"no upscale model that is known .ESRGAN, Real-ESRGAN, SRVGGNetCompact, SPAN, SwinIR.*a\.weight",
        ),
        ({"lora_unet_x.lora_down.weight": (4, 4)}, "expected an upscale model, this is a LoRA"),
        ({**compact_keys(8, 1, 2), "body.4.weight": (13, 8, 3, 3)}, "from 3 to 13 channels"),
        ({**rrdb_keys("basicsr", features=8, growth=4, blocks=1, ups=2), "noise.weight": (3,)}, "such as noise.weight"),
        (rrdb_keys("basicsr", features=8, growth=4, blocks=1, ups=2, inputs=5), "reads 5 channels and makes 3"),
        (rrdb_keys("basicsr", features=8, growth=4, blocks=1, ups=2, inputs=4, out=4), "pictures of 4 channels"),
    ],
)
def test_others_are_refused(tmp_path: Path, keys: Keys, message: str) -> None:
    path = sparse(tmp_path / "model.safetensors", {key: list(shape) for key, shape in keys.items()})
    with pytest.raises(NodeError, match=message):
        read_upscaler(path)


def test_a_pickled_file_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "RealESRGAN_x4plus.pth"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(NodeError, match=r"pickled PyTorch file.*convert it where you trust it"):
        read_upscaler(path)


def test_a_layer_of_another_shape_is_named(tmp_path: Path) -> None:
    made = weights(rrdb_keys("basicsr", features=8, growth=4, blocks=1, ups=1))
    made["body.0.rdb2.conv3.weight"] = torch.zeros(4, 7, 3, 3)
    save_file(made, tmp_path / "m.safetensors")
    with pytest.raises(NodeError, match=r"body.0.rdb2.conv3.weight: expected \[4, 16, 3, 3\], found \[4, 7, 3, 3\]"):
        enlarge(picture(1, 3, 8, 8), loaded(tmp_path / "m.safetensors"))


# --- what it computes ---------------------------------------------------------------------------------------------


def reference_rrdb(made: dict[str, Tensor], x: Tensor, *, blocks: int, ups: int, unshuffle: int) -> Tensor:
    """ESRGAN from its paper's figure, straight from the tensors (BasicSR's names), in float64."""
    w = {key: value.double() for key, value in made.items()}

    def layer(name: str, h: Tensor, *, active: bool = False) -> Tensor:
        padded = F.pad(h, (1, 1, 1, 1))
        patches = F.unfold(padded, 3)
        kernel = w[f"{name}.weight"].flatten(1)
        out = (kernel @ patches + w[f"{name}.bias"][None, :, None]).unflatten(2, h.shape[2:])
        return torch.where(out > 0, out, 0.2 * out) if active else out

    x = x.double()
    if unshuffle > 1:
        b, c, height, width = x.shape
        u = unshuffle
        x = x.reshape(b, c, height // u, u, width // u, u).permute(0, 1, 3, 5, 2, 4)
        x = x.reshape(b, c * u * u, height // u, width // u)
    first = layer("conv_first", x)
    h = first
    for b in range(blocks):
        start = h
        for r in (1, 2, 3):
            place, seen = f"body.{b}.rdb{r}", [h]
            for c in (1, 2, 3, 4):
                seen.append(layer(f"{place}.conv{c}", torch.cat(seen, 1), active=True))
            h = h + 0.2 * layer(f"{place}.conv5", torch.cat(seen, 1))
        h = start + 0.2 * h
    h = first + layer("conv_body", h)
    for number in range(ups):
        h = layer(f"conv_up{number + 1}", h.repeat_interleave(2, 2).repeat_interleave(2, 3), active=True)
    return layer("conv_last", layer("conv_hr", h, active=True))


@pytest.mark.parametrize("naming", ["first", "second", "basicsr"])
@pytest.mark.parametrize(("ups", "unshuffle"), [(0, 1), (1, 1), (2, 1), (3, 1), (2, 2), (2, 4)])
def test_esrgan_equals_a_reference(tmp_path: Path, naming: str, ups: int, unshuffle: int) -> None:
    shape = {"features": 8, "growth": 4, "blocks": 2, "ups": ups, "inputs": 3 * unshuffle**2}
    theirs, ours = rrdb_keys(naming, **shape), rrdb_keys("basicsr", **shape)
    made = weights(ours)
    made["conv_last.bias"] += 0.5
    save_file(dict(zip(theirs, made.values(), strict=True)), tmp_path / "m.safetensors")
    image = picture(2, 3, 16, 8)
    expected = reference_rrdb(made, image, blocks=2, ups=ups, unshuffle=unshuffle).clamp(0, 1)
    assert 0.1 < expected.mean() < 0.9
    got = enlarge(image, loaded(tmp_path / "m.safetensors"))
    assert got.shape == (2, 3, 16 * 2**ups // unshuffle, 8 * 2**ups // unshuffle)
    assert (got - expected).abs().max() < 1e-5


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_compact_equals_a_reference(tmp_path: Path, scale: int) -> None:
    made = weights(compact_keys(6, 2, scale))
    save_file(made, tmp_path / "m.safetensors")
    image = picture(1, 3, 7, 9)
    h = image.double()
    for number in range(4):
        h = F.conv2d(h, made[f"body.{2 * number}.weight"].double(), made[f"body.{2 * number}.bias"].double(), padding=1)
        if number < 3:
            h = torch.where(h > 0, h, h * made[f"body.{2 * number + 1}.weight"].double()[None, :, None, None])
    h = h.reshape(1, 3, scale, scale, 7, 9).permute(0, 1, 4, 2, 5, 3).reshape(1, 3, 7 * scale, 9 * scale)
    expected = (h + image.repeat_interleave(scale, 2).repeat_interleave(scale, 3)).clamp(0, 1)
    assert (enlarge(image, loaded(tmp_path / "m.safetensors")) - expected).abs().max() < 2e-6


def test_span_equals_a_reference(tmp_path: Path) -> None:
    """Each convolution as it is trained: the picture is padded, then three convolutions, beside the short cut."""
    made = weights(span_keys(6, 2))
    made["upsampler.0.bias"] += 0.5
    save_file(made, tmp_path / "m.safetensors")
    w = {key: value.double() for key, value in made.items()}

    def chain(name: str, x: Tensor) -> Tensor:
        h = F.pad(x, (1, 1, 1, 1))
        for number in range(3):
            h = F.conv2d(h, w[f"{name}.conv.{number}.weight"], w[f"{name}.conv.{number}.bias"])
        return h + F.conv2d(x, w[f"{name}.sk.weight"], w[f"{name}.sk.bias"])

    image = picture(1, 3, 9, 7)
    mean = torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64).view(1, 3, 1, 1)
    start = chain("conv_1", (image.double() - mean) * 255)
    h, kept = start, {}
    for number in range(1, 7):
        inner = chain(f"block_{number}.c1_r", h)
        inner = inner * inner.sigmoid()
        middle = chain(f"block_{number}.c2_r", inner)
        last = chain(f"block_{number}.c3_r", middle * middle.sigmoid())
        h = (last + h) * (last.sigmoid() - 0.5)
        kept[number] = (h, inner)
    seen = torch.cat((start, chain("conv_2", h), kept[1][0], kept[6][1]), 1)
    h = F.conv2d(seen, w["conv_cat.weight"], w["conv_cat.bias"])
    expected = F.pixel_shuffle(F.conv2d(h, w["upsampler.0.weight"], w["upsampler.0.bias"], padding=1), 2).clamp(0, 1)
    got = enlarge(image, loaded(tmp_path / "m.safetensors"))
    assert expected.std() > 0.1
    assert (got - expected).abs().max() < 1e-4  # colours are multiplied by 255, weights of 0.15 are large


def reference_swinir(w: dict[str, Tensor], x: Tensor, depths: list[int], heads: int, window: int) -> Tensor:
    """SwinIR's body and last layer, every place attending to every other: a mask says which share a window."""
    height, width = x.shape[2:]
    row, column = torch.arange(height).repeat_interleave(width), torch.arange(width).repeat(height)

    def norm(name: str, h: Tensor) -> Tensor:
        return F.layer_norm(h, h.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])

    def linear(name: str, h: Tensor) -> Tensor:
        return h @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def convolved(name: str, h: Tensor) -> Tensor:
        picture = h.T.reshape(1, -1, height, width)
        return F.conv2d(picture, w[f"{name}.weight"], w[f"{name}.bias"], padding=1)[0].flatten(1).T

    first = convolved("conv_first", x[0].flatten(1).T)
    h = norm("patch_embed.norm", first)
    for group, depth in enumerate(depths):
        start = h
        for block in range(depth):
            place, shift = f"layers.{group}.residual_group.blocks.{block}", window // 2 if block % 2 else 0
            together = torch.ones(height * width, height * width, dtype=torch.bool)
            index = torch.zeros(height * width, height * width, dtype=torch.long)
            for where, side, scale in ((row, height, 2 * window - 1), (column, width, 1)):
                moved = (where - shift) % side
                cell, wrapped = moved // window, (where < shift).long()
                together &= (cell[:, None] == cell) & (wrapped[:, None] == wrapped)
                index += (where[:, None] - where + window - 1).clamp(0, 2 * window - 2) * scale
            bias = w[f"{place}.attn.relative_position_bias_table"][index].permute(2, 0, 1)
            qkv = linear(f"{place}.attn.qkv", norm(f"{place}.norm1", h)).reshape(len(h), 3, heads, -1)
            q, k, v = qkv.permute(1, 2, 0, 3)
            scores = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5 + bias).masked_fill(~together, -torch.inf)
            h = h + linear(f"{place}.attn.proj", (scores.softmax(-1) @ v).transpose(0, 1).flatten(1))
            h = h + linear(f"{place}.mlp.fc2", F.gelu(linear(f"{place}.mlp.fc1", norm(f"{place}.norm2", h))))
        h = start + convolved(f"layers.{group}.conv", h)
    h = convolved("conv_after_body", norm("norm", h)) + first
    return x + convolved("conv_last", h).T.reshape(x.shape)


def test_swinir_equals_a_reference(tmp_path: Path) -> None:
    made = weights(swinir_keys(12, [2, 3], 2, 4, 20, "none", 1))
    del made["layers.0.residual_group.blocks.0.attn.relative_position_index"]
    save_file(made, tmp_path / "m.safetensors")
    image = picture(1, 3, 12, 8)
    mean = torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64).view(1, 3, 1, 1)
    double = {key: value.double() for key, value in made.items()}
    expected = (reference_swinir(double, image.double() - mean, [2, 3], 2, 4) + mean).clamp(0, 1)
    got = enlarge(image, loaded(tmp_path / "m.safetensors"))
    assert (expected - image).abs().max() > 0.1
    assert (got - expected).abs().max() < 1e-5


@pytest.mark.parametrize(("end", "scale"), [("shuffle", 4), ("direct", 2), ("nearest", 4), ("nearest", 2), ("none", 1)])
@pytest.mark.parametrize("three", [False, True])
def test_all_forms_of_swinir_run(tmp_path: Path, end: str, scale: int, three: bool) -> None:
    save_file(weights(swinir_keys(12, [2], 2, 4, 20, end, scale, three)), tmp_path / "m.safetensors")
    model = loaded(tmp_path / "m.safetensors")
    image = picture(1, 3, 9, 14)
    got = enlarge(image, model)
    assert got.shape == (1, 3, 9 * scale, 14 * scale)
    assert torch.equal(got, enlarge(F.pad(image, (0, 2, 0, 3), mode="reflect"), model)[..., : 9 * scale, : 14 * scale])


def test_the_model_worked_out_by_hand_is_bilinear(tmp_path: Path) -> None:
    image = picture(1, 3, 20, 12)
    got = enlarge(image, loaded(bilinear_upscaler(tmp_path / "b.safetensors")))
    expected = F.interpolate(image, scale_factor=2, mode="bilinear")
    assert (got - expected)[..., 1:-1, 1:-1].abs().max() < 1e-6


def test_a_side_that_cannot_be_unshuffled_is_filled_up(tmp_path: Path) -> None:
    save_file(
        weights(rrdb_keys("basicsr", features=8, growth=4, blocks=1, ups=2, inputs=12)), tmp_path / "m.safetensors"
    )
    model = loaded(tmp_path / "m.safetensors")
    image = picture(1, 3, 9, 11)
    got = enlarge(image, model)
    assert got.shape == (1, 3, 18, 22)
    assert torch.equal(got, enlarge(F.pad(image, (0, 1, 0, 1), mode="reflect"), model)[..., :18, :22])


def test_grey_and_alpha(tmp_path: Path) -> None:
    model = loaded(bilinear_upscaler(tmp_path / "b.safetensors"))
    rgba = picture(1, 4, 8, 8)
    got = enlarge(rgba, model)
    assert got.shape == (1, 4, 16, 16)
    assert torch.equal(got[:, :3], enlarge(rgba[:, :3], model))
    assert torch.equal(enlarge(rgba[:, :1], model), enlarge(rgba[:, :1].repeat(1, 3, 1, 1), model))
    save_file(weights(compact_keys(6, 1, 2, channels=1)), tmp_path / "grey.safetensors")
    assert enlarge(rgba[:, :3], loaded(tmp_path / "grey.safetensors")).shape == (1, 1, 16, 16)


# --- tiles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unshuffle", "overlap", "bar"), [(1, 80, 2e-6), (2, 160, 2e-6), (1, 32, 0.05)])
def test_tiles_change_nothing_for_a_network_that_looks_no_further_than_they_overlap(
    tmp_path: Path, unshuffle: int, overlap: int, bar: float
) -> None:
    """1 block: 1 + 15 + 1 convolutions before the enlargement look 17·unshuffle pixels far; those after it less than 3
    more. A quarter of the overlap is enough; with less there is a small difference."""
    keys = rrdb_keys("basicsr", features=4, growth=2, blocks=1, ups=2, inputs=3 * unshuffle**2)
    save_file(weights(keys), tmp_path / "m.safetensors")
    model = loaded(tmp_path / "m.safetensors")
    image = picture(1, 3, 250, 433)
    whole = enlarge(image, model, tile=0)
    assert whole.std() > 0.01
    tiled = enlarge(image, model, tile=2 * overlap + 64, overlap=overlap)
    assert not torch.equal(whole, tiled)
    assert (whole - tiled).abs().max() < bar
    assert torch.equal(enlarge(image, model, tile=512), whole)


def test_tiles_share_out_the_picture(tmp_path: Path) -> None:
    """Whatever the sizes, a network that does nothing gives the picture back, and each tile is announced."""
    for height, width, tile, overlap in [(64, 64, 64, 8), (65, 130, 64, 16), (200, 70, 64, 30), (33, 500, 32, 0)]:
        image = picture(2, 3, height, width)
        seen: list[tuple[int, int]] = []

        def check(done: int, total: int, seen: list[tuple[int, int]] = seen) -> None:
            seen.append((done, total))

        got = run_tiled(lambda x: x, image, scale=1, tile=tile, overlap=overlap, check=check)
        assert (got - image).abs().max() < 1e-6
        count = 2 * len(starts(height, tile, overlap)) * len(starts(width, tile, overlap))
        assert seen == [(i, count) for i in range(count)]


def test_a_batch_is_its_pictures(tmp_path: Path) -> None:
    model = loaded(bilinear_upscaler(tmp_path / "b.safetensors"))
    images = picture(3, 3, 16, 16)
    assert torch.equal(enlarge(images, model)[1:2], enlarge(images[1:2], model))


def test_an_overlap_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    model = loaded(bilinear_upscaler(tmp_path / "b.safetensors"))
    with pytest.raises(NodeError, match="overlap 32 is too large for tiles of 64: expected at most 31"):
        enlarge(picture(1, 3, 8, 8), model, tile=64, overlap=32)


def test_a_result_beyond_all_bounds_is_refused(tmp_path: Path) -> None:
    model = loaded(bilinear_upscaler(tmp_path / "b.safetensors"))
    with pytest.raises(NodeError, match="megapixels"):
        enlarge(torch.zeros(1, 1, 1, 1).expand(1, 3, 16384, 16384), model)


def test_cancelling_stops_between_tiles(tmp_path: Path) -> None:
    from nodeflow import Cancelled

    ctx = StandaloneContext()
    ctx.cancelled.set()
    with pytest.raises(Cancelled):
        upscale_with_model(picture(1, 3, 8, 8), loaded(bilinear_upscaler(tmp_path / "b.safetensors")), ctx=ctx)


def test_precision_is_part_of_the_handle(tmp_path: Path) -> None:
    path = bilinear_upscaler(tmp_path / "b.safetensors")
    file = File("b", str(path), "0" * 64)
    assert load_upscale_model(file).options == {}
    half = load_upscale_model(file, precision="bfloat16")
    assert half.options == {"precision": "bfloat16"}
    image = picture(1, 3, 8, 8)
    close = (enlarge(image, half) - enlarge(image, load_upscale_model(file))).abs().max()
    assert 0 < close < 0.02
    assert json.dumps(half.options)
