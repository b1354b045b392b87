"""T5's vocabulary from `spiece.model`: the file is read here, the words are split by the `tokenizers` library.

The file is a protocol buffer (sentencepiece's ModelProto): field 1 holds the pieces (text, score, type), field 3 how
text is normalised. No sentencepiece library is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from nodeflow import NodeError

END, UNKNOWN = "</s>", "<unk>"
SPACE = "▁"


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a protocol buffer message: numbers, or bytes for texts and nested messages.

    Raises:
        ValueError: if the data is no such message.
    """
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if at + size > len(data):
            raise ValueError("cut off")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("cut off")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


class UnigramTokenizer:
    """A unigram vocabulary (Kudo 2018) with an end token and no start token."""

    start: int | None = None

    def __init__(self, path: Path) -> None:
        from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

        pieces: list[tuple[str, float]] = []
        charsmap = b""
        try:
            for number, value in fields(path.read_bytes()):
                if number == 1 and isinstance(value, bytes):
                    pieces.append(_piece(value))
                elif number == 3 and isinstance(value, bytes):
                    charsmap = next((v for n, v in fields(value) if n == 2 and isinstance(v, bytes)), b"")
        except (OSError, ValueError) as error:
            raise NodeError(f"{path}: cannot be read as a sentencepiece model ({error})") from error
        ids = {piece: index for index, (piece, _) in enumerate(pieces)}
        if UNKNOWN not in ids or END not in ids:
            raise NodeError(f"{path}: {len(pieces)} pieces without {UNKNOWN} and {END}: not a T5 vocabulary")
        self.end = ids[END]
        self._fast = Tokenizer(models.Unigram(pieces, unk_id=ids[UNKNOWN]))
        steps = [normalizers.Precompiled(charsmap)] if charsmap else []
        self._fast.normalizer = normalizers.Sequence([*steps, normalizers.Replace(Regex(" {2,}"), " ")])
        self._fast.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")

    def encode(self, text: str) -> list[int]:
        return list(self._fast.encode(text.strip(), add_special_tokens=False).ids)


def _piece(data: bytes) -> tuple[str, float]:
    text, score = "", 0.0
    for number, value in fields(data):
        if number == 1 and isinstance(value, bytes):
            text = value.decode("utf-8")
        elif number == 2 and isinstance(value, bytes):
            score = struct.unpack("<f", value)[0]
    return text, score
