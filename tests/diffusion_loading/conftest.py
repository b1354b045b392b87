"""Small random models in the layouts that users have, made once a session by the libraries themselves."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch

WORDS = ["a", "red", "blue", "star", "circle", "on", "white", "the", ",", "of"]


def quiet_libraries() -> None:
    """Import diffusers and transformers, whose imports warn about things that are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers.models  # noqa: F401
        import transformers  # noqa: F401


def small_tokenizer(folder: Path, length: int = 20) -> None:
    """A word-level vocabulary in the form that transformers 5 saves (`tokenizer.json`)."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = {word: i for i, word in enumerate([*WORDS, "<|unk|>", "<|startoftext|>", "<|endoftext|>"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<|unk|>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"model_max_length": length, "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


@pytest.fixture(scope="session")
def flow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in model's layout: SD3 transformer, one CLIP text encoder, tiny autoencoder, fp16."""
    quiet_libraries()
    from diffusers import AutoencoderTiny, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel

    folder = tmp_path_factory.mktemp("models") / "flow"
    torch.manual_seed(0)
    transformer = SD3Transformer2DModel(
        sample_size=16, patch_size=2, in_channels=4, out_channels=4, num_layers=2, attention_head_dim=8,
        num_attention_heads=3, joint_attention_dim=16, caption_projection_dim=24, pooled_projection_dim=16,
        pos_embed_max_size=16, qk_norm="rms_norm", dual_attention_layers=(0,),
    )  # fmt: skip
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    transformer.half().save_pretrained(folder / "transformer")
    text = CLIPTextConfig(
        vocab_size=len(WORDS) + 3, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=20, bos_token_id=len(WORDS) + 1, eos_token_id=len(WORDS) + 2,
        pad_token_id=len(WORDS) + 2,
    )  # fmt: skip
    CLIPTextModel(text).half().save_pretrained(folder / "text_encoder")
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8), decoder_block_out_channels=(8, 8, 8),
        num_encoder_blocks=(0, 1, 1), num_decoder_blocks=(1, 1, 0),
    ).half().save_pretrained(folder / "vae")  # fmt: skip
    FlowMatchEulerDiscreteScheduler(shift=3.0).save_pretrained(folder / "scheduler")
    small_tokenizer(folder / "tokenizer")
    index = {"_class_name": "FlowMatchTextToImage", "nodeflow": {"family": "nodeflow"}}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
