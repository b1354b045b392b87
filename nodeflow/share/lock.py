"""Lock files: `NAME.lock.json` beside a recipe says what its results came from, exactly.

Data only: the document's shape, reading it and writing it. `survey` makes one, `drift` compares it with what is there,
`verify` with what comes out. A lock comes from others: nothing in it is believed, it names no path that is opened, and
what it claims is compared with what is found, never used in its place.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from nodeflow.errors import NodeflowError
from nodeflow.jsonio import canonical, dump_json, parse_json
from nodeflow.ports import SAFE_INTEGER
from nodeflow.problems import Problem, ProblemsError
from nodeflow.replacing import replacing

FORMAT = "nodeflow-lock/1"
SUFFIX = ".lock.json"
MAX_BYTES = 16 << 20
THUMBNAIL = 64
"""Pixels of a thumbnail's longer side, at most."""
THUMBNAILS = 256
"""So many outputs of a lock have one."""
MAX_LOOKED_AT = 200
"""So many lock files of a folder are read to find one."""
MAX_TEXT = 4096
"""Texts up to so many characters travel in the lock."""

_PNG = b"\x89PNG\r\n\x1a\n"

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]+$")]
Word = Annotated[str, StringConstraints(max_length=4096)]
Folder = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Size = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
Whole = Annotated[int, Field(ge=-SAFE_INTEGER, le=SAFE_INTEGER)]


class LockError(NodeflowError, OSError):
    """A lock file cannot be read or written; the message says where and what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class PackLock(_Part):
    """A pack whose ops the recipe uses. code: blake3 of its Python files."""

    version: Word = ""
    distribution: Word = ""
    code: Digest


class FileLock(_Part):
    """A file's content. name: as the recipe has it; in a model's folder, relative to that."""

    name: Name
    size: Size
    blake3: Digest
    sha256: Digest


class InputLock(FileLock):
    """An input file. used_by: `node.port`."""

    used_by: list[Word] = []


class ModelLock(_Part):
    """A model file or folder. folder: its kind (`checkpoints`, `loras`, ...). blake3: of the file, or of the folder."""

    folder: Folder
    name: Name
    size: Size
    blake3: Digest
    files: Annotated[list[FileLock], Field(min_length=1, max_length=10_000)]
    license: Word = ""
    source: Word = ""
    used_by: list[Word] = []


class NodeLock(_Part):
    """A step: the key of its result ("": no two runs give the same), and digests of what each output was."""

    id: Word
    op: Word
    key: Key
    outputs: dict[Name, Digest] = {}


class GoldenFile(_Part):
    """A file that an output became, before a recipe is put into it. thumbnail: PNG in base64. text: all of a short
    text."""

    digest: Digest
    media: Word
    size: Size
    width: Size = 0
    height: Size = 0
    thumbnail: Annotated[str, StringConstraints(max_length=100_000)] = ""
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT)] = ""

    @field_validator("thumbnail")
    @classmethod
    def _is_small_png(cls, text: str) -> str:
        if text:
            png_bytes(text)
        return text


class OutputLock(_Part):
    """A declared output: the key of its files, and the files themselves if the lock was made with outputs."""

    key: Key
    files: list[GoldenFile] = []


class EnvironmentLock(_Part):
    """The `pylock.NAME.toml` that was written with the lock."""

    file: Annotated[str, StringConstraints(pattern=r"^pylock\.[^./\\\x00-\x1f]{1,200}\.toml$")]
    sha256: Digest


class Lock(_Part):
    """What a recipe's results came from.

    tensors: whether anything in it computes with tensors, so that `numeric` and the libraries count.
    golden: whether it was run, so that `outputs` and `nodes` have digests.
    """

    format: Literal["nodeflow-lock/1"]
    recipe: Digest
    tensors: bool
    numeric: dict[Name, str | Whole | bool]
    versions: dict[Name, Word]
    environment: EnvironmentLock | None = None
    packs: dict[Name, PackLock] = {}
    models: list[ModelLock] = []
    files: list[InputLock] = []
    seeds: dict[Name, Whole | str] = {}
    golden: bool = False
    outputs: dict[Name, OutputLock] = {}
    nodes: Annotated[list[NodeLock], Field(max_length=100_000)] = []

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Lock:
        for model in self.models:
            if folder_digest(model) != model.blake3:
                raise ValueError(f"the digest of model {shown(model.name)!r} is not that of the files listed")
            if sum(file.size for file in model.files) != model.size:
                raise ValueError(f"the size of model {shown(model.name)!r} is not that of the files listed")
        return self

    def text(self) -> str:
        """The saved form."""
        return dump_json(self.model_dump(mode="json", exclude_defaults=True)) + "\n"

    def digest(self) -> str:
        """What names this lock (blake3 of its canonical text)."""
        return blake3(canonical(self.model_dump(mode="json", exclude_defaults=True)).encode()).hexdigest()


def folder_digest(model: ModelLock) -> str:
    """The digest that a model has if its files are those listed (as `FileDigests.digest`)."""
    if len(model.files) == 1 and model.files[0].name == model.name:
        return model.files[0].blake3
    hasher = blake3(b"nodeflow folder v1")
    for file in sorted(model.files, key=lambda f: os.fsencode(f.name)):
        name = os.fsencode(file.name)
        hasher.update(b"%d:%s%s" % (len(name), name, file.blake3.encode()))
    return hasher.hexdigest()


def png_bytes(thumbnail: str) -> bytes:
    """A thumbnail's PNG.

    Raises:
        ValueError: it is no small PNG.
    """
    try:
        data = base64.b64decode(thumbnail, validate=True)
        width, height = struct.unpack_from(">II", data, 16)
    except (binascii.Error, struct.error, ValueError):
        raise ValueError("the thumbnail is no PNG in base64") from None
    if not data.startswith(_PNG) or data[12:16] != b"IHDR" or not (0 < max(width, height) <= THUMBNAIL):
        raise ValueError(f"the thumbnail is no PNG of at most {THUMBNAIL} pixels")
    return data


def lock_path(recipe: Path) -> Path:
    """`NAME.lock.json` beside `NAME.json` (or beside a picture)."""
    return recipe.with_name(f"{recipe.stem}{SUFFIX}")


def parse_lock(text: str | bytes, *, source: str = "") -> Lock:
    """A lock from its text.

    Raises:
        ProblemsError: it is none, with everything that is wrong with its shape.
    """
    document = parse_json(text, source=source, max_bytes=MAX_BYTES)
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        hint = "make it anew with `nodeflow lock`"
        if isinstance(found, str) and found.startswith("nodeflow-lock/"):
            hint = "it was written by another version of nodeflow: use that one, or make the lock anew"
        elif isinstance(found, str) and found.startswith("nodeflow/"):
            hint = f"this is a recipe; its lock is the file NAME{SUFFIX} beside it"
        problem = Problem("NF003", "", "not a lock file", f'"format": "{FORMAT}"', _short(found), hint)
        raise ProblemsError([problem], source)
    try:
        return Lock.model_validate(document)
    except ValidationError as error:
        raise ProblemsError([_problem(e) for e in error.errors(include_url=False)[:50]], source) from None


def read_lock(path: Path) -> Lock:
    """The lock in a file.

    Raises:
        LockError: it cannot be read. ProblemsError: it holds no lock.
    """
    try:
        if path.exists() and not path.is_file():
            raise LockError(f"{path} is no regular file; expected a lock (NAME{SUFFIX})")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise LockError(f"{path}: no such file; `nodeflow lock` makes it") from None
    except LockError:
        raise
    except OSError as error:
        raise LockError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_lock(data, source=str(path))


def lock_with(digest: str, folders: Iterable[Path]) -> Lock | None:
    """The lock of this digest among the lock files in some folders; those that are none are passed over."""
    for folder in dict.fromkeys(folders):
        try:
            paths = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX))[:MAX_LOOKED_AT]
        except OSError:
            continue
        for path in paths:
            try:
                found = read_lock(path)
            except (LockError, ProblemsError):
                continue
            if found.digest() == digest:
                return found
    return None


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        LockError: it cannot be written.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LockError(f"{path}: cannot be written: {error.strerror}") from None


def shown(text: str, limit: int = 200) -> str:
    """Text from a lock, fit for a message: what cannot be printed replaced, shortened."""
    return "".join(c if c.isprintable() else "?" for c in text[:limit])


def _problem(error: Any) -> Problem:
    place = ".".join(shown(str(part)) for part in error["loc"])
    message = str(error.get("ctx", {}).get("error", error["msg"]))
    if error["type"] == "extra_forbidden":
        message = "unknown key"
    got = _short(error.get("input")) if error["loc"] else ""
    return Problem("NF004", place[:160], message[:1].lower() + message[1:], got=got)


def _short(value: Any) -> str:
    text = shown(repr(value)[:200], 81)
    return text if len(text) <= 80 else text[:79] + "…"
