"""Tiny random language models, made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeflow import LanguageModel

from .tiny import handle, save_gguf, save_gpt2, save_llama


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="session")
def llama(llama_folder: Path) -> LanguageModel:
    return handle(llama_folder)


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return handle(save_gpt2(tmp_path_factory.mktemp("models") / "gpt2"))


@pytest.fixture(scope="session")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")
