"""The gan pack, on a small generator that the test makes."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nodeflow import File, Latent, NodeError
from nodeflow_nodes.gan.network import build
from nodeflow_nodes.gan.nodes import describe, generate, load_generator

LAYERS = [
    {"op": "linear", "in": 8, "out": 16},
    {"op": "reshape", "channels": 4, "height": 2, "width": 2},
    {"op": "block", "channels": 4},
    {"op": "softclip"},
    {"op": "upsample"},
    {"op": "relu"},
    {"op": "conv", "in": 4, "out": 3, "bias": False},
]
ABOUT = {"format": "nodeflow-generator/1", "latent": 8, "width": 4, "height": 4, "layers": LAYERS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "small"
    path.mkdir()
    generator = torch.Generator().manual_seed(0)
    shapes = {"0.weight": (16, 8), "0.bias": (16,), "6.weight": (3, 4, 3, 3)}
    for i in (0, 2, 4):
        shapes |= {f"2.conv.{i}.weight": (4, 4, 3, 3), f"2.conv.{i}.bias": (4,)}
    weights = {name: torch.randn(shape, generator=generator).half() for name, shape in shapes.items()}
    save_file(weights, path / "generator.safetensors")
    (path / "generator.json").write_text(json.dumps(ABOUT))
    return path


def handle(folder: Path):
    return load_generator(File("small", str(folder), "0" * 64))


def test_the_layers_are_what_they_say(folder: Path) -> None:
    network = build(folder, ABOUT)
    x = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
    h = (x @ network[0].weight.T + network[0].bias).reshape(2, 4, 2, 2)
    a, b, c = (network[2].conv[i] for i in (0, 2, 4))
    h = torch.relu(c(torch.relu(b(torch.relu(a(h))))) + h)
    h = torch.tanh(h / 3) * 3
    h = torch.relu(h.repeat_interleave(2, 2).repeat_interleave(2, 3))
    expected = torch.nn.functional.conv2d(h, network[6].weight, padding=1)
    assert torch.allclose(network(x), expected, atol=1e-6)


def test_pictures_and_a_walk(folder: Path) -> None:
    ends = torch.randn(2, 8, 1, 1, generator=torch.Generator().manual_seed(2))
    drawn = generate(generator=handle(folder), latent=Latent(ends))
    assert drawn.shape == (2, 3, 4, 4)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    alone = generate(generator=handle(folder), latent=Latent(ends[1:]))
    assert torch.allclose(alone[0], drawn[1], atol=1e-6)


def test_vectors_of_another_length_are_refused(folder: Path) -> None:
    with pytest.raises(NodeError, match=r"expected vectors \[B, 8, 1, 1\], got \[1, 4, 8, 8\]"):
        generate(generator=handle(folder), latent=Latent(torch.zeros(1, 4, 8, 8)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected a generator of format"),
        ('{"format": "other"}', "got 'other'"),
        ('{"format": "nodeflow-generator/1", "latent": "x", "layers": []}', "needs `latent`"),
    ],
)
def test_descriptions_that_are_none(folder: Path, text: str, message: str) -> None:
    (folder / "generator.json").write_text(text)
    with pytest.raises(NodeError, match=message):
        describe(folder, "small")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"op": "exec"}], "layer 0 is of no known kind"),
        ([{"op": "linear", "in": -1, "out": 3}], "'in' must be a number"),
        ([{"op": "linear", "in": 8, "out": 17}], r"tensor 0.weight: expected shape \[17, 8\], got \[16, 8\]"),
        ([{"op": "relu"}] * 500, "at most 200"),
        ([{"op": "relu"}, {"op": "linear", "in": 8, "out": 16}], r"tensor 1.weight: .* got nothing"),
    ],
)
def test_layers_that_do_not_fit(folder: Path, layers: list[object], message: str) -> None:
    with pytest.raises(NodeError, match=message):
        build(folder, {**ABOUT, "layers": layers})


def test_damaged_weights(folder: Path) -> None:
    (folder / "generator.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(NodeError, match="cannot be read"):
        build(folder, ABOUT)
