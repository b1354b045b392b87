"""Fetching a model from the Hugging Face hub into its cache: the one place of nodeflow that reaches the network.

Only a person asks for it (`nodeflow models fetch`); opening, checking, planning and running a recipe never do. Only a
pinned revision is fetched, and of it only what nodeflow reads: configurations, vocabularies, safetensors. The hub's
address is `HF_ENDPOINT`'s; `HF_HUB_OFFLINE=1` forbids it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeflow.errors import NodeflowError
from nodeflow.hub import HubName

READ = (".safetensors", ".json", ".txt", ".model", ".gguf", ".jinja")
PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack", ".h5", ".onnx")
VARIANTS = (".fp16", ".bf16", ".fp8", ".non_ema", ".ema")


class FetchError(NodeflowError):
    """Nothing, or not all, could be fetched; says what was to be fetched and what is in the way."""


@dataclass(frozen=True)
class Fetch:
    """What is to be fetched: files of `name`'s revision with their sizes in bytes (None: the hub does not say)."""

    name: HubName
    files: tuple[tuple[str, int | None], ...]

    @property
    def size(self) -> int:
        return sum(size or 0 for _, size in self.files)


def endpoint(environment: Mapping[str, str] = os.environ) -> str:
    """The hub's address."""
    return (environment.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def offline(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the network is forbidden."""
    return environment.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def wanted(files: Iterable[str], below: str = "") -> list[str]:
    """The files of a repository that nodeflow reads.

    Of weights that are there twice, the full precision; in a pipeline (with `model_index.json`) no single-file
    checkpoints at the root, which hold the same once more.

    Args:
        below: a folder of the repository; only what is in it. A file: just that.
    """
    names = sorted(file for file in files if not _leads_out(file))
    if below in names:
        return [below]
    names = [name for name in names if not below or name.startswith(f"{below.rstrip('/')}/")]
    pipeline = "model_index.json" in names
    return [
        name
        for name in names
        if name.endswith(READ)
        and not _is_variant(name, names)
        and not (pipeline and "/" not in name and name.endswith((".safetensors", ".gguf")))
    ]


def _leads_out(file: str) -> bool:
    return any(part in ("", ".", "..") for part in file.replace("\\", "/").split("/"))


def _is_variant(name: str, names: list[str]) -> bool:
    """Whether a file is a smaller variant of another one."""
    return any(variant in name and name.replace(variant, "", 1) in names for variant in VARIANTS)


def look(name: HubName) -> Fetch:
    """Ask the hub what a name would fetch.

    Raises:
        FetchError: if the name is not pinned, the hub cannot be reached or does not have it, or it holds nothing that
            nodeflow reads.
    """
    if not name.pinned:
        raise FetchError(
            f"{name}: only a pinned revision is fetched, so that the name means the same content for everybody; "
            f"expected {name.repo}@ and 40 hexadecimal digits (the commit, from {endpoint()}/{name.repo}/commits/main)"
        )
    with _told(name):
        if offline():
            raise ConnectionError
        from huggingface_hub import HfApi

        about: Any = HfApi(endpoint=endpoint()).model_info(name.repo, revision=name.revision, files_metadata=True)
    if about.sha != name.revision:
        raise FetchError(f"{name}: the hub answered with revision {about.sha}; nothing was fetched")
    sizes: dict[str, int | None] = {part.rfilename: part.size for part in about.siblings or ()}
    chosen = wanted(sizes, name.file)
    if not chosen:
        raise FetchError(f"{name}: {_nothing(sizes, name.file)}")
    pickled = [n for n in chosen if n.endswith(PICKLED)]
    if pickled:
        raise FetchError(f"{name}: {pickled[0]} is pickled; such files can run code when they are opened")
    return Fetch(name, tuple((file, sizes[file]) for file in chosen))


def _nothing(files: Mapping[str, object], below: str) -> str:
    shown = ", ".join(sorted(files)[:8]) or "no files"
    if below:
        return f"the revision has no {below!r} that nodeflow reads; it has {shown}"
    return f"nothing in it that nodeflow reads ({', '.join(READ)}); it has {shown}"


def fetch(order: Fetch, cache: Path, told: Callable[[str, int | None], None] = lambda file, size: None) -> Path:
    """Fetch what `look` has found into the hub's cache; files that are there already are left as they are.

    Args:
        told: called with each file and its size before it is fetched.

    Returns:
        The folder of the revision.

    Raises:
        FetchError: if the connection fails, the disk is full, …; what has been fetched stays and is not fetched again.
    """
    from huggingface_hub import hf_hub_download

    name = order.name
    folder = cache
    for file, size in order.files:
        told(file, size)
        with _told(name, file):
            path = hf_hub_download(name.repo, file, revision=name.revision, cache_dir=cache, endpoint=endpoint())
        folder = Path(path).parents[file.count("/")]
    return folder


class _told:
    """Turns what the hub's library raises into `FetchError`s that say what was to be fetched."""

    def __init__(self, name: HubName, file: str = "") -> None:
        self.name, self.file = name, file

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(error, Exception):
            return
        what = self.file or self.name.file or "its configurations, vocabularies and safetensors files"
        reason = _reason(error)
        raise FetchError(
            f"{reason}. To be fetched: {what} of {self.name.repo}, revision {self.name.revision}, from {endpoint()}. "
            "Without a network here, fetch it elsewhere with the same command and copy the folder "
            f"models--{self.name.repo.replace('/', '--')} into this machine's cache"
        ) from error


def _reason(error: Exception) -> str:
    kind = type(error).__name__
    if offline() or kind == "OfflineModeIsEnabled":
        return "HF_HUB_OFFLINE forbids the network"
    if kind == "GatedRepoError":
        return "the hub wants a licence to be accepted first, on the model's page; then log in with `hf auth login`"
    if kind == "RepositoryNotFoundError":
        return "the hub has no such model (or it is private)"
    if kind == "RevisionNotFoundError":
        return "the hub has the model, but not this revision"
    if isinstance(error, OSError) and error.errno:
        return f"it could not be written: {error.strerror}"
    first = (str(error).strip() or kind).splitlines()[0]
    return f"the hub could not be reached or broke off ({kind}: {first[:200]})"
