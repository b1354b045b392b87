"""Nodes that look into a model: next-token distribution, tokens, templates, perplexity."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from nodeflow import LanguageModel, NodeError
from nodeflow_nodes.language.generate_nodes import generate
from nodeflow_nodes.language.look_nodes import next_token_distribution, perplexity
from nodeflow_nodes.language.models import load_module
from nodeflow_nodes.language.token_nodes import chat_template, count_tokens, token_table

from .tiny import END, handle, save_llama


def test_the_distribution_shows_each_stage(llama: LanguageModel) -> None:
    found = next_token_distribution(llama, "a red", count=5, temperature=0.7, top_k=3, seed=2)
    assert found.table.columns[:4] == ("rank", "token", "id", "logit")
    rows = found.table.rows
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5]
    assert [row[6] for row in rows] == [True, True, True, False, False]
    assert sum(row[5] for row in rows) == pytest.approx(1)
    assert sum(row[7] for row in rows) == 1
    module = load_module(llama.path, "auto", "cpu")
    ids = module.tokens.encode("a red")
    logits = module.read(ids, module.start(len(ids))).double()
    softmax = (logits / 0.7).softmax(0)
    for _, _, token, logit, before, *_ in rows:
        assert logit == pytest.approx(float(logits[token]))
        assert before == pytest.approx(float(softmax[token]))
    kept = [row[5] for row in rows[:3]]
    assert found.entropy == pytest.approx(-sum(p * math.log2(p) for p in kept))


@pytest.mark.parametrize("seed", range(5))
def test_the_drawn_token_is_the_first_that_is_written(llama: LanguageModel, seed: int) -> None:
    options = {"temperature": 1.4, "top_p": 0.9, "repetition_penalty": 1.2, "seed": seed}
    found = next_token_distribution(llama, "a red", count=1, **options)
    drawn = next(row for row in found.table.rows if row[7])
    assert drawn[1] == found.token
    written = generate(llama, "a red", max_tokens=1, **options)
    module = load_module(llama.path, "auto", "cpu")
    assert written.whole == "a red" + module.tokens.decode([drawn[2]]).replace("�", "")


def test_the_figure_is_a_picture_with_words(llama: LanguageModel) -> None:
    found = next_token_distribution(llama, "a red", count=6, top_k=2, temperature=0, seed=1)
    picture = Image.open(io.BytesIO(found.figure.data))
    assert picture.format == "PNG"
    assert len(picture.convert("RGB").getcolors(100000) or []) > 3
    assert "1 tokens kept" in found.figure.alt
    assert "cut off" in found.figure.alt
    assert found.entropy == 0


def test_token_table_and_count(llama: LanguageModel, gpt2: LanguageModel) -> None:
    table = token_table(llama, "a red ☆")
    assert count_tokens(llama, "a red ☆") == len(table.rows)
    assert [row[0] for row in table.rows] == list(range(len(table.rows)))
    assert table.rows[0][1] == "<|start|>"
    assert [row[1] for row in table.rows[1:3]] == ["a", " red"]
    assert count_tokens(gpt2, "") == 0
    assert count_tokens(llama, "") == 1


def test_chat_template(llama: LanguageModel, gpt2: LanguageModel) -> None:
    text = chat_template(llama, "and now?", "be kind", ["hello", "hi"])
    assert text == (f"<|system|>be kind{END}<|user|>hello{END}<|assistant|>hi{END}<|user|>and now?{END}<|assistant|>")
    with pytest.raises(NodeError, match="no chat template"):
        chat_template(gpt2, "hello")
    with pytest.raises(NodeError, match="expected pairs"):
        chat_template(llama, "hello", history=["one"])


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('system role not supported') }}", "system role not supported"),
        ("{{ ''.__class__.__mro__ }}{{ messages.append(1) }}", "does not take this conversation"),
        ("{{ ().__class__.__bases__[0].__subclasses__() }}", "does not take this conversation"),
        ("{% for i in range(100000) %}{{ 'x' * 1000 }}{% endfor %}", "more than 1000000 characters"),
        ("{% if %}", "does not take this conversation"),
    ],
)
def test_a_hostile_template_is_stopped(tmp_path: Path, template: str, message: str) -> None:
    folder = save_llama(tmp_path / "llama", tokenizer={"chat_template": template})
    with pytest.raises(NodeError, match=message):
        chat_template(handle(folder), "hello")


def test_perplexity_is_the_exponent_of_the_mean_surprise(llama: LanguageModel) -> None:
    found = perplexity(llama, "once there was a red star")
    module = load_module(llama.path, "auto", "cpu")
    ids = module.tokens.encode("once there was a red star")
    chances = []
    for end in range(1, len(ids)):
        logits = module.read(ids[:end], module.start(end))
        chances.append(float(logits.double().softmax(0)[ids[end]]))
    assert [row[2] for row in found.table.rows] == pytest.approx(chances, rel=1e-4)
    assert found.perplexity == pytest.approx(math.prod(chances) ** (-1 / len(chances)), rel=1e-4)
    assert found.bits == pytest.approx(sum(-math.log2(p) for p in chances), rel=1e-4)
    with pytest.raises(NodeError, match="expected 2 to 96"):
        perplexity(llama, "star " * 200)


def test_a_uniform_models_perplexity_is_its_vocabulary(tmp_path: Path) -> None:
    folder = save_llama(tmp_path / "llama", tie_word_embeddings=False)
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = torch.zeros_like(tensors["lm_head.weight"])
    save_file(tensors, folder / "model.safetensors")
    size = tensors["lm_head.weight"].shape[0]
    assert perplexity(handle(folder), "a red star").perplexity == pytest.approx(size)
