"""Text to tokens and back, with what a model says about its special tokens. No torch.

A folder's `tokenizer.json` is read by the `tokenizers` library directly; transformers is imported only for folders
without one and for GGUF files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeflow import NodeError

from .describe import Description, read_json

BROKEN = "�"


@dataclass
class Tokens:
    """A tokenizer and its special tokens.

    backend: a `tokenizers.Tokenizer`. start: id that begins every text, or None. ends: ids that end a text.
    named: special tokens by name (`bos_token`, ...), for chat templates. template: the chat template, or "".
    """

    backend: Any
    start: int | None
    ends: frozenset[int]
    named: dict[str, str]
    template: str = ""

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        """Ids of `text`; with the tokens that the model wants around it, unless it begins with its start token."""
        mark = self.named.get("bos_token")
        whole = special and not (mark and text.startswith(mark))
        ids = list(self.backend.encode(text, add_special_tokens=whole).ids)
        if whole and self.start is not None and ids[:1] != [self.start]:
            ids.insert(0, self.start)
        return ids

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`, special tokens left out."""
        return str(self.backend.decode(ids, skip_special_tokens=True))

    def piece(self, token: int) -> str:
        """One token for people's eyes, its blanks kept; as the vocabulary spells it if it is part of a character."""
        raw = str(self.backend.id_to_token(token))
        if "▁" in raw:
            return raw.replace("▁", " ")
        text = str(self.backend.decode([token], skip_special_tokens=False))
        return raw if BROKEN in text or not text else text

    def to(self, device: str) -> Tokens:
        """Nothing here lies on a device."""
        return self


class Stream:
    """Text piece by piece, as tokens come. A piece is given out once its characters are whole.

    Args:
        before: the tokens read before, which decide about the blank in front of the first piece.
    """

    def __init__(self, tokens: Tokens, before: list[int]) -> None:
        self.tokens = tokens
        self.window = list(before[-8:])
        self.shown = tokens.decode(self.window)
        self.fresh: list[int] = []

    def push(self, token: int) -> str:
        """The text that `token` adds; empty while a character is incomplete."""
        self.fresh.append(token)
        text = self.tokens.decode(self.window + self.fresh)
        if len(text) <= len(self.shown) or text.endswith(BROKEN):
            return ""
        piece = text[len(self.shown) :]
        self.window, self.fresh = self.fresh, []
        self.shown = self.tokens.decode(self.window)
        return piece


def load_tokens(model: Description) -> Tokens:
    """The tokenizer of a model."""
    if model.kind == "folder" and (model.path / "tokenizer.json").is_file():
        return _from_json(model.path, model.config)
    return _from_library(model)


def _from_json(folder: Path, config: dict[str, Any]) -> Tokens:
    from tokenizers import Tokenizer

    try:
        backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises bare Exceptions
        raise NodeError(f"{folder / 'tokenizer.json'}: cannot be read ({error})") from error
    backend.no_truncation()
    backend.no_padding()
    about = read_json(folder / "tokenizer_config.json")
    named = {
        name: text
        for name in ("bos_token", "eos_token", "pad_token", "unk_token")
        if (text := _content(about.get(name)))
    }
    template = about.get("chat_template") or ""
    if isinstance(template, list):  # several by name
        template = {t["name"]: t["template"] for t in template}.get("default", "")
    if not template and (folder / "chat_template.jinja").is_file():
        template = (folder / "chat_template.jinja").read_text("utf-8")
    start = backend.token_to_id(named["bos_token"]) if about.get("add_bos_token") and "bos_token" in named else None
    ends = _ids(config.get("eos_token_id")) | _ids(read_json(folder / "generation_config.json").get("eos_token_id"))
    if "eos_token" in named and (end := backend.token_to_id(named["eos_token"])) is not None:
        ends |= {end}
    return Tokens(backend, start, frozenset(ends), named, template)


def _from_library(model: Description) -> Tokens:
    from .library import load_tokenizer

    found = load_tokenizer(model)
    backend = getattr(found, "backend_tokenizer", None)
    if backend is None:
        raise NodeError(f"{model.path}: its tokenizer {type(found).__name__} has no fast form; add a tokenizer.json")
    backend.no_truncation()
    backend.no_padding()
    named = {k: str(v) for k, v in found.special_tokens_map.items() if isinstance(v, str)}
    start = found.bos_token_id if getattr(found, "add_bos_token", False) else None
    ends = _ids(found.eos_token_id) | _ids(model.config.get("eos_token_id"))
    return Tokens(backend, start, frozenset(ends), named, found.chat_template or "")


def _content(token: Any) -> str:
    """A special token as text: older files have objects, newer ones the text."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")


def _ids(value: Any) -> set[int]:
    if value is None:
        return set()
    return {int(v) for v in value} if isinstance(value, list) else {int(value)}
