"""What a language model's file is, what is refused, and that our Llama is the library's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nodeflow import LanguageModel, NodeError, WeightsPool
from nodeflow_nodes.language.describe import describe
from nodeflow_nodes.language.generate_nodes import generate
from nodeflow_nodes.language.models import LibraryReader, PlainReader, load_module
from nodeflow_nodes.language.modules.llama import supports

from .tiny import handle, library, save_gpt2, save_llama


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"tie_word_embeddings": False, "num_key_value_heads": 4},
        {"num_key_value_heads": 1, "attention_bias": True, "mlp_bias": True},
        {"head_dim": 12, "rope_theta": 500.0},
    ],
)
@torch.inference_mode()
def test_our_llama_gives_the_librarys_logits(tmp_path: Path, more: dict[str, Any]) -> None:
    folder = save_llama(tmp_path / "llama", **more)
    module = load_module(str(folder), "auto", "cpu")
    assert isinstance(module.reader, PlainReader)
    ids = torch.randint(0, 250, (40,), generator=torch.Generator().manual_seed(1)).tolist()
    theirs = library().LlamaForCausalLM.from_pretrained(folder).eval()(torch.tensor([ids])).logits[0]
    state = module.start(len(ids))
    ours = torch.cat([module.read(part, state, every=True) for part in (ids[:25], ids[25:39], ids[39:])])
    assert float((ours - theirs).abs().max()) <= 2e-5 * float(theirs.abs().max())


def test_half_precision_files_are_computed_in_float32_on_a_cpu(tmp_path: Path) -> None:
    folder = save_llama(tmp_path / "llama", dtype=torch.float16)
    assert {p.dtype for p in load_module(str(folder), "auto", "cpu").parameters()} == {torch.float32}
    assert {p.dtype for p in load_module(str(folder), "float16", "cpu").parameters()} == {torch.float16}


def test_other_rotary_positions_come_from_the_library() -> None:
    config = {"model_type": "llama", "rope_scaling": {"rope_type": "llama3", "factor": 8.0}}
    assert not supports(config)
    assert supports({"model_type": "llama", "rope_scaling": None})
    assert not supports({"model_type": "mistral"})


def test_a_gguf_file_loads_and_writes(gguf_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert describe(gguf_file).architecture == "llama"
    module = load_module(str(gguf_file), "auto", "cpu")
    assert isinstance(module.reader, LibraryReader)
    assert module.context == 96
    assert module.tokens.decode(module.tokens.encode("a red star ☆")) == "a red star ☆"
    written = generate(handle(gguf_file), "a red", max_tokens=6, temperature=1, seed=1)
    assert 1 <= written.tokens <= 6
    assert capfd.readouterr() == ("", "")


@torch.inference_mode()
def test_a_gguf_file_has_the_weights_it_was_written_with(gguf_file: Path) -> None:
    """Logits of a Llama with the tensors of the file, the rows of q and k in the library's order."""
    import gguf

    module = load_module(str(gguf_file), "auto", "cpu")
    stored = {t.name: torch.from_numpy(t.data.copy()) for t in gguf.GGUFReader(str(gguf_file)).tensors}
    weights = dict(module.reader.module.named_parameters())  # type: ignore[attr-defined]
    assert torch.equal(weights["model.embed_tokens.weight"], stored["token_embd.weight"].view(-1, 32))
    key = stored["blk.0.attn_k.weight"].view(4, 4, 2, 32).transpose(1, 2).reshape(32, 32)
    assert torch.equal(weights["model.layers.0.self_attn.k_proj.weight"], key)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = save_llama(tmp_path / "llama")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(NodeError, match=r"pytorch_model\.bin: a pickled PyTorch file"):
        handle(folder)
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(NodeError, match="pickled"):
        describe(tmp_path / "model.pt")


def change(folder: Path, name: str, **more: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


def test_what_is_no_causal_language_model_is_refused(tmp_path: Path) -> None:
    folder = save_llama(tmp_path / "llama")
    (folder / "tokenizer.json").rename(folder / "kept")
    with pytest.raises(NodeError, match="has no tokenizer"):
        handle(folder)
    (folder / "kept").rename(folder / "tokenizer.json")
    change(folder, "config.json", architectures=["CLIPTextModel"])
    with pytest.raises(NodeError, match="holds CLIPTextModel, expected a causal language model"):
        handle(folder)
    change(folder, "config.json", architectures=None, auto_map={"AutoModel": "evil.Model"})
    with pytest.raises(NodeError, match="code of its own"):
        handle(folder)
    (folder / "config.json").write_text("[1]")
    with pytest.raises(NodeError, match="expected a JSON object"):
        handle(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NodeError, match=r"no config\.json"):
        handle(tmp_path / "empty")
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(NodeError, match="expected a GGUF file or a transformers folder"):
        describe(tmp_path / "text.txt")
    (tmp_path / "cut.gguf").write_bytes(b"GGUF\x03\x00")
    with pytest.raises(NodeError, match="cut off"):
        describe(tmp_path / "cut.gguf")


def test_damaged_weights_are_a_users_error(tmp_path: Path) -> None:
    folder = save_llama(tmp_path / "llama")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(NodeError, match="cannot be read"):
        load_module(str(folder), "auto", "cpu")
    (folder / "model.safetensors").write_bytes(whole)
    change(folder, "config.json", num_hidden_layers=3)
    with pytest.raises(NodeError, match="do not belong together"):
        load_module(str(folder), "auto", "cpu")


def test_an_index_cannot_reach_out_of_the_folder(tmp_path: Path) -> None:
    folder = save_llama(tmp_path / "llama")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../other.safetensors"}}')
    with pytest.raises(NodeError, match="outside of the folder"):
        handle(folder)


def test_weights_in_several_files(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_llama(tmp_path / "llama")
    whole = load_module(str(folder), "auto", "cpu")
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    (folder / "model.safetensors").unlink()
    homes = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(names)}
    for home in set(homes.values()):
        save_file({n: tensors[n] for n in names if homes[n] == home}, folder / home)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": homes}))
    parts = load_module(str(folder), "auto", "cpu")
    ids = whole.tokens.encode("a red star")
    assert torch.equal(whole.read(ids, whole.start(9)), parts.read(ids, parts.start(9)))


def test_the_pool_holds_one_module_and_counts_its_bytes(llama: LanguageModel) -> None:
    pool = WeightsPool()
    with pool.use(llama) as first, pool.use(llama) as second:
        assert first is second
    assert pool.loads == 1
    ((_, _, size),) = pool.inventory()
    assert size == 4 * sum(p.numel() for p in first.parameters())


def test_a_tokenizer_without_its_json_comes_from_the_library(tmp_path: Path) -> None:
    folder = save_gpt2(tmp_path / "gpt2")
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    before = load_module(str(folder), "auto", "cpu").tokens.encode("a red star")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    assert load_module(str(folder), "auto", "cpu").tokens.encode("a red star") == before


def test_imports_come_as_late_as_they_can(llama_folder: Path) -> None:
    code = (
        "import sys\n"
        "import nodeflow_nodes.language as pack\n"
        "assert 'jinja2' not in sys.modules and 'PIL' not in sys.modules and 'tokenizers' not in sys.modules\n"
        "from nodeflow import File\n"
        f"model = pack.load_nodes.load_model(File('m', {str(llama_folder)!r}, '0' * 64))\n"
        "print(pack.token_nodes.count_tokens(model, 'a red star') > 2)\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
        "pack.generate_nodes.generate(model, 'a red star', max_tokens=2)\n"
        "assert not {'diffusers', 'transformers', 'torch._dynamo'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr
