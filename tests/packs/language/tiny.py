"""Tiny random language models in the layouts that users have."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch

from nodeflow import File, LanguageModel
from nodeflow import node as _node  # noqa: F401  (before its home module: the facade and the module share a name)
from nodeflow_nodes.language.load_nodes import load_model

TEXTS = ["once there was a red star on a blue page.", "a small green circle, déjà vu ☆ 星", "tell a story: red star =>"]
START, END = "<|start|>", "<|end|>"
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def library() -> Any:
    """transformers, whose import warns about things that are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

        return transformers


def tiny_tokenizer() -> Any:
    """A byte-level BPE with about 300 tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[START, END],
        show_progress=False,
    )
    backend.train_from_iterator(TEXTS * 4, trainer)
    return backend


def save_tokenizer(folder: Path, **more: Any) -> int:
    """Write tokenizer.json and tokenizer_config.json; returns the size of the vocabulary."""
    backend = tiny_tokenizer()
    backend.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": START, "eos_token": END, **more}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return int(backend.get_vocab_size())


def llama_config(vocabulary: int, **more: Any) -> Any:
    return library().LlamaConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=96, bos_token_id=0, eos_token_id=1, pad_token_id=1,
        **{"num_key_value_heads": 2, "tie_word_embeddings": True, **more},
    )  # fmt: skip


def handle(path: Path) -> LanguageModel:
    return load_model(File(path.name, str(path), str(path)))


def save_llama(folder: Path, *, dtype: torch.dtype = torch.float32, tokenizer: Any = None, **more: Any) -> Path:
    folder.mkdir(parents=True)
    vocabulary = save_tokenizer(folder, **{"add_bos_token": True, "chat_template": TEMPLATE, **(tokenizer or {})})
    torch.manual_seed(0)
    model = library().LlamaForCausalLM(llama_config(vocabulary, **more))
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:  # far from uniform, so that choices matter
            torch.nn.init.normal_(parameter, std=0.8 if "embed" in name else 0.3)
    model.to(dtype).save_pretrained(folder)
    return folder


def save_gpt2(folder: Path) -> Path:
    folder.mkdir()
    vocabulary = save_tokenizer(folder)
    torch.manual_seed(0)
    config = library().GPT2Config(
        vocab_size=vocabulary, n_positions=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1
    )
    library().GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def save_gguf(path: Path) -> Path:
    """A Llama of random weights with its tokenizer, in one GGUF file."""
    import gguf

    backend = tiny_tokenizer()
    vocabulary = backend.get_vocab_size()
    merges = [" ".join(pair) for pair in json.loads(backend.to_str())["model"]["merges"]]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(96)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(48)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([backend.id_to_token(i) for i in range(vocabulary)])
    writer.add_token_types([3 if i < 2 else 1 for i in range(vocabulary)])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    generator = torch.Generator().manual_seed(0)

    def weight(name: str, *shape: int) -> None:
        writer.add_tensor(name, (torch.randn(*shape, generator=generator) * 0.3).numpy())

    weight("token_embd.weight", vocabulary, 32)
    weight("output_norm.weight", 32)
    weight("output.weight", vocabulary, 32)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        weight(f"blk.0.{name}.weight", 32, 32)
    for name in ("attn_norm", "ffn_norm"):
        weight(f"blk.0.{name}.weight", 32)
    weight("blk.0.ffn_gate.weight", 48, 32)
    weight("blk.0.ffn_up.weight", 48, 32)
    weight("blk.0.ffn_down.weight", 32, 48)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
