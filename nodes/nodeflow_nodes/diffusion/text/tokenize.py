"""Tokens: CLIP's byte-pair encoding, other vocabularies from the user's folders, and chunks of fixed length.

CLIP's vocabulary ships with nodeflow (`data/`, MIT licence), so prompts are encoded without any network. No torch here.
"""

from __future__ import annotations

import gzip
import itertools
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from nodeflow import NodeError

from .weights import Segment

DATA = Path(__file__).parent / "data" / "bpe_simple_vocab_16e6.txt.gz"
CLIP_MERGES = 48894
"""How many lines of the published file count: 49408 tokens less 512 bytes less start and end."""
LONG_SEGMENT = 8
"""From this many tokens on, a segment may be cut at the end of a chunk; shorter ones move to the next chunk whole."""


class Tokenizer(Protocol):
    """Text to ids, without start and end tokens."""

    start: int | None
    end: int

    def encode(self, text: str) -> list[int]: ...


# --- CLIP ---------------------------------------------------------------------------------------------------------


def byte_symbols() -> dict[int, str]:
    """A printable character for each byte, in the vocabulary's order (Radford et al. 2019): printable bytes stand for
    themselves, the others for the characters from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(others)}}


class ClipTokenizer:
    """Byte-pair encoding as CLIP was trained with: NFC, lower case, single spaces; letters, single digits and runs of
    other characters are words of their own.

    Args:
        merges: pairs of symbols, most frequent first.
        ids: id of each symbol; None: the published order (bytes, bytes that end a word, merges, start, end).
    """

    def __init__(self, merges: Sequence[tuple[str, str]], ids: dict[str, int] | None = None) -> None:
        self.bytes = byte_symbols()
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        if ids is None:
            symbols = list(self.bytes.values())
            symbols += [s + "</w>" for s in symbols] + [a + b for a, b in merges] + ["<|startoftext|>", "<|endoftext|>"]
            ids = {symbol: index for index, symbol in enumerate(symbols)}
        self.ids = ids
        self.start, self.end = ids["<|startoftext|>"], ids["<|endoftext|>"]
        self._words: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        text = " ".join(unicodedata.normalize("NFC", text).lower().split())
        return [index for word in clip_words(text) for index in self._word(word)]

    def _word(self, word: str) -> list[int]:
        if word in ("<|startoftext|>", "<|endoftext|>"):
            return [self.ids[word]]
        if (known := self._words.get(word)) is None:
            symbols = [self.bytes[byte] for byte in word.encode("utf-8")]
            symbols[-1] += "</w>"
            known = [self.ids.get(symbol, self.end) for symbol in self._merge(symbols)]
            if len(self._words) < 50_000:
                self._words[word] = known
        return known

    def _merge(self, symbols: list[str]) -> list[str]:
        while len(symbols) > 1:
            rank, (left, right) = min(
                (self.ranks.get(pair, len(self.ranks)), pair) for pair in itertools.pairwise(symbols)
            )
            if rank == len(self.ranks):
                break
            merged, index = [], 0
            while index < len(symbols):
                if symbols[index] == left and index + 1 < len(symbols) and symbols[index + 1] == right:
                    merged.append(left + right)
                    index += 2
                else:
                    merged.append(symbols[index])
                    index += 1
            symbols = merged
        return symbols


ENDINGS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")


def clip_words(text: str) -> Iterator[str]:
    """Words of `text` (lower case, single spaces) as CLIP's pattern splits them."""
    index = 0
    while index < len(text):
        rest = text[index : index + 15]
        special = next((s for s in ("<|startoftext|>", "<|endoftext|>") if rest.startswith(s)), None)
        special = special or next((e for e in ENDINGS if rest.startswith(e)), None)
        if special:
            yield special
            index += len(special)
            continue
        kind = _kind(text[index])
        stop = index + 1
        if kind in "LO":
            while stop < len(text) and _kind(text[stop]) == kind:
                stop += 1
        if kind != " ":
            yield text[index:stop]
        index = stop


def _kind(character: str) -> str:
    if character.isspace():
        return " "
    category = unicodedata.category(character)[0]
    return category if category in "LN" else "O"


@lru_cache(maxsize=1)
def published_clip() -> ClipTokenizer:
    """The vocabulary of CLIP-L, OpenCLIP-H and OpenCLIP-G."""
    lines = gzip.decompress(DATA.read_bytes()).decode("utf-8").split("\n")[1 : CLIP_MERGES + 1]
    return ClipTokenizer([tuple(line.split()) for line in lines])  # type: ignore[misc]


# --- vocabularies from files --------------------------------------------------------------------------------------


class FileTokenizer:
    """A vocabulary in the form of the `tokenizers` library (`tokenizer.json`)."""

    def __init__(self, path: Path, *, start: str | None, end: str | None) -> None:
        from tokenizers import Tokenizer as Fast

        try:
            self._fast = Fast.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise NodeError(f"{path}: cannot be read as a vocabulary ({error})") from error
        self._fast.no_padding()
        self._fast.no_truncation()
        self.start = self._id(path, start, ("<|startoftext|>", "<s>", "[BOS]"))
        end_id = self._id(path, end, ("<|endoftext|>", "</s>", "[EOS]"))
        if end_id is None:
            raise NodeError(f"{path}: has no end token")
        self.end = end_id

    def _id(self, path: Path, name: str | None, usual: Iterable[str]) -> int | None:
        found = (self._fast.token_to_id(token) for token in ([name] if name else usual))
        return next((index for index in found if index is not None), None)

    def encode(self, text: str) -> list[int]:
        return list(self._fast.encode(text, add_special_tokens=False).ids)


@lru_cache(maxsize=8)
def load_tokenizer(folder: Path | None, kind: str) -> Tokenizer:
    """The vocabulary in `folder`; None: CLIP's published one.

    Args:
        kind: "clip" or "t5"; a T5 vocabulary has no start token.

    Raises:
        NodeError: if there is none that can be read; says which files would do.
    """
    if folder is None:
        if kind == "t5":
            raise NodeError(
                "T5's vocabulary is not part of the file: put tokenizer.json (or spiece.model) of a T5 v1.1 model into "
                "the folder text_encoders/t5 and name it at the T5 input"
            )
        return published_clip()
    single = folder if folder.is_file() else None
    folder = folder.parent if single else folder
    if single and single.suffix == ".model":
        return _sentencepiece(single)
    if single or (folder / "tokenizer.json").is_file():
        names = _special_tokens(folder)
        start = None if kind == "t5" else names.get("bos_token")
        tokenizer = FileTokenizer(single or folder / "tokenizer.json", start=start, end=names.get("eos_token"))
        if kind == "t5":
            tokenizer.start = None
        return tokenizer
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
        pairs = [tuple(line.split()) for line in lines if line and not line.startswith("#version")]
        return ClipTokenizer(pairs, json.loads((folder / "vocab.json").read_text(encoding="utf-8")))  # type: ignore[arg-type]
    if (folder / "spiece.model").is_file():
        return _sentencepiece(folder / "spiece.model")
    raise NodeError(f"{folder}: no vocabulary: expected tokenizer.json, vocab.json with merges.txt, or spiece.model")


def _special_tokens(folder: Path) -> dict[str, str]:
    path = folder / "tokenizer_config.json"
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    result = {}
    for name in ("bos_token", "eos_token"):
        value = values.get(name)
        value = value.get("content") if isinstance(value, dict) else value
        if isinstance(value, str):
            result[name] = value
    return result


def _sentencepiece(path: Path) -> Tokenizer:
    from .sentencepiece import UnigramTokenizer

    return UnigramTokenizer(path)


# --- chunks -------------------------------------------------------------------------------------------------------


class Chunk(NamedTuple):
    """Ids of one pass through the encoder, with the prompt weight of each."""

    ids: list[int]
    weights: list[float]


def chunks(segments: Iterable[tuple[list[int], float]], *, length: int, start: int, end: int, pad: int) -> list[Chunk]:
    """Lay tokenised segments out in chunks of `length` ids, each with a start and an end token.

    A segment that does not fit any more is cut there if it has at least `LONG_SEGMENT` tokens, else moved to the next
    chunk as a whole (NUMERICS §7).
    """
    done: list[Chunk] = []
    current = Chunk([start], [1.0])

    def close() -> Chunk:
        current.ids.append(end)
        fill = length - len(current.ids)
        current.ids.extend([pad] * fill)
        current.weights.extend([1.0] * (length - len(current.weights)))
        done.append(current)
        return Chunk([start], [1.0])

    for ids, weight in segments:
        long = len(ids) >= LONG_SEGMENT
        while ids:
            room = length - 1 - len(current.ids)
            if len(ids) <= room:
                count = len(ids)
            elif long or len(ids) > length - 2:
                count = room
            else:
                count = 0
            current.ids.extend(ids[:count])
            current.weights.extend([weight] * count)
            ids = ids[count:]
            if ids:
                current = close()
    close()
    return done


def tokenise(segments: Iterable[Segment], tokenizer: Tokenizer) -> list[tuple[list[int], float]]:
    """Ids and weight of each segment, each tokenised alone."""
    return [(tokenizer.encode(segment.text), segment.weight) for segment in segments]
