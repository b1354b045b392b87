"""Prompts: weights, CLIP's tokens, chunks, and how families join their encoders."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow import NodeError
from nodeflow_nodes.diffusion.loading.modules.clip import ClipText
from nodeflow_nodes.diffusion.loading.spec import EncoderSpec, Source
from nodeflow_nodes.diffusion.text.encode import TextEncoders, make_encoder, split_embeddings
from nodeflow_nodes.diffusion.text.sentencepiece import UnigramTokenizer
from nodeflow_nodes.diffusion.text.tokenize import (
    CLIP_MERGES,
    DATA,
    chunks,
    load_tokenizer,
    published_clip,
)
from nodeflow_nodes.diffusion.text.weights import Segment, parse, plain
from tests.diffusion_loading.conftest import quiet_libraries


@pytest.mark.parametrize(
    ("prompt", "segments"),
    [
        ("a red fox", [("a red fox", 1.0)]),
        ("a (red) fox", [("a ", 1.0), ("red", 1.1), (" fox", 1.0)]),
        ("((snow))", [("snow", 1.1 * 1.1)]),
        ("(red:1.4)", [("red", 1.4)]),
        ("(dim (light:0.5))", [("dim ", 1.1), ("light", 0.5)]),
        ("((a:1.5):0.5)", [("a", 1.5)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(a:nan)", [("a:nan", 1.1)]),
        ("(:1.5)", [(":1.5", 1.1)]),
        (r"\(plain\)", [("(plain)", 1.0)]),
        ("[square] BREAK {a|b}", [("[square] BREAK {a|b}", 1.0)]),
        ("open (never closed", [("open ", 1.0), ("(never closed", 1.0)]),
        ("(a (b)", [("a ", 1.1), ("(b", 1.1)]),
        ("one) too (many)", [("one) too (many)", 1.0)]),
        ("", [("", 1.0)]),
    ],
)
def test_weights(prompt: str, segments: list[tuple[str, float]]) -> None:
    assert [(s.text, pytest.approx(s.weight)) for s in parse(prompt)] == segments


@given(st.text(alphabet="ab ():.\\12", max_size=40))
@settings(deadline=None, max_examples=300)
def test_any_text_parses(prompt: str) -> None:
    segments = parse(prompt)
    assert all(isinstance(s.weight, float) for s in segments)
    assert all("\x01" not in s.text and "\x02" not in s.text for s in segments)


@given(st.text(alphabet="abc ,.", max_size=40))
def test_text_without_brackets_is_one_segment(prompt: str) -> None:
    assert parse(prompt) == [Segment(prompt, 1.0)]
    assert plain(f"({prompt}:1.3)") == prompt or prompt == ""


def test_deep_nesting_is_no_limit() -> None:
    assert parse("(" * 40 + "a" + ")" * 40)[0].text == "a"
    deepest = parse("(" * 50_000 + "a" + ")" * 50_000)[0]
    assert len(deepest.text) == 2 * (50_000 - 64) + 1


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """transformers' CLIP tokenizer over the shipped vocabulary."""
    import gzip
    import json

    quiet_libraries()
    from transformers import CLIPTokenizer

    ours = published_clip()
    folder = tmp_path_factory.mktemp("clip")
    merges = gzip.decompress(DATA.read_bytes()).decode().split("\n")[1 : CLIP_MERGES + 1]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(ours.ids), encoding="utf-8")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")), folder


PROMPTS = [
    "a photo of a red fox in the snow", "", "Émile's café, 3½ stars!!! don't we'll", "日本語 の テキスト",
    "🦊🦊 fox-like 1234",
    "  many   spaces\n\tand lines ", "ﬁne <|endoftext|> print", "a&amp;b 100% [x] {y}", "it's the dog's", "ÀÉÎõü ß",
]  # fmt: skip


def test_the_vocabulary_is_the_published_one() -> None:
    import hashlib

    digest = hashlib.sha256(DATA.read_bytes()).hexdigest()
    assert digest == "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
    ours = published_clip()
    assert (len(ours.ids), ours.start, ours.end) == (49408, 49406, 49407)
    assert ours.encode("a photo of a cat") == [320, 1125, 539, 320, 2368]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_tokens_are_those_of_transformers(reference: Any, prompt: str) -> None:
    tokenizer, folder = reference
    expected = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    assert published_clip().encode(prompt) == expected
    assert load_tokenizer(folder, "clip").encode(prompt) == expected


def lay_out(*lengths: int, length: int = 12) -> list[list[int]]:
    segments = [([i + 1] * n, 1.0) for i, n in enumerate(lengths)]
    return [c.ids for c in chunks(segments, length=length, start=90, end=99, pad=0)]


def test_chunks() -> None:
    assert lay_out() == [[90, 99, *[0] * 10]]
    assert lay_out(3, 7) == [[90, 1, 1, 1, *[2] * 7, 99]]
    assert lay_out(6, 5) == [[90, *[1] * 6, 99, 0, 0, 0, 0], [90, *[2] * 5, 99, *[0] * 5]]  # moved whole
    assert lay_out(6, 8) == [[90, *[1] * 6, *[2] * 4, 99], [90, *[2] * 4, 99, *[0] * 6]]  # cut
    assert lay_out(25)[2] == [90, *[1] * 5, 99, *[0] * 5]


def test_chunks_keep_weights_in_step() -> None:
    first = chunks([([5, 6], 1.5)], length=6, start=1, end=2, pad=3)[0]
    assert first.ids == [1, 5, 6, 2, 3, 3]
    assert first.weights == [1.0, 1.5, 1.5, 1.0, 1.0, 1.0]


def test_embedding_words_are_found() -> None:
    assert split_embeddings("a embedding:cat.safetensors, on") == [("a ", None), ("", "cat"), (", on", None)]
    assert split_embeddings("nothing") == [("nothing", None)]


# --- families -----------------------------------------------------------------------------------------------------


def encoder(
    role: str, width: int, skip: int, normed: bool, projection: int | None = None, pad: int | None = None
) -> Any:
    config = {"vocab_size": 49408, "hidden_size": width, "intermediate_size": 16, "num_hidden_layers": 2,
              "num_attention_heads": 2, "eos_token_id": 49407, "projection": projection}  # fmt: skip
    spec = EncoderSpec("clip", role, config, Source(()), None, 77, pad, skip, normed)
    torch.manual_seed(width)
    return make_encoder(spec, ClipText(**config).eval(), published_clip())


def test_sdxl_joins_features_and_takes_the_second_pooled() -> None:
    both = TextEncoders("sdxl", "sdxl", [encoder("l", 8, 2, False), encoder("g", 12, 2, False, 10, pad=0)])
    out = both.encode("a cat")
    assert out.tokens.shape == (1, 77, 20)
    assert out.pooled is not None
    assert out.pooled.shape == (1, 10)
    long = both.encode({"l": "word " * 200, "g": "short"})
    assert long.tokens.shape == (1, 77, 20)
    assert torch.equal(TextEncoders("x", "sdxl", [both.encoders[1]]).encode("a cat").tokens, out.tokens[..., 8:])


def test_sd3_pads_and_misses_nothing() -> None:
    l, g = encoder("l", 768, 2, False), encoder("g", 1280, 2, False, 1280, pad=0)  # noqa: E741
    out = TextEncoders("sd3", "sd3", [l, g]).encode("a cat")
    assert out.tokens.shape == (1, 77, 4096)
    assert out.pooled is not None
    assert out.pooled.shape == (1, 2048)
    assert out.tokens[..., 2048:].abs().max() == 0
    only = TextEncoders("sd3", "sd3", [l]).encode("a cat")
    assert only.pooled is not None
    assert only.pooled[:, 768:].abs().max() == 0
    assert torch.equal(only.tokens[..., :768], out.tokens[..., :768])


def test_weights_move_tokens_away_from_the_empty_prompt() -> None:
    single = TextEncoders("sd1", "single", [encoder("l", 8, 1, True)])
    empty, one, two = (single.encode(p).tokens for p in ("", "cat", "(cat:2)"))
    torch.testing.assert_close(two[0, 1], 2 * one[0, 1] - empty[0, 1])
    torch.testing.assert_close(two[0, 2:], one[0, 2:])
    zero = single.encode("(cat:0)").tokens
    torch.testing.assert_close(zero[0, 1], empty[0, 1])


def test_a_weight_that_leaves_the_numbers_is_named() -> None:
    single = TextEncoders("sd1", "single", [encoder("l", 8, 1, True)])
    with pytest.raises(NodeError, match=r"weight 1e\+39 is too large"):
        single.encode("a (cat:1e39)")


def test_half_a_character_is_no_error() -> None:
    single = TextEncoders("sd1", "single", [encoder("l", 8, 1, True)])
    assert torch.equal(single.encode("a cat \ud83d").tokens, single.encode("a cat ?").tokens)


def test_clip_skip_is_bounded() -> None:
    single = TextEncoders("sd1", "single", [encoder("l", 8, 1, True)])
    assert not torch.equal(single.encode("cat", 2).tokens, single.encode("cat", 1).tokens)
    with pytest.raises(NodeError, match="CLIP skip 5"):
        single.encode("cat", 5)


# --- T5 -----------------------------------------------------------------------------------------------------------


def spiece(path: Path, pieces: list[tuple[str, float]]) -> Path:
    """A sentencepiece model with these pieces."""

    def message(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2, len(data)]) + data

    body = b""
    for text, score in pieces:
        body += message(1, message(1, text.encode()) + b"\x15" + struct.pack("<f", score))
    path.write_bytes(body)
    return path


def test_t5_reads_a_sentencepiece_model(tmp_path: Path) -> None:
    names = ["<pad>", "</s>", "<unk>", "▁a", "▁cat", "▁", "c", "a", "t", "s"]
    path = spiece(tmp_path / "spiece.model", [(name, -float(i)) for i, name in enumerate(names)])
    tokenizer = UnigramTokenizer(path)
    assert (tokenizer.start, tokenizer.end) == (None, 1)
    assert tokenizer.encode("a cat") == [3, 4]
    assert tokenizer.encode("a  cats") == [3, 4, 9]
    assert load_tokenizer(tmp_path, "t5").encode("a cat") == [3, 4]
    path.write_bytes(b"\xff\xff\xff")
    with pytest.raises(NodeError, match="cannot be read as a sentencepiece model"):
        UnigramTokenizer(path)


def test_flux_joins_clip_and_t5(tmp_path: Path) -> None:
    quiet_libraries()
    from nodeflow_nodes.diffusion.loading.t5 import make_t5

    names = ["<pad>", "</s>", "<unk>", "▁a", "▁cat"]
    tokenizer = UnigramTokenizer(spiece(tmp_path / "spiece.model", [(n, -1.0) for n in names]))
    config = {"vocab_size": 5, "d_model": 4096, "d_ff": 8, "d_kv": 4, "num_heads": 2, "num_layers": 1,
              "feed_forward_proj": "gated-gelu"}  # fmt: skip
    torch.manual_seed(0)
    t5 = make_encoder(EncoderSpec("t5", "t5", config, Source(()), None, 77, 0), make_t5(config)().eval(), tokenizer)
    clip = encoder("l", 768, 1, True)
    out = TextEncoders("flux", "flux", [clip, t5]).encode("a cat")
    assert out.tokens.shape == (1, 256, 4096)
    assert out.pooled is not None
    assert out.pooled.shape == (1, 768)
    with torch.no_grad():
        ids = torch.tensor([[3, 4, 1, *[0] * 253]])
        assert torch.equal(out.tokens, t5.module(input_ids=ids).last_hidden_state)
    without = TextEncoders("flux", "flux", [clip]).encode("a cat")
    assert without.tokens.abs().max() == 0


def test_t5_without_a_vocabulary_says_what_to_do() -> None:
    with pytest.raises(NodeError, match=r"tokenizer.json \(or spiece.model\)"):
        load_tokenizer(None, "t5")


@pytest.fixture(scope="module")
def t5_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small T5 in a folder as transformers saves it (fp16), and CLIP-L in a file of its own."""
    quiet_libraries()
    from safetensors.torch import save_file
    from transformers import T5Config, T5EncoderModel

    folder = tmp_path_factory.mktemp("t5")
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=40, d_model=4096, d_ff=64, d_kv=8, num_heads=2, num_layers=2, feed_forward_proj="gated-gelu"
    )
    T5EncoderModel(config).half().save_pretrained(folder / "t5")
    names = ["<pad>", "</s>", "<unk>", "▁a", "▁cat", *(f"▁x{i}" for i in range(35))]
    spiece(folder / "t5" / "spiece.model", [(n, -1.0) for n in names])
    clip = ClipText(num_hidden_layers=2).half()
    save_file({f"text_model.{k}": v for k, v in clip.state_dict().items()}, folder / "clip_l.safetensors")
    return folder


def test_text_encoders_from_files_of_their_own(t5_files: Path, tmp_path: Path) -> None:
    from transformers import T5EncoderModel

    from nodeflow import File, WeightsPool
    from nodeflow_nodes.diffusion.load_nodes import load_text_encoder

    single = tmp_path / "t5.safetensors"
    single.write_bytes((t5_files / "t5" / "model.safetensors").read_bytes())
    clip = File("clip", str(t5_files / "clip_l.safetensors"), "1" * 64)
    t5, vocabulary = File("t5", str(single), "2" * 64), File("v", str(t5_files / "t5"), "3" * 64)
    theirs = T5EncoderModel.from_pretrained(t5_files / "t5", dtype=torch.float32)
    with torch.no_grad():
        expected, short = (
            theirs(input_ids=torch.tensor([[3, 4, 1, *[0] * (length - 3)]])).last_hidden_state for length in (256, 77)
        )
    pool = WeightsPool()
    for precision in ("auto", "mapped"):
        handle = load_text_encoder(clip, t5, t5_vocabulary=vocabulary, precision=precision)
        with pool.use(handle) as encoders:
            assert encoders.joining == "flux"
            assert torch.equal(encoders.encode("a cat").tokens, expected)
    with pytest.raises(NodeError, match="T5's vocabulary"), pool.use(load_text_encoder(clip, t5)):
        pass
    with pool.use(load_text_encoder(clip, t5, family="flux", use_t5=False)) as encoders:
        assert encoders.encode("a cat").tokens.abs().max() == 0
    with pytest.raises(NodeError, match="two text encoders of the same kind"):
        load_text_encoder(clip, clip)
    with pool.use(load_text_encoder(vocabulary)) as encoders:  # the folder, as it is
        assert encoders.joining == "sd3"
        assert torch.equal(encoders.encode("a cat").tokens, short)
