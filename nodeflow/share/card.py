"""Where a model comes from and under which licence: from its model card, its place in a download cache, or the package
that ships it. Read, never fetched; what nobody says stays empty."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, entry_points
from importlib.util import find_spec
from pathlib import Path

from nodeflow.registry import MODELS

MAX_HEADER = 64 << 10
_HUB = re.compile(r"models--(?P<repo>[^/]+?)/snapshots/(?P<revision>[0-9a-f]{7,64})(/|$)")
_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*):[ \t]*(.*)")


def header(text: str) -> dict[str, str]:
    """The plain `key: value` lines at the top level of a model card's YAML header; the first item of a list.

    Only what is a word or a line is read: no YAML parser, no tags, no anchors.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].strip() != "---":
        return {}
    found: dict[str, str] = {}
    last = ""
    for line in lines[1:]:
        if line.strip() in ("---", "..."):
            return found
        if match := _LINE.fullmatch(line):
            last, value = match[1].lower(), _plain(match[2])
            if value:
                found.setdefault(last, value)
        elif last and last not in found and (item := re.fullmatch(r"[ \t]*-[ \t]+(.*)", line)):
            found[last] = _plain(item[1])
    return {}


def _plain(value: str) -> str:
    value = re.sub(r"(^|\s)#.*", "", value).strip()
    if value.startswith("[") and value.endswith("]"):
        value = value[1:-1].split(",")[0].strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return "" if value in ("|", ">", "|-", ">-", "null", "~") or value.startswith(("&", "*", "!", "{")) else value[:300]


def card_of(model: Path) -> Path | None:
    """The card of a model: README.md in its folder; for a file NAME.md, or README.md in a folder of its own."""
    places = [model / "README.md"] if model.is_dir() else [model.with_suffix(".md")]
    if not model.is_dir() and len([p for p in _siblings(model) if p.suffix in (".safetensors", ".gguf")]) == 1:
        places.append(model.with_name("README.md"))
    return next((place for place in places if place.is_file()), None)


def _siblings(path: Path) -> list[Path]:
    try:
        return list(path.parent.iterdir())
    except OSError:
        return []


def provenance(model: Path) -> tuple[str, str]:
    """(licence, source) of a model file or folder; empty where nothing says it.

    The source is `hf:OWNER/NAME@REVISION` for a file in Hugging Face's cache, `package NAME==VERSION` for what a
    package ships, else what the card names as `source`, `repo`, `url` or `base_model`.
    """
    fields: dict[str, str] = {}
    if card := card_of(model):
        try:
            with open(card, encoding="utf-8", errors="replace") as file:
                fields = header(file.read(MAX_HEADER))
        except OSError:
            fields = {}
    licence = fields.get("license_name") if fields.get("license") == "other" else fields.get("license")
    source = _hub(model) or _package(model)
    if not source:
        source = next((fields[name] for name in ("source", "repo", "url", "base_model") if name in fields), "")
    return licence or "", source


def _hub(model: Path) -> str:
    for path in (model.absolute(), model.resolve()):
        if match := _HUB.search(path.as_posix()):
            return f"hf:{match['repo'].replace('--', '/', 1)}@{match['revision']}"
    return ""


def _package(model: Path) -> str:
    real = model.resolve()
    for point in entry_points(group=MODELS):
        try:
            spec = find_spec(point.module)
        except (ImportError, ValueError, PackageNotFoundError):
            continue
        folders = [Path(p).resolve() for p in (spec.submodule_search_locations or ())] if spec is not None else []
        if point.dist is not None and any(real.is_relative_to(folder) for folder in folders):
            return f"package {point.dist.name}=={point.dist.version}"
    return ""
