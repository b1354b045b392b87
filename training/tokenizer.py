"""The prompt tokenizer: byte-level BPE in CLIP's form, trained on the grammar, each word of which is one token.

Text outside the grammar is spelled out in bytes, so no prompt fails. Length `LENGTH` includes the start and end tokens;
longer prompts are cut.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from training import captions

LENGTH = 20
START, END = "<|startoftext|>", "<|endoftext|>"


MERGES = Path(__file__).with_name("merges.txt")
"""The merges that `learn` found, kept because it breaks ties differently from one process to the next."""


def build() -> CLIPTokenizer:
    """The tokenizer: from the merges that were learned once, so that ids never move under trained weights."""
    merges = [tuple(line.split(" ")) for line in MERGES.read_text(encoding="utf-8").splitlines()]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*alphabet, *(letter + "</w>" for letter in alphabet), *(left + right for left, right in merges)]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys([*pieces, START, END]))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH)


def learn() -> list[tuple[str, str]]:
    """Train the BPE on the grammar (under a second). New merges mean a new text encoder and all that follows."""
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=4096, min_frequency=1, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    learner.train_from_iterator(captions.everything(), trainer)
    return [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]


def encode(tokenizer: CLIPTokenizer, texts: list[str]):
    """[B, LENGTH] ids: start, words, end, padded with the end token."""
    return tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")["input_ids"]
