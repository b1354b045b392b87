"""What a language model's file or folder is, read from its configuration or header alone: no torch, no transformers."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from nodeflow import NodeError

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
LARGEST_TEXT = 64 << 20
"""Bytes that a JSON file of a model folder may have."""


@dataclass(frozen=True)
class Description:
    """kind: "folder" or "gguf". architecture: `llama`, `gpt2`, ... config: of a folder, its `config.json`."""

    path: Path
    kind: str
    architecture: str
    config: dict[str, Any] = field(default_factory=dict, hash=False)


def describe(path: str | Path) -> Description:
    """Say what is there.

    Raises:
        NodeError: if it is no causal language model that can be read; says what was found instead.
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() in PICKLED:
        raise NodeError(_pickled(path))
    if not path.is_file():
        raise NodeError(f"{path}: there is no such file or folder")
    with path.open("rb") as file:
        if file.read(4) == b"GGUF":
            return Description(path, "gguf", _gguf_architecture(path, file))
    raise NodeError(
        f"{path}: expected a GGUF file or a transformers folder (config.json, tokenizer.json, model.safetensors); "
        "name the folder, not a file in it"
    )


def _folder(folder: Path) -> Description:
    config = read_json(folder / "config.json")
    if not config:
        raise NodeError(f"{folder}: has no config.json, so it is no transformers folder")
    architecture = str(config.get("model_type", ""))
    classes = [str(name) for name in config.get("architectures") or []]
    if classes and not any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in classes):
        raise NodeError(f"{folder}: holds {', '.join(classes)}, expected a causal language model (...ForCausalLM)")
    if "auto_map" in config:
        raise NodeError(
            f"{folder}: wants code of its own to be run (auto_map in config.json), which nodeflow never does"
        )
    missing = weight_files(folder)
    if isinstance(missing, str):
        raise NodeError(missing)
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json", "tokenizer.model")):
        raise NodeError(f"{folder}: has no tokenizer (tokenizer.json); fetch it from where the model came from")
    return Description(folder, "folder", architecture, config)


def weight_files(folder: Path) -> list[Path] | str:
    """The safetensors files of a folder, or what is wrong, in words."""
    index = read_json(folder / "model.safetensors.index.json")
    names = sorted(set(index["weight_map"].values())) if index.get("weight_map") else ["model.safetensors"]
    if any(Path(name).name != name for name in names):
        return f"{folder}: model.safetensors.index.json names files outside of the folder"
    missing = [name for name in names if not (folder / name).is_file()]
    if not missing:
        return [folder / name for name in names]
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in PICKLED)
    return _pickled(folder / pickled[0]) if pickled else f"{folder}: {', '.join(missing)} is missing; fetch it again"


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty if there is no such file.

    Raises:
        NodeError: if it is no JSON object.
    """
    return dict(_json(path, path.stat().st_mtime_ns)) if path.is_file() else {}


@lru_cache(maxsize=64)
def _json(path: Path, _changed: int) -> dict[str, Any]:
    if path.stat().st_size > LARGEST_TEXT:
        raise NodeError(f"{path}: is too large for a configuration ({path.stat().st_size} bytes)")
    try:
        content = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise NodeError(f"{path}: is no valid JSON ({error}); the file is damaged, fetch it again") from error
    if not isinstance(content, dict):
        raise NodeError(f"{path}: expected a JSON object, got a {type(content).__name__}")
    return content


def _pickled(path: Path) -> str:
    return (
        f"{path}: a pickled PyTorch file. Such files can run code when they are opened, so nodeflow does not read "
        "them; use the model's .safetensors or GGUF files"
    )


def _gguf_architecture(path: Path, file: BinaryIO) -> str:
    """The value of `general.architecture`, which every writer puts first. The file stands behind its magic number."""
    try:
        version, _, count = struct.unpack("<IQQ", file.read(20))
        key = file.read(struct.unpack("<Q", file.read(8))[0] & 0xFFFF)
        kind, length = struct.unpack("<IQ", file.read(12))
        name = file.read(length & 0xFFFF)
    except struct.error:
        raise NodeError(f"{path}: cut off inside of its header; fetch it again") from None
    if version not in (2, 3) or not count or key != b"general.architecture" or kind != 8 or not name.isascii():
        raise NodeError(f"{path}: a GGUF file of a form that is not known (version {version}, first key {key[:40]!r})")
    return name.decode()
